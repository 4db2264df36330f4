"""Optimisation of a batch's pixels, coarse to fine: what all methods share that draw a picture by its loss.

Each scale starts from the result of the one before (Gatys et al. 2017, section 6).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from stylecore.constants import Constants
from stylecore.free_memory import free_memory
from stylecore.lbfgs import lbfgs, pairs_kept
from stylecore.memory import chosen_tile
from stylecore.methods.batch import Member, Moment, Position, Resumed
from stylecore.methods.starts import enlarged, started
from stylecore.methods.targets import targets_of
from stylecore.objective import TERMS, Objective
from stylecore.optimize import Evaluate, State, Step, adam, below, sgd
from stylecore.settings import Settings

_WINDOW = 20
"""Steps over which `tolerance` looks at the fall of the loss."""


def descend(members: Sequence[Member], constants: Constants, resumed: Resumed | None = None) -> Iterator[Moment]:
    """Optimise a batch of cells that differ in nothing but pictures, weights and seeds.

    Args:
        members: cells with their pictures; all have one canvas and one schedule.
        constants: what is known of the pictures already; its encoder describes them.
        resumed: where an earlier run left this batch, to go on from.

    Yields:
        A `Moment` for each evaluation of loss and gradient.

    Raises:
        RenderError: a mask that cannot be used, styles without weight, a batch that does not fit into the memory.
    """
    settings, began = members[0].settings, time.monotonic() - (resumed.seconds if resumed else 0)
    canvases, first = members[0].canvases(), resumed.position.scale if resumed else 0
    done, last = resumed.position.done if resumed else (0,) * len(members), None
    encoder, free = constants.encoder, free_memory(constants.encoder.device)
    tiles = [chosen_tile(settings, canvas, len(members), encoder, free) for canvas in canvases]
    for scale, (canvas, steps) in enumerate(zip(canvases, settings.shares(len(canvases)), strict=True)):
        if steps == 0 or scale < first:
            continue
        tile = tiles[scale]
        targets = [targets_of(member, canvas, constants, tile) for member in members]
        objective = Objective(constants.encoder, targets, canvas, tile)
        descent = _Descent(objective, settings, began, Position(scale, 0, done, ("",) * len(members)), steps, tile)
        state: State | None = None
        if resumed:
            start, state = descent.take_up(resumed), below(resumed.state, "optimizer.")
            last, resumed = descent.moment(partial(dict, resumed.state)), None
            if last.ended:  # an earlier run was stopped just after the last step of a scale
                if scale + 1 == len(canvases):
                    yield last
                continue
        elif last is None:
            start = started(members, canvas, constants.encoder)
        else:
            start, state = enlarged(last.pictures, canvas), _warm(last, settings, canvas)
        optimizer = _optimizer(start, descent.evaluate, settings, state)
        last = None
        del start, state  # they would be held as long as the scale takes
        for last in descent.moments(optimizer):
            done = last.position.done
            yield last


def resumable(member: Member, position: Position, state: State) -> bool:
    """Whether a state is one that these methods have of a cell at a position: from no other can they go on."""
    canvases, settings = member.canvases(), member.settings
    shares = settings.shares(len(canvases))
    if not (0 <= position.scale < len(canvases) and 1 <= position.step <= shares[position.scale]):
        return False
    if position.done[0] < (1 if position.stopped[0] else position.step):
        return False
    expected = _layout(settings, position.step, canvases[position.scale])
    return {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()} == expected


def _layout(settings: Settings, step: int, canvas: tuple[int, int]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Shapes and types of one picture's state after a step, from what an optimiser has of a picture of one pixel."""
    optimizer = _optimizer(torch.zeros(1, 3, 1, 1), lambda x: (torch.zeros(1), torch.zeros_like(x)), settings, None)
    *_, last = islice(optimizer, min(step, 2))
    example = {f"optimizer.{name}": tensor for name, tensor in last.state().items()}
    example |= {"shown.pictures": last.pictures, "shown.losses": last.losses, "shown.terms": torch.zeros(1, len(TERMS))}
    pairs = min(step - 1, pairs_kept(settings.history_size, canvas[0] * canvas[1]))  # of L-BFGS, numbered
    layout = {}
    for name, tensor in example.items():
        shape = torch.Size((1, 3, canvas[1], canvas[0])) if tensor.dim() == 4 else tensor.shape
        numbered = [f"{name[:-1]}{number}" for number in range(pairs)] if name.endswith(".0") else [name]
        layout.update(dict.fromkeys(numbered, (shape, tensor.dtype)))
    return layout


def _warm(last: Moment, settings: Settings, canvas: tuple[int, int]) -> State | None:
    """Adam's moments of the scale before, enlarged, where iterates are averaged; without, Adam starts afresh.

    Source: crowsonkb/style-transfer-pytorch.
    """
    if settings.optimizer != "adam" or not settings.average:
        return None
    state = below(last.state(), "optimizer.")
    pictures = enlarged(last.pictures, canvas).clamp(0, 1)
    return {
        **state,
        "pictures": pictures,
        "first": enlarged(state["first"], canvas),
        "second": enlarged(state["second"], canvas).clamp_min(0),
        "mean": torch.zeros_like(pictures),
        "averaged": torch.zeros_like(state["averaged"]),
    }


class _Descent:
    """One scale of a batch: the optimiser's steps, each picture stopping on its own."""

    def __init__(
        self,
        objective: Objective,
        settings: Settings,
        began: float,
        position: Position,
        steps: int,
        tile: int | None,
    ) -> None:
        self.objective, self.settings, self.began = objective, settings, began
        self.position, self.steps, self.tile = position, steps, tile
        self.shown: dict[str, Tensor] = {}
        self.curves: list[list[float]] = [[] for _ in position.done]
        self.evaluations = 0
        self.evaluated = torch.empty(0)

    def take_up(self, resumed: Resumed) -> Tensor:
        """Stand where an earlier run was; gives its pictures."""
        self.position, self.evaluations = resumed.position, resumed.position.step
        self.shown = below(resumed.state, "shown.")
        self.curves = [list(losses[-self.position.step :]) for losses in resumed.losses]
        return self.shown["pictures"]

    def moments(self, optimizer: Iterator[Step]) -> Iterator[Moment]:
        """A moment for each step from where the scale stands, until all pictures have stopped."""
        for step in optimizer:
            self._show(step)
            before = self.position
            for curve, loss in zip(self.curves, self.shown["losses"].tolist(), strict=True):
                curve.append(loss)
            stopped = tuple(reason or self._reason(row) for row, reason in enumerate(before.stopped))
            done = tuple(count + (not reason) for count, reason in zip(before.done, before.stopped, strict=True))
            self.position = Position(before.scale, before.step + 1, done, stopped)
            moment = self.moment(partial(self._state, step))
            yield moment
            if moment.ended:
                return

    def moment(self, state: Callable[[], State]) -> Moment:
        """Where the scale stands."""
        pictures, ended = self.shown["pictures"], self.position.step >= self.steps or all(self.position.stopped)
        losses, terms = self.shown["losses"], self.shown["terms"].T
        tile = self.tile if self.objective.tiles else None
        return Moment(self.position, pictures, losses, terms, max(pictures.shape[2:]), state, ended, tile)

    def evaluate(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        # a line search needs one loss: the same projections at each step
        draw = 0 if self.settings.optimizer == "lbfgs" else self.evaluations
        self.evaluations += 1
        losses, gradients, terms = self.objective.evaluate(pictures, draw)
        self.evaluated = terms.T
        return losses, gradients

    def _show(self, step: Step) -> None:
        """Take over what a step shows, but for pictures that have stopped; terms only of pictures it evaluated."""
        news = {"pictures": step.pictures, "losses": step.losses, "terms": self.evaluated}
        if not self.shown:
            self.shown = news
        if not any(self.position.stopped):  # no need to copy pictures that may be large
            terms = torch.where(step.fresh.view(-1, 1), self.evaluated, self.shown["terms"])
            self.shown = {**news, "terms": terms}
            return
        going = torch.tensor([not reason for reason in self.position.stopped], device=step.losses.device)
        taken = {"pictures": going, "losses": going, "terms": going & step.fresh}
        self.shown = {
            name: torch.where(taken[name].view(-1, *[1] * (new.dim() - 1)), new, self.shown[name])
            for name, new in news.items()
        }

    def _reason(self, row: int) -> str:
        """Why a picture stops after this step; empty where it goes on."""
        limit, tolerance = self.settings.time_limit, self.settings.tolerance
        if limit is not None and time.monotonic() - self.began > limit:
            return "time"
        if tolerance and len(recent := self.curves[row][-_WINDOW:]) == _WINDOW:
            before, after = sum(recent[: _WINDOW // 2]), sum(recent[_WINDOW // 2 :])
            if before - after < tolerance * abs(before) / 2:  # the halves lie half a window apart
                return "tolerance"
        return ""

    def _state(self, step: Step) -> dict[str, Tensor]:
        optimizer = {f"optimizer.{name}": tensor for name, tensor in step.state().items()}
        return {**optimizer, **{f"shown.{name}": tensor for name, tensor in self.shown.items()}}


def _optimizer(pictures: Tensor, evaluate: Evaluate, settings: Settings, state: State | None) -> Iterator[Step]:
    if settings.optimizer == "lbfgs":
        return lbfgs(
            pictures,
            evaluate,
            history_size=settings.history_size,
            learning_rate=settings.learning_rate or 1.0,
            line_search=settings.line_search != "none",
            spectral_exponent=settings.spectral,
            bounded=settings.bounds == "clamp",
            state=state,
        )
    rate, decay = settings.learning_rate or 0.02, settings.learning_rate_decay
    if settings.optimizer == "adam":
        return adam(
            pictures,
            evaluate,
            learning_rate=rate,
            decay=decay,
            betas=(settings.adam_betas[0], settings.adam_betas[1]),
            epsilon=settings.adam_epsilon,
            average=settings.average,
            state=state,
        )
    normalized = settings.optimizer == "normalized-sgd"
    return sgd(pictures, evaluate, learning_rate=rate, decay=decay, normalized=normalized, state=state)
