"""Prefect as the command line uses it: no telemetry, quiet on the terminal, its own server where none is configured."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from flows.console import complain
from stylecore.errors import StylepressError

if TYPE_CHECKING:
    from flows.batch import Batch

_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # a server that is gone costs a call six seconds, not a minute; nothing depends on what it would have been told
    "PREFECT_CLIENT_MAX_RETRIES": "2",
    # what a run does is told by the progress bar and the last line; Prefect's own lines stay with the flow run
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",  # each event that a server did not take would be a line
}
_silent = threading.Event()  # set when a server was not told how a run ended


class PrefectError(StylepressError):
    """Prefect's server does not answer, or its own one cannot be started."""

    kind = "prefect"


def set_defaults() -> None:
    """Set the environment that Prefect reads when it is imported; what the user has set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    logging.raiseExceptions = False  # or Prefect writes about each line of its log that a server did not take
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


@contextmanager
def shielded(*more: signal.Signals) -> Iterator[None]:
    """Let a Ctrl-C not reach the processes and threads that are started meanwhile.

    A terminal sends Ctrl-C to every process of a command. Server and workers must outlive it, so that what is finished
    is still published and reported; a blocked signal is inherited by whatever is started here.

    Args:
        more: other signals that they do not hear either, where their end is our business alone.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *more})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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


def run(plan: Callable[[], Batch], **parameters: Any) -> Any:
    """Run the flow `render-batch` in this process.

    Args:
        plan: what the flow would plan by itself; it is done while an own server starts.
        parameters: of the flow.

    Returns:
        What the flow's final state holds: a summary or an exception.

    Raises:
        PrefectError: the server does not answer, or an own one does not start.
        StylepressError: what `plan` raises.
    """
    own = None
    if not server():
        from prefect.context import refresh_global_settings_context

        from flows.own_server import OwnServer

        own = OwnServer(complain)
        os.environ["PREFECT_API_URL"] = own.api_url  # for all that is started from here, and all threads of Prefect
        refresh_global_settings_context()
    from flows import render_batch

    planned = plan()
    if own:
        own.wait_until_up()
    answer, told = render_batch.run_here(planned, parameters)
    if not told:
        _silent.set()
        complain("Prefect's server no longer answers and was not told how the run ended; what it rendered is there")
    return answer


def leave(code: int) -> None:
    """End the process at once if the server is gone: at exit, Prefect would call it for each line it has not taken."""
    if _silent.is_set():
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
