"""Functions with known minima, for the tests of the optimisers."""

from __future__ import annotations

import itertools

import torch

SHAPE = (3, 6, 8)


def run(optimizer, start, evaluate, steps, **options):
    return list(itertools.islice(optimizer(start, evaluate, **options), steps))


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def quadratic(stiffness, target):
    """½ Σ h (x − t)² of each row and its gradient."""

    def evaluate(pictures):
        distance = pictures - target
        return (stiffness * distance.square()).sum((1, 2, 3)) / 2, stiffness * distance

    return evaluate


def rosenbrock(steepness):
    """The chained Rosenbrock function of each row's pixels, its minimum at 1, and its gradient."""

    def evaluate(pictures):
        x = pictures.detach().requires_grad_()
        flat = x.flatten(1)
        valley = flat[:, 1:] - flat[:, :-1].square()
        losses = (steepness * valley.square() + (1 - flat[:, :-1]).square()).sum(1)
        (gradients,) = torch.autograd.grad(losses.sum(), x)
        return losses.detach(), gradients

    return evaluate
