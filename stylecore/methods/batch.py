"""What passes between `render` and a method: the members of a batch, and the moments of its optimisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from stylecore.constants import Constants
from stylecore.images import Picture
from stylecore.settings import Settings


@dataclass(frozen=True, eq=False)
class MemberStyle:
    """One of a cell's styles.

    Attributes:
        picture: the picture as read.
        weight: share of the blend, as given.
        mask: the part of the picture that is taken; None for all of it.
    """

    picture: Picture
    weight: float = 1.0
    mask: Picture | None = None


@dataclass(frozen=True, eq=False)
class Member:
    """One cell of a batch with its pictures decoded.

    Attributes:
        content: the content picture as read; None where the method uses none.
        styles: the styles as read; empty where the method uses none.
        init: the picture to start from where `settings.init` names one.
        settings: the cell's settings.
        masks: where in the result each style applies; empty for everywhere.
        content_mask: where the content counts; None for everywhere.
        notes: what is done otherwise than its settings ask for.
    """

    content: Picture | None
    styles: tuple[MemberStyle, ...]
    init: Picture | None
    settings: Settings
    masks: tuple[Picture, ...] = ()
    content_mask: Picture | None = None
    notes: tuple[str, ...] = ()

    @property
    def canvas_picture(self) -> Picture:
        """The picture whose shape the canvas follows: the content, else the first style."""
        return self.content or self.styles[0].picture

    def canvases(self) -> list[tuple[int, int]]:
        """Width and height of each canvas, coarse to fine."""
        height, width = self.canvas_picture.pixels.shape[:2]
        return self.settings.canvases(width, height)


@dataclass(frozen=True)
class Position:
    """How far a batch has come.

    Attributes:
        scale: index of the canvas being rendered, coarse to fine.
        step: evaluations on it so far.
        done: evaluations of each picture so far, over all scales; one that has stopped counts no more.
        stopped: why each picture stopped at this scale, or an empty text.
    """

    scale: int
    step: int
    done: tuple[int, ...]
    stopped: tuple[str, ...]

    def of_row(self, row: int) -> Position:
        """The position of one picture of the batch."""
        return replace(self, done=self.done[row : row + 1], stopped=self.stopped[row : row + 1])

    def with_rows(self, rows: Sequence[Position]) -> Position:
        """The position of a batch made of pictures that have come as far as this one."""
        done = tuple(count for row in rows for count in row.done)
        return replace(self, done=done, stopped=tuple(reason for row in rows for reason in row.stopped))


@dataclass(frozen=True)
class Moment:
    """A batch after one evaluation of its loss.

    Attributes:
        position: where the batch stands.
        pictures: shape (batch, 3, height, width), float32.
        losses: shape (batch,).
        terms: weighted terms of the evaluation, shape (terms, batch), in the order of `objective.TERMS`.
        size: longest side of the scale being rendered, in pixels.
        state: gives the tensors, batch first, from which the method goes on; to be asked before the next moment.
        ended: whether this was the scale's last step.
        tile: side in pixels of the tiles that the scale is rendered by; None where it is as a whole.
    """

    position: Position
    pictures: Tensor
    losses: Tensor
    terms: Tensor
    size: int
    state: Callable[[], Mapping[str, Tensor]]
    ended: bool
    tile: int | None = None


@dataclass(frozen=True)
class Resumed:
    """Where an earlier run left a batch.

    Attributes:
        position: where it stood.
        state: what `Moment.state` gave.
        seconds: how long it had rendered.
        losses: of each picture, after each of its steps.
    """

    position: Position
    state: Mapping[str, Tensor]
    seconds: float
    losses: Sequence[Sequence[float]]


class MethodModule(Protocol):
    """What a method's module offers: see `methods.descent.descend` and `resumable`."""

    def optimise(
        self, members: Sequence[Member], constants: Constants, resumed: Resumed | None = None
    ) -> Iterator[Moment]:
        """Yield a `Moment` for each evaluation."""

    def resumable(self, member: Member, position: Position, state: Mapping[str, Tensor]) -> bool:
        """Whether the method can go on from a state."""


def tensor_of(picture: Picture, device: torch.device) -> Tensor:
    """A picture's pixels as a tensor of shape (1, 3, height, width), float32 in 0..1."""
    return torch.from_numpy(picture.pixels).permute(2, 0, 1).unsqueeze(0).contiguous().to(device)
