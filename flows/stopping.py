"""How a worker learns that a run no longer wants its work where it has no other line to it: from the run's file."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flows.live import file_name, is_alive
from flows.store import StorageError, Store

LOOK = 1.0
"""Seconds between two looks at the run's file."""


@contextmanager
def told_to_stop(store: Store, run: str) -> Iterator[Callable[[], bool]]:
    """Follow a run's file while the block goes on.

    Args:
        store: the output.
        run: the run's id; empty where nobody will say anything.

    Yields:
        A function that tells whether the run has ended, wishes to, or gives no more signs of life.
    """
    wished, left = threading.Event(), threading.Event()
    if not run:
        yield wished.is_set
        return

    def follow() -> None:
        token, said = "", {}
        while not left.wait(LOOK) and not wished.is_set():
            try:
                entry = store.stat(file_name(run))
                if entry and entry.token != token:
                    token, said = entry.token, _read(store, run)
            except (StorageError, FileNotFoundError):
                continue  # a storage that is gone ends the work where it publishes
            if said and (said.get("stopped") or not is_alive(said)):
                wished.set()

    follower = threading.Thread(target=follow, name="run-file", daemon=True)
    follower.start()
    try:
        yield wished.is_set
    finally:
        left.set()
        follower.join()


def _read(store: Store, run: str) -> dict[str, Any]:
    try:
        said = json.loads(store.read(file_name(run)))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
