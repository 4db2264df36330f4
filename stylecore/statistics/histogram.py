"""Histograms of single channels: the distance of each activation from its histogram-matched value."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stylecore.statistics.masking import chosen
from stylecore.statistics.matching import matched, with_gradients
from stylecore.statistics.statistic import Statistic


class Histogram(Statistic):
    """Mean squared difference of activations to what they become when each channel takes on the style's histogram.

    The matched values are held constant in the gradient. Matching goes by rank, so the histogram is exact and has no
    bins. With masks, the positions whose weight is more than half of the row's largest are compared.

    Source: Risser, Wilmot, Barnes 2017, "Stable and Controllable Neural Texture Synthesis and Style Transfer Using
    Histogram Losses"; the mean instead of the sum, so that pictures of different size compare.
    """

    def describe(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """Sorted values of the chosen positions, shape (batch, channels + 1, positions).

        The last row is 1 where there is a value: fewer values than positions are followed by zeros.
        """
        values = features.flatten(2).float()
        mask = (
            torch.ones_like(features[:, :1]) if weights is None else chosen(weights).expand(len(features), -1, -1, -1)
        )
        there = mask.flatten(2) > 0
        ordered = torch.where(there, values, torch.inf).sort(2).values
        there = there.sort(2, descending=True).values
        return torch.cat([torch.where(there, ordered, 0), there.float()], 1)

    def prepare(self, target: Tensor) -> list[Tensor]:
        """The sorted values of each row, shape (channels, chosen)."""
        return [row[:-1, : int(row[-1].sum())] for row in target]

    def distance(self, features: Tensor, target: Any, weights: Tensor | None = None, draw: int = 0) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """As the class says; 0 for a row that has no positions, or whose target has none."""
        styles = self.prepare(target) if isinstance(target, Tensor) else target
        masks = None if weights is None else chosen(weights).expand(len(features), -1, -1, -1).flatten(1)
        differences = torch.zeros_like(features, dtype=torch.float32)
        with torch.no_grad():
            for row, style in enumerate(styles):
                used = slice(None) if masks is None else masks[row]
                values = features[row].flatten(1)[:, used].float()
                if values.shape[1] and style.shape[1]:
                    differences[row].flatten(1)[:, used] = values - matched(values, style)
            count = features[0].numel() if masks is None else masks.sum(1).clamp_min(1) * features.shape[1]
            distances = differences.square().sum((1, 2, 3)) / count
            gradients = 2 * differences / (count if isinstance(count, int) else count.view(-1, 1, 1, 1))
        return with_gradients(features, distances, gradients)

    def size(self, target: Tensor) -> Tensor:
        """Mean of squares of the style's values: the distance of features that are 0 everywhere."""
        return target[:, :-1].square().mean(1).sum(1) / target[:, -1].sum(1).clamp_min(1)
