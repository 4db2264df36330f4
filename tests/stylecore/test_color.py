"""Colours kept: the luma or the colours of one picture, the rest of the other, against the papers' equations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from stylecore.color import COLOR_MATCHES, match_colors, with_luminance
from stylecore.errors import SettingError

# RGB to YIQ, FCC 1953, rounded to three digits: the space of Gatys et al. 2016 (arXiv:1606.05897), section 5.1.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
AFFINE = ["cholesky", "pca", "symmetric"]


def pictures(low=0.35, high=0.65):
    """Two random pictures, so mild that no mixture of them leaves 0..1."""
    return np.random.default_rng(0).uniform(low, high, (2, 6, 9, 3)).astype(np.float32)


def correlated(seed, height=40, width=30, mean=0.5, contrast=0.1):
    """A picture with correlated channels that no matching pushes out of 0..1."""
    generator = np.random.default_rng(seed)
    mixing = np.linalg.qr(generator.normal(size=(3, 3)))[0] * [1.0, 0.7, 0.4]
    return (mean + contrast * generator.uniform(-1, 1, (height, width, 3)) @ mixing.T).astype(np.float32)


def moments(picture):
    pixels = picture.reshape(-1, 3).astype(np.float64)
    return pixels.mean(0), np.cov(pixels, rowvar=False, bias=True)


def matrix_of(how, style, content):
    """The matrix A of a matching p ↦ A (p − μ) + μ', from what it does to the pixels."""
    pixels = style.reshape(-1, 3).astype(np.float64)
    matched = COLOR_MATCHES[how](pixels, content.reshape(-1, 3).astype(np.float64))
    mapping, *_ = np.linalg.lstsq(pixels - pixels.mean(0), matched - matched.mean(0), rcond=None)
    return mapping.T


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


@pytest.mark.parametrize("how", AFFINE)
def test_mean_and_covariance_become_the_contents(how):
    style, content = correlated(1), correlated(2, 25, 50, mean=0.45)
    mean, covariance = moments(match_colors(style, content, how))
    wanted_mean, wanted_covariance = moments(content)
    np.testing.assert_allclose(mean, wanted_mean, atol=1e-6)
    np.testing.assert_allclose(covariance, wanted_covariance, atol=2e-3 * wanted_covariance.max())


def test_cholesky_is_lower_triangular_and_symmetric_is_symmetric():
    style, content = correlated(1), correlated(2)
    np.testing.assert_allclose(np.triu(matrix_of("cholesky", style, content), 1), 0, atol=1e-6)
    symmetric = matrix_of("symmetric", style, content)
    np.testing.assert_allclose(symmetric, symmetric.T, atol=1e-6)
    assert np.linalg.eigvalsh(symmetric).min() > 0
    pca = matrix_of("pca", style, content)
    assert np.abs(pca - pca.T).max() > 0.01


def test_pca_is_the_quotient_of_square_roots():
    """A with A R = S, where R and S are the positive square roots: R R = Σ_style, S S = Σ_content."""
    style, content = correlated(1), correlated(2)

    def root(matrix):  # Denman and Beavers 1976: an iteration without eigenvectors
        y, z = matrix, np.eye(3)
        for _ in range(50):
            y, z = (y + np.linalg.inv(z)) / 2, (z + np.linalg.inv(y)) / 2
        return y

    of_style, of_content = (root(moments(picture)[1] + np.eye(3) / 12 / 255**2) for picture in (style, content))
    np.testing.assert_allclose(matrix_of("pca", style, content) @ of_style, of_content, atol=1e-6)


def test_affine_ways_differ_unless_channels_are_independent():
    style, content = correlated(1), correlated(2)
    for one, other in itertools.combinations(AFFINE, 2):
        assert np.abs(matrix_of(one, style, content) - matrix_of(other, style, content)).max() > 0.01
    corners = np.array(list(itertools.product([-1, 1], repeat=3)), np.float32)[None]  # independent by construction
    for how in AFFINE:
        matrix = matrix_of(how, corners * [0.1, 0.2, 0.3], corners * [0.3, 0.1, 0.3])
        np.testing.assert_allclose(np.diag(matrix), [3, 0.5, 1], rtol=1e-2)
        np.testing.assert_allclose(matrix - np.diag(np.diag(matrix)), 0, atol=1e-9)


def test_symmetric_moves_colours_least():
    style, content = correlated(1), correlated(2)
    moved = {how: np.square(match_colors(style, content, how) - style).mean() for how in AFFINE}
    assert min(moved, key=moved.get) == "symmetric"


def test_histogram_gives_each_channel_exactly_the_contents_values():
    generator = np.random.default_rng(3)
    style, content = generator.random((2, 8, 12, 3), np.float32)
    matched = match_colors(style, content, "histogram")
    for channel in range(3):
        np.testing.assert_array_equal(np.sort(matched[..., channel], None), np.sort(content[..., channel], None))
        order = np.argsort(style[..., channel], None)
        np.testing.assert_array_equal(np.argsort(matched[..., channel], None), order)


def test_histogram_of_another_size_has_the_same_quantiles():
    generator = np.random.default_rng(4)
    style, content = generator.random((40, 50, 3), np.float32), generator.beta(2, 5, (30, 20, 3)).astype(np.float32)
    matched = match_colors(style, content, "histogram")
    for share in np.linspace(0.01, 0.99, 25):
        np.testing.assert_allclose(
            np.quantile(matched, share, axis=(0, 1)), np.quantile(content, share, axis=(0, 1)), atol=5e-3
        )


def test_histogram_keeps_equal_values_equal_at_the_middle_of_their_ranks():
    style = np.repeat(np.array([[[0.2], [0.2], [0.2], [0.7]]], np.float32), 3, axis=2)
    content = np.repeat(np.array([[[0.9], [0.1], [0.3], [0.5]]], np.float32), 3, axis=2)
    matched = match_colors(style, content, "histogram")
    np.testing.assert_allclose(matched[0, :, 0], [0.3, 0.3, 0.3, 0.9], atol=1e-6)


@pytest.mark.parametrize("how", COLOR_MATCHES)
def test_a_picture_in_its_own_colours_is_itself(how):
    style = np.random.default_rng(5).random((12, 9, 3), np.float32)
    np.testing.assert_allclose(match_colors(style, style, how), style, atol=1e-6)


@pytest.mark.parametrize("how", COLOR_MATCHES)
def test_only_colours_count_never_places(how):
    style, content = correlated(1), correlated(2)
    matched = match_colors(style, content, how)
    shuffled = np.random.default_rng(6).permutation(content.reshape(-1, 3)).reshape(60, 20, 3)
    np.testing.assert_allclose(match_colors(style, shuffled, how), matched, atol=1e-6)
    np.testing.assert_allclose(match_colors(style[::-1, ::-1], content, how), matched[::-1, ::-1], atol=1e-6)


@pytest.mark.parametrize("how", COLOR_MATCHES)
def test_brightness_of_the_style_does_not_count(how):
    style, content = correlated(1), correlated(2)
    matched = match_colors(style, content, how)
    np.testing.assert_allclose(match_colors(style + np.float32(0.2), content, how), matched, atol=1e-4)


@pytest.mark.parametrize("how", COLOR_MATCHES)
@pytest.mark.parametrize("color", [(0.0, 0.0, 0.0), (0.2, 0.6, 0.9), (1.0, 1.0, 1.0)])
def test_one_colour_is_no_obstacle(how, color):
    flat, colourful = np.full((7, 5, 3), color, np.float32), correlated(1)
    matched = match_colors(colourful, flat, how)
    np.testing.assert_allclose(matched, np.broadcast_to(flat[:1, :1], matched.shape), atol=0.02)
    matched = match_colors(flat, colourful, how)
    assert np.isfinite(matched).all()
    assert np.ptp(matched.reshape(-1, 3), axis=0).max() < 1e-6
    middle = np.mean if how in AFFINE else np.median
    np.testing.assert_allclose(matched[0, 0], middle(colourful.reshape(-1, 3), axis=0), atol=1e-5)


@pytest.mark.parametrize("how", COLOR_MATCHES)
def test_grey_content_makes_the_style_grey(how):
    grey = np.repeat(np.random.default_rng(7).random((9, 9, 1), np.float32), 3, axis=2)
    matched = match_colors(correlated(1), grey, how)
    assert np.isfinite(matched).all()
    if how in AFFINE:
        assert np.abs(matched - matched.mean(2, keepdims=True)).max() < 0.03


@pytest.mark.parametrize("how", COLOR_MATCHES)
def test_matched_colours_stay_within_the_range_of_pictures(how):
    generator = np.random.default_rng(8)
    style, content = generator.random((9, 9, 3), np.float32) ** 4, (generator.random((9, 9, 3)) > 0.5).astype("f4")
    before = style.copy(), content.copy()
    matched = match_colors(style, content, how)
    assert (matched.dtype, matched.shape) == (np.float32, style.shape)
    assert matched.min() >= 0
    assert matched.max() <= 1
    np.testing.assert_array_equal((style, content), before)


def test_unknown_way_suggests_the_nearest():
    with pytest.raises(SettingError, match=r"'choleski'; did you mean 'cholesky'\? \(choose histogram, cholesky"):
        match_colors(*pictures(), "choleski")
