"""Gram matrices, means and deviations: against loops and a derivative written out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from feature_maps import maps, mask

from stylecore.statistics import STATISTICS, centered_gram, gram

GRAMS = [(gram, False), (centered_gram, True)]


def looped(features, center, weights=None):
    """Weighted means over positions of products of maps, one entry at a time, in float64."""
    batch, channels, height, width = features.shape
    values = features.double()
    counts = torch.ones(batch, 1, height, width).double() if weights is None else weights.double()
    result = torch.zeros(batch, channels, channels, dtype=torch.float64)
    for row, i, j in itertools.product(range(batch), range(channels), range(channels)):
        count = counts[row, 0]
        total, mean_i, mean_j = 0.0, *((values[row, k] * count).sum() / count.sum() * center for k in (i, j))
        for y, x in itertools.product(range(height), range(width)):
            total += count[y, x] * (values[row, i, y, x] - mean_i) * (values[row, j, y, x] - mean_j)
        result[row, i, j] = total / count.sum()
    return result


@pytest.mark.parametrize(("statistic", "center"), GRAMS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("weights", [None, 5 * mask(2, 1, 3, 5)], ids=["everywhere", "masked"])
def test_is_the_mean_over_positions_of_products(statistic, center, layout, weights):
    features = (maps(2, 4, 3, 5) + 1).contiguous(memory_format=layout)
    wanted = looped(features, center, weights)
    torch.testing.assert_close(statistic(features, weights).double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("statistic", [gram, centered_gram])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_type_and_symmetry(statistic, dtype):
    result = statistic(maps(2, 6, 4, 3, dtype=dtype))
    assert (result.shape, result.dtype) == ((2, 6, 6), torch.float32)
    torch.testing.assert_close(result, result.mT)


def test_size_of_a_repeated_picture_changes_nothing():
    features = maps(1, 4, 6, 6)
    torch.testing.assert_close(gram(features.repeat(1, 1, 2, 3)), gram(features))


def test_centering_ignores_a_constant():
    features = maps(1, 4, 6, 6)
    offset = torch.tensor([3.0, -2.0, 0.5, 10.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(centered_gram(features + offset), centered_gram(features), rtol=1e-4, atol=1e-4)


def gradient_by_hand(features, wanted, center, weights=None):
    """Gradient of Σ W ∘ G by F: (W + Wᵀ) F times each position's share; centring changes nothing but F."""
    flat = features.double().flatten(2)
    share = torch.ones_like(flat[:, :1]) if weights is None else weights.double().flatten(2)
    share = share / share.sum(2, keepdim=True)
    if center:
        flat = flat - (flat * share).sum(2, keepdim=True)
    return ((wanted + wanted.mT).double() @ flat * share).view(features.shape)


@pytest.mark.parametrize(("statistic", "center"), GRAMS)
@pytest.mark.parametrize("weights", [None, mask(2, 1, 3, 4)], ids=["everywhere", "masked"])
def test_gradient_is_the_derivative(statistic, center, weights):
    features, wanted = maps(2, 5, 3, 4).requires_grad_(), maps(2, 5, 5, seed=1)  # W is not symmetric
    (gradient,) = torch.autograd.grad((wanted * statistic(features, weights)).sum(), features)
    by_hand = gradient_by_hand(features.detach(), wanted, center, weights)
    torch.testing.assert_close(gradient.double(), by_hand, rtol=1e-4, atol=1e-5)
    along = maps(2, 5, 3, 4, seed=2).double()
    finite = sum(
        sign * (wanted.double() * looped(features.detach().double() + sign * 1e-4 * along, center, weights)).sum()
        for sign in (1, -1)
    )
    assert float((gradient.double() * along).sum()) == pytest.approx(float(finite / 2e-4), rel=1e-4)


@pytest.mark.parametrize(("statistic", "center"), GRAMS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gradient_points_the_same_way(statistic, center, dtype):
    features, wanted = maps(1, 32, 16, 16).to(dtype).requires_grad_(), maps(1, 32, 32, seed=1)
    (gradient,) = torch.autograd.grad((wanted * statistic(features)).sum(), features)
    by_hand = gradient_by_hand(features.detach(), wanted, center)
    cosine = torch.nn.functional.cosine_similarity(gradient.double().flatten(), by_hand.flatten(), dim=0)
    assert gradient.dtype == dtype
    assert float(cosine) > 0.99
    assert float(gradient.double().norm() / by_hand.norm()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(1, 64, 64, 48), (2, 32, 17, 33), (2, 8, 1, 5)])
def test_gram_matrix_in_bf16_is_exact_to_a_thousandth(shape, layout):
    """Of the same features, against float64; a product of bf16 numbers that comes out in bf16 is off by more."""
    features = maps(*shape).relu().to(torch.bfloat16, memory_format=layout)
    exact = torch.einsum("bchw,bdhw->bcd", features.double(), features.double()) / (shape[2] * shape[3])
    assert float((gram(features) - exact).norm() / exact.norm()) < 1e-3


@pytest.mark.parametrize(("name", "statistic"), [("gram", gram), ("centered_gram", centered_gram)])
def test_distance_is_the_mean_squared_difference(name, statistic):
    features, styles = maps(2, 4, 3, 5), maps(2, 4, 6, 2, seed=1)
    target = STATISTICS[name].describe(styles)
    wanted = [
        np.mean((a - b) ** 2) for a, b in zip(statistic(features).numpy(), statistic(styles).numpy(), strict=True)
    ]
    np.testing.assert_allclose(STATISTICS[name].distance(features, target), wanted, rtol=1e-5)


def test_mean_and_deviation_as_adain_takes_them():
    """Huang, Belongie 2017, with the ε = 1e-5 under the root of their code."""
    features, styles = maps(2, 4, 3, 5).numpy(), maps(2, 4, 6, 2, seed=1).numpy()

    def both(values):
        return values.mean((2, 3)), np.sqrt(values.var((2, 3)) + 1e-5)

    (mean, deviation), (style_mean, style_deviation) = both(features), both(styles)
    wanted = ((mean - style_mean) ** 2).mean(1) + ((deviation - style_deviation) ** 2).mean(1)
    target = STATISTICS["mean_std"].describe(torch.from_numpy(styles))
    np.testing.assert_allclose(target[:, 0], style_mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(target[:, 1], style_deviation, rtol=1e-5)
    np.testing.assert_allclose(STATISTICS["mean_std"].distance(torch.from_numpy(features), target), wanted, rtol=1e-4)


def test_mean_and_deviation_of_weighted_positions():
    """Whole-number weights count a position as often."""
    weights = torch.tensor([2.0, 0.0, 1.0, 3.0]).view(1, 1, 1, 4)
    features = maps(1, 3, 1, 4)
    repeated = features[..., [0, 0, 2, 3, 3, 3]]
    describe = STATISTICS["mean_std"].describe
    torch.testing.assert_close(describe(features, weights), describe(repeated))
