"""Every setting of a render: its type, range, default and meaning, in one place.

The manifest's parser, the JSON Schema, the documentation and the cell's key are all derived from `Settings`; a new
setting is one more field here. Reading this module needs no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

from stylecore import contradictions, schedule
from stylecore.architectures import layers_of as layers_of
from stylecore.architectures import smallest_side
from stylecore.errors import SettingError, did_you_mean
from stylecore.methods import METHODS
from stylecore.presets import PRESETS
from stylecore.schedule import Animation, Scales, Size, Snapshots, Steps
from stylecore.values import Choice, EncoderChoice, Kind, Maybe, Number, Pair, Start, TileSide, Weighted, Whole

STATISTIC_NAMES = {
    "gram": "Gram matrix",
    "centered_gram": "covariance",
    "mean_std": "means and standard deviations",
    "wasserstein2": "Wasserstein-2 distance of Gaussians",
    "principal_wasserstein2": "the same along 128 principal components, at a fraction of the cost",
    "sliced_wasserstein": "sorted random projections",
    "histogram": "histogram of each channel",
    "mrf": "nearest 3×3 patches",
}
STYLE_LAYERS = {"relu1_1": 64.0, "relu2_1": 16.0, "relu3_1": 4.0, "relu4_1": 1.0, "relu5_1": 0.5}
FREE_IN_A_BATCH = frozenset(
    {
        "preset",
        "seed",
        "noise",
        "noise_distribution",
        "init",
        "content_weight",
        "style_weight",
        "tv_weight",
        "color",
    }
)
"""Settings that may differ within a batch: each is a number of its own cell's objective or start."""


def _setting(default: Any, kind: Kind, doc: str, *, decides_pixels: bool = True) -> Any:
    metadata = {"kind": kind, "doc": doc, "decides_pixels": decides_pixels}
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: copy(default), metadata=metadata)
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
    init: str | dict[str, float] = _setting(
        "content",
        Start(),
        "Picture the optimisation starts from: `content`, `style`, `noise`, `grey`, a picture's path, or a blend such "
        "as `{content: 0.9, noise: 0.1}`.",
    )
    noise: float = _setting(
        0.1,
        Number(0, 1),
        "Strength of the noise of `init`, around the encoder's mean colour: standard deviation of normal noise, half "
        "the width of uniform noise.",
    )
    noise_distribution: str = _setting("normal", Choice("normal", "uniform"), "Distribution of the noise of `init`.")
    seed: int = _setting(0, Whole(0, 2**63 - 1), "Seed of the noise that a render starts from.")
    size: int | str = _setting(
        512,
        Size(),
        "Longest side of the result in pixels, its aspect the content's (the style's where there is no content); or an "
        "exact size `640x480`, to which pictures are cut; or a share of the picture, `50%`.",
    )
    style_scale: float = _setting(1.0, Number(0.05, 20), "Longest side of the style picture, as a multiple of `size`.")
    steps: int | list[int] = _setting(
        [200, 100],
        Steps(),
        "Evaluations of loss and gradient: a number for all scales together, of which each takes an equal share, or a "
        "list with the steps of each scale, whose last is repeated.",
    )
    scales: str | int | list[int] | dict[str, float] = _setting(
        "auto",
        Scales(),
        "Sizes rendered from coarse to fine, each starting from the last: `auto`, a number of sizes (each half the "
        "next), a list of longest sides, or a rule; `auto` is `{from: 128, factor: 1.414}` (crowsonkb).",
    )
    tolerance: float = _setting(
        0.0, Number(0, 1), "A scale ends once its last 20 steps lowered the loss by less than this share; 0 for never."
    )
    time_limit: float | None = _setting(
        None, Maybe(Number(0.1)), "Seconds of rendering after which a cell ends with what it has, at full size."
    )
    content_layers: dict[str, float] = _setting(
        {"relu4_2": 1.0, "relu3_2": 0.3},
        Weighted("layer"),
        "Layers of the content term: a list, or a mapping of layer to weight.",
    )
    style_layers: dict[str, float] = _setting(
        STYLE_LAYERS, Weighted("layer"), "Layers of the style term: a list, or a mapping of layer to weight."
    )
    content_weight: float = _setting(1.0, Number(0), "Weight of the content term.")
    style_weight: float = _setting(100.0, Number(0), "Weight of the style term.")
    style_statistic: dict[str, float] = _setting(
        {"principal_wasserstein2": 1.0},
        Weighted("statistic", tuple(STATISTIC_NAMES)),
        "Statistic of the style's features, a list of them, or a mapping of statistic to weight: "
        + ", ".join(f"`{name}` ({meaning})" for name, meaning in STATISTIC_NAMES.items())
        + ".",
    )
    content_normalization: str = _setting(
        "variance",
        Choice("variance", "mean", "sum"),
        "Content term, a weighted sum over layers of: `sum` half the squared differences (Gatys et al. 2016, eq. 1), "
        "`mean` their mean (neural-style); `variance`, a weighted mean over layers of that mean / target's variance.",
    )
    style_normalization: str = _setting(
        "target",
        Choice("target", "mean", "channels", "paper", "positions", "pixels"),
        "Style term, a weighted sum over layers of each statistic's distance: `mean` as it is, for a Gram matrix the "
        "mean of D², D its difference. For Gram matrices only: `paper` mean D² / 4 (Gatys et al. 2016, eq. 4), "
        "`channels` mean D² / channels² (neural-style), `positions` mean D² · positions² (Hvass), `pixels` "
        "sum D² · (positions / pixels)² / 36 (Chollet). `target`, a weighted mean over layers of distance / the "
        "target's own size.",
    )
    balance: str = _setting(
        "none",
        Choice("none", "terms", "layers"),
        "`terms` divides each term by its own current value (Hvass); `layers` divides the gradient of each layer's "
        "loss by its own L1 norm (neural-style's -normalize_gradients). Neither is for L-BFGS.",
    )
    tv_weight: float = _setting(6e-4, Number(0), "Weight of the total variation.")
    tv_norm: str = _setting(
        "squared",
        Choice("squared", "absolute", "power", "nine-point"),
        "Total variation of pixels in 0–255: `squared` is the mean squared difference of neighbours, `absolute` the "
        "sum of absolute differences (neural-style-pt), `power` the sum of (dx² + dy²)^1.25 (Mahendran, Vedaldi 2015; "
        "Chollet), `nine-point` weighted mean squares that include diagonals (crowsonkb).",
    )
    color: str = _setting(
        "style",
        Choice("style", "content", "histogram", "cholesky", "pca", "symmetric"),
        "`content` keeps the content's colours: only luminance is restyled. The others first give the style picture "
        "the content's colours: channel by channel, or all at once by an affine map (Gatys et al. 2016, "
        "arXiv:1606.05897).",
    )
    optimizer: str = _setting(
        "lbfgs",
        Choice("lbfgs", "adam", "sgd", "normalized-sgd"),
        "Optimiser of the pixels; `sgd` is plain gradient descent, `normalized-sgd` divides each gradient by its "
        "standard deviation.",
    )
    learning_rate: float | None = _setting(
        None,
        Maybe(Number(1e-8, 1000), "auto"),
        "Adam and gradient descent: step in units of full brightness, 0.02 by default. L-BFGS: factor on each step, "
        "1 by default.",
    )
    learning_rate_decay: float = _setting(
        1.0, Number(0.01, 1), "Adam and gradient descent: factor on the learning rate for each 100 steps."
    )
    adam_betas: list[float] = _setting([0.9, 0.99], Pair(Number(0, 0.99999)), "Adam: decay of both moments.")
    adam_epsilon: float = _setting(1e-8, Number(0, 10), "Adam: added to the root of the second moment.")
    average: float = _setting(
        0.0,
        Number(0, 0.99999),
        "Adam: decay of the running mean of iterates that is the result; 0 for the last one.",
    )
    history_size: int = _setting(20, Whole(1, 1000), "L-BFGS: number of past steps that shape the next one.")
    line_search: str = _setting(
        "armijo",
        Choice("armijo", "none"),
        "L-BFGS: `armijo` goes back where the loss does not fall enough; `none` takes every step (torch's default).",
    )
    spectral_exponent: float | None = _setting(
        None,
        Maybe(Number(0, 2), "auto"),
        "L-BFGS works on pixels whose Fourier amplitudes are scaled by 1/frequency to this power; 0 turns it off. By "
        "default 0.5 where the style is told by Gram matrices alone, 0.25 elsewhere.",
    )
    bounds: str = _setting(
        "clamp",
        Choice("clamp", "none"),
        "L-BFGS: `clamp` keeps pixels in 0–255 at each step, so that the picture that is saved is the one that was "
        "optimised; `none` clips at the end, as peers do. Adam always clamps.",
    )
    snapshots: list[int] | dict[str, int] | None = _setting(
        None, Maybe(Snapshots()), "Steps whose pictures are kept beside the result: a list, or `{every: 50}`."
    )
    animation: str | None = _setting(
        None, Maybe(Animation), "Format of an animation of the snapshots: `webp` or `gif`."
    )
    precision: str = _setting(
        "auto",
        Choice("auto", "fp32", "bf16", "fp16"),
        "Arithmetic of the convolutions: `auto` is bf16 where the device computes in it, else fp32. Where it has no "
        "`fp16`, that is `auto`; a picture that a half precision cannot hold is drawn again in fp32; receipts say so.",
    )

    tile: str | int = _setting(
        "auto",
        TileSide(),
        "Pixels on the side of the tiles that a large picture is rendered by, for the same picture with the memory of "
        "one tile and its surroundings, at about twice the time; `off` for the whole at once. `auto` is off while that "
        "fits into memory, else the largest of 1024, 896, … 128 that does.",
        decides_pixels=False,
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, parse(field.name, getattr(self, field.name)))
        contradictions.check(self)

    @classmethod
    def resolve(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from a mapping of names to values; a preset, then the method, supply what is not named.

        Raises:
            SettingError: as the class says.
        """
        for name in values:
            kind_of(name)
        preset = parse("preset", values.get("preset"))
        from_preset = PRESETS[preset] if preset else {}
        method = METHODS[parse("method", values.get("method", from_preset.get("method", "gatys")))]
        try:
            return cls(**{**method.defaults, **from_preset, **values})
        except SettingError as error:
            if not preset:
                raise
            raise SettingError(error.setting, f"{error} (preset {preset})") from None

    def varied(self, values: Mapping[str, Any]) -> Settings:
        """These settings with some other values, without parsing anything again: for very many cells of one kind.

        Args:
            values: by name, in the canonical form that `parse` gives; not `method` or `preset`, on which others depend.

        Raises:
            SettingError: settings that contradict each other.
        """
        other = object.__new__(Settings)
        vars(other).update(vars(self), **values)
        contradictions.check(other)
        return other

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain JSON values."""
        return {n: copy(v) if isinstance(v, dict | list) else v for n, v in vars(self).items()}

    def deciding(self) -> dict[str, Any]:
        """The settings that decide the pixels, as plain JSON values: what a cell's key is made of."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata["decides_pixels"]}

    def canvases(self, width: int, height: int) -> list[tuple[int, int]]:
        """Width and height of each canvas, coarse to fine, for a picture of so many pixels; the last is the result's.

        `scales: auto` leaves out those at which a panorama is too low for the layers.
        """
        found = schedule.canvases(self.size, self.scales, width, height)
        if self.scales != "auto":
            return found
        least = smallest_side(self.layers())
        return [sides for sides in found[:-1] if min(sides) >= least] + found[-1:]

    def shares(self, count: int) -> list[int]:
        """Steps of each of so many canvases, coarse to fine."""
        return schedule.shares(self.steps, count)

    @property
    def spectral(self) -> float:
        """`spectral_exponent`, or where it is not set what was measured to be soonest for the style statistic."""
        if self.spectral_exponent is not None:
            return self.spectral_exponent
        by_grams = METHODS[self.method].needs_style and set(self.style_statistic) <= {"gram", "centered_gram"}
        return 0.5 if by_grams else 0.25

    def layers(self) -> list[str]:
        """Layers that the method computes of the picture, from content and style."""
        method = METHODS[self.method]
        content = self.content_layers if method.needs_content else {}
        return list({**content, **(self.style_layers if method.needs_style else {})})


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
