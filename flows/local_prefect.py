"""Prefect as the command line uses it: no telemetry, quiet on the terminal, its own server where none is configured."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "60",
    # what a run does is told by the progress bar and the last line; Prefect's own lines stay with the flow run
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


def set_defaults() -> None:
    """Set the environment that Prefect reads when it is imported; what the user has set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


@contextmanager
def server() -> Iterator[None]:
    """Prefect's API for a while: the configured server, or one of our own that a Ctrl-C does not reach.

    A terminal sends Ctrl-C to every process of a command. The server must outlive it, so that the run can still
    report how it ended; a blocked signal is inherited by the process that is started here.
    """
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        yield
        return
    own = SubprocessASGIServer()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        own.start(timeout=60)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        own.stop()


def run(**parameters: Any) -> Any:
    """Run the flow `render-batch` in this process; returns what its final state holds: a summary or an exception."""
    with server():
        from flows.render_batch import render_batch

        state = render_batch(**parameters, return_state=True)  # type: ignore[call-overload]
        return state.result(raise_on_failure=False)
