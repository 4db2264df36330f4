"""What runs have left in an output: receipts, and a file for each run; one may still be under way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from flows.live import is_alive
from flows.receipts import Ledger, read_ledger
from flows.store import Store, open_store
from stylecore.errors import StylepressError

_SHEETS = (".png", ".jpg", ".webp", ".pdf")
_RECENT = 20  # newest runs among which some may be under way


def open_output(url: str, log: Callable[[str], None]) -> tuple[Store, Ledger]:
    """An output's store and ledger.

    Args:
        url: folder or s3://bucket/prefix.
        log: takes a line for each receipt that cannot be read.

    Raises:
        StylepressError: there is neither a receipt nor the file of a run, so it is no output.
        StorageError: it cannot be reached.
    """
    store = open_store(url, confine=False)
    if url.startswith("s3://"):
        store.check_readable()
    ledger = read_ledger(store)
    for name in ledger.broken:
        log(f"{name} is no receipt of this version and is left out")
    if not ledger.receipts and not last_run(store):
        expected = "expected a folder or prefix that `stylepress render` has written"
        raise StylepressError(f"{url} holds no receipts; {expected}")
    return store, ledger


def runs(store: Store) -> Iterator[dict[str, Any]]:
    """The files in `runs/` that can be read, newest first."""
    names = sorted(entry.name for entry in store.list("runs/") if entry.name.endswith(".json"))
    yield from filter(None, (read_run(store, name) for name in reversed(names)))


def read_run(store: Store, name: str) -> dict[str, Any]:
    """A file in `runs/`, or an empty mapping where it cannot be read as one."""
    try:
        run = json.loads(store.read(name))
    except (ValueError, RecursionError, FileNotFoundError):
        return {}
    return run if isinstance(run, dict) else {}


def last_run(store: Store) -> dict[str, Any]:
    """The newest file in `runs/`, or an empty mapping."""
    return next(runs(store), {})


def live_runs(store: Store, but: str = "") -> list[dict[str, Any]]:
    """Runs that are under way in an output, newest first: their files say so, and were written lately.

    The newest files are looked at only. Clocks of machines that share an output may differ by a minute.

    Args:
        store: the output.
        but: id of a run to leave out: of the one that asks.
    """
    return [run for run in islice(runs(store), _RECENT) if run.get("run") != but and is_alive(run)]


def title_of(run: dict[str, Any]) -> str:
    """What a run's manifest was called."""
    return str((run.get("manifest") or {}).get("name") or "untitled")


def drawn_sheets(store: Store, run: dict[str, Any]) -> list[str]:
    """Paths of a run's contact sheets that are still there; where the run names none, of all in the output.

    Args:
        store: the output.
        run: as `last_run` gives it; its order is kept, others are sorted as people count.
    """
    there = {entry.name for entry in store.list("sheets/") if entry.name.endswith(_SHEETS)}
    named = run.get("sheets")
    kept = [name for name in named if isinstance(name, str) and name in there] if isinstance(named, list) else []
    return kept or sorted(there, key=_as_counted)


def _as_counted(name: str) -> list[int | str]:
    """Sorts `x-2` before `x-10`: texts and numbers take turns."""
    return [int(part) if n % 2 else part for n, part in enumerate(re.split(r"(\d+)", name))]
