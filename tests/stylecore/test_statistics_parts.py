"""Moments that are summed up from parts of the features."""

from __future__ import annotations

import pytest
import torch
from feature_maps import maps, mask

from stylecore.statistics import STATISTICS
from stylecore.statistics.parts import SumOfParts

SUMMED = [name for name, statistic in STATISTICS.items() if statistic.summed]


def in_parts(features, weights=None):
    total = SumOfParts()
    for columns in (slice(0, 3), slice(3, 10), slice(10, 12)):
        total.add(features[..., columns], None if weights is None else weights[..., columns])
    return total


@pytest.mark.parametrize("masked", [False, True])
def test_are_those_of_the_whole(masked):
    """In float64 beside it; the means are large, where sums of plain products would lose the variances."""
    features = maps(2, 5, 6, 12) + 300
    weights = mask(2, 1, 6, 12) if masked else None
    if masked:
        weights[0, ..., :3] = 0  # a part without any weight
    total = in_parts(features, weights)
    share = (torch.ones(2, 1, 6, 12) if weights is None else weights).double().flatten(2)
    torch.testing.assert_close(total.amount, share.sum((1, 2)))
    share = share / share.sum(2, keepdim=True)
    flat = features.double().flatten(2)
    mean = (flat * share).sum(2)
    deviations = flat - mean.unsqueeze(2)
    found = total.moments()
    torch.testing.assert_close(found.mean.double(), mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.covariance.double(), (deviations * share) @ deviations.mT, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SUMMED)
def test_stand_for_the_features(name):
    """What a statistic describes, and the distance to a target, by features and by their moments."""
    statistic, features, weights = STATISTICS[name], maps(2, 5, 6, 12), mask(2, 1, 6, 12)
    target = statistic.prepare(statistic.describe(maps(2, 5, 7, 9, seed=3)))
    moments = in_parts(features, weights).moments()
    torch.testing.assert_close(statistic.describe_moments(moments), statistic.describe(features, weights))
    torch.testing.assert_close(
        statistic.distance_of_moments(moments, target), statistic.distance(features, target, weights), rtol=1e-5, atol=0
    )


def test_need_a_part():
    with pytest.raises(ValueError, match="no part"):
        SumOfParts().moments()
