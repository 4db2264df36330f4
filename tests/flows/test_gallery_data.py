"""What a gallery's data say: every picture, as its receipt has it, whatever labels and receipts hold."""

import hashlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import fake_output
import numpy as np
import pytest
import runs
import studies
from PIL import Image

from flows import cli, gallery
from flows.gallery import assets
from flows.output import open_output
from flows.receipts import parsed, read_receipt, receipt_name
from flows.store import open_store

HOSTILE = (
    "</script><script>alert(1)</script>",
    "\"quoted\" & 'single' {{ 7*7 }} <!-- ]]>",
    "🎨 Émile 👩🏽‍🎨 \u2028 \u2029 line\nbreak",
    "\u202eمرحبا بالعالم\u202c שלום",
    "long " * 60,
    "half \ud83d of a pair",
)


def built(out, title="waves and dunes", sheets=()):
    store, ledger = open_output(str(out), print)
    gallery.build(store, ledger, title, list(sheets))
    return Site(out)


class Site:
    """A gallery as a browser reads it: data files are calls, named in the index."""

    def __init__(self, out):
        self.folder = Path(out, "gallery")
        (name,) = set(re.findall(r"data/index\.[0-9a-f]{12}\.js", (self.folder / "index.html").read_text()))
        self.index = self.take(name, "index")

    def take(self, file, name):
        data = (self.folder / file).read_bytes()
        assert hashlib.sha256(data).hexdigest()[:12] == file.split(".")[-2]
        head, tail = f'stylepress.take("{name}",'.encode(), b");\n"
        assert data.startswith(head)
        assert data.endswith(tail)
        assert not re.search(b"[<>&]|\xe2\x80[\xa8\xa9]", data)
        return json.loads(data[len(head) : -len(tail)])

    def all(self, kind):
        found = [self.take(file, f"{kind}-{n}") for n, file in enumerate(self.index[kind])]
        assert all(len(part) == self.index["per"][kind] for part in found[:-1])
        return [one for part in found for one in part]

    def facet(self, name):
        facet = next(facet for facet in self.index["facets"] if facet["name"] == name)
        along = self.take(self.index["columns"], "columns")["facets"][name]
        return [facet["values"][n] if n >= 0 else None for n in along]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A gallery of four pictures with what it was made from: `.out`, `.receipts` by key, `.site`."""
    out = tmp_path_factory.mktemp("data") / "out"
    receipts = fake_output.output(out, size=(700, 500))
    assert all(parsed(json.dumps(r).encode(), receipt_name(key)) for key, r in receipts.items())
    return type("Whole", (), {"out": out, "receipts": receipts, "site": built(out)})


@pytest.fixture
def out(tmp_path):
    """An output of two pictures that a test may do anything with."""
    fake_output.output(tmp_path / "study/out", contents=("photos/dune.png",))
    return tmp_path / "study/out"


def test_every_picture_is_there_as_its_receipt_has_it(whole):
    shown = {record["key"]: record for record in whole.site.all("pictures")}
    assert shown.keys() == whole.receipts.keys()
    for key, record in shown.items():
        picture = whole.receipts[key]["picture"]
        assert unquote(record["path"]) == f"../{picture['path']}"
        assert (record["w"], record["h"], record["bytes"]) == (700, 500, picture["bytes"])
        assert (whole.site.folder / unquote(record["path"])).is_file()


def test_thumbnails_are_named_by_the_picture_and_look_like_it(whole):
    for record in whole.site.all("pictures"):
        data = (whole.site.folder / record["path"]).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        assert record["thumb"] == f"{digest[:2]}/{digest}"
        assert record["widths"] == [320, 640]
        for width in record["widths"]:
            with Image.open(whole.site.folder / f"thumbs/{record['thumb']}-{width}.webp") as small:
                assert small.format == "WEBP"
                assert small.size == (width, round(500 * width / 700))
                mine = Image.open(io.BytesIO(data)).resize(small.size, Image.Resampling.BICUBIC)
                assert np.abs(np.asarray(small, float) - np.asarray(mine, float)).mean() < 4


def test_a_small_picture_is_not_enlarged(out):
    assert {tuple(record["widths"]) for record in built(out).all("pictures")} == {(96,)}


def test_pictures_stand_in_the_manifests_order_and_facets_tell_them_apart(tmp_path):
    axes = {"content": ["wave", "dune"], "style_weight": ["1000", "10"]}
    fake_output.output(tmp_path / "out", axes=axes)
    site = built(tmp_path / "out")
    assert [(f["name"], f["kind"], f["values"]) for f in site.index["facets"]] == [
        ("content", "input", ["wave", "dune"]),
        ("style_weight", "setting", ["1000", "10"]),
    ]
    assert site.facet("content") == ["wave", "wave", "dune", "dune"]
    assert site.facet("style_weight") == ["1000", "10", "1000", "10"]
    titles = [record["alt"] for record in site.all("pictures")]
    assert titles[0] == "wave in the style of ink (style_weight 1000)"


def test_scores_time_and_shapes_are_columns_in_the_same_order(whole):
    site = whole.site
    measures = site.take(site.index["measures"], "measures")
    assert measures["seconds"] == [2.0] * 4
    assert measures["scores"] == {"style_gram": [0.25] * 4, "content_ssim": [0.5] * 4, "loss": [2.5] * 4}
    assert {score["name"]: score["better"] for score in site.index["scores"]} == {
        "style_gram": "lower",
        "content_ssim": "higher",
        "loss": "lower",
    }
    shapes = site.take(site.index["columns"], "columns")["shapes"]
    assert [shapes["values"][n] for n in shapes["of"]] == [[700, 500]] * 4
    keys = site.take(site.index["keys"], "keys")
    cut = [keys["text"][n : n + keys["length"]] for n in range(0, len(keys["text"]), keys["length"])]
    assert cut == [record["key"][: keys["length"]] for record in site.all("pictures")]


def test_details_have_settings_curve_and_inputs(whole):
    for record, detail in zip(whole.site.all("pictures"), whole.site.all("details"), strict=True):
        receipt = whole.receipts[record["key"]]
        assert detail["key"] == record["key"]
        assert detail["settings"] == receipt["cell"]["settings"]
        assert detail["terms"] == receipt["result"]["losses"]
        assert len(detail["curve"]) <= 200
        assert detail["curve"][-1] == pytest.approx(receipt["result"]["curve"][-1], rel=1e-4)
        assert {s: pytest.approx(v, abs=1e-4) for s, v in receipt["result"]["curve"]}.items() >= dict(
            detail["curve"]
        ).items()
        with Image.open(whole.site.folder / detail["content"]["preview"]) as preview:
            assert preview.size == (detail["content"]["w"], detail["content"]["h"])
        assert detail["styles"] == [{"label": "ink", "preview": None, "w": None, "h": None}]


MANIFESTS = {
    "plain": "defaults: {size: 32, style_weight: 1e-5, steps: 3, tile: off}\njobs: [{grid: {seed: [0, 1]}}]\n",
    "presets": "jobs: [{grid: {preset: [neural-style, gatys-2016], init: [noise, content]}}]\n",
    "methods": "defaults: {size: 32, init: photos/c.png}\njobs: [{grid: {method: [gatys, style-reconstruction]}}]\n",
}
INPUTS = {
    "blends": """  content:
    - {path: photos/a.png, label: '日本 "quoted" \U0001f3a8 \x85 # no comment'}
    - {path: photos/b.png, masks: [masks/left.png, masks/left.png], content_mask: masks/left.png}
  style:
    - {blend: [styles/x.png, {path: styles/y.png, weight: 2}], label: Mix}
    - blend: [styles/x.png, {path: styles/y.png, mask: masks/left.png}]
""",
    "masks": """  content: sample:cat
  style: [{path: styles/x.png, mask: masks/left.png, label: 'no'}, sample:waves]
""",
    "plain": "  content: photos/*.png\n  style: styles/x.png\n",
}


@pytest.mark.parametrize(("inputs", "jobs"), [("plain", name) for name in MANIFESTS] + [(n, "plain") for n in INPUTS])
def test_the_manifest_of_one_picture_names_the_same_cell(tmp_path, inputs, jobs):
    studies.paint(tmp_path, {**studies.COLOURS, "photos/c.png": "white", "masks/left.png": "white"})
    loaded = studies.read(tmp_path, f"version: 1\nname: 'a: study'\ninputs:\n{INPUTS[inputs]}{MANIFESTS[jobs]}")
    studies.finish(studies.planned(loaded, tmp_path / "out").items, tmp_path / "out")
    details = built(tmp_path / "out", "a: study").all("details")
    assert len(details) > 1
    for detail in details:
        again = studies.planned(studies.read(tmp_path, detail["manifest"]), tmp_path / "again")
        assert [item.key for item in again.items] == [detail["key"]]


def test_entries_of_several_pictures_make_one_manifest_of_exactly_them(whole, tmp_path):
    some = whole.site.all("details")[1:3]
    for name in ("photos", "styles"):
        (tmp_path / name).symlink_to(whole.out.parent / name)
    contents, styles = (
        {json.dumps(d["inputs"][kind]): d["inputs"][kind] for d in some} for kind in ("content", "style")
    )
    added = [{k: d["inputs"][k]["label"] for k in ("content", "style")} | d["settings"] for d in some]
    manifest = {
        "version": 1,
        "inputs": {"content": list(contents.values()), "style": list(styles.values())},
        "jobs": [{"add": added, "sample": {"count": len(added)}}],
    }
    again = studies.read(tmp_path, json.dumps(manifest))
    assert len(studies.cells_of(again)) == 2
    settings = [cell.settings.to_dict() for cell in studies.cells_of(again)]
    assert settings == [detail["settings"] for detail in some]


def test_labels_arrive_unharmed_and_harm_nothing(tmp_path):
    out = tmp_path / "out"
    style = fake_output.source_picture(tmp_path, "styles/ink.png")
    for n, label in enumerate(HOSTILE):
        content = fake_output.source_picture(tmp_path, f"photos/{n}.png", label, seed=n)
        receipt = fake_output.receipt_of(content, style, {"style_weight": n}, {"style_weight": label})
        fake_output.leave(out, receipt, fake_output.drawn(n))
    site = built(out, HOSTILE[0])
    assert site.index["title"] == HOSTILE[0]
    assert set(site.facet("content")) == set(site.facet("style_weight")) == set(HOSTILE)
    assert {detail["content"]["label"] for detail in site.all("details")} == set(HOSTILE)
    page = (site.folder / "index.html").read_text()
    assert "alert(1)</script>" not in page
    assert "49" not in re.sub(r"[0-9a-f]{12,}|\d{3,}", "", page)


def test_what_is_wrong_is_left_out_and_said(tmp_path):
    out = tmp_path / "out"
    gone, altered, cut, undecodable = fake_output.output(out).values()
    (out / gone["picture"]["path"]).unlink()
    data = bytearray((out / altered["picture"]["path"]).read_bytes())
    data[-20] ^= 1
    (out / altered["picture"]["path"]).write_bytes(data)
    (out / cut["picture"]["path"]).write_bytes(b"")
    no_picture = b"no picture at all"
    fake_output.leave(out, undecodable, no_picture)
    (out / "receipts/ab").mkdir()
    (out / f"receipts/ab/ab{'0' * 62}.json").write_text("{broken")
    complaints = []
    store, ledger = open_output(str(out), complaints.append)
    gallery.build(store, ledger, "t", [])
    site = Site(out)
    (shown,) = site.all("pictures")
    assert (shown["key"], shown["widths"]) == (undecodable["key"], [])
    told = (site.folder / "run.html").read_text()
    for wrong in (gone, altered, cut, undecodable):
        assert wrong["picture"]["path"] in told
    assert f"ab{'0' * 62}.json" in told
    assert len(complaints) == 1


def test_a_receipt_of_nonsense_stops_nothing(tmp_path):
    out = tmp_path / "out"
    (good, *rest) = fake_output.output(out).values()
    nonsense = [
        {"result": [1, 2], "scores": "many", "timing": {"render": "long"}, "environment": 5, "finished": ["x"]},
        {"result": {"losses": {"total": float("nan")}, "curve": [["a"], 5, [1, None], [2, 1e999]], "steps": "s"}},
        {"cell": {"content": {}, "style": None, "settings": {"steps": float("inf")}, "labels": {"steps": {"a": 1}}}},
    ]
    for receipt, more in zip(rest, nonsense, strict=True):
        fake_output.leave(out, {**receipt, **more}, fake_output.drawn(1))
    site = built(out)
    assert site.index["count"] == 4
    assert good["key"] in {record["key"] for record in site.all("pictures")}
    assert len(site.all("details")) == 4


def test_a_run_without_pictures_makes_a_page_that_says_so(tmp_path):
    failures = [{"cell": "renders/x.png", "key": "", "kind": "flat-picture", "message": "<b>flat</b>", "values": {}}]
    fake_output.run_file(tmp_path / "out", rendered=0, failed=1, failures=failures)
    assert cli.run(["gallery", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/gallery/index.html").read_text()
    assert "waves and dunes" in page
    assert "0 pictures" in page
    told = (tmp_path / "out/gallery/run.html").read_text()
    assert "&lt;b&gt;flat&lt;/b&gt;" in told
    assert "<b>flat</b>" not in told


def files(folder):
    return {
        p.relative_to(folder).as_posix(): (p.stat().st_mtime_ns, p.stat().st_ino)
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_a_second_build_writes_nothing_and_a_third_only_what_is_new(out):
    site = built(out)
    before = files(site.folder)
    assert files(built(out).folder) == before
    style = fake_output.source_picture(out.parent, "styles/ink.png", seed=77)
    content = fake_output.source_picture(out.parent, "photos/new.png", seed=9)
    new = fake_output.leave(out, fake_output.receipt_of(content, style), fake_output.drawn(99))
    after = files(built(out).folder)
    thumbs = {name for name in after if name.startswith("thumbs/")}
    assert [name for name in thumbs if name not in before] == [
        f"thumbs/{new['picture']['sha256'][:2]}/{new['picture']['sha256']}-96.webp"
    ]
    assert all(after[name] == before[name] for name in before if name.startswith(("thumbs/", "assets/")))
    assert len([name for name in after if name.startswith("data/")]) == 6, "files of the former build are gone"


def test_a_thumbnail_that_a_power_cut_left_empty_is_made_again(out):
    thumb = next((built(out).folder / "thumbs").rglob("*.webp"))
    data = thumb.read_bytes()
    thumb.write_bytes(b"")
    built(out)
    assert thumb.read_bytes() == data


def test_a_render_again_with_other_bytes_gets_a_thumbnail_of_its_own(out):
    before = {record["key"]: record["thumb"] for record in built(out).all("pictures")}
    key = next(iter(before))
    receipt = read_receipt(open_store(out), receipt_name(key))
    fake_output.leave(out, receipt, fake_output.drawn(1234), name=Path(receipt["picture"]["path"]).stem)
    site = built(out)
    after = {record["key"]: record["thumb"] for record in site.all("pictures")}
    assert [k for k in before if after[k] != before[k]] == [key]
    assert len(list((site.folder / "thumbs").rglob("*.webp"))) == 2


def test_data_come_in_parts(tmp_path):
    fake_output.many(tmp_path / "out", 530, (32, 24), pictures=3)
    site = built(tmp_path / "out")
    assert (len(site.index["pictures"]), len(site.index["details"])) == (2, 22)
    assert [r["key"] for r in site.all("pictures")] == [d["key"] for d in site.all("details")]
    assert len({r["key"] for r in site.all("pictures")}) == 530


def test_building_needs_neither_torch_nor_prefect(out):
    forbidden = "import sys; sys.modules.update(dict.fromkeys(('torch', 'prefect', 'torchvision', 'boto3')))"
    code = f"{forbidden}; from flows import cli; sys.exit(cli.run(['gallery', sys.argv[1]]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], capture_output=True, text=True, timeout=runs.PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{out}/gallery/index.html"


def test_where_the_viewer_was_not_to_be_had_pages_say_so(out, tmp_path, monkeypatch):
    (tmp_path / "package").mkdir()
    (tmp_path / "package/static").symlink_to(assets.FOLDER / "static")
    monkeypatch.setattr(assets, "FOLDER", tmp_path / "package")
    site = built(out)
    assert site.index["viewer"] is False
    assert not list(site.folder.glob("assets/photoswipe*"))
    assert "PhotoSwipe" in (site.folder / "index.html").read_text()


def test_the_viewer_comes_with_its_licence(out):
    site = built(out)
    if not site.index["viewer"]:
        pytest.skip("this installation was built without PhotoSwipe: npm's registry was not in reach")
    (licence,) = site.folder.glob("assets/photoswipe-license.*.txt")
    assert "MIT" in licence.read_text()
    assert len(list(site.folder.glob("assets/photoswipe*.js"))) == 2
