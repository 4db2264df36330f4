"""Where chunks are carried out: worker processes of this machine, or a Dask or Ray cluster; and how each is started."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from flows.devices import choose
from stylecore.errors import StylepressError

ENGINES = ("local", "dask", "ray")

_PATIENCE = 10.0  # seconds for an address to answer


class EngineError(StylepressError):
    """An engine is not installed, its cluster does not answer, or it has no worker left."""

    kind = "engine"


class Engine(Protocol):
    """Running workers, each of which does one task at a time.

    Attributes:
        hears: whether workers hear `stop` themselves; if not, the run's file must tell them.
    """

    hears: bool

    def here(self) -> set[str]:
        """Names of the workers that are there now.

        Raises:
            EngineError: the cluster is gone.
        """

    def submit(self, worker: str, task: Any, parameters: dict[str, Any]) -> Any:
        """Have a worker do a Prefect task; returns Prefect's future."""

    def renew(self, worker: str) -> None:
        """Replace a worker that was lost, or whose device may be in disorder, where that is ours to do."""

    def gone(self, error: BaseException) -> bool:
        """Whether an error of a future says that all workers are lost, and none will come."""

    def heard(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """What workers have said since the last time, each with the worker's name."""

    def stop(self) -> None:
        """Ask workers to end after their current step."""


def check(engine: str, address: str | None, count: int | None, devices: str | int | list[str]) -> None:
    """Find out what `start` would have to refuse, as far as that is known without it.

    Raises:
        DeviceError: devices that are not there.
        EngineError: an unknown engine, or nobody answers at the address.
        StylepressError: an address without a cluster's engine.
    """
    if engine not in ENGINES:
        raise EngineError(f"engine: expected one of {', '.join(ENGINES)}, got {engine!r}")
    if address and engine == "local":
        raise StylepressError(f"--address {address} is of a cluster: add --engine dask or --engine ray")
    if address:
        _check_listening(engine, address)
    else:
        choose(devices, count)


@contextmanager
def start(engine: str, address: str | None, count: int | None, devices: str | int | list[str]) -> Iterator[Engine]:
    """Start or join the workers of an engine, and let them go afterwards.

    Args:
        engine: `local`, `dask` or `ray`.
        address: of a running Dask scheduler or Ray head; None starts workers on this machine.
        count: number of workers; by default one for each device.
        devices: `run.devices` of the manifest, for workers of this machine.

    Raises:
        DeviceError, EngineError, StylepressError: as `check`, or the engine is not installed.
    """
    check(engine, address, count, devices)
    opened: AbstractContextManager[Engine]
    if engine == "dask":
        from flows.dask_engine import opened as open_dask

        opened = open_dask(address, count, devices)
    elif engine == "ray":
        from flows.ray_engine import opened as open_ray

        opened = open_ray(address, count, devices)
    else:
        from flows.local_engine import opened as open_local

        opened = open_local(count, devices)
    with opened as workers:
        yield workers


def _check_listening(engine: str, address: str) -> None:
    """Make sure that somebody listens at an address: the libraries would try for minutes.

    Raises:
        EngineError: nobody does, or it is no address.
    """
    if address in ("auto", "local"):  # Ray's words for a cluster on this machine
        return
    expected = {"dask": "tcp://scheduler:8786", "ray": "ray://head:10001"}[engine]
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise EngineError(f"--address: expected an address such as {expected}, got {address!r}")
    if parts.scheme in ("inproc", "ucx"):
        return
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE):
            pass
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise EngineError(f"the {engine} cluster at {address} does not answer: {said}; is it running?") from None
