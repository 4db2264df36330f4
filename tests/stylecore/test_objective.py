"""The objective: each term and its gradient against the published formulas, computed in float64 beside it."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import torch
from reference_vgg import caffe_input, layers_of, random_pictures, relative

from stylecore import objective, weights
from stylecore.encoder import warm_encoder
from stylecore.objective import TERMS, Constants, Objective, Targets, absolute_variation, squared_variation
from stylecore.presets import PRESETS
from stylecore.settings import Settings

HEIGHT, WIDTH = 32, 48
SOME = {"content_layers": {"relu3_1": 1.0, "conv4_2": 0.5}, "style_layers": {"relu1_1": 1.0, "conv2_1": 2.0}}


def encoder_of(settings):
    source = weights.resolve(settings.encoder)
    return warm_encoder(source, settings.pooling, settings.padding, torch.float32, torch.device("cpu"))


def targets_of(settings, content, style, constants=None):
    constants = constants or Constants(encoder_of(settings))
    return Targets(
        constants.content(content, "content", list(settings.content_layers)),
        {name: constants.style(style, "style", list(settings.style_layers), name) for name in settings.style_statistic},
        settings,
    )


@functools.cache
def scene():
    """A picture being drawn, its content and its style, the style of another size."""
    return random_pictures(1, HEIGHT, WIDTH, 1), random_pictures(1, HEIGHT, WIDTH, 2), random_pictures(1, 40, 33, 3)


def evaluated(settings, picture, content, style):
    """Terms by name, and the gradient of their sum."""
    losses, gradient, terms = Objective(encoder_of(settings), [targets_of(settings, content, style)]).evaluate(picture)
    assert float(losses[0]) == pytest.approx(float(terms.sum()), rel=1e-6)
    return dict(zip(TERMS, terms[:, 0].tolist(), strict=True)), gradient


def expected(formula, picture):
    """Terms by name, and the gradient of their sum, of a formula in float64."""
    leaf = picture.double().requires_grad_()
    terms = formula(leaf)
    (gradient,) = torch.autograd.grad(sum(terms.values()), leaf)
    return {name: float(term.detach()) for name, term in terms.items()}, gradient


def assert_same(actual, wanted):
    for name, value in wanted[0].items():
        assert actual[0][name] == pytest.approx(value, rel=1e-4, abs=1e-12), name
    assert relative(actual[1], wanted[1]) < 1e-4


def products(features):
    """F Fᵀ of one picture, without a divisor, and the number of positions M."""
    flat = features[0].flatten(1)
    return flat @ flat.T, flat.shape[1]


def test_gatys_2016():
    """½ Σ (F − P)² and Σ w_l / (4 N² M²) Σ (G − A)², G = F Fᵀ, style and picture of one size; α/β = 1e-3."""
    picture, content, style = scene()[0], scene()[1], random_pictures(1, HEIGHT, WIDTH, 3)

    def formula(x):
        f, p, a = (layers_of(caffe_input(image), "average") for image in (x, content, style))
        drawn = 0.0
        for block in range(1, 6):
            (g, positions), (target, _) = products(f[f"conv{block}_1"]), products(a[f"conv{block}_1"])
            drawn += 0.2 * (g - target).square().sum() / (4 * g.shape[0] ** 2 * positions**2)
        return {"content": 1e-3 * 0.5 * (f["conv4_2"] - p["conv4_2"]).square().sum(), "style": drawn}

    settings = Settings.resolve({"preset": "gatys-2016"})
    assert_same(evaluated(settings, picture, content, style), expected(formula, picture))


def test_gatys_notebook():
    """MSE at relu4_2, and 1e3 / C² · MSE of F Fᵀ / (H W) at each relu."""
    picture, content, style = scene()

    def formula(x):
        f, p, a = (layers_of(caffe_input(image)) for image in (x, content, style))
        drawn = 0.0
        for layer, channels in zip([f"relu{n}_1" for n in range(1, 6)], [64, 128, 256, 512, 512], strict=True):
            (g, here), (target, there) = products(f[layer]), products(a[layer])
            drawn += 1e3 / channels**2 * torch.nn.functional.mse_loss(g / here, target / there)
        return {"content": torch.nn.functional.mse_loss(f["relu4_2"], p["relu4_2"]), "style": drawn}

    settings = Settings.resolve({"preset": "gatys-notebook"})
    assert_same(evaluated(settings, picture, content, style), expected(formula, picture))


def test_neural_style():
    """5 · MSE and 100 · MSE of F Fᵀ / (C H W), summed over layers, and 1e-3 · Σ |neighbours| in 0–255."""
    picture, content, style = scene()
    contents = ["relu3_2", "relu4_2"]

    def formula(x):
        f, p, a = (layers_of(caffe_input(image)) for image in (x, content, style))
        drawn = 0.0
        for layer in [f"relu{n}_1" for n in range(1, 6)]:
            g, target = products(f[layer])[0] / f[layer].numel(), products(a[layer])[0] / a[layer].numel()
            drawn += 100 * torch.nn.functional.mse_loss(g, target)
        bgr = caffe_input(x)
        rough = (bgr[:, :, 1:] - bgr[:, :, :-1]).abs().sum() + (bgr[:, :, :, 1:] - bgr[:, :, :, :-1]).abs().sum()
        kept = sum(5 * torch.nn.functional.mse_loss(f[layer], p[layer]) for layer in contents)
        return {"content": kept, "style": drawn, "total_variation": 1e-3 * rough}

    settings = Settings.resolve({"preset": "neural-style", "content_layers": contents})
    assert_same(evaluated(settings, picture, content, style), expected(formula, picture))


CONTENT = {
    "sum": lambda f, p: (f - p).square().sum() / 2,
    "mean": lambda f, p: (f - p).square().mean(),
    "variance": lambda f, p: (f - p).square().mean() / (p - p.mean()).square().mean() / 1.5,  # 1.5 = 1.0 + 0.5
}
STYLE = {
    "mean": lambda g, a: (g - a).square().mean(),
    "channels": lambda g, a: (g - a).square().mean() / g.shape[0] ** 2,
    "paper": lambda g, a: (g - a).square().mean() / 4,
    "target": lambda g, a: (g - a).square().sum() / a.square().sum() / 12,  # 12 = (1 + 2) layers × (1 + 3) statistics
}


@pytest.mark.parametrize(
    ("content_rule", "style_rule"), [("sum", "mean"), ("mean", "channels"), ("variance", "target"), ("sum", "paper")]
)
def test_normalisations(content_rule, style_rule):
    """Every rule, with weights on layers and statistics, as the settings' documentation says."""
    picture, content, style = scene()

    def statistic(features, name):
        flat = features[0].flatten(1)
        flat = flat - flat.mean(1, keepdim=True) if name == "centered_gram" else flat
        return flat @ flat.T / flat.shape[1]

    def formula(x):
        f, p, a = (layers_of(caffe_input(image)) for image in (x, content, style))
        kept = sum(w * CONTENT[content_rule](f[layer], p[layer]) for layer, w in SOME["content_layers"].items())
        drawn = sum(
            share * w * STYLE[style_rule](statistic(f[layer], name), statistic(a[layer], name))
            for (layer, w), (name, share) in itertools.product(SOME["style_layers"].items(), shares.items())
        )
        return {"content": 2 * kept, "style": 30 * drawn, "total_variation": torch.zeros(())}

    shares = {"gram": 1.0, "centered_gram": 3.0}
    settings = Settings(
        **SOME,
        padding="zero",
        content_weight=2,
        style_weight=30,
        tv_weight=0,
        style_statistic=shares,
        content_normalization=content_rule,
        style_normalization=style_rule,
    )
    assert_same(evaluated(settings, picture, content, style), expected(formula, picture))


def test_total_variation_is_the_sum_over_neighbours():
    picture = np.random.default_rng(0).random((2, 3, 5, 7))
    squared, absolute = np.zeros(2), np.zeros(2)
    for row, channel, y, x in itertools.product(range(2), range(3), range(5), range(7)):
        here = picture[row, channel, y, x]
        if y + 1 < 5:
            below = picture[row, channel, y + 1, x] - here
            squared[row] += below**2 / (3 * 4 * 7)
            absolute[row] += abs(below)
        if x + 1 < 7:
            right = picture[row, channel, y, x + 1] - here
            squared[row] += right**2 / (3 * 5 * 6)
            absolute[row] += abs(right)
    tensor = torch.from_numpy(picture).float()
    np.testing.assert_allclose(squared_variation(tensor).numpy(), squared, rtol=1e-5)
    np.testing.assert_allclose(absolute_variation(tensor).numpy(), absolute, rtol=1e-5)


@pytest.mark.parametrize("norm", ["squared", "absolute"])
def test_total_variation_is_taken_in_0_to_255(norm):
    """A picture of two halves, 0 and 0.1: 25.5 apart along one row of neighbours."""
    picture = torch.zeros(1, 3, 16, 16)
    picture[:, :, 8:] = 0.1
    settings = Settings(**SOME, tv_norm=norm, tv_weight=2.0, padding="zero")
    terms, _ = evaluated(settings, picture, picture, picture)
    jump = {"squared": 25.5**2 / 15, "absolute": 25.5 * 3 * 16}
    assert terms["total_variation"] == pytest.approx(2 * jump[norm], rel=1e-5)


def test_the_picture_itself_costs_nothing():
    picture = scene()[0]
    terms, _ = evaluated(Settings(tv_weight=0, padding="zero"), picture, picture, picture)
    assert terms == {"content": 0.0, "style": pytest.approx(0, abs=1e-9), "total_variation": 0.0}


def test_rows_of_a_batch_have_their_own_targets_and_weights():
    pictures, contents, styles = (random_pictures(3, HEIGHT, WIDTH, seed) for seed in (1, 2, 3))
    settings = [
        Settings(**SOME, content_weight=1 + n, style_weight=10.0**n, tv_weight=n, padding="zero") for n in range(3)
    ]
    rows = [targets_of(settings[n], contents[n : n + 1], styles[n : n + 1]) for n in range(3)]
    losses, gradients, terms = Objective(encoder_of(settings[0]), rows).evaluate(pictures)
    for n in range(3):
        loss, gradient, term = Objective(encoder_of(settings[0]), rows[n : n + 1]).evaluate(pictures[n : n + 1])
        assert float(losses[n]) == pytest.approx(float(loss), rel=1e-5)
        assert relative(gradients[n], gradient[0]) < 1e-5
        torch.testing.assert_close(terms[:, n], term[:, 0], rtol=1e-5, atol=1e-9)


def test_what_is_not_finite_stays_in_its_row():
    _, content, style = scene()
    settings = Settings(**SOME)
    pictures = random_pictures(2, HEIGHT, WIDTH, 1)
    both = Objective(encoder_of(settings), [targets_of(settings, content, style)] * 2)
    good_loss, good_gradient, _ = both.evaluate(pictures)
    pictures[1, 0, 3, 3] = torch.nan
    losses, gradients, _ = both.evaluate(pictures)
    assert torch.isnan(losses[1])
    assert torch.equal(losses[0], good_loss[0])
    assert torch.equal(gradients[0], good_gradient[0])


def test_bf16_gradient_points_the_same_way():
    picture, content, style = (random_pictures(1, 64, 64, seed) for seed in (1, 2, 3))
    settings = Settings()
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        encoder = warm_encoder(weights.resolve("vgg19"), "max", "replicate", dtype, torch.device("cpu"))
        targets = targets_of(settings, content, style, Constants(encoder))
        gradients.append(Objective(encoder, [targets]).evaluate(picture)[1].flatten())
    assert float(torch.nn.functional.cosine_similarity(*gradients, dim=0)) > 0.99


class TestConstants:
    def test_are_computed_once(self):
        constants = Constants(encoder_of(Settings()))
        picture = random_pictures(1, 32, 32)
        content = constants.content(picture, "digest", ["relu1_1"])
        style = constants.style(picture, "digest", ["relu1_1"], "gram")
        assert constants.content(picture.clone(), "digest", ["relu1_1"])["relu1_1"] is content["relu1_1"]
        assert constants.style(picture.clone(), "digest", ["relu1_1"], "gram")["relu1_1"] is style["relu1_1"]

    def test_differ_by_picture_size_layer_and_statistic(self):
        constants = Constants(encoder_of(Settings()))
        picture, other = random_pictures(1, 32, 32), random_pictures(1, 24, 32, seed=1)
        gram = constants.style(picture, "digest", ["relu1_1"], "gram")["relu1_1"]
        different = [
            constants.style(other, "digest", ["relu1_1"], "gram")["relu1_1"],
            constants.style(random_pictures(1, 32, 32, seed=2), "another", ["relu1_1"], "gram")["relu1_1"],
            constants.style(picture, "digest", ["relu1_1"], "centered_gram")["relu1_1"],
        ]
        assert not any(torch.equal(gram, tensor) for tensor in different)
        assert set(constants.style(picture, "digest", ["relu2_1"], "gram")) == {"relu2_1"}
        assert constants.content(other, "digest", ["relu1_1"])["relu1_1"].shape == (1, 64, 24, 32)

    def test_hold_no_graph(self):
        content = Constants(encoder_of(Settings())).content(
            random_pictures(1, 16, 16).requires_grad_(), "", ["relu1_1"]
        )
        assert not content["relu1_1"].requires_grad

    def test_the_oldest_make_room(self, monkeypatch):
        monkeypatch.setattr(objective, "_MOST_BYTES", 3 * 64 * 16 * 16 * 4)
        constants = Constants(encoder_of(Settings()))
        first = constants.content(random_pictures(1, 16, 16), "0", ["relu1_1"])["relu1_1"]
        for digest in "12":
            constants.content(random_pictures(1, 16, 16), digest, ["relu1_1"])
        assert constants.content(random_pictures(1, 16, 16), "0", ["relu1_1"])["relu1_1"] is first
        constants.content(random_pictures(1, 16, 16), "3", ["relu1_1"])
        again = constants.content(random_pictures(1, 16, 16), "0", ["relu1_1"])["relu1_1"]
        assert again is not first
        assert torch.equal(again, first)


def test_every_preset_is_compared_above():
    assert {"gatys-2016", "gatys-notebook", "neural-style"} == set(PRESETS)
