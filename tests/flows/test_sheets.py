"""Contact sheets from plans and from receipts: what is where, what is marked, and that both ways agree."""

import dataclasses
import io
import itertools
import json
import re
import shutil

import pytest
import runs
from PIL import Image, ImageChops, ImageStat

from flows import batch, sheets
from flows.manifest import Sheet, load
from flows.output import last_run, open_output
from flows.schema import json_schema
from flows.shelf import Shelf, Shown, of_receipts
from flows.source import ManifestError
from flows.store import open_store
from stylecore.errors import StylepressError
from stylecore.score_names import SCORES


def descriptions(out):
    return [json.loads(data) for name, data in runs.files(out, "sheets").items() if name.endswith(".json")]


def cells_on(out):
    return [cell for sheet in descriptions(out) for page in sheet["pages"] for cell in page["cells"]]


def rebuild(out):
    """Sheets drawn from receipts alone; returns their files."""
    shutil.rmtree(out / "sheets", ignore_errors=True)
    complaints = []
    store, ledger = open_output(str(out), complaints.append)
    drawn = sheets.rebuild(store, ledger, complaints.append)
    assert complaints == []
    assert set(drawn) <= set(runs.files(out, "sheets"))
    return runs.files(out, "sheets")


def test_what_is_where(study):
    (sheet,) = descriptions(study.out)
    (page,) = sheet["pages"]
    assert page["rows"] == {"axis": "content", "labels": ["harbour", 'The <b>"Tower"</b> & [/co]']}
    assert page["columns"] == {"axis": "style_weight", "labels": ["10", "1000"]}
    receipts = {receipt["key"]: receipt for receipt in runs.receipts(study.out).values()}
    with Image.open(study.out / page["file"]) as image:
        width, height = image.size
    for cell in page["cells"]:
        settings = receipts[cell["key"]]["cell"]
        assert page["rows"]["labels"][cell["row"]] == settings["content"]["label"]
        assert float(page["columns"]["labels"][cell["column"]]) == settings["settings"]["style_weight"]
        assert cell["picture"] == receipts[cell["key"]]["picture"]["path"]
        left, top, right, bottom = cell["box"]
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    assert sorted((cell["row"], cell["column"]) for cell in page["cells"]) == list(
        itertools.product(range(2), range(2))
    )


def test_a_cell_shows_its_picture(study):
    for cell in cells_on(study.out):
        (sheet,) = runs.files(study.out, "sheets").keys() & {"sheets/content-by-style_weight-1.png"}
        with Image.open(study.out / sheet) as image, Image.open(study.out / cell["picture"]) as picture:
            shown = image.convert("RGB").crop(cell["box"])
            expected = picture.convert("RGB").resize(shown.size, Image.Resampling.BICUBIC)
        difference = ImageStat.Stat(ImageChops.difference(shown, expected))
        assert max(difference.mean) < 8


def test_deleted_sheets_are_drawn_again_from_receipts_to_the_same_files(study):
    before = runs.files(study.out, "sheets")
    assert rebuild(study.out) == before


@pytest.mark.parametrize(
    "text",
    [
        "[{rows: style_weight, cols: seed, page_by: [style, content]}]",
        "[{rows: [content, style_weight], cols: [style, seed], name: all, title: All of it}]",
        "[]",
    ],
)
def test_sheets_from_receipts_are_those_of_the_run_in_the_manifests_order(tmp_path, text):
    manifest = runs.study(tmp_path)
    runs.draw(tmp_path / "styles/zebra.png", 7)
    runs.draw(tmp_path / "styles/a-last.png", 8)
    sets = [
        f"sheets={text}",
        "inputs.style=[styles/zebra.png, styles/blocks.png, styles/a-last.png]",
        "inputs.content=[photos/tower.png, photos/harbour.png]",
        "jobs.0.grid={style_weight: [1e3, 10], seed: [{value: 3, label: three}, 1]}",
        "defaults.steps=1",
    ]
    runs.render(manifest, sets=sets)
    before = runs.files(tmp_path / "out", "sheets")
    assert len(before) >= 2
    assert rebuild(tmp_path / "out") == before


def test_failed_cells_stay_marked_when_sheets_are_drawn_from_receipts(tmp_path):
    manifest = runs.study(tmp_path)
    (tmp_path / "photos/tower.png").write_text("no picture")
    runs.render(manifest, sets=["jobs.0.grid={style_weight: [10]}"])
    first = [(cell["row"], cell["column"], cell["state"]) for cell in cells_on(tmp_path / "out")]
    rebuild(tmp_path / "out")
    again = [(cell["row"], cell["column"], cell["state"]) for cell in cells_on(tmp_path / "out")]
    assert sorted(state for _, _, state in first) == ["done", "failed"]
    assert again == first


def test_a_setting_that_failed_everywhere_but_once_is_still_an_axis(tmp_path):
    """Receipts alone cannot tell that style_weight varies: only one of its values has succeeded."""
    manifest = runs.study(tmp_path)
    prepared = runs.prepared(manifest)

    def carry(chunks, take, stop):
        for chunk in chunks:
            for order in chunk.orders:
                fails = order.cell["settings"]["style_weight"] == 1000
                if fails:
                    take(batch.Outcome(order.key, order.name, "failed", "not-finite", "the loss is not finite"))
                else:
                    runs.carry([dataclasses.replace(chunk, orders=(order,))], take, stop)

    batch.carry_out(prepared, carry, 1, lambda _: None)
    first = [(cell["row"], cell["column"], cell["state"]) for cell in cells_on(tmp_path / "out")]
    assert sorted(first) == [(0, 0, "done"), (0, 1, "failed"), (1, 0, "done"), (1, 1, "failed")]
    rebuild(tmp_path / "out")
    assert [(cell["row"], cell["column"], cell["state"]) for cell in cells_on(tmp_path / "out")] == first


def test_pictures_that_are_gone_or_damaged_are_marked_and_the_others_drawn(study):
    first, second = sorted((study.out / "renders").iterdir())[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:200])
    rebuild(study.out)
    states = {cell["picture"]: cell["state"] for cell in cells_on(study.out)}
    assert sorted(states.values()) == ["done", "done", "done", "missing"]
    assert f"renders/{first.name}" not in states


def test_a_manifest_says_what_is_missing(study):
    from flows import cli

    (study.out / "sheets").rename(study.folder / "before")
    text = study.manifest.read_text().replace("[10, 1e3]", "[10, 1e3, 1e4]")
    study.manifest.write_text(text)
    assert cli.run(["sheets", str(study.out), "--manifest", str(study.manifest)]) == 0
    states = sorted(cell["state"] for cell in cells_on(study.out))
    assert states == ["done"] * 4 + ["missing"] * 2


def test_an_unchanged_sheet_is_not_written_again(study):
    store, ledger = open_output(str(study.out), print)
    before = {path: path.stat().st_mtime_ns for path in (study.out / "sheets").iterdir()}
    sheets.rebuild(store, ledger, print)
    assert {path: path.stat().st_mtime_ns for path in (study.out / "sheets").iterdir()} == before
    next((study.out / "sheets").glob("*.png")).unlink()
    sheets.rebuild(store, ledger, print)
    assert {path.name for path in (study.out / "sheets").iterdir()} == {path.name for path in before}


def test_pages_that_a_sheet_no_longer_has_are_removed(study):
    store, ledger = open_output(str(study.out), print)
    (study.out / "sheets/content-by-style_weight-2.png").write_bytes(b"an old second page")
    (study.out / "sheets/other-1.png").write_bytes(b"of another sheet")
    (study.out / "sheets/content-by-style_weight.json").unlink()
    sheets.rebuild(store, ledger, print)
    left = {path.name for path in (study.out / "sheets").glob("*.png")}
    assert left == {"content-by-style_weight-1.png", "other-1.png"}


def shelf_of(rows, columns, store):
    """A grid of cells that all show one small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), "teal").save(buffer, "PNG")
    store.write("renders/p.png", buffer.getvalue(), "image/png")
    cells = [
        Shown({"seed": str(r), "style_weight": str(c)}, {}, f"{r}-{c}", "renders/p.png", "0", state="done")
        for r in range(rows)
        for c in range(columns)
    ]
    return Shelf(cells, {"seed": [str(r) for r in range(rows)], "style_weight": [str(c) for c in range(columns)]})


def test_big_grids_are_paged_and_every_cell_is_on_exactly_one_page(tmp_path):
    store = open_store(tmp_path)
    shelf = shelf_of(250, 4, store)
    names = sheets.build(store, shelf, [Sheet(rows="seed", cols="style_weight", cell=64)], "big", print)
    assert len(names) > 1
    assert sorted(cell["key"] for cell in cells_on(tmp_path)) == sorted(cell.key for cell in shelf.cells)
    for name in names:
        with Image.open(tmp_path / name) as image:
            assert max(image.size) < 12_000


def test_sheets_of_one_name_do_not_overwrite_each_other(tmp_path):
    store = open_store(tmp_path)
    wanted = [Sheet(name="../a b", rows="seed"), Sheet(name="a/b", cols="seed"), Sheet(rows="style_weight", name="..")]
    names = sheets.build(store, shelf_of(2, 2, store), wanted, "names", print)
    assert len({name.rsplit("-", 1)[0] for name in names}) == 3
    assert all(name.startswith("sheets/") and ".." not in name for name in names)
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {
        tmp_path / "sheets",
        tmp_path / "renders",
    }


def grid_of(axes, **following):
    """A shelf with a cell for each combination of some axes; `following` gives values that these tell."""
    cells = []
    for combination in itertools.product(*axes.values()):
        values = dict(zip(axes, combination, strict=True))
        values |= {name: tell(values) for name, tell in following.items()}
        cells.append(Shown(values, {}, repr(values)))
    names = [*axes, *following]
    return Shelf(cells, {name: list(dict.fromkeys(c.values[name] for c in cells)) for name in names})


def test_without_sheets_in_the_manifest_there_is_one_of_what_varies_most():
    sheet = sheets.default_sheet(grid_of({"content": "ab", "seed": "12", "size": "123"}))
    assert (sheet.rows, sheet.cols) == (["seed"], ["size"])
    assert sheets.default_sheet(grid_of({"content": "ab", "style": "cd"})).rows == ["content"]
    assert sheets.default_sheet(Shelf([], {})).cols == ["style"]


def test_axes_that_move_together_run_along_one_side_and_get_no_pages(tmp_path):
    # a zip of size and steps, and a history that an override gives to the small size
    told = {
        "steps": lambda v: {"1": "10", "2": "20"}[v["size"]],
        "history_size": lambda v: "5" if v["size"] == "1" else "9",
    }
    shelf = grid_of({"seed": "123", "size": "12"}, **told)
    sheet = sheets.default_sheet(shelf)
    assert (sheet.rows, sheet.cols) == (["size", "steps", "history_size"], ["seed"])
    store = open_store(tmp_path)
    assert len(sheets.build(store, shelf, [], "zip", print)) == 1
    assert len(sheets.build(store, shelf, [Sheet(rows=["size"], cols=["seed"])], "zip", print)) == 1


# what is said under the pictures


def shown(out):
    """What a sheet's description says under each picture, by the picture."""
    return {cell["picture"]: cell.get("values") for cell in cells_on(out)}


def sheet_of(study, show):
    """Draw one sheet of a study that shows some measures; returns its bytes."""
    store, ledger = open_output(str(study.out), print)
    shelf = of_receipts(ledger, last_run(store))
    (name,) = sheets.build(store, shelf, [Sheet(name="it", rows="content", cols="style_weight", show=show)], "t", print)
    return (study.out / name).read_bytes()


def test_measures_stand_under_their_pictures(study):
    shutil.rmtree(study.out / "sheets")
    plain = sheet_of(study, [])
    assert set(shown(study.out).values()) == {None}
    assert sheet_of(study, ["style_sliced_wasserstein", "content_ssim", "loss", "steps", "seconds"]) != plain
    for name, values in shown(study.out).items():
        receipt = runs.receipts(study.out)[name]
        measures = [receipt["scores"]["style_sliced_wasserstein"], receipt["scores"]["content_ssim"]]
        measures += [receipt["result"]["losses"]["total"], 2, receipt["timing"]["render"]]
        said = [value.rsplit(" ", 1) for value in values]
        assert [words for words, _ in said] == ["sliced wasserstein", "ssim", "loss", "steps", "seconds"]
        assert [float(number) for _, number in said] == pytest.approx(measures, rel=6e-3), "three digits"
        assert all(len(number.replace(".", "").lstrip("0")) <= 3 for _, number in said if "e" not in number)


def test_a_measure_that_a_receipt_does_not_hold_is_a_dash(study):
    shutil.rmtree(study.out / "sheets")
    path = min(study.out.glob("receipts/*/*.json"))
    receipt = json.loads(path.read_text())
    receipt["scores"] = {"content_ssim": "high", "style_gram": float("nan")}
    path.write_text(json.dumps(receipt))
    sheet_of(study, ["content_ssim", "style_gram"])
    assert shown(study.out)[receipt["picture"]["path"]] == ["ssim –", "gram –"]


def test_a_sheet_is_drawn_again_when_what_it_shows_has_changed_and_only_then(study):
    first = sheet_of(study, ["content_ssim"])
    path = min(study.out.glob("receipts/*/*.json"))
    receipt = json.loads(path.read_text())
    written = (study.out / "sheets/it-1.png").stat().st_mtime_ns
    receipt["scores"]["content_cfsd"] = 0.111
    path.write_text(json.dumps(receipt))
    assert sheet_of(study, ["content_ssim"]) == first
    assert (study.out / "sheets/it-1.png").stat().st_mtime_ns == written, "not shown, not drawn"
    receipt["scores"]["content_ssim"] = -0.5
    path.write_text(json.dumps(receipt))
    assert sheet_of(study, ["content_ssim"]) != first
    assert shown(study.out)[receipt["picture"]["path"]] == ["ssim -0.5"]


def test_a_run_and_its_receipts_show_the_same(tmp_path):
    manifest = runs.study(tmp_path)
    sets = ["defaults.steps=1", "sheets=[{rows: content, cols: style_weight, cell: 64, show: [loss, style_gram]}]"]
    runs.render(manifest, sets=sets)
    before = runs.files(tmp_path / "out", "sheets")
    assert all(len(values) == 2 for values in shown(tmp_path / "out").values())
    assert rebuild(tmp_path / "out") == before


def test_what_is_not_measured_is_a_mistake_at_its_line():
    head = "version: 1\ninputs: {content: a.png, style: b.png}\nsheets:\n"
    text = f"{head}  - rows: seed\n    show: [content_sim, loss]\n  - {{cols: seed, show: speed of light}}\n"
    with pytest.raises(ManifestError) as caught:
        load(text, "m.yaml")
    said = str(caught.value)
    assert re.search(r"line 5.*'content_sim'; did you mean 'content_ssim'\?", said)
    assert re.search(r"line 6.*'speed of light'; expected style_gram, .*loss, steps, seconds", said)
    assert load(f"{head}  - {{rows: seed, show: loss}}\n", "m.yaml").manifest.sheets[0].show == ["loss"]


def test_editors_know_what_is_measured():
    show = json_schema()["$defs"]["Sheet"]["properties"]["show"]
    assert show["anyOf"][0]["enum"] == [*SCORES, "loss", "steps", "seconds"]
    assert show["anyOf"][1]["items"] == show["anyOf"][0]
    assert show["description"]


def test_a_run_file_of_another_hand_may_ask_for_anything(study):
    run = max((study.out / "runs").iterdir())
    document = json.loads(run.read_text())
    document["manifest"]["sheets"] = [{"rows": "content", "show": ["<b>", "loss"]}, {"rows": "content", "show": [1]}]
    run.write_text(json.dumps(document))
    rebuild(study.out)
    assert {values[0] for values in shown(study.out).values()} == {"<b> –"}


def test_an_output_without_receipts_is_refused_and_nothing_is_made(tmp_path):
    with pytest.raises(StylepressError, match="holds no receipts"):
        open_output(str(tmp_path / "nothing"), print)
    assert not (tmp_path / "nothing").exists()


def test_damaged_receipts_and_run_files_are_left_out(study):
    next(study.out.glob("receipts/*/*.json")).write_text("{")
    (study.out / "runs/99999999T000000Z-0000.json").write_text("[]")
    (study.out / "runs/99999999T000000Z-0001.json").write_text("{")
    complaints = []
    store, ledger = open_output(str(study.out), complaints.append)
    assert len(complaints) == 1
    assert len(ledger.receipts) == 3
    assert last_run(store)["manifest"]["name"] == "two photographs"
    assert len(of_receipts(ledger, last_run(store)).cells) == 3
