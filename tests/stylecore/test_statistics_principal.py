"""Wasserstein-2 along principal components: against numpy with other entries set to 0, and against the exact one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stylecore.statistics import STATISTICS
from stylecore.statistics.principal import COMPONENTS
from stylecore.statistics.wasserstein import RIDGE

PRINCIPAL, EXACT = STATISTICS["principal_wasserstein2"], STATISTICS["wasserstein2"]


def features(channels: int, positions: int, seed: int, batch: int = 1) -> Tensor:
    """Features whose channels are mixed and of different strength."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator) * torch.linspace(1, 0.05, channels)
    drawn = torch.randn(batch, channels, positions, generator=generator).relu()
    return (mixing @ drawn / channels**0.5).view(batch, channels, 1, positions)


def root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def reckoned(picture: Tensor, style: Tensor) -> float:
    """The distance by its definition, in float64: write both along the components, delete entries, take roots."""
    maps = [tensor[0].flatten(1).double().numpy() for tensor in (picture, style)]
    means = [m.mean(1) for m in maps]
    drawn, wanted = (np.cov(m, bias=True) for m in maps)
    basis = np.linalg.eigh(wanted)[1][:, ::-1]
    kept = np.eye(len(basis), dtype=bool)
    kept[:COMPONENTS, :COMPONENTS] = True
    drawn, wanted = (np.where(kept, basis.T @ c @ basis + RIDGE * np.eye(len(basis)), 0) for c in (drawn, wanted))
    half = root(wanted)
    spread = np.trace(drawn + wanted - 2 * root(half @ drawn @ half))
    return float(((means[0] - means[1]) ** 2).mean() + spread / len(basis))


def test_it_is_its_definition() -> None:
    picture, style = features(160, 300, 0), features(160, 420, 1)
    distance = PRINCIPAL.distance(picture, PRINCIPAL.describe(style))
    torch.testing.assert_close(distance, torch.tensor([reckoned(picture, style)]), rtol=1e-4, atol=0)


def test_up_to_128_channels_it_is_exact() -> None:
    picture, style = features(128, 300, 2, batch=2), features(128, 200, 3, batch=2)
    target = EXACT.describe(style)
    torch.testing.assert_close(PRINCIPAL.distance(picture, target), EXACT.distance(picture, target), rtol=1e-4, atol=0)


def test_beyond_it_is_a_little_less() -> None:
    picture, style = features(192, 500, 4), features(192, 500, 5)
    target = EXACT.describe(style)
    near, exact = PRINCIPAL.distance(picture, target).item(), EXACT.distance(picture, target).item()
    assert 0.5 * exact < near < exact


def test_of_the_style_itself_it_is_nothing() -> None:
    style = features(192, 500, 6)
    target = PRINCIPAL.describe(style)
    assert PRINCIPAL.distance(style, target).item() < 1e-4 * PRINCIPAL.size(target).item()


def test_the_gradient_is_the_slope_of_the_definition() -> None:
    picture, style = features(144, 300, 7), features(144, 260, 8)
    maps = picture.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(PRINCIPAL.distance(maps, PRINCIPAL.describe(style)).sum(), maps)
    along = torch.randn(picture.shape, generator=torch.Generator().manual_seed(9))
    step = 1e-3
    slope = (reckoned(picture + step * along, style) - reckoned(picture - step * along, style)) / (2 * step)
    torch.testing.assert_close((gradient * along).sum().item(), slope, rtol=1e-3, atol=0)


def test_a_row_that_is_not_finite_stays_alone() -> None:
    picture, style = features(140, 200, 10, batch=2), features(140, 200, 11, batch=2)
    whole = PRINCIPAL.distance(picture, PRINCIPAL.describe(style))
    picture[0, 3, 0, 5] = torch.nan
    distances = PRINCIPAL.distance(picture, PRINCIPAL.describe(style))
    assert not distances[0].isfinite()
    torch.testing.assert_close(distances[1], whole[1])
