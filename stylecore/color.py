"""Colour: keeping the content's colours while its luminance is restyled."""

from __future__ import annotations

import numpy as np

# ITU-R BT.601, the luma of the YIQ space that Gatys et al. 2017 work in.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def with_luminance(colors: np.ndarray, luminance: np.ndarray) -> np.ndarray:
    """A picture with the chrominance of one picture and the luma of another.

    Args:
        colors: shape (height, width, 3), float32 in 0..1.
        luminance: same shape; only its luma is used.

    Returns:
        Same shape, clipped to 0..1.

    Source: Gatys, Bethge, Hertzmann, Shechtman 2016 (arXiv:1606.05897), section "luminance-only transfer".
    """
    shift = (luminance - colors) @ _LUMA
    restyled: np.ndarray = np.clip(colors + shift[..., None], 0, 1)
    return restyled
