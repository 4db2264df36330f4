"""Previews of the inputs: made aside of the renders, and no error of theirs is lost."""

import time
from pathlib import Path

import pytest
import runs

from flows import batch, previews
from flows.previews import preview_name
from flows.store import StorageError

PATIENCE = 60  # seconds
ONE = ["jobs.0.grid.style_weight=[10]", "defaults.steps=1"]


def wanted(prepared):
    """Names of the previews of a run."""
    return {preview_name(picture.digest) for item in prepared.plan.items for picture in item.cell.inputs}


def silent(_line):
    pass


def test_they_are_made_while_cells_are_rendered(tmp_path):
    prepared = runs.prepared(runs.study(tmp_path), sets=ONE)
    assert len(wanted(prepared)) == 3

    def carry(*_):
        deadline = time.monotonic() + PATIENCE
        while not wanted(prepared) <= set(runs.files(tmp_path / "out")):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    batch.carry_out(prepared, carry, 1, silent)


def test_storage_that_refuses_them_is_an_error_of_the_run(tmp_path):
    prepared = runs.prepared(runs.study(tmp_path), sets=ONE)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/gallery").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="gallery"):
        batch.carry_out(prepared, lambda *_: None, 1, silent)


def test_a_picture_that_is_gone_is_told_of_and_costs_no_other(tmp_path):
    prepared = runs.prepared(runs.study(tmp_path), sets=ONE)
    Path(tmp_path, "photos/tower.png").unlink()
    lines = []
    batch.carry_out(prepared, lambda *_: None, 1, lines.append)
    assert any("photos/tower.png is gone" in line for line in lines)
    assert len(runs.files(tmp_path / "out", "gallery/inputs")) == 2


def test_an_error_of_the_renders_comes_through(tmp_path):
    def carry(*_):
        raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="the disk is full"):
        batch.carry_out(runs.prepared(runs.study(tmp_path), sets=ONE), carry, 1, silent)


def test_they_can_be_left_to_the_next_run(tmp_path):
    prepared = runs.prepared(runs.study(tmp_path), sets=ONE)
    previews.make(prepared.plan.pictures, str(tmp_path), prepared.store, silent, lambda: True)
    assert runs.files(tmp_path / "out") == {}
