"""Statistics of the first two moments: Gram matrix, covariance, mean and standard deviation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stylecore.statistics.masking import shares
from stylecore.statistics.statistic import MeanAndCovariance, Moments


def gram(features: Tensor, weights: Tensor | None = None) -> Tensor:
    """Gram matrix of feature maps, averaged over positions.

    Args:
        features: activations of one layer, shape (batch, channels, height, width), any floating type.
        weights: how much each position counts, shape (batch, 1, height, width), float32, at least 0.

    Returns:
        Shape (batch, channels, channels), float32; entry (i, j) is the mean over positions of map i times map j.

    Source: Gatys, Ecker, Bethge 2016, eq. 3, divided by height · width so that pictures of different size compare. With
    weights the guided Gram matrix of Gatys et al. 2017; their guidance channel is the root of our weights.
    """
    product: Tensor = _Gramian.apply(features.flatten(2), shares(weights))  # type: ignore[no-untyped-call]
    return product


def centered_gram(features: Tensor, weights: Tensor | None = None) -> Tensor:
    """Gram matrix of feature maps less their means: the covariance of the features over positions.

    Args:
        features: activations of one layer, shape (batch, channels, height, width), any floating type.
        weights: how much each position counts, shape (batch, 1, height, width), float32, at least 0.

    Returns:
        Shape (batch, channels, channels), float32: the mean over positions of (F − μ)(F − μ)ᵀ.

    Source: `gram` of the centred maps; the biased covariance, 1 / (H W).
    """
    return mean_and_covariance(features, weights)[1]


def mean_and_covariance(features: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Means (batch, channels) and biased covariances (batch, channels, channels) over positions, float32."""
    mean, covariance = _MeanAndCovariance.apply(features.flatten(2), shares(weights))  # type: ignore[no-untyped-call]
    return mean, covariance


def mean_and_deviation(features: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean and standard deviation of each channel over positions.

    Returns:
        Shape (batch, 2, channels), float32: means μ, then σ = √(mean of (F − μ)² + 1e-5).

    Source: Huang, Belongie 2017 (AdaIN), eq. 5 and 6; ε as there, so that a constant map has a gradient.
    """
    mean, variance = _MeanAndVariance.apply(features.flatten(2), shares(weights))  # type: ignore[no-untyped-call]
    return _with_deviation(mean, variance)


def _with_deviation(mean: Tensor, variance: Tensor) -> Tensor:
    return torch.stack([mean, (variance + 1e-5).sqrt()], 1)


def pulled(maps: Tensor, weights: Tensor | None, mean: Tensor, by_moments: MeanAndCovariance, amount: Tensor) -> Tensor:
    """Zeros that pull a part of a picture's features where the moments of the whole picture are to go.

    Args:
        maps: features of the part, shape (batch, channels, height, width), any floating type.
        weights: the part's mask, shape (batch, 1, height, width); None where every position counts 1.
        mean: of the whole picture's features, shape (batch, channels), float32.
        by_moments: gradients of a loss by the whole picture's moments.
        amount: sum of the weights of the whole picture, shape (batch,), float32.

    Returns:
        Zeros of shape (batch,), whose gradient by the maps is the loss's; it is taken in the backward pass.
    """
    flat = None if weights is None else weights.flatten(2)
    per_position = [by / amount.view(-1, *[1] * (by.dim() - 1)) for by in by_moments]
    zeros: Tensor = _Pulled.apply(maps.flatten(2), flat, mean, *per_position)  # type: ignore[no-untyped-call]
    return zeros


class Gram(Moments):
    """Mean squared difference of Gram matrices. Source: Gatys et al. 2016, eq. 4, less its factor."""

    matrix = True

    def describe(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """As `gram`."""
        return gram(features, weights)

    def describe_moments(self, moments: MeanAndCovariance) -> Tensor:
        """As `gram`."""
        return moments.second


class CenteredGram(Moments):
    """Mean squared difference of covariances, which leaves the mean colour free."""

    matrix = True

    def describe(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """As `centered_gram`."""
        return centered_gram(features, weights)

    def describe_moments(self, moments: MeanAndCovariance) -> Tensor:
        """As `centered_gram`."""
        return moments.covariance


class MeanStd(Moments):
    """Mean squared difference of means plus that of standard deviations.

    Source: Huang, Belongie 2017, eq. 13, with squares as Li et al. 2017, "Demystifying Neural Style Transfer".
    """

    def describe(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """As `mean_and_deviation`."""
        return mean_and_deviation(features, weights)

    def describe_moments(self, moments: MeanAndCovariance) -> Tensor:
        """As `mean_and_deviation`."""
        return _with_deviation(moments.mean, moments.covariance.diagonal(dim1=1, dim2=2))

    def compared(self, description: Tensor, target: Tensor) -> Tensor:
        """The two means of squares, added; the base takes one mean over both."""
        return 2 * super().compared(description, target)

    def size(self, target: Tensor) -> Tensor:
        """Mean of squares of the means plus that of the deviations."""
        return 2 * super().size(target)


def _mean(maps: Tensor, share: Tensor | None) -> Tensor:
    """Mean over positions, shape (batch, channels, 1)."""
    return maps.mean(2, keepdim=True) if share is None else maps @ share.mT


class _Gramian(torch.autograd.Function):
    """F Fᵀ / positions in float32 of maps in any type; its gradient is one product in the maps' own type.

    The gradient of a loss L by F is (∂L/∂G + ∂L/∂Gᵀ) F. Autograd would take it as two float32 products; summing the
    two symmetric parts first and multiplying in bf16 costs a quarter of that or less.
    """

    @staticmethod
    def forward(context: Any, maps: Tensor, share: Tensor | None) -> Tensor:
        context.save_for_backward(maps, share)
        quick = _quick_product(maps) if share is None else None
        return _product(maps.float(), share) if quick is None else quick

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        maps, share = context.saved_tensors
        return _by_maps(gradients[0], None, maps, share), None


class _MeanAndCovariance(torch.autograd.Function):
    """μ and (F − μ)(F − μ)ᵀ / positions in float32, with a gradient as cheap as `_Gramian`'s.

    What the covariance owes to F through μ vanishes, as the rows of F − μ add up to 0.
    """

    @staticmethod
    def forward(context: Any, maps: Tensor, share: Tensor | None) -> tuple[Tensor, Tensor]:
        wide = maps.float()
        mean = _mean(wide, share)
        deviations = wide - mean
        context.save_for_backward(deviations.to(maps.dtype), share)
        return mean.squeeze(2), _product(deviations, share)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        deviations, share = context.saved_tensors
        return _by_maps(gradients[1], gradients[0].unsqueeze(2), deviations, share), None


class _MeanAndVariance(torch.autograd.Function):
    """μ and the mean of (F − μ)² in float32 of maps in any type, with a gradient in the maps' own type."""

    @staticmethod
    def forward(context: Any, maps: Tensor, share: Tensor | None) -> tuple[Tensor, Tensor]:
        wide = maps.float()
        mean = _mean(wide, share)
        deviations = wide - mean
        context.save_for_backward(deviations.to(maps.dtype), share)
        return mean.squeeze(2), _mean(deviations.square(), share).squeeze(2)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        deviations, share = context.saved_tensors
        by_mean, by_variance = (gradient.unsqueeze(2) for gradient in gradients)
        by_position = 1 / deviations.shape[2] if share is None else share
        return ((2 * by_variance * deviations + by_mean) * by_position).to(deviations.dtype), None


class _Pulled(torch.autograd.Function):
    """See `pulled`: the backward pass of `_MeanAndCovariance` with moments that are known."""

    @staticmethod
    def forward(
        context: Any, maps: Tensor, weights: Tensor | None, mean: Tensor, by_mean: Tensor, by_covariance: Tensor
    ) -> Tensor:
        context.save_for_backward(maps, weights, mean, by_mean, by_covariance)
        return torch.zeros(len(maps), device=maps.device)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps, weights, mean, by_mean, by_covariance = context.saved_tensors
        deviations = (maps.float() - mean.unsqueeze(2)).to(maps.dtype)
        scale = gradients[0].view(-1, 1, 1) * (maps.shape[2] if weights is None else 1)  # `_by_maps` divides by it
        gradient = _by_maps(by_covariance * scale, by_mean.unsqueeze(2) * scale, deviations, weights)
        return gradient, None, None, None, None


def _product(maps: Tensor, share: Tensor | None) -> Tensor:
    return maps @ maps.mT / maps.shape[2] if share is None else (maps * share) @ maps.mT


_PARTS = 8


def _quick_product(maps: Tensor) -> Tensor | None:
    """`_product` of maps in a half precision, multiplied as such, to 1e-3 of it; None where there is no such way."""
    if maps.is_cuda and maps.dtype != torch.float32 and hasattr(torch.ops.aten.bmm, "dtype"):
        return torch.bmm(maps, maps.mT, out_dtype=torch.float32) / maps.shape[2]
    return _product_by_parts(maps) if maps.dtype == torch.bfloat16 and maps.shape[2] >= _PARTS**2 else None


def _product_by_parts(maps: Tensor) -> Tensor:
    """A product in bf16 is rounded to 8 bits; the float32 sum of several is nearer, as they are rounded apart."""
    batch, channels, positions = maps.shape
    even = positions - positions % _PARTS
    cut = maps[..., :even].reshape(batch, channels, _PARTS, even // _PARTS).transpose(1, 2).flatten(0, 1)
    product = torch.bmm(cut, cut.mT).view(batch, _PARTS, channels, channels).sum(1, dtype=torch.float32)
    if rest := positions - even:
        last = maps[..., -rest:].float()
        product += last @ last.mT
    return product / positions


def _by_maps(by_product: Tensor, by_mean: Tensor | None, maps: Tensor, share: Tensor | None) -> Tensor:
    """Gradient by the maps, shaped and typed as they are, from those by the product and by the mean."""
    # bf16 keeps float32's range, so casting the gradient loses digits but never overflows; fp16 would
    kind = maps.dtype if maps.dtype == torch.bfloat16 else torch.float32
    count = maps.shape[2] if share is None else 1
    symmetric, typed = ((by_product + by_product.mT) / count).to(kind), maps.to(kind)
    # the gradient in the layout of the maps saves the convolutions' backward pass a copy: a tenth of a whole step
    gradient = (typed.mT @ symmetric).mT if maps.stride(1) == 1 else symmetric @ typed
    if by_mean is not None:
        gradient += (by_mean / count).to(kind)
    if share is not None:
        gradient *= share.to(kind)
    return gradient.to(maps.dtype)
