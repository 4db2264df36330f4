"""The plan: for every cell whether it must be rendered, and why, in words that name what changed."""

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from studies import HEAD, ONE, finish, paint, planned, png, read, receipt_file

from flows import checking, plan, report
from flows.estimate import operations
from flows.shards import Shard
from flows.source import ManifestError
from flows.spool import Spool
from flows.store import StorageError
from stylecore.errors import WeightsError

DEFAULTS = "defaults: {size: 512, steps: 300, tv_weight: 0.001, pooling: max, content_layers: relu4_2, init: content}\n"
GRID = "jobs: [{grid: {style_weight: [10, 100], seed: [0, 1]}}]\n"


@pytest.fixture
def folder(tmp_path):
    return paint(tmp_path / "study")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def done(folder, out):
    """Eight cells, finished: 2 contents × 1 style × 2 weights × 2 seeds."""
    text = "version: 1\ninputs: {content: [photos/a.png, photos/b.png], style: styles/x.png}\n" + DEFAULTS + GRID
    finish(planned(read(folder, text), out).items, out)
    return text


def reasons(loaded, out, **options):
    return [item.reason for item in planned(loaded, out, **options).items]


def test_everything_is_new_at_first(folder, out):
    made = planned(read(folder, HEAD + GRID), out)
    assert made.reasons() == {"new": 16}
    assert len(made.to_render()) == 16
    assert made.varying == ["style_weight", "seed"]
    assert len({item.key for item in made.items}) == len({item.name for item in made.items}) == 16
    assert made.items[0].name == f"renders/a--x--style_weight-10_seed-0--{made.items[0].key[:12]}.png"
    assert not out.exists()


def test_everything_finished_is_done(folder, out, done):
    made = planned(read(folder, done), out)
    assert made.reasons() == {"done": 8}
    assert list(made.to_render()) == []
    assert made.estimate.seconds == 0


def test_touching_files_changes_nothing(folder, out, done):
    for path in [*folder.rglob("*.png"), *out.rglob("*")]:
        os.utime(path, (1, 1))
    assert set(reasons(read(folder, done), out)) == {"done"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("defaults.steps=50", "changed: steps 300 → 50"),
        ("defaults.tv_weight=1e-5", "changed: tv_weight 0.001 → 1e-5"),
        ("defaults.pooling=average", "changed: pooling max → average"),
        ("defaults.content_layers=relu3_1", "changed: content_layers relu4_2 → relu3_1"),
        ("defaults.learning_rate=0.5", "changed: learning_rate auto → 0.5"),
        ("defaults.encoder=vgg19-torchvision", "changed: encoder vgg19 → vgg19-torchvision"),
        ("defaults.init=style", "changed: init content → style"),
        ("output.format=webp", "changed: format png → webp"),
        ("defaults.steps=50 defaults.size=256", "changed: size 512 → 256, steps 300 → 50"),
        (
            "defaults.steps=50 defaults.size=256 defaults.tv_weight=0",
            "changed: size 512 → 256, steps 300 → 50, tv_weight 0.001 → 0",
        ),
    ],
)
def test_a_changed_setting_is_named_with_both_values(folder, out, done, changes, said):
    assert set(reasons(read(folder, done, changes.split()), out)) == {said}


def test_two_changed_settings_are_named_however_many_cells_there_are(folder, out):
    text = ONE + DEFAULTS + "jobs: [{grid: {style_weight: {linspace: [1, 20, 20]}, seed: {range: [0, 10, 1]}}}]\n"
    finish(planned(read(folder, text), out).items, out)
    changed = reasons(read(folder, text, ["defaults.steps=50", "defaults.tv_weight=0"]), out)
    assert set(changed) == {"changed: steps 300 → 50, tv_weight 0.001 → 0"}


def test_only_the_cells_that_depend_on_a_change_are_rendered(folder, out, done):
    override = "    override: [{when: {seed: 1, style_weight: 10}, set: {steps: 7}}]\n"
    text = done.replace("jobs: [{grid: {style_weight: [10, 100], seed: [0, 1]}}]\n",
                        "jobs:\n  - grid: {style_weight: [10, 100], seed: [0, 1]}\n" + override)  # fmt: skip
    made = planned(read(folder, text), out)
    assert [i.reason for i in made.to_render()] == ["changed: steps 300 → 7"] * 2
    assert {(i.cell.settings.seed, i.cell.settings.style_weight) for i in made.to_render()} == {(1, 10.0)}


def test_a_changed_picture_is_named_and_costs_its_own_cells(folder, out, done):
    (folder / "photos/b.png").write_bytes(png("black"))
    found = reasons(read(folder, done), out)
    assert found == ["done"] * 4 + ["changed: content photos/b.png has other bytes"] * 4
    (folder / "styles/x.png").write_bytes(png("white"))
    found = reasons(read(folder, done), out)
    assert found[:4] == ["changed: style styles/x.png has other bytes"] * 4
    assert found[4:] == ["changed: content photos/b.png has other bytes, style styles/x.png has other bytes"] * 4


def test_other_weights_and_masks_of_a_blend_are_named(folder, out):
    text = "version: 1\ninputs:\n  content: photos/a.png\n  style: {blend: [styles/x.png, styles/y.png], label: Mix}\n"
    finish(planned(read(folder, text), out).items, out)
    assert reasons(read(folder, text, ["inputs.style.0.label=Other"]), out) == ["done"]
    name = "styles/x.png + styles/y.png"
    said = [f"changed: style {name} has other weights or masks"]
    assert reasons(read(folder, text, ["inputs.style.0.blend.0.weight=3"]), out) == said
    assert reasons(read(folder, text, ["inputs.style.0.blend.0.mask=photos/b.png"]), out) == said
    mask = ["inputs.content.0.masks=[photos/b.png, photos/a.png]"]
    assert reasons(read(folder, text, mask), out) == ["changed: content photos/a.png has other weights or masks"]
    (folder / "styles/y.png").write_bytes(png("black"))
    assert reasons(read(folder, text), out) == [f"changed: style {name} has other bytes"]


def test_a_mask_or_a_part_that_cannot_be_used_costs_its_own_cells(folder, out):
    (folder / "black.png").write_bytes(png("black"))
    text = (
        "version: 1\ninputs:\n  content: [photos/a.png, {path: photos/b.png, content_mask: black.png}]\n"
        "  style: [styles/x.png, {blend: [styles/x.png, styles/none.png]}]\n"
    )
    made = planned(read(folder, text), out)
    assert [item.kind for item in made.items] == ["new", "bad input", "bad input", "bad input"]
    assert [item.key == "" for item in made.items] == [False, True, False, True]
    assert "black.png is all black" in made.items[2].detail
    assert "'styles/none.png'" in made.items[1].detail


def test_a_new_value_on_an_axis_is_new(folder, out, done):
    made = planned(read(folder, done, ["jobs.0.grid.seed=[0, 1, 2]"]), out)
    assert made.reasons() == {"done": 8, "new": 4}
    assert all(item.detail.startswith("unlike the nearest done cell, seed ") for item in made.to_render())


def test_a_new_picture_is_new(folder, out, done):
    text = done.replace("style: styles/x.png", "style: [styles/x.png, styles/y.png]")
    assert planned(read(folder, text), out).reasons() == {"done": 8, "new": 8}


def test_a_new_method_version_is_named(folder, out, done, monkeypatch):
    import dataclasses

    from stylecore.methods import METHODS

    version = METHODS["gatys"].version
    monkeypatch.setitem(METHODS, "gatys", dataclasses.replace(METHODS["gatys"], version=version + 1))
    said = f"changed: method gatys version {version} → gatys version {version + 1}"
    assert set(reasons(read(folder, done), out)) == {said}


def test_a_setting_that_older_receipts_do_not_know_is_named(folder, out, done):
    for path in out.glob("receipts/*/*.json"):
        path.write_text(path.read_text().replace('"padding"', '"paddling"').replace(path.stem, path.stem[:-2] + "zz"))
        path.rename(path.with_name(path.stem[:-2] + "zz.json"))
    assert set(reasons(read(folder, done), out)) == {"changed: padding unknown → replicate"}


def test_pictures_gone_cut_or_altered_are_rendered_again(folder, out, done):
    items = planned(read(folder, done), out).items
    gone, cut, flipped = (out / item.name for item in items[:3])
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-5])
    status = flipped.stat()
    data = bytearray(flipped.read_bytes())
    data[-20] ^= 1
    flipped.write_bytes(data)
    os.utime(flipped, ns=(status.st_atime_ns, status.st_mtime_ns))
    expected = ["picture missing", "picture altered", "picture altered", *["done"] * 5]
    assert reasons(read(folder, done), out) == expected


def test_a_broken_receipt_is_ignored(folder, out, done):
    items = planned(read(folder, done), out).items
    receipt_file(out, items[0].key).write_text("{")
    receipt_file(out, items[1].key).write_text("[" * 100_000)
    made = planned(read(folder, done), out)
    assert made.reasons() == {"done": 6, "new": 2}


def test_a_picture_keeps_the_name_it_was_published_under(folder, out, done):
    text = done.replace("content: [photos/a.png,", "content: [{path: photos/a.png, label: Anna},")
    before, after = (planned(read(folder, one), out).items for one in (done, text))
    assert [item.name for item in before] == [item.name for item in after]
    assert {item.kind for item in after} == {"done"}


def test_a_missing_picture_costs_its_own_cells(folder, out, done):
    (folder / "photos/b.png").unlink()
    made = planned(read(folder, done), out)
    assert made.reasons() == {"done": 4, "bad input": 4}
    assert list(made.to_render()) == []
    bad = made.items[-1]
    assert "photos/b.png" in bad.detail
    assert bad.key == ""


def test_a_picture_that_cannot_be_read_costs_its_own_cells(folder, out):
    (folder / "photos/b.png").write_text("no picture")
    text = "version: 1\ninputs: {content: [photos/b.png, photos/a.png], style: styles/x.png}\n"
    made = planned(read(folder, text), out)
    assert [item.kind for item in made.items] == ["bad input", "new"]
    assert "photos/b.png" in made.items[0].detail


def test_two_missing_pictures_are_two_cells(folder, out):
    text = "version: 1\ninputs: {content: [photos/y.png, photos/z.png], style: styles/x.png}\n"
    assert [item.kind for item in planned(read(folder, text), out).items] == ["bad input"] * 2


def test_a_pipe_in_the_place_of_a_picture_stops_nothing(folder, out):
    os.mkfifo(folder / "photos/x.jpg")
    loaded = read(folder, "version: 1\ninputs: {content: [photos/a.png, photos/x.jpg], style: styles/x.png}\n")
    result = []
    thread = threading.Thread(target=lambda: result.append(reasons(loaded, out)), daemon=True)
    thread.start()
    thread.join(10)
    assert result
    assert [reason.partition(":")[0] for reason in result[0]] == ["new", "bad input"]


def test_a_cell_that_two_jobs_name_is_planned_once(folder, out):
    text = ONE + "jobs: [{grid: {seed: [0, 1]}}, {grid: {seed: [1, 2, 1]}}, {add: [{content: a, style: x}]}]"
    assert [item.cell.settings.seed for item in planned(read(folder, text), out).items] == [0, 1, 2]


def test_pictures_of_the_same_bytes_are_one(folder, out):
    (folder / "photos/copy.png").write_bytes((folder / "photos/a.png").read_bytes())
    text = "version: 1\ninputs: {content: [photos/a.png, photos/copy.png], style: styles/x.png}\n"
    assert len(planned(read(folder, text), out).items) == 1


def test_limit_takes_the_first_distinct_cells(folder, out):
    text = ONE + "jobs: [{grid: {seed: [5, 5, 3, 4]}}]"
    loaded = read(folder, text)
    assert [item.cell.settings.seed for item in planned(loaded, out, limit=2).items] == [5, 3]
    assert len(planned(loaded, out, limit=99).items) == 3


@pytest.mark.parametrize(
    ("run", "allowed"), [("", False), ("run: {max_cells: 20000}", True), ("run: {max_cells: 5}", False)]
)
def test_more_cells_than_expected_need_a_word(folder, out, run, allowed):
    text = ONE + "jobs: [{grid: {seed: {range: [0, 10001, 1]}}, sample: {count: %d}}]\n" + run
    loaded = read(folder, text % 10_001)
    assert len(planned(loaded, out, limit=3).items) == 3
    assert len(planned(read(folder, text % 4), out).items) == 4
    if not allowed:
        with pytest.raises(ManifestError, match=r"10,001 cells.*--limit.*sample.*max_cells"):
            planned(loaded, out)


def test_a_million_cells_with_a_limit_are_planned_at_once(folder, out):
    loaded = read(folder, ONE + "jobs: [{grid: {seed: {range: [0, 1000000, 1]}, style_weight: [1, 2]}}]")
    began = time.monotonic()
    assert len(planned(loaded, out, limit=4).items) == 4
    assert time.monotonic() - began < 2


def test_wrong_entries_and_jobs_are_said_together(folder, out):
    text = (
        "version: 1\ninputs:\n  content: [photos/a.png, ../x.png]\n  style: [styles/x.png, 'none/*.png']\n"
        "jobs:\n  - exclude: [{seed: 3}]\n"
    )
    with pytest.raises(ManifestError) as caught:
        planned(read(folder, text), out)
    assert [problem.place.line for problem in caught.value.problems] == [3, 4, 6]


def test_weights_that_are_not_there(folder, out):
    text = ONE + "defaults: {encoder: {arch: vgg19, weights: none.safetensors, input: caffe}}"
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        planned(read(folder, text), out)


def test_a_layer_beyond_the_weights(folder, out):
    import numpy as np
    from safetensors.numpy import save_file

    one = {"features.0.weight": np.zeros((64, 3, 3, 3), np.float16), "features.0.bias": np.zeros(64, np.float16)}
    save_file(one, folder / "w.safetensors")
    text = ONE + "defaults:\n  encoder: {arch: vgg19, weights: w.safetensors, input: caffe}\n"
    layers = "  content_layers: relu1_1\n  style_layers: [%s]"
    assert len(planned(read(folder, text + layers % "conv1_1"), out).items) == 1
    with pytest.raises(ManifestError, match=r"line 6.*end with relu1_1.*conv1_2"):
        planned(read(folder, text + layers % "conv1_2"), out)


def test_a_plan_against_a_bucket(folder, out, s3):
    from flows.store import open_store

    loaded = read(folder, ONE)
    finish(planned(loaded, out).items, out)
    client = s3.client()
    for path in out.rglob("*.*"):
        client.put_object(Bucket=s3.bucket, Key=f"study/{path.relative_to(out)}", Body=path.read_bytes())
    store = open_store(f"s3://{s3.bucket}/study")

    def kinds():
        return [item.kind for item in plan.make(loaded, store).items]

    assert kinds() == ["done"]
    (picture,) = out.glob("renders/*")
    client.delete_object(Bucket=s3.bucket, Key=f"study/renders/{picture.name}")
    assert kinds() == ["picture missing"]


# check


def test_check_counts_cells_and_finds_nothing_wrong(folder):
    assert checking.check(read(folder, HEAD + GRID, lenient=True)) == (16, [])


def test_check_lists_bad_pictures_with_their_lines(folder):
    (folder / "photos/b.png").write_text("no picture")
    os.mkfifo(folder / "photos/x.jpg")
    text = (
        "version: 1\ninputs:\n  content:\n    - photos/a.png\n    - photos/b.png\n    - photos/x.jpg\n"
        "  style:\n    - styles/z.png\n"
    )
    count, faults = checking.check(read(folder, text, lenient=True))
    assert count == 3
    assert [fault.partition(",")[0] for fault in faults] == ["line 5", "line 6", "line 8"]
    assert "did you mean 'styles/" in faults[2]


def test_check_says_mistakes_and_bad_pictures_together(folder):
    text = (
        "version: 1\ninputs:\n  content: [photos/a.png, photos/aa.png]\n  style: styles/x.png\n"
        "naem: x\n"
        "jobs:\n"
        "  - grid: {sede: [1]}\n"
        "  - zip: {seed: [1, 2], size: [64]}\n"
        "  - exclude: [{seed: 3}]\n"
        "  - override: [{when: {content: c}, set: {seed: 3}}]\n"
        "  - grid: {style_layers: [relu9_1]}\n"
        "  - add: [{content: photos/a.png}]\n"
        "sheets: [{rows: sed}]\n"
        "output: {format: jpg}\n"
    )
    with pytest.raises(ManifestError) as caught:
        checking.check(read(folder, text, lenient=True))
    lines = [problem.place.line for problem in caught.value.problems]
    assert lines == [3, 5, 7, 8, 9, 10, 11, 13, 14]


def test_check_lists_bad_masks_with_their_lines(folder):
    (folder / "black.png").write_bytes(png("black"))
    (folder / "square.png").write_bytes(png("white", (9, 9)))
    text = (
        "version: 1\ninputs:\n  content:\n    - path: photos/a.png\n      content_mask: black.png\n"
        "  style:\n    - blend:\n        - {path: styles/x.png, mask: square.png}\n        - styles/none.png\n"
    )
    count, faults = checking.check(read(folder, text, lenient=True))
    assert count == 1
    assert [fault.partition(",")[0] for fault in faults] == ["line 5", "line 9", "line 8"]
    assert "wrong shape" in faults[2]


@pytest.mark.parametrize("do", [checking.check, lambda loaded: planned(loaded, "none")])
def test_masks_that_are_too_few_are_said_by_check_and_by_plan(folder, do):
    text = (
        "version: 1\ninputs:\n  content:\n    - {path: photos/a.png, masks: [photos/b.png]}\n"
        "  style:\n    - {blend: [styles/x.png, styles/y.png], label: Mix}\n"
    )
    with pytest.raises(ManifestError) as caught:
        do(read(folder, text))
    (problem,) = caught.value.problems
    assert problem.place.line == 4
    assert "a has 1 and the style Mix is made of 2" in problem.message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("size: 200%, scales: [16, 64]", "scales: 64 is larger than photos/a.png at size 200%; expected at most 48"),
        ("size: 200%, scales: [64, 100]", "scales: 100 is larger"),
        ("size: 64, scales: [128]", "scales: 128 is larger than the picture"),
        ("size: 16", "photos/a.png has 16×11 pixels"),
        ("size: 64, scales: [16]", "photos/a.png has 16×11 pixels"),
        ("size: 200x15", "expected a whole number from 16"),
        ("method: style-reconstruction, size: 16", "styles/x.png has 16×11 pixels"),
    ],
)
def test_check_finds_canvases_that_are_too_small_and_pyramids_that_are_too_large(folder, settings, said):
    with pytest.raises(ManifestError) as caught:
        checking.check(read(folder, ONE + f"name: x\ndefaults: {{{settings}}}", lenient=True))
    assert said in str(caught.value)
    assert "line 4" in str(caught.value)


def test_what_a_method_does_not_use_is_not_too_deep(folder):
    text = ONE + "defaults: {size: 16, content_layers: relu3_1, method: content-reconstruction}"
    assert checking.check(read(folder, text, lenient=True)) == (1, [])


def test_check_finds_contradictions_of_single_cells(folder):
    text = ONE + (
        "jobs:\n"
        "  - grid: {size: [256, 64, 32]}\n"
        "    override: [{when: {size: 64}, set: {scales: [128]}}]\n"
        "  - grid: {encoder: [vgg19, vgg16-torchvision], style_layers: [relu1_1, relu3_4]}\n"
        "  - add: [{content: photos/a.png}]\n"
    )
    with pytest.raises(ManifestError) as caught:
        checking.check(read(folder, text, lenient=True))
    assert [problem.place.line for problem in caught.value.problems] == [5, 6, 7]


def test_planning_and_checking_load_neither_torch_nor_prefect_nor_boto3(folder, out):
    text = ONE + "jobs: [{grid: {seed: [0, 1]}}]"
    read(folder, text)
    code = f"""
import json, sys
from flows import batch, checking, plan
from flows.store import open_store
loaded = batch.read_manifest({str(folder / "manifest.yaml")!r})
store = open_store({str(out)!r}, confine=False)
assert len(plan.make(loaded, store).items) == 2
assert checking.check(loaded) == (2, [])
print(json.dumps([name for name in ("torch", "torchvision", "prefect", "boto3", "botocore") if name in sys.modules]))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == []


def test_cells_to_render_stand_by_model_and_canvas_and_then_by_what_fits_into_a_batch(folder, out):
    (folder / "photos/b.png").write_bytes(png("green", (16, 24)))
    text = (
        "version: 1\ninputs: {content: [photos/a.png, photos/b.png], style: styles/x.png}\n"
        "jobs: [{grid: {seed: [0, 1, 2], steps: [5, 6], size: [64, 128], encoder: [vgg19, vgg19-torchvision]}}]\n"
    )
    made = planned(read(folder, text), out)

    def runs(told):
        """How often something changes on the way through the cells."""
        return len([key for key, _ in itertools.groupby(made.to_render(), told)])

    assert runs(lambda item: (item.cell.settings.encoder, item.cell.settings.size)) == 4
    assert runs(lambda item: item.group) == 4
    fits = runs(lambda item: (item.group, item.cell.settings.steps, item.cell.content.name))
    assert fits == 4 * 2 * 2, "each kind of batch comes once"
    order = {item.key: number for number, item in enumerate(made.items)}
    for _, batch in itertools.groupby(made.to_render(), lambda item: (item.group, item.cell.settings.steps)):
        for _, alike in itertools.groupby(batch, lambda item: item.cell.content.name):
            numbers = [order[item.key] for item in alike]
            assert numbers == sorted(numbers)
    forwards, backwards = ([item.key for item in made.to_render(backwards=back)] for back in (False, True))
    assert forwards == backwards[::-1]
    assert sorted(forwards) == sorted(order)


def test_a_plan_is_gone_through_as_often_as_one_likes_and_by_several_at_a_time(folder, out):
    text = ONE + "jobs: [{grid: {seed: {range: [0, 2500, 1]}}}]"
    made = planned(read(folder, text), out)
    everything = [item.key for item in made.items]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _: [item.key for item in made.items], range(4))
        assert [keys == everything for keys in found] == [True] * 4
    assert [one.key for one, _ in zip(made.items, range(3), strict=False)] == everything[:3]
    assert (made.items[-1].key, [i.key for i in made.items[2:4]]) == (everything[-1], everything[2:4])
    assert made.find(everything[2000]).cell.settings.seed == 2000
    assert made.find("0" * 64) is None
    assert [made.find(key) for key in ("", "no key", "é")] == [None] * 3
    assert made.operations == pytest.approx(sum(item.operations for item in made.to_render()))
    for item in made.items[:2]:
        assert item.operations == operations(item.cell)


def test_no_room_for_the_temporary_file_is_one_message():
    spool = Spool()
    spool.run("PRAGMA max_page_count = 20")
    with pytest.raises(StorageError, match=r"full; free some space, or name another folder in TMPDIR"):
        spool.fill("queue", ((number, number) for number in range(100_000)))


def test_the_encoders_of_what_is_to_be_rendered(folder, out, done):
    text = done.replace("style_weight: [10, 100]", "style_weight: [10, 100], encoder: [vgg19, vgg16-torchvision]")
    assert planned(read(folder, text), out).encoders() == ["vgg16-torchvision"]
    assert planned(read(folder, text), out / "none").encoders() == ["vgg19", "vgg16-torchvision"]


def test_people_are_told_of_some_cells_and_scripts_of_all(folder, out):
    made = planned(read(folder, ONE + "jobs: [{grid: {seed: {range: [0, 1500, 1]}}}]"), out)
    lines = list(report.of_plan(made, 3))
    assert len(lines) < 1010
    assert any("500 more; --json lists all" in line for line in lines)
    document = json.loads("\n".join(report.document_of_plan(made, 3)))
    assert [item["key"] for item in document["items"]] == [item.key for item in made.items]
    (empty,) = (one for one in (planned(read(folder, ONE), out, shard=Shard(n, 2)) for n in (1, 2)) if not one.items)
    assert json.loads("\n".join(report.document_of_plan(empty, 0)))["items"] == []
    assert list(empty.to_render()) == []
    assert len(empty.everything) == 1


def test_reasons_read_well(folder, out, done):
    for reason in reasons(read(folder, done, ["jobs.0.grid.seed=[0, 7]"]), out):
        assert re.fullmatch(r"done|changed: seed 1 → 7|new: unlike the nearest done cell, seed \d → 7", reason), reason
