"""Runs as another terminal follows them: found in an output by their files, told in words, and read again and again."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.live import Live

from flows.console import complain
from flows.display import View, lines
from flows.live import file_name, is_alive, is_running, silent_for
from flows.output import last_run, live_runs, read_run, title_of
from flows.store import Store, open_store
from flows.watching import clock, left_in_words
from stylecore.errors import StylepressError

_LOOK_LOCAL, _LOOK_BUCKET = 1.0, 5.0  # seconds between two looks at a file that is followed
_LINE = 30.0  # seconds between two lines where there is no terminal
_MOST_FAILURES = 5
_COUNTS = ("cells", "rendered", "skipped", "failed", "remaining")
_STATES = {"running": "running for", "ended": "ended after", "dead": "seems dead, after"}


def find(out: str) -> tuple[Store, list[dict[str, Any]]]:
    """An output's store, and its runs under way, newest first; where there are none, its last one.

    Raises:
        StylepressError: there are no runs, so it is no output.
        StorageError: it cannot be reached.
    """
    store = open_store(out, confine=False)
    if out.startswith("s3://"):
        store.check_readable()
    found = live_runs(store) or [run for run in [last_run(store)] if run]
    if not found:
        raise StylepressError(f"{out} holds no runs; expected a folder or prefix that `stylepress render` writes to")
    return store, [_checked(run) for run in found]


def state(run: dict[str, Any]) -> str:
    """`running`, `ended`, or `dead`: its file says that it is under way, and has been silent for too long."""
    if not is_running(run):
        return "ended"
    return "running" if is_alive(run) else "dead"


def is_well(run: dict[str, Any]) -> bool:
    """Whether a run is under way, or has left every cell there."""
    return is_alive(run) or (not is_running(run) and not run["failed"] and not run["remaining"])


def told(run: dict[str, Any]) -> Iterator[str]:
    """A run in words, as `find` gives it."""
    now = state(run)
    early = f", {run['stopped']}" if now == "ended" and run.get("stopped") else ""
    yield f"{run.get('run', '?')}  {title_of(run)}: {_STATES[now]} {clock(run['seconds'])}{early}"
    yield _counted(run)
    for failure in run["failures"][:_MOST_FAILURES]:
        yield f"failed  {failure.get('cell')}\n        {failure.get('kind')}: {failure.get('message')}"
    if run["failed"] > _MOST_FAILURES:
        yield f"… and {run['failed'] - _MOST_FAILURES} more"
    yield from (f"{worker} was taken off the run: {why}" for worker, why in run["workers_off"].items())
    if now == "running":
        yield from (line.plain for line in lines(run["workers"]))
        return
    if now == "dead":
        silent = silent_for(run)
        known = f" for {clock(silent)}" if silent < float("inf") else ""
        yield f"no sign of life{known}: it was killed, or its machine cannot reach the output"
    if run["remaining"]:
        yield "what is finished is kept; the same `stylepress render` again goes on with what is missing"


def _counted(run: dict[str, Any]) -> str:
    counts = [f"{run['rendered']} rendered", f"{run['skipped']} already there"]
    counts += [f"{run[name]} {word}" for name, word in (("failed", "failed"), ("remaining", "to do")) if run[name]]
    left = left_in_words(run["left_seconds"]) if is_alive(run) else ""
    return f"{', '.join(counts)} of {run['cells']} cells{left}"


def follow(store: Store, shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Show runs on stderr until each has ended, or seems dead.

    Args:
        store: the output.
        shown: the runs, as `find` gives them.

    Returns:
        The same runs as they are then.

    Raises:
        StorageError: the output can no longer be reached.
    """
    every = _LOOK_BUCKET if store.url.startswith("s3://") else _LOOK_LOCAL
    if not sys.stderr.isatty():
        return _follow_in_lines(store, shown, every)
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        while any(map(is_alive, shown)):
            live.update(Group(*map(View, shown)), refresh=True)
            time.sleep(every)
            shown = _again(store, shown)
    return shown


def _follow_in_lines(store: Store, shown: list[dict[str, Any]], every: float) -> list[dict[str, Any]]:
    said = float("-inf")
    while any(map(is_alive, shown)):
        if time.monotonic() - said >= _LINE:
            said = time.monotonic()
            complain(*map(_counted, shown))
        time.sleep(every)
        shown = _again(store, shown)
    return shown


def _again(store: Store, shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs as their files say now; a file that is gone or cannot be read tells what it told before."""
    return [_checked(read_run(store, file_name(str(run.get("run")))) or run) for run in shown]


def _checked(run: dict[str, Any]) -> dict[str, Any]:
    """A run's file with everything that is shown there and of its kind: it may be of another version."""
    counts = {name: value if isinstance(value := run.get(name), int) else 0 for name in _COUNTS}
    lists = {n: value if isinstance(value := run.get(n), list) else [] for n in ("workers", "failures")}
    lists = {n: [part for part in value if isinstance(part, dict)] for n, value in lists.items()}
    times = {n: value if isinstance(value := run.get(n), int | float) else None for n in ("seconds", "left_seconds")}
    off = value if isinstance(value := run.get("workers_off"), dict) else {}
    return {**run, **counts, **lists, **times, "seconds": times["seconds"] or 0.0, "workers_off": off}
