"""Progress of a run on a terminal: pictures done, steps per second, time left. Silent where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Display:
    """A progress bar fed with what workers say.

    Args:
        total: cells to render.
        names: what to call each key.
    """

    def __init__(self, total: int, names: dict[str, str]) -> None:
        self.names, self.total, self.done, self.failed = names, total, 0, 0
        self._steps = 0.0  # cells' worth of finished steps, fractions of running cells included
        self._running: dict[str, float] = {}
        self._marks: deque[tuple[float, float, int]] = deque([(time.monotonic(), 0.0, 0)], maxlen=64)
        self._evaluations = 0
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=False,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task("pictures", total=self.total, said="waiting for workers")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def hear(self, message: tuple[Any, ...]) -> None:
        """Take in what a worker said: `("step", keys, step, steps, losses, size)` or `("done", key, status)`."""
        if message[0] == "step":
            _, keys, step, steps, losses, size = message
            self._evaluations += len(keys)
            for key in keys:
                self._running[key] = step / steps
            said = f"{self.names.get(keys[0], '')} step {step}/{steps} at {size} px, loss {losses[0]:.4g}"
        else:
            _, key, status = message
            self._running.pop(key, None)
            self.done += status != "failed"
            self.failed += status == "failed"
            said = f"{self.names.get(key, '')} {status}"
        self._show(said)

    def _show(self, said: str) -> None:
        finished = self.done + self.failed + sum(self._running.values())
        now = time.monotonic()
        if now - self._marks[-1][0] > 0.5:
            self._marks.append((now, finished, self._evaluations))
        then, before, evaluations = self._marks[0]
        elapsed = max(now - then, 1e-9)
        rate = (self._evaluations - evaluations) / elapsed
        pace = (finished - before) / elapsed
        left = f", {_minutes((self.total - finished) / pace)} left" if pace > 0 else ""
        trouble = f", {self.failed} failed" if self.failed else ""
        self._bar.update(
            self._task,
            completed=self.done + self.failed,
            said=f"{rate:.1f} steps/s{left}{trouble}  [dim]{escape(said)}",
        )


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
