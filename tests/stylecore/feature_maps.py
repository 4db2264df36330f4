"""Feature maps and masks for the tests of the statistics."""

from __future__ import annotations

import torch


def maps(*shape, dtype=torch.float32, seed=0):
    """Normally distributed numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def mask(*shape, seed=9):
    """Weights in 0..1, shape (batch, 1, height, width)."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def rectangle(batch, height, width, window):
    """A mask that is 1 in a window and 0 around it."""
    weights = torch.zeros(batch, 1, height, width)
    weights[(..., *window)] = 1
    return weights


def gradient_of(statistic, features, target, **options):
    """Gradient by the features of the sum of the distances."""
    features = features.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(statistic.distance(features, target, **options).sum(), features)
    return gradient
