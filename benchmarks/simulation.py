"""Runs on many workers in simulated time, carried by the policy that carries real ones.

    python benchmarks/simulation.py                        # 64 workers: what is lost against the ideal; a minute
    python benchmarks/simulation.py --million --seconds 2  # a million cells on 8, 64 and 256 workers

Cells take times from a heavy tail that the policy does not know: log-normal, one in a hundred 5 to 10 times as long.
One chunk in a hundred costs its worker, in its middle; another is there after a while. Each chunk costs its hand-over.

`of ideal` is against all workers busy all the time. `one by one` is what hand-overs that cost nothing would reach: each
cell to the worker that is free first, none lost. Nobody does better who does not know what takes long.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from flows.cutting import Piece, Stock
from flows.dispatch import Dispatcher, Portion, Verdict

_SPREAD = 1.0  # of the logarithm of a cell's seconds
_TAIL, _SLOW = 0.01, (5, 10)  # share of cells that take so many times as long
_GROUPS = 4  # kinds of cells, whose estimates are wrong by a factor of their own
_HAND_OVER = 0.5  # seconds that a chunk costs beside its cells: a Prefect task, reading, the last publishing
_RESTART = 30.0  # seconds until a lost worker's successor is there


@dataclass(frozen=True)
class Case:
    """What is simulated: cells of so many seconds on average, on workers of which a share of chunks costs one."""

    cells: int
    workers: int
    seconds: float
    lost: float
    chunk: float = 600.0
    seed: int = 1


@dataclass
class Found:
    """What came of it: seconds of wall clock and of the ideal, cells by how often they were begun or ended, losses."""

    wall: float = 0.0
    work: float = 0.0
    longest: float = 0.0
    one_by_one: float = 0.0
    begun: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    excused: set[str] = field(default_factory=set)
    chunks: int = 0
    losses: int = 0

    def ideal(self, workers: int) -> float:
        """Wall clock of workers that are busy all the time, or of the longest cell."""
        return max(self.work / workers, self.longest)


def simulate(case: Case) -> Found:
    """One run in simulated time."""
    chance, found = random.Random(case.seed), Found()
    truth = _Truth(case, random.Random(case.seed + 1))
    stock = Stock(truth.pieces(), float(case.cells), rate=1 / (3 * case.seconds), chunk=case.chunk)
    policy = Dispatcher(stock, retries=2)
    workers = [f"worker {n}" for n in range(case.workers)]
    free = [(0.0, worker) for worker in workers]  # when each is free next; those at work come with what they will say
    ends: list[tuple[float, str, int, float | None]] = []
    for worker in workers:
        policy.join(worker)
    now = 0.0
    while True:
        waiting = []
        while free and free[0][0] <= now:
            _, worker = heapq.heappop(free)
            if worker in policy.active and (portion := policy.hand_out(worker)):
                found.chunks += 1
                heapq.heappush(ends, _ending(portion, worker, now, truth, chance, case))
            else:
                waiting.append(worker)
        for worker in waiting:
            heapq.heappush(free, (math.inf, worker))
        coming = min(ends[0][0] if ends else math.inf, free[0][0] if free else math.inf)
        if coming == math.inf:
            break
        now = coming
        while ends and ends[0][0] <= now:
            _, worker, upto, took = heapq.heappop(ends)
            _end(policy, worker, upto, took, found)
            heapq.heappush(free, (now + (_RESTART if took is None else 0.0), worker))
            free = [(min(when, now) if when == math.inf else when, name) for when, name in free]
            heapq.heapify(free)
    assert policy.over, "cells were left"
    found.wall, found.work, found.longest = now, truth.total, truth.longest
    found.one_by_one = _one_by_one(truth.seconds.values(), case.workers)
    return found


def _one_by_one(seconds: Iterable[float], workers: int) -> float:
    """Wall clock of cells that are handed to whoever is free first, at no cost."""
    free = [0.0] * workers
    for took in seconds:
        heapq.heapreplace(free, free[0] + took)
    return max(free)


class _Truth:
    """What cells really take, told as they are asked for."""

    def __init__(self, case: Case, chance: random.Random) -> None:
        self.case, self.chance = case, chance
        self.seconds: dict[str, float] = {}
        factors = [chance.uniform(0.5, 2.0) for _ in range(_GROUPS)]
        self.factors = [factor * _GROUPS / sum(factors) for factor in factors]
        self.total = self.longest = 0.0

    def pieces(self) -> Iterator[Piece]:
        side = -(-self.case.cells // _GROUPS)
        scale = self.case.seconds / math.exp(_SPREAD**2 / 2) / (1 + _TAIL * (sum(_SLOW) / 2 - 1))
        for number in range(self.case.cells):
            seconds = scale * self.chance.lognormvariate(0, _SPREAD) * self.factors[number // side]
            if self.chance.random() < _TAIL:
                seconds *= self.chance.uniform(*_SLOW)
            key = str(number)
            self.seconds[key] = seconds
            self.total += seconds
            self.longest = max(self.longest, seconds)
            yield Piece(key, str(number // side), 1.0)


def _ending(
    portion: Portion, worker: str, now: float, truth: _Truth, chance: random.Random, case: Case
) -> tuple[float, str, int, float | None]:
    """When a worker says something of a portion, how many cells it has done, and in what time; None: it was lost."""
    took, upto = _HAND_OVER, 0
    for piece in portion.pieces:
        if upto and took > portion.limit:
            break
        took += truth.seconds[piece.key]
        upto += 1
    if chance.random() >= case.lost:
        return now + took, worker, upto, took
    dies, upto, passed = chance.uniform(0, took), 0, _HAND_OVER
    while upto < len(portion.pieces) and (passed := passed + truth.seconds[portion.pieces[upto].key]) <= dies:
        upto += 1
    return now + dies, worker, upto, None


def _end(policy: Dispatcher, worker: str, upto: int, took: float | None, found: Found) -> None:
    portion = policy.portion_of(worker)
    assert portion is not None
    done = [piece.key for piece in portion.pieces[:upto]]
    found.begun.update(done)
    if took is not None:
        found.ended.update(policy.finish(worker, dict.fromkeys(done, Verdict("rendered")), took))
        return
    found.losses += 1
    unfinished = {piece.key for piece in portion.pieces[upto:]}
    found.begun.update(list(unfinished)[:1])
    found.excused |= unfinished
    found.ended.update(done)
    found.ended.update(policy.lose(worker, set(done), "a lost process"))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true", help="a million cells on 8, 64 and 256 workers")
    parser.add_argument("--seconds", type=float, default=20.0, help="that a cell takes on average")
    asked = parser.parse_args()
    if asked.million:
        cases = [Case(1_000_000, workers, asked.seconds, 0.01) for workers in (8, 64, 256)]
    else:
        sizes = [(cells, seed) for cells in (2_000, 20_000, 100_000) for seed in (1, 2, 3)]
        cases = [Case(cells, 64, asked.seconds, 0.01, seed=seed) for cells, seed in sizes]
    print("| cells | workers | wall, h | of ideal | one by one | chunks | lost | twice, unexcused | not ended once |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for case in cases:
        found = simulate(case)
        twice = sum(times > 1 and key not in found.excused for key, times in found.begun.items())
        wrong = case.cells - sum(times == 1 for times in found.ended.values())
        shares = [f"{found.ideal(case.workers) / wall:.1%}" for wall in (found.wall, found.one_by_one)]
        row = [f"{case.cells:,}", case.workers, f"{found.wall / 3600:.2f}", *shares, found.chunks, found.losses]
        print("| " + " | ".join(map(str, [*row, twice, wrong])) + " |", flush=True)


if __name__ == "__main__":
    main()
