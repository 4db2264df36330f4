"""Runs that are interrupted, killed, or lose their workers: what was finished stays, the rest is done next time."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import runs

from flows import carrying
from flows.batch import Stop, make_chunks
from flows.carrying import Carrier
from flows.display import Display
from flows.worker import Outcome, render_chunk

MANIFEST = """version: 1
name: a longer run
inputs: {content: photos/harbour.png, style: styles/blocks.png}
defaults: {size: 64, steps: 25, init: noise}
jobs: [{grid: {seed: {range: [0, 8, 1]}}}]
run: {chunk: 1s}
"""
CELLS = 8


class Running:
    """`stylepress render` in a process group of its own."""

    def __init__(self, home, folder):
        self.manifest = runs.study(folder, MANIFEST)
        self.out = folder / "out/a-longer-run"
        self.process = subprocess.Popen(
            runs.arguments_of("render", self.manifest),
            env=runs.surroundings(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_receipts(self, count):
        deadline = time.monotonic() + 240
        while len(self.receipts()) < count:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def receipts(self):
        return list(self.out.glob("receipts/*/*.json"))

    def members(self):
        """Command lines of the living processes of the group."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, _, group = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found

    def workers(self):
        return [pid for pid, line in self.members().items() if "multiprocessing.spawn" in line]

    def assert_nobody_is_left(self):
        deadline = time.monotonic() + 20
        while self.members() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.members() == {}


@pytest.fixture
def running(prefect_home, tmp_path):
    run = Running(prefect_home, tmp_path / "study")
    yield run
    if run.members():
        os.killpg(run.process.pid, signal.SIGKILL)
    run.process.communicate()


def assert_whole(out):
    """Every receipt is of its picture, and no picture is there twice or in part."""
    pictures, receipts = runs.files(out, "renders"), runs.receipts(out)
    assert all(runs.digest(pictures[name]) == receipt["picture"]["sha256"] for name, receipt in receipts.items())
    return receipts


def temporary(out):
    return [name for name in runs.files(out) if "/." in name or name.endswith(".tmp")]


@pytest.mark.slow
def test_ctrl_c_ends_a_run_with_130_and_keeps_what_is_finished(running):
    running.wait_for_receipts(2)
    os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does: to every process
    output, errors = running.process.communicate(timeout=60)
    assert running.process.returncode == 130
    assert errors == "", "nobody prints a traceback"
    assert output.startswith("interrupted: ")
    receipts = assert_whole(running.out)
    assert 2 <= len(receipts) < CELLS
    assert set(receipts) == set(runs.files(running.out, "renders"))
    assert temporary(running.out) == []
    assert len(runs.files(running.out, "runs")) == 1
    assert len(runs.files(running.out, "sheets")) == 2
    running.assert_nobody_is_left()

    finished = runs.files(running.out, "renders")
    summary = runs.render(running.manifest)
    assert (summary.rendered, summary.skipped) == (CELLS - len(receipts), len(receipts))
    after = runs.files(running.out, "renders")
    assert {name: after[name] for name in finished} == finished
    assert len(after) == len(assert_whole(running.out)) == CELLS


@pytest.mark.slow
def test_a_run_that_was_killed_with_everything_it_started_goes_on_with_what_is_missing(running):
    running.wait_for_receipts(1)
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.communicate()
    receipts = assert_whole(running.out)
    time.sleep(2)  # a temporary file younger than this might still have a writer
    summary = runs.render(running.manifest)
    assert (summary.rendered, summary.skipped) == (CELLS - len(receipts), len(receipts))
    assert len(assert_whole(running.out)) == CELLS
    assert temporary(running.out) == []


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_starts_another_and_renders_nothing_twice(running):
    running.wait_for_receipts(2)
    before = {path: path.stat().st_mtime_ns for path in running.receipts()}
    for pid in running.workers():
        os.kill(pid, signal.SIGKILL)
    output, errors = running.process.communicate(timeout=240)
    assert (running.process.returncode, errors) == (0, "")
    assert f"{CELLS} rendered, 0 already there of {CELLS} cells" in output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(assert_whole(running.out)) == CELLS
    running.assert_nobody_is_left()


class Pool:
    """Stands where a pool of worker processes would: one worker, which a certain cell kills."""

    slots, messages, stop = 1, None, None

    def __init__(self, deadly):
        self.deadly, self.dead, self.runner = deadly, False, self

    def heard(self):
        return iter(())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, _task, parameters):
        chunk = carrying.Chunk.from_dict(parameters["chunk"])
        return Future(self, chunk, parameters["begun"])


class Future:
    """The future of a chunk in a `Pool`: done at once, or broken by the cell that kills."""

    def __init__(self, pool, chunk, begun):
        self.pool, self.chunk, self.task_run_id = pool, chunk, object()
        self.outcomes, self.begun = [], begun

    def add_done_callback(self, call):
        call(self)

    def result(self, **_):
        for order in self.chunk.orders:
            if self.pool.dead or order.key in self.pool.deadly:
                self.pool.dead = True
                raise RuntimeError("the pool is broken")
            self.outcomes.append(vars(Outcome(order.key, order.name, "rendered")))
        return self.outcomes


def carried(monkeypatch, chunks, deadly, retries):
    """Outcomes by key of chunks that pass through a carrier whose workers die of certain cells."""
    monkeypatch.setattr(carrying.engines, "start", lambda *_: Pool(deadly))
    found = {}

    def take(outcome):
        assert outcome.key not in found, "each cell has one outcome"
        found[outcome.key] = outcome

    carrier = Carrier("local", None, None, "auto", retries, Display(0, {}), lambda _: None, lambda *_: None)
    carrier(chunks, take, Stop())
    return found


@pytest.fixture
def chunks(tmp_path):
    """Three chunks of a study's eight cells; nothing is rendered."""
    (whole,) = make_chunks(runs.prepared(runs.study(tmp_path, MANIFEST), sets=["run.chunk=10h"]), 1)
    return [carrying.replace(whole, orders=whole.orders[a:b]) for a, b in ((0, 3), (3, 6), (6, 8))]


@pytest.mark.parametrize("place", range(CELLS))
@pytest.mark.parametrize("retries", [1, 2])
def test_a_cell_that_kills_its_worker_costs_no_other_cell(monkeypatch, chunks, place, retries):
    orders = [order for chunk in chunks for order in chunk.orders]
    found = carried(monkeypatch, chunks, {orders[place].key}, retries)
    assert len(found) == CELLS
    failed = {key: outcome.kind for key, outcome in found.items() if outcome.status == "failed"}
    assert failed == {orders[place].key: "worker-lost"}


def test_what_a_lost_chunk_had_published_counts_as_rendered(monkeypatch, chunks):
    chunks = [carrying.replace(chunks[0], begun=time.time())]
    render_chunk(carrying.replace(chunks[0], orders=chunks[0].orders[:1]))
    found = carried(monkeypatch, chunks, {order.key for order in chunks[0].orders}, retries=0)
    assert [found[order.key].status for order in chunks[0].orders] == ["rendered", "failed", "failed"]


@pytest.mark.slow
def test_a_dask_cluster_of_this_machine_renders_too(command, tmp_path):
    pytest.importorskip("prefect_dask", reason="the extra `dask` is not installed")
    manifest = runs.study(tmp_path)
    done = command("render", manifest, "--engine", "dask", "--workers", 1, "--limit", 2)
    assert done.returncode == 0, done.stderr
    assert "2 rendered, 0 already there of 2 cells" in done.stdout
    assert "Traceback" not in done.stderr
    assert len(assert_whole(tmp_path / "out")) == 2
