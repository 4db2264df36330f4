"""The sliced Wasserstein distance: against one-dimensional transport by sorting, and what it is on average."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from feature_maps import gradient_of, maps, mask

from stylecore.statistics import STATISTICS, sliced

SLICED = STATISTICS["sliced_wasserstein"]


def test_one_channel_is_transport_by_sorting():
    features, styles = maps(2, 1, 4, 5), 2 * maps(2, 1, 5, 4, seed=1) + 1
    distances = SLICED.distance(features, SLICED.describe(styles))
    for row in range(2):
        gaps = np.sort(features[row].numpy().ravel()) - np.sort(styles[row].numpy().ravel())
        assert float(distances[row]) == pytest.approx(np.mean(gaps**2), rel=1e-5)


def test_gradient_of_one_channel_draws_each_value_to_the_one_of_its_rank():
    features, styles = maps(1, 1, 4, 5), 2 * maps(1, 1, 4, 5, seed=1) + 1
    values, ordered = features.numpy().ravel(), np.sort(styles.numpy().ravel())
    wanted = 2 * (values - ordered[values.argsort().argsort()]) / 20
    gradient = gradient_of(SLICED, features, SLICED.describe(styles))
    np.testing.assert_allclose(gradient.numpy().ravel(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("positions", [(20, 7), (7, 20), (1, 9), (9, 1)])
def test_other_numbers_of_positions_are_resampled(positions):
    """Quantiles at (rank + ½) / n of a distribution whose values lie at (rank + ½) / m: numpy's "hazen"."""
    count, style_count = positions
    features, styles = maps(1, 1, 1, count), maps(1, 1, 1, style_count, seed=1)
    wanted = np.quantile(styles.numpy().ravel(), (np.arange(count) + 0.5) / count, method="hazen")
    gaps = np.sort(features.numpy().ravel()) - wanted
    distance = SLICED.distance(features, SLICED.describe(styles))
    assert float(distance) == pytest.approx(np.mean(gaps**2), rel=1e-4)


def test_order_and_repetition_of_positions_change_nothing():
    features = maps(1, 6, 4, 5)
    shuffled = features.flatten(2)[:, :, torch.randperm(20)].view(1, 6, 5, 4).repeat(1, 1, 2, 3)
    assert float(SLICED.distance(features, SLICED.describe(shuffled))) < 1e-10


def test_on_average_a_shift_costs_its_squared_length_by_channel():
    """E (v · s)² over directions v of length 1 is |s|² / channels."""
    features, shift = maps(1, 8, 4, 4), torch.arange(8.0).view(1, 8, 1, 1)
    target = SLICED.describe(features + shift)
    distances = [float(SLICED.distance(features, target, draw=draw)) for draw in range(200)]
    assert np.mean(distances) == pytest.approx(float(shift.square().sum()) / 8, rel=0.05)
    assert len(set(distances)) == 200


def test_a_draw_is_always_the_same():
    features, target = maps(1, 8, 4, 4), SLICED.describe(maps(1, 8, 4, 4, seed=1))
    first = SLICED.distance(features, target, draw=7)
    torch.manual_seed(0)
    assert SLICED.distance(features, target, draw=7) == first
    assert SLICED.distance(features, target, draw=8) != first


def test_only_chosen_positions_are_compared():
    """Those with more than half of the largest weight."""
    features, weights = maps(1, 1, 1, 6), torch.tensor([0.4, 0.1, 0.21, 0.0, 0.3, 0.2]).view(1, 1, 1, 6)
    styles = maps(1, 1, 1, 3, seed=1)
    gaps = np.sort(features.numpy().ravel()[[0, 2, 4]]) - np.sort(styles.numpy().ravel())
    target = SLICED.describe(styles)
    assert float(SLICED.distance(features, target, weights)) == pytest.approx(np.mean(gaps**2), rel=1e-5)
    gradient = gradient_of(SLICED, features, target, weights=weights)
    assert (gradient.flatten() != 0).tolist() == [True, False, True, False, True, False]


def test_directions_taken_a_few_at_a_time_give_the_same(monkeypatch):
    features, target = maps(2, 6, 4, 5), SLICED.describe(maps(2, 6, 5, 5, seed=1), mask(2, 1, 5, 5))
    whole = SLICED.distance(features, target), gradient_of(SLICED, features, target)
    monkeypatch.setattr(sliced, "_MOST_PROJECTED", 60)
    torch.testing.assert_close((SLICED.distance(features, target), gradient_of(SLICED, features, target)), whole)
