"""The sliced Wasserstein distance: features compared along random directions, where sorting solves the transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stylecore.statistics.masking import chosen, with_choice
from stylecore.statistics.matching import ascending, matched, quantiles, with_gradients
from stylecore.statistics.statistic import Statistic


class SlicedWasserstein(Statistic):
    """Mean over random directions of the squared Wasserstein-2 distance of the projected features.

    As many directions as channels, evenly distributed over the sphere; the same for every row of a batch. Where picture
    and style differ in their number of positions, the style's sorted projections are resampled. With masks, the
    positions whose weight is more than half of the row's largest are compared. Sorting makes it the slowest of the
    statistics on a CPU, after the patches.

    Source: Heitz et al. 2021, "A Sliced Wasserstein Loss for Neural Texture Synthesis".
    """

    def describe(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """The features and their mask, shape (batch, channels + 1, height, width)."""
        return with_choice(features, weights)

    def prepare(self, target: Tensor) -> list[Tensor]:
        """The chosen positions of each row, shape (channels, chosen)."""
        return [row[:-1, row[-1] > 0] for row in target]

    def distance(self, features: Tensor, target: Any, weights: Tensor | None = None, draw: int = 0) -> Tensor:
        """As the class says; 0 for a row that has no positions, or whose target has none."""
        styles = self.prepare(target) if isinstance(target, Tensor) else target
        directions = _directions(features.shape[1], draw).to(features.device)
        with torch.no_grad():
            distances, gradients = _compared(features.detach(), styles, weights, directions)
        return with_gradients(features, distances, gradients)

    def size(self, target: Tensor) -> Tensor:
        """Mean of squares of the chosen features: the expected distance from features that are 0 everywhere."""
        values, mask = target[:, :-1], target[:, -1:]
        return (values * mask).square().mean(1).sum((1, 2)) / mask.sum((1, 2, 3)).clamp_min(1)


def projections(features: Tensor) -> Tensor:
    """What a picture's features, shape (1, channels, height, width), are along the directions of draw 0, sorted.

    Returns:
        Shape (channels, height · width), float32, each row in ascending order.
    """
    maps = features[0].flatten(1).float()
    return ascending(_directions(len(maps), 0).to(maps.device) @ maps)


def distance_of_projections(drawn: Tensor, wanted: Tensor) -> Tensor:
    """The distance of `SlicedWasserstein`, a scalar without a gradient, from the `projections` of both pictures."""
    return (drawn - quantiles(wanted, drawn.shape[1])).square().mean()


_MOST_PROJECTED = 2**24  # numbers at a time: bounds the memory of a comparison


def _directions(channels: int, draw: int) -> Tensor:
    """Unit vectors, shape (channels, channels), one a row."""
    generator = torch.Generator().manual_seed(draw)
    return functional.normalize(torch.randn(channels, channels, generator=generator), dim=1)


def _compared(
    features: Tensor, styles: Sequence[Tensor], weights: Tensor | None, directions: Tensor
) -> tuple[Tensor, Tensor]:
    """Distances, shape (batch,), and their gradients by the features, shaped as they are, float32."""
    masks = None if weights is None else chosen(weights).expand(len(features), -1, -1, -1).flatten(1)
    distances, gradients = [], torch.zeros_like(features, dtype=torch.float32)
    for row, style in enumerate(styles):
        maps = features[row].flatten(1).float()
        used = maps if masks is None else maps[:, masks[row]]
        distance, gradient = _transport(used, style, directions)
        distances.append(distance)
        gradients[row].flatten(1)[:, slice(None) if masks is None else masks[row]] = gradient
    return torch.stack(distances), gradients


def _transport(maps: Tensor, style: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of (channels, n) to (channels, m) and its gradient; 0 where one has no positions at all."""
    distance, gradient = torch.zeros((), device=maps.device), torch.zeros_like(maps)
    if not maps.shape[1] or not style.shape[1]:
        return distance, gradient
    scale = 1 / (len(directions) * maps.shape[1])
    for some in torch.split(directions, max(1, _MOST_PROJECTED // max(maps.shape[1], style.shape[1]))):
        projected = some @ maps
        difference = projected - matched(projected, ascending(some @ style))
        distance += scale * difference.square().sum()
        gradient.addmm_(some.mT, difference, alpha=2 * scale)
    return distance, gradient
