"""A Prefect server for one run, where none is configured: started aside, started again when it dies, ended last."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flows import prefect_server
from flows.local_prefect import PrefectError, shielded

_PATIENCE = 180.0  # seconds that a server may take to start, on a machine with much else to do
_MOST_DEATHS = 3  # after which a run goes on without a server
_AS_A_CHILD = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    # a run has no use for kinds of blocks, and they take a third of the start; both, or a later server lacks them too
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}


class OwnServer:
    """A running Prefect server that ends with this process, however it ends.

    The socket is the run's: who calls while the server starts, or while it is replaced, waits for the answer. Signals
    to the run's process group do not reach it, so that the end of an interrupted run is told too.

    Args:
        say: takes a line when the server was lost.

    Attributes:
        api_url: for `PREFECT_API_URL`.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._environment = {**os.environ, **_AS_A_CHILD}
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.api_url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/api"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the server
        self._ending = threading.Event()
        self._up = threading.Event()
        self._process = self._start()
        atexit.register(self.stop)  # after Prefect has sent its last logs
        threading.Thread(target=self._watch, name="prefect-server", daemon=True).start()

    def wait_until_up(self) -> None:
        """Wait for the first answer.

        Raises:
            PrefectError: there will be none.
        """
        import httpx

        deadline = time.monotonic() + _PATIENCE
        with httpx.Client(trust_env=False) as client:
            while self._process.poll() is None and time.monotonic() < deadline:
                with suppress(httpx.HTTPError):
                    client.get(f"{self.api_url}/health", timeout=1).raise_for_status()
                    self._up.set()
                    return
        self.stop()
        raise PrefectError(f"Prefect's own server does not start: {self._why()}; `stylepress doctor` may tell more")

    def stop(self) -> None:
        """End the server, and wait until it has ended; one that has not begun ends by itself as soon as it has."""
        self._ending.set()
        if self._up.is_set():
            self._end(self._process)
        elif self._process.stdin:
            self._process.stdin.close()
        self._listening.close()

    def _start(self) -> subprocess.Popen[bytes]:
        descriptor = self._listening.fileno()
        with shielded(signal.SIGINT, signal.SIGTERM):
            return subprocess.Popen(
                [sys.executable, "-P", str(Path(prefect_server.__file__)), str(descriptor)],
                pass_fds=[descriptor],
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=self._log,
                env=self._environment,
                start_new_session=True,
            )

    def _watch(self) -> None:
        """Replace the server when it dies."""
        for _ in range(_MOST_DEATHS):
            code = self._process.wait()
            if self._ending.is_set() or not self._up.is_set():
                return
            self._say(f"Prefect's own server was lost ({_cause(code)}); another one is started, the run goes on")
            self._end(self._process)
            self._process = self._start()
            if self._ending.is_set():
                self._end(self._process)
                return
        self._process.wait()
        if not self._ending.is_set():
            self._listening.close()
            self._say("Prefect's own server was lost once more; the run goes on without one")

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(prefect_server.GRACE + 2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _why(self) -> str:
        """The last words of the server."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it does not answer"


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
