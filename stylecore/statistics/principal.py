"""The Wasserstein-2 distance along the style's principal components: nearly the exact one, at little of its cost."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from stylecore.statistics.moments import mean_and_covariance
from stylecore.statistics.statistic import MeanAndCovariance
from stylecore.statistics.wasserstein import GaussianDistance, inverse_root, ridge, spectrum

COMPONENTS = 128
"""Principal components that are compared together; they hold 94 to 100 % of the variance of a painting's features."""


class PrincipalGaussian(NamedTuple):
    """A style as a Gaussian along its own principal components.

    Attributes:
        mean: shape (batch, channels), float32.
        basis: the components as columns, the largest first, shape (batch, channels, channels), float32.
        deviations: standard deviation along each, ridge included, shape (batch, channels), float32.
    """

    mean: Tensor
    basis: Tensor
    deviations: Tensor


class PrincipalWasserstein2(GaussianDistance):
    """`Wasserstein2` of covariances written along the style's principal components, most of them alone.

    The first 128 components are compared as Gaussians are; of each of the others only the variance is. That is the
    exact distance between covariances whose other entries are 0. It is never more than the exact distance, equal to it
    for layers of at most 128 channels, and 0 where the exact one is.

    Source: Dowson, Landau 1982 (closed form); Bhatia, Jain, Lim 2019, "On the Bures-Wasserstein distance between
    positive definite matrices" (leaving out blocks, a completely positive map, brings no two matrices further apart).
    """

    def prepare(self, target: Tensor) -> PrincipalGaussian:
        """The principal components of a style, or of a blend; a row that is not finite stays so."""
        mean, covariance, values, vectors = spectrum(target)
        deviations = (values.flip(1).clamp_min(0) + ridge(covariance).squeeze(2)).sqrt()
        parts = mean, vectors.flip(2), deviations
        return PrincipalGaussian(*(part.to(target.device, torch.float32) for part in parts))

    def distance(self, features: Tensor, target: Any, weights: Tensor | None = None, draw: int = 0) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """As the class says; rows of either operand that are not finite give distances that are not."""
        return self.distance_of_moments(MeanAndCovariance(*mean_and_covariance(features, weights)), target)

    def distance_of_moments(self, moments: MeanAndCovariance, target: Any) -> Tensor:
        """As `distance`."""
        style = target if isinstance(target, PrincipalGaussian) else self.prepare(target)
        (mean, covariance), channels = moments, moments.mean.shape[1]
        spread: Tensor = _PrincipalBures.apply(covariance, style.basis, style.deviations)  # type: ignore[no-untyped-call]
        return (mean - style.mean).square().mean(1) + spread / channels


class _PrincipalBures(torch.autograd.Function):
    """tr(P(Σ) + D² − 2 (D P(Σ) D)^½), shape (batch,), float32, for the style's deviations D along its components.

    P writes Σ along the components, adds the ridge, and keeps the first block and the diagonal. The gradient by Σ is
    1 − V T Vᵀ, T the optimal transport map, which is D (D P(Σ) D)^−½ D: block and diagonal too.
    """

    @staticmethod
    def forward(context: Any, covariance: Tensor, basis: Tensor, deviations: Tensor) -> Tensor:
        first, rest = basis[:, :, :COMPONENTS], basis[:, :, COMPONENTS:]
        turned = covariance @ basis
        variances = (basis * turned).sum(1).clamp_min(0) + ridge(covariance).squeeze(2)
        root, transport = _transport(first.mT @ turned[:, :, :COMPONENTS], variances, deviations)
        along = deviations[:, COMPONENTS:] / variances[:, COMPONENTS:].sqrt()
        map_back = first @ transport.to(basis) @ first.mT
        if rest.shape[2]:
            map_back.baddbmm_(rest * along.unsqueeze(1), rest.mT)
        context.save_for_backward(map_back)
        root = root.to(variances) + (along * variances[:, COMPONENTS:]).sum(1)
        return variances.sum(1) + deviations.square().sum(1) - 2 * root

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (map_back,) = context.saved_tensors
        identity = torch.eye(map_back.shape[1], device=map_back.device)
        return gradients[0].view(-1, 1, 1) * (identity - map_back), None, None


def _transport(block: Tensor, variances: Tensor, deviations: Tensor) -> tuple[Tensor, Tensor]:
    """Trace of the root (D Σ D)^½ of the first block, shape (batch,), and D (D Σ D)^−½ D; in float64."""
    size = block.shape[1]
    inner, scale = block.double(), deviations[:, :size].double()
    inner.diagonal(dim1=1, dim2=2).copy_(variances[:, :size])
    inner = (inner + inner.mT) / 2 * scale.unsqueeze(1) * scale.unsqueeze(2)
    inverse = inverse_root(inner)
    return (inner * inverse).sum((1, 2)), inverse * scale.unsqueeze(1) * scale.unsqueeze(2)
