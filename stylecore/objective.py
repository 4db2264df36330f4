"""The objective: content, style and total-variation terms of a batch of pictures, each picture with its own targets.

What depends on a content or style picture alone is computed once; see `constants`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from stylecore import tiled
from stylecore.encoder import Encoder
from stylecore.gradients import squared_difference, with_unit_gradient
from stylecore.settings import Settings
from stylecore.statistics import STATISTICS, Statistic
from stylecore.statistics.statistic import MeanAndCovariance
from stylecore.tiling import Place, tiles_of
from stylecore.variation import VARIATIONS, Variation

TERMS = ("content", "style", "total_variation")


@dataclass(frozen=True)
class StyleTarget:
    """One style, or a blend of them, that a picture is drawn to.

    Attributes:
        statistics: for each statistic its targets by layer.
        weight: share of this style in the style term.
        mask: shape (1, 1, height, width), where in the picture it applies; None for everywhere.
    """

    statistics: dict[str, dict[str, Tensor]]
    weight: float = 1.0
    mask: Tensor | None = None


@dataclass(frozen=True)
class Targets:
    """What one cell's picture is drawn to.

    Attributes:
        content: features of the content picture by layer; empty for none.
        styles: the styles; empty for none.
        settings: the cell's weights, layers and normalisations.
        content_mask: shape (1, 1, height, width), where the content counts; None for everywhere.
    """

    content: dict[str, Tensor]
    styles: tuple[StyleTarget, ...]
    settings: Settings
    content_mask: Tensor | None = None


def blended(styles: Sequence[StyleTarget]) -> tuple[StyleTarget, ...]:
    """Styles without masks drawn together: one target where all their statistics are linear, the weighted sum.

    Source: crowsonkb/style-transfer-pytorch, which blends raw moments. Statistics that are not linear, and styles with
    places of their own, stay apart: their distances are summed by weight.
    """
    linear = all(STATISTICS[name].linear for style in styles for name in style.statistics)
    if len(styles) < 2 or not linear or any(style.mask is not None for style in styles):
        return tuple(styles)
    together = {
        name: {
            layer: torch.stack([style.weight * style.statistics[name][layer] for style in styles]).sum(0)
            for layer in layers
        }
        for name, layers in styles[0].statistics.items()
    }
    return (StyleTarget(together, sum(style.weight for style in styles)),)


class Objective:
    """Loss of a batch of pictures and its gradient.

    All targets of a batch name the same layers, statistics and normalisations, and as many styles with and without
    masks; weights may differ.

    Args:
        encoder: describes the pictures.
        targets: one for each picture of the batch.
        canvas: width and height of the pictures, in pixels.
        tile: pixels on the side of a tile, where `evaluate` is to go by tiles; see `tiled`. It is for every balance
            but `layers`, which needs all of a layer's gradient at once.

    Attributes:
        tiles: that `evaluate` goes by; none where the pictures are seen as a whole.
    """

    def __init__(
        self, encoder: Encoder, targets: Sequence[Targets], canvas: tuple[int, int], tile: int | None = None
    ) -> None:
        self.encoder = encoder
        self.settings = settings = targets[0].settings
        weights = [(t.settings.content_weight, t.settings.style_weight, t.settings.tv_weight) for t in targets]
        self.weights = torch.tensor(weights, device=encoder.device).T  # (terms, batch)
        used = (self.weights != 0).any(1).tolist()
        self.content = _content_parts(encoder, targets) if targets[0].content and used[0] else []
        self.style = _style_parts(encoder, targets, canvas) if targets[0].styles and used[1] else []
        self.variation = _in_levels(settings.tv_norm) if used[2] else None
        self.pixels = canvas[0] * canvas[1]
        layers = [part.layer for part in self.content] + [part.layer for part in self.style]
        self.layers = list(dict.fromkeys(layers))
        tiles = tiles_of(canvas, tile, encoder.convolutions, self.layers) if tile and self.layers else []
        self.tiles = tiles if len(tiles) > 1 and settings.balance != "layers" else []

    def terms(self, pictures: Tensor, draw: int = 0) -> Tensor:
        """Weighted terms of each picture, shape (terms, batch) in the order of `TERMS`, float32, with a graph.

        `draw` seeds the random projections of statistics that have them.
        """
        zero = torch.zeros(pictures.shape[0], device=pictures.device)
        content, style = zero, zero
        for layer, maps in self.encoder.walk(pictures, self.layers):
            for content_part in (part for part in self.content if part.layer == layer):
                balanced = self._balanced(maps, self.weights[0] * content_part.share)
                content = content + content_part.loss(balanced)
            for style_part in (part for part in self.style if part.layer == layer):
                balanced = self._balanced(maps, self.weights[1] * style_part.share)
                style = style + style_part.loss(balanced, draw)
        variation = self.variation(pictures) if self.variation else zero
        return self.weighted(content, style, variation)

    def weighted(self, content: Tensor, style: Tensor, variation: Tensor) -> Tensor:
        """Weighted terms, shape (terms, batch), from each term's own values, shape (batch,)."""
        terms = self.weights * torch.stack([content, style, variation])
        if self.settings.balance == "terms":
            terms = self.weights * terms / terms.detach().clamp_min(1e-10)
        return terms

    def _balanced(self, maps: Tensor, strength: Tensor) -> Tensor:
        if self.settings.balance != "layers":
            return maps
        return with_unit_gradient(maps, strength)

    def evaluate(self, pictures: Tensor, draw: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Losses, gradients and terms of pictures.

        Args:
            pictures: shape (batch, 3, height, width), float32 in 0..1.
            draw: seeds random projections.

        Returns:
            Losses (batch,), gradients shaped as the pictures, and weighted terms (terms, batch); all float32 without
            a graph. What is not finite stays in its own row, whose loss then is not a number.
        """
        losses, gradients, terms = (tiled.evaluated if self.tiles else _evaluated)(self, pictures.detach(), draw)
        sound = gradients.isfinite().flatten(1).all(1)  # in fp16, a gradient can overflow where the loss does not
        return torch.where(sound, losses, torch.nan), gradients, terms

    def enlarged(self, losses: Tensor) -> Tensor:
        """Factor, shape (batch,), on losses whose gradients are divided by it afterwards, so that fp16 holds them.

        A gradient by maps is about the loss over as many numbers; times the pixels, over the loss, it is about 1.
        """
        if self.encoder.dtype != torch.float16:
            return torch.ones_like(losses)
        return self.pixels / losses.detach().abs().clamp_min(1e-20)


def _evaluated(objective: Objective, pictures: Tensor, draw: int) -> tuple[Tensor, Tensor, Tensor]:
    """`Objective.evaluate` of pictures as a whole."""
    pictures.requires_grad_()
    terms = objective.terms(pictures, draw)
    losses = terms.sum(0)
    if not losses.requires_grad:
        return losses, torch.zeros_like(pictures), terms
    factor = objective.enlarged(losses)
    (gradients,) = torch.autograd.grad((losses * factor).sum(), pictures)
    return losses.detach(), gradients.div_(factor.view(-1, 1, 1, 1)), terms.detach()


def _in_levels(norm: str) -> Variation:
    """A total variation of pixels in 0..1, taken in 0..255."""
    variation = VARIATIONS[norm]
    return lambda pictures, band=None: variation(pictures * 255, band)


@dataclass(frozen=True)
class ContentPart:
    """The content term at one layer."""

    layer: str
    target: Tensor
    mask: Tensor | None
    scale: Tensor  # on the sum of squared differences, shape (batch,)
    share: float  # the layer's weight

    def cut(self, place: Place) -> ContentPart:
        """What this term has of one place of the features: the terms of all places add up to the whole."""
        mask = None if self.mask is None else self.mask[(..., *place)]
        return replace(self, target=self.target[(..., *place)], mask=mask)

    def loss(self, maps: Tensor) -> Tensor:
        """The term of features, shape (batch,)."""
        return self.scale * squared_difference(maps, self.target, self.mask)


def _content_parts(encoder: Encoder, targets: Sequence[Targets]) -> list[ContentPart]:
    settings = targets[0].settings
    weighted = _counting(settings.content_layers)
    masks = _masks(encoder, [t.content_mask for t in targets], list(weighted))
    parts = []
    for layer, weight in weighted.items():
        target = _together([t.content[layer] for t in targets])
        parts.append(ContentPart(layer, target, masks.get(layer), weight * _content_scale(target, settings), weight))
    return parts


@dataclass(frozen=True)
class StylePart:
    """One statistic of one style at one layer."""

    layer: str
    statistic: Statistic
    target: Any
    mask: Tensor | None
    scale: Tensor  # on the statistic's distance, shape (batch,)
    share: Tensor  # the style's, statistic's and layer's weight, shape (batch,)

    def loss(self, maps: Tensor, draw: int) -> Tensor:
        """The term of features, shape (batch,); `draw` seeds what is drawn at random."""
        return self.scale * self.statistic.distance(maps, self.target, self.mask, draw)

    def loss_of_moments(self, moments: MeanAndCovariance) -> Tensor:
        """As `loss`, of features that have these moments under the mask."""
        return self.scale * self.statistic.distance_of_moments(moments, self.target)


def _style_parts(encoder: Encoder, targets: Sequence[Targets], canvas: tuple[int, int]) -> list[StylePart]:
    settings, parts = targets[0].settings, []
    weighted = _counting(settings.style_layers)
    for index in range(len(targets[0].styles)):
        styles = [t.styles[index] for t in targets]
        weights = torch.tensor([style.weight for style in styles], device=encoder.device)
        masks = _masks(encoder, [style.mask for style in styles], list(weighted))
        for name, share in _counting(settings.style_statistic).items():
            statistic = STATISTICS[name]
            for layer, weight in weighted.items():
                target = torch.cat([style.statistics[name][layer] for style in styles])
                shares = weights * share * weight
                scale = shares * _style_scale(statistic, target, layer, canvas, settings)
                parts.append(StylePart(layer, statistic, statistic.prepare(target), masks.get(layer), scale, shares))
    return parts


def _together(rows: Sequence[Tensor]) -> Tensor:
    """Rows as one batch; a single one as it is, for it may be large."""
    return rows[0] if len(rows) == 1 else torch.cat(list(rows))


def _counting(weighted: Mapping[str, float]) -> dict[str, float]:
    """What has a weight above 0: the rest need not be computed."""
    return {name: weight for name, weight in weighted.items() if weight}


def _masks(encoder: Encoder, masks: Sequence[Tensor | None], layers: Sequence[str]) -> dict[str, Tensor]:
    """Masks of a batch at each layer, shape (batch, 1, height, width); empty where there are none."""
    given = [encoder.mask(mask, layers) for mask in masks if mask is not None]
    return {layer: torch.cat([mask[layer] for mask in given]) for layer in layers} if given else {}


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


def _style_scale(
    statistic: Statistic, target: Tensor, layer: str, canvas: tuple[int, int], settings: Settings
) -> Tensor:
    """Factor on a statistic's distance at one layer, shape (batch,); of a Gram matrix that is the mean of D²."""
    if settings.style_normalization == "target":
        layers = sum(settings.style_layers.values()) * sum(settings.style_statistic.values())
        return 1 / (statistic.size(target).clamp_min(1e-12) * layers)
    channels, pixels = target.shape[-1], canvas[0] * canvas[1]
    halvings = int(layer[4]) - 1
    positions = (canvas[0] >> halvings) * (canvas[1] >> halvings)
    factor = {
        "mean": 1.0,
        "channels": 1 / channels**2,  # neural-style: F Fᵀ / (C·H·W)
        "paper": 1 / 4,  # Gatys et al. 2016, eq. 4, with G averaged over positions
        "positions": positions**2,  # Hvass: F Fᵀ as it is
        "pixels": channels**2 * (positions / pixels) ** 2 / 36,  # Chollet: F Fᵀ as it is, 4 · 3² · pixels²
    }[settings.style_normalization]
    return torch.full((len(target),), float(factor), device=target.device)
