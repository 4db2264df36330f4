"""The Wasserstein-2 distance between Gaussians that have the features' means and covariances."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stylecore.statistics.moments import gram, mean_and_covariance
from stylecore.statistics.statistic import MeanAndCovariance, Statistic

RIDGE = 1e-4
"""Added to the diagonal of every covariance. Source: crowsonkb/style-transfer-pytorch."""


class Gaussian(NamedTuple):
    """A style as a Gaussian: what `Wasserstein2.prepare` makes of its moments.

    Attributes:
        mean: shape (batch, channels), float32.
        root: symmetric square root of the covariance with its ridge, shape (batch, channels, channels), float64, where
            roots are taken: on the device if it is a CUDA one, else on the CPU.
        directions: an orthonormal basis of what the style varies in, shape (batch, channels, rank), float32.
    """

    mean: Tensor
    root: Tensor
    directions: Tensor


class GaussianDistance(Statistic):
    """Base of the distances between Gaussians: what they know of a style, its mean and second moment.

    The second moment, not the covariance: these two are what a mixture of styles averages.
    """

    linear = True
    summed = True

    def describe(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean and second moment, shape (batch, 1 + channels, channels)."""
        mean, _ = mean_and_covariance(features, weights)
        return torch.cat([mean.unsqueeze(1), gram(features, weights)], 1)

    def describe_moments(self, moments: MeanAndCovariance) -> Tensor:
        """As `describe`."""
        return torch.cat([moments.mean.unsqueeze(1), moments.second], 1)

    def size(self, target: Tensor) -> Tensor:
        """Mean over channels of the second moment: the distance from features that are 0 everywhere."""
        return target[:, 1:].diagonal(dim1=1, dim2=2).mean(1)


class Wasserstein2(GaussianDistance):
    """Squared Wasserstein-2 distance between feature Gaussians, divided by the number of channels.

    mean((μ − μ̂)²) + mean diag(Σ + Σ̂ − 2 (Σ̂^½ Σ Σ̂^½)^½), with a ridge of 1e-4 on both covariances, or of 1e-7 of the
    covariance's norm where that is more, as float32 knows it no better.

    Source: crowsonkb/style-transfer-pytorch; the closed form is Dowson, Landau 1982.
    """

    def prepare(self, target: Tensor) -> Gaussian:
        """The Gaussian that has these moments, or a blend's; a row that is not finite stays so."""
        mean, covariance, values, vectors = spectrum(target)
        rank = int((values > (1e-6 * values[:, -1:]).clamp_min(RIDGE / 1000)).sum(1).max())
        directions = vectors[:, :, vectors.shape[2] - rank :]
        roots = (values.clamp_min(0) + ridge(covariance).squeeze(2)).sqrt()
        root = vectors * roots.unsqueeze(1) @ vectors.mT
        where = target.device
        return Gaussian(
            mean.to(where, torch.float32),
            root.to(where) if where.type == "cuda" else root,
            directions.to(where, torch.float32),
        )

    def distance(self, features: Tensor, target: Any, weights: Tensor | None = None, draw: int = 0) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """As the class says; rows of either operand that are not finite give distances that are not."""
        style = target if isinstance(target, Gaussian) else self.prepare(target)
        moments = MeanAndCovariance(*mean_and_covariance(features, weights))
        few = features[0, 0].numel() + style.directions.shape[2] <= 0.75 * features.shape[1]
        return _between(moments, style, _joint_basis(features, style) if few else None)

    def distance_of_moments(self, moments: MeanAndCovariance, target: Any) -> Tensor:
        """As `distance`."""
        return _between(moments, target if isinstance(target, Gaussian) else self.prepare(target), None)


class Spectrum(NamedTuple):
    """A target's moments in float64 on the CPU, where roots are prepared.

    Attributes:
        mean: shape (batch, channels).
        covariance: shape (batch, channels, channels).
        values: eigenvalues of the covariance, ascending, shape (batch, channels); not a number where it is not finite.
        vectors: their eigenvectors as columns, shape (batch, channels, channels).
    """

    mean: Tensor
    covariance: Tensor
    values: Tensor
    vectors: Tensor


def spectrum(target: Tensor) -> Spectrum:
    """Mean, covariance and its eigenvectors from what `GaussianDistance` describes; rows do not know of each other."""
    moments = target.detach().cpu().double()
    mean = moments[:, 0]
    covariance = moments[:, 1:] - mean.unsqueeze(2) * mean.unsqueeze(1)
    finite = covariance.isfinite().all(2).all(1).view(-1, 1, 1)
    values, vectors = torch.linalg.eigh(torch.where(finite, covariance, 0))  # raises where a number is not finite
    return Spectrum(mean, covariance, torch.where(finite.squeeze(2), values, torch.nan), vectors)


def _between(moments: MeanAndCovariance, style: Gaussian, basis: Tensor | None) -> Tensor:
    """Distance of a picture's moments from a style, in the space that an orthonormal basis spans if there is one."""
    (mean, covariance), root = moments, style.root
    shift = (mean - style.mean).square().mean(1)
    if basis is not None:
        covariance, wide = basis.mT @ covariance @ basis, basis.to(root)
        root = wide.mT @ root @ wide
    spread: Tensor = _Bures.apply(covariance, root)  # type: ignore[no-untyped-call]
    return shift + spread / mean.shape[1]


def ridge(covariance: Tensor) -> Tensor:
    """What is added to the diagonals, shape (batch, 1, 1)."""
    norm: Tensor = torch.linalg.matrix_norm(covariance, keepdim=True)
    return (1e-7 * norm).clamp_min(RIDGE)


@torch.no_grad()
def _joint_basis(features: Tensor, style: Gaussian) -> Tensor:
    """Orthonormal basis of all that picture and style vary in, shape (batch, channels, positions + rank).

    Outside it both covariances are the ridge alone and add nothing to the distance: where positions are few, a small
    problem stands for a large one.
    """
    maps = features.flatten(2).float()
    basis: Tensor = torch.linalg.qr(torch.cat([style.directions, maps], 2)).Q
    return basis


class _Bures(torch.autograd.Function):
    """tr(Σ + A² − 2 (A Σ A)^½) of covariances Σ, to which their ridge is added, and roots A; shape (batch,), float32.

    The gradient by Σ is 1 − A (A Σ A)^−½ A: nothing is differentiated through a decomposition or an iteration. Roots
    are taken in float64: near the style the distance is a small difference of large traces, and A Σ A squares the
    condition number, so that in float32 the gradient there is noise.
    """

    @staticmethod
    def forward(context: Any, covariance: Tensor, root: Tensor) -> Tensor:
        wide = covariance.to(root)
        wide = wide + ridge(wide) * torch.eye(wide.shape[1], device=wide.device)
        inner = root @ wide @ root
        inverse = inverse_root(inner)
        context.save_for_backward((root @ inverse @ root).to(covariance))
        traces = wide.diagonal(dim1=1, dim2=2).sum(1) + root.square().sum((1, 2))
        return (traces - 2 * (inner * inverse).sum((1, 2))).to(covariance)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (transport,) = context.saved_tensors
        return gradients[0].view(-1, 1, 1) * (torch.eye(transport.shape[1], device=transport.device) - transport), None


def inverse_root(matrices: Tensor) -> Tensor:
    """M^−½ of symmetric positive matrices, shape (batch, size, size), float64, the quicker way on their device."""
    return inverse_root_by_products(matrices) if matrices.is_cuda else inverse_root_by_eigenvalues(matrices)


def inverse_root_by_eigenvalues(matrices: Tensor) -> Tensor:
    """M^−½ of symmetric positive matrices, shape (batch, size, size), float64: the quicker way on a CPU."""
    finite = matrices.isfinite().all(2).all(1).view(-1, 1, 1)
    values, vectors = torch.linalg.eigh(torch.where(finite, matrices, 0))  # raises where a number is not finite
    least = (1e-15 * values[:, -1:]).clamp_min(torch.finfo(values.dtype).tiny)
    inverse = vectors * values.maximum(least).rsqrt().unsqueeze(1) @ vectors.mT
    return torch.where(finite, inverse, torch.nan)


def inverse_root_by_products(matrices: Tensor) -> Tensor:
    """M^−½ of symmetric positive matrices, shape (batch, size, size), float64: the quicker way on a GPU.

    Source: coupled Newton–Schulz iteration (Higham 2008, "Functions of Matrices", eq. 6.35) with the scaling of Chen,
    Chow 2014, "A Stable Scaling of Newton-Schulz for Improving the Sign Function Computation of a Hermitian Matrix".
    """
    identity = torch.eye(matrices.shape[1], dtype=matrices.dtype, device=matrices.device)
    norm = torch.linalg.matrix_norm(matrices, keepdim=True)
    root, inverse = matrices / norm + 1e-14 * identity, identity.expand_as(matrices)
    least = 1e-7  # the roots' eigenvalues are between this and 1
    while least < 1 - 1e-9:
        scale = math.sqrt(3 / (1 + least + least**2))
        step = 1.5 * scale * identity - 0.5 * scale**3 * inverse @ root
        root, inverse = root @ step, step @ inverse
        least = 1.5 * scale * least - 0.5 * (scale * least) ** 3
    result: Tensor = inverse / norm.sqrt()
    return result
