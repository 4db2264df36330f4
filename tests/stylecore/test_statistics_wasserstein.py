"""Wasserstein-2 between feature Gaussians: against the closed form in numpy and float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from feature_maps import gradient_of, maps, mask

from stylecore.statistics import STATISTICS
from stylecore.statistics.wasserstein import inverse_root_by_eigenvalues, inverse_root_by_products

W2 = STATISTICS["wasserstein2"]


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values.clip(0)) @ vectors.T


def gaussian(values, weights=None):
    """Mean and biased covariance with a ridge of 1e-4 of features (channels, height, width)."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    weights = None if weights is None else weights.reshape(-1).astype(np.float64)
    mean = np.average(flat, axis=1, weights=weights)
    covariance = np.cov(flat, bias=True, aweights=weights).reshape(len(flat), len(flat))
    return mean, covariance + 1e-4 * np.eye(len(flat))


def published(values, styles, weights=None):
    """crowsonkb/style-transfer-pytorch: mean((μ − μ̂)²) + mean diag(Σ + Σ̂ − 2 (Σ^½ Σ̂ Σ^½)^½)."""
    (mean, covariance), (style_mean, style_covariance) = gaussian(values, weights), gaussian(styles)
    half = root(covariance)
    spread = covariance + style_covariance - 2 * root(half @ style_covariance @ half)
    return np.mean((mean - style_mean) ** 2) + np.mean(np.diag(spread))


@pytest.mark.parametrize(
    ("channels", "size", "style_size"),
    [(5, (6, 7), (9, 4)), (16, (4, 5), (4, 3)), (40, (3, 4), (2, 5)), (64, (1, 1), (3, 3)), (24, (2, 2), (9, 9))],
    ids=["full rank", "style of low rank", "few positions", "one position", "picture of low rank"],
)
@pytest.mark.parametrize("masked", [False, True])
def test_is_the_published_distance(channels, size, style_size, masked):
    features, styles = 2 * maps(2, channels, *size).relu(), 3 * maps(2, channels, *style_size, seed=1).relu()
    weights = mask(2, 1, *size) if masked else None
    target = W2.describe(styles)
    distances = W2.distance(features, target, weights)
    for row in range(2):
        counts = weights[row].numpy() if masked else None
        assert float(distances[row]) == pytest.approx(
            published(features[row].numpy(), styles[row].numpy(), counts), rel=1e-4
        )


@pytest.mark.parametrize(("channels", "size"), [(5, (6, 7)), (16, (3, 3)), (40, (3, 4))])
def test_gradient_is_the_derivative_of_the_published_distance(channels, size):
    features, styles = maps(1, channels, *size), 2 * maps(1, channels, 3, 5, seed=1) + 1
    gradient = gradient_of(W2, features, W2.describe(styles))
    for seed in range(3):
        along = maps(1, channels, *size, seed=10 + seed)
        ahead, behind = (
            published((features.double() + step * along.double())[0].numpy(), styles[0].numpy())
            for step in (1e-5, -1e-5)
        )
        assert float((gradient * along).sum()) == pytest.approx((ahead - behind) / 2e-5, rel=1e-3)


def test_only_the_difference_of_means_moves_the_mean():
    """On average over positions the gradient is 2 (μ − μ̂) / (channels · positions), whatever the covariances."""
    features, styles = maps(1, 4, 5, 5) + 5, maps(1, 4, 5, 5, seed=1)
    gradient = gradient_of(W2, features, W2.describe(styles)).mean((2, 3))
    torch.testing.assert_close(gradient, 2 * (features.mean((2, 3)) - styles.mean((2, 3))) / 4 / 25)


def test_uncorrelated_channels_compare_by_mean_and_deviation():
    """Covariances that are diagonal commute: each channel adds (μ − μ̂)² + (σ − σ̂)²."""
    patterns = np.array([[1, 1, 1, 1, -1, -1, -1, -1], [1, 1, -1, -1, 1, 1, -1, -1], [1, -1, 1, -1, 1, -1, 1, -1]])
    mean, deviation = np.array([1.0, 0.0, -2.0]), np.array([0.5, 3.0, 1.0])
    style_mean, style_deviation = np.array([0.0, 4.0, -2.0]), np.array([2.0, 0.1, 1.0])

    def features(mean, deviation):
        return torch.from_numpy(mean[:, None] + deviation[:, None] * patterns).view(1, 3, 2, 4)

    deviations = [np.sqrt(d**2 + 1e-4) for d in (deviation, style_deviation)]
    wanted = np.mean((mean - style_mean) ** 2 + (deviations[0] - deviations[1]) ** 2)
    target = W2.describe(features(style_mean, style_deviation))
    assert float(W2.distance(features(mean, deviation), target)) == pytest.approx(wanted, rel=1e-5)


def test_slight_changes_of_the_style_are_seen():
    """Near the style the distance is a tiny difference of large traces."""
    styles = 5 * maps(1, 32, 12, 12, seed=1).relu()
    features = styles + 1e-3 * maps(1, 32, 12, 12)
    distance = W2.distance(features, W2.describe(styles))
    assert float(distance) == pytest.approx(published(features[0].numpy(), styles[0].numpy()), rel=0.05)
    assert float(distance) < 1e-6 * float(W2.size(W2.describe(styles)))


def test_features_as_large_as_those_of_an_unnormalised_network():
    """Activations in the thousands and fewer positions than channels: far below float32's digits the ridge is lost."""
    features, styles = 3000 * maps(1, 48, 5, 5).relu(), 2000 * maps(1, 48, 5, 5, seed=1).relu()
    wanted = published(features[0].numpy(), styles[0].numpy())
    target = W2.describe(styles)
    assert float(W2.distance(features, target)) == pytest.approx(wanted, rel=1e-3)
    assert gradient_of(W2, features, target).abs().max() < 1e4


def covariances(size, decay):
    """Two random covariances whose eigenvalues fall by `decay` from the largest to the smallest."""
    generator = np.random.default_rng(0)
    values = np.geomspace(1, decay, size)
    bases = [np.linalg.qr(generator.normal(size=(size, size)))[0] for _ in range(2)]
    return torch.from_numpy(
        np.stack([scale * basis * values @ basis.T for scale, basis in zip((1, 1e6), bases, strict=True)])
    )


@pytest.mark.parametrize("decay", [1.0, 1e-3, 1e-8])
@pytest.mark.parametrize("inverse_root", [inverse_root_by_eigenvalues, inverse_root_by_products])
def test_inverse_root(inverse_root, decay):
    matrices = covariances(24, decay)
    found = inverse_root(matrices)
    identity = torch.eye(24, dtype=torch.float64).expand(2, -1, -1)
    torch.testing.assert_close(found @ matrices @ found, identity, atol=1e-4, rtol=0)


def test_both_ways_to_the_inverse_root_give_the_same_distances():
    features, styles = maps(1, 32, 7, 7).relu(), maps(1, 32, 6, 6, seed=1).relu()
    (_, covariance), half = gaussian(features[0].numpy()), root(gaussian(styles[0].numpy())[1])
    inner = torch.from_numpy(half @ covariance @ half)[None]
    one, other = (torch.from_numpy(half) @ way(inner) @ torch.from_numpy(half)
                  for way in (inverse_root_by_eigenvalues, inverse_root_by_products))  # fmt: skip
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_style_that_is_not_a_number_says_so_in_its_own_row():
    styles = maps(2, 4, 5, 5)
    styles[0, 0, 0, 0] = torch.inf
    distances = W2.distance(maps(2, 4, 5, 5, seed=1), W2.describe(styles))
    assert distances.isfinite().tolist() == [False, True]
