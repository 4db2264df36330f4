"""Carries a run's work through Prefect: one task for each chunk, handed out as workers become free."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.settings import temporary_settings

from flows import engines
from flows.batch import Stop
from flows.choosing import RefusedError, finished_before
from flows.chunks import Work
from flows.devices import choose
from flows.dispatch import Dispatcher, Verdict
from flows.display import Display
from flows.engines import Engine, EngineError
from flows.local_prefect import shielded
from flows.orders import Answer, Chunk, Outcome
from flows.store import StorageError
from flows.worker import render_chunk, warm_up

_TELL = 30.0  # seconds between words on progress
_POLL = 0.2  # seconds between looks at progress, at who is there, and at the wish to stop
_ALONE = 60.0  # seconds that a cluster may be without any worker
_ANSWER = 60.0  # seconds that the answer to a finished task may take
_LEAVE = 60.0  # seconds that workers which read the run's file have to end, before they are left behind


def _worth_retrying(task: Any, run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 - Prefect's signature
    """Whether a chunk may succeed where it is, after a while: another worker would meet the same storage."""
    error = state.data if isinstance(state.data, BaseException) else None
    return isinstance(error, StorageError) and error.transient


@task(name="render-chunk", cache_policy=NO_CACHE, retry_delay_seconds=2, retry_condition_fn=_worth_retrying)
def render_chunk_task(chunk: str, begun: int, device: str = "") -> str:
    """Render one chunk on a worker.

    Args:
        chunk: what `Chunk.to_dict` gives, as JSON: Prefect looks into every mapping among a task's parameters.
        begun: how often it was begun on machines that failed it.
        device: where, on a worker that is bound to none.

    Returns:
        What `Answer.to_dict` gives, as JSON.
    """
    context = TaskRunContext.get()
    attempts = begun + (context.task_run.run_count if context else 1)
    warm_up()
    began = time.monotonic()
    answer = Answer()
    try:
        outcomes = render_chunk(Chunk.from_dict(json.loads(chunk)), attempts, device)
        answer = Answer(outcomes, time.monotonic() - began)
    except RefusedError as error:
        answer = Answer(refused=str(error))
    except StorageError as error:
        if error.transient:
            raise
        answer = Answer(storage=str(error))  # no retry helps, and no traceback belongs in a log
    return json.dumps(answer.to_dict())


@dataclass
class Carrier:
    """Carries the work of one run.

    Attributes:
        engine: `local`, `dask` or `ray`.
        address: of a running cluster.
        count: number of workers.
        devices: `run.devices` of the manifest.
        retries: how often a cell is tried again when its worker failed.
        display: shows progress.
        log: takes lines about what happens.
        tell: takes percent done, and the same in words, twice a minute.
    """

    engine: str
    address: str | None
    count: int | None
    devices: str | int | list[str]
    retries: int
    display: Display
    log: Callable[[str], None]
    tell: Callable[[float, str], None]

    def __call__(self, work: Work, take: Callable[[Outcome], None], stop: Stop) -> None:
        """Carry out all work; see `batch.Carry`.

        Raises:
            StorageError: the storage refuses, so that nothing more can be rendered.
            EngineError, DeviceError: the workers cannot be started, or none is left.
        """
        # workers call no server: one that is started after the server has gone works as well
        alone = temporary_settings({"client.server_version_check_enabled": False})
        with self.display, alone, engines.start(self.engine, self.address, self.count, self.devices) as workers:
            _Carrying(self, workers, work, take, stop).run()

    def slots(self) -> int:
        """Workers to divide the work for, as far as it is known beforehand."""
        return len(choose(self.devices, self.count)) if not self.address else self.count or 8


@dataclass
class _Carrying:
    """One run's work while it is carried."""

    carrier: Carrier
    engine: Engine
    work: Work
    take: Callable[[Outcome], None]
    stop: Stop
    chunks: dict[str, tuple[Any, Chunk]] = field(default_factory=dict)  # future and chunk at work, by worker
    finished: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    left: float | None = None
    told: float = field(default_factory=time.monotonic)
    peopled: float = field(default_factory=time.monotonic)
    asked: float | None = None

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(self.work.stock, self.carrier.retries)
        self.carrier.display.model = lambda: self.left

    def run(self) -> None:
        """Hand out chunks and take their answers, until all is done or a stop is wished for."""
        while self.chunks or not (self.stop.reason or self.dispatcher.over):
            self._see_who_is_there()
            if self.stop.reason:
                self._ask_to_end()
            else:
                for worker in sorted(self.dispatcher.active):
                    self._hand_out(worker)
                self._check_somebody_is_left()
            self._listen()
            with suppress(queue.Empty):
                worker, future = self.finished.get(timeout=_POLL)
                while True:
                    if self.chunks.get(worker, (None,))[0] is future:
                        self._collect(worker, *self.chunks.pop(worker))
                    worker, future = self.finished.get_nowait()

    def _see_who_is_there(self) -> None:
        here = self.engine.here()
        for worker in here - self.dispatcher.known:
            self.dispatcher.join(worker)
        for worker in self.dispatcher.known - here:
            if worker in self.chunks:
                future, chunk = self.chunks.pop(worker)
                future.wrapped_future.cancel()
                self._lose(worker, chunk, "a lost machine")
            self.dispatcher.leave(worker)
        if here:
            self.peopled = time.monotonic()

    def _hand_out(self, worker: str) -> None:
        portion = self.dispatcher.hand_out(worker)
        if portion is None:
            return
        chunk = self.work.chunk(portion)
        carried = render_chunk_task.with_options(
            retries=self.carrier.retries, task_run_name=f"{len(chunk.orders)} cells from {chunk.orders[0].key[:12]}"
        )
        parameters = {"chunk": json.dumps(chunk.to_dict()), "begun": portion.failures}
        try:
            with shielded():
                future = self.engine.submit(worker, carried, parameters)
        except Exception as error:  # noqa: BLE001 - whatever a library chose for a cluster that is gone
            why = f"{type(error).__name__}; what is finished stays"
            raise EngineError(f"the {self.carrier.engine} engine takes no more work: {why}") from None
        self.chunks[worker] = future, chunk
        future.add_done_callback(lambda _: self.finished.put((worker, future)))

    def _check_somebody_is_left(self) -> None:
        if self.chunks or self.dispatcher.over:
            return
        if self.dispatcher.off and not self.dispatcher.active:
            reasons = "; ".join(f"{worker}: {why}" for worker, why in sorted(self.dispatcher.off.items()))
            raise EngineError(f"no worker is left to render, what is finished stays. {reasons}")
        if time.monotonic() - self.peopled > _ALONE:
            raise EngineError(f"the {self.carrier.engine} cluster has had no worker for {_ALONE:.0f} s")

    def _ask_to_end(self) -> None:
        """Ask workers to end; those that have not heard after a while are left behind."""
        if self.asked is None:
            self.asked = time.monotonic()
            self.engine.stop()
            if not self.engine.hears:
                self.work.say()
        elif not self.engine.hears and time.monotonic() - self.asked > _LEAVE:
            for worker in list(self.chunks):
                self._take_published(self.chunks.pop(worker)[1])

    def _listen(self) -> None:
        """Pass on what workers say, and what is known of the whole."""
        for worker, message in self.engine.heard():
            self.carrier.display.hear(message)
            if message[0] == "done":
                self.dispatcher.settle(worker, message[1])
        self.left = self.dispatcher.seconds_left()
        if time.monotonic() - self.told > _TELL:
            self.told = time.monotonic()
            self.carrier.tell(*self.carrier.display.told())

    def _collect(self, worker: str, future: Any, chunk: Chunk) -> None:
        """Take the answer to a chunk, or what goes for one."""
        try:
            # a cluster may lose an answer with the worker that has given it
            said = future.result(timeout=_ANSWER, raise_on_failure=False)
        except Exception as error:  # noqa: BLE001 - a broken pool or cluster raises whatever its library chose
            said = error
        if isinstance(said, str):
            self._answer(worker, chunk, Answer.from_dict(json.loads(said)))
            return
        why = type(said).__name__ if isinstance(said, BaseException) else "an answer that is none"
        if isinstance(said, StorageError):
            why = "its way to the storage"
        self.carrier.log(f"{worker}: {why}")
        if isinstance(said, BaseException) and self.engine.gone(said):
            self._take_published(chunk)
            if self.stop.reason:  # a signal to all processes of a run reaches its own cluster too
                return
            raise EngineError(f"the {self.carrier.engine} cluster has gone away ({why}); what is finished stays")
        self._lose(worker, chunk, why)
        self.engine.renew(worker)

    def _answer(self, worker: str, chunk: Chunk, answer: Answer) -> None:
        if answer.storage:
            self.stop.wish("storage")
            with suppress(StorageError):
                self._take_published(chunk)
            raise StorageError(answer.storage)
        if answer.refused:
            self.dispatcher.refuse(worker, answer.refused)
            self._tell_of_those_taken_off()
            return
        verdicts = {outcome.key: Verdict(outcome.status, outcome.kind) for outcome in answer.outcomes}
        final = self.dispatcher.finish(worker, verdicts, answer.seconds)
        self._take([outcome for outcome in answer.outcomes if outcome.key in final or self.stop.reason])
        if any(outcome.kind == "device" for outcome in answer.outcomes):
            self.engine.renew(worker)
        self._tell_of_those_taken_off()

    def _lose(self, worker: str, chunk: Chunk, why: str) -> None:
        """Take what a chunk without an answer has published, and have the rest rendered elsewhere, or given up."""
        published = self._take_published(chunk)
        given_up = self.dispatcher.lose(worker, published, why)
        message = f"each worker that began it was lost ({why}); is there enough memory?"
        lost = [order for order in chunk.orders if order.key in given_up]
        self._take([Outcome(order.key, order.name, "failed", "worker-lost", message) for order in lost])
        left = len(chunk.orders) - len(published) - len(given_up)
        if left and not self.stop.reason:
            self.carrier.log(f"{worker} was lost; {left} cells are handed out again")
        self._tell_of_those_taken_off()

    def _take_published(self, chunk: Chunk) -> set[str]:
        """Take what a chunk that never answered has published; returns the keys."""
        published = finished_before(chunk)
        self._take([Outcome(order.key, order.name, "rendered") for order in chunk.orders if order.key in published])
        return published

    def _take(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.take(outcome)
            self.carrier.display.hear(("done", outcome.key, outcome.status))

    def _tell_of_those_taken_off(self) -> None:
        for worker, why in self.dispatcher.off.items():
            if worker not in self.work.off:
                self.work.off[worker] = why
                self.carrier.log(f"{worker} is taken off the run: {why}")
