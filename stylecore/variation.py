"""Total variation of pictures, in the forms in which it was published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Band:
    """Some rows of a picture, of which a variation takes what those rows add to the whole picture's.

    Attributes:
        start: first row.
        stop: the row after the last; where there is one, it is given along, as the neighbour of the last.
        height: rows of the whole picture.
    """

    start: int
    stop: int
    height: int

    @property
    def rows(self) -> slice:
        """The rows to give along."""
        return slice(self.start, min(self.stop + 1, self.height))


def squared_variation(pictures: Tensor, band: Band | None = None) -> Tensor:
    """Mean squared difference of vertical plus that of horizontal neighbours.

    Args:
        pictures: shape (batch, channels, height, width), in any unit; where no pixel has a neighbour it counts as 0.
        band: which rows of the whole pictures these are; None for all of them.

    Returns:
        Shape (batch,), as for all the others here. Source: anishathalye/neural-style.
    """
    band = band or _whole(pictures)
    channels, width = pictures.shape[1], pictures.shape[3]
    vertical = _mean_square(pictures.diff(dim=2), channels * (band.height - 1) * width)
    return vertical + _mean_square(_own(pictures, band).diff(dim=3), channels * band.height * (width - 1))


def absolute_variation(pictures: Tensor, band: Band | None = None) -> Tensor:
    """Sum of absolute differences of neighbours. Source: ProGamerGov/neural-style-pt."""
    vertical, horizontal = pictures.diff(dim=2), _own(pictures, band or _whole(pictures)).diff(dim=3)
    return vertical.abs().sum((1, 2, 3)) + horizontal.abs().sum((1, 2, 3))


def power_variation(pictures: Tensor, band: Band | None = None) -> Tensor:  # noqa: ARG001 - pixels without a neighbour below add nothing
    """Sum of (dx² + dy²)^1.25 over pixels that have a neighbour below and one to the right.

    Source: Mahendran, Vedaldi 2015, section 3.2, with β = 2.5; Chollet, Deep Learning with Python.
    """
    below = (pictures[:, :, 1:, :-1] - pictures[:, :, :-1, :-1]).square()
    right = (pictures[:, :, :-1, 1:] - pictures[:, :, :-1, :-1]).square()
    # the slope of x^1.25 at 0 is 0, but its computation by autograd needs x > 0
    return (below + right).clamp_min(1e-12).pow(1.25).sum((1, 2, 3))


def nine_point_variation(pictures: Tensor, band: Band | None = None) -> Tensor:
    """Mean squares of differences to neighbours, a third of each straight pair and a twelfth of each diagonal, twice.

    Pictures go on beyond their border as their last pixels do. Source: crowsonkb/style-transfer-pytorch.
    """
    band = band or _whole(pictures)
    top, bottom = int(band.start == 0), int(band.stop == band.height)
    padded = functional.pad(pictures, (1, 1, top, bottom), "replicate")
    center, right = padded[:, :, top:-1, 1:-1], padded[:, :, top:-1, 2:]
    below = padded[:, :, top + 1 :, 1:-1]
    channels, width = pictures.shape[1], pictures.shape[3]
    pixels, crossings = channels * band.height * width, channels * (band.height + 1) * (width + 1)
    straight = _mean_square(right - center, pixels) + _mean_square(below - center, pixels)
    falling = _mean_square(padded[:, :, 1:, 1:] - padded[:, :, :-1, :-1], crossings)
    rising = _mean_square(padded[:, :, 1:, :-1] - padded[:, :, :-1, 1:], crossings)
    return 2 * (straight / 3 + (falling + rising) / 12)


def in_bands(variation: Variation, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """A variation and its gradient, taken some rows at a time, so that a large picture needs little memory for it.

    Args:
        variation: one of `VARIATIONS`.
        pictures: shape (batch, channels, height, width).

    Returns:
        Shape (batch,), without a graph; and the gradient of each picture's variation, shaped as the pictures.
    """
    height, gradients = pictures.shape[2], torch.zeros_like(pictures)
    total = torch.zeros(len(pictures), device=pictures.device)
    rows = max(1, _MOST_AT_ONCE * height // pictures.numel())
    for start in range(0, height, rows):
        band = Band(start, min(start + rows, height), height)
        part = pictures[:, :, band.rows].detach().requires_grad_()
        with torch.enable_grad():
            value = variation(part, band)
            (gradient,) = torch.autograd.grad(value.sum(), part)
        total += value.detach()
        gradients[:, :, band.rows] += gradient
    return total, gradients


_MOST_AT_ONCE = 2**21  # numbers in a band


def _whole(pictures: Tensor) -> Band:
    return Band(0, pictures.shape[2], pictures.shape[2])


def _own(pictures: Tensor, band: Band) -> Tensor:
    """The band's rows without the one after them."""
    return pictures[:, :, : band.stop - band.start]


def _mean_square(differences: Tensor, count: int) -> Tensor:
    """Sum of squares / the number of differences in the whole picture, shape (batch,); 0 where it has none."""
    return differences.square().sum((1, 2, 3)) / max(1, count)


Variation = Callable[..., Tensor]
"""From pictures, and maybe the band that they are of a whole, to one number for each."""
VARIATIONS: dict[str, Variation] = {
    "squared": squared_variation,
    "absolute": absolute_variation,
    "power": power_variation,
    "nine-point": nine_point_variation,
}
"""Forms of the total variation by the name that `Settings.tv_norm` gives them."""
