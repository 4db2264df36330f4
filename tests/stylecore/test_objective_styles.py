"""Masks and blends in the objective: rectangles against cropped features, several styles against sums by hand."""

from __future__ import annotations

import pytest
import torch
from reference_vgg import caffe_input, layers_of, random_pictures, relative

from stylecore import weights
from stylecore.constants import Constants
from stylecore.encoder import warm_encoder
from stylecore.objective import TERMS, Objective, StyleTarget, Targets, blended
from stylecore.settings import Settings
from stylecore.statistics import STATISTICS

HEIGHT, WIDTH = 32, 48
LAYERS = {"relu1_1": 1.0, "relu2_1": 2.0, "relu3_1": 0.5}
WINDOW = (slice(8, 28), slice(4, 40))  # of whole positions at relu3_1, where four pixels are one
PLAIN = {"style_layers": LAYERS, "content_layers": LAYERS, "padding": "zero", "tv_weight": 0.0}


def encoder():
    return warm_encoder(weights.resolve("vgg19"), "max", "zero", torch.float32, torch.device("cpu"))


def rectangle(window=WINDOW):
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., window[0], window[1]] = 1
    return mask


def cropped(features, window=WINDOW):
    """A layer's features inside a window of the picture, of whatever resolution they are."""
    step = HEIGHT // features.shape[2]
    return features[..., *(slice(side.start // step, side.stop // step) for side in window)]


def described(settings, style, mask=None, digest="style"):
    layers, statistics = list(settings.style_layers), list(settings.style_statistic)
    return Constants(encoder()).style(style, digest, layers, statistics, mask)


def kept(settings, content):
    return Constants(encoder()).content(content, "content", list(settings.content_layers))


def evaluated(targets, picture, draw=0):
    _, gradient, terms = Objective(encoder(), [targets], (WIDTH, HEIGHT)).evaluate(picture, draw)
    return dict(zip(TERMS, terms[:, 0].tolist(), strict=True)), gradient


def by_hand(formula, picture):
    leaf = picture.double().requires_grad_()
    loss = formula(layers_of(caffe_input(leaf)))
    (gradient,) = torch.autograd.grad(loss, leaf)
    return float(loss.detach()), gradient


def gram(features):
    flat = features[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def covariance(features):
    flat = features[0].flatten(1)
    return gram((flat - flat.mean(1, keepdim=True))[None, :, None])


def moments(features):
    flat = features[0].flatten(1)
    return torch.stack([flat.mean(1), (flat.var(1, unbiased=False) + 1e-5).sqrt()]) * 2**0.5  # two means, added


LINEAR = {"gram": gram, "centered_gram": covariance, "mean_std": moments}


def pictures():
    return (random_pictures(1, HEIGHT, WIDTH, seed) for seed in (1, 2))


@pytest.mark.parametrize("name", LINEAR)
def test_a_style_in_a_rectangle_sees_the_rectangle_only(name):
    picture, style = pictures()
    settings = Settings(**PLAIN, style_statistic=name, style_normalization="mean", style_weight=3)
    target = StyleTarget(described(settings, style), mask=rectangle())
    statistic, seen = LINEAR[name], layers_of(caffe_input(style))

    def formula(f):
        return 3 * sum(
            weight * (statistic(cropped(f[layer])) - statistic(seen[layer])).square().mean()
            for layer, weight in LAYERS.items()
        )

    terms, gradient = evaluated(Targets({}, (target,), settings), picture)
    loss, expected = by_hand(formula, picture)
    assert terms["style"] == pytest.approx(loss, rel=1e-4)
    assert relative(gradient, expected) < 1e-4


@pytest.mark.parametrize("name", STATISTICS)
def test_every_statistic_in_a_rectangle_is_that_of_the_cropped_features(name):
    picture, style = pictures()
    settings = Settings(**PLAIN, style_statistic=name, style_normalization="mean", style_weight=3)
    target = StyleTarget(described(settings, style, rectangle(), "part"), mask=rectangle())
    terms, _ = evaluated(Targets({}, (target,), settings), picture, draw=5)
    statistic, expected = STATISTICS[name], 0.0
    seen, wanted = (encoder().features(x, list(LAYERS)) for x in (picture, style))
    for layer, weight in LAYERS.items():
        there = statistic.describe(cropped(wanted[layer]))
        expected += 3 * weight * float(statistic.distance(cropped(seen[layer]), there, draw=5))
    assert terms["style"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", STATISTICS)
def test_a_white_mask_is_none(name):
    picture, style = pictures()
    settings = Settings(**PLAIN, style_statistic=name)
    white = torch.ones(1, 1, HEIGHT, WIDTH)
    masked = StyleTarget(described(settings, style, white), mask=white)
    plain = StyleTarget(described(settings, style))
    (terms, gradient), (expected, wanted) = (evaluated(Targets({}, (t,), settings), picture) for t in (masked, plain))
    assert terms["style"] == pytest.approx(expected["style"], rel=1e-4)
    assert relative(gradient, wanted) < 1e-3


@pytest.mark.parametrize("rule", ["mean", "variance"])
def test_content_counts_where_its_mask_is_white(rule):
    picture, content = pictures()
    settings = Settings(**PLAIN, content_normalization=rule, content_weight=2)
    seen = layers_of(caffe_input(content))

    def formula(f):
        total = 0.0
        for layer, weight in LAYERS.items():
            unit = seen[layer].var(unbiased=False) * sum(LAYERS.values()) if rule == "variance" else 1.0
            total += weight * (cropped(f[layer]) - cropped(seen[layer])).square().mean() / unit
        return 2 * total

    targets = Targets(kept(settings, content), (), settings, content_mask=rectangle())
    terms, gradient = evaluated(targets, picture)
    loss, expected = by_hand(formula, picture)
    assert terms["content"] == pytest.approx(loss, rel=1e-4)
    assert relative(gradient, expected) < 1e-4


def test_nothing_pulls_far_outside_the_masks():
    """relu1_1 sees one pixel around each position."""
    picture, style = pictures()
    settings = Settings(**{**PLAIN, "style_layers": "relu1_1", "content_layers": "relu1_1"})
    target = StyleTarget(described(settings, style), mask=rectangle())
    targets = Targets(kept(settings, style), (target,), settings, content_mask=rectangle())
    _, gradient = evaluated(targets, picture)
    around = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    around[7:29, 3:41] = False
    assert torch.equal(gradient[..., around], torch.zeros_like(gradient[..., around]))
    assert (gradient[..., 8:28, 4:40] != 0).any(1).all()


def test_a_blend_is_the_weighted_sum_of_gram_matrices():
    """crowsonkb: 1/4 of one style and 3/4 of another are one target, with the distance of one style."""
    picture, style = pictures()
    other = random_pictures(1, 24, 40, 3)
    settings = Settings(**PLAIN, style_statistic="gram", style_normalization="mean", style_weight=3)
    parts = [StyleTarget(described(settings, pictured), weight) for pictured, weight in ((style, 0.25), (other, 0.75))]
    together = blended(parts)
    assert [target.weight for target in together] == [1.0]
    one, two = (layers_of(caffe_input(image)) for image in (style, other))

    def formula(f):
        total = 0.0
        for layer, weight in LAYERS.items():
            target = 0.25 * gram(one[layer]) + 0.75 * gram(two[layer])
            total += weight * (gram(f[layer]) - target).square().mean()
        return 3 * total

    terms, gradient = evaluated(Targets({}, together, settings), picture)
    loss, expected = by_hand(formula, picture)
    assert terms["style"] == pytest.approx(loss, rel=1e-4)
    assert relative(gradient, expected) < 1e-4


def test_a_style_without_weight_leaves_the_other_alone():
    _, style = pictures()
    settings = Settings(**PLAIN, style_statistic="gram")
    alone = StyleTarget(described(settings, style))
    none = StyleTarget(described(settings, random_pictures(1, 40, 40, 3)), 0.0)
    (together,) = blended([alone, none])
    for layer, target in alone.statistics["gram"].items():
        torch.testing.assert_close(together.statistics["gram"][layer], target)


@pytest.mark.parametrize("name", ["sliced_wasserstein", "histogram", "mrf"])
def test_distances_to_what_cannot_be_blended_are_summed_by_weight(name):
    picture, style = pictures()
    other = random_pictures(1, 24, 40, 3)
    settings = Settings(**PLAIN, style_statistic=name)
    one, two = (StyleTarget(described(settings, pictured)) for pictured in (style, other))
    parts = blended([StyleTarget(one.statistics, 0.25), StyleTarget(two.statistics, 0.75)])
    assert [part.weight for part in parts] == [0.25, 0.75]
    terms, gradient = evaluated(Targets({}, parts, settings), picture, draw=3)
    alone = [evaluated(Targets({}, (target,), settings), picture, draw=3) for target in (one, two)]
    assert terms["style"] == pytest.approx(0.25 * alone[0][0]["style"] + 0.75 * alone[1][0]["style"], rel=1e-4)
    assert relative(gradient, 0.25 * alone[0][1] + 0.75 * alone[1][1]) < 1e-4


def test_one_statistic_that_cannot_be_blended_keeps_the_others_apart_too():
    settings = Settings(**PLAIN, style_statistic=["gram", "histogram"])
    parts = [StyleTarget(described(settings, random_pictures(1, 32, 32, seed)), 0.5) for seed in (1, 2)]
    assert len(blended(parts)) == 2


def test_styles_with_places_are_drawn_each_in_its_own():
    """Gatys et al. 2017, section 4.1: the sum over regions, each with its own Gram matrices."""
    picture, style = pictures()
    other = random_pictures(1, 24, 40, 3)
    left, right = (slice(0, 32), slice(0, 16)), (slice(0, 32), slice(16, 48))
    settings = Settings(**PLAIN, style_statistic="gram", style_normalization="mean", style_weight=3)
    places = [
        StyleTarget(described(settings, pictured), weight, rectangle(window))
        for pictured, weight, window in ((style, 0.25, left), (other, 0.75, right))
    ]
    assert blended(places) == tuple(places)
    one, two = (layers_of(caffe_input(image)) for image in (style, other))

    def formula(f):
        total = 0.0
        for layer, weight in LAYERS.items():
            for seen, share, window in ((one, 0.25, left), (two, 0.75, right)):
                total += share * weight * (gram(cropped(f[layer], window)) - gram(seen[layer])).square().mean()
        return 3 * total

    terms, gradient = evaluated(Targets({}, tuple(places), settings), picture)
    loss, expected = by_hand(formula, picture)
    assert terms["style"] == pytest.approx(loss, rel=1e-4)
    assert relative(gradient, expected) < 1e-4


def test_balanced_layers_share_their_pull_among_the_styles():
    """Each style's gradient at a layer has an L1 norm of its weight: a quarter of one pull, three of the other."""
    picture, style = pictures()
    other = random_pictures(1, 24, 40, 3)
    single = {**PLAIN, "style_layers": "relu2_1", "style_statistic": "histogram"}
    settings = Settings(**single, balance="layers", optimizer="adam", style_weight=1)
    one, two = (described(settings, pictured) for pictured in (style, other))
    parts = StyleTarget(one, 0.25), StyleTarget(two, 0.75)
    _, together = evaluated(Targets({}, parts, settings), picture)
    pulls = [evaluated(Targets({}, (StyleTarget(statistics),), settings), picture)[1] for statistics in (one, two)]
    assert relative(together, 0.25 * pulls[0] + 0.75 * pulls[1]) < 1e-4


def test_rows_of_a_batch_have_their_own_masks_and_shares():
    both = random_pictures(2, HEIGHT, WIDTH, 1)
    settings = Settings(**PLAIN, style_statistic="gram")
    left, right = rectangle((slice(0, 32), slice(0, 16))), rectangle()
    targets = [
        Targets(
            kept(settings, picture.flip(3)), (StyleTarget(described(settings, picture), weight, mask),), settings, mask
        )
        for picture, weight, mask in zip(both.flip(0).split(1), (0.3, 0.7), (left, right), strict=True)
    ]
    _, gradients, terms = Objective(encoder(), targets, (WIDTH, HEIGHT)).evaluate(both)
    for row, target in enumerate(targets):
        alone, gradient = evaluated(target, both[row : row + 1])
        assert terms[:, row].tolist() == pytest.approx(list(alone.values()), rel=1e-4)
        assert relative(gradients[row : row + 1], gradient) < 1e-4
