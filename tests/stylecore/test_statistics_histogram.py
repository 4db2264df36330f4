"""Histogram losses: against quantiles taken by numpy, channel by channel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from feature_maps import gradient_of, maps

from stylecore.statistics import STATISTICS

HISTOGRAM = STATISTICS["histogram"]


def by_hand(values, style):
    """Values of one channel, each at the style's quantile of its own rank."""
    ranks = values.ravel().argsort().argsort()
    return np.quantile(style.ravel(), (ranks + 0.5) / values.size, method="hazen").reshape(values.shape)


@pytest.mark.parametrize("style_size", [(4, 5), (7, 3), (2, 2), (1, 1), (9, 9)])
def test_distance_and_gradient_go_to_the_matched_values(style_size):
    features, styles = maps(2, 3, 4, 5), 2 * maps(2, 3, *style_size, seed=1) + 1
    target = HISTOGRAM.describe(styles)
    pairs = [zip(a, b, strict=True) for a, b in zip(features.numpy(), styles.numpy(), strict=True)]
    differences = features.numpy() - np.array([[by_hand(*pair) for pair in row] for row in pairs])
    np.testing.assert_allclose(HISTOGRAM.distance(features, target), (differences**2).mean((1, 2, 3)), rtol=1e-5)
    gradient = gradient_of(HISTOGRAM, features, target)
    np.testing.assert_allclose(gradient, 2 * differences / 60, rtol=1e-4, atol=1e-6)


def test_one_descent_of_full_length_gives_the_style_its_histogram():
    features, styles = maps(1, 3, 4, 5), 2 * maps(1, 3, 5, 4, seed=1) + 1
    target = HISTOGRAM.describe(styles)
    moved = features - gradient_of(HISTOGRAM, features, target) * 60 / 2
    torch.testing.assert_close(moved.flatten(2).sort(2).values, styles.flatten(2).sort(2).values)


def test_a_mask_chooses_the_positions_that_count():
    """Those with more than half of the largest weight, of the picture and of the style."""
    features, weights = maps(1, 2, 1, 6), torch.tensor([0.4, 0.1, 0.21, 0.0, 0.3, 0.2]).view(1, 1, 1, 6)
    styles, style_weights = maps(1, 2, 1, 4, seed=1), torch.tensor([1.0, 0.0, 0.9, 0.5]).view(1, 1, 1, 4)
    used, style = features[0, :, 0, [0, 2, 4]].numpy(), styles[0, :, 0, [0, 2]].numpy()
    wanted = np.mean([(used[c] - by_hand(used[c], style[c])) ** 2 for c in range(2)])
    target = HISTOGRAM.describe(styles, style_weights)
    assert float(HISTOGRAM.distance(features, target, weights)) == pytest.approx(wanted, rel=1e-5)
    gradient = gradient_of(HISTOGRAM, features, target, weights=weights)
    assert (gradient[0, 0].flatten() != 0).tolist() == [True, False, True, False, True, False]
