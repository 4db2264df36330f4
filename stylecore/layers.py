"""A convolution with its rectifier and pooling as one layer, whose backward pass keeps and copies little."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

_WINDOW, _UNIT = [2, 2], [1, 1]


class Kernel:
    """A 3×3 convolution's weight and bias, laid out for the device once.

    Args:
        weight: shape (out, channels, 3, 3), of the type that is computed in.
        bias: shape (out,), of the same type.
        packed: whether oneDNN is to have the weight in blocks, one for each direction. Torch would lay it out at every
            call, which costs a seventh of a step on a picture of 64 pixels.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, packed: bool = False) -> None:
        self.bias, self.packed = bias, packed
        self.weight = self.turned = weight.contiguous(memory_format=torch.channels_last)
        if packed:
            self.turned = _blocked(self.weight.flip(2, 3).transpose(0, 1))
            self.weight = _blocked(self.weight)

    def maps(self, signal: Tensor, padding: int, *, rectify: bool) -> Tensor:
        """The convolution of a signal with so many zeros on each side, without a graph."""
        if self.packed:
            maps = _convolved(signal, self.weight, self.bias, padding)
        else:
            maps = functional.conv2d(signal, self.weight, self.bias, padding=padding)
        # oneDNN's fused rectifier would save 1 % and make 0 of what is not a number, which must come to light
        return functional.relu_(maps) if rectify else maps

    def by_signal(self, by_maps: Tensor, padding: int) -> Tensor:
        """Gradient by the signal from that by the maps before the rectifier."""
        if self.packed:
            return _convolved(by_maps, self.turned, None, 2 - padding)
        return functional.conv_transpose2d(by_maps, self.weight, padding=padding)


def convolve(
    signal: Tensor, kernel: Kernel, *, padding: int = 1, pooling: str | None = None, rectify: bool = True
) -> tuple[Tensor, Tensor]:
    """Maps of a convolution, and what the next one takes.

    Args:
        signal: shape (batch, channels, height, width), of the kernel's type.
        kernel: gets no gradient.
        padding: zeros on each side of the signal.
        pooling: `max` or `average` of 2×2 positions, or None.
        rectify: whether the maps go through the rectifier.

    Returns:
        The maps, for losses, and the maps as the next convolution is to take them: pooled, or the same. The gradient
        by the latter is used up, so only another layer or operation of torch may take them, and only one.
    """
    maps, onward = _Layer.apply(signal, kernel, padding, pooling, rectify)  # type: ignore[no-untyped-call]
    return maps, onward


def pool(maps: Tensor, pooling: str) -> Tensor:
    """Largest or mean of each 2×2 positions; an odd last row or column is left out."""
    return functional.max_pool2d(maps, 2) if pooling == "max" else functional.avg_pool2d(maps, 2)


class _Layer(torch.autograd.Function):
    """Keeps its maps and nothing else: signs and winners are read off them, and weights have no gradient.

    Torch's own operations would keep an index of 8 bytes for each pooled number, four times what it points at, and make
    a new tensor of the maps' size for each sum and each rectifier.
    """

    @staticmethod
    def forward(
        context: Any, signal: Tensor, kernel: Kernel, padding: int, pooling: str | None, rectify: bool
    ) -> tuple[Tensor, Tensor]:
        maps = kernel.maps(signal, padding, rectify=rectify)
        context.save_for_backward(maps)
        context.kernel, context.padding, context.pooling, context.rectify = kernel, padding, pooling, rectify
        context.set_materialize_grads(False)
        return maps, pool(maps, pooling) if pooling else maps.detach()

    @staticmethod
    @once_differentiable
    def backward(context: Any, by_maps: Tensor | None, by_onward: Tensor | None) -> tuple[Tensor | None, ...]:
        (maps,) = context.saved_tensors
        gradient, nothing = by_onward, (None,) * 4
        if gradient is not None and context.pooling:
            gradient = _unpooled(gradient, maps, context.pooling)
        if gradient is None:
            gradient = by_maps if by_maps is None or not context.rectify else _signed(by_maps, maps)
        else:  # it is nobody else's
            if by_maps is not None:
                gradient += by_maps
            if context.rectify:
                _sign(gradient, maps)
        return (None if gradient is None else context.kernel.by_signal(gradient, context.padding)), *nothing


def _unpooled(gradient: Tensor, maps: Tensor, pooling: str) -> Tensor:
    """Gradient by maps from that by the pooled ones."""
    operations = torch.ops.aten
    if pooling == "average":
        spread: Tensor = operations.avg_pool2d_backward(gradient, maps, _WINDOW, _WINDOW, [0, 0], False, True, None)
        return spread
    winners = operations.max_pool2d_with_indices(maps, _WINDOW, _WINDOW)[1]
    routed: Tensor = operations.max_pool2d_with_indices_backward(
        gradient, maps, _WINDOW, _WINDOW, [0, 0], _UNIT, False, winners
    )
    return routed


def _signed(gradient: Tensor, maps: Tensor) -> Tensor:
    """Gradient where the maps are above 0, else 0."""
    signed: Tensor = torch.ops.aten.threshold_backward(gradient, maps, 0)
    return signed


def _sign(gradient: Tensor, maps: Tensor) -> None:
    """`_signed` in place."""
    torch.ops.aten.threshold_backward.grad_input(gradient, maps, 0, grad_input=gradient)


def _blocked(weight: Tensor) -> Tensor:
    blocked: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        weight.contiguous(memory_format=torch.channels_last), _UNIT, _UNIT, _UNIT, 1, [1, weight.shape[1], 64, 64]
    )
    return blocked


def _convolved(signal: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    maps: Tensor = torch.ops.mkldnn._convolution_pointwise(
        signal, weight, bias, [padding, padding], _UNIT, _UNIT, 1, "none", [], ""
    )
    return maps
