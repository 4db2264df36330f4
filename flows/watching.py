"""What the workers of a run do, put together from what they say: cells done, what each is at, pace and time left."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

_MARK = 0.5  # seconds between two marks of a pace


@dataclass
class _Pace:
    """How fast a number grows, over about the last half minute."""

    marks: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=64))

    def mark(self, value: float) -> None:
        now = time.monotonic()
        if not self.marks or now - self.marks[-1][0] > _MARK:
            self.marks.append((now, value))

    def per_second(self, value: float) -> float:
        if not self.marks:
            return 0.0
        then, before = self.marks[0]
        return max(0.0, (value - before) / max(time.monotonic() - then, _MARK))


@dataclass
class _Worker:
    """What one worker does now."""

    label: str
    doing: dict[str, Any] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    evaluations: int = 0
    pace: _Pace = field(default_factory=_Pace)


class Watch:
    """Takes in what workers say, and tells what they do.

    Args:
        total: cells to render.

    Attributes:
        model: tells the seconds that are left, by a cost model; without one, or where it answers None, the pace of the
            last half minute tells.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.model: Callable[[], float | None] | None = None
        self._lock = threading.Lock()  # the run's file asks from a thread of its own
        self._ended: set[str] = set()  # a chunk that is tried again tells of its finished cells again
        self._failed = self._found = 0
        self._running: dict[str, float] = {}
        self._workers: dict[Any, _Worker] = {}
        self._pace = _Pace()
        self._pace.mark(0.0)

    def hear(self, message: tuple[Any, ...]) -> None:
        """Take in what a worker said.

        Args:
            message: `("step", keys, step, steps, losses, size)`, where it is known followed by a mapping of `worker`
                (whatever tells workers apart), `device`, `memory` in bytes and `name` of the first cell's picture; or
                `("done", key, status)`, the status an outcome's.
        """
        with self._lock:
            if message[0] == "step":
                self._step(*message[1:])
            else:
                self._done(*message[1:])
            self._pace.mark(self._finished())

    def _step(
        self, keys: list[str], step: int, steps: int, losses: Any, size: int, who: dict[str, Any] | None = None
    ) -> None:
        who = who or {}
        self._running |= {key: step / steps for key in keys if key not in self._ended}
        worker = self._worker(who.get("worker"), str(who.get("device") or "worker"), keys)
        worker.evaluations += len(keys)
        worker.pace.mark(worker.evaluations)
        loss = float(losses[0])
        worker.doing = {
            "cell": cell_name(str(who.get("name") or keys[0][:12])),
            "cells": len(keys),
            "step": step,
            "steps": steps,
            "size": size,
            "loss": float(f"{loss:.5g}") if math.isfinite(loss) else None,
            "memory_bytes": who.get("memory"),
        }

    def _worker(self, identity: Any, device: str, keys: list[str]) -> _Worker:
        """The worker that speaks; what others were said to do with its cells ended when they were lost."""
        found = self._workers.get(identity)
        if found is None or found.keys != keys:
            for other, worker in list(self._workers.items()):
                if other != identity and not set(worker.keys).isdisjoint(keys):
                    del self._workers[other]
        if found is None:
            taken = {worker.label for worker in self._workers.values()}
            labels = (f"{device} {n}" if n > 1 else device for n in itertools.count(1))
            found = self._workers[identity] = _Worker(next(label for label in labels if label not in taken))
        found.keys = keys
        return found

    def _done(self, key: str, status: str) -> None:
        self._running.pop(key, None)
        if key not in self._ended:
            self._ended.add(key)
            self._failed += status == "failed"
            self._found += status == "done"

    def _finished(self) -> float:
        """Cells that are finished, those at work in part."""
        return len(self._ended) + sum(self._running.values())

    def seen(self) -> dict[str, Any]:
        """What is known now, as the file of a run under way tells it.

        Returns:
            `rendered`, `failed` and `skipped` (found there meanwhile) in cells, `steps_per_second` of all workers,
            `left_seconds` (None while nothing is known), and for each of `workers` its `worker` (a device), `cell` (the
            first of so many `cells`), `step`, `steps`, `size` in pixels, `loss`, `memory_bytes`, `steps_per_second`.
        """
        left = self.model() if self.model else None
        with self._lock:
            workers = [
                {"worker": w.label, **w.doing, "steps_per_second": round(w.pace.per_second(w.evaluations), 2)}
                for w in self._workers.values()
                if not self._ended.issuperset(w.keys)
            ]
            if left is None:
                finished = self._finished()
                pace = self._pace.per_second(finished)
                left = max(0.0, self.total - finished) / pace if pace > 0 else None
            return {
                "rendered": len(self._ended) - self._failed - self._found,
                "skipped": self._found,
                "failed": self._failed,
                "workers": sorted(workers, key=lambda w: str(w["worker"])),
                "steps_per_second": round(sum(w["steps_per_second"] for w in workers), 2),
                "left_seconds": None if left is None else round(left),
            }

    def told(self) -> tuple[float, str]:
        """Share of the cells that is done, in percent, and the same in words: for logs."""
        seen = self.seen()
        done = seen["rendered"] + seen["skipped"] + seen["failed"]
        failed = f", {seen['failed']} failed" if seen["failed"] else ""
        words = f"{done} of {self.total} cells{failed}, {seen['steps_per_second']:.1f} steps/s"
        if done >= self.total:
            return 100.0, words
        return 100 * done / self.total, words + left_in_words(seen["left_seconds"])


def cell_name(picture: str) -> str:
    """What a cell is called for people: its picture's name without folder, key and extension."""
    return PurePosixPath(picture).stem.rpartition("--")[0] or picture


def left_in_words(seconds: float | None) -> str:
    """Time left as the end of a sentence; empty where nothing is known."""
    return "" if seconds is None else f", {clock(seconds)} left"


def clock(seconds: float) -> str:
    """Seconds as 4:05, or 2:00:00."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
