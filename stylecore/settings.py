"""Every setting of a render: its type, range, default and meaning, in one place.

The manifest's parser, the JSON Schema, the documentation and the cell's key are all derived from `Settings`; a new
setting is one more field here. Reading this module needs no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from stylecore.architectures import ARCHITECTURES
from stylecore.errors import SettingError, did_you_mean
from stylecore.methods import METHODS
from stylecore.presets import PRESETS
from stylecore.values import (
    Choice,
    EncoderChoice,
    Kind,
    Maybe,
    Number,
    Scales,
    Text,
    Weighted,
    Whole,
)

STYLE_LAYERS = {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 1.0, "relu4_1": 1.0, "relu5_1": 1.0}


def _setting(default: Any, kind: Kind, doc: str, *, decides_pixels: bool = True) -> Any:
    metadata = {"kind": kind, "doc": doc, "decides_pixels": decides_pixels}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Everything that decides a render besides its pictures.

    Values given to the constructor are parsed and checked: `Settings(size="256")` holds the number 256.
    `Settings.resolve` also applies a preset. Each field's meaning stands beside it.

    Raises:
        SettingError: an unknown name, a value outside its range, or a layer that the encoder does not have.
    """

    method: str = _setting("gatys", Choice(*METHODS), "Method that renders the cell.")
    preset: str | None = _setting(
        None,
        Maybe(Choice(*PRESETS)),
        "A published set-up to start from; every value it sets can be overridden.",
        decides_pixels=False,
    )
    encoder: str | dict[str, str] = _setting(
        "vgg19",
        EncoderChoice(),
        "Network that describes pictures: `vgg19` (rescaled to mean activation 1, shipped), `vgg19-torchvision`, "
        "`vgg16-torchvision`, or `{arch, weights, input, sha256}` for a file.",
    )
    pooling: str = _setting("max", Choice("max", "average"), "Pooling between blocks. Gatys et al. suggest average.")
    padding: str = _setting(
        "replicate",
        Choice("zero", "replicate", "reflect"),
        "How the picture goes on beyond its border at the first convolution; later ones pad with zeros. `zero` is the "
        "network as trained; `replicate` (crowsonkb) leaves no frayed borders.",
    )
    init: str = _setting(
        "content", Text(), "Picture the optimisation starts from: `content`, `style`, `noise`, or a picture's path."
    )
    noise: float = _setting(
        0.1, Number(0, 1), "Standard deviation of the normal noise of `init: noise`, around the encoder's mean colour."
    )
    seed: int = _setting(0, Whole(0, 2**63 - 1), "Seed of every random number of the render.")
    size: int = _setting(512, Whole(16, 16384), "Longest side of the result in pixels; the aspect is the content's.")
    style_scale: float = _setting(1.0, Number(0.05, 20), "Longest side of the style picture, as a multiple of `size`.")
    steps: int = _setting(
        300, Whole(1, 1_000_000), "Evaluations of loss and gradient, all scales together; each scale takes a share."
    )
    content_layers: dict[str, float] = _setting(
        {"relu4_2": 1.0}, Weighted("layer"), "Layers of the content term: a list, or a mapping of layer to weight."
    )
    style_layers: dict[str, float] = _setting(
        STYLE_LAYERS, Weighted("layer"), "Layers of the style term: a list, or a mapping of layer to weight."
    )
    content_weight: float = _setting(1.0, Number(0), "Weight of the content term.")
    style_weight: float = _setting(20.0, Number(0), "Weight of the style term.")
    style_statistic: dict[str, float] = _setting(
        {"gram": 1.0},
        Weighted("statistic", ("gram", "centered_gram")),
        "Statistic of the style's features: `gram`, `centered_gram`, a list, or a mapping of statistic to weight.",
    )
    content_normalization: str = _setting(
        "variance",
        Choice("variance", "mean", "sum"),
        "Content term, a weighted sum over layers of: `sum` half the squared differences (Gatys et al. 2016, eq. 1), "
        "`mean` their mean (neural-style); `variance`, a weighted mean over layers of that mean / target's variance.",
    )
    style_normalization: str = _setting(
        "target",
        Choice("target", "channels", "mean", "paper"),
        "Style term, a weighted sum over layers of, with D the difference of the statistics: `mean` the mean of D², "
        "`paper` a quarter of that mean (Gatys et al. 2016, eq. 4), `channels` that mean / channels² (neural-style); "
        "`target`, a weighted mean over layers of |D|² / |target|².",
    )
    tv_weight: float = _setting(2e-3, Number(0), "Weight of the total variation.")
    tv_norm: str = _setting(
        "squared",
        Choice("squared", "absolute"),
        "Total variation of pixels in 0–255: `squared` is the mean squared difference of neighbours, `absolute` the "
        "sum of absolute differences (neural-style-pt).",
    )
    optimizer: str = _setting("lbfgs", Choice("lbfgs", "adam"), "Optimiser of the pixels.")
    learning_rate: float | None = _setting(
        None,
        Maybe(Number(1e-8, 1000), "auto"),
        "Adam: step in units of full brightness, 0.02 by default. L-BFGS: factor on each step, 1 by default.",
    )
    history_size: int = _setting(20, Whole(1, 1000), "L-BFGS: number of past steps that shape the next one.")
    spectral_exponent: float = _setting(
        0.25,
        Number(0, 2),
        "L-BFGS works on pixels whose Fourier amplitudes are scaled by 1/frequency to this power; 0 turns it off.",
    )
    scales: str | int | list[int] = _setting(
        "auto",
        Scales(),
        "Sizes rendered from coarse to fine: `auto`, a number of sizes (each half the next), or a list of longest "
        "sides. Pictures are rendered at each in turn, each starting from the last.",
    )
    color: str = _setting(
        "style", Choice("style", "content"), "`content` keeps the content's colours: only luminance is restyled."
    )
    precision: str = _setting(
        "auto",
        Choice("auto", "fp32", "bf16"),
        "Arithmetic of the convolutions: `auto` is bf16 where the device computes in it, else fp32.",
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, parse(field.name, getattr(self, field.name)))
        for name in ("content_layers", "style_layers"):
            _check_layers(name, getattr(self, name), self.encoder)
        if isinstance(self.scales, list) and self.scales and self.scales[-1] > self.size:
            raise SettingError("scales", f"scales: {self.scales[-1]} is larger than the picture (size: {self.size})")

    @classmethod
    def resolve(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from a mapping of names to values; a preset among them supplies what is not named.

        Raises:
            SettingError: as the class says.
        """
        for name in values:
            kind_of(name)
        preset = parse("preset", values.get("preset"))
        return cls(**{**(PRESETS[preset] if preset else {}), **values})

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain JSON values."""
        return dataclasses.asdict(self)

    def deciding(self) -> dict[str, Any]:
        """The settings that decide the pixels, as plain JSON values: what a cell's key is made of."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata["decides_pixels"]}

    def sizes(self) -> list[int]:
        """Longest sides in the order they are rendered, coarse to fine; the last is `size`."""
        if isinstance(self.scales, list):
            return sorted({*self.scales, self.size})
        fine_enough = [n for n in (1, 2) if self.size // 2**n >= COARSEST]
        count = 1 + len(fine_enough) if self.scales == "auto" else int(self.scales)
        return sorted({max(16, self.size // 2**n) for n in range(count)})


COARSEST = 96
"""Longest side in pixels below which `scales: auto` goes no further: content is lost in smaller pictures."""


def names() -> tuple[str, ...]:
    """Names of all settings, in the order they are documented."""
    return tuple(field.name for field in dataclasses.fields(Settings))


def kind_of(name: str) -> Kind:
    """Kind of value that a setting takes.

    Raises:
        SettingError: there is no such setting; the message suggests the nearest.
    """
    if kind := _kinds().get(name):
        return kind
    raise SettingError(str(name), f"unknown setting {name!r}{did_you_mean(name, names())}")


@cache
def _kinds() -> dict[str, Kind]:
    return {field.name: field.metadata["kind"] for field in dataclasses.fields(Settings)}


def parse(name: str, value: Any) -> Any:
    """A setting's value in its one canonical form: `"1e3"` becomes 1000.0, `relu1_1` becomes {relu1_1: 1.0}.

    Raises:
        SettingError: unknown setting, or a value it cannot take.
    """
    try:
        return kind_of(name).parse(value)
    except ValueError as error:
        raise SettingError(name, f"{name}: {error}") from None


def json_schema() -> dict[str, Any]:
    """JSON Schema of a mapping of settings."""
    properties, defaults = {}, Settings()
    for field in dataclasses.fields(Settings):
        default = getattr(defaults, field.name)
        properties[field.name] = {
            **field.metadata["kind"].schema(),
            "description": field.metadata["doc"],
            "default": default,
        }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def layers_of(encoder: str | Mapping[str, str]) -> list[str]:
    """Names of the layers an encoder offers, from the picture upwards; the shipped one ends with relu5_1."""
    architecture = encoder.split("-")[0] if isinstance(encoder, str) else encoder["arch"]
    layers = ARCHITECTURES[architecture].layers()
    return layers[: layers.index("relu5_1") + 1] if encoder == "vgg19" else layers


def _check_layers(name: str, weighted: Mapping[str, float], encoder: str | Mapping[str, str]) -> None:
    offered = layers_of(encoder)
    for layer in weighted:
        if layer not in offered:
            raise SettingError(
                name,
                f"{name}: the encoder has no layer {layer!r}{did_you_mean(layer, offered)} "
                f"(it has {offered[0]} … {offered[-1]})",
            )
