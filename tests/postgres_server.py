"""A real PostgreSQL server for tests, from the system's package; an ordinary user runs it where root runs the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 60


def postgres_binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: on the PATH, or where Debian puts them; None where there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextmanager
def postgres_server() -> Iterator[dict[str, str]]:
    """Run a server on loopback; yields `HOST`, `PORT`, `NAME`, `USER` and `PASSWORD` of its database.

    Raises:
        RuntimeError: PostgreSQL is missing or does not start; the message has the end of its log.
    """
    binaries = postgres_binaries()
    if binaries is None:
        raise RuntimeError("there is no PostgreSQL; apt-get install postgresql")
    user = _user()
    # not below pytest's folders, which only their owner may enter
    with tempfile.TemporaryDirectory(prefix="stylepress-postgres-", ignore_cleanup_errors=True) as name:
        home, password = Path(name), uuid.uuid4().hex
        (home / "password").write_text(password)
        if user:
            for path in (home, home / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        said = ("-D", home / "data", "-U", "prefect", "--pwfile", home / "password", "-A", "scram-sha-256", "-N")
        _run(user, binaries / "initdb", *said, "--locale=C", "-E", "UTF8")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = (f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")
        command = [binaries / "postgres", "-D", home / "data", *(part for s in settings for part in ("-c", s))]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **_as(user))
        try:
            _wait_until_ready(process, home / "log")
            where = {"HOST": "127.0.0.1", "PORT": str(port), "NAME": "postgres"}
            yield {**where, "USER": "prefect", "PASSWORD": password}
        finally:
            process.send_signal(signal.SIGQUIT)  # its word for at once, its children included
            process.wait(timeout=30)


def _user() -> pwd.struct_passwd | None:
    """Whom to run the server as: PostgreSQL refuses root."""
    if os.getuid():
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _as(user: pwd.struct_passwd | None) -> dict[str, object]:
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"} if user else {}


def _run(user: pwd.struct_passwd | None, *command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **_as(user))
    if done.returncode:
        raise RuntimeError(f"initdb: {done.stdout}{done.stderr}")


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if "ready to accept connections" in log.read_text(errors="replace"):
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")
