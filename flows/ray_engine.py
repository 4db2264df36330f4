"""Workers of a Ray cluster: so many tasks at a time, which Ray places; a worker's name stands for one of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flows.devices import choose
from flows.engines import EngineError
from flows.local_prefect import shielded

_LOOK = 5.0  # seconds between two looks at how large the cluster is


@contextmanager
def opened(address: str | None, count: int | None, devices: str | int | list[str]) -> Iterator[RayEngine]:
    """Workers of the cluster at an address, or of one that is started here; see `engines.start`."""
    for name, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_AUTH_MODE", "disabled")):
        os.environ.setdefault(name, value)
    try:
        from prefect_ray import RayTaskRunner
    except ImportError:
        raise EngineError("--engine ray needs the extra: pip install 'stylepress[ray]'") from None
    told = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    chosen = [] if address else choose(devices, count)
    processors = os.cpu_count() or 1
    if address:
        runner = RayTaskRunner(address=address, init_kwargs=told)
    else:
        own = {"num_cpus": max(processors, len(chosen)), "include_dashboard": False}
        runner = RayTaskRunner(init_kwargs={**told, **own})
    with ExitStack() as stack:
        try:
            with shielded():
                stack.enter_context(runner)
        except Exception as error:  # noqa: BLE001 - Ray raises whatever its parts chose
            where = f"at {address}" if address else "on this machine"
            raise EngineError(f"the ray cluster {where} does not answer: {type(error).__name__}") from None
        on_cpu = {"num_cpus": max(1, processors // len(chosen))} if chosen else {"num_cpus": 1}
        yield RayEngine(runner, len(chosen) if chosen else count, on_cpu)


class RayEngine:
    """See `engines.Engine`.

    Args:
        runner: Prefect's task runner.
        count: number of tasks at a time; None for as many as there are GPUs, or else processors.
        on_cpu: what a task asks for where there are no GPUs.
    """

    hears = False

    def __init__(self, runner: Any, count: int | None, on_cpu: dict[str, int]) -> None:
        self._runner, self._count, self._on_cpu = runner, count, on_cpu
        self._slots, self._asks = 0, on_cpu
        self._looked = time.monotonic() - _LOOK

    def here(self) -> set[str]:
        """See `Engine.here`."""
        import ray

        now = time.monotonic()
        if now - self._looked >= _LOOK:
            self._looked = now
            try:
                there = ray.cluster_resources()
            except Exception as error:  # noqa: BLE001 - Ray raises whatever its parts chose
                raise EngineError(f"the ray cluster has gone away: {type(error).__name__}") from None
            gpus, processors = int(there.get("GPU", 0)), int(there.get("CPU", 1))
            self._asks = {"num_gpus": 1} if gpus else self._on_cpu
            self._slots = self._count or max(self._slots, gpus or processors)  # Ray itself waits where there are fewer
        return {f"ray {number + 1}" for number in range(self._slots)}

    def submit(self, worker: str, task: Any, parameters: dict[str, Any]) -> Any:  # noqa: ARG002 - Ray chooses the process
        """See `Engine.submit`; Ray must not try again by itself, and must keep processes with a GPU warm."""
        from prefect_ray.context import remote_options

        with remote_options(**self._asks, max_retries=0, max_calls=0, scheduling_strategy="SPREAD"):
            return self._runner.submit(task, parameters)

    def renew(self, worker: str) -> None:
        """See `Engine.renew`: Ray starts processes as it needs them."""

    def gone(self, error: BaseException) -> bool:
        """See `Engine.gone`."""
        from ray.exceptions import LocalRayletDiedError, RaySystemError

        return isinstance(error, LocalRayletDiedError | RaySystemError | ConnectionError)

    def heard(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """See `Engine.heard`: workers of a cluster say nothing on the way."""
        return iter(())

    def stop(self) -> None:
        """See `Engine.stop`: they read the run's file."""
