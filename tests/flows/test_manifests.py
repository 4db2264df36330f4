"""The manifests that ship: each is without mistakes, renders, and makes the sheet of the figure it follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import runs
from PIL import Image

from flows import batch, checking

FOLDER = Path(__file__).parents[2] / "manifests"
LITERATURE = sorted(FOLDER.glob("literature/*.yaml"))
FIGURES = {
    *("content-layers", "style-layers", "style-layers-sizes-seeds", "style-single-layer", "gram-variants"),
    *("alpha-beta", "inits", "color", "masks", "blend", "pyramid"),
}
CELLS = {  # by hand, from what each says it shows
    "content-layers": 2 * 5,
    "style-layers": 2 * 5 * 3,
    "style-layers-sizes-seeds": 5 * 4 * 3,
    "style-single-layer": 13,
    "gram-variants": 4 * 3,
    "alpha-beta": 4 * 2,
    "inits": 3 + 3,
    "color": 2 * 6,
    "masks": 2 * 2,
    "blend": 5,
    "pyramid": 2 * 4,
}


def test_every_figure_is_there():
    assert {path.stem for path in LITERATURE} == FIGURES


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.stem)
def test_has_no_mistakes(path):
    count, faults = checking.check(batch.read_manifest(str(path), lenient=True))
    assert faults == []
    assert count == CELLS.get(path.stem, count)


@pytest.mark.parametrize("path", LITERATURE, ids=lambda path: path.stem)
def test_says_its_source_and_what_to_look_at(path):
    comment = "\n".join(line for line in path.read_text("utf-8").splitlines() if line.startswith("#"))
    assert "# After " in comment
    assert "# Look at:" in comment
    assert f"stylepress render manifests/literature/{path.name}" in comment


@pytest.mark.parametrize("path", LITERATURE, ids=lambda path: path.stem)
def test_renders_small_and_makes_its_sheet(path, tmp_path):
    small = ("defaults.size=64", "defaults.steps=4")
    run = runs.prepared(path, tmp_path / "out", small, limit=6)
    summary = batch.carry_out(run, runs.carry, 1, lambda _: None)
    assert summary.failures == []
    assert summary.rendered == min(6, CELLS[path.stem])
    assert summary.sheets
    for name in summary.sheets:
        with Image.open(tmp_path / "out" / name) as sheet:
            sheet.load()
        described = json.loads(
            (tmp_path / "out" / name).with_name(name.split("/")[1].rsplit("-", 1)[0] + ".json").read_text()
        )
        assert any(cell["state"] == "done" for page in described["pages"] for cell in page["cells"])
