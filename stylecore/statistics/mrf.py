"""The style as a Markov random field: each patch of the picture is drawn to the style patch most like it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stylecore.statistics.masking import with_choice
from stylecore.statistics.matching import with_gradients
from stylecore.statistics.statistic import Statistic

SIDE = 3
"""Height and width of a patch, in positions; less where the features have fewer. Source: Li, Wand 2016."""


class MarkovRandomField(Statistic):
    """Mean squared difference of the picture's patches to their nearest style patches.

    Patches are 3 × 3 positions of all channels, one position apart; nearest is the style patch with the largest
    normalised cross-correlation. The choice of the patch is held constant in the gradient. With masks a patch counts as
    the least of its weights, so that no patch reaches over an edge, and in a region too thin for a whole patch as their
    mean; the style's mask is where its weight is more than half of the row's largest.

    The search takes time in proportion to the picture's positions times the style's: it is meant for relu3_1 and
    relu4_1, the paper's layers. Its memory is bounded.

    Source: Li, Wand 2016, "Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis",
    eq. 2 and 3; the mean instead of the sum, so that pictures of different size compare.
    """

    def describe(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """The features and their mask, shape (batch, channels + 1, height, width)."""
        return with_choice(features, weights)

    def distance(self, features: Tensor, target: Any, weights: Tensor | None = None, draw: int = 0) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """As the class says; 0 for a row that has no weight, or whose target has no positions."""
        patch = [min(SIDE, *sides) for sides in zip(features.shape[2:], target.shape[2:], strict=True)]
        counts = torch.ones_like(target[:1, :1, :1, :1]) if weights is None else weights.float()
        counts = counts.expand(len(features), 1, *features.shape[2:])
        distances, gradients = [], torch.zeros_like(features, dtype=torch.float32)
        with torch.no_grad():
            for row in range(len(features)):
                distance, gradients[row] = _drawn(features[row].float(), target[row], counts[row], patch)
                distances.append(distance)
        return with_gradients(features, torch.stack(distances), gradients)

    def size(self, target: Tensor) -> Tensor:
        """Mean of squares of the chosen features: about the distance of features that are 0 everywhere."""
        values, mask = target[:, :-1], target[:, -1:]
        return (values * mask).square().mean(1).sum((1, 2)) / mask.sum((1, 2, 3)).clamp_min(1)


_MOST_COMPARED = 2**24  # pairs of positions at a time: bounds the memory of the search


def _drawn(maps: Tensor, target: Tensor, counts: Tensor, patch: list[int]) -> tuple[Tensor, Tensor]:
    """Distance of one picture (channels, height, width) with weights (1, height, width), and its gradient."""
    style, usable = target[:-1], _of_patches(target[-1:], patch)
    weight = _of_patches(counts, patch)
    share = weight[0] / weight.sum().clamp_min(torch.finfo(torch.float32).tiny) / (maps.shape[0] * patch[0] * patch[1])
    if not usable.any():
        return torch.zeros((), device=maps.device), torch.zeros_like(maps)
    nearest = _nearest(maps, style, usable[0] == usable.max(), patch)
    rows, columns = nearest.shape
    above, left = nearest // usable.shape[2], nearest % usable.shape[2]
    distance, gradient = torch.zeros((), device=maps.device), torch.zeros_like(maps)
    for down in range(patch[0]):
        for right in range(patch[1]):
            window = (slice(None), slice(down, down + rows), slice(right, right + columns))
            difference = maps[window] - style[:, above + down, left + right]
            pull = share * difference
            distance += (pull * difference).sum()
            gradient[window] += 2 * pull
    return distance, gradient


def _of_patches(weights: Tensor, patch: list[int]) -> Tensor:
    """What each patch counts, shape (1, rows, columns): its least weight, or its mean where every least is 0."""
    least = -functional.max_pool2d(-weights, patch, stride=1)
    return least if least.any() else functional.avg_pool2d(weights, patch, stride=1)


def _nearest(maps: Tensor, style: Tensor, usable: Tensor, patch: list[int]) -> Tensor:
    """Number of the usable style patch nearest to each patch of the picture, shape (rows, columns).

    The picture patch's own norm changes no choice, so only the style's is divided by.
    """
    norms = functional.avg_pool2d(style.square().sum(0, keepdim=True), patch, stride=1)[0].sqrt()
    scale = torch.where(usable, 1 / norms.clamp_min(1e-12), 0)
    barrier = torch.where(usable, 0.0, -torch.inf)
    (height, width), (rows, columns) = maps.shape[1:], usable.shape
    nearest = []
    for top, bottom in _spans(height, patch[0], width * style.shape[2] * patch[0]):
        best = torch.full((bottom - top, width - patch[1] + 1), -torch.inf, device=maps.device)
        index = torch.zeros_like(best, dtype=torch.long)
        strip = maps[:, top : bottom + patch[0] - 1]
        for first, last in _spans(rows + patch[0] - 1, patch[0], strip[0].numel() * style.shape[2]):
            score = _correlation(strip, style[:, first : last + patch[0] - 1], patch)
            score = (score * scale[first:last] + barrier[first:last]).flatten(2)
            value, place = score.max(2)
            better = value > best
            best, index = torch.where(better, value, best), torch.where(better, place + first * columns, index)
        nearest.append(index)
    return torch.cat(nearest)


def _spans(length: int, patch: int, cost: int) -> list[tuple[int, int]]:
    """Ranges of patches along a side of `length` positions; each position of a range costs `cost` numbers."""
    count = length - patch + 1
    step = max(1, _MOST_COMPARED // cost - patch + 1)
    return [(first, min(first + step, count)) for first in range(0, count, step)]


def _correlation(maps: Tensor, style: Tensor, patch: list[int]) -> Tensor:
    """Inner products of every patch of one with every patch of the other: (rows, columns, rows, columns).

    The inner product of patches is the sum of inner products of positions along both patches: all pairs of positions
    are multiplied once, for which every pair of patches would multiply them again.
    """
    pairs = (maps.flatten(1).mT @ style.flatten(1)).view(*maps.shape[1:], *style.shape[1:])
    rows, columns, style_rows, style_columns = (
        side - length + 1 for side, length in zip(pairs.shape, patch * 2, strict=True)
    )
    total = torch.zeros(rows, columns, style_rows, style_columns, device=maps.device)
    for down in range(patch[0]):
        for right in range(patch[1]):
            total += pairs[
                down : down + rows, right : right + columns, down : down + style_rows, right : right + style_columns
            ]
    return total
