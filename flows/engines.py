"""Where chunks are carried out: worker processes of this machine, or a Dask or Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from flows.devices import choose
from flows.local_prefect import shielded
from flows.worker import attach
from stylecore.errors import StylepressError

ENGINES = ("local", "dask", "ray")


class EngineError(StylepressError):
    """An engine is not installed, or its cluster does not answer."""

    kind = "engine"


@dataclass(frozen=True)
class Workers:
    """A running task runner and the line to its workers.

    Attributes:
        runner: takes tasks.
        slots: number of chunks it works on at a time.
        messages: progress of local workers; None on a cluster.
        stop: set to end local workers after their current step; None on a cluster.
    """

    runner: TaskRunner[Any]
    slots: int
    messages: Any = None
    stop: Any = None

    def heard(self) -> Iterator[tuple[Any, ...]]:
        """What workers have said since the last time."""
        while self.messages is not None:
            try:
                yield self.messages.get_nowait()
            except queue.Empty:
                return


@contextmanager
def start(engine: str, address: str | None, count: int | None, devices: str | int | list[str]) -> Iterator[Workers]:
    """Start or join the workers of an engine, and let them go afterwards.

    Args:
        engine: `local`, `dask` or `ray`.
        address: of a running Dask scheduler or Ray head; None starts workers on this machine.
        count: number of workers; by default one for each device.
        devices: `run.devices` of the manifest, for local workers.

    Raises:
        DeviceError: devices that are not there.
        EngineError: an unknown engine, one that is not installed, or nobody answers at the address.
    """
    if engine not in ENGINES:
        raise EngineError(f"engine: expected one of {', '.join(ENGINES)}, got {engine!r}")
    if engine == "local":
        with _local(choose(devices, count), count) as workers:
            yield workers
        return
    runner = _dask(address, count) if engine == "dask" else _ray(address, count)
    with ExitStack() as stack:
        try:
            with shielded():
                stack.enter_context(runner)
            slots = count or _cluster_slots(engine, runner)  # a Dask client connects here, not before
        except (OSError, RuntimeError) as error:
            where = f"at {address}" if address else "on this machine"
            raise EngineError(f"the {engine} cluster {where} does not answer: {type(error).__name__}") from None
        yield Workers(runner, slots)


@contextmanager
def _local(devices: list[str], count: int | None) -> Iterator[Workers]:
    context = multiprocessing.get_context("spawn")
    messages, stop, free = context.Queue(), context.Event(), context.Queue()
    for device in devices:
        free.put(device)
    on_cpu = devices.count("cpu")
    threads = max(1, (os.cpu_count() or 1) // on_cpu) if on_cpu > 1 or count else None
    runner: TaskRunner[Any] = ProcessPoolTaskRunner(
        max_workers=len(devices), initializer=attach, initargs=(messages, stop, free, threads)
    )
    try:
        with runner:
            try:
                yield Workers(runner, len(devices), messages, stop)
            finally:
                stop.set()  # whatever ends the run, no worker goes on for longer than a step
    finally:
        for line in (messages, free):
            line.close()
            line.cancel_join_thread()


def _dask(address: str | None, count: int | None) -> TaskRunner[Any]:
    try:
        from prefect_dask import DaskTaskRunner
    except ImportError:
        raise EngineError("--engine dask needs the extra: pip install 'stylepress[dask]'") from None
    if address:
        return DaskTaskRunner(address=address)  # type: ignore[no-any-return]
    size = {"n_workers": count or len(choose("auto")), "threads_per_worker": 1, "dashboard_address": None}
    return DaskTaskRunner(cluster_kwargs=size)  # type: ignore[no-any-return]


def _ray(address: str | None, count: int | None) -> TaskRunner[Any]:
    for name, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_AUTH_MODE", "disabled")):
        os.environ.setdefault(name, value)
    try:
        from prefect_ray import RayTaskRunner
    except ImportError:
        raise EngineError("--engine ray needs the extra: pip install 'stylepress[ray]'") from None
    if address:
        return RayTaskRunner(address=address)  # type: ignore[no-any-return]
    return RayTaskRunner(init_kwargs={"num_cpus": count or 1, "include_dashboard": False})  # type: ignore[no-any-return]


def _cluster_slots(engine: str, runner: Any) -> int:
    """Chunks that a cluster works on at a time: one for each of its workers, or GPUs, or else processors."""
    if engine == "dask":
        return max(1, len(runner.client.scheduler_info(n_workers=-1)["workers"]))
    import ray

    resources = ray.cluster_resources()
    return max(1, int(resources.get("GPU", 0)) or int(resources.get("CPU", 1)))
