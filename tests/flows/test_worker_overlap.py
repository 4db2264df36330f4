"""Publishing aside of rendering: the same pictures and receipts, in the same order, and nothing lost on the way."""

import dataclasses
import json
import multiprocessing
import os
import signal
import threading
import time

import pytest
import runs

from flows import batch, worker
from flows.checkpoints import checkpoint_name
from flows.publish import Publisher
from flows.receipts import receipt_name
from flows.store import LocalStore, StorageError, open_store
from flows.worker import finished_before, render_chunk
from stylecore import Cell, Settings, render

PATIENCE = 60  # seconds
FAST = ["defaults.steps=2", "defaults.style_layers=relu2_1", "defaults.content_layers=relu2_1", "defaults.scales=1"]


def chunk_of(folder, *sets):
    """One chunk with the cells of a study."""
    (only,) = batch.make_chunks(runs.prepared(runs.study(folder), sets=[*FAST, "run.checkpoint=off", *sets]), 1)
    return only


class Slow(LocalStore):
    """A folder that remembers what was done to it, and writes receipts only once it may."""

    def __init__(self, folder, gate):
        super().__init__(str(folder), folder)
        self.gate, self.done = gate, []

    def write(self, name, data, content_type, *, exclusive=False):
        if name.startswith("receipts/"):
            assert self.gate.wait(PATIENCE)
        entry = super().write(name, data, content_type, exclusive=exclusive)
        self.done.append(name)
        return entry

    def delete(self, name):
        super().delete(name)
        self.done.append(f"without {name}")


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """The output as a `Slow` folder, whose gate is shut."""
    store = Slow(tmp_path / "out", threading.Event())
    monkeypatch.setattr(
        worker, "open_store", lambda url, **more: store if url == str(store.root) else open_store(url, **more)
    )
    return store


def listen(monkeypatch, hear, stop=None):
    """Have this process tell its progress to a function."""

    class Ear:
        def put(self, message):
            hear(*message)

    monkeypatch.setattr(worker, "_line", worker._Line(Ear(), stop))


def test_a_cell_is_rendered_while_the_one_before_is_published(tmp_path, slow, monkeypatch):
    chunk = chunk_of(tmp_path)
    second = chunk.orders[1].key

    def hear(what, keys, *_):
        if what == "step" and keys == [second]:
            slow.gate.set()

    listen(monkeypatch, hear)
    assert [o.status for o in render_chunk(chunk)] == ["rendered"] * 4


def test_done_is_said_of_what_has_its_receipt(tmp_path, slow, monkeypatch):
    chunk, heard = chunk_of(tmp_path), {}

    def hear(what, key, *_):
        if what == "done":
            heard[key] = receipt_name(key) in slow.done
        else:
            slow.gate.set()

    listen(monkeypatch, hear)
    render_chunk(chunk)
    assert heard == {order.key: True for order in chunk.orders}


def test_checkpoints_go_after_the_receipt_and_that_after_the_picture(tmp_path, slow):
    chunk = dataclasses.replace(chunk_of(tmp_path), checkpoint=1e-6)
    slow.gate.set()
    render_chunk(chunk)
    for order in chunk.orders:
        names = [order.name, receipt_name(order.key), f"without {checkpoint_name(order.key)}"]
        places = [slow.done.index(name) for name in names]
        assert places == sorted(places)
        assert slow.done.index(checkpoint_name(order.key)) < places[0]


def test_results_are_those_of_publishing_each_before_the_next(tmp_path):
    chunk = chunk_of(tmp_path)
    publisher = Publisher(open_store(tmp_path / "serial"), chunk.format, chunk.embed, worker.device_name("cpu"))
    for order in chunk.orders:
        content, style = ((tmp_path / order.cell[part]["name"]).read_bytes() for part in ("content", "style"))
        (result,) = render([Cell(content, (style,), Settings(**order.cell["settings"]))], device="cpu")
        publisher.publish(order.key, order.name, order.cell, result, queued=0.0, attempts=1)
    assert [o.status for o in render_chunk(chunk)] == ["rendered"] * 4
    assert runs.files(tmp_path / "out", "renders") == runs.files(tmp_path / "serial", "renders")
    expected, found = (runs.receipts(tmp_path / out) for out in ("serial", "out"))
    assert set(found) == set(expected)
    for name, receipt in found.items():
        differing = {part for part in receipt if receipt[part] != expected[name][part]}
        assert differing <= {"timing", "finished"}
        assert set(receipt["timing"]) == {"queued", "load", "render", "score", "encode", "publish"}
        assert all(seconds >= 0 for seconds in receipt["timing"].values())


@pytest.mark.parametrize("place", range(4))
def test_a_picture_that_cannot_be_encoded_costs_its_own_cell(tmp_path, place):
    """A JPEG has no room for a label of 70 kB, which only the encoder finds out."""
    chunk = dataclasses.replace(chunk_of(tmp_path), format="jpeg")
    cell = json.loads(json.dumps(chunk.orders[place].cell))
    cell["content"]["label"] = "x" * 70_000
    orders = list(chunk.orders)
    orders[place] = dataclasses.replace(orders[place], cell=cell)
    found = {o.key: o for o in render_chunk(dataclasses.replace(chunk, orders=tuple(orders)))}
    assert [found[order.key].status == "failed" for order in orders] == [n == place for n in range(4)]
    assert found[orders[place].key].message
    assert len(runs.receipts(tmp_path / "out")) == 3


def test_storage_that_refuses_ends_the_chunk_and_a_second_attempt_goes_on(tmp_path):
    """A folder lies where a picture is to be written."""
    chunk = dataclasses.replace(chunk_of(tmp_path), submitted=time.time(), begun=time.time())
    obstacle = tmp_path / "out" / chunk.orders[1].name
    obstacle.mkdir(parents=True)
    with pytest.raises(StorageError, match=obstacle.name):
        render_chunk(chunk)
    obstacle.rmdir()
    published = assert_whole(tmp_path / "out")
    assert chunk.orders[0].name in published
    assert chunk.orders[1].name not in published
    before = runs.files(tmp_path / "out")
    assert sorted(o.status for o in render_chunk(chunk, attempts=2)) == ["rendered"] * 4
    after = runs.files(tmp_path / "out")
    assert {name: after[name] for name in before} == before
    assert len(assert_whole(tmp_path / "out")) == 4


def test_a_stop_publishes_what_is_finished(tmp_path, slow, monkeypatch):
    chunk, stop = chunk_of(tmp_path), threading.Event()
    third = chunk.orders[2].key

    def hear(what, keys, *_):
        if what == "step" and keys == [third]:
            stop.set()
            threading.Timer(0.2, slow.gate.set).start()

    listen(monkeypatch, hear, stop)
    assert [o.key for o in render_chunk(chunk)] == [order.key for order in chunk.orders[:2]]
    assert set(assert_whole(tmp_path / "out")) == {order.name for order in chunk.orders[:2]}


def _render(chunk):
    render_chunk(chunk)


@pytest.mark.parametrize("receipts", [1, 5])
def test_a_kill_loses_nothing_that_has_a_receipt(tmp_path, receipts):
    chunk = chunk_of(tmp_path, "jobs.0.grid.seed={range: [0, 12, 1]}", "defaults.init=noise")
    chunk = dataclasses.replace(chunk, submitted=time.time(), begun=time.time())
    process = multiprocessing.get_context("spawn").Process(target=_render, args=(chunk,))
    process.start()
    deadline = time.monotonic() + PATIENCE
    while len(list((tmp_path / "out").glob("receipts/*/*.json"))) < receipts:
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    published = assert_whole(tmp_path / "out")
    assert receipts <= len(published) < len(chunk.orders)
    assert finished_before(chunk) == {receipt["key"] for receipt in published.values()}


def assert_whole(out):
    """Every receipt is of its picture; returns the receipts by the names of their pictures."""
    pictures, receipts = runs.files(out, "renders"), runs.receipts(out)
    assert all(runs.digest(pictures[name]) == receipt["picture"]["sha256"] for name, receipt in receipts.items())
    return receipts
