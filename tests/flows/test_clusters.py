"""Runs on clusters of this machine: a Dask scheduler with two workers, and Ray; what dies there, or does not answer."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import runs
import sabotage
from prefect_server import wait_for
from runs import CELLS, PATIENCE


class Dask:
    """A scheduler, and the workers that tests start at it."""

    def __init__(self, folder, home):
        pytest.importorskip("prefect_dask", reason="the extra `dask` is not installed")
        self.home, self.folder, self.workers, self.started = home, folder, {}, []
        where = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(where)]
        self._start("distributed.cli.dask_scheduler", options, {})
        self.address = wait_for(lambda: where.exists() and json.loads(where.read_text())["address"])

    def worker(self, name, **more):
        options = [self.address, "--no-nanny", "--no-dashboard", "--nthreads", "1", "--name", name]
        self.workers[name] = self._start(
            "distributed.cli.dask_worker", [*options, "--local-directory", self.folder], more
        )

    def _start(self, module, options, more):
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *map(str, options)],
                env=runs.surroundings(self.home, **more),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def arguments(self):
        return "--engine", "dask", "--address", self.address

    def dismiss(self):
        for process in self.workers.values():
            process.kill()
            process.wait()
        self.workers.clear()

    def close(self):
        for process in reversed(self.started):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def scheduler(prefect_home, tmp_path_factory):
    started = Dask(tmp_path_factory.mktemp("dask"), prefect_home)
    yield started
    started.close()


@pytest.fixture
def dask(scheduler):
    yield scheduler
    scheduler.dismiss()


def renders(pid):
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.slow
def test_two_workers_of_a_dask_cluster_render_and_one_that_is_killed_costs_only_what_it_had_unfinished(dask, running):
    dask.worker("a")
    dask.worker("b")
    run = running(*dask.arguments(), "--json")
    run.wait_for_receipts(3)
    before = {path: path.stat().st_mtime_ns for path in run.receipts()}
    assert all(renders(worker.pid) for worker in dask.workers.values())
    dask.workers["a"].send_signal(signal.SIGKILL)
    output, errors = run.process.communicate(timeout=PATIENCE)
    said = json.loads(output)
    assert (run.process.returncode, said["rendered"], said["failed"]) == (0, CELLS, 0), errors
    assert "Traceback" not in errors
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(runs.whole(run.out)) == CELLS
    assert "127.0.0.1" not in json.dumps(said)


@pytest.mark.slow
def test_a_worker_of_another_version_is_refused_and_alone_ends_the_run_with_3(dask, running, tmp_path):
    older = sabotage.environment(tmp_path / "older", "flows.choosing", "module.version = lambda _: '0.0.1'")
    dask.worker("old", **older)
    run = running(*dask.arguments())
    _, errors = run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 3
    (said,) = runs.complaints(errors)
    assert "it has stylepress 0.0.1" in said
    assert runs.whole(run.out) == {}


@pytest.mark.slow
def test_an_interrupted_run_leaves_nobody_at_work_on_a_cluster(dask, running):
    dask.worker("a")
    run = running(*dask.arguments(), "--set", "defaults.steps=100000")
    wait_for(lambda: renders(dask.workers["a"].pid))
    run.process.send_signal(signal.SIGTERM)
    output, errors = run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 130, errors
    assert output.startswith("interrupted: ")
    assert dask.workers["a"].poll() is None, "it is not ours"
    run.assert_nobody_is_left()


@pytest.mark.slow
def test_a_cluster_that_goes_away_ends_a_run_with_3_and_keeps_what_is_finished(dask, running):
    dask.worker("a")
    run = running(*dask.arguments())
    run.wait_for_receipts(2)
    dask.started[0].kill()  # no test after this one has a scheduler
    _, errors = run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 3, errors
    assert "the dask cluster has gone away" in errors
    assert "Traceback" not in errors
    assert len(runs.whole(run.out)) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_an_address_where_nobody_answers_ends_a_run_with_3_soon_and_one_line(engine, running):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"{'tcp' if engine == 'dask' else 'ray'}://127.0.0.1:{taken.getsockname()[1]}"
        run = running("--engine", engine, "--address", address)
        _, errors = run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 3
    (said,) = errors.splitlines()
    assert f"the {engine} cluster at {address} does not answer" in said


@pytest.mark.slow
def test_a_dask_cluster_of_this_machine_renders_too(running):
    pytest.importorskip("prefect_dask", reason="the extra `dask` is not installed")
    run = running("--engine", "dask", "--workers", "1", "--limit", "2", "--set", "defaults.steps=2")
    output, errors = run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 0, errors
    assert "2 rendered, 0 already there of 2 cells" in output
    assert "Traceback" not in errors
    assert len(runs.whole(run.out)) == 2
    run.assert_nobody_is_left()


@pytest.mark.slow
def test_a_ray_cluster_of_this_machine_renders_and_a_worker_that_is_killed_costs_no_cell(running):
    pytest.importorskip("prefect_ray", reason="the extra `ray` is not installed")
    run = running("--engine", "ray", "--workers", "2")
    run.wait_for_receipts(2)
    at_work = [pid for pid, line in run.members().items() if line.startswith("ray::") and renders(pid)]
    os.kill(at_work[0], signal.SIGKILL)
    output, errors = run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 0, errors
    assert f"{CELLS} rendered, 0 already there of {CELLS} cells" in output
    assert len(runs.whole(run.out)) == CELLS
