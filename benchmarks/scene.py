"""What the measurements render: a pair of pictures, and one objective for stylepress and for the plain script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import plain
from benchmarks.plain import PlainScript
from stylecore import Settings, images, weights
from stylecore.constants import Constants
from stylecore.encoder import Encoder, computing_type, warm_encoder
from stylecore.methods.batch import Member, MemberStyle
from stylecore.methods.targets import targets_of
from stylecore.objective import Objective
from stylecore.presets import PRESETS

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "flows" / "samples"
_OBJECTIVE = ("content_layers", "content_normalization", "style_statistic", "style_normalization")
_OBJECTIVE += ("tv_weight", "tv_norm", "noise", "bounds")
_NETWORK = {"pooling": "max", "padding": "zero"}
_PLACES = {0: "relu1_1", 5: "relu2_1", 10: "relu3_1", 19: "relu4_1", 28: "relu5_1"}


@dataclass(frozen=True)
class Scene:
    """What is rendered, and how it is measured.

    Attributes:
        content: file of the content picture.
        style: file of the style picture.
        weights: VGG-19 of Oxford, as a file; None for the network that ships.
        device: where.
        repeat: how often a short measurement is repeated.
        quick: whether everything is made small, to see that it works.
        cells: of the grid.
        variants: settings to try beside the defaults, each under the words that name it.
    """

    content: Path = SAMPLES / "coffee.jpg"
    style: Path = SAMPLES / "brush-strokes.jpg"
    weights: Path | None = None
    device: torch.device = torch.device("cpu")
    repeat: int = 5
    quick: bool = False
    cells: int = 24
    variants: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def precision(self) -> str:
        """What `precision: auto` is here."""
        return (
            str(computing_type("auto", self.device)).removeprefix("torch.").replace("float", "fp").replace("bfp", "bf")
        )

    def settings(self, **values: Any) -> Settings:
        """Settings with neural-style's objective, one scale, and stylepress's own optimiser."""
        terms = plain.OXFORD if self.weights else plain.RESCALED
        preset = {name: PRESETS["neural-style"][name] for name in _OBJECTIVE}
        objective = {
            "content_weight": terms.content,
            "style_weight": 1.0,
            "style_layers": {_PLACES[place]: weight for place, weight in terms.style.items()},
        }
        encoder = {"arch": "vgg19", "weights": str(self.weights), "input": "caffe"} if self.weights else "vgg19"
        return Settings.resolve({**preset, **objective, **_NETWORK, "encoder": encoder, "scales": 1, **values})

    def encoder(self, settings: Settings) -> Encoder:
        """The encoder of such settings; it stays loaded."""
        dtype = computing_type(settings.precision, self.device)
        source = weights.resolve(settings.encoder)
        return warm_encoder(source, settings.pooling, settings.padding, dtype, self.device)

    def member(self, settings: Settings) -> Member:
        """The cell of such settings, its pictures decoded."""
        return Member(_read(self.content), (MemberStyle(_read(self.style)),), None, settings)

    def objective(self, member: Member, batch: int = 1) -> tuple[Objective, Tensor]:
        """The objective of a cell, so many times in a batch, and its content pictures, at the finest canvas."""
        canvas, encoder = member.canvases()[-1], self.encoder(member.settings)
        targets = targets_of(member, canvas, Constants(encoder))
        pictures = self.fitted(member)[0].repeat(batch, 1, 1, 1)
        return Objective(encoder, [targets] * batch, canvas), pictures

    def fitted(self, member: Member) -> tuple[Tensor, Tensor]:
        """Content and style at the sizes of a cell's finest canvas."""
        assert member.content is not None
        canvas = member.canvases()[-1]
        content = images.fill(member.content, *canvas)
        style = images.fit(member.styles[0].picture, max(canvas))
        return plain.tensor_of(content, self.device), plain.tensor_of(style, self.device)

    def network(self) -> plain.Network:
        """The plain script's network."""
        return plain.read_network(self.weights or plain.SHIPPED, self.device)

    def script(self, member: Member, network: plain.Network) -> PlainScript:
        """The plain script for the pictures of a cell, and for its weight of the style."""
        terms = plain.OXFORD if self.weights else plain.RESCALED
        return PlainScript(network, *self.fitted(member), terms.scaled(member.settings.style_weight))


def parsed(assignments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Variants of settings, each from a text such as `history_size=30 scales=[128,256]`; values are JSON or words.

    Raises:
        ValueError: no part, or one without `=`.
        SettingError: a setting or value that there is none of.
    """
    variants = {}
    for text in assignments:
        pairs = [part.partition("=") for part in text.split()]
        if not pairs or not all(equals for _, equals, _ in pairs):
            raise ValueError(f"--set: expected name=value, several of them with spaces between, got {text!r}")
        variants[text] = {name: _value(value) for name, _, value in pairs}
        Settings.resolve(variants[text])
    return variants


_read = lru_cache(images.read)  # decoding is no part of what is measured


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
