"""The flows as Prefect runs them: a real server, a process work pool, a worker, deployments from prefect.yaml."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import runs

ROOT = Path(__file__).parents[2]
POOL = "render-pool"


def prefect_command(*arguments):
    return [sys.executable, "-m", "prefect", *map(str, arguments)]


class Prefect:
    """A running server with the project's deployments and one worker."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.api = f"http://127.0.0.1:{port}/api"
        self.log = folder / "worker.log"
        self.environment = runs.surroundings(
            folder / "home",
            PREFECT_API_URL=self.api,
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
            PREFECT_CLI_PROMPT="false",
            PREFECT_WORKER_QUERY_SECONDS="1",
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            NO_PROXY="127.0.0.1",
        )
        self.started = []
        with (folder / "server.log").open("wb") as log:
            self._start(log, "server", "start", "--host", "127.0.0.1", "--port", port, "--no-ui")
        self._wait_until_healthy()
        self.run("work-pool", "create", POOL, "--type", "process")
        self.run("deploy", "--all", "--no-prompt")
        with self.log.open("wb") as log:
            self._start(log, "worker", "start", "--pool", POOL, "--type", "process", "--limit", 1)

    def _start(self, log, *arguments):
        process = subprocess.Popen(
            prefect_command(*arguments),
            cwd=ROOT,
            env=self.environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.started.append(process)

    def _wait_until_healthy(self):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.api}/health", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
        raise AssertionError("the Prefect server does not start")

    def run(self, *arguments, check=True):
        done = subprocess.run(
            prefect_command(*arguments), cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def deployment(self, name, *parameters):
        """Run a deployment and wait for its end; returns the exit code and the last flow run."""
        options = [part for parameter in parameters for part in ("-p", parameter)]
        done = self.run("deployment", "run", name, *options, "--watch", check=False)
        question = {
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": 1,
            "deployments": {"name": {"any_": [name.split("/")[1]]}},
        }
        (found,) = self.ask("flow_runs/filter", **question)
        return done.returncode, found

    def ask(self, path, **question):
        answer = httpx.post(f"{self.api}/{path}", json=question, timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def stop(self):
        for process in reversed(self.started):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def prefect(tmp_path_factory):
    server = None
    try:
        server = Prefect(tmp_path_factory.mktemp("prefect-server"))
        yield server
    finally:
        if server:
            server.stop()


@pytest.mark.slow
def test_a_deployment_renders_a_manifest_and_tells_of_it(prefect, tmp_path):
    manifest, out = runs.study(tmp_path), tmp_path / "there"
    code, run = prefect.deployment("render-batch/adhoc", f"manifest={manifest}", f"to={out}", "limit=2")
    assert (code, run["state"]["type"]) == (0, "COMPLETED"), prefect.log.read_text()
    assert run["state"]["message"] == "2 rendered, 0 already there of 2 cells"
    assert len(runs.receipts(out)) == 2
    assert len(runs.files(out, "runs")) == 1

    artifacts = {a["key"]: a for a in prefect.ask("artifacts/filter", flow_runs={"id": {"any_": [run["id"]]}})}
    assert "2 rendered" in artifacts["render-summary"]["data"]
    assert (out / "gallery/index.html").as_uri() in artifacts["gallery"]["data"]
    tasks = prefect.ask("task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
    assert {task["state"]["type"] for task in tasks} == {"COMPLETED"}

    code, run = prefect.deployment("build-gallery/publish", f"out={out}", f"to={tmp_path / 'copy'}")
    assert (code, run["state"]["type"]) == (0, "COMPLETED"), prefect.log.read_text()
    assert (tmp_path / "copy/gallery/index.html").read_bytes() == (out / "gallery/index.html").read_bytes()
    assert runs.files(tmp_path / "copy", "renders") == runs.files(out, "renders")


@pytest.mark.slow
def test_a_manifest_that_does_not_validate_fails_with_its_message_and_no_traceback(prefect, tmp_path):
    manifest = runs.study(tmp_path, runs.MANIFEST.replace("steps: 2", "stepz: 2"))
    begins = len(prefect.log.read_text())
    code, run = prefect.deployment("render-batch/adhoc", f"manifest={manifest}", f"to={tmp_path / 'there'}")
    assert code != 0
    assert run["state"]["type"] == "FAILED"
    assert "line 6" in run["state"]["message"]
    assert "did you mean 'steps'?" in run["state"]["message"]
    log = prefect.log.read_text()[begins:]
    assert "did you mean 'steps'?" in log
    assert "Traceback" not in log
    assert not (tmp_path / "there").exists()


@pytest.mark.slow
def test_failed_cells_fail_a_flow_run_and_are_in_its_summary(prefect, tmp_path):
    manifest, out = runs.study(tmp_path), tmp_path / "there"
    (tmp_path / "photos/tower.png").write_text("no picture")
    begins = len(prefect.log.read_text())
    overrides = json.dumps(["jobs.0.grid={}"])
    code, run = prefect.deployment("render-batch/adhoc", f"manifest={manifest}", f"to={out}", f"overrides={overrides}")
    assert code != 0
    assert (run["state"]["type"], len(runs.receipts(out))) == ("FAILED", 1)
    assert run["state"]["message"] == "1 rendered, 0 already there, 1 failed of 2 cells"
    (summary,) = prefect.ask(
        "artifacts/filter", artifacts={"key": {"any_": ["render-summary"]}}, limit=1, sort="CREATED_DESC"
    )
    assert "photos/tower.png" in summary["data"]
    assert "Traceback" not in prefect.log.read_text()[begins:]


def test_deployments_are_those_of_the_contract():
    import yaml

    deployments = {d["name"]: d for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
    entrypoints = {name: re.split("[:.]", d["entrypoint"])[-1] for name, d in deployments.items()}
    assert entrypoints == {"adhoc": "render_batch", "nightly": "render_batch", "publish": "build_gallery"}
    assert deployments["nightly"]["schedules"][0]["cron"]
    for name in ("adhoc", "nightly"):
        assert (ROOT / deployments[name]["parameters"]["manifest"]).is_file()
