"""What makes a picture a mask: how much each pixel counts, whether it marks anything, whether it fits its picture."""

from __future__ import annotations

import math

import numpy as np

from stylecore.images import Picture

_SAME_ASPECT = 0.01  # by which a mask's aspect may differ from its picture's, besides one pixel's rounding
_BLACK = 0.5 / 255


def coverage(mask: Picture) -> np.ndarray:
    """How much each pixel counts, shape (height, width), float32 in 0..1: its mean over the channels, times alpha."""
    light: np.ndarray = mask.pixels.mean(axis=2)
    return light if mask.alpha is None else light * mask.alpha  # white on a transparent ground is a mask too


def is_black(mask: Picture) -> bool:
    """Whether nothing of a mask counts, once it has 8 bits."""
    return bool(coverage(mask).max() < _BLACK)


def fits(mask: tuple[int, int], picture: tuple[int, int]) -> bool:
    """Whether a mask has a picture's shape: the width and height of both, in pixels, upright."""
    (wide, high), (width, height) = mask, picture
    return abs(math.log(wide * height / (high * width))) <= _SAME_ASPECT + 1 / min(high, height)
