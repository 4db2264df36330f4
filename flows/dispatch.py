"""Who renders what: workers that become free are handed work, and what a machine failed goes to another one.

A policy without clock, thread or Prefect. Whoever drives it tells it what happens and asks it what each idle worker is
to do next; runs drive it, and so does a simulation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flows.cutting import LEAST_SECONDS, Piece, Stock

STRIKES = 3
"""Different chunks that a worker fails before it is taken off the run, if that is more than a tenth of its chunks.

A chunk that fails on a second worker too, or whose cell at fault was found, is held against nobody.
"""
MOST_IN_A_ROW = 30
"""Failures without a cell done between them, after which a worker is taken off whoever is at fault."""

MACHINE = ("device", "out-of-memory")
"""Kinds of failures of a cell that are the machine's, not the input's."""

_PATIENCE = 2.0  # a chunk may take this many times as long as it was cut for before it gives back what it has not begun


@dataclass(frozen=True)
class Portion:
    """What a worker is handed at a time.

    Attributes:
        pieces: the cells, in order.
        limit: seconds after which the worker begins no more of them and gives them back.
        origin: number of the portion in which they were handed out first.
        failures: how often machines have failed it.
        tried: workers that did.
    """

    pieces: tuple[Piece, ...]
    limit: float
    origin: int
    failures: int = 0
    tried: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """What a worker said of a cell: `rendered`, `failed` or `done`, and the kind of a failure."""

    status: str
    kind: str = ""


@dataclass
class _Worker:
    at_work: Portion | None = None
    unfinished: dict[str, float] = field(default_factory=dict)  # seconds of the cells at work, by key
    finished: int = 0  # portions
    struck: set[int] = field(default_factory=set)  # origins of portions that failed on it
    in_a_row: int = 0  # failures since it has done a cell


class Dispatcher:
    """Hands out the cells of one run.

    Args:
        stock: the cells.
        retries: how often a cell is tried again when a machine failed it.

    Attributes:
        off: workers that were taken off the run, with the reason.
    """

    def __init__(self, stock: Stock, retries: int) -> None:
        self.off: dict[str, str] = {}
        self._stock, self._retries = stock, retries
        self._troubled: deque[Portion] = deque()
        self._workers: dict[str, _Worker] = {}
        self._handed = 0

    def join(self, worker: str) -> None:
        """A worker is there."""
        self._workers.setdefault(worker, _Worker())

    def leave(self, worker: str) -> None:
        """A worker that has nothing at work is gone."""
        self._workers.pop(worker, None)

    def hand_out(self, worker: str) -> Portion | None:
        """What an idle worker is to do next; None where there is nothing for it at present."""
        state = self._workers[worker]
        if worker in self.off or state.at_work:
            return None
        portion = self._tried_elsewhere(worker)
        if portion is None and (pieces := self._stock.cut(len(self.active))):
            self._handed += 1
            portion = Portion(pieces, 0.0, self._handed)
        if portion is None:
            return None
        state.unfinished = {piece.key: self._stock.seconds_of(piece) for piece in portion.pieces}
        limit = _PATIENCE * max(LEAST_SECONDS, sum(state.unfinished.values()))
        state.at_work = replace(portion, limit=limit)
        return state.at_work

    def settle(self, worker: str, key: str) -> None:
        """A worker says that one of its cells is over, before it answers for all of them."""
        if worker in self._workers:
            self._workers[worker].unfinished.pop(key, None)

    def finish(self, worker: str, verdicts: Mapping[str, Verdict], seconds: float) -> set[str]:
        """A worker answers for what it was handed; cells that it says nothing of are handed out again.

        Args:
            worker: the worker.
            verdicts: by key.
            seconds: that it was at work.

        Returns:
            Keys of the cells whose verdict is the last word; the others are tried again.
        """
        portion = self._returned(worker)
        self._workers[worker].finished += 1
        self._workers[worker].in_a_row = 0
        rendered = [p for p in portion.pieces if p.key in verdicts and verdicts[p.key].status == "rendered"]
        self._stock.measure(rendered, seconds)
        self._give_back(replace(portion, pieces=tuple(p for p in portion.pieces if p.key not in verdicts)))
        final = set(verdicts)
        for kind in MACHINE:
            failed = tuple(p for p in portion.pieces if verdicts.get(p.key) == Verdict("failed", kind))
            if failed and self._try_again(replace(portion, pieces=failed), worker, kind):
                final -= {piece.key for piece in failed}
        self._judge(worker, "its device")
        return final

    def lose(self, worker: str, published: set[str], why: str) -> set[str]:
        """A worker was lost with what it was handed, or could not go on with it.

        What it had not published is handed out again: at first together; when that costs another worker, in halves,
        down to the cell at fault.

        Args:
            worker: the worker; it goes on, as a process started anew, unless it leaves.
            published: keys of what it had published.
            why: what happened, in two words.

        Returns:
            Keys of the cells that are given up.
        """
        portion = self._returned(worker)
        pieces = tuple(piece for piece in portion.pieces if piece.key not in published)
        if not pieces:
            return set()
        self._strike(worker, portion, progress=len(pieces) < len(portion.pieces))
        self._judge(worker, why)
        if portion.failures >= self._retries and (len(pieces) == 1 or not self._retries):
            self._exonerate(portion.origin)
            return {piece.key for piece in pieces}
        middle = len(pieces) // 2 if portion.failures else 0
        for half in (pieces[middle:], pieces[:middle]):
            self._put_back(replace(portion, pieces=half), worker)
        return set()

    def refuse(self, worker: str, why: str) -> None:
        """A worker may not render for this run: what it was handed goes to others, and it is handed nothing more."""
        self._give_back(self._returned(worker))
        self.off[worker] = why

    def portion_of(self, worker: str) -> Portion | None:
        """What a worker has at work."""
        return self._workers[worker].at_work if worker in self._workers else None

    @property
    def over(self) -> bool:
        """Whether nothing is left to hand out, and nothing is at work."""
        return not self.busy and not self._troubled and self._stock.empty

    @property
    def busy(self) -> list[str]:
        """Workers that have something at work."""
        return [name for name, state in self._workers.items() if state.at_work]

    @property
    def known(self) -> set[str]:
        """Workers that are there."""
        return set(self._workers)

    @property
    def active(self) -> set[str]:
        """Workers that may be handed something."""
        return self._workers.keys() - self.off.keys()

    def seconds_left(self) -> float | None:
        """Seconds until all is done, by what was measured; None while nothing was."""
        if not self._stock.measured:
            return None
        at_work = sum(sum(state.unfinished.values()) for state in self._workers.values())
        troubled = sum(self._stock.seconds_of(piece) for portion in self._troubled for piece in portion.pieces)
        return (self._stock.seconds + at_work + troubled) / max(1, len(self.active))

    def _tried_elsewhere(self, worker: str) -> Portion | None:
        """What a machine has failed, for a worker that has not tried it; for any, where all have."""
        for portion in self._troubled:
            if worker not in portion.tried or self.active <= portion.tried:
                self._troubled.remove(portion)
                return portion
        return None

    def _returned(self, worker: str) -> Portion:
        state = self._workers[worker]
        portion, state.at_work, state.unfinished = state.at_work, None, {}
        if portion is None:
            raise ValueError(f"{worker} was handed nothing")
        return portion

    def _try_again(self, portion: Portion, worker: str, kind: str) -> bool:
        """Have failed cells tried again; returns whether they are. Memory that ran out here may suffice elsewhere."""
        others = self.active - portion.tried - {worker}
        if portion.failures >= self._retries or (kind == "out-of-memory" and not others):
            self._exonerate(portion.origin)
            return False
        if kind == "device":
            self._strike(worker, portion, progress=True)
        self._put_back(portion, worker)
        return True

    def _put_back(self, portion: Portion, worker: str) -> None:
        if portion.pieces:
            tried = portion.tried | {worker}
            self._troubled.appendleft(replace(portion, failures=portion.failures + 1, tried=tried))

    def _give_back(self, portion: Portion) -> None:
        """Have cells handed out again that nobody has begun."""
        if portion.pieces and portion.failures:
            self._troubled.append(portion)
        else:
            self._stock.give_back(portion.pieces)

    def _strike(self, worker: str, portion: Portion, *, progress: bool) -> None:
        state = self._workers[worker]
        state.in_a_row = 0 if progress else state.in_a_row + 1
        if not portion.failures:
            state.struck.add(portion.origin)
        elif worker not in portion.tried:
            self._exonerate(portion.origin)

    def _exonerate(self, origin: int) -> None:
        """It was the cells' fault, no worker's."""
        for state in self._workers.values():
            state.struck.discard(origin)

    def _judge(self, worker: str, why: str) -> None:
        state = self._workers[worker]
        if len(state.struck) >= STRIKES and 10 * len(state.struck) > state.finished:
            self.off[worker] = f"{len(state.struck)} different chunks failed on it, the last by {why}"
        elif state.in_a_row >= MOST_IN_A_ROW:
            self.off[worker] = f"{state.in_a_row} chunks in a row failed on it, the last by {why}"
