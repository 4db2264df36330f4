"""Prefect as the command line uses it: no telemetry, quiet on the terminal, its own server where none is configured."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

from stylecore.errors import StylepressError

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


def ensure_server() -> None:
    """Start Prefect's own server where none is configured, so that a Ctrl-C does not reach it.

    A terminal sends Ctrl-C to every process of a command. The server must outlive it, so that the run can still
    report how it ended; a blocked signal is inherited by the process that is started here.
    """
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        SubprocessASGIServer().start(timeout=60)  # one for the process; Prefect stops it at exit, after its last logs
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
    ensure_server()
    from flows.render_batch import render_batch

    state = render_batch(**parameters, return_state=True)
    return state.result(raise_on_failure=False)
