"""A run's file in `runs/`: written when the run begins, as it goes, and when it ends; and what others read from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flows.publish import now
from flows.receipts import encoded
from flows.store import StorageError, Store
from flows.summary import Summary

DEAD_AFTER = 180.0
"""Seconds without a sign of life after which a run is taken for dead."""

_EVERY_LOCAL, _EVERY_BUCKET = 5.0, 15.0  # seconds between two looks at whether something changed
_SIGN_OF_LIFE = 60.0  # seconds after which the file is written again though nothing changed
_MOST_FAILURES = 100  # listed while a run goes, so that its file stays small; the last one has all of them

Seen = Callable[[], dict[str, Any]]
"""Tells what is known of a run beside its summary while it goes: see `watching.Watch.seen`."""


def file_name(run: str) -> str:
    """Name of a run's file in the output."""
    return f"runs/{run}.json"


@contextmanager
def kept(store: Store, summary: Summary, seen: Seen = dict) -> Iterator[Callable[[], None]]:
    """Keep a run's file up to date until the block ends, however it ends.

    Args:
        store: the output.
        summary: the run's; the last file holds it as it is when the block ends.
        seen: what is known beside it while the run goes.

    Yields:
        A function that writes the file at once.

    Raises:
        StorageError: the first or the last file cannot be written. One in between may fail.
    """
    file = _File(store, summary, seen)
    file.write(file.under_way())
    ended = threading.Event()
    teller = threading.Thread(target=file.keep, args=(ended,), name="run-file", daemon=True)
    teller.start()
    try:
        yield lambda: file.write(file.under_way())
    except BaseException as error:
        summary.stopped = summary.stopped or _reason(error)
        ended.set()
        teller.join()
        with suppress(StorageError):  # what ended the run is told, not that its file could not say so
            file.write(file.at_last())
        raise
    ended.set()
    teller.join()
    file.write(file.at_last())


@dataclass
class _File:
    store: Store
    summary: Summary
    seen: Seen
    began: float = field(default_factory=time.monotonic)

    def keep(self, ended: threading.Event) -> None:
        """Write the file whenever something changed, and as a sign of life, until the run has ended."""
        every = _EVERY_BUCKET if self.store.url.startswith("s3://") else _EVERY_LOCAL
        last, silent = _changing(self.under_way()), 0.0
        while not ended.wait(every):
            silent += every
            document = self.under_way()
            if _changing(document) != last or silent >= _SIGN_OF_LIFE:
                with suppress(StorageError):  # a storage that is gone ends the run where it publishes
                    self.write(document)
                    last, silent = _changing(document), 0.0

    def under_way(self) -> dict[str, Any]:
        """What the file says while the run goes; cells that workers told of count before their chunk is finished."""
        known, document = self.seen(), self.at_last()
        for name in ("rendered", "failed"):
            document[name] = max(document[name], known.get(name, 0))
        document["remaining"] = max(0, document["cells"] - sum(document[n] for n in ("rendered", "skipped", "failed")))
        document["failures"] = document["failures"][-_MOST_FAILURES:]
        if self.summary.stopped:  # sheets may take longer than a run that is cancelled has got
            return document
        return {**document, "state": "running", **{name: known[name] for name in known if name not in document}}

    def at_last(self) -> dict[str, Any]:
        """What the file says when the run has ended."""
        self.summary.seconds = time.monotonic() - self.began
        return self.summary.to_dict()

    def write(self, document: dict[str, Any]) -> None:
        document = {**document, "to": ".", "updated": now()}
        self.store.write(file_name(self.summary.run), encoded(document), "application/json")


def is_running(run: dict[str, Any]) -> bool:
    """Whether a run's file says that it is under way; one that was killed says so for ever."""
    return run.get("state") == "running"


def is_alive(run: dict[str, Any]) -> bool:
    """Whether a run is under way and has given a sign of life lately."""
    return is_running(run) and silent_for(run) < DEAD_AFTER


def silent_for(run: dict[str, Any]) -> float:
    """Seconds since a run's file was written; infinite where it does not say."""
    try:
        updated = datetime.fromisoformat(str(run.get("updated")).replace("Z", "+00:00"))
        return max(0.0, (datetime.now(UTC) - updated).total_seconds())
    except (ValueError, TypeError):
        return float("inf")


def _changing(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("seconds", "updated")}


def _reason(error: BaseException) -> str:
    """Why a run ended, in a word: the kind of the error, or `interrupted` for what is none."""
    return str(getattr(error, "kind", "error")) if isinstance(error, Exception) else "interrupted"
