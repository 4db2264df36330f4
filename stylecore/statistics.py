"""Style statistics: pure functions of one layer's feature maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def gram(features: Tensor) -> Tensor:
    """Gram matrix of feature maps, averaged over positions.

    Args:
        features: activations of one layer, shape (batch, channels, height, width), any floating type.

    Returns:
        Shape (batch, channels, channels), float32; entry (i, j) is the mean over positions of map i times map j.

    Source: Gatys, Ecker, Bethge 2016, eq. 3, divided by height · width so that pictures of different size compare.
    """
    maps = features.flatten(2)  # (batch, channels, positions)
    product: Tensor = _Gramian.apply(maps)  # type: ignore[no-untyped-call]
    return product / maps.shape[2]  # G = F Fᵀ / (H W)


def centered_gram(features: Tensor) -> Tensor:
    """Gram matrix of feature maps less their means: the covariance of the features over positions.

    Args:
        features: activations of one layer, shape (batch, channels, height, width), any floating type.

    Returns:
        Shape (batch, channels, channels), float32: the mean over positions of (F − μ)(F − μ)ᵀ.

    Source: `gram` of the centred maps; the biased covariance, 1 / (H W).
    """
    maps = features.flatten(2).float()
    return gram((maps - maps.mean(2, keepdim=True)).unsqueeze(2))


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {"gram": gram, "centered_gram": centered_gram}
"""Statistics by the name that `Settings.style_statistic` gives them."""


class _Gramian(torch.autograd.Function):
    """F Fᵀ in float32 of maps in any type; its gradient is one product in the maps' own type.

    The gradient of a loss L by F is (∂L/∂G + ∂L/∂Gᵀ) F. Autograd would take it as two float32 products; summing the
    two symmetric parts first and multiplying in bf16 costs a quarter of that or less.
    """

    @staticmethod
    def forward(context: Any, maps: Tensor) -> Tensor:
        context.save_for_backward(maps)
        wide = maps.float()
        return wide @ wide.mT

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (maps,) = context.saved_tensors
        symmetric = gradients[0] + gradients[0].mT
        # bf16 keeps float32's range, so casting the gradient loses digits but never overflows
        gradient: Tensor = symmetric.to(maps.dtype) @ maps
        return gradient
