"""Cutting work into chunks as it is asked for, by estimates that are corrected by what is measured.

As in guided self-scheduling (Polychronopoulos, Kuck 1987) each chunk is a share of what is left, so that chunks become
smaller towards the end and all workers end together.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_CELLS = 500
"""Cells of a chunk at most, so that a task's parameters stay small."""
LEAST_SECONDS = 5.0
"""Work that is worth a chunk of its own, unless all there is comes to less for each worker."""


@dataclass(frozen=True)
class Piece:
    """One cell to render.

    Attributes:
        key: its key.
        group: equal for cells that share model and canvas.
        operations: its arithmetic, as `estimate.operations` counts it.
        most: seconds after which its render ends in any case.
        item: the cell in the plan; none of the stock's business.
    """

    key: str
    group: str
    operations: float
    most: float = math.inf
    item: Any = field(default=None, compare=False)


@dataclass
class _Rate:
    """Operations per second, late measurements counting most."""

    operations: float = 0.0
    seconds: float = 0.0

    def take(self, operations: float, seconds: float) -> None:
        self.operations = self.operations / 2 + operations
        self.seconds = self.seconds / 2 + seconds

    def value(self) -> float | None:
        return self.operations / self.seconds if self.operations > 0 and self.seconds > 0 else None


class Stock:
    """What is left to hand out.

    Args:
        pieces: the cells, those of a group side by side; read no further than is cut.
        operations: of all of them together.
        rate: operations per second of one worker, as long as nothing is measured.
        chunk: seconds of work in a chunk at most.
    """

    def __init__(self, pieces: Iterable[Piece], operations: float, *, rate: float, chunk: float) -> None:
        self._stream: Iterator[Piece] = iter(pieces)
        self._back: deque[Piece] = deque()  # given back, or read ahead
        self._left, self._total = operations, operations
        self._assumed, self._chunk = max(rate, 1e-9), chunk
        self._rates: dict[str, _Rate] = {}
        self._overall = _Rate()

    def cut(self, workers: int) -> tuple[Piece, ...]:
        """The next cells of one group, as many as are a fair share of what is left; none when nothing is.

        Args:
            workers: among how many it is shared.
        """
        first = self._next()
        if first is None:
            return ()
        allowed = self._allowed(max(1, workers)) * 1.001
        pieces, seconds = [first], self.seconds_of(first)
        while (piece := self._peek()) and piece.group == first.group and len(pieces) < MOST_CELLS:
            seconds += self.seconds_of(piece)
            if seconds > allowed:
                break
            pieces.append(piece)
            self._next()
        self._left = max(0.0, self._left - sum(piece.operations for piece in pieces))
        return tuple(pieces)

    def give_back(self, pieces: Sequence[Piece]) -> None:
        """Take back cells that were cut and not begun; they come next."""
        self._back.extendleft(reversed(pieces))
        self._left += sum(piece.operations for piece in pieces)

    def measure(self, pieces: Sequence[Piece], seconds: float) -> None:
        """Take in that a worker took so many seconds for cells of one group."""
        operations = sum(piece.operations for piece in pieces)
        if operations > 0 and seconds > 0:
            self._rates.setdefault(pieces[0].group, _Rate()).take(operations, seconds)
            self._overall.take(operations, seconds)

    def seconds_of(self, piece: Piece) -> float:
        """Seconds that a cell is estimated to take a worker."""
        known = self._rates.get(piece.group)
        return min(piece.operations / ((known and known.value()) or self._rate()), piece.most)

    @property
    def measured(self) -> bool:
        """Whether estimates rest on what was measured."""
        return self._overall.value() is not None

    @property
    def seconds(self) -> float:
        """What is left, in seconds of one worker."""
        return self._left / self._rate()

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return self._peek() is None

    def _rate(self) -> float:
        return self._overall.value() or self._assumed

    def _allowed(self, workers: int) -> float:
        """Seconds of work in the next chunk."""
        share = self.seconds if workers == 1 else self.seconds / (2 * workers)
        least = min(LEAST_SECONDS, self._total / self._rate() / workers)
        return min(self._chunk, max(share, least))

    def _next(self) -> Piece | None:
        return self._back.popleft() if self._back else next(self._stream, None)

    def _peek(self) -> Piece | None:
        if not self._back and (piece := next(self._stream, None)):
            self._back.append(piece)
        return self._back[0] if self._back else None
