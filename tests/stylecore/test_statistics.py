"""Style statistics: against loops, the literature's toy, and a derivative written out by hand."""

from __future__ import annotations

import itertools

import pytest
import torch

from stylecore.statistics import STATISTICS, centered_gram, gram


def maps(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def looped(features, center):
    """Means over positions of products of maps, one entry at a time, in float64."""
    batch, channels, height, width = features.shape
    values = features.double()
    result = torch.zeros(batch, channels, channels, dtype=torch.float64)
    for row, i, j in itertools.product(range(batch), range(channels), range(channels)):
        total, mean_i, mean_j = 0.0, values[row, i].mean(), values[row, j].mean()
        for y, x in itertools.product(range(height), range(width)):
            if center:
                total += (values[row, i, y, x] - mean_i) * (values[row, j, y, x] - mean_j)
            else:
                total += values[row, i, y, x] * values[row, j, y, x]
        result[row, i, j] = total / (height * width)
    return result


@pytest.mark.parametrize(("statistic", "center"), [(gram, False), (centered_gram, True)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_is_the_mean_over_positions_of_products(statistic, center, layout):
    features = (maps(2, 4, 3, 5) + 1).contiguous(memory_format=layout)
    torch.testing.assert_close(statistic(features).double(), looped(features, center), rtol=1e-5, atol=1e-6)


def test_toy_of_the_literature():
    """A 2×2 picture with one bright pixel, seen by the identity: Gram 1/4, centred Gram 1/4 − 1/16 = 3/16."""
    picture = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert gram(picture).tolist() == [[[1 / 4]]]
    assert centered_gram(picture).tolist() == [[[3 / 16]]]


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_type_and_symmetry(name, dtype):
    result = STATISTICS[name](maps(2, 6, 4, 3, dtype=dtype))
    assert (result.shape, result.dtype) == ((2, 6, 6), torch.float32)
    torch.testing.assert_close(result, result.mT)


def test_rows_of_a_batch_are_independent():
    features = maps(3, 4, 5, 5)
    for name, statistic in STATISTICS.items():
        single = torch.cat([statistic(features[row : row + 1]) for row in range(3)])
        torch.testing.assert_close(statistic(features), single, msg=name)


def test_size_of_a_repeated_picture_changes_nothing():
    features = maps(1, 4, 6, 6)
    torch.testing.assert_close(gram(features.repeat(1, 1, 2, 3)), gram(features))


def test_centering_ignores_a_constant():
    features = maps(1, 4, 6, 6)
    offset = torch.tensor([3.0, -2.0, 0.5, 10.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(centered_gram(features + offset), centered_gram(features), rtol=1e-4, atol=1e-4)


def gradient_by_hand(features, wanted, center):
    """Gradient of Σ W ∘ G by F: (W + Wᵀ) F / positions; centring changes nothing but F, as its rows sum to 0."""
    flat = features.double().flatten(2)
    if center:
        flat = flat - flat.mean(2, keepdim=True)
    return ((wanted + wanted.mT).double() @ flat / flat.shape[2]).view(features.shape)


@pytest.mark.parametrize(("statistic", "center"), [(gram, False), (centered_gram, True)])
def test_gradient_is_the_derivative(statistic, center):
    features, wanted = maps(2, 5, 3, 4).requires_grad_(), maps(2, 5, 5, seed=1)  # W is not symmetric
    (gradient,) = torch.autograd.grad((wanted * statistic(features)).sum(), features)
    by_hand = gradient_by_hand(features.detach(), wanted, center)
    torch.testing.assert_close(gradient.double(), by_hand, rtol=1e-4, atol=1e-5)
    along = maps(2, 5, 3, 4, seed=2).double()
    finite = sum(
        sign * (wanted.double() * looped(features.detach().double() + sign * 1e-4 * along, center)).sum()
        for sign in (1, -1)
    )
    assert float((gradient.double() * along).sum()) == pytest.approx(float(finite / 2e-4), rel=1e-4)


@pytest.mark.parametrize(("statistic", "center"), [(gram, False), (centered_gram, True)])
def test_bf16_gradient_points_the_same_way(statistic, center):
    features, wanted = maps(1, 32, 16, 16).bfloat16().requires_grad_(), maps(1, 32, 32, seed=1)
    (gradient,) = torch.autograd.grad((wanted * statistic(features)).sum(), features)
    by_hand = gradient_by_hand(features.detach(), wanted, center)
    cosine = torch.nn.functional.cosine_similarity(gradient.double().flatten(), by_hand.flatten(), dim=0)
    assert gradient.dtype == torch.bfloat16
    assert float(cosine) > 0.99
    assert float(gradient.double().norm() / by_hand.norm()) == pytest.approx(1, abs=0.01)
