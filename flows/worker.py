"""A worker's side: renders a chunk of cells with a warm model and publishes each picture as soon as it is done."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from flows.aside import Aside
from flows.assembly import core_cell, files
from flows.checkpoints import Checkpoints
from flows.devices import rest_while_waiting
from flows.keys import Encoders
from flows.pictures import named, read_input
from flows.publish import Publisher, device_name
from flows.receipts import read_receipt, receipt_name
from flows.store import StorageError, Store, open_store
from stylecore import images
from stylecore.errors import PictureError, StylepressError, WeightsError
from stylecore.settings import Settings

if TYPE_CHECKING:
    from stylecore.rendering import Cell, Progress, Result


@dataclass(frozen=True)
class Order:
    """One cell that a worker is asked for.

    Attributes:
        key: its key.
        name: path of its picture in the output.
        cell: the cell as `keys.described` gives it.
        encoder: its encoder as the manifest writes it, which may name a file that `cell` does not.
    """

    key: str
    name: str
    cell: dict[str, Any]
    encoder: str | dict[str, str]


@dataclass(frozen=True)
class Chunk:
    """Cells that one worker renders in one go.

    Attributes:
        orders: the cells.
        manifest_url: where relative weights lie.
        root: where the pictures lie.
        to: the output.
        format: of the pictures.
        embed: what they carry.
        checkpoint: seconds between two checkpoints of a cell; None for none.
        submitted: when the chunk was handed out last, in seconds of the epoch.
        begun: when it was handed out first.
    """

    orders: tuple[Order, ...]
    manifest_url: str
    root: str
    to: str
    format: str
    embed: str
    checkpoint: float | None = None
    submitted: float = 0.0
    begun: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for a task's parameters."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Chunk:
        """The chunk that `to_dict` described."""
        return cls(**{**values, "orders": tuple(Order(**order) for order in values["orders"])})


@dataclass(frozen=True)
class Outcome:
    """What became of one cell: `rendered` or `failed`; the message says why, or what was done otherwise than asked."""

    key: str
    name: str
    status: str
    kind: str = ""
    message: str = ""


@dataclass
class _Line:
    """This process's line to the run that started it; empty on a cluster."""

    messages: Any = None
    stop: Any = None
    device: str = ""

    def say(self, *message: Any) -> None:
        if self.messages is not None:
            self.messages.put(message)

    def should_stop(self) -> bool:
        return self.stop is not None and bool(self.stop.is_set())


_line = _Line()  # one for a process's life: set by `attach` before the first task


def attach(messages: Any, stop: Any, devices: Any, threads: int | None) -> None:
    """Bind this process to a device and to its run; called once, before torch is imported.

    Args:
        messages: queue for progress.
        stop: event after which the current step is the last.
        devices: queue of device identifiers; one is taken.
        threads: CPU threads of this process, None for all cores.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the run, which sets `stop`
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    device = devices.get(timeout=60)
    if device != "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    _line.messages, _line.stop, _line.device = messages, stop, "cpu" if device == "cpu" else "cuda:0"


def _end_with_the_run() -> None:
    """End this process when the run that started it is killed: nobody would take its results or stop it."""
    run = multiprocessing.parent_process()
    if run is not None:
        run.join()
        os._exit(1)


@dataclass
class _Prepared:
    """Orders whose pictures are read, beside the core's cells made of them.

    Pictures are held as files, each once: decoded ones would take a hundred times the memory.
    """

    orders: list[Order] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


def render_chunk(chunk: Chunk, attempts: int = 1) -> list[Outcome]:
    """Render what a chunk still lacks and publish it.

    Args:
        chunk: the cells.
        attempts: how often this chunk was begun, this time included.

    Returns:
        An outcome for each cell; cells that a stop left unfinished have none.

    Raises:
        StorageError: the output or the root cannot be reached; what was published until then stays.
    """
    began = time.time()
    store, root = open_store(chunk.to, confine=False), open_store(chunk.root)
    finished = finished_before(chunk) if attempts > 1 else set()
    outcomes = [Outcome(order.key, order.name, "rendered") for order in chunk.orders if order.key in finished]
    wanted = [order for order in chunk.orders if order.key not in finished]
    prepared = _Prepared()
    for order in wanted:
        try:
            prepared.cells.append(_cell(order, root, Encoders(chunk.manifest_url), prepared.files))
            prepared.orders.append(order)
        except StorageError as error:
            if error.transient or root.url.startswith("s3://"):
                raise
            outcomes.append(_failed(order, error))
        except StylepressError as error:
            outcomes.append(_failed(order, error))
    for outcome in outcomes:
        _line.say("done", outcome.key, outcome.status)
    return outcomes + _rendered(prepared, chunk, store, began - (chunk.submitted or began), attempts)


def finished_before(chunk: Chunk) -> set[str]:
    """Keys of a chunk that were published since it was begun."""
    store = open_store(chunk.to, confine=False)
    since = datetime.fromtimestamp(chunk.begun or chunk.submitted, UTC).isoformat(timespec="seconds")
    receipts = (read_receipt(store, receipt_name(order.key)) for order in chunk.orders)
    return {r["key"] for r in receipts if r and str(r.get("finished", "")).replace("Z", "+00:00") >= since}


def _rendered(prepared: _Prepared, chunk: Chunk, store: Store, queued: float, attempts: int) -> list[Outcome]:
    """Render cells and, aside of that, encode and publish those that are finished."""
    rest_while_waiting()
    from stylecore.rendering import render

    if _line.should_stop():
        return []
    device = _line.device or _best_device()
    publisher = Publisher(store, chunk.format, chunk.embed, device_name(device))

    def report(progress: Progress) -> None:
        keys = [prepared.orders[index].key for index in progress.indices]
        _line.say("step", keys, progress.step, progress.steps, progress.losses, progress.size)

    kept = None
    if chunk.checkpoint:
        kept = Checkpoints(store, [order.key for order in prepared.orders], chunk.checkpoint)
    with Aside[Outcome]() as aside:

        def settle(result: Result) -> Outcome:
            order = prepared.orders[result.index]
            if result.failure:
                outcome = _failed(order, _named(result.failure, order, prepared.files))
            else:
                outcome = _published(order, result, publisher, queued, attempts)
            if kept:
                kept.remove(result.index)
            _line.say("done", outcome.key, outcome.status)
            return outcome

        def stopped() -> bool:
            return _line.should_stop() or aside.failed()

        for result in render(prepared.cells, device=device, on_step=report, should_stop=stopped, checkpoints=kept):
            aside.call(partial(settle, result), result.nbytes)
    return aside.answers()


def _published(order: Order, result: Result, publisher: Publisher, queued: float, attempts: int) -> Outcome:
    try:
        publisher.publish(order.key, order.name, order.cell, result, queued=queued, attempts=attempts)
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever ails one picture, the others are published
        return _failed(order, error)
    return Outcome(order.key, order.name, "rendered", message="; ".join(result.notes))


def _failed(order: Order, error: Exception) -> Outcome:
    kind = error.kind if isinstance(error, StylepressError) else "error"
    message = str(error) if isinstance(error, StylepressError) else f"{type(error).__name__}: {error}"
    return Outcome(order.key, order.name, "failed", kind, message)


def _named(failure: StylepressError, order: Order, read: dict[str, bytes]) -> StylepressError:
    """The failure, with the name of the picture that cannot be decoded: the core knows its bytes only."""
    if isinstance(failure, PictureError):
        for _, described in files(order.cell):
            try:
                images.read(read[described["sha256"]])
            except PictureError as error:
                return PictureError(named(error, described["name"]))
    return failure


def _best_device() -> str:
    """Device of a process that nobody attached: a cluster's scheduler has chosen what it may see."""
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def _cell(order: Order, root: Store, encoders: Encoders, read: dict[str, bytes]) -> Cell:
    """The core's cell of an order, its pictures read; `read` holds what is read already, by digest.

    Raises:
        PictureError: a picture is gone, or no longer what was planned.
        WeightsError: the weights here are not those of the plan.
        StorageError: a picture cannot be read.
    """
    settings = dict(order.cell["settings"])
    source = encoders.source(order.encoder)
    if source.digest != order.cell["weights"]["digest"]:
        raise WeightsError(
            f"the weights of {source.name} on this machine are others than those the run was planned with"
        )
    if isinstance(order.encoder, dict):
        settings["encoder"] = {**order.encoder, "weights": str(source.path)}
    return core_cell(order.cell, Settings(**settings), lambda _, described: _file(described, root, read))


def _file(described: dict[str, Any], root: Store, read: dict[str, bytes]) -> bytes:
    name, digest = described["name"], described["sha256"]
    if digest not in read:
        try:
            data = read_input(name, root)
        except FileNotFoundError:
            raise PictureError(f"{name} was there when the run was planned and is gone now") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise PictureError(f"{name} was changed while the run was under way; start the run again")
        read[digest] = data
    return read[digest]
