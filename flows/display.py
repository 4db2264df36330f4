"""A run on a terminal: cells done, time left, and a line for each worker. Silent where there is no terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flows.watching import Watch, clock, left_in_words


class Display(Watch):
    """What the workers do, drawn while the block that it opens goes on.

    Args:
        total: cells to render.
    """

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._began = time.monotonic()
        self._live = Live(get_renderable=self._view, console=Console(stderr=True), refresh_per_second=4)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def _view(self) -> RenderableType:
        return View({"cells": self.total, "seconds": time.monotonic() - self._began, **self.seen()})


class View:
    """A run under way, as its file tells it: a bar with counts, and a line for each worker.

    Args:
        run: the file's content; `watching.Watch.seen` tells what may be in it.
    """

    def __init__(self, run: dict[str, Any]) -> None:
        self.run = run

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        workers = self.run.get("workers") or []
        shown = workers[: max(1, options.size.height - 4)]
        rows = [self._bar(), *lines(shown)]
        if len(workers) > len(shown):
            rows.append(Text(f"… and {len(workers) - len(shown)} workers more", style="dim"))
        yield Group(*rows)

    def _bar(self) -> RenderableType:
        done, failed, cells = finished(self.run), self.run.get("failed") or 0, self.run.get("cells") or 0
        said = f" {done}/{cells} cells"
        said += f", {failed} failed" if failed else ""
        said += f", {self.run['steps_per_second']:.1f} steps/s" if self.run.get("steps_per_second") else ""
        said += left_in_words(self.run.get("left_seconds"))
        line = Table.grid()
        bar = ProgressBar(total=max(1, cells), completed=done, width=20)
        line.add_row(bar, Text(said), Text(f"  {clock(self.run.get('seconds') or 0)}", style="dim"))
        return line


def finished(run: dict[str, Any]) -> int:
    """Cells of a run that need no more work: rendered, there before, or failed."""
    return sum(run.get(name) or 0 for name in ("rendered", "skipped", "failed"))


def lines(workers: list[dict[str, Any]]) -> list[Text]:
    """A line for each worker, its columns below each other, the cell last: its name is cut where the terminal ends."""
    rows = [_columns(worker) for worker in workers]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    named = zip(padded, workers, strict=True)
    return [Text(f"{line}  {_cells(w)}", style="dim", no_wrap=True, overflow="ellipsis") for line, w in named]


def _columns(worker: dict[str, Any]) -> tuple[str, ...]:
    loss, memory = worker.get("loss"), worker.get("memory_bytes")
    return (
        str(worker.get("worker", "")),
        f"step {worker.get('step', 0)}/{worker.get('steps', 0)}",
        f"{worker.get('size', 0)} px",
        "" if loss is None else f"loss {loss:.4g}",
        f"{worker.get('steps_per_second') or 0:.1f} steps/s",
        "" if memory is None else f"{memory / 2**20:.0f} MiB",
    )


def _cells(worker: dict[str, Any]) -> str:
    others = (worker.get("cells") or 1) - 1
    return f"{worker.get('cell', '')}{f' and {others} more' if others else ''}"
