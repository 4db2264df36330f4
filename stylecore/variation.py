"""Total variation of pictures, in the forms in which it was published."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def squared_variation(pictures: Tensor) -> Tensor:
    """Mean squared difference of vertical plus that of horizontal neighbours.

    Args:
        pictures: shape (batch, channels, height, width), in any unit; where no pixel has a neighbour it counts as 0.

    Returns:
        Shape (batch,), as for all the others here. Source: anishathalye/neural-style.
    """
    return _mean_square(pictures.diff(dim=2)) + _mean_square(pictures.diff(dim=3))


def absolute_variation(pictures: Tensor) -> Tensor:
    """Sum of absolute differences of neighbours. Source: ProGamerGov/neural-style-pt."""
    vertical, horizontal = pictures.diff(dim=2), pictures.diff(dim=3)
    return vertical.abs().sum((1, 2, 3)) + horizontal.abs().sum((1, 2, 3))


def power_variation(pictures: Tensor) -> Tensor:
    """Sum of (dx² + dy²)^1.25 over pixels that have a neighbour below and one to the right.

    Source: Mahendran, Vedaldi 2015, section 3.2, with β = 2.5; Chollet, Deep Learning with Python.
    """
    below = (pictures[:, :, 1:, :-1] - pictures[:, :, :-1, :-1]).square()
    right = (pictures[:, :, :-1, 1:] - pictures[:, :, :-1, :-1]).square()
    # the slope of x^1.25 at 0 is 0, but its computation by autograd needs x > 0
    return (below + right).clamp_min(1e-12).pow(1.25).sum((1, 2, 3))


def nine_point_variation(pictures: Tensor) -> Tensor:
    """Mean squares of differences to neighbours, a third of each straight pair and a twelfth of each diagonal, twice.

    Pictures go on beyond their border as their last pixels do. Source: crowsonkb/style-transfer-pytorch.
    """
    padded = functional.pad(pictures, (1, 1, 1, 1), "replicate")
    center = padded[:, :, 1:-1, 1:-1]
    right, below = padded[:, :, 1:-1, 2:], padded[:, :, 2:, 1:-1]
    straight = _mean_square(right - center) + _mean_square(below - center)
    falling = _mean_square(padded[:, :, 1:, 1:] - padded[:, :, :-1, :-1])
    rising = _mean_square(padded[:, :, 1:, :-1] - padded[:, :, :-1, 1:])
    return 2 * (straight / 3 + (falling + rising) / 12)


def _mean_square(differences: Tensor) -> Tensor:
    """Shape (batch,); 0 where a picture one pixel high or wide has no differences."""
    return differences.square().sum((1, 2, 3)) / max(1, differences[0].numel())


VARIATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "squared": squared_variation,
    "absolute": absolute_variation,
    "power": power_variation,
    "nine-point": nine_point_variation,
}
"""Forms of the total variation by the name that `Settings.tv_norm` gives them."""
