"""What every style statistic promises, whichever it is."""

from __future__ import annotations

import itertools

import pytest
import torch
from feature_maps import gradient_of, maps, mask, rectangle

from stylecore.statistics import STATISTICS, centered_gram, gram

NAMES = list(STATISTICS)
AWKWARD = {
    "constant": torch.full((2, 6, 4, 5), 3.0),
    "zeros": torch.zeros(2, 6, 4, 5),
    "some channels zero": maps(2, 6, 4, 5) * (torch.arange(6) % 2).view(1, 6, 1, 1),
    "one position": maps(2, 6, 1, 1),
    "one row": maps(2, 6, 1, 7),
    "fewer positions than channels": maps(2, 6, 2, 2),
    "large": 1e4 * maps(2, 6, 4, 5).relu(),
    "large and fewer positions than channels": 1e4 * maps(2, 6, 2, 2).relu(),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "weights", [None, rectangle(2, 4, 5, (slice(0, 3), slice(1, 5)))], ids=["everywhere", "masked"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_a_picture_is_at_its_own_style(name, weights, dtype):
    statistic, features = STATISTICS[name], maps(2, 6, 4, 5, dtype=dtype)
    target = statistic.describe(features, weights)
    assert (target.dtype, len(target)) == (torch.float32, 2)
    assert statistic.distance(features, target, weights).abs().max() < 1e-5 * statistic.size(target).min()
    assert gradient_of(statistic, features, target, weights=weights).dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_distances_are_one_positive_number_for_each_row(name):
    statistic = STATISTICS[name]
    features, target = maps(3, 6, 4, 5), statistic.describe(maps(3, 6, 5, 7, seed=1) + 1)
    distances = statistic.distance(features, target)
    assert (distances.shape, distances.dtype) == ((3,), torch.float32)
    assert bool((distances > 0).all())
    torch.testing.assert_close(statistic.distance(features, statistic.prepare(target)), distances)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [False, True])
def test_rows_of_a_batch_do_not_know_of_each_other(name, masked):
    statistic, features, styles = STATISTICS[name], maps(3, 6, 4, 5), maps(3, 6, 7, 3, seed=1) + 1
    weights, style_weights = (mask(3, 1, 4, 5), mask(3, 1, 7, 3)) if masked else (None, None)
    target = statistic.describe(styles, style_weights)
    together = statistic.distance(features, target, weights, draw=4)
    gradient = gradient_of(statistic, features, target, weights=weights, draw=4)
    for row in range(3):
        one = slice(row, row + 1)
        alone = statistic.describe(styles[one], style_weights[one] if masked else None)
        torch.testing.assert_close(alone, target[one])
        some = weights[one] if masked else None
        torch.testing.assert_close(statistic.distance(features[one], alone, some, draw=4), together[one])
        torch.testing.assert_close(gradient_of(statistic, features[one], alone, weights=some, draw=4), gradient[one])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", AWKWARD)
def test_awkward_features_and_styles_give_finite_numbers(name, kind):
    statistic, features = STATISTICS[name], AWKWARD[kind]
    weights = mask(2, 1, *features.shape[2:])
    for style, options in itertools.product(AWKWARD, ({}, {"weights": weights})):
        target = statistic.describe(AWKWARD[style])
        assert statistic.distance(features, target, **options).isfinite().all(), style
        assert gradient_of(statistic, features, target, **options).isfinite().all(), style
        assert statistic.size(target).isfinite().all(), style


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_without_white_gives_no_gradient(name):
    statistic, features = STATISTICS[name], maps(2, 6, 4, 5)
    black = torch.stack([mask(1, 4, 5), torch.zeros(1, 4, 5)])
    target = statistic.describe(maps(2, 6, 4, 5, seed=1), black)
    assert statistic.distance(features, target, black).isfinite().all()
    gradient = gradient_of(statistic, features, target, weights=black)
    assert gradient[0].abs().max() > 0
    assert gradient[1].abs().max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_rectangular_mask_is_a_crop(name):
    """In the picture and in the style."""
    statistic, features, styles = STATISTICS[name], maps(2, 6, 6, 7), maps(2, 6, 8, 5, seed=1)
    window, style_window = (slice(1, 5), slice(2, 7)), (slice(0, 6), slice(1, 5))
    weights, style_weights = rectangle(2, 6, 7, window), rectangle(2, 8, 5, style_window)
    crop, style_crop = features[(..., *window)], styles[(..., *style_window)]
    target, crop_target = statistic.describe(styles, style_weights), statistic.describe(style_crop)
    torch.testing.assert_close(statistic.size(target), statistic.size(crop_target))
    torch.testing.assert_close(statistic.distance(features, target, weights), statistic.distance(crop, crop_target))
    gradient = gradient_of(statistic, features, target, weights=weights)
    torch.testing.assert_close(gradient[(..., *window)], gradient_of(statistic, crop, crop_target))
    assert (gradient * (1 - weights)).abs().max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_targets_have_one_shape_for_every_mask(name):
    statistic, styles = STATISTICS[name], maps(2, 6, 4, 5)
    shapes = {statistic.describe(styles, weights).shape for weights in (None, mask(2, 1, 4, 5), mask(2, 1, 4, 5) > 2)}
    assert len(shapes) == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [False, True])
def test_gradient_is_the_slope_of_the_distance(name, masked):
    statistic, features = STATISTICS[name], maps(2, 5, 4, 6)
    target = statistic.describe(maps(2, 5, 5, 5, seed=1) * 2 + 1)
    options = {"draw": 3, "weights": mask(2, 1, 4, 6) if masked else None}
    gradient, aside = gradient_of(statistic, features, target, **options), maps(2, 5, 4, 6, seed=2)
    along = gradient / gradient.norm() + aside / aside.norm()  # uphill, or rounding would hide a slight slope
    ahead, behind = (statistic.distance(features + step * along, target, **options).sum() for step in (2e-3, -2e-3))
    assert float((gradient * along).sum()) == pytest.approx(float((ahead - behind) / 4e-3), rel=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_bf16_follows_float32(name):
    statistic, features = STATISTICS[name], maps(1, 16, 12, 12).relu().bfloat16()
    target = statistic.describe(maps(1, 16, 9, 14, seed=1).relu() * 2)
    exact = gradient_of(statistic, features.float(), target).flatten()
    rounded = gradient_of(statistic, features, target).float().flatten()
    torch.testing.assert_close(statistic.distance(features, target), statistic.distance(features.float(), target))
    assert float((rounded - exact).norm() / exact.norm()) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_changes_nothing(name):
    statistic, features = STATISTICS[name], maps(2, 6, 4, 5)
    target = statistic.describe(maps(2, 6, 5, 5, seed=1))
    last = features.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(statistic.describe(last), statistic.describe(features))
    torch.testing.assert_close(statistic.distance(last, target), statistic.distance(features, target))
    gradient = gradient_of(statistic, last, target)
    torch.testing.assert_close(gradient, gradient_of(statistic, features, target))
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", NAMES)
def test_the_size_is_that_of_the_distance_from_nothing(name):
    """Features that are 0 everywhere are about as far as the unit says; a random projection varies."""
    statistic = STATISTICS[name]
    target = statistic.describe(maps(1, 64, 12, 12, seed=1) * 2)
    distance = statistic.distance(torch.zeros(1, 64, 12, 12), target)
    assert float(distance / statistic.size(target)) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_is_not_a_number_spoils_no_other(name):
    statistic, features = STATISTICS[name], maps(2, 6, 4, 5)
    target = statistic.describe(maps(2, 6, 4, 5, seed=1))
    spoilt = features.clone()
    spoilt[1, 2, 1, 1] = torch.nan
    distances = statistic.distance(spoilt, target)
    torch.testing.assert_close(distances[0], statistic.distance(features, target)[0])
    assert not distances[1].isfinite()
    torch.testing.assert_close(gradient_of(statistic, spoilt, target)[0], gradient_of(statistic, features, target)[0])


@pytest.mark.parametrize("name", [name for name in NAMES if STATISTICS[name].linear and name != "mean_std"])
def test_blends_of_second_moments_are_the_moments_of_both_pictures(name):
    """Half and half of two styles as wide as each other, but for the centred Gram, whose means must agree."""
    statistic, first, second = STATISTICS[name], maps(1, 6, 4, 5), maps(1, 6, 4, 5, seed=1) * 3
    if name == "centered_gram":
        first, second = (styles - styles.mean((2, 3), keepdim=True) for styles in (first, second))
    blend = statistic.describe(first) / 2 + statistic.describe(second) / 2
    both = statistic.describe(torch.cat([first, second], 3))
    features = maps(1, 6, 3, 3, seed=2)
    torch.testing.assert_close(statistic.distance(features, blend), statistic.distance(features, both))


def test_toy_of_the_literature():
    """A 2×2 picture with one bright pixel, seen by the identity: Gram 1/4, centred Gram 1/4 − 1/16 = 3/16."""
    picture = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert gram(picture).tolist() == [[[1 / 4]]]
    assert centered_gram(picture).tolist() == [[[3 / 16]]]


def test_pictures_that_share_both_grams_of_the_toy_have_one_white_pixel():
    pictures = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4))).view(16, 1, 2, 2)
    both = (gram(pictures).flatten() == 1 / 4) & (centered_gram(pictures).flatten() == 3 / 16)
    assert sorted(p.flatten().tolist() for p in pictures[both]) == sorted(torch.eye(4).tolist())
