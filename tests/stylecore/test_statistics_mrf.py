"""Markov-random-field patches: against plain loops over patches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from feature_maps import gradient_of, maps, mask

from stylecore.statistics import STATISTICS, mrf

MRF = STATISTICS["mrf"]


def patches(values, sides):
    """All patches of features (channels, height, width), by their upper left corner."""
    (height, width), (_, rows, columns) = sides, values.shape
    corners = itertools.product(range(rows - height + 1), range(columns - width + 1))
    return {(y, x): values[:, y : y + height, x : x + width].astype(np.float64) for y, x in corners}


def looped(values, styles, weights=None, sides=(3, 3)):
    """Distance of one picture and its gradient, patch by patch; Li, Wand 2016, eq. 2 and 3, as a weighted mean."""
    known, total, count = patches(styles, sides), 0.0, 0.0
    gradient = np.zeros(values.shape)
    counts = np.ones(values.shape[1:]) if weights is None else weights
    for (y, x), patch in patches(values, sides).items():
        nearest = max(known.values(), key=lambda p: (p * patch).sum() / np.linalg.norm(p) / np.linalg.norm(patch))
        window = slice(y, y + sides[0]), slice(x, x + sides[1])
        weight = counts[window].min()
        total += weight * ((patch - nearest) ** 2).sum()
        gradient[(slice(None), *window)] += weight * 2 * (patch - nearest)
        count += weight * patch.size
    return total / count, gradient / count


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("most", [2**24, 200, 1], ids=["at once", "in blocks", "one by one"])
def test_each_patch_goes_to_the_nearest(masked, most, monkeypatch):
    monkeypatch.setattr(mrf, "_MOST_COMPARED", most)
    features, styles = maps(2, 4, 6, 7), 2 * maps(2, 4, 8, 5, seed=1) + 0.5
    weights = mask(2, 1, 6, 7) if masked else None
    target = MRF.describe(styles)
    distances = MRF.distance(features, target, weights)
    gradients = gradient_of(MRF, features, target, weights=weights)
    for row in range(2):
        counts = weights[row, 0].numpy() if masked else None
        wanted, gradient = looped(features[row].numpy(), styles[row].numpy(), counts)
        assert float(distances[row]) == pytest.approx(wanted, rel=1e-5)
        np.testing.assert_allclose(gradients[row], gradient, rtol=1e-4, atol=1e-6)


def test_features_narrower_than_a_patch_are_compared_by_smaller_ones():
    features, styles = maps(1, 4, 2, 7), maps(1, 4, 5, 5, seed=1)
    wanted, gradient = looped(features[0].numpy(), styles[0].numpy(), sides=(2, 3))
    target = MRF.describe(styles)
    assert float(MRF.distance(features, target)) == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(gradient_of(MRF, features, target)[0], gradient, rtol=1e-4, atol=1e-6)


def test_brightness_does_not_decide_which_patch_is_nearest():
    """Normalised cross-correlation: half as bright a picture finds its own patches."""
    styles = maps(1, 4, 6, 6).abs()
    distance = MRF.distance(styles / 2, MRF.describe(styles))
    windows = styles.unfold(2, 3, 1).unfold(3, 3, 1)
    assert float(distance) == pytest.approx(float((windows / 2).square().mean()), rel=1e-5)


def test_a_masked_style_gives_only_patches_that_lie_in_the_mask():
    styles, weights = maps(1, 4, 6, 9), torch.zeros(1, 1, 6, 9)
    weights[..., :4] = 1
    features = maps(1, 4, 5, 5, seed=1)
    wanted, _ = looped(features[0].numpy(), styles[0, :, :, :4].numpy())
    assert float(MRF.distance(features, MRF.describe(styles, weights))) == pytest.approx(wanted, rel=1e-5)


def test_masks_too_thin_for_a_patch_still_count():
    """A line one position wide: the style gives the patches with most of it, the picture is drawn where it runs."""
    line = torch.zeros(1, 1, 6, 7)
    line[:, :, 3] = 1
    features, styles = maps(1, 4, 6, 7), maps(1, 4, 6, 7, seed=1)
    target = MRF.describe(styles, line)
    gradient = gradient_of(MRF, features, target, weights=line)
    wanted, _ = looped(features[0, :, 1:6].numpy(), styles[0, :, 1:6].numpy())  # all patches that meet the line
    assert float(MRF.distance(features, target, line)) == pytest.approx(wanted, rel=1e-5)
    assert (gradient.abs().sum((0, 1, 3)) > 0).tolist() == [False, True, True, True, True, True]
