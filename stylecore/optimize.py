"""Optimisers of batches of independent pictures, as generators: one step, one evaluation of loss and gradient.

Each picture of a batch is a row with its own step length, history and state; no row looks at another, so that a batch
gives what its pictures give alone. An optimiser that is given the state of a step goes on from there as if it had
never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From pictures (batch, 3, height, width) to their losses (batch,) and gradients, shaped as the pictures."""
State = Mapping[str, Tensor]
"""What an optimiser needs to go on: tensors whose first dimension is the batch."""


@dataclass(frozen=True)
class Step:
    """State of a batch after a step.

    Attributes:
        pictures: the pictures to keep, shape (batch, 3, height, width), float32: Adam's latest or their average,
            L-BFGS's best so far.
        losses: their losses (with an average, the latest iterate's), shape (batch,), float32; not finite for a picture
            that cannot be optimised.
        fresh: whether a picture is the one that this step evaluated, shape (batch,), bool; if not, it is an older one.
        state: gives what the optimiser needs to go on after this step; to be asked before the next one.
    """

    pictures: Tensor
    losses: Tensor
    fresh: Tensor
    state: Callable[[], State]


def adam(
    start: Tensor,
    evaluate: Evaluate,
    *,
    learning_rate: float = 0.02,
    decay: float = 1.0,
    betas: tuple[float, float] = (0.9, 0.99),
    epsilon: float = 1e-8,
    average: float = 0.0,
    state: State | None = None,
) -> Iterator[Step]:
    """Adam; each picture is clamped to 0..1 after its step.

    Args:
        start: pictures to start from, shape (batch, 3, height, width), float32.
        evaluate: gives losses and gradients.
        learning_rate: length of the first steps, in units of full brightness.
        decay: factor on the learning rate for each 100 steps.
        betas: decay of the first and second moment.
        epsilon: added to the root of the second moment.
        average: decay of the running mean of iterates, its bias corrected, that is shown instead of the iterates.
        state: of an earlier step, to go on from.

    Yields:
        A `Step` for each evaluation, without end; its pictures are the ones that were evaluated, or their average.

    Source: Kingma, Ba 2015, algorithm 1 and section 7.2 (averaging); rate, betas: crowsonkb/style-transfer-pytorch.
    """
    if state:
        pictures, mean = state["pictures"], state["mean"]
        first, second = state["first"].clone(), state["second"].clone()
        count, averaged = (int(state[name][0]) for name in ("count", "averaged"))
    else:
        pictures, first, second = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
        mean, count, averaged = torch.zeros_like(start) if average else pictures, 0, 0
    del start, state  # a generator would hold its arguments as long as it lives
    while True:
        losses, gradients = evaluate(pictures)
        count, averaged = count + 1, averaged + 1
        mean = average * mean + (1 - average) * pictures if average else pictures
        shown = mean / (1 - average**averaged) if average else pictures
        rate = learning_rate * decay ** ((count - 1) / 100)
        moved = torch.empty_like(pictures)
        for rows in _bands(pictures):
            gradient = gradients[rows]
            corrected = first[rows].lerp_(gradient, 1 - betas[0]) / (1 - betas[0] ** count)
            variance = second[rows].lerp_(gradient.square(), 1 - betas[1]) / (1 - betas[1] ** count)
            step = rate * corrected / (variance.sqrt() + epsilon)
            torch.clamp(pictures[rows] - step, 0, 1, out=moved[rows])
        del gradients, gradient, corrected, variance, step
        pictures = moved
        kept = {"pictures": pictures, "first": first, "second": second, "mean": mean}
        kept |= {"count": _counted(count, losses), "averaged": _counted(averaged, losses)}
        yield Step(shown, losses, torch.ones_like(losses, dtype=torch.bool), partial(dict, kept))


def sgd(
    start: Tensor,
    evaluate: Evaluate,
    *,
    learning_rate: float = 0.02,
    decay: float = 1.0,
    normalized: bool = False,
    state: State | None = None,
) -> Iterator[Step]:
    """Gradient descent; with `normalized` each picture is clamped to 0..1 after its step.

    Args:
        start: pictures to start from, shape (batch, 3, height, width), float32.
        evaluate: gives losses and gradients.
        learning_rate: factor on the gradient by pixels in 0..1.
        decay: factor on the learning rate for each 100 steps.
        normalized: whether each picture's gradient is divided by its standard deviation.
        state: of an earlier step, to go on from.

    Yields:
        A `Step` for each evaluation, without end; its pictures are the ones that were evaluated.

    Source: Chollet, Deep Learning with Python, 2nd ed., section 12.3; normalised: Hvass, TensorFlow tutorial 15.
    """
    pictures = state["pictures"] if state else start.clone()
    count = int(state["count"][0]) if state else 0
    while True:
        losses, gradients = evaluate(pictures)
        shown, rate = pictures, learning_rate * decay ** (count / 100)
        if normalized:
            gradients = gradients / (rowwise(gradients.flatten(1).std(1, unbiased=False)) + 1e-8)
        pictures = pictures - rate * gradients
        if normalized:
            pictures = pictures.clamp(0, 1)
        count += 1
        kept = {"pictures": pictures, "count": _counted(count, losses)}
        yield Step(shown, losses, torch.ones_like(losses, dtype=torch.bool), partial(dict, kept))


def rowwise(values: Tensor) -> Tensor:
    """One value for each picture, shaped to multiply pictures."""
    return values.view(-1, 1, 1, 1)


def below(state: State, prefix: str) -> dict[str, Tensor]:
    """The part of a state whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


LARGE = 2**24
"""Numbers of one picture from which on optimisers go to some length to save memory: 5.6 megapixels."""


def _bands(pictures: Tensor) -> list[tuple[slice, ...]]:
    """Indices of bands of rows of large pictures, that passing results are taken for by turns; of others, of all."""
    height = pictures.shape[2]
    rows = height if pictures[0].numel() < LARGE else max(1, height // 32)
    return [(slice(None), slice(None), slice(first, first + rows)) for first in range(0, height, rows)]


def _counted(count: int, losses: Tensor) -> Tensor:
    return torch.full(losses.shape, count, dtype=torch.int64)
