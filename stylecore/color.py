"""Colour: keeping the content's colours while its luminance is restyled, or giving them to the style beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stylecore.errors import SettingError, did_you_mean

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue in luma, ITU-R BT.601: the luma of the YIQ space that Gatys et al. 2016 work in."""


def with_luminance(colors: np.ndarray, luminance: np.ndarray) -> np.ndarray:
    """A picture with the chrominance of one picture and the luma of another.

    Args:
        colors: shape (height, width, 3), float32 in 0..1.
        luminance: same shape; only its luma is used.

    Returns:
        Same shape, clipped to 0..1.

    Source: Gatys, Bethge, Hertzmann, Shechtman 2016 (arXiv:1606.05897), section "luminance-only transfer".
    """
    shift = (luminance - colors) @ LUMA
    restyled: np.ndarray = np.clip(colors + shift[..., None], 0, 1)
    return restyled


def match_colors(style: np.ndarray, content: np.ndarray, how: str) -> np.ndarray:
    """A style picture in the colours of a content picture; where its pixels lie stays as it is.

    Args:
        style: shape (height, width, 3), float32 in 0..1.
        content: shape (any height, any width, 3), float32 in 0..1.
        how: key of `COLOR_MATCHES`.

    Returns:
        The style's shape, float32, clipped to 0..1.

    Raises:
        SettingError: `how` names no such way.

    Source: Gatys, Bethge, Hertzmann, Shechtman 2016 (arXiv:1606.05897), section "colour histogram matching".
    """
    if how not in COLOR_MATCHES:
        raise SettingError(
            "color", f"color: unknown way {how!r}{did_you_mean(how, COLOR_MATCHES)} (choose {', '.join(COLOR_MATCHES)})"
        )
    pixels, colors = (picture.reshape(-1, 3).astype(np.float64) for picture in (style, content))
    matched = COLOR_MATCHES[how](pixels, colors).reshape(style.shape)
    return np.clip(matched, 0, 1).astype(np.float32)


Pixels = NDArray[np.floating[Any]]
"""Pixels in no order, shape (pixels, 3), or a matrix of their covariances, float64."""


def histogram(style: Pixels, content: Pixels) -> Pixels:
    """The style's pixels, each channel with the content's distribution of values.

    A value goes to the content's value of the same rank; equal values stay equal, at the middle of their ranks.

    Args:
        style: shape (n, 3).
        content: shape (m, 3).

    Returns:
        Shape (n, 3).
    """
    matched: Pixels = np.empty_like(style)
    for channel in range(3):
        matched[:, channel] = _same_ranks(style[:, channel], content[:, channel])
    return matched


def cholesky(style: Pixels, content: Pixels) -> Pixels:
    """The style's pixels with the content's mean and covariance, by A = L_c L_s⁻¹, Σ = L Lᵀ.

    Arguments and result as for `histogram`. Source: Gatys et al. 2016 (arXiv:1606.05897), Cholesky transfer.
    """

    def mapping(covariance: Pixels, wanted: Pixels) -> Pixels:
        return np.linalg.cholesky(wanted) @ np.linalg.inv(np.linalg.cholesky(covariance))

    return _affine(style, content, mapping)


def pca(style: Pixels, content: Pixels) -> Pixels:
    """The style's pixels with the content's mean and covariance, by A = Σ_c^½ Σ_s^-½, roots along principal axes.

    Arguments and result as for `histogram`. Source: Hertzmann et al. 2001, Image Analogies, as in Gatys et al. 2016
    (arXiv:1606.05897).
    """

    def mapping(covariance: Pixels, wanted: Pixels) -> Pixels:
        return _power(wanted, 0.5) @ _power(covariance, -0.5)

    return _affine(style, content, mapping)


def symmetric(style: Pixels, content: Pixels) -> Pixels:
    """The style's pixels with the content's mean and covariance, moved as little as possible.

    A = Σ_s^-½ (Σ_s^½ Σ_c Σ_s^½)^½ Σ_s^-½ is the only symmetric positive matrix that does it, and the optimal
    transport between two Gaussians.

    Arguments and result as for `histogram`. Source: Pitié, Kokaram 2007, The linear Monge-Kantorovitch linear colour
    mapping for example-based colour transfer; `sym` in Gatys' NeuralImageSynthesis.
    """

    def mapping(covariance: Pixels, wanted: Pixels) -> Pixels:
        root, inverse = _power(covariance, 0.5), _power(covariance, -0.5)
        return inverse @ _power(root @ wanted @ root, 0.5) @ inverse

    return _affine(style, content, mapping)


COLOR_MATCHES: dict[str, Callable[[Pixels, Pixels], Pixels]] = {
    "histogram": histogram,
    "cholesky": cholesky,
    "pca": pca,
    "symmetric": symmetric,
}
"""Ways to give a style picture the colours of the content, by the name that `Settings.color` gives them."""


def _same_ranks(values: Pixels, wanted: Pixels) -> Pixels:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(values)  # in 0..1, of each different value
    steps = (np.arange(len(wanted)) + 0.5) / len(wanted)
    matched: Pixels = np.interp(ranks, steps, np.sort(wanted))[place]
    return matched


# What rounding to 8 bits adds: less is no colour. With it, a picture of one colour or in grey can be inverted.
_LEAST_VARIANCE = 1 / 12 / 255**2


def _affine(style: Pixels, content: Pixels, mapping: Callable[[Pixels, Pixels], Pixels]) -> Pixels:
    """Style pixels after p ↦ A (p − μ_s) + μ_c, with A from both covariances."""
    least = _LEAST_VARIANCE * np.eye(3)
    covariance, wanted = (np.cov(pixels, rowvar=False, bias=True) + least for pixels in (style, content))
    matched: Pixels = (style - style.mean(0)) @ mapping(covariance, wanted).T + content.mean(0)
    return matched


def _power(matrix: Pixels, exponent: float) -> Pixels:
    """Power of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    powered: Pixels = vectors * values**exponent @ vectors.T
    return powered
