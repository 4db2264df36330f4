"""Blends, masks, and methods without content or style: from the manifest to pictures, receipts, sheets and gallery."""

import io
import json
import shutil

import numpy as np
import pytest
import runs
from PIL import Image

from flows import batch, cli, sheets
from flows.output import open_output
from flows.previews import preview_name
from flows.worker import Chunk, render_chunk

MANIFEST = """version: 1
name: blends
inputs:
  content:
    - photos/harbour.png
    - {path: photos/tower.png, masks: [masks/left.png, masks/right.png], content_mask: masks/left.png}
  style:
    - {blend: [styles/blocks.png, {path: styles/waves.png, weight: 3}], label: Mix}
    - blend: [styles/blocks.png, {path: styles/waves.png, mask: masks/half.png}]
defaults: {size: 32, steps: 1, scales: 1}
jobs:
  - grid: {method: [gatys, content-reconstruction, style-reconstruction]}
sheets:
  - {rows: content, cols: style, page_by: method, cell: 64}
  - {rows: method, cols: [content, style], cell: 64}
output: {to: out}
"""
FILES = ("photos/harbour.png", "photos/tower.png", "styles/blocks.png", "styles/waves.png")


def stencil(path, size, from_, to):
    """A mask that is white between two columns."""
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[:, from_:to] = 255
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def study(folder, text=MANIFEST):
    for seed, name in enumerate(FILES):
        runs.draw(folder / name, seed, (40, 60) if "waves" in name else (48, 36))
    stencil(folder / "masks/left.png", (48, 36), 0, 24)
    stencil(folder / "masks/right.png", (48, 36), 24, 48)
    stencil(folder / "masks/half.png", (40, 60), 0, 20)
    (folder / "manifest.yaml").write_text(text)
    return folder / "manifest.yaml"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("blends")
    summary = runs.render(study(folder))
    assert (summary.cells, summary.rendered, summary.failures) == (8, 8, [])
    return folder


TOWER = "[{path: photos/tower.png, masks: [masks/left.png, masks/right.png], content_mask: masks/left.png}]"
BLEND = "[{blend: [styles/blocks.png, {path: styles/waves.png, mask: masks/half.png}]}]"
ONE = [f"inputs.content={TOWER}", f"inputs.style={BLEND}", "jobs.0.grid={}"]
"""The one cell that uses every kind of file."""


@pytest.fixture
def chunk(tmp_path):
    (only,) = batch.make_chunks(runs.prepared(study(tmp_path), sets=ONE), 1)
    return only


def test_a_second_run_finds_everything_done(rendered):
    assert runs.prepared(rendered / "manifest.yaml").plan.reasons() == {"done": 8}


def test_every_cell_has_the_pictures_that_its_method_uses(rendered):
    cells = [receipt["cell"] for receipt in runs.receipts(rendered / "out").values()]
    labels = [[(cell[kind] or {}).get("label") for kind in ("content", "style")] for cell in cells]
    found = sorted((cell["method"]["name"], *label) for cell, label in zip(cells, labels, strict=True))
    blends = ["Mix", "blocks + waves"]
    assert [one for one in found if one[0] == "content-reconstruction"] == [
        ("content-reconstruction", "harbour", None),
        ("content-reconstruction", "tower", None),
    ]
    assert [one for one in found if one[0] == "gatys"] == [
        ("gatys", content, style) for content in ("harbour", "tower") for style in blends
    ]
    assert [one for one in found if one[1] is None] == [("style-reconstruction", None, style) for style in blends]


def test_every_picture_is_rendered_again_to_the_same_pixels(rendered, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for picture in sorted((rendered / "out/renders").iterdir()):
        assert cli.run(["reproduce", str(picture), "--check"]) == 0, capsys.readouterr()


def test_a_picture_far_from_its_run_finds_parts_and_masks_by_their_bytes(rendered, tmp_path, monkeypatch, capsys):
    here = tmp_path / "here"
    shutil.copytree(rendered / "masks", here / "a")
    for number, name in enumerate(FILES):
        shutil.copy(rendered / name, here / f"renamed-{number}.png")
    (picture,) = (rendered / "out/renders").glob("tower--blocks+waves*")
    shutil.copy(picture, here / "received.png")
    monkeypatch.chdir(here)
    assert cli.run(["reproduce", "received.png", "--check"]) == 0
    (here / "a/half.png").unlink()
    capsys.readouterr()
    assert cli.run(["reproduce", "received.png", "--check"]) == 2
    assert "the mask picture 'masks/half.png'" in capsys.readouterr().err


def test_sheets_from_receipts_are_those_of_the_run(rendered, tmp_path):
    out = shutil.copytree(rendered / "out", tmp_path / "out")
    before = {name: data for name, data in runs.files(out, "sheets").items() if name.endswith(".png")}
    shutil.rmtree(out / "sheets")
    complaints = []
    store, ledger = open_output(str(out), complaints.append)
    drawn = sheets.rebuild(store, ledger, complaints.append)
    assert complaints == []
    assert sorted(drawn) == sorted(before)
    assert {name: data for name, data in runs.files(out, "sheets").items() if name.endswith(".png")} == before


def test_sheets_name_what_is_there_and_leave_out_what_is_not(rendered):
    by_style, by_method = (
        json.loads((rendered / f"out/sheets/{name}.json").read_text())["pages"]
        for name in ("content-by-style", "method-by-content-style")
    )
    axes = [(p["subtitle"], p["rows"]["axis"], p["columns"]["axis"]) for p in by_style]
    assert axes == [
        ("method gatys · page 1 of 3", "content", "style"),
        ("method content-reconstruction · page 2 of 3", "content", ""),
        ("method style-reconstruction · page 3 of 3", "", "style"),
    ]
    (page,) = by_method
    assert page["columns"]["labels"][2::3] == ["harbour", "tower"]
    assert page["columns"]["labels"][-2:] == ["Mix", "blocks + waves"]
    assert sum(len(page["cells"]) for page in by_style) == len(page["cells"]) == 8


def test_the_gallery_says_what_each_picture_is(rendered):
    page = (rendered / "out/gallery/index.html").read_text()
    for alt in ("harbour in the style of Mix (", "the style of blocks + waves (", 'alt="tower ('):
        assert alt in page


def test_a_blends_preview_is_its_parts_side_by_side(rendered):
    receipts = [r["cell"]["style"] for r in runs.receipts(rendered / "out").values() if r["cell"]["style"]]
    shown = {style["label"]: style["sha256"] for style in receipts}
    pictures = {}
    for label, digest in shown.items():
        data = (rendered / "out" / preview_name(digest)).read_bytes()
        pictures[label] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)
    plain, masked = pictures["Mix"], pictures["blocks + waves"]
    assert plain.shape == masked.shape == (36, 48 + 8 + 24, 3)  # the 40 × 60 of the second are 24 × 36
    with Image.open(rendered / "styles/blocks.png") as first, Image.open(rendered / "styles/waves.png") as second:
        assert np.abs(plain[:, :48] - np.asarray(first)).mean() < 8
        assert np.abs(plain[:, 56:] - np.asarray(second.resize((24, 36), Image.Resampling.LANCZOS))).mean() < 8
    assert plain[:, 50:54].min() > 240
    assert np.abs(masked[:, 57:67] - plain[:, 57:67]).mean() < 8
    assert masked[:, 69:].mean() > 220 > plain[:, 69:].mean()


# what may happen between planning and rendering


def test_a_chunk_of_blends_survives_the_way_through_json(chunk):
    assert Chunk.from_dict(json.loads(json.dumps(chunk.to_dict()))) == chunk
    assert [outcome.status for outcome in render_chunk(chunk)] == ["rendered"]


@pytest.mark.parametrize("name", ["masks/left.png", "masks/half.png", "styles/waves.png", "photos/tower.png"])
@pytest.mark.parametrize("mishap", ["gone", "changed"])
def test_a_file_that_is_gone_or_changed_since_is_named(chunk, tmp_path, name, mishap):
    if mishap == "gone":
        (tmp_path / name).unlink()
    else:
        runs.draw(tmp_path / name, 99)
    (outcome,) = render_chunk(chunk)
    assert (outcome.status, outcome.kind) == ("failed", "unreadable-picture")
    assert outcome.message.startswith(f"{name} was ")


@pytest.mark.parametrize("name", ["styles/waves.png", "photos/tower.png"])
def test_a_part_whose_damage_shows_only_when_it_is_decoded_is_named(tmp_path, name):
    manifest = study(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-900])
    (chunk,) = batch.make_chunks(runs.prepared(manifest, sets=ONE), 1)
    (outcome,) = render_chunk(chunk)
    assert outcome.kind == "unreadable-picture"
    assert outcome.message.startswith(name)


def test_a_damaged_mask_costs_its_cells_before_any_is_rendered(tmp_path):
    manifest = study(tmp_path)
    (tmp_path / "masks/right.png").write_bytes((tmp_path / "masks/right.png").read_bytes()[:-30])
    items = runs.prepared(manifest, sets=["jobs.0.grid.method=[gatys]"]).plan.items
    assert [item.kind for item in items] == ["new", "new", "bad input", "bad input"]
    assert "masks/right.png" in items[2].detail


def test_masks_and_weights_decide_what_is_rendered(tmp_path):
    manifest = study(tmp_path)
    sets = ["jobs.0.grid={method: [gatys]}", "inputs.content=[photos/tower.png]", "defaults.steps=3"]
    styles = [
        "{blend: [styles/blocks.png, styles/waves.png], label: one}",
        "{blend: [{path: styles/blocks.png, weight: 9}, styles/waves.png], label: two}",
        "{blend: [styles/blocks.png, {path: styles/waves.png, mask: masks/half.png}], label: three}",
        "{blend: [{path: styles/blocks.png, weight: 0}, styles/waves.png], label: four}",
        "{path: styles/waves.png, label: alone}",
    ]
    runs.render(manifest, sets=[*sets, f"inputs.style=[{', '.join(styles)}]"])
    masks = "[{path: photos/tower.png, masks: [masks/left.png, masks/right.png], label: masked}]"
    runs.render(manifest, sets=[sets[0], sets[2], f"inputs.content={masks}", f"inputs.style=[{styles[0]}]"])
    pictures = {path.name.rpartition("--")[0]: path for path in (tmp_path / "out/renders").iterdir()}
    pixels = {name: np.asarray(Image.open(path)).astype(int) for name, path in pictures.items()}
    assert sorted(pixels) == ["masked--one", *(f"tower--{label}" for label in ("alone", "four", "one", "three", "two"))]
    same = np.abs(pixels["tower--four"] - pixels["tower--alone"]).max()
    assert same <= 1, "a part without weight is as if it were not there"
    others = ["masked--one", "tower--two", "tower--three", "tower--alone"]
    assert all(np.abs(pixels["tower--one"] - pixels[other]).max() > 1 for other in others)
