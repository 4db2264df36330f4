"""Optimisers of batches of independent pictures, as generators: one step, one evaluation of loss and gradient.

Each picture of a batch is a row with its own step length, history and state; no row looks at another, so that a batch
gives what its pictures give alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From pictures (batch, 3, height, width) to their losses (batch,) and gradients, shaped as the pictures."""


@dataclass(frozen=True)
class Step:
    """State of a batch after a step.

    Attributes:
        pictures: the pictures to keep, shape (batch, 3, height, width), float32: Adam's latest, L-BFGS's best so far.
        losses: their losses, shape (batch,), float32; not finite for a picture that cannot be optimised.
        fresh: whether a picture is the one that this step evaluated, shape (batch,), bool; if not, it is an older one.
    """

    pictures: Tensor
    losses: Tensor
    fresh: Tensor


def adam(
    start: Tensor, evaluate: Evaluate, *, learning_rate: float = 0.02, betas: tuple[float, float] = (0.9, 0.99)
) -> Iterator[Step]:
    """Adam; each picture is clamped to 0..1 after its step.

    Args:
        start: pictures to start from, shape (batch, 3, height, width), float32.
        evaluate: gives losses and gradients.
        learning_rate: length of the first steps, in units of full brightness.
        betas: decay of the first and second moment.

    Yields:
        A `Step` for each evaluation, without end; its pictures are the ones that were evaluated.

    Source: Kingma, Ba 2015, algorithm 1; rate and betas of crowsonkb/style-transfer-pytorch.
    """
    pictures = start.clone()
    first, second = torch.zeros_like(start), torch.zeros_like(start)
    count = 0
    while True:
        losses, gradients = evaluate(pictures)
        yield Step(pictures, losses, torch.ones_like(losses, dtype=torch.bool))
        count += 1
        first.lerp_(gradients, 1 - betas[0])
        second.lerp_(gradients.square(), 1 - betas[1])
        mean, variance = first / (1 - betas[0] ** count), second / (1 - betas[1] ** count)
        pictures = (pictures - learning_rate * mean / (variance.sqrt() + 1e-8)).clamp(0, 1)


FIRST_MOVE = 20 / 255
"""Largest change of a pixel in the first step of L-BFGS: large enough to start, small enough to keep its promise."""
LARGEST_MOVE = 0.5
"""Largest change of a pixel in any step of L-BFGS: a poor curvature estimate asks for millions."""
NOISE = 1e-3
"""Part of a loss by which bf16 convolutions blur it; a trial that is worse by no more than that counts as no worse."""
_SUFFICIENT = 1e-4  # Armijo's constant, as in Nocedal, Wright 2006, section 3.1
_SHRINK = (0.1, 0.5)


def lbfgs(
    start: Tensor,
    evaluate: Evaluate,
    *,
    history_size: int = 20,
    learning_rate: float = 1.0,
    spectral_exponent: float = 0.0,
) -> Iterator[Step]:
    """Limited-memory BFGS with backtracking, for a batch of independent pictures.

    A step is tried at full length; a picture whose loss does not fall enough goes back and tries a shorter one, by
    quadratic interpolation, as its next step. A picture whose loss is not a number at the start stays there.

    Args:
        start: pictures to start from, shape (batch, 3, height, width), float32.
        evaluate: gives losses and gradients.
        history_size: number of past steps that approximate the curvature.
        learning_rate: factor on every direction.
        spectral_exponent: e of the initial inverse Hessian, which scales frequency f by f^(−2e). That is L-BFGS on
            Fourier coefficients scaled by f^(−e); 0 is the plain method.

    Yields:
        A `Step` for each evaluation, without end; the first is the start.

    Source: Nocedal, Wright 2006, algorithms 7.4 (two-loop recursion) and 3.1 (backtracking), eq. 7.20 (scaling);
    Berahas, Byrd, Nocedal 2019 (Armijo's condition relaxed by the noise: without it, bf16 stalls for good).
    """
    precondition = _spectral(start, spectral_exponent)
    history: deque[_Pair] = deque(maxlen=history_size)
    pictures = start.clone()
    losses, gradients = evaluate(pictures)
    best = Step(pictures, losses, torch.ones_like(losses, dtype=torch.bool))
    yield best
    direction = learning_rate * _downhill(gradients, history, precondition)
    length = torch.ones_like(losses)
    while True:
        promise = length * _dots(gradients, direction)
        trial = pictures + _rowwise(length) * direction
        trial_losses, trial_gradients = evaluate(trial)
        best = _better(best, trial, trial_losses)
        yield best
        accepted = trial_losses <= losses + NOISE * losses.abs() + _SUFFICIENT * promise
        rows = _rowwise(accepted)
        step = torch.where(rows, trial - pictures, 0)
        change = torch.where(rows, trial_gradients - gradients, 0)
        pictures = torch.where(rows, trial, pictures)
        gradients = torch.where(rows, trial_gradients, gradients)
        length = torch.where(accepted, 1.0, length * _shorter(losses, trial_losses, promise))
        losses = torch.where(accepted, trial_losses, losses)
        history.append(_Pair.of(step, change, precondition))
        # for a row that went back: its empty pair leaves the direction as it was, until only empty ones are left
        direction = learning_rate * _downhill(gradients, history, precondition)


@dataclass(frozen=True)
class _Pair:
    """One past step s and the change y of the gradient along it; rows that did not move have weight 0."""

    step: Tensor
    change: Tensor
    curvature: Tensor  # sᵀy, 0 where the pair is not to be used
    scaled: Tensor  # yᵀ P y, for the scaling of the initial inverse Hessian P

    @classmethod
    def of(cls, step: Tensor, change: Tensor, precondition: Callable[[Tensor], Tensor]) -> _Pair:
        curvature, scaled = _dots(step, change), _dots(change, precondition(change))
        usable = curvature > 1e-10 * (_dots(step, step) * _dots(change, change)).sqrt()
        return cls(step, change, torch.where(usable, curvature, 0), scaled)


def _better(best: Step, trial: Tensor, losses: Tensor) -> Step:
    """The better of two pictures in each row; a loss that is not a number is never better."""
    better = losses < best.losses
    pictures = torch.where(_rowwise(better), trial, best.pictures)
    return Step(pictures, torch.where(better, losses, best.losses), better)


def _downhill(gradients: Tensor, history: deque[_Pair], precondition: Callable[[Tensor], Tensor]) -> Tensor:
    """Direction of the next step: minus the approximate inverse Hessian times the gradients (two-loop recursion).

    Rows without a usable pair go down the preconditioned gradient, their largest pixel by FIRST_MOVE.
    """
    weights = [torch.where(pair.curvature > 0, 1 / pair.curvature, 0) for pair in history]
    result = gradients.clone()
    alphas = []
    for pair, weight in zip(reversed(history), reversed(weights), strict=True):
        alpha = weight * _dots(pair.step, result)
        result.addcmul_(_rowwise(-alpha), pair.change)
        alphas.append(alpha)
    result = precondition(result)
    scale = FIRST_MOVE / _largest(result)
    for pair in history:  # the newest usable pair of each row wins
        scale = torch.where(pair.curvature > 0, pair.curvature / pair.scaled, scale)
    result = result * _rowwise(scale)
    for pair, weight, alpha in zip(history, weights, reversed(alphas), strict=True):
        beta = weight * _dots(pair.change, result)
        result.addcmul_(_rowwise(alpha - beta), pair.step)
    return -result * _rowwise((LARGEST_MOVE / _largest(result)).clamp(max=1))


def _shorter(losses: Tensor, trial_losses: Tensor, promise: Tensor) -> Tensor:
    """Factor on a step that failed: the minimum of the parabola through both losses, within sensible bounds."""
    parabola = -promise / (2 * (trial_losses - losses - promise))
    return torch.nan_to_num(parabola, nan=_SHRINK[0]).clamp(*_SHRINK)


def _spectral(like: Tensor, exponent: float) -> Callable[[Tensor], Tensor]:
    """Scales each spatial frequency f of pictures by f^(−2 · exponent), the mean by the lowest frequency's factor."""
    if exponent == 0:
        return lambda pictures: pictures
    height, width = like.shape[2:]
    vertical = torch.fft.fftfreq(height, device=like.device)
    horizontal = torch.fft.rfftfreq(width, device=like.device)
    frequency = torch.hypot(vertical[:, None], horizontal[None, :]).clamp_min(1 / max(height, width))
    factor = frequency ** (-2 * exponent)

    def precondition(pictures: Tensor) -> Tensor:
        smoothed: Tensor = torch.fft.irfft2(torch.fft.rfft2(pictures) * factor, s=(height, width))
        return smoothed

    return precondition


def _dots(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each picture of two batches, shape (batch,)."""
    return (a * b).sum((1, 2, 3))


def _largest(directions: Tensor) -> Tensor:
    """Largest change of a pixel of each picture, shape (batch,); never quite 0."""
    return directions.abs().amax((1, 2, 3)).clamp_min(1e-20)


def _rowwise(values: Tensor) -> Tensor:
    """One value for each picture, shaped to multiply pictures."""
    return values.view(-1, 1, 1, 1)
