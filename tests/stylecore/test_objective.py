"""The objective: terms and gradients against formulas in float64 beside it; batches, balances, and what is left out."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import pytest
import torch
from reference_vgg import caffe_input, layers_of, random_pictures, relative

from stylecore import weights
from stylecore.constants import Constants
from stylecore.encoder import warm_encoder
from stylecore.objective import TERMS, Objective, StyleTarget, Targets
from stylecore.settings import Settings

HEIGHT, WIDTH = 32, 48
SOME = {"content_layers": {"relu3_1": 1.0, "conv4_2": 0.5}, "style_layers": {"relu1_1": 1.0, "conv2_1": 2.0}}


def encoder_of(settings):
    source = weights.resolve(settings.encoder)
    return warm_encoder(source, settings.pooling, settings.padding, torch.float32, torch.device("cpu"))


def targets_of(settings, content, style, constants=None):
    constants = constants or Constants(encoder_of(settings))
    layers, statistics = list(settings.style_layers), list(settings.style_statistic)
    return Targets(
        constants.content(content, "content", list(settings.content_layers)),
        (StyleTarget(constants.style(style, "style", layers, statistics)),),
        settings,
    )


def objective_of(targets, canvas=(WIDTH, HEIGHT)):
    return Objective(encoder_of(targets.settings), [targets], canvas)


@functools.cache
def scene():
    """A picture being drawn, its content and its style, the style of another size."""
    return random_pictures(1, HEIGHT, WIDTH, 1), random_pictures(1, HEIGHT, WIDTH, 2), random_pictures(1, 40, 33, 3)


def evaluated(settings, picture, content, style):
    """Terms by name, and the gradient of their sum."""
    losses, gradient, terms = objective_of(targets_of(settings, content, style)).evaluate(picture)
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


POSITIONS = {64: HEIGHT * WIDTH, 128: HEIGHT * WIDTH // 4}  # of relu1_1 and conv2_1, told by their channels
CONTENT = {
    "sum": lambda f, p: (f - p).square().sum() / 2,
    "mean": lambda f, p: (f - p).square().mean(),
    "variance": lambda f, p: (f - p).square().mean() / (p - p.mean()).square().mean() / 1.5,  # 1.5 = 1.0 + 0.5
}
STYLE = {
    "mean": lambda g, a: (g - a).square().mean(),
    "channels": lambda g, a: (g - a).square().mean() / g.shape[0] ** 2,
    "paper": lambda g, a: (g - a).square().mean() / 4,
    "positions": lambda g, a: ((g - a) * POSITIONS[g.shape[0]]).square().mean(),
    "pixels": lambda g, a: ((g - a) * POSITIONS[g.shape[0]]).square().sum() / (4 * 3**2 * (HEIGHT * WIDTH) ** 2),
    "target": lambda g, a: (g - a).square().sum() / a.square().sum() / 12,  # 12 = (1 + 2) layers × (1 + 3) statistics
}


@pytest.mark.parametrize(
    ("content_rule", "style_rule"),
    [
        *(("sum", "mean"), ("mean", "channels"), ("variance", "target")),
        *(("sum", "paper"), ("mean", "positions"), ("mean", "pixels")),
    ],
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
    terms, _ = evaluated(Settings(tv_weight=0, padding="zero", style_statistic="gram"), picture, picture, picture)
    assert terms == {"content": 0.0, "style": pytest.approx(0, abs=1e-9), "total_variation": 0.0}


def test_rows_of_a_batch_have_their_own_targets_and_weights():
    pictures, contents, styles = (random_pictures(3, HEIGHT, WIDTH, seed) for seed in (1, 2, 3))
    settings = [
        Settings(**SOME, content_weight=1 + n, style_weight=10.0**n, tv_weight=n, padding="zero") for n in range(3)
    ]
    rows = [targets_of(settings[n], contents[n : n + 1], styles[n : n + 1]) for n in range(3)]
    losses, gradients, terms = Objective(encoder_of(settings[0]), rows, (WIDTH, HEIGHT)).evaluate(pictures)
    for n in range(3):
        loss, gradient, term = objective_of(rows[n]).evaluate(pictures[n : n + 1])
        assert float(losses[n]) == pytest.approx(float(loss), rel=1e-5)
        assert relative(gradients[n], gradient[0]) < 1e-5
        torch.testing.assert_close(terms[:, n], term[:, 0], rtol=1e-5, atol=1e-9)


def test_what_is_not_finite_stays_in_its_row():
    _, content, style = scene()
    settings = Settings(**SOME)
    pictures = random_pictures(2, HEIGHT, WIDTH, 1)
    both = Objective(encoder_of(settings), [targets_of(settings, content, style)] * 2, (WIDTH, HEIGHT))
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
        gradients.append(Objective(encoder, [targets], (64, 64)).evaluate(picture)[1].flatten())
    assert float(torch.nn.functional.cosine_similarity(*gradients, dim=0)) > 0.99


def test_terms_without_weight_are_not_computed():
    """Nor the layers that only they would need; their value is 0, and so is that of an objective without weights."""
    picture, content, style = scene()
    settings = Settings(**SOME, content_weight=0, tv_weight=0, padding="zero")
    without = objective_of(targets_of(settings, content, style))
    assert without.layers == ["relu1_1", "conv2_1"]
    with_all = objective_of(targets_of(Settings(**SOME, tv_weight=0, padding="zero"), content, style))
    assert set(with_all.layers) == {"relu1_1", "conv2_1", "relu3_1", "conv4_2"}
    terms, expected_terms = without.evaluate(picture)[2], with_all.evaluate(picture)[2]
    torch.testing.assert_close(terms, expected_terms * torch.tensor([[0.0], [1.0], [0.0]]))

    nothing = objective_of(targets_of(replace(settings, style_weight=0), content, style))
    assert nothing.layers == []
    losses, gradient, terms = nothing.evaluate(picture)
    assert (float(losses), float(gradient.abs().sum()), float(terms.abs().sum())) == (0, 0, 0)


def test_layers_and_statistics_without_weight_count_for_nothing():
    picture, content, style = scene()
    values = {"padding": "zero", "tv_weight": 0}
    zeros = Settings(
        content_layers={"relu3_1": 1, "conv4_2": 0},
        style_layers={"relu1_1": 1, "relu5_1": 0},
        style_statistic={"gram": 1, "mrf": 0},
        **values,
    )
    plain = Settings(content_layers="relu3_1", style_layers="relu1_1", style_statistic="gram", **values)
    drawn, expected_drawn = (objective_of(targets_of(settings, content, style)) for settings in (zeros, plain))
    assert drawn.layers == ["relu3_1", "relu1_1"]
    for actual, wanted in zip(drawn.evaluate(picture), expected_drawn.evaluate(picture), strict=True):
        torch.testing.assert_close(actual, wanted)


@pytest.mark.parametrize("method", ["content-reconstruction", "style-reconstruction"])
def test_reconstructions_have_one_term(method):
    """Gatys et al. 2016, eq. 1 alone, and eq. 5 alone; what a method does not use need not be there."""
    picture, content, style = scene()
    style = random_pictures(1, HEIGHT, WIDTH, 3)
    rules = {"content_normalization": "sum", "style_normalization": "paper", "content_weight": 2, "style_weight": 3}
    others = {"style_statistic": "gram", "tv_weight": 0, "padding": "zero"}
    settings = Settings.resolve({**SOME, **rules, "method": method, **others})
    targets = targets_of(settings, content, style)
    targets = replace(targets, styles=()) if method == "content-reconstruction" else replace(targets, content={})

    def formula(x):
        f, p, a = (layers_of(caffe_input(image)) for image in (x, content, style))
        if method == "content-reconstruction":
            kept = sum(w * CONTENT["sum"](f[layer], p[layer]) for layer, w in SOME["content_layers"].items())
            return {"content": 2 * kept, "style": torch.zeros(())}
        drawn = 0.0
        for layer, weight in SOME["style_layers"].items():
            n, m = f[layer].shape[1], f[layer][0, 0].numel()
            g, target = (features[layer][0].flatten(1) for features in (f, a))
            drawn += weight * (g @ g.T - target @ target.T).square().sum() / (4 * n**2 * m**2)
        return {"content": torch.zeros(()), "style": 3 * drawn}

    _, gradient, terms = objective_of(targets).evaluate(picture)
    actual = dict(zip(TERMS, terms[:, 0].tolist(), strict=True)), gradient
    assert_same(actual, expected(formula, picture))


BALANCED = {"optimizer": "adam", "padding": "zero", "content_weight": 2.0, "style_weight": 3.0, "tv_weight": 0.5}
BALANCED |= {"style_statistic": "gram"}


def test_balanced_terms_are_their_weights_and_pull_by_their_logarithms():
    """Hvass: w L / L with the divisor held constant, whose gradient is w ∇ log L; one without a weight stays 0."""
    picture, content, style = scene()
    settings = Settings(**SOME, **BALANCED, balance="terms")
    terms, gradient = evaluated(settings, picture, content, style)
    assert terms == pytest.approx({"content": 2.0, "style": 3.0, "total_variation": 0.5})
    leaf = picture.clone().requires_grad_()
    plain = objective_of(targets_of(replace(settings, balance="none"), content, style)).terms(leaf)[:, 0]
    (expected_gradient,) = torch.autograd.grad((torch.tensor([2.0, 3.0, 0.5]) * plain.log()).sum(), leaf)
    assert relative(gradient, expected_gradient) < 1e-4
    terms, _ = evaluated(replace(settings, style_weight=0.0), picture, content, style)
    assert terms == pytest.approx({"content": 2.0, "style": 0.0, "total_variation": 0.5})


@pytest.mark.parametrize("balance", ["none", "terms", "layers"])
def test_a_term_that_is_zero_divides_nothing(balance):
    """The content picture itself is where most renders start."""
    _, content, style = scene()
    settings = Settings(**{**SOME, **BALANCED}, balance=balance)
    terms, gradient = evaluated(settings, content, content, style)
    assert terms["content"] == 0
    assert torch.isfinite(gradient).all()
    flat = torch.full_like(content, 0.5)
    terms, gradient = evaluated(settings, flat, flat, flat)
    assert list(terms.values()) == pytest.approx([0, 0, 0], abs=1e-9)
    assert torch.isfinite(gradient).all()


def test_balanced_layers_pull_by_their_weights():
    """neural-style -normalize_gradients: each loss's gradient by its features gets an L1 norm of its weight."""
    picture, content, style = scene()
    settings = Settings(**SOME, **{**BALANCED, "tv_weight": 0.0}, balance="layers", content_normalization="mean")
    terms, gradient = evaluated(settings, picture, content, style)
    plain, _ = evaluated(replace(settings, balance="none"), picture, content, style)
    assert terms == pytest.approx(plain)

    leaf = picture.double().requires_grad_()
    f, p, a = (layers_of(caffe_input(image)) for image in (leaf, content, style))
    outputs, pulls = [], []
    for term, layers, weight in (("content", SOME["content_layers"], 2), ("style", SOME["style_layers"], 3)):
        for layer, share in layers.items():
            maps = f[layer].detach().requires_grad_()
            if term == "content":
                loss = CONTENT["mean"](maps, p[layer])
            else:
                g, target = maps[0].flatten(1), a[layer][0].flatten(1)
                loss = STYLE["target"](g @ g.T / g.shape[1], target @ target.T / target.shape[1])
            (pull,) = torch.autograd.grad(loss, maps)
            outputs.append(f[layer])
            pulls.append(pull / pull.abs().sum() * weight * share)
    (expected_gradient,) = torch.autograd.grad(outputs, leaf, pulls)
    assert relative(gradient, expected_gradient) < 1e-4
