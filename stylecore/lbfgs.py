"""L-BFGS with backtracking for a batch of independent pictures, one evaluation a step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial

import torch
from torch import Tensor

from stylecore.optimize import LARGE, Evaluate, State, Step, rowwise

FIRST_MOVE = 20 / 255
"""Largest change of a pixel in the first step of L-BFGS: large enough to start, small enough to keep its promise."""
LARGEST_MOVE = 0.5
"""Largest change of a pixel in any step of L-BFGS: a poor curvature estimate asks for millions."""
NOISE = 1e-3
"""Part of a loss by which bf16 convolutions blur it; a trial that is worse by no more than that counts as no worse."""
MOST_HISTORY = 2**32
"""Bytes of history for each picture: at 4096 × 4096 pixels it holds 10 steps."""
_LEAST_PAIRS = 3
_SUFFICIENT = 1e-4  # Armijo's constant, as in Nocedal, Wright 2006, section 3.1
_SHRINK = (0.1, 0.5)


def pairs_kept(history_size: int, pixels: int) -> int:
    """Number of past steps that are kept of a picture of so many pixels: `history_size`, but large ones keep fewer.

    The bound knows nothing of the memory that there is: a picture must not depend on its machine. History 10 costs
    about 1 % in loss against 30.
    """
    return min(history_size, max(_LEAST_PAIRS, MOST_HISTORY // (2 * 3 * 4 * pixels)))


def lbfgs(
    start: Tensor,
    evaluate: Evaluate,
    *,
    history_size: int = 20,
    learning_rate: float = 1.0,
    line_search: bool = True,
    spectral_exponent: float = 0.0,
    bounded: bool = False,
    state: State | None = None,
) -> Iterator[Step]:
    """Limited-memory BFGS with backtracking, for a batch of independent pictures.

    A step is tried at full length; a picture whose loss does not fall enough goes back and tries a shorter one, by
    quadratic interpolation, as its next step. A picture whose loss is not a number at the start stays there.

    Args:
        start: pictures to start from, shape (batch, 3, height, width), float32.
        evaluate: gives losses and gradients.
        history_size: number of past steps that approximate the curvature; fewer of large pictures, see `pairs_kept`.
        learning_rate: factor on every direction.
        line_search: whether to go back; without, every step is taken that has a finite loss.
        spectral_exponent: e of the initial inverse Hessian, which scales frequency f by f^(−2e). That is L-BFGS on
            Fourier coefficients scaled by f^(−e); 0 is the plain method.
        bounded: whether pixels stay in 0..1: each trial is clamped, and pixels at a bound that are pushed beyond it
            take no part in a step.
        state: of an earlier step, to go on from.

    Yields:
        A `Step` for each evaluation, without end; the first is the start.

    Source: Nocedal, Wright 2006, algorithms 7.4 (two-loop recursion) and 3.1 (backtracking), eq. 7.20 (scaling);
    Berahas, Byrd, Nocedal 2019 (Armijo's condition relaxed by the noise: without it, bf16 stalls for good); Bertsekas
    1982, "Projected Newton Methods for Optimization Problems with Simple Constraints" (bounds).
    """
    precondition = _spectral(start, spectral_exponent)
    history_size = pairs_kept(history_size, start[0, 0].numel())
    if state is None:
        pictures = start.clamp(0, 1) if bounded else start.clone()
        del start  # a generator would hold its argument as long as it lives
        losses, gradients = evaluate(pictures)
        fresh = torch.ones_like(losses, dtype=torch.bool)
        point = _Point(pictures, losses, gradients, torch.ones_like(losses))
        del pictures, gradients
        best, history = Step(point.pictures, losses, fresh, dict), deque[_Pair](maxlen=history_size)
        yield replace(best, state=partial(_state_of, point, best, history))
    else:
        point, best, history = _restored(state, history_size)
        del start, state  # the history lets go of its tensors one by one
    while True:
        held = _held(point) if bounded else None
        slope = point.gradients if held is None else point.gradients.masked_fill(held, 0)
        trial = _downhill(slope, history, precondition).mul_(learning_rate)
        promise = point.length * _dots(slope, trial)
        trial.mul_(rowwise(point.length)).add_(point.pictures)
        if held is not None:
            trial = torch.where(held, point.pictures, trial.clamp_(0, 1))
            promise = _dots(slope, trial - point.pictures).clamp(max=0)
        del slope, held
        losses, gradients = evaluate(trial)
        best = _better(best, trial, losses)
        enough = losses <= point.losses + NOISE * point.losses.abs() + _SUFFICIENT * promise
        accepted = enough if line_search else torch.isfinite(losses)
        # a row that went back adds an empty pair: its direction stays as it was, until only empty ones are left
        step, change = (
            (new - old).masked_fill_(rowwise(~accepted), 0)
            for new, old in ((trial, point.pictures), (gradients, point.gradients))
        )
        history.append(_Pair.of(step, change, precondition))
        point = _Point(
            _taken(accepted, trial, point.pictures),
            torch.where(accepted, losses, point.losses),
            _taken(accepted, gradients, point.gradients),
            torch.where(accepted, 1.0, point.length * _shorter(point.losses, losses, promise)),
        )
        del trial, gradients, step, change
        yield replace(best, state=partial(_state_of, point, best, history))


@dataclass(frozen=True)
class _Point:
    """Where L-BFGS stands: pictures, their losses and gradients, and the length of the next step to try."""

    pictures: Tensor
    losses: Tensor
    gradients: Tensor
    length: Tensor


def _held(point: _Point) -> Tensor:
    """Where a pixel is at its bound and would be pushed beyond, shaped as the pictures, bool."""
    return torch.where(point.gradients > 0, point.pictures <= 0, point.pictures >= 1)


def _state_of(point: _Point, best: Step, history: deque[_Pair]) -> State:
    pairs = {f"{name}.{n}": tensor for n, pair in enumerate(history) for name, tensor in vars(pair).items()}
    return {**vars(point), "best": best.pictures, "best_losses": best.losses, "fresh": best.fresh, **pairs}


def _restored(state: State, history_size: int) -> tuple[_Point, Step, deque[_Pair]]:
    point = _Point(*(state[name] for name in ("pictures", "losses", "gradients", "length")))
    count = sum(name.startswith("curvature.") for name in state)
    pairs = (_Pair(*(state[f"{f.name}.{n}"] for f in fields(_Pair))) for n in range(count))
    return point, Step(state["best"], state["best_losses"], state["fresh"], dict), deque(pairs, maxlen=history_size)


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
    pictures = _taken(better, trial, best.pictures)
    return Step(pictures, torch.where(better, losses, best.losses), better, dict)


def _downhill(gradients: Tensor, history: deque[_Pair], precondition: Callable[[Tensor], Tensor]) -> Tensor:
    """Direction of the next step: minus the approximate inverse Hessian times the gradients (two-loop recursion).

    Rows without a usable pair go down the preconditioned gradient, their largest pixel by FIRST_MOVE.
    """
    weights = [torch.where(pair.curvature > 0, 1 / pair.curvature, 0) for pair in history]
    result = gradients.clone()
    alphas = []
    for pair, weight in zip(reversed(history), reversed(weights), strict=True):
        alpha = weight * _dots(pair.step, result)
        result.addcmul_(rowwise(-alpha), pair.change)
        alphas.append(alpha)
    result = precondition(result)
    scale = FIRST_MOVE / _largest(result)
    for pair in history:  # the newest usable pair of each row wins
        scale = torch.where(pair.curvature > 0, pair.curvature / pair.scaled, scale)
    result.mul_(rowwise(scale))
    for pair, weight, alpha in zip(history, weights, reversed(alphas), strict=True):
        beta = weight * _dots(pair.change, result)
        result.addcmul_(rowwise(alpha - beta), pair.step)
    most = (LARGEST_MOVE / _largest(result)).clamp(max=1)
    return result.neg_().mul_(rowwise(most))


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
        smoothed = torch.empty_like(pictures)
        for part, place in zip(_by_parts(pictures), _by_parts(smoothed), strict=True):
            torch.fft.irfft2(torch.fft.rfft2(part).mul_(factor), s=(height, width), out=place)
        return smoothed

    return precondition


def _by_parts(pictures: Tensor) -> list[Tensor]:
    """Pictures, or the channels of large ones, whose passing results would take much memory all at once."""
    return [pictures] if pictures[0].numel() < LARGE else [pictures[:, c : c + 1] for c in range(pictures.shape[1])]


def _taken(rows: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """New pictures in some rows and old ones in the others; of large pictures without a copy where it can be."""
    if new[0].numel() >= LARGE and bool((rows == rows[0]).all()):
        return new if rows[0] else old
    return torch.where(rowwise(rows), new, old)


def _dots(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each picture of two batches, shape (batch,)."""
    parts = [(x * y).sum((1, 2, 3)) for x, y in zip(_by_parts(a), _by_parts(b), strict=True)]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


def _largest(directions: Tensor) -> Tensor:
    """Largest change of a pixel of each picture, shape (batch,); never quite 0."""
    largest = torch.maximum(directions.amax((1, 2, 3)), -directions.amin((1, 2, 3)))
    return largest.clamp_min(1e-20)
