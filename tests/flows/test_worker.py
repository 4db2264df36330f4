"""A worker's side of a run: chunks in, pictures, receipts and outcomes out; what ails one cell costs no other."""

import dataclasses
import json
import multiprocessing
import os
import re
import signal
import threading
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import runs

from flows import batch, worker
from flows.choosing import RefusedError
from flows.publish import now
from flows.receipts import encoded
from flows.store import StorageError, open_store
from flows.worker import Chunk, finished_before, render_chunk
from stylecore.methods import METHODS


@pytest.fixture
def chunk(tmp_path):
    """One chunk with all four cells of a study."""
    (only,) = batch.make_chunks(runs.prepared(runs.study(tmp_path), sets=["defaults.steps=1"]), 1)
    return only


def outcomes(chunk, **options):
    return {(o.name.split("--")[0].removeprefix("renders/"), o.status, o.kind) for o in render_chunk(chunk, **options)}


def test_a_chunk_survives_the_way_through_json(chunk):
    assert Chunk.from_dict(json.loads(json.dumps(chunk.to_dict()))) == chunk


def test_a_picture_that_was_changed_after_planning_costs_its_own_cells(chunk, tmp_path):
    runs.draw(tmp_path / "photos/tower.png", seed=99)
    found = render_chunk(chunk)
    assert sorted((o.status, o.kind) for o in found) == [("failed", "unreadable-picture")] * 2 + [("rendered", "")] * 2
    assert all("photos/tower.png was changed" in o.message for o in found if o.status == "failed")
    assert len(runs.receipts(tmp_path / "out")) == 2


def test_a_picture_that_is_gone_or_damaged_is_named(chunk, tmp_path):
    (tmp_path / "photos/tower.png").unlink()
    assert all("photos/tower.png" in o.message for o in render_chunk(chunk) if o.status == "failed")


def test_a_picture_whose_damage_shows_only_when_it_is_decoded_is_named(tmp_path):
    manifest = runs.study(tmp_path)
    picture = tmp_path / "photos/tower.png"
    picture.write_bytes(picture.read_bytes()[:-900])
    (chunk,) = batch.make_chunks(runs.prepared(manifest, sets=["defaults.steps=1"]), 1)
    failed = [o for o in render_chunk(chunk) if o.status == "failed"]
    assert len(failed) == 2
    assert all(o.kind == "unreadable-picture" and o.message.startswith("photos/tower.png") for o in failed)


def test_other_weights_than_those_planned_are_refused(chunk):
    orders = [
        dataclasses.replace(o, cell={**o.cell, "weights": {**o.cell["weights"], "digest": "0"}}) for o in chunk.orders
    ]
    with pytest.raises(RefusedError, match="weights"):
        render_chunk(dataclasses.replace(chunk, orders=tuple(orders)))


def test_other_versions_of_the_package_or_of_a_method_are_refused(chunk, tmp_path):
    with pytest.raises(RefusedError, match=re.escape(f"it has stylepress {version('stylepress')}, and the run")):
        render_chunk(dataclasses.replace(chunk, stylepress="0.0.1"))
    cell = {**chunk.orders[0].cell, "method": {"name": "gatys", "version": 1}}
    with pytest.raises(
        RefusedError, match=f"version {METHODS['gatys'].version} of the method gatys, and the run was planned with 1"
    ):
        render_chunk(dataclasses.replace(chunk, orders=(dataclasses.replace(chunk.orders[0], cell=cell),)))
    assert not (tmp_path / "out/receipts").exists()


def test_a_second_attempt_renders_only_what_the_first_left(chunk, tmp_path):
    chunk = dataclasses.replace(chunk, submitted=time.time(), begun=time.time())
    render_chunk(dataclasses.replace(chunk, orders=chunk.orders[:2]))
    before = runs.files(tmp_path / "out")
    assert finished_before(chunk) == {order.key for order in chunk.orders[:2]}
    assert [o.status for o in render_chunk(chunk, attempts=2)] == ["rendered"] * 4
    after = runs.files(tmp_path / "out")
    assert {name: after[name] for name in before} == before
    assert sorted(receipt["attempts"] for receipt in runs.receipts(tmp_path / "out").values()) == [1, 1, 2, 2]


def test_receipts_from_before_a_run_do_not_count_as_finished_by_it(chunk):
    render_chunk(chunk)
    again = tuple(dataclasses.replace(order, again=True) for order in chunk.orders)
    assert finished_before(dataclasses.replace(chunk, orders=again, begun=time.time() + 5)) == set()
    assert len(finished_before(dataclasses.replace(chunk, begun=time.time() + 5))) == 4, "none was there to begin with"


def test_what_another_run_rendered_meanwhile_is_left_alone(chunk, tmp_path):
    render_chunk(dataclasses.replace(chunk, orders=chunk.orders[:2]))
    before = runs.files(tmp_path / "out")
    found = render_chunk(dataclasses.replace(chunk, shared=True))
    assert sorted(o.status for o in found) == ["done", "done", "rendered", "rendered"]
    after = runs.files(tmp_path / "out")
    assert {name: after[name] for name in before} == before


def test_what_another_run_renders_after_a_chunk_was_begun_is_left_alone_too(chunk, monkeypatch):
    """The other run does the last cell while this one does its first."""
    said = []

    def hear(what, *_):
        if what == "step" and not said:
            said.append(what)
            monkeypatch.setattr(worker, "_line", worker._Line())
            render_chunk(dataclasses.replace(chunk, orders=chunk.orders[3:]))

    monkeypatch.setattr(worker, "_line", worker._Line(SimpleNamespace(put=lambda message: hear(*message))))
    found = {o.key: o.status for o in render_chunk(dataclasses.replace(chunk, shared=True))}
    assert [found[order.key] for order in chunk.orders] == ["rendered"] * 3 + ["done"]


def test_beyond_its_limit_a_chunk_gives_back_what_it_has_not_begun(chunk, tmp_path):
    found = render_chunk(dataclasses.replace(chunk, limit=0.0))
    assert [(o.key, o.status) for o in found] == [(chunk.orders[0].key, "rendered")]
    assert len(runs.receipts(tmp_path / "out")) == 1


@pytest.mark.parametrize("said", [{"state": "running", "stopped": "interrupted"}, {"state": "ended"}, "silent"])
def test_a_worker_without_a_line_stops_when_the_runs_file_says_so_or_nothing_for_long(chunk, tmp_path, said):
    """As workers of a cluster are told; the run that was killed can say nothing any more."""
    store = open_store(tmp_path / "out")
    told = {"state": "running"} if said == "silent" else said
    updated = "2020-01-01T00:00:00Z" if said == "silent" else now()
    store.write("runs/x.json", encoded({"run": "x", "updated": now(), "state": "running"}), "application/json")
    orders = tuple(
        dataclasses.replace(o, cell={**o.cell, "settings": {**o.cell["settings"], "steps": 100_000}})
        for o in chunk.orders
    )
    threading.Timer(1, store.write, ["runs/x.json", encoded({"updated": updated, **told}), "application/json"]).start()
    assert render_chunk(dataclasses.replace(chunk, orders=orders, run="x", checkpoint=None)) == []
    assert not (tmp_path / "out/renders").exists()


def test_storage_that_fails_is_nobody_elses_fault(chunk, tmp_path):
    (tmp_path / "out").write_text("a file where the output should be")
    with pytest.raises(StorageError):
        render_chunk(chunk)


def test_pictures_of_a_bucket_that_is_closed_to_us_are_the_storages_fault(chunk, s3, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError):
        render_chunk(dataclasses.replace(chunk, root=f"s3://{s3.bucket}/x"))


def test_a_loss_that_is_not_finite_costs_its_own_cell(tmp_path):
    manifest = runs.study(tmp_path)
    sets = [
        "jobs.0.grid.style_weight=[10, 1e38]",
        "jobs.0.grid.content_weight=[1, 1e38]",
        "inputs.content=photos/tower.png",
    ]
    (chunk,) = batch.make_chunks(runs.prepared(manifest, sets=sets), 1)
    found = {(o.name.rsplit("--", 2)[1], o.status, o.kind) for o in render_chunk(chunk)}
    assert ("style_weight-10_content_weight-1", "rendered", "") in found
    assert {kind for _, status, kind in found if status == "failed"} <= {"not-finite"}
    for receipt in runs.receipts(tmp_path / "out").values():
        json.dumps(receipt, allow_nan=False)


def _wait_for_ever(ready):
    worker.attach(None, None, "cpu", None)
    ready.set()
    time.sleep(600)


def _start_and_wait(ready, pid):
    process = multiprocessing.get_context("spawn").Process(target=_wait_for_ever, args=(ready,))
    process.start()
    pid.value = process.pid
    process.join()


def test_a_worker_ends_when_the_run_that_started_it_is_killed():
    context = multiprocessing.get_context("spawn")
    ready, pid = context.Event(), context.Value("i", 0)
    run = context.Process(target=_start_and_wait, args=(ready, pid))
    run.start()
    assert ready.wait(60)
    os.kill(pid.value, signal.SIGINT)  # a Ctrl-C must not end it
    time.sleep(0.5)
    assert _is_alive(pid.value)
    run.kill()
    run.join()
    deadline = time.monotonic() + 30
    while _is_alive(pid.value) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_alive(pid.value)


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
