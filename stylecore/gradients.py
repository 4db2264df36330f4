"""Functions of feature maps whose gradient torch would take otherwise, or with more memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def with_unit_gradient(maps: Tensor, strength: Tensor) -> Tensor:
    """Maps as they are, whose gradient gets an L1 norm of `strength`, shape (batch,), in each row.

    Source: the option -normalize_gradients of jcjohnson/neural-style.
    """
    same: Tensor = _UnitGradient.apply(maps, strength)  # type: ignore[no-untyped-call]
    return same


def squared_difference(maps: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """Sum of squared differences of maps from a target under a mask, shape (batch,), float32.

    Args:
        maps: shape (batch, channels, height, width), any floating type.
        target: of the same shape.
        mask: factor on each position, shape (batch, 1, height, width), or None.
    """
    sums: Tensor = _Squares.apply(maps, target, mask)  # type: ignore[no-untyped-call]
    return sums


class _UnitGradient(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, maps: Tensor, strength: Tensor) -> Tensor:
        context.save_for_backward(strength)
        return maps.view_as(maps)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (strength,) = context.saved_tensors
        norms = gradients[0].float().abs().sum((1, 2, 3)) + 1e-8
        return (gradients[0] * (strength / norms).view(-1, 1, 1, 1)).to(gradients[0].dtype), None


class _Squares(torch.autograd.Function):
    """Takes the difference again in the backward pass: in float32, it would be twice as large as the maps."""

    @staticmethod
    def forward(context: Any, maps: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
        context.save_for_backward(maps, target, mask)
        squares = (maps.float() - target).square_()
        if mask is not None:
            squares *= mask
        return squares.flatten(1).sum(1)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        maps, target, mask = context.saved_tensors
        gradient = (maps.float() - target).mul_(2 * gradients[0].view(-1, 1, 1, 1))
        if mask is not None:
            gradient *= mask
        return gradient.to(maps.dtype), None, None
