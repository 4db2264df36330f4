"""What scores are made of: against the papers' formulas in plain loops, and on pictures made to be counted."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from reference_vgg import random_pictures

from stylecore import measures


def test_ssim_is_the_published_formula():
    one, other = random_pictures(2, 14, 17).double().numpy()
    x, y = (np.einsum("c,chw->hw", [0.299, 0.587, 0.114], picture) for picture in (one, other))
    window = np.array([[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)])
    window /= window.sum()
    values = []
    for top, left in itertools.product(range(14 - 10), range(17 - 10)):
        a, b = (picture[top : top + 11, left : left + 11] for picture in (x, y))
        mean_a, mean_b = (window * a).sum(), (window * b).sum()
        variance_a, variance_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
        covariance = (window * (a - mean_a) * (b - mean_b)).sum()
        values.append(
            (2 * mean_a * mean_b + 0.01**2)
            * (2 * covariance + 0.03**2)
            / ((mean_a**2 + mean_b**2 + 0.01**2) * (variance_a + variance_b + 0.03**2))
        )
    pictures = torch.tensor(np.stack([one, other]), dtype=torch.float32)
    similarities = measures.ssim(pictures, pictures.flip(0))
    assert similarities.tolist() == pytest.approx([np.mean(values)] * 2, abs=1e-5)


@pytest.mark.parametrize("sides", [(1, 1), (4, 30), (11, 11), (12, 5)])
def test_ssim_of_equal_pictures_of_any_size_is_one(sides):
    picture = random_pictures(1, *sides)
    assert float(measures.ssim(picture, picture)) == pytest.approx(1, abs=1e-6)


def test_ssim_of_a_negative_is_below_zero():
    picture = random_pictures(1, 24, 24)
    assert float(measures.ssim(picture, 1 - picture)) < 0


def similarity(maps):
    """Softmax over j of F_i · F_j / C² for every position i, one number at a time."""
    channels, positions = maps.shape
    table = np.zeros((positions, positions))
    for i in range(positions):
        row = [math.exp(sum(maps[c, i] * maps[c, j] for c in range(channels)) / channels**2) for j in range(positions)]
        table[i] = np.array(row) / sum(row)
    return table


def divergence(wanted, drawn):
    return np.mean([np.sum(p * np.log(p / q)) for p, q in zip(wanted, drawn, strict=True)])


def test_cfsd_is_the_published_formula():
    features, target = (10 * torch.rand(1, 6, 3, 4, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    drawn, wanted = (similarity(maps[0].flatten(1).double().numpy()) for maps in (features, target))
    expected = divergence(wanted, drawn)
    assert expected > 0.01
    assert float(measures.cfsd(features, target)) == pytest.approx(expected, rel=1e-5)
    unit = divergence(wanted, np.full_like(wanted, 1 / 12))
    assert float(measures.relative_cfsd(features, target)) == pytest.approx(expected / unit, rel=1e-5)


def test_cfsd_of_many_positions_is_that_of_their_averages():
    coarse = torch.rand(2, 1, 5, 32, 20, generator=torch.Generator().manual_seed(0))
    fine = coarse.repeat_interleave(2, 3)
    fine[:, :, :, ::2] += 0.1  # vanishes in averages of two rows
    fine[:, :, :, 1::2] -= 0.1
    torch.testing.assert_close(measures.cfsd(*fine), measures.cfsd(*coarse), rtol=1e-4, atol=0)


def test_cfsd_of_nothing_is_the_unit():
    target = random_pictures(1, 8, 9)
    assert float(measures.relative_cfsd(torch.ones_like(target), target)) == pytest.approx(1, rel=1e-6)
    assert float(measures.relative_cfsd(target, torch.ones_like(target))) < 1e12  # finite, of a content without any


def test_feature_distance_is_in_units_of_variance():
    features, target = random_pictures(3, 5, 7, 0), random_pictures(3, 5, 7, 1)
    expected = [((f - t) ** 2).mean() / t.var() for f, t in zip(features.numpy(), target.numpy(), strict=True)]
    assert measures.feature_distance(features, target).tolist() == pytest.approx(expected, rel=1e-5)


def test_clipped_counts_pixels_that_round_to_an_end():
    picture = torch.full((1, 3, 4, 5), 0.5)
    picture[0, 0, 0, 0] = 0.0
    picture[0, :, 1, 1] = 1.0
    picture[0, 1, 2, 2] = 0.4 / 255
    picture[0, 2, 3, 3] = 254.6 / 255
    picture[0, 2, 3, 4] = 1.5  # beyond the range of a file
    picture[0, 1, 0, 4] = 0.6 / 255  # rounds to 1: not clipped
    assert float(measures.clipped(picture)) == pytest.approx(5 / 20)


def test_total_variation_is_the_mean_step_to_a_neighbour():
    ramp = torch.arange(6.0).view(1, 1, 1, 6).expand(1, 3, 4, 6) * 10 / 255
    pairs_across, pairs_down = 4 * 5, 3 * 6
    assert float(measures.total_variation(ramp)) == pytest.approx(10 * pairs_across / (pairs_across + pairs_down))
    checks = (torch.arange(4).view(4, 1) + torch.arange(6)).remainder(2).float().expand(1, 3, 4, 6)
    assert float(measures.total_variation(checks)) == pytest.approx(255)
    assert float(measures.total_variation(torch.rand(1, 3, 1, 1))) == 0


def test_flatness_is_the_share_of_whole_blocks_without_texture():
    picture = 0.5 + 0.2 * (random_pictures(1, 19, 26) - 0.5)
    assert float(measures.flatness(picture)) == 0
    picture[:, :, :8, 8:16] = 0.3
    picture[:, :, 8:16, :8] = 0.3 + 0.9 / 255 * (-1.0) ** torch.arange(8)  # a deviation of 0.9 of 255
    picture[:, :, 8:16, 8:16] = 0.3 + 1.1 / 255 * (-1.0) ** torch.arange(8)
    picture[:, :, 16:] = 0.3  # cut by the border
    assert float(measures.flatness(picture)) == pytest.approx(2 / 6)
    assert float(measures.flatness(picture[:, :, :3])) == pytest.approx(1 / 3)
