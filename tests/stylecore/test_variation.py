"""Total variation: each published form against plain loops over pixels, its gradient, and pictures of one row."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from stylecore import variation
from stylecore.settings import kind_of
from stylecore.variation import VARIATIONS

ROWS, CHANNELS, HEIGHT, WIDTH = 2, 3, 5, 7


def squared(picture):
    """anishathalye: mean squares of vertical and of horizontal differences."""
    down, right = differences(picture)
    return np.mean(np.square(down)) + np.mean(np.square(right))


def absolute(picture):
    """neural-style-pt: sum of absolute differences."""
    down, right = differences(picture)
    return np.sum(np.abs(down)) + np.sum(np.abs(right))


def power(picture):
    """Mahendran, Vedaldi 2015, with β = 2.5: Σ ((x(i, j+1) − x(i, j))² + (x(i+1, j) − x(i, j))²)^(β/2)."""
    total = 0.0
    for channel, y, x in itertools.product(range(CHANNELS), range(HEIGHT - 1), range(WIDTH - 1)):
        here = picture[channel, y, x]
        total += ((picture[channel, y, x + 1] - here) ** 2 + (picture[channel, y + 1, x] - here) ** 2) ** (2.5 / 2)
    return total


def nine_point(picture):
    """crowsonkb: twice the mean squares, straight ones by a third, diagonal ones by a twelfth, borders repeated."""
    at = lambda c, y, x: picture[c, min(max(y, 0), HEIGHT - 1), min(max(x, 0), WIDTH - 1)]  # noqa: E731
    right, down, falling, rising = [], [], [], []
    for c, y, x in itertools.product(range(CHANNELS), range(HEIGHT), range(WIDTH)):
        right.append((at(c, y, x + 1) - at(c, y, x)) ** 2)
        down.append((at(c, y + 1, x) - at(c, y, x)) ** 2)
    for c, y, x in itertools.product(range(CHANNELS), range(-1, HEIGHT), range(-1, WIDTH)):
        falling.append((at(c, y + 1, x + 1) - at(c, y, x)) ** 2)
        rising.append((at(c, y + 1, x) - at(c, y, x + 1)) ** 2)
    return 2 * ((np.mean(right) + np.mean(down)) / 3 + (np.mean(falling) + np.mean(rising)) / 12)


def differences(picture):
    """All differences of vertical and of horizontal neighbours, pixel by pixel."""
    down, right = [], []
    for channel, y, x in itertools.product(range(CHANNELS), range(HEIGHT), range(WIDTH)):
        if y + 1 < HEIGHT:
            down.append(picture[channel, y + 1, x] - picture[channel, y, x])
        if x + 1 < WIDTH:
            right.append(picture[channel, y, x + 1] - picture[channel, y, x])
    return down, right


PUBLISHED = {"squared": squared, "absolute": absolute, "power": power, "nine-point": nine_point}


@pytest.mark.parametrize("name", VARIATIONS)
def test_is_the_published_sum_over_pixels(name):
    pictures = np.random.default_rng(0).random((ROWS, CHANNELS, HEIGHT, WIDTH)) * 255
    expected = [PUBLISHED[name](picture) for picture in pictures]
    np.testing.assert_allclose(VARIATIONS[name](torch.from_numpy(pictures).float()).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", VARIATIONS)
def test_gradient_is_the_slope(name):
    """Central differences in float64; differences of neighbours are too large for the corners of |x| to matter."""
    pictures = torch.rand(1, 2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 255
    assert torch.autograd.gradcheck(VARIATIONS[name], pictures.requires_grad_(), eps=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", VARIATIONS)
@pytest.mark.parametrize("shape", [(4, 6), (1, 6), (6, 1), (1, 1)])
def test_a_flat_picture_has_none_and_a_gradient_of_zero(name, shape):
    pictures = torch.full((2, 3, *shape), 100.0, requires_grad=True)
    variation = VARIATIONS[name](pictures)
    variation.sum().backward()
    torch.testing.assert_close(variation.detach(), torch.zeros(2), atol=1e-9, rtol=0)
    assert torch.equal(pictures.grad, torch.zeros_like(pictures))


@pytest.mark.parametrize("name", VARIATIONS)
def test_no_row_looks_at_another(name):
    pictures = torch.rand(3, 3, 4, 5, generator=torch.Generator().manual_seed(2))
    alone = torch.cat([VARIATIONS[name](pictures[row : row + 1]) for row in range(3)])
    torch.testing.assert_close(VARIATIONS[name](pictures), alone)


def test_forms_are_those_that_the_setting_names():
    assert tuple(VARIATIONS) == kind_of("tv_norm").names


@pytest.mark.parametrize("norm", VARIATIONS)
@pytest.mark.parametrize("most", [1, 250, 600])
def test_bands_add_up_to_the_whole(norm, most, monkeypatch):
    """Bands of 1, 2 and 6 of 11 rows."""
    monkeypatch.setattr(variation, "_MOST_AT_ONCE", most)
    pictures = torch.rand(2, 3, 11, 17, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 255
    values, gradients = variation.in_bands(VARIATIONS[norm], pictures)
    leaf = pictures.clone().requires_grad_()
    whole = VARIATIONS[norm](leaf)
    (expected,) = torch.autograd.grad(whole.sum(), leaf)
    torch.testing.assert_close(values.double(), whole.detach(), rtol=1e-6, atol=0)
    torch.testing.assert_close(gradients, expected, rtol=1e-9, atol=1e-9)
