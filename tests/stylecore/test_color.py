"""Colours kept: the luma comes from one picture, the chrominance from the other."""

from __future__ import annotations

import numpy as np

from stylecore.color import with_luminance

# RGB to YIQ, FCC 1953, rounded to three digits: the space of Gatys et al. 2016 (arXiv:1606.05897), section 5.1.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def pictures(low=0.35, high=0.65):
    """Two random pictures, so mild that no mixture of them leaves 0..1."""
    return np.random.default_rng(0).uniform(low, high, (2, 6, 9, 3)).astype(np.float32)


def test_luma_of_one_and_chrominance_of_the_other():
    colors, luminance = pictures()
    mixed = with_luminance(colors, luminance) @ YIQ.T
    np.testing.assert_allclose(mixed[..., 0], (luminance @ YIQ.T)[..., 0], atol=1e-5)
    np.testing.assert_allclose(mixed[..., 1:], (colors @ YIQ.T)[..., 1:], atol=1e-3)


def test_a_picture_with_its_own_luma_is_itself():
    colors = pictures()[0]
    np.testing.assert_allclose(with_luminance(colors, colors), colors, atol=1e-6)


def test_grey_takes_the_luma_and_stays_grey():
    grey = np.full((6, 9, 3), 0.5, np.float32)
    mixed = with_luminance(grey, pictures(0, 1)[1])
    np.testing.assert_allclose(mixed, np.repeat(mixed[..., :1], 3, axis=2), atol=1e-6)


def test_stays_within_the_range_of_pictures():
    colors, luminance = pictures(0, 1)
    mixed = with_luminance(colors, luminance)
    assert mixed.dtype == np.float32
    assert mixed.shape == colors.shape
    assert mixed.min() == 0.0
    assert mixed.max() == 1.0
