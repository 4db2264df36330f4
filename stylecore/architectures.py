"""The VGG networks as tables: which layers there are, in which order, how wide. No torch, so that checks start fast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Architecture:
    """A VGG network's convolutional part.

    Attributes:
        name: `vgg19` or `vgg16`.
        blocks: for each block the number of convolutions in it; blocks are separated by 2×2 pooling.
        widths: for each block the number of channels of its convolutions.

    Source: Simonyan, Zisserman 2015 (arXiv:1409.1556), table 1, columns E (VGG-19) and D (VGG-16).
    """

    name: str
    blocks: tuple[int, ...]
    widths: tuple[int, ...]

    def convolutions(self) -> list[Convolution]:
        """List the convolutions from the picture upwards, with their place in torchvision's `features` module."""
        convolutions, index, channels = [], 0, 3
        for block, (count, width) in enumerate(zip(self.blocks, self.widths, strict=True), start=1):
            for number in range(1, count + 1):
                convolutions.append(Convolution(f"conv{block}_{number}", block, index, channels, width))
                index, channels = index + 2, width
            index += 1  # the pooling layer between blocks
        return convolutions

    def layers(self) -> list[str]:
        """Names of all layers a picture can be described by, from the picture upwards: `conv1_1`, `relu1_1`, …"""
        names = []
        for convolution in self.convolutions():
            names += [convolution.name, convolution.name.replace("conv", "relu")]
        return names


@dataclass(frozen=True)
class Convolution:
    """One 3×3 convolution: its name, its block (1…5), its torchvision index and its channels in and out."""

    name: str
    block: int
    index: int
    channels_in: int
    channels_out: int

    @property
    def keys(self) -> tuple[str, str]:
        """Names of its weight and bias in a torchvision state dict."""
        return f"features.{self.index}.weight", f"features.{self.index}.bias"


ARCHITECTURES = {
    "vgg19": Architecture("vgg19", (2, 2, 4, 4, 4), (64, 128, 256, 512, 512)),
    "vgg16": Architecture("vgg16", (2, 2, 3, 3, 3), (64, 128, 256, 512, 512)),
}


def convolutions_of(encoder: str | Mapping[str, str]) -> list[Convolution]:
    """The convolutions of an encoder's network, from the picture upwards."""
    return _architecture_of(encoder).convolutions()


def layers_of(encoder: str | Mapping[str, str]) -> list[str]:
    """Names of the layers an encoder offers, from the picture upwards; the shipped one ends with relu5_1."""
    return list(_offered(_architecture_of(encoder), encoder == "vgg19"))


@cache
def _offered(architecture: Architecture, shipped: bool) -> tuple[str, ...]:
    layers = architecture.layers()
    return tuple(layers[: layers.index("relu5_1") + 1] if shipped else layers)


def smallest_side(layers: Iterable[str]) -> int:
    """Shortest side, in pixels, of a picture that has a position at each of the layers: each block halves it."""
    return int(2 ** (max((int(layer[4]) for layer in layers), default=1) - 1))


def _architecture_of(encoder: str | Mapping[str, str]) -> Architecture:
    return ARCHITECTURES[encoder.split("-")[0] if isinstance(encoder, str) else encoder["arch"]]
