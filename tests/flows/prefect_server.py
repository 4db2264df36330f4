"""Prefect as people run it, for tests: a server on PostgreSQL, a process work pool, deployments and a worker."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import httpx
import runs

ROOT = Path(__file__).parents[2]
POOL = "render-pool"
SECRET = f"password-{uuid4().hex}"
"""What the server asks for; no log may show it."""


def wait_for(condition, seconds=240):
    """What the condition says, once it says something."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.2)
    return answer


@contextmanager
def bare_server(home):
    """A server alone, on SQLite; `.api` is its address, `.process` what to kill."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        where = ["--factory", "prefect.server.api.server:create_app", "--fd", str(listening.fileno())]
        environment = {"PREFECT_UI_ENABLED": "0", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        environment |= {"PREFECT_API_BLOCKS_REGISTER_ON_START": "false"}
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *where, "--log-level", "error"],
            env=runs.surroundings(home, **environment),
            pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL,
        )
        server = SimpleNamespace(api=f"http://127.0.0.1:{listening.getsockname()[1]}/api", process=process)
    try:
        wait_for(lambda: is_healthy(server.api))
        yield server
    finally:
        process.kill()
        process.wait()


def is_healthy(api):
    with suppress(httpx.HTTPError):
        return httpx.get(f"{api}/health", timeout=2, trust_env=False).status_code == 200


class Prefect:
    """A running server with the project's deployments and one worker.

    Args:
        folder: for its logs.
        database: host, port, name, user and password of a PostgreSQL database; None for SQLite.
    """

    def __init__(self, folder, database=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.api, self.folder, self.started = f"http://127.0.0.1:{port}/api", folder, []
        self.port, self.database, self.password = port, database, (database or {}).get("PASSWORD")
        self.environment = runs.surroundings(
            folder / "home",
            PREFECT_API_URL=self.api,
            PREFECT_API_AUTH_STRING=f"admin:{SECRET}",
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
            PREFECT_CLI_PROMPT="false",
            PREFECT_WORKER_QUERY_SECONDS="1",
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            NO_PROXY="127.0.0.1",
        )

    def start(self):
        more = {
            "PREFECT_SERVER_API_AUTH_STRING": f"admin:{SECRET}",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
            "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
        }
        if self.database:
            more["PREFECT_SERVER_DATABASE_DRIVER"] = "postgresql+asyncpg"
            more |= {f"PREFECT_SERVER_DATABASE_{name}": value for name, value in self.database.items()}
        self._start("server", "server", "start", "--host", "127.0.0.1", "--port", self.port, "--no-ui", **more)
        wait_for(lambda: is_healthy(self.api))
        self.run("work-pool", "create", POOL, "--type", "process")
        self.run("deploy", "--all", "--no-prompt")
        self.start_worker()

    @property
    def log(self):
        return self.folder / "worker.log"

    def start_worker(self):
        self.worker = self._start("worker", "worker", "start", "--pool", POOL, "--type", "process", "--limit", 3)

    def _start(self, name, *arguments, **more):
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", *map(str, arguments)],
                cwd=ROOT,
                env=self.environment | more,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, *arguments, check=True):
        """`prefect ARGUMENTS`."""
        command = [sys.executable, "-m", "prefect", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def deployment(self, name, *parameters, watch=True):
        """Run a deployment, and wait for its end; returns the exit code and the flow run."""
        options = [part for parameter in parameters for part in ("-p", parameter)]
        done = self.run("deployment", "run", name, *options, *(["--watch"] if watch else []), check=False)
        (identity,) = re.findall(r"UUID: ([0-9a-f-]{36})", done.stdout) or [done.stdout + done.stderr]
        return done.returncode, self.flow_run(identity)

    def flow_runs(self, name):
        """Flow runs of a deployment, newest first."""
        flow, deployment = name.split("/")
        where = {"deployments": {"name": {"any_": [deployment]}}, "flows": {"name": {"any_": [flow]}}}
        return self.ask("flow_runs/filter", sort="EXPECTED_START_TIME_DESC", **where)

    def flow_run(self, identity):
        (found,) = self.ask("flow_runs/filter", flow_runs={"id": {"any_": [identity]}})
        return found

    def schedule(self, name, schedule, parameters):
        """Give a deployment one more schedule, with parameters of its own."""
        identity = self.ask(f"deployments/name/{name}", "GET")["id"]
        question = [{"schedule": schedule, "active": True, "parameters": parameters}]
        self._request("POST", f"deployments/{identity}/schedules", question)

    def artifacts(self, run):
        """Artifacts of a flow run by their key."""
        found = self.ask("artifacts/filter", flow_runs={"id": {"any_": [run["id"]]}})
        return {artifact["key"]: artifact for artifact in found}

    def ask(self, path, method="POST", **question):
        return self._request(method, path, question)

    def _request(self, method, path, question):
        address = f"{self.api}/{path}"
        answer = httpx.request(method, address, json=question, timeout=30, trust_env=False, auth=("admin", SECRET))
        answer.raise_for_status()
        return answer.json()

    def process_of(self, run):
        """Process group that a flow run is carried out in."""
        return int(self.flow_run(run["id"])["infrastructure_pid"])

    def stop(self):
        for process in reversed(self.started):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
