"""Carries chunks through Prefect: one task for each chunk, a bounded window of them, retries where machines failed."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext

from flows import engines
from flows.batch import Stop
from flows.devices import choose
from flows.display import Display
from flows.engines import Workers
from flows.local_prefect import shielded
from flows.store import StorageError
from flows.worker import Chunk, Outcome, finished_before, render_chunk
from stylecore.errors import StylepressError

_WINDOW = 2  # chunks handed out for each slot: one at work, one waiting, so that no worker starves
_TELL = 30.0  # seconds between words on progress
_POLL = 0.2  # seconds between looks at progress and at the wish to stop


def _worth_retrying(task: Any, run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 - Prefect's signature
    """Whether a chunk may succeed when it is tried again: the machine failed it, not its input."""
    error = state.data if isinstance(state.data, BaseException) else None
    return not isinstance(error, StylepressError) or (isinstance(error, StorageError) and error.transient)


@task(name="render-chunk", cache_policy=NO_CACHE, retry_delay_seconds=2, retry_condition_fn=_worth_retrying)
def render_chunk_task(chunk: dict[str, Any], begun: int) -> list[dict[str, str]] | dict[str, str]:
    """Render one chunk on a worker; outcomes as plain values, or the environment's fault as one.

    Args:
        chunk: as `Chunk.to_dict` gives it.
        begun: how often it was begun on workers that were lost.
    """
    context = TaskRunContext.get()
    attempts = begun + (context.task_run.run_count if context else 1)
    try:
        return [vars(outcome) for outcome in render_chunk(Chunk.from_dict(chunk), attempts)]
    except StorageError as error:
        if error.transient:
            raise
        return {"storage": str(error)}  # no retry helps, and no traceback belongs in a log


@dataclass
class Carrier:
    """Carries the chunks of one run.

    Attributes:
        engine: `local`, `dask` or `ray`.
        address: of a running cluster.
        count: number of workers.
        devices: `run.devices` of the manifest.
        retries: how often a chunk is tried again when its worker failed.
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
    _told: float = field(default_factory=time.monotonic)
    _losses: dict[str, int] = field(default_factory=dict)  # by a chunk's first key: how often its worker was lost

    def __call__(self, chunks: list[Chunk], take: Callable[[Outcome], None], stop: Stop) -> None:
        """Carry out all chunks, restarting workers that were lost; see `batch.Carry`.

        Raises:
            StorageError: the storage refuses, so that nothing more can be rendered.
            EngineError, DeviceError: the workers cannot be started.
        """
        waiting = deque(chunks)
        with self.display:
            while waiting and not stop.reason:
                with engines.start(self.engine, self.address, self.count, self.devices) as workers:
                    lost = self._drain(workers, waiting, take, stop)
                for chunk in lost:
                    self._again(chunk, waiting, take)

    def slots(self) -> int:
        """Workers to divide the work for; a cluster's are known only once it is joined."""
        if self.engine == "local":
            return len(choose(self.devices, self.count))
        return self.count or 8

    def _again(self, chunk: Chunk, waiting: deque[Chunk], take: Callable[[Outcome], None]) -> None:
        """Put a chunk whose worker was lost back in line, or give it up.

        A lost worker takes the whole pool with it, so at first every chunk at work or in its queue is suspected. From
        then on each of them runs alone; one that is lost again is the cause, and is halved down to the cell at fault.
        """
        losses = self._lost_before(chunk) + 1
        if losses > self.retries and (len(chunk.orders) == 1 or not self.retries):
            self._give_up(chunk, take, "worker-lost", f"its worker was lost {losses} times; is there enough memory?")
            return
        self.log(f"a worker was lost; {len(chunk.orders)} cells are handed out again")
        middle = len(chunk.orders) // 2 if losses > 1 else 0
        for orders in (chunk.orders[middle:], chunk.orders[:middle]):
            if orders:
                self._losses[orders[0].key] = losses
                waiting.appendleft(replace(chunk, orders=orders))

    def _lost_before(self, chunk: Chunk) -> int:
        return self._losses.get(chunk.orders[0].key, 0)

    def _give_up(self, chunk: Chunk, take: Callable[[Outcome], None], kind: str, message: str) -> None:
        """Take what a chunk published before it was lost as rendered, and the rest of it as failed."""
        published = self._take_published(chunk, take)
        for order in chunk.orders:
            if order.key not in published:
                take(Outcome(order.key, order.name, "failed", kind, message))

    def _take_published(self, chunk: Chunk, take: Callable[[Outcome], None]) -> set[str]:
        """Take what a chunk that never answered has published; returns the keys."""
        published = finished_before(chunk)
        for order in chunk.orders:
            if order.key in published:
                take(Outcome(order.key, order.name, "rendered"))
        return published

    def _drain(
        self, workers: Workers, waiting: deque[Chunk], take: Callable[[Outcome], None], stop: Stop
    ) -> list[Chunk]:
        """Hand out chunks and collect outcomes until none is left, or workers are lost; returns the lost chunks."""
        at_work: dict[Any, Chunk] = {}
        finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        lost: list[Chunk] = []
        while at_work or (waiting and not lost and not stop.reason):
            while waiting and not lost and not stop.reason and self._has_room(workers, at_work, waiting[0]):
                now, chunk = time.time(), waiting.popleft()
                chunk = replace(chunk, submitted=now, begun=chunk.begun or now)
                future = self._submit(workers, chunk)
                at_work[future.task_run_id] = chunk
                future.add_done_callback(finished.put)
            if stop.reason:
                if workers.stop is None:  # a cluster's tasks cannot be asked to end: they are left behind
                    for chunk in at_work.values():
                        self._take_published(chunk, take)
                    break
                workers.stop.set()
            try:
                future = finished.get(timeout=_POLL)
            except queue.Empty:
                future = None
            for message in workers.heard():
                self.display.hear(message)
            if time.monotonic() - self._told > _TELL:
                self._told = time.monotonic()
                self.tell(*self.display.told())
            if future is not None:
                chunk = at_work.pop(future.task_run_id)
                lost += self._collect(future, chunk, take, stop)
        return lost

    def _has_room(self, workers: Workers, at_work: dict[Any, Chunk], chunk: Chunk) -> bool:
        if any(self._lost_before(suspect) for suspect in (chunk, *at_work.values())):
            return not at_work
        return len(at_work) < _WINDOW * workers.slots

    def _submit(self, workers: Workers, chunk: Chunk) -> Any:
        carried = render_chunk_task.with_options(
            retries=self.retries, task_run_name=f"{len(chunk.orders)} cells from {chunk.orders[0].key[:12]}"
        )
        with shielded():
            return workers.runner.submit(carried, {"chunk": chunk.to_dict(), "begun": self._lost_before(chunk)})

    def _collect(self, future: Any, chunk: Chunk, take: Callable[[Outcome], None], stop: Stop) -> list[Chunk]:
        """Take a finished chunk's outcomes; returns the chunk where its worker was lost."""
        try:
            answer = future.result(raise_on_failure=False)
        except Exception as error:  # noqa: BLE001 - a broken pool or cluster raises whatever its library chose
            self.log(f"worker: {type(error).__name__}")
            if not stop.reason:
                return [chunk]
            self._take_published(chunk, take)
            return []
        if isinstance(answer, dict):
            stop.wish("storage")
            raise StorageError(answer["storage"])
        if isinstance(answer, StorageError):
            raise answer
        if isinstance(answer, BaseException):
            said = next(iter(str(answer).splitlines()), "")
            self._give_up(chunk, take, "device", f"{type(answer).__name__}: {said}")
            return []
        for outcome in answer:
            take(Outcome(**outcome))
            if self.engine != "local":
                self.display.hear(("done", outcome["key"], outcome["status"]))
        return []
