"""Worker processes of this machine: one for each device, each with a pool of its own, so that a loss is one's own."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext
from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner

from flows.devices import choose
from flows.local_prefect import shielded
from flows.worker import attach


@contextmanager
def opened(count: int | None, devices: str | int | list[str]) -> Iterator[LocalEngine]:
    """Workers on devices of this machine; see `engines.start`.

    Raises:
        DeviceError: devices that are not there.
    """
    chosen = choose(devices, count)
    on_cpu = chosen.count("cpu")
    threads = max(1, (os.cpu_count() or 1) // on_cpu) if on_cpu > 1 or count else None
    engine = LocalEngine(chosen, threads)
    try:
        yield engine
    finally:
        engine.close()


class Flag:
    """Something that is set once, for processes that are started with it.

    An `Event` has a lock, and a process that is killed while it holds one leaves all others waiting.
    """

    def __init__(self, context: SpawnContext) -> None:
        self._value = context.RawValue("b", 0)

    def set(self) -> None:
        """Set it."""
        self._value.value = 1

    def is_set(self) -> bool:
        """Whether it was set."""
        return bool(self._value.value)


class _Place:
    """Where one worker process runs after the other; each has its own lines, that none killed before it could spoil."""

    def __init__(self, context: SpawnContext, device: str, threads: int | None) -> None:
        self.messages, self.stop = context.Queue(), Flag(context)
        self.runner = ProcessPoolTaskRunner(
            max_workers=1, initializer=attach, initargs=(self.messages, self.stop, device, threads)
        )
        with shielded(signal.SIGTERM):  # before they ignore both by themselves
            self.runner.__enter__()

    def close(self) -> None:
        self.stop.set()
        self.runner.__exit__(None, None, None)
        self.messages.close()
        self.messages.cancel_join_thread()


class LocalEngine:
    """See `engines.Engine`.

    Args:
        devices: of the workers, one each.
        threads: processor threads of each; None for all.
    """

    hears = True

    def __init__(self, devices: list[str], threads: int | None) -> None:
        self._context, self._threads = multiprocessing.get_context("spawn"), threads
        self._devices = {f"{device} {n}" if n else device: device for n, device in _numbered(devices)}
        self._places: dict[str, _Place] = {}

    def here(self) -> set[str]:
        """See `Engine.here`: as many as there were at the start."""
        return set(self._devices)

    def submit(self, worker: str, task: Any, parameters: dict[str, Any]) -> Any:
        """See `Engine.submit`; the process is started with its first task."""
        if worker not in self._places:
            self._places[worker] = _Place(self._context, self._devices[worker], self._threads)
        with shielded(signal.SIGTERM):
            return self._places[worker].runner.submit(task, parameters)

    def renew(self, worker: str) -> None:
        """See `Engine.renew`."""
        if place := self._places.pop(worker, None):
            place.close()

    def gone(self, error: BaseException) -> bool:  # noqa: ARG002 - there is none
        """See `Engine.gone`."""
        return False

    def heard(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """See `Engine.heard`."""
        for worker, place in self._places.items():
            while True:
                try:
                    yield worker, place.messages.get_nowait()
                except queue.Empty:
                    break

    def stop(self) -> None:
        """See `Engine.stop`."""
        for place in self._places.values():
            place.stop.set()

    def close(self) -> None:
        """End all processes, after their current step."""
        self.stop()
        for worker in list(self._places):
            self.renew(worker)


def _numbered(devices: list[str]) -> Iterator[tuple[int, str]]:
    """Each device with 0, or with 2, 3, … where it was there before."""
    for place, device in enumerate(devices):
        before = devices[:place].count(device)
        yield (before + 1 if before else 0), device
