"""What is noted of a batch while it is rendered, and where an earlier run left it."""

from __future__ import annotations

import hashlib
import importlib
import math
import time

import numpy as np
import torch

from stylecore import weights
from stylecore.checkpoint import Checkpoint, packed, unpacked
from stylecore.encoder import computing_type
from stylecore.methods import METHODS
from stylecore.methods.batch import Member, Moment, Resumed
from stylecore.results import Snapshot, finished, rendering
from stylecore.run import Progress, Run
from stylecore.schedule import wanted

Found = dict[int, Checkpoint]
"""Checkpoints by the places of their cells."""


def grouped(run: Run, members: dict[int, Member]) -> list[tuple[dict[int, Member], Found]]:
    """Members that stand at the same position, by their checkpoints, so that each group can go on as one batch."""
    groups: dict[object, tuple[dict[int, Member], Found]] = {}
    for index, member in members.items():
        checkpoint = _checkpoint_of(run, index, member)
        place = checkpoint and (checkpoint.position.scale, checkpoint.position.step)
        together, found = groups.setdefault(place, ({}, {}))
        together[index] = member
        if checkpoint:
            found[index] = checkpoint
    return list(groups.values())


class Log:
    """Losses and snapshots of a batch, and its checkpoints when they are due.

    Args:
        run: what batches share.
        members: by the places of their cells.
        found: a checkpoint of each member, all at one position, or none; it is emptied, to be held no longer than used.

    Attributes:
        curves: the loss of each member after each of its steps.
        snapshots: of each member.
        resumed: where an earlier run left the batch; to be taken away once.
        resumed_from: steps that it had done of each member.
        earlier: seconds that it took.
    """

    def __init__(self, run: Run, members: dict[int, Member], found: Found) -> None:
        self.run, self.members = run, members
        first = next(iter(members.values()))
        self.settings, self.scales = first.settings, len(first.canvases())
        self.steps = sum(self.settings.shares(self.scales))
        known = [found[index] for index in members] if found else []
        self.curves = [list(c.losses) for c in known] or [[] for _ in members]
        self.snapshots = [[Snapshot(*s) for s in c.snapshots] for c in known] or [[] for _ in members]
        self.resumed_from = [c.position.done[0] for c in known] or [0 for _ in members]
        self.earlier = max((c.seconds for c in known), default=0.0)
        self.resumed = _resumed(known, run.device) if known else None
        found.clear()
        self.began = time.monotonic()
        self.due = self.began + (run.checkpoints.every if run.checkpoints else math.inf)

    def take(self, moment: Moment) -> None:
        """Note a moment."""
        with rendering(self.settings):
            losses = tuple(moment.losses.tolist())
            for row, (done, member) in enumerate(zip(moment.position.done, self.members.values(), strict=True)):
                if done > len(self.curves[row]):  # if not, it has stopped, and only others of the batch go on
                    self.curves[row].append(losses[row])
                    self._show(moment, row, member)
        if self.run.on_step:
            step = max(moment.position.done)
            self.run.on_step(Progress(tuple(self.members), step, self.steps, losses, moment.size))
        if time.monotonic() >= self.due:
            self.keep(moment)

    def hopeless(self) -> bool:
        """Whether no member's loss is finite any more."""
        return not any(math.isfinite(curve[-1]) for curve in self.curves)

    def over(self, moment: Moment) -> bool:
        """Whether a moment is the last."""
        return moment.ended and moment.position.scale + 1 == self.scales

    def keep(self, moment: Moment) -> None:
        """Keep a checkpoint of each member, unless the batch is over."""
        checkpoints = self.run.checkpoints
        if checkpoints is None or self.over(moment):
            return
        began, state = time.monotonic(), moment.state()
        for row, (index, member) in enumerate(self.members.items()):
            with rendering(self.settings):
                data = packed(
                    Checkpoint(
                        _fingerprint(self.run, member),
                        moment.position.of_row(row),
                        began - self.began + self.earlier,
                        self.curves[row],
                        {name: tensor[row : row + 1] for name, tensor in state.items()},
                        [(s.step, s.levels) for s in self.snapshots[row]],
                    )
                )
            checkpoints.save(index, data)
        took = time.monotonic() - began
        self.due = time.monotonic() + max(checkpoints.every, 20 * took)  # a slow store costs at most 5 %

    def _show(self, moment: Moment, row: int, member: Member) -> None:
        step, loss = moment.position.done[row], self.curves[row][-1]
        if wanted(self.settings.snapshots, step) and math.isfinite(loss):
            levels = np.rint(finished(moment.pictures[row], member)[0] * 255).astype(np.uint8)
            self.snapshots[row].append(Snapshot(step, levels))


def _checkpoint_of(run: Run, index: int, member: Member) -> Checkpoint | None:
    """The checkpoint of a cell, if there is one that its method can go on from."""
    data = run.checkpoints.load(index) if run.checkpoints else None
    checkpoint = unpacked(data, _fingerprint(run, member)) if data else None
    method = importlib.import_module(METHODS[member.settings.method].module)
    if checkpoint and method.resumable(member, checkpoint.position, checkpoint.state):
        return checkpoint
    return None


def _resumed(checkpoints: list[Checkpoint], device: torch.device) -> Resumed:
    """The batch that checkpoints at one position make."""
    first = checkpoints[0]
    state = {name: torch.cat([c.state[name] for c in checkpoints]).to(device) for name in first.state}
    position = first.position.with_rows([c.position for c in checkpoints])
    return Resumed(position, state, max(c.seconds for c in checkpoints), [c.losses for c in checkpoints])


def _fingerprint(run: Run, member: Member) -> str:
    """Of everything that must be the same for a checkpoint to go on to the same pixels."""
    pictures = [member.content, member.init, member.content_mask, *member.masks]
    styles = [(s.picture.digest, s.weight, s.mask.digest if s.mask else "") for s in member.styles]
    settings = member.settings.deciding()
    parts = (
        [picture and picture.digest for picture in pictures],
        styles,
        {name: value for name, value in settings.items() if name not in ("encoder", "time_limit")},
        weights.resolve(member.settings.encoder).digest,
        METHODS[member.settings.method].version,
        torch.__version__,
        run.device.type,
        str(computing_type(member.settings.precision, run.device)),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()
