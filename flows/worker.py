"""A worker's side: renders a chunk of cells with a warm model and publishes each picture as soon as it is done."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from flows.aside import Aside
from flows.assembly import Alike, core_cell, files
from flows.checkpoints import Checkpoints
from flows.choosing import Choice, RefusedError, check_versions, finished_before
from flows.devices import memory_in_use, rest_while_waiting
from flows.dispatch import MACHINE
from flows.keys import Encoders
from flows.orders import Chunk, Order, Outcome
from flows.pictures import named, read_input
from flows.publish import Publisher, device_name
from flows.stopping import told_to_stop
from flows.store import StorageError, Store, open_store
from stylecore import images
from stylecore.errors import PictureError, StylepressError, WeightsError

if TYPE_CHECKING:
    from stylecore.rendering import Cell, Progress, Result


@dataclass
class _Line:
    """This process's line to the run that started it; empty on a cluster."""

    messages: Any = None
    stop: Any = None
    device: str = ""
    label: str = ""

    def say(self, *message: Any) -> None:
        if self.messages is not None:
            self.messages.put(message)

    def should_stop(self) -> bool:
        return self.stop is not None and bool(self.stop.is_set())

    def who(self, name: str) -> dict[str, Any]:
        """This worker as its progress names it: what tells it apart, its device and memory, and what it is at."""
        return {"worker": os.getpid(), "device": self.label, "memory": memory_in_use(self.device), "name": name}


_line = _Line()  # one for a process's life: set by `attach` before the first task


def attach(messages: Any, stop: Any, device: str, threads: int | None) -> None:
    """Bind this process to a device and to its run; called once, before torch is imported.

    Args:
        messages: queue for progress.
        stop: flag after which the current step is the last.
        device: `cpu`, or a GPU's identifier.
        threads: CPU threads of this process, None for all cores.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group, by a terminal or a Prefect worker
        signal.signal(number, signal.SIG_IGN)  # they reach the run, which sets `stop`
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    if device != "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    _line.messages, _line.stop, _line.device = messages, stop, "cpu" if device == "cpu" else "cuda:0"
    _line.label = f"cuda:{device}" if device.isdigit() else device


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
    alike: Alike = field(default_factory=Alike)


def render_chunk(chunk: Chunk, attempts: int = 1, device: str = "") -> list[Outcome]:
    """Render what a chunk still lacks and publish it.

    Args:
        chunk: the cells.
        attempts: how often this chunk was begun, this time included.
        device: where, such as `cuda:1`; by default the one that this process is bound to, or the best.

    Returns:
        An outcome for each cell; cells that a stop left unfinished, or that the chunk's limit left unbegun, have none.

    Raises:
        RefusedError: this worker has another version of the package or of a method, or other weights.
        StorageError: the output or the root cannot be reached; what was published until then stays.
    """
    began = time.time()
    check_versions(chunk)
    store, root = open_store(chunk.to, confine=False), open_store(chunk.root)
    finished = finished_before(chunk) if attempts > 1 or chunk.shared else set()
    status = "rendered" if attempts > 1 else "done"
    outcomes = [Outcome(order.key, order.name, status) for order in chunk.orders if order.key in finished]
    wanted = [order for order in chunk.orders if order.key not in finished]
    prepared, encoders = _Prepared(), Encoders(chunk.manifest_url)
    for order in wanted:
        try:
            prepared.cells.append(_cell(order, root, encoders, prepared))
            prepared.orders.append(order)
        except StorageError as error:
            if error.transient or root.url.startswith("s3://"):
                raise
            outcomes.append(_failed(order, error))
        except RefusedError:
            raise
        except StylepressError as error:
            outcomes.append(_failed(order, error))
    for outcome in outcomes:
        _line.say("done", outcome.key, outcome.status)
    queued = began - (chunk.submitted or began)
    return outcomes + _rendered(prepared, chunk, store, queued, attempts, device or _line.device)


def _rendered(
    prepared: _Prepared, chunk: Chunk, store: Store, queued: float, attempts: int, device: str
) -> list[Outcome]:
    """Render cells and, aside of that, encode and publish those that are finished."""
    warm_up()
    from stylecore.rendering import render

    if _line.should_stop():
        return []
    device = device or _best_device()
    publisher = Publisher(store, chunk.format, chunk.embed, device_name(device))
    kept = None
    if chunk.checkpoint:
        kept = Checkpoints(store, [order.key for order in prepared.orders], chunk.checkpoint)
    choice = Choice(chunk, store, prepared.orders, _line.say)
    with (
        told_to_stop(store, "" if _line.stop else chunk.run) as run_ended,
        Aside[Outcome]() as aside,
    ):

        def settle(result: Result) -> Outcome:
            order = prepared.orders[result.index]
            if result.failure:
                outcome = _failed(order, _named(result.failure, order, prepared.files))
            elif choice.done_elsewhere(order):  # its bytes may differ on a GPU, and its receipt would be of others
                outcome = Outcome(order.key, order.name, "done")
            else:
                outcome = _published(order, result, publisher, queued, attempts)
            if kept:
                kept.remove(result.index)
            if outcome.kind not in MACHINE:  # those may be tried again
                _line.say("done", outcome.key, outcome.status)
            return outcome

        def stopped() -> bool:
            return _line.should_stop() or run_ended() or aside.failed()

        for result in render(
            prepared.cells,
            device=device,
            on_step=partial(_report, prepared.orders),
            should_stop=stopped,
            wanted=choice.wanted,
            checkpoints=kept,
        ):
            aside.call(partial(settle, result), result.nbytes)
    return choice.done + aside.answers()


def _report(orders: list[Order], progress: Progress) -> None:
    told = [orders[index] for index in progress.indices]
    keys, who = [order.key for order in told], _line.who(told[0].name)
    _line.say("step", keys, progress.step, progress.steps, progress.losses, progress.size, who)


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


def warm_up() -> None:
    """Load what rendering needs, once for a process's life."""
    rest_while_waiting()
    import stylecore.rendering  # noqa: F401


def _best_device() -> str:
    """Device of a process that nobody attached: a cluster's scheduler has chosen what it may see."""
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def _cell(order: Order, root: Store, encoders: Encoders, prepared: _Prepared) -> Cell:
    """The core's cell of an order, its pictures read unless an order before it has them.

    Raises:
        PictureError: a picture is gone, or no longer what was planned.
        RefusedError: the weights here are not those of the plan.
        StorageError: a picture cannot be read.
    """
    settings = dict(order.cell["settings"])
    try:
        source = encoders.source(order.encoder)
    except WeightsError as error:
        raise RefusedError(f"it has no such weights: {error}") from None
    if source.digest != order.cell["weights"]["digest"]:
        raise RefusedError(f"its weights of {source.name} are others than those that the run was planned with")
    if isinstance(order.encoder, dict):
        settings["encoder"] = {**order.encoder, "weights": str(source.path)}
    found = prepared.alike.settings(settings)
    return core_cell(order.cell, found, lambda _, described: _file(described, root, prepared.files))


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
