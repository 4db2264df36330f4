"""A run's file while the run goes, after it, and after it was killed; and what reads it."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import runs

from flows import batch, cli, gallery, live, sheets
from flows.output import last_run, live_runs, open_output
from flows.store import StorageError, open_store
from flows.worker import Outcome


def stamp(seconds_ago):
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(timespec="seconds").replace("+00:00", "Z")


def write_run(store, run="20261120T061500Z-1f3a", **more):
    document = {"run": run, "state": "running", "updated": stamp(1), "cells": 4, "manifest": {"name": "coast"}, **more}
    store.write(live.file_name(run), json.dumps(document).encode(), "application/json")


def file_of(out):
    (data,) = runs.files(out, "runs").values()
    return json.loads(data)


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


@pytest.fixture
def eager(monkeypatch):
    """Look for changes all the time."""
    monkeypatch.setattr(live, "_EVERY_LOCAL", 0.05)
    monkeypatch.setattr(live, "_EVERY_BUCKET", 0.05)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_the_file_tells_of_a_run_from_its_beginning_to_its_end(tmp_path, where, request):
    manifest = runs.study(tmp_path / "study")
    to = tmp_path / "out" if where == "folder" else f"s3://{request.getfixturevalue('bucket')}/x"
    store, heard = open_store(to, confine=False), {}

    def carry(chunks, take, _):
        found = [last_run(store)]
        orders = [order for chunk in chunks for order in chunk.orders]
        for number, order in enumerate(orders):
            take(Outcome(order.key, order.name, "failed" if number else "rendered", "device", "said so"))
            heard["left_seconds"] = 100 - number
            wait_for(lambda n=number: last_run(store).get("left_seconds") == 100 - n)
            found.append(last_run(store))
        told = [(run["rendered"], run["failed"], run["remaining"]) for run in found]
        assert told == [(0, 0, 4), (1, 0, 3), (1, 1, 2), (1, 2, 1), (1, 3, 0)]
        assert {run["state"] for run in found} == {"running"}
        assert [run["run"] for run in live_runs(store)] == [found[0]["run"]]
        assert live_runs(store, but=found[0]["run"]) == []

    prepared = runs.prepared(manifest, to=to, sets=["run.max_failures=100%"])
    summary = batch.carry_out(prepared, carry, 1, lambda _: None, lambda: dict(heard))
    assert live_runs(store) == []
    assert [entry.name for entry in store.list("runs/")] == [f"runs/{summary.run}.json"]
    last = last_run(store)
    assert last.pop("updated") >= last["started"]
    assert last == {**summary.to_dict(), "to": "."}
    assert (last["state"], last["failed"], "left_seconds" in last) == ("ended", 3, False)


def test_cells_that_workers_told_of_count_before_their_chunk_ends(tmp_path):
    prepared = runs.prepared(runs.study(tmp_path))
    seen = []

    def carry(*_):
        seen.append(file_of(tmp_path / "out"))

    told = {"rendered": 2, "failed": 1, "workers": [{"worker": "cpu", "cell": "a"}]}
    batch.carry_out(prepared, carry, 1, lambda _: None, lambda: told)
    (running,) = seen
    assert (running["rendered"], running["failed"], running["remaining"]) == (2, 1, 1)
    assert running["workers"] == told["workers"]


@pytest.mark.parametrize(
    ("error", "reason"), [(StorageError("full"), "storage"), (KeyboardInterrupt(), "interrupted"), (OSError(), "error")]
)
def test_a_run_that_ends_by_an_error_says_why(tmp_path, error, reason):
    prepared = runs.prepared(runs.study(tmp_path))

    def carry(*_):
        raise error

    with pytest.raises(type(error)):
        batch.carry_out(prepared, carry, 1, lambda _: None)
    assert (file_of(tmp_path / "out")["state"], file_of(tmp_path / "out")["stopped"]) == ("ended", reason)
    assert "run-file" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.usefixtures("eager")
def test_a_quiet_run_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "_SIGN_OF_LIFE", 0.2)
    store, updated = open_store(tmp_path / "out", confine=False), set()

    def carry(*_):
        def two_updates():
            updated.add(last_run(store)["updated"])
            return len(updated) == 2

        wait_for(two_updates)

    batch.carry_out(runs.prepared(runs.study(tmp_path)), carry, 1, lambda _: None)


def test_runs_that_were_silent_too_long_or_have_ended_are_not_live(tmp_path):
    store = open_store(tmp_path)
    write_run(store, "1", updated=stamp(live.DEAD_AFTER + 5))
    write_run(store, "2", state="ended")
    write_run(store, "3", updated="tomorrow")
    write_run(store, "4")
    write_run(store, "5", updated=stamp(-30))  # a clock that is half a minute ahead
    assert [run["run"] for run in live_runs(store)] == ["5", "4"]


def test_sheets_and_gallery_of_an_output_whose_last_run_was_killed(study):
    store = open_store(study.out, confine=False)
    whole = last_run(store)
    killed = {**whole, "run": "29991231T235959Z-ffff", "state": "running", "sheets": [], "gallery": None}
    killed |= {"updated": stamp(9999), "failures": [], "workers": [{"cell": "a"}]}
    write_run(store, **killed)
    before = runs.files(study.out, "sheets")
    store, ledger = open_output(str(study.out), print)
    assert sheets.rebuild(store, ledger, print) == whole["sheets"]
    assert runs.files(study.out, "sheets") == before
    assert cli.run(["gallery", str(study.out)]) == 0
    assert b"two photographs" in (study.out / gallery.PAGE).read_bytes()
    assert runs.render(study.manifest).exit_code == 0
