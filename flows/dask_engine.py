"""Workers of a Dask cluster: each is handed its own tasks, so that it is known who does what and who was lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flows.devices import choose
from flows.engines import EngineError
from flows.local_prefect import shielded

_PATIENCE = "15s"  # for the scheduler to answer
_LOOK = 1.0  # seconds between two looks at who is there
_GONE = 10.0  # seconds without a scheduler after which the cluster is given up


@contextmanager
def opened(address: str | None, count: int | None, devices: str | int | list[str]) -> Iterator[DaskEngine]:
    """Workers of the cluster at an address, or of one that is started here; see `engines.start`."""
    try:
        import dask
        from prefect_dask import DaskTaskRunner
    except ImportError:
        raise EngineError("--engine dask needs the extra: pip install 'stylepress[dask]'") from None
    chosen = [] if address else choose(devices, count)
    if address:
        runner = DaskTaskRunner(address=address, client_kwargs={"timeout": _PATIENCE})
    else:
        runner = DaskTaskRunner(cluster_kwargs=_own(chosen))
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.comm.timeouts.connect": _PATIENCE}))
        try:
            with shielded():
                stack.enter_context(runner)
                client = runner.client  # a Dask client connects here, not before
        except (OSError, RuntimeError, ImportError) as error:
            where = f"at {address}" if address else "on this machine"
            raise EngineError(f"the dask cluster {where} does not answer: {type(error).__name__}") from None
        yield DaskEngine(client, count if address else None, chosen)


def _own(devices: list[str]) -> dict[str, Any]:
    """A cluster of one process for each device; of processors each has its share."""
    threads = max(1, (os.cpu_count() or 1) // len(devices))
    return {
        "n_workers": len(devices),
        "threads_per_worker": 1,
        "memory_limit": 0,  # what a render takes is known, and none of Dask's business
        "dashboard_address": None,
        "env": {"OMP_NUM_THREADS": str(threads)},
    }


class DaskEngine:
    """See `engines.Engine`.

    Args:
        client: Prefect's client of the scheduler.
        most: workers that are used at most; None for all there are.
        devices: of the workers of an own cluster, by their number.
    """

    hears = False

    def __init__(self, client: Any, most: int | None, devices: list[str]) -> None:
        self._client, self._most, self._devices = client, most, devices
        self._names: dict[str, str] = {}  # by address: hosts and ports are nobody's business
        self._known: dict[str, dict[str, Any]] = {}  # what the scheduler says of each worker, by name
        self._looked = self._answered = time.monotonic() - _LOOK

    def here(self) -> set[str]:
        """See `Engine.here`; where some workers declare a GPU, only those."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return set(self._known)
        self._looked = now
        if self._client.status != "running":
            if now - self._answered > _GONE:
                raise EngineError("the dask cluster has gone away: its scheduler no longer answers")
            self._known = {}
            return set()
        self._answered = now
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        on_gpu = {address: said for address, said in workers.items() if said.get("resources", {}).get("GPU")}
        found = on_gpu or workers
        for address in found:
            self._names.setdefault(address, f"dask {len(self._names) + 1}")
        used = sorted(found, key=lambda address: int(self._names[address].split()[1]))[: self._most]
        self._known = {self._names[address]: {**found[address], "address": address} for address in used}
        return set(self._known)

    def submit(self, worker: str, task: Any, parameters: dict[str, Any]) -> Any:
        """See `Engine.submit`."""
        from prefect_dask.task_runners import PrefectDaskFuture

        said = self._known[worker]
        number = said.get("name")
        if isinstance(number, int) and number < len(self._devices) and self._devices[number] != "cpu":
            parameters = {**parameters, "device": f"cuda:{self._devices[number]}"}
        resources = {"GPU": 1} if said.get("resources", {}).get("GPU") else None
        future = self._client.submit(
            task,
            parameters=parameters,
            return_type="state",
            workers=[said["address"]],
            resources=resources,
            pure=False,
        )
        return PrefectDaskFuture(wrapped_future=future, task_run_id=future.task_run_id)

    def renew(self, worker: str) -> None:
        """See `Engine.renew`: Dask's nannies do that, and the new process is another worker."""

    def gone(self, error: BaseException) -> bool:  # noqa: ARG002 - there is none
        """See `Engine.gone`."""
        return False

    def heard(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """See `Engine.heard`: workers of a cluster say nothing on the way."""
        return iter(())

    def stop(self) -> None:
        """See `Engine.stop`: they read the run's file."""
