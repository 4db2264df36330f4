"""One run of a manifest: plan, chunks, renders, sheets, gallery and a summary. Prefect carries it; this decides."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows import checkpoints, chunks, gallery, holdings, live, manifest, plan, previews, shards, sheets, shelf
from flows.chunks import Work
from flows.inputs import output_of, root_of
from flows.keys import Encoders
from flows.manifest import Loaded
from flows.naming import label
from flows.orders import Chunk, Outcome
from flows.others import Others
from flows.plan import Item, Plan
from flows.receipts import read_ledger, read_receipt, receipt_name
from flows.store import StorageError, Store, open_store
from flows.summary import Summary, as_run, root_seen_from
from stylecore import weights
from stylecore.errors import StylepressError


def read_manifest(url: str, overrides: list[str] | None = None, *, lenient: bool = False) -> Loaded:
    """Read a manifest from a file or an s3:// address; `lenient` as `manifest.load` has it.

    Raises:
        ManifestError: with every mistake.
        StylepressError: there is no such file, or it is no text.
    """
    folder, _, name = url.rpartition("/") if url.startswith("s3://") else ("", "", url)
    try:
        if folder:
            data = open_store(folder).read(name)
        else:
            path = Path(url)
            if path.exists() and not path.is_file():
                raise StylepressError(f"{url} is not a file; expected a manifest in YAML")
            data = path.read_bytes()
        return manifest.load(data.decode(), url, overrides, lenient=lenient)
    except (FileNotFoundError, NotADirectoryError):
        raise StylepressError(f"there is no manifest {url}; `stylepress init DIR` makes one to start from") from None
    except UnicodeDecodeError:
        raise StylepressError(f"{url} is not text in UTF-8; expected a manifest in YAML") from None
    except OSError as error:
        raise StylepressError(f"{url} cannot be read: {error.strerror}") from None


def target(loaded: Loaded, to: str | None) -> str:
    """Address of the output: `--to` from the current folder, else `output.to` from the manifest's, else out/<name>."""
    if to:
        return to if "://" in to else str(Path(to).expanduser().absolute())
    return output_of(loaded)


def open_target(loaded: Loaded, to: str | None) -> Store:
    """The output's store; its own symbolic links may lead anywhere, a user may spread it over disks."""
    return open_store(target(loaded, to), confine=False)


def new_run_id() -> str:
    """An id that sorts by time: 20261120T061500Z-1f3a."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


class Stop:
    """A wish to end: set by Ctrl-C or SIGTERM, by too many failures, or by storage that is gone."""

    def __init__(self) -> None:
        self.reason = ""

    def wish(self, reason: str) -> None:
        """Ask for an end; the first reason counts."""
        self.reason = self.reason or reason

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a wish; a second signal ends the process as usual."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def wish(number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a handler
            self.wish("interrupted")
            for known, handler in before.items():
                signal.signal(known, handler)

        for number in before:
            signal.signal(number, wish)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


Carry = Callable[[Work, Callable[[Outcome], None], Stop], None]
"""Carries work out, tells each outcome, and ends soon after a stop is wished for."""


@dataclass(frozen=True)
class Batch:
    """A manifest planned against its output.

    Attributes:
        loaded: the manifest.
        store: the output.
        plan: what is to be done.
        summary: filled in as the run goes.
    """

    loaded: Loaded
    store: Store
    plan: Plan
    summary: Summary


def prepare(url: str, to: str | None, overrides: list[str], limit: int | None, shard: str | None = None) -> Batch:
    """Read and plan a manifest, or a shard of it such as `2/4`, and make sure that its output can be written.

    Raises:
        StylepressError: of every kind; nothing was rendered.
    """
    if limit is not None and limit < 1:
        raise StylepressError(f"limit: expected a number of cells of at least 1, got {limit}")
    part = shards.parse(shard)
    loaded = read_manifest(url, overrides)
    store = open_target(loaded, to)
    store.check_writable()
    planned = plan.make(loaded, store, limit=limit, shard=part)
    _fetch_weights(planned, loaded)
    summary = Summary(new_run_id(), as_run(loaded), store.url, cells=len(planned.items))
    summary.skipped = planned.reasons().get("done", 0)
    summary.axes = {name: labels for name, labels in planned.orders.items() if len(labels) > 1}
    summary.inputs_root = root_seen_from(store.url, root_of(loaded))
    return Batch(loaded, store, planned, summary)


def _fetch_weights(planned: Plan, loaded: Loaded) -> None:
    """Bring the weights that cells need to this machine, once and before any worker asks for them."""
    encoders = Encoders(loaded.url)
    for encoder in planned.encoders():
        weights.fetch(encoders.source(encoder))


def make_chunks(batch: Batch, workers: int, say: Callable[[], None] = lambda: None) -> Work:
    """What is to be rendered, to be cut into chunks among so many workers.

    Where other runs are under way in the output, every second one of them begins with the last cell.
    """
    output, run = batch.loaded.manifest.output, batch.loaded.manifest.run
    others = Others(batch.store, batch.summary.run)
    common = Chunk(
        orders=(),
        manifest_url=_absolute(batch.loaded.url),
        root=_absolute(root_of(batch.loaded)),
        to=_absolute(batch.store.url),
        format=output.format,
        embed=output.embed,
        checkpoint=run.checkpoint,
        begun=time.time(),
        run=batch.summary.run,
        stylepress=version("stylepress"),
    )
    stock = chunks.stock(batch.plan, run.chunk, workers, reverse=others.earlier() % 2 == 1)
    return Work(stock, common, workers, others.there, say, batch.summary.workers_off)


def _absolute(url: str) -> str:
    """An address that means the same on a worker with another current folder."""
    return url if "://" in url or url.startswith("file:") else os.path.abspath(url)  # noqa: PTH100 - links stay as named


def carry_out(batch: Batch, carry: Carry, workers: int, log: Callable[[str], None], seen: live.Seen = dict) -> Summary:
    """Render what the plan asks for, then make sheets, gallery and the run's file.

    Args:
        batch: the prepared run.
        carry: carries chunks out.
        workers: how many chunks are worked on at a time.
        log: takes lines about what happens.
        seen: tells what the workers do, for the run's file.

    Raises:
        StylepressError: the environment is at fault and nothing more can be rendered; what is published stays.
    """
    summary = batch.summary
    for item in batch.plan.of_kind("bad input"):
        fault = next(p for p in item.cell.pictures if p.fault)
        summary.failures.append(failure(batch, item, fault.kind, fault.fault))
    todo = batch.plan.to_render()
    allowed = batch.loaded.manifest.run.failures_allowed(len(todo))
    known = len(summary.failures)
    stop = Stop()

    def take(outcome: Outcome) -> None:
        if outcome.status == "failed":
            if item := batch.plan.find(outcome.key):
                summary.failures.append(failure(batch, item, outcome.kind, outcome.message))
            log(f"failed: {outcome.name}: {outcome.message}")
            if len(summary.failures) - known > allowed:
                stop.wish("max_failures")
        elif outcome.status == "done":
            summary.skipped += 1
        else:
            summary.rendered += 1
            if outcome.message:
                log(f"{outcome.name}: {outcome.message}")

    with live.kept(batch.store, summary, seen) as write:

        def say() -> None:
            summary.stopped = stop.reason
            write()

        with _previews(batch, log), stop.on_signals():
            if todo:
                carry(make_chunks(batch, workers, say), take, stop)
        summary.stopped = stop.reason if summary.remaining else ""
        with suppress(StorageError):  # as any other that is written on the way
            write()
        summary.work_seconds = summary.seconds  # so that the gallery tells the same time now and when it is built again
        finish(batch, log)
        shared = Others(batch.store, summary.run).there()
        checkpoints.clear(batch.store, lambda key: _goes_on(batch, key, shared))
    return summary


def _goes_on(batch: Batch, key: str, shared: bool) -> bool:
    """Whether the next run, or another one in this output, goes on with a cell."""
    if read_receipt(batch.store, receipt_name(key)):
        return False
    item = batch.plan.find(key)
    return shared or (item is not None and item.to_render)


@contextmanager
def _previews(batch: Batch, log: Callable[[str], None]) -> Iterator[None]:
    """Make previews of the inputs aside of what is done meanwhile, and wait for them; an error of that ends them."""
    ended = threading.Event()
    with ThreadPoolExecutor(1, "previews") as thread:
        arguments = batch.plan.pictures, root_of(batch.loaded), batch.store, log, ended.is_set
        made = thread.submit(previews.make, *arguments)
        try:
            yield
            made.result()
        finally:
            ended.set()


def failure(batch: Batch, item: Item, kind: str, message: str) -> dict[str, Any]:
    """A failed cell as summaries list it, without folders of this machine; `values` places it on contact sheets."""
    values = {name: label(item.cell, name) for name in ("content", "style", *batch.plan.varying)}
    folders = {_absolute(batch.store.url): "the output", _absolute(root_of(batch.loaded)): "inputs.root"}
    folders[os.path.expanduser("~")] = "~"  # noqa: PTH111 - Path.expanduser raises without a home
    for folder, said in sorted(folders.items(), key=lambda pair: -len(pair[0])):
        if len(folder) > 1:
            message = message.replace(folder, said)
    return {"cell": item.name, "key": item.key, "kind": kind, "message": message, "values": values}


def finish(batch: Batch, log: Callable[[str], None]) -> None:
    """Make contact sheets and the gallery; neither of them stops a run."""
    summary = batch.summary
    ledger = read_ledger(batch.store)
    try:
        shown = shelf.of_plan(batch.plan, ledger, summary.failures)
        summary.axes = shown.axes
        asked, root = batch.loaded.manifest, root_of(batch.loaded)
        summary.sheets = sheets.build(batch.store, shown, asked.sheets, asked.name, log, root)
        ending = {**summary.to_dict(), "to": "."}
        summary.gallery = gallery.build(batch.store, ledger, batch.loaded.manifest.name, summary.sheets, ending)
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever ails a sheet, the pictures are there and the run is told
        log(f"sheets and gallery: {type(error).__name__}: {error}")
    batch.store.sweep()
    if not summary.stopped:
        holdings.remember(batch.store)
