"""Moments of features that are seen part by part, as those of a picture that is cut into tiles."""

from __future__ import annotations

import torch
from torch import Tensor

from stylecore.statistics.moments import mean_and_covariance
from stylecore.statistics.statistic import MeanAndCovariance


class SumOfParts:
    """Mean and covariance over all positions added so far; without a graph.

    Attributes:
        amount: sum of the weights of the positions, or their number, shape (batch,), float64.

    Source: Chan, Golub, LeVeque 1979, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances": sums
    of plain products would lose the variance of channels whose mean is large.
    """

    def __init__(self) -> None:
        self.amount = torch.zeros(1, dtype=torch.float64)
        self._mean: Tensor | None = None
        self._covariance = self.amount

    @torch.no_grad()
    def add(self, features: Tensor, weights: Tensor | None = None) -> None:
        """Add a part of the features, shape (batch, channels, height, width), and of their mask."""
        mean, covariance = (moment.double() for moment in mean_and_covariance(features, weights))
        if weights is None:
            amount = torch.full((len(mean),), float(features[0, 0].numel()), dtype=torch.float64, device=mean.device)
        else:
            amount = weights.double().sum((1, 2, 3))
        if self._mean is None:
            self.amount, self._mean, self._covariance = amount, mean, covariance
            return
        self.amount = self.amount + amount
        share = (amount / self.amount.clamp_min(torch.finfo(torch.float64).tiny)).view(-1, 1)
        shift = mean - self._mean
        self._mean = self._mean + share * shift
        between = (share * (1 - share)).unsqueeze(2) * shift.unsqueeze(2) * shift.unsqueeze(1)
        self._covariance = self._covariance.lerp(covariance, share.unsqueeze(2)) + between

    def moments(self) -> MeanAndCovariance:
        """Of all parts together.

        Raises:
            ValueError: there is none.
        """
        if self._mean is None:
            raise ValueError("no part has been added")
        return MeanAndCovariance(self._mean.float(), self._covariance.float())
