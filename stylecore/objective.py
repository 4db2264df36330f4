"""The objective: content, style and total-variation terms of a batch of pictures, each picture with its own targets.

What depends on a content or style picture alone is computed once (`Constants`) and shared by every cell that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stylecore.encoder import Encoder
from stylecore.settings import Settings
from stylecore.statistics import STATISTICS

TERMS = ("content", "style", "total_variation")


class Constants:
    """Features of content pictures and statistics of style pictures, computed once per picture, size and layers.

    Args:
        encoder: describes the pictures.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._known: dict[Hashable, dict[str, Tensor]] = {}
        self._bytes = 0

    def content(self, picture: Tensor, digest: str, layers: Sequence[str]) -> dict[str, Tensor]:
        """Features of one content picture of shape (1, 3, height, width), by layer."""
        return self._once(("content", digest, picture.shape, tuple(layers)), picture, layers, lambda maps: maps)

    def style(self, picture: Tensor, digest: str, layers: Sequence[str], statistic: str) -> dict[str, Tensor]:
        """A statistic of one style picture of shape (1, 3, height, width), by layer."""
        return self._once(
            ("style", digest, picture.shape, tuple(layers), statistic), picture, layers, STATISTICS[statistic]
        )

    def _once(
        self, key: Hashable, picture: Tensor, layers: Sequence[str], describe: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        if key not in self._known:
            with torch.no_grad():
                features = self.encoder.features(picture, layers)
                self._known[key] = {layer: describe(maps) for layer, maps in features.items()}
            self._bytes += _bytes_of(self._known[key])
            while self._bytes > _MOST_BYTES and len(self._known) > 1:
                self._bytes -= _bytes_of(self._known.pop(next(iter(self._known))))
        return self._known[key]


_MOST_BYTES = 2**30  # of constants; the oldest go first


def _bytes_of(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())


@dataclass(frozen=True)
class Targets:
    """What one cell's picture is drawn to.

    Attributes:
        content: features of the content picture by layer.
        style: for each statistic its targets by layer.
        settings: the cell's weights, layers and normalisations.
    """

    content: dict[str, Tensor]
    style: dict[str, dict[str, Tensor]]
    settings: Settings


class Objective:
    """Loss of a batch of pictures and its gradient.

    All targets of a batch name the same layers, statistics and normalisations; weights may differ.

    Args:
        encoder: describes the pictures.
        targets: one for each picture of the batch.
    """

    def __init__(self, encoder: Encoder, targets: Sequence[Targets]) -> None:
        self.encoder = encoder
        shared = targets[0].settings
        self.settings = shared
        self.content = {layer: torch.cat([t.content[layer] for t in targets]) for layer in shared.content_layers}
        self.style = {
            statistic: {layer: torch.cat([t.style[statistic][layer] for t in targets]) for layer in shared.style_layers}
            for statistic in shared.style_statistic
        }
        weights = [(t.settings.content_weight, t.settings.style_weight, t.settings.tv_weight) for t in targets]
        self.weights = torch.tensor(weights, device=encoder.device).T  # (terms, batch)
        self.layers = {**shared.content_layers, **shared.style_layers}
        self._content_scales = {layer: _content_scale(maps, shared) for layer, maps in self.content.items()}
        self._style_scales = {
            statistic: {layer: _style_scale(target, shared) for layer, target in by_layer.items()}
            for statistic, by_layer in self.style.items()
        }

    def terms(self, pictures: Tensor) -> Tensor:
        """Weighted terms of each picture, shape (terms, batch) in the order of `TERMS`, float32, with a graph."""
        features = self.encoder.features(pictures, self.layers)
        content = sum(
            (
                weight * self._content_scales[layer] * _squares(features[layer].float() - self.content[layer].float())
                for layer, weight in self.settings.content_layers.items()
            ),
            start=torch.zeros(1, device=pictures.device),
        )
        style = torch.zeros(1, device=pictures.device)
        for statistic, share in self.settings.style_statistic.items():
            for layer, weight in self.settings.style_layers.items():
                difference = STATISTICS[statistic](features[layer]) - self.style[statistic][layer]
                style = style + share * weight * self._style_scales[statistic][layer] * _squares(difference)
        variation = _VARIATIONS[self.settings.tv_norm](pictures * 255)
        rows = pictures.shape[0]
        return self.weights * torch.stack([content.expand(rows), style.expand(rows), variation])

    def evaluate(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Losses, gradients and terms of pictures.

        Args:
            pictures: shape (batch, 3, height, width), float32 in 0..1.

        Returns:
            Losses (batch,), gradients shaped as the pictures, and weighted terms (terms, batch); all float32 without
            a graph. A loss or gradient that is not finite stays in its own row.
        """
        pictures = pictures.detach().requires_grad_()
        terms = self.terms(pictures)
        losses = terms.sum(0)
        (gradients,) = torch.autograd.grad(losses.sum(), pictures)
        return losses.detach(), gradients, terms.detach()


def _squares(difference: Tensor) -> Tensor:
    """Sum of squares of each row of a batch, shape (batch,)."""
    return difference.square().flatten(1).sum(1)


def _content_scale(target: Tensor, settings: Settings) -> Tensor:
    """Factor on the sum of squared differences at one layer, shape (batch,)."""
    count = target[0].numel()
    if settings.content_normalization == "sum":  # Gatys et al. 2016, eq. 1
        return torch.full((len(target),), 0.5, device=target.device)
    scale = torch.full((len(target),), 1 / count, device=target.device)
    if settings.content_normalization == "mean":
        return scale
    variance = target.float().flatten(1).var(1, unbiased=False).clamp_min(1e-12)
    return scale / variance / sum(settings.content_layers.values())


def _style_scale(target: Tensor, settings: Settings) -> Tensor:
    """Factor on the sum of squared differences of a statistic at one layer, shape (batch,)."""
    entries, channels = target[0].numel(), target.shape[1]
    if settings.style_normalization == "target":
        layers = sum(settings.style_layers.values()) * sum(settings.style_statistic.values())
        return 1 / (_squares(target).clamp_min(1e-12) * layers)
    factor = {
        "mean": 1 / entries,
        "channels": 1 / entries / channels**2,  # neural-style: F Fᵀ / (C·H·W)
        "paper": 1 / entries / 4,  # Gatys et al. 2016, eq. 4, with G averaged over positions
    }[settings.style_normalization]
    return torch.full((len(target),), factor, device=target.device)


def squared_variation(pictures: Tensor) -> Tensor:
    """Mean squared difference of vertical plus that of horizontal neighbours, shape (batch,)."""
    vertical, horizontal = pictures.diff(dim=2), pictures.diff(dim=3)
    return vertical.square().mean((1, 2, 3)) + horizontal.square().mean((1, 2, 3))


def absolute_variation(pictures: Tensor) -> Tensor:
    """Sum of absolute differences of neighbours, shape (batch,). Source: ProGamerGov/neural-style-pt."""
    vertical, horizontal = pictures.diff(dim=2), pictures.diff(dim=3)
    return vertical.abs().sum((1, 2, 3)) + horizontal.abs().sum((1, 2, 3))


_VARIATIONS = {"squared": squared_variation, "absolute": absolute_variation}
