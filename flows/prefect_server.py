"""Prefect's server as the child of a run: a program that serves a socket it was given, until the run has ended.

It is started by its path and imports nothing of ours, so that it does not depend on the folder it is started in.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

GRACE = 3
"""Seconds that the server has, once the run has ended, to write down what it was told."""
_BEGUN = 60  # seconds in which it may finish its start first: it may be at the tables of its database


def serve(descriptor: int) -> None:
    """Serve a listening socket until the end of stdin, whose other end the run holds.

    Args:
        descriptor: of the socket.
    """
    import uvicorn

    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        log_level="error",
        lifespan="on",
        timeout_graceful_shutdown=GRACE,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_end_with_the_run, args=(server,), daemon=True).start()
    server.run(sockets=[socket.socket(fileno=descriptor)])


def _end_with_the_run(server: uvicorn.Server) -> None:
    """End the server when the run closes its end of stdin, or is killed."""
    os.read(sys.stdin.fileno(), 1)
    server.should_exit = True
    time.sleep(GRACE if server.started else _BEGUN)
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
