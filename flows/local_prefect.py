"""Prefect as the command line uses it: no telemetry, quiet on the terminal, its own server where none is configured."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from stylecore.errors import StylepressError

_PATIENCE = 180  # seconds that a server of its own may take to start, on a machine with much else to do
_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": f"{_PATIENCE}",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # what a run does is told by the progress bar and the last line; Prefect's own lines stay with the flow run
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


class PrefectError(StylepressError):
    """Prefect's server does not answer, or its own one cannot be started."""

    kind = "prefect"


def set_defaults() -> None:
    """Set the environment that Prefect reads when it is imported; what the user has set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", "Failed to create the Prefect home")  # `server` says it better


def server() -> str:
    """Address of the server that is configured; empty where none is, so that a run starts its own.

    Raises:
        PrefectError: it does not answer, or there is no place for the data of an own one.
    """
    import httpx
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    address, home = PREFECT_API_URL.value(), PREFECT_HOME.value()
    if address:
        shown = without_credentials(address)
        try:
            httpx.get(f"{address}/health", timeout=10).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = f"{shown} does not answer ({type(error).__name__}); start it, or unset PREFECT_API_URL"
            raise PrefectError(f"Prefect's server at {reason} for a run without one") from None
        return str(address)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PrefectError(f"{home} cannot be made ({error.strerror}); set PREFECT_HOME to a folder that can") from None
    if not os.access(home, os.W_OK):
        raise PrefectError(f"{home} cannot be written; set PREFECT_HOME to a folder that can")
    return ""


def configured_server() -> str:
    """Address of the server that is configured, without credentials.

    Raises:
        PrefectError: it does not answer, or there is none.
    """
    if address := server():
        return without_credentials(address)
    raise PrefectError(
        "no Prefect server is configured: start one with `prefect server start`, and set PREFECT_API_URL to its address"
        " (such as http://127.0.0.1:4200/api)"
    )


def without_credentials(address: str) -> str:
    """A URL without the user and password that may stand in it, for messages."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def ensure_server() -> str:
    """Address of Prefect's server; where none is configured, one is started that lives as long as this process.

    Raises:
        PrefectError: the configured server does not answer, or an own one does not start.
    """
    if address := server():
        return address
    from prefect.server.api.server import SubprocessASGIServer

    own = SubprocessASGIServer()  # one for the process; Prefect stops it at exit, after its last logs
    try:
        with shielded():
            own.start(timeout=_PATIENCE)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise PrefectError(f"Prefect's own server does not start: {reason} `stylepress doctor` may tell why") from None
    return own.api_url


@contextmanager
def shielded() -> Iterator[None]:
    """Let a Ctrl-C not reach the processes and threads that are started meanwhile.

    A terminal sends Ctrl-C to every process of a command. Server and workers must outlive it, so that what is finished
    is still published and reported; a blocked signal is inherited by whatever is started here.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class _Message(logging.Filter):
    """Replaces the traceback of an error that we returned by its message: it is written for the reader of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, StylepressError):
            record.msg, record.args, record.exc_info = str(error), (), None
        return True


def shorten_tracebacks() -> None:
    """Log errors that we return from flows as what they say. Prefect's engine would add a traceback to each."""
    for name in ("prefect.flow_runs", "prefect.engine"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Message) for known in logger.filters):
            logger.addFilter(_Message())


def run(**parameters: Any) -> Any:
    """Run the flow `render-batch` in this process; returns what its final state holds: a summary or an exception."""
    address = ensure_server()
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.render_batch import render_batch

    with temporary_settings({PREFECT_API_URL: address}):  # or each worker would start a server of its own
        state = render_batch(**parameters, return_state=True)
    return state.result(raise_on_failure=False)
