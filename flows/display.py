"""Progress of a run on a terminal: pictures done, steps per second, time left. Silent where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text


class Display:
    """A progress bar, and a line on the cell at work below it, fed with what workers say.

    Args:
        total: cells to render.
        names: what to call each key.
    """

    def __init__(self, total: int, names: dict[str, str]) -> None:
        self.names, self.total = names, total
        self._ended: dict[str, str] = {}  # by key: a chunk that is tried again tells of its finished cells again
        self._running: dict[str, float] = {}
        self.pace = "waiting for workers"
        self._marks: deque[tuple[float, float, int]] = deque([(time.monotonic(), 0.0, 0)], maxlen=64)
        self._evaluations = 0
        self._bar = Progress(
            BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"), TimeElapsedColumn()
        )
        self._task = self._bar.add_task("pictures", total=total, pace=self.pace)
        self._at_work = Text(style="dim", no_wrap=True, overflow="ellipsis")
        self._live = Live(Group(self._bar, self._at_work), console=Console(stderr=True), refresh_per_second=5)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._at_work.plain = ""
        self._live.stop()

    def hear(self, message: tuple[Any, ...]) -> None:
        """Take in what a worker said: `("step", keys, step, steps, losses, size)` or `("done", key, status)`."""
        if message[0] == "step":
            _, keys, step, steps, losses, size = message
            self._evaluations += len(keys)
            self._running |= {key: step / steps for key in keys if key not in self._ended}
            said = f"{self.names.get(keys[0], '')} step {step}/{steps} at {size} px, loss {losses[0]:.4g}"
        else:
            _, key, status = message
            self._running.pop(key, None)
            self._ended[key] = status
            said = f"{self.names.get(key, '')} {status}"
        self._show(said)

    def told(self) -> tuple[float, str]:
        """Share of the cells that is done, in percent, and the same in words: for logs, where there is no bar."""
        done = len(self._ended)
        return 100 * done / max(1, self.total), f"{done} of {self.total} cells, {self.pace}"

    def _show(self, said: str) -> None:
        failed = list(self._ended.values()).count("failed")
        finished = len(self._ended) + sum(self._running.values())
        now = time.monotonic()
        if now - self._marks[-1][0] > 0.5:
            self._marks.append((now, finished, self._evaluations))
        then, before, evaluations = self._marks[0]
        elapsed = max(now - then, 1e-9)
        rate = (self._evaluations - evaluations) / elapsed
        pace = (finished - before) / elapsed
        left = f", {_minutes((self.total - finished) / pace)} left" if pace > 0 else ""
        trouble = f", {failed} failed" if failed else ""
        self.pace = f"{rate:.1f} steps/s{left}{trouble}"
        self._at_work.plain = said
        self._bar.update(self._task, completed=len(self._ended), pace=self.pace)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
