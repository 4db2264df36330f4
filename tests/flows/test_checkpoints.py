"""Checkpoints: what was rendered is not lost to a kill, and what they cost is never a picture."""

import dataclasses
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import jsonschema
import pytest
import runs
import yaml

from flows import batch, worker
from flows.checkpoints import Checkpoints, checkpoint_name, clear
from flows.manifest import load
from flows.schema import json_schema
from flows.source import ManifestError
from flows.store import StorageError, open_store

ONE = ["inputs.content=photos/harbour.png", "jobs.0.grid.style_weight=[10]", "defaults.steps=12"]
KEYS = ["a" * 64, "b" * 64]


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    """An empty output."""
    if request.param == "folder":
        return open_store(tmp_path / "out")
    return open_store(f"s3://{request.getfixturevalue('s3').bucket}/out")


@pytest.fixture
def interrupted(monkeypatch):
    """Renders a study in this process and stops it after some steps, as Ctrl-C does; returns the summary."""

    def run(manifest, after, **options):
        stop = threading.Event()

        class Ear:
            def put(self, message):
                if message[0] == "step" and message[2] >= after:
                    stop.set()

        def carry(chunks, take, wish):
            with monkeypatch.context() as patched:
                patched.setattr(worker, "_line", worker._Line(Ear(), stop))
                runs.carry(chunks, take, wish)
            wish.wish("interrupted")

        prepared = runs.prepared(manifest, **options)
        return batch.carry_out(prepared, carry, 1, lambda _: None)

    return run


def names(store):
    return [entry.name for entry in store.list("checkpoints/")]


def resumed(out):
    return [receipt["result"]["resumed_from"] for receipt in runs.receipts(out).values()]


def test_one_is_kept_for_each_cell_and_found_by_the_next_run(store):
    first = Checkpoints(store, KEYS, 30)
    assert [first.load(0), first.load(1)] == [None, None]
    first.save(1, b"early")
    first.save(1, b"late")
    assert names(store) == [f"checkpoints/{KEYS[1]}.safetensors"]
    second = Checkpoints(store, KEYS[::-1], 30)
    assert [second.load(0), second.load(1)] == [b"late", None]
    second.remove(1)
    second.remove(0)
    assert names(store) == []
    assert second.load(0) is None


def test_all_but_those_of_unfinished_cells_are_cleared_away(store):
    kept = Checkpoints(store, [*KEYS, "c" * 64], 30)
    for index in range(3):
        kept.save(index, b"x")
    clear(store, [KEYS[1]].__contains__)
    assert names(store) == [checkpoint_name(KEYS[1])]
    clear(store, [].__contains__)
    assert names(store) == []


def test_no_empty_folder_is_left(tmp_path):
    store = open_store(tmp_path)
    Checkpoints(store, KEYS, 30).save(0, b"x")
    clear(store, KEYS.__contains__)
    assert (tmp_path / "checkpoints").is_dir()
    clear(store, [].__contains__)
    assert list(tmp_path.iterdir()) == []
    clear(store, [].__contains__)


def test_one_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    kept = Checkpoints(open_store(tmp_path), KEYS, 30)
    kept.save(0, b"x")
    assert kept.load(0) is None
    kept.remove(0)
    clear(open_store(tmp_path), [].__contains__)


def test_one_that_cannot_be_read_or_removed_costs_nothing(tmp_path):
    store = open_store(tmp_path)
    Path(tmp_path, checkpoint_name(KEYS[1]), "in the way").mkdir(parents=True)
    Checkpoints(store, KEYS, 30).save(0, b"x")
    kept = Checkpoints(store, KEYS, 30)
    path = tmp_path / checkpoint_name(KEYS[0])
    path.unlink()
    os.mkfifo(path)
    assert [kept.load(0), kept.load(1)] == [None, None]
    kept.save(1, b"x")
    kept.remove(1)


def test_an_output_that_is_gone_is_said_at_once(tmp_path):
    store = open_store(tmp_path / "out")
    kept = Checkpoints(store, KEYS, 30)
    (tmp_path / "out").write_text("a file where the output should be")
    with pytest.raises(StorageError):
        kept.save(0, b"x")


def test_a_bucket_that_is_closed_is_said_at_once(s3, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="credentials"):
        Checkpoints(open_store(f"s3://{s3.bucket}/out"), KEYS, 30)


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_a_stopped_run_is_gone_on_with_to_the_same_pixels(tmp_path, request, interrupted, where):
    manifest = runs.study(tmp_path)
    to = str(tmp_path / "out") if where == "folder" else f"s3://{request.getfixturevalue('s3').bucket}/out"
    assert interrupted(manifest, after=7, to=to, sets=ONE).exit_code == 130
    store = open_store(to)
    (item,) = runs.prepared(manifest, to, ONE).plan.items
    assert names(store) == [checkpoint_name(item.key)]
    summary = runs.render(manifest, to, ONE)
    assert (summary.rendered, summary.exit_code) == (1, 0)
    runs.render(manifest, tmp_path / "straight", ONE)
    assert store.read(item.name) == (tmp_path / "straight" / item.name).read_bytes()
    assert names(store) == []
    if where == "folder":
        assert not (tmp_path / "out/checkpoints").exists()
        assert resumed(tmp_path / "out") == [7]
    assert resumed(tmp_path / "straight") == [0]


def test_what_another_hand_put_there_is_ignored_and_removed(tmp_path, interrupted):
    manifest = runs.study(tmp_path)
    both = [*ONE, "jobs.0.grid.style_weight=[10, 20]"]
    first, second = runs.prepared(manifest, sets=both).plan.items
    interrupted(manifest, after=7, sets=ONE)
    folder = tmp_path / "out/checkpoints"
    foreign = (folder / f"{first.key}.safetensors").read_bytes()
    (folder / f"{first.key}.safetensors").write_bytes(foreign[: len(foreign) // 2])
    (folder / f"{second.key}.safetensors").write_bytes(foreign)
    (folder / "of-no-cell.safetensors").write_bytes(b"x")
    summary = runs.render(manifest, sets=both)
    assert (summary.rendered, summary.exit_code) == (2, 0)
    assert resumed(tmp_path / "out") == [0, 0]
    assert not folder.exists()
    runs.render(manifest, tmp_path / "straight", both)
    assert runs.files(tmp_path / "out", "renders") == runs.files(tmp_path / "straight", "renders")


def test_an_interrupted_run_keeps_those_it_needs_and_no_other(tmp_path, interrupted):
    manifest = runs.study(tmp_path)
    stale = tmp_path / "out/checkpoints" / f"{'f' * 64}.safetensors"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"x")
    interrupted(manifest, after=7, sets=ONE)
    (item,) = runs.prepared(manifest, sets=ONE).plan.items
    assert names(open_store(tmp_path / "out")) == [checkpoint_name(item.key)]


def test_a_cell_that_failed_keeps_none(tmp_path):
    manifest = runs.study(tmp_path)
    picture = tmp_path / "photos/harbour.png"
    picture.write_bytes(picture.read_bytes()[:-900])
    (chunk,) = batch.make_chunks(runs.prepared(manifest, sets=ONE), 1)
    path = tmp_path / "out" / checkpoint_name(chunk.orders[0].key)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    (outcome,) = worker.render_chunk(chunk)
    assert outcome.status == "failed"
    assert not path.exists()


def test_turned_off_there_are_none(tmp_path, interrupted):
    manifest = runs.study(tmp_path)
    interrupted(manifest, after=7, sets=[*ONE, "run.checkpoint=off"])
    assert names(open_store(tmp_path / "out")) == []
    runs.render(manifest, sets=[*ONE, "run.checkpoint=off"])
    assert resumed(tmp_path / "out") == [0]


def test_a_chunk_takes_the_time_from_the_manifest(tmp_path):
    manifest = runs.study(tmp_path)
    (chunk,) = batch.make_chunks(runs.prepared(manifest, sets=["run.checkpoint=2m"]), 1)
    assert chunk.checkpoint == 120
    assert dataclasses.replace(chunk, checkpoint=None) == worker.Chunk.from_dict(
        {**chunk.to_dict(), "checkpoint": None}
    )


HEAD = "version: 1\ninputs: {content: photos/a.png, style: styles/x.png}\n"
TIMES = {"off": None, "'off'": None, "false": None, "0.2s": 0.2, "90": 90, "2m": 120, "1h": 3600}


@pytest.mark.parametrize("text", TIMES)
def test_how_often(text):
    manifest = f"{HEAD}run: {{checkpoint: {text}}}"
    assert load(manifest, "m.yaml").manifest.run.checkpoint == TIMES[text]
    jsonschema.validate(yaml.safe_load(manifest), json_schema())


def test_how_often_where_nobody_says():
    assert load(HEAD, "m.yaml").manifest.run.checkpoint == 30


@pytest.mark.parametrize("text", ["never", "0", "0s", "-1s", "true", "[30s]", "1 day"])
def test_no_time_is_said_with_its_line(text):
    with pytest.raises(ManifestError, match=r"(?s)line 3.*run.checkpoint: expected a time such as 30s or 2m, or off"):
        load(f"{HEAD}run: {{checkpoint: {text}}}", "m.yaml")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(f"{HEAD}run: {{checkpoint: {text}}}"), json_schema())


@pytest.mark.slow
def test_a_run_that_was_killed_is_gone_on_with_to_the_same_pixels(tmp_path, prefect_home, api):
    manifest = runs.study(tmp_path)
    sets = [*ONE, "defaults.size=64", "defaults.steps=80", "run.checkpoint=0.2s"]
    arguments = runs.arguments_of("render", manifest, *(part for one in sets for part in ("--set", one)))
    process = subprocess.Popen(
        arguments,
        env=runs.surroundings(prefect_home, PREFECT_API_URL=api),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("out/checkpoints/*.safetensors")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)  # the run and its workers
    process.wait()
    assert not list(tmp_path.glob("out/receipts/*/*"))
    assert runs.render(manifest, sets=sets).rendered == 1
    (step,) = resumed(tmp_path / "out")
    assert 0 < step < 80
    assert not (tmp_path / "out/checkpoints").exists()
    runs.render(manifest, tmp_path / "straight", sets)
    assert runs.files(tmp_path / "out", "renders") == runs.files(tmp_path / "straight", "renders")
