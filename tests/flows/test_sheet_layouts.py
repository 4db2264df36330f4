"""Kinds, formats and looks of contact sheets: each pixel asked for by hand-made cells of one colour each."""

import io
import itertools
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from flows import fonts, sheets
from flows.manifest import Sheet, load
from flows.previews import preview_name
from flows.receipts import Ledger
from flows.schema import json_schema
from flows.shelf import Shelf, Shown, of_receipts
from flows.source import ManifestError
from flows.store import Entry, open_store

SIDE = 40


def put(store, name, color, size=(SIDE, SIDE)):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    store.write(name, buffer.getvalue(), "image/png")


def color_of(number):
    return (40 + 37 * number % 200, 60 + 59 * number % 180, 30 + 83 * number % 220)


def grid_of(store, axes, change=lambda _, shown: shown):
    """A shelf with a finished cell of its own colour for each combination of some axes; `change` may change it."""
    cells = []
    for number, combination in enumerate(itertools.product(*axes.values())):
        values = dict(zip(axes, combination, strict=True))
        digests = {kind: digest(values[kind]) for kind in ("content", "style") if kind in values}
        put(store, f"renders/{number}.png", color_of(number))
        shown = Shown(
            values, digests, f"key{number}", f"renders/{number}.png", str(number), "", "done", size=(SIDE, SIDE)
        )
        cells.append(change(number, shown))
    for kind in ("content", "style"):
        for number, label in enumerate(axes.get(kind, [])):
            put(store, preview_name(digest(label)), color_of(100 + number))
    return Shelf(cells, {name: list(labels) for name, labels in axes.items() if len(labels) > 1})


def digest(label):
    return (label + "0" * 16)[:16]


def pages_of(store, name="it"):
    return json.loads(store.read(f"sheets/{name}.json"))["pages"]


def opened(store, page):
    return Image.open(store.child(page["file"])).convert("RGB")


def middle(image, box):
    return image.getpixel(((box[0] + box[2]) // 2, (box[1] + box[3]) // 2))


def drawn(tmp_path, axes, change=lambda _, shown: shown, **keys):
    """One sheet of a grid: its store, pages and paths."""
    store = open_store(tmp_path)
    wanted = Sheet(name="it", **{"cell": 48, **keys})
    complaints = []
    names = sheets.build(store, grid_of(store, axes, change=change), [wanted], "a study", complaints.append)
    assert complaints == []
    return store, pages_of(store), names


AXES = {"content": ["cat", "dog"], "style": ["ink", "oil"], "size": ["64", "128"], "seed": ["0", "1", "2"]}


def test_four_axes_are_nested_and_every_cell_is_where_its_labels_say(tmp_path):
    store, (page,), _ = drawn(tmp_path, AXES, rows=["content", "style"], cols=["size", "seed"])
    texts = {
        side: [[(h["text"], h["span"]) for h in level] for level in page["headings"][side]]
        for side in ("rows", "columns")
    }
    assert texts["rows"] == [[("cat", 2), ("dog", 2)], [("ink", 1), ("oil", 1)] * 2]
    assert texts["columns"] == [[("size 64", 3), ("size 128", 3)], [("0", 1), ("1", 1), ("2", 1)] * 2]
    image = opened(store, page)
    for number, (content, style, size, seed) in enumerate(itertools.product(*AXES.values())):
        (cell,) = (cell for cell in page["cells"] if cell["key"] == f"key{number}")
        assert page["rows"]["labels"][cell["row"]] == f"{content} · {style}"
        assert page["columns"]["labels"][cell["column"]] == f"{size} · {seed}"
        assert middle(image, cell["box"]) == color_of(number)
    for side, ends in (("row", (1, 3)), ("column", (0, 2))):  # what is in one row, or column, lines up
        for place in {cell[side] for cell in page["cells"]}:
            assert len({tuple(c["box"][e] for e in ends) for c in page["cells"] if c[side] == place}) == 1


def test_axes_that_move_together_share_a_heading(tmp_path):
    store = open_store(tmp_path)
    shelf = grid_of(store, {"seed": ["0", "1"], "size": ["64", "128"]})
    for cell in shelf.cells:
        cell.values["steps"] = {"64": "10", "128": "20"}[cell.values["size"]]
    shelf.axes["steps"] = ["10", "20"]
    sheets.build(store, shelf, [Sheet(name="it", rows="seed", cols=["size", "steps"])], "t", print)
    (page,) = pages_of(store)
    assert [[h["text"] for h in level] for level in page["headings"]["columns"]] == [["64 · 10", "128 · 20"]]
    assert page["columns"]["axis"] == "size · steps"


def test_a_row_before_and_after(tmp_path):
    axes = {"content": ["cat", "dog"], "style": ["ink"], "style_weight": ["10", "1e4"]}
    store, (page,), _ = drawn(tmp_path, axes, kind="before-after")
    assert page["columns"]["labels"] == ["before", "style_weight 10", "style_weight 1e4"]
    assert page["rows"]["labels"] == ["cat", "dog"]
    image = opened(store, page)
    before = [i for i in page["inputs"] if i["kind"] == "content"]
    assert [(i["row"], i["column"], i["picture"]) for i in before] == [
        (0, 0, preview_name(digest("cat"))),
        (1, 0, preview_name(digest("dog"))),
    ]
    assert [middle(image, i["box"]) for i in before] == [color_of(100), color_of(101)]
    assert [middle(image, i["box"]) for i in page["inputs"] if i["kind"] == "style"] == [color_of(100)], "beside"
    assert [(c["row"], c["column"], middle(image, c["box"])) for c in page["cells"]] == [
        (n // 2, 1 + n % 2, color_of(n)) for n in range(4)
    ]


@pytest.mark.parametrize("count", [3, 40])
def test_a_time_lapse_goes_from_the_first_snapshot_to_the_result(tmp_path, count):
    store = open_store(tmp_path)
    for step in range(1, count + 1):
        put(store, f"snapshots/a/{step}.png", (step * 5, 0, 0), (SIDE // 2, SIDE // 2))
    shots = tuple((step, f"snapshots/a/{step}.png") for step in range(1, count + 1))
    shelf = grid_of(store, {"seed": ["0", "1"]}, change=lambda n, s: replace(s, snapshots=shots if n == 0 else ()))
    sheets.build(store, shelf, [Sheet(name="it", kind="time-lapse", cell=48)], "t", print)
    (page,) = pages_of(store)
    labels = page["columns"]["labels"]
    assert labels[-1] == "result"
    assert len(labels) <= 12
    steps = [int(label) for label in labels[:-1]]
    assert steps[0] == 1
    assert steps[-1] == count
    assert max(b - a for a, b in itertools.pairwise(steps)) - min(b - a for a, b in itertools.pairwise(steps)) <= 1
    image = opened(store, page)
    first = sorted((c for c in page["cells"] if c["row"] == 0), key=lambda c: c["column"])
    assert [middle(image, cell["box"]) for cell in first] == [(step * 5, 0, 0) for step in steps] + [color_of(0)]
    assert [cell.get("step") for cell in first] == [*steps, None]
    other = [cell["state"] for cell in page["cells"] if cell["row"] == 1]
    assert other == ["left out"] * len(steps) + ["done"]


def test_a_long_row_is_folded_in_reading_order_and_each_cell_has_its_label(tmp_path):
    store, (page,), _ = drawn(tmp_path, {"seed": [str(n) for n in range(30)]}, cols="seed", rows=[])
    cells = sorted(page["cells"], key=lambda cell: (cell["box"][1], cell["box"][0]))
    assert [cell["label"] for cell in cells] == [str(n) for n in range(30)]
    assert len({cell["box"][1] for cell in cells}) > 3
    image = opened(store, page)
    assert [middle(image, cell["box"]) for cell in cells] == [color_of(n) for n in range(30)]
    assert image.width < 3 * image.height


def test_a_sheet_that_names_no_axes_shows_what_varies_most(tmp_path):
    _, (page,), _ = drawn(tmp_path, {"seed": ["0", "1"], "size": ["1", "2", "3"]}, title="only a title")
    assert (page["rows"]["axis"], page["columns"]["axis"]) == ("seed", "size")


# looks and formats


def test_margins_gutters_and_background_are_as_asked(tmp_path):
    keys = {"rows": "seed", "cols": "size", "background": "#102030", "margin": 33, "gutter": 7, "cell": 64}
    store, (page,), _ = drawn(tmp_path, {"seed": ["0", "1"], "size": ["1", "2"]}, **keys)
    image = opened(store, page)
    paper = Image.new("RGB", image.size, "#102030")
    left, top, right, bottom = ImageChops.difference(image, paper).getbbox()
    assert (right, bottom) == (image.width - 33, image.height - 33)
    assert 33 <= left <= 33 + 3, "the title's line begins there, its ink a little further"
    assert 33 <= top <= 33 + 10
    boxes = {(cell["row"], cell["column"]): cell["box"] for cell in page["cells"]}
    assert boxes[0, 1][0] - boxes[0, 0][0] == 64 + 7
    assert boxes[1, 0][1] - boxes[0, 0][1] == 64 + 7


@pytest.mark.parametrize("background", ["white", "black", "#808080", "#7a1020", "#ffe680"])
def test_type_can_be_read_on_any_background(background):
    from flows.contact_sheet import look_of

    look = look_of(320, background=background)

    def luminance(color):
        image = Image.new("RGB", (1, 1), color)
        linear = [
            v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4
            for v in (c / 255 for c in image.getpixel((0, 0)))
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ink in (look.ink, look.muted, look.alarm):
        light, dark = sorted((luminance(ink), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4


@pytest.mark.parametrize(("key", "kind", "suffix"), [("jpeg", "JPEG", ".jpg"), ("webp", "WEBP", ".webp")])
def test_pages_in_other_formats(tmp_path, key, kind, suffix):
    axes = {"seed": ["0", "1"], "size": ["1", "2"]}
    store, (page,), (name,) = drawn(tmp_path, axes, rows="seed", cols="size", format=key)
    assert name == f"sheets/it-1{suffix}"
    with Image.open(store.child(name)) as image:
        assert image.format == kind
        assert list(image.size) == page["size"]
        assert all(
            max(abs(a - b) for a, b in zip(middle(image, c["box"]), color_of(int(c["key"][3:])), strict=True)) < 6
            for c in page["cells"]
        )


def test_a_pdf_holds_all_pages_and_is_the_same_each_time(tmp_path):
    axes = {"seed": ["0", "1", "2"], "size": ["1", "2"]}
    keys = {"rows": "size", "page_by": "seed", "format": "pdf", "title": "Tides & <b>"}
    store, pages, names = drawn(tmp_path, axes, **keys)
    assert names == ["sheets/it.pdf"]
    data = store.read("sheets/it.pdf")
    assert data.startswith(b"%PDF-")
    root = re.findall(rb"/Type /Pages\b.*?/Count (\d+)|/Count (\d+)[^>]*/Type /Pages\b", data, re.DOTALL)[-1]
    assert int(root[0] or root[1]) == 3
    assert [page["subtitle"] for page in pages] == [f"seed {n} · page {n + 1} of 3" for n in range(3)]
    shutil.rmtree(tmp_path / "sheets")
    drawn(tmp_path, axes, **keys)
    assert store.read("sheets/it.pdf") == data


def test_files_of_a_format_that_is_asked_for_no_more_are_removed(tmp_path):
    axes = {"seed": ["0", "1"], "size": ["1", "2"]}
    for kind, files in (("png", {"it-1.png", "it-2.png"}), ("pdf", {"it.pdf"}), ("webp", {"it-1.webp", "it-2.webp"})):
        drawn(tmp_path, axes, rows="size", page_by="seed", format=kind)
        assert {path.name for path in (tmp_path / "sheets").iterdir()} == files | {"it.json"}


def test_only_pages_that_changed_are_drawn_again(tmp_path):
    axes = {"seed": ["0", "1", "2"], "size": ["1", "2"]}
    drawn(tmp_path, axes, rows="size", page_by="seed")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sheets").glob("*.png")}
    new = lambda n, s: replace(s, sha256="another") if n == 3 else s  # noqa: E731
    drawn(tmp_path, axes, change=new, rows="size", page_by="seed")
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "sheets").glob("*.png")}
    assert [name for name in sorted(before) if before[name] != after[name]] == ["it-2.png"]


def test_fonts_are_found_below_the_root_and_missing_ones_are_named(tmp_path):
    root = tmp_path / "inputs"
    root.mkdir()
    shutil.copy(fonts.bold(), root / "mine.ttf")
    (root / "broken.ttf").write_text("no font")
    store, said = open_store(tmp_path / "out"), []
    shelf = grid_of(store, {"seed": ["0", "1"]})
    pictures = {}
    for name in ("", "mine.ttf", "broken.ttf", "nowhere-to-be-found.ttf"):
        wanted = [Sheet(name="it", rows="seed", font=name)]
        (path,) = sheets.build(store, shelf, wanted, "t", said.append, str(root))
        pictures[name] = store.read(path)
    assert pictures["mine.ttf"] != pictures[""]
    assert pictures["broken.ttf"] == pictures["nowhere-to-be-found.ttf"] == pictures[""]
    assert ["broken.ttf" in said[0], "nowhere-to-be-found.ttf" in said[1], len(said)] == [True, True, 2]


# what is not there


def test_the_reason_of_a_failure_is_on_the_sheet_and_in_its_description(tmp_path):
    def fail(number, shown):
        return replace(shown, state="failed", picture="", note="not-finite: the loss") if number == 1 else shown

    _, (page,), _ = drawn(tmp_path, {"seed": ["0", "1"]}, change=fail, rows="seed")
    assert [(cell["state"], cell.get("note")) for cell in page["cells"]] == [
        ("done", None),
        ("failed", "not-finite: the loss"),
    ]


def receipt_of(number, settings):
    picture = {"path": f"renders/{number}.png", "sha256": "0", "bytes": 1, "width": SIDE, "height": SIDE}
    content = {"name": "cat.png", "label": "cat", "sha256": "c"}
    return {"key": f"{number:064d}", "cell": {"content": content, "settings": settings}, "picture": picture}


def ledger_of(receipts):
    names = [receipt["picture"]["path"] for receipt in receipts]
    entries = {name: Entry(name, 1, "") for name in names}
    return Ledger({receipt["key"]: receipt for receipt in receipts}, entries)


def test_a_run_that_was_cut_short_shows_what_is_to_come():
    """3 seeds × 2 sizes, whose sizes move with their steps; two cells are there."""
    axes = {"seed": ["0", "1", "2"], "size": ["64", "128"], "steps": ["10", "20"]}
    run = {"state": "running", "cells": 6, "remaining": 4, "axes": axes}
    ledger = ledger_of([receipt_of(n, {"seed": n, "size": 64, "steps": 10}) for n in range(2)])
    shelf = of_receipts(ledger, run)
    found = {(c.values["seed"], c.values["size"], c.values["steps"]): c.state for c in shelf.cells}
    expected = {(seed, size, steps): "missing" for seed in "012" for size, steps in (("64", "10"), ("128", "20"))}
    assert found == expected | {("0", "64", "10"): "done", ("1", "64", "10"): "done"}
    assert shelf.axes == axes
    assert {c.note for c in shelf.cells if c.state == "missing"} == {"not rendered yet"}


def test_where_it_cannot_be_told_what_is_to_come_it_is_said_so():
    axes = {"seed": ["0", "1", "2"], "size": ["64", "128"]}
    ledger = ledger_of([receipt_of(0, {"seed": 0, "size": 64}), receipt_of(1, {"seed": 1, "size": 128})])
    shelf = of_receipts(ledger, {"state": "running", "cells": 5, "remaining": 3, "axes": axes})
    assert [c.state for c in shelf.cells] == ["done", "done"]
    assert not shelf.complete
    assert of_receipts(ledger, {"state": "ended", "cells": 2, "remaining": 0, "axes": axes}).complete


# mistakes


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("kind: gird", "expected 'grid', 'before-after' or 'time-lapse', got 'gird'; did you mean 'grid'"),
        ("format: gif", "expected 'png', 'jpeg', 'webp' or 'pdf', got 'gif'"),
        ("background: wite", "did you mean 'white'"),
        ("background: '#12345'", "expected a colour"),
        ("background: #fff", "in quotes, got nothing"),
        ("gutter: -1", "at least 0"),
        ("margin: wide", "a whole number"),
        ("cell: 5000", "at most 2048"),
        ("colour: red", "unknown key 'colour'"),
        ("kind: time-lapse, cols: seed", "cols: the steps run along the columns"),
        ("kind: before-after, cols: [seed, content]", "cols: each row of a before-after sheet is of one content"),
    ],
)
def test_mistakes_are_named_with_their_line(keys, said):
    lines = "\n".join(f"    {part}" for part in re.split(r", (?=\w+:)", keys))
    text = f"version: 1\ninputs: {{content: a.png, style: b.png}}\nsheets:\n  - title: x\n{lines}\n"
    with pytest.raises(ManifestError) as caught:
        load(text, "m.yaml")
    assert said in str(caught.value)
    assert re.search(r"line [456]\b", str(caught.value))


def test_editors_know_the_keys_of_a_sheet():
    from jsonschema import Draft202012Validator

    checks = Draft202012Validator(json_schema())
    whole = {
        "kind": "grid",
        "gutter": 3,
        "margin": 0,
        "background": "#fff",
        "font": "x.ttf",
        "format": "pdf",
        "cell": 64,
    }
    manifest = {"version": 1, "inputs": {"content": "a.png"}}
    assert checks.is_valid({**manifest, "sheets": [whole]})
    for wrong in ({"kind": "gird"}, {"format": "gif"}, {"background": "#12345"}, {"gutter": -1}, {"margin": "wide"}):
        assert not checks.is_valid({**manifest, "sheets": [{**whole, **wrong}]}), wrong


def test_check_names_a_font_that_is_not_there(tmp_path):
    from flows import batch, checking

    put(open_store(tmp_path), "a.png", "red", (64, 64))
    head = "version: 1\ninputs: {content: a.png, style: a.png}\nsheets:\n"
    path = tmp_path / "m.yaml"
    path.write_text(f"{head}  - {{rows: content}}\n  - rows: style\n    font: nowhere-to-be-found.ttf\n")
    with pytest.raises(ManifestError, match=r"line 6.*nowhere-to-be-found\.ttf is neither below inputs\.root"):
        checking.check(batch.read_manifest(str(path)))
    shutil.copy(fonts.regular(), tmp_path / "mine.ttf")
    path.write_text(f"{head}  - {{rows: style, font: mine.ttf}}\n")
    checking.check(batch.read_manifest(str(path)))


def test_every_key_is_on_the_page_about_sheets():
    page = (Path(__file__).parents[2] / "docs/sheets.md").read_text("utf-8")
    table = page.partition("## All keys")[2]
    assert [key for key in Sheet.model_fields if f"`{key}`" not in table] == []


def test_pairs_along_two_sides_are_folded_and_not_a_diagonal_of_a_huge_grid(tmp_path):
    store = open_store(tmp_path)
    shelf = grid_of(store, {"seed": [str(n) for n in range(60)]})
    for cell in shelf.cells:
        cell.values["size"] = "x" + cell.values["seed"]
    shelf.axes["size"] = [f"x{n}" for n in range(60)]
    sheets.build(store, shelf, [Sheet(name="it", rows="seed", cols="size", cell=48)], "t", print)
    (page,) = pages_of(store)
    assert [cell["label"] for cell in page["cells"]] == [f"{n} · x{n}" for n in range(60)]
