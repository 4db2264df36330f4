"""Runs as they repeat: what is rendered again and why, what becomes of failures, and the same on S3 as in a folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import runs
import yaml

from flows import batch, live
from flows.store import StorageError
from flows.summary import root_seen_from
from flows.worker import Outcome
from stylecore.errors import StylepressError, WeightsError


def kinds(manifest, **options):
    """Reasons of a plan by the name of the cell's content."""
    return [(item.cell.content.name, item.kind, item.detail) for item in runs.prepared(manifest, **options).plan.items]


def test_touched_files_and_other_names_change_nothing(study):
    for path in study.folder.rglob("*"):
        os.utime(path, (1, 1))
    text = (
        study.manifest.read_text().replace("two photographs", "another name").replace("photos/harbour", "./photos/bay")
    )
    study.manifest.write_text(text)
    (study.folder / "photos/harbour.png").rename(study.folder / "photos/bay.png")
    assert {kind for _, kind, _ in kinds(study.manifest)} == {"done"}


def test_a_changed_byte_of_one_input_renders_exactly_its_cells_again(study):
    before = runs.receipts(study.out)
    picture = study.folder / "photos/tower.png"
    data = picture.read_bytes()
    picture.write_bytes(data + b"\0")  # behind the picture's end: the same pixels, other bytes
    found = kinds(study.manifest)
    assert [(name, kind) for name, kind, _ in found] == [("photos/harbour.png", "done")] * 2 + [
        ("photos/tower.png", "changed")
    ] * 2
    assert all("content photos/tower.png has other bytes" in detail for _, kind, detail in found if kind != "done")
    summary = runs.render(study.manifest)
    assert (summary.rendered, summary.skipped, summary.exit_code) == (2, 2, 0)
    new = {name: receipt for name, receipt in runs.receipts(study.out).items() if name not in before}
    assert {receipt["cell"]["content"]["sha256"] for receipt in new.values()} == {runs.digest(data + b"\0")}


def test_a_changed_setting_renders_its_cells_again_and_is_named(study):
    found = kinds(study.manifest, sets=["jobs.0.grid.style_weight=[10, 900]"])
    assert [kind for _, kind, _ in found] == ["done", "changed"] * 2
    assert all(
        "style_weight 1000 → 900" in detail or "style_weight 1e3 → 900" in detail for _, _, detail in found[1::2]
    )


@pytest.mark.parametrize("harm", ["deleted", "truncated", "altered", "emptied"])
def test_a_picture_that_is_gone_or_altered_is_rendered_again_to_the_same_bytes(study, harm):
    before = runs.files(study.out, "renders")
    victim = sorted(before)[1]
    data = before[victim]
    changed = {"truncated": data[:-7], "altered": data[:-30] + bytes(30), "emptied": b""}
    if harm == "deleted":
        (study.out / victim).unlink()
    else:
        (study.out / victim).write_bytes(changed[harm])
    kind = "picture missing" if harm == "deleted" else "picture altered"
    assert sorted(reason for _, reason, _ in kinds(study.manifest)) == ["done"] * 3 + [kind]
    summary = runs.render(study.manifest)
    assert (summary.rendered, summary.skipped) == (1, 3)
    assert runs.files(study.out, "renders") == before


def test_a_receipt_that_is_gone_or_damaged_is_written_again(study):
    first, second = sorted(study.out.glob("receipts/*/*.json"))[:2]
    first.unlink()
    second.write_text(second.read_text()[:-40])
    before = runs.files(study.out, "renders")
    assert runs.render(study.manifest).rendered == 2
    assert runs.files(study.out, "renders") == before
    assert len(runs.receipts(study.out)) == 4


def test_a_run_that_rendered_nothing_writes_its_file_and_no_other(study):
    before = runs.files(study.out)
    summary = runs.render(study.manifest)
    assert (summary.rendered, summary.exit_code) == (0, 0)
    new = {name: data for name, data in runs.files(study.out).items() if before.get(name) != data}
    assert list(new) == [f"runs/{summary.run}.json"]


def failing_carry(kinds_by_number):
    """Carries chunks by telling outcomes only: failures for some cells, the rest as rendered."""

    def carry(chunks, take, stop):
        for number, order in enumerate(order for chunk in chunks for order in chunk.orders):
            if stop.reason:
                return
            kind = kinds_by_number.get(number)
            take(Outcome(order.key, order.name, "failed" if kind else "rendered", kind or "", "said so"))

    return carry


@pytest.mark.parametrize(("allowed", "done"), [("0", 1), ("1", 2), ("25%", 2), ("2", 4), ("100%", 4)])
def test_too_many_failures_end_a_run_early_with_1(tmp_path, allowed, done):
    manifest = runs.study(tmp_path)
    prepared = runs.prepared(manifest, sets=[f"run.max_failures={allowed}"])
    summary = batch.carry_out(prepared, failing_carry({0: "device", 1: "device"}), 1, lambda _: None)
    assert summary.rendered + len(summary.failures) == done
    assert (summary.remaining, summary.exit_code) == (4 - done, 1)
    assert summary.stopped == ("max_failures" if done < 4 else "")
    assert json.loads((tmp_path / "out/runs" / f"{summary.run}.json").read_text())["failed"] == len(summary.failures)


def test_what_another_run_has_rendered_meanwhile_counts_as_there_before(tmp_path):
    def carry(work, take, stop):  # noqa: ARG001 - the signature of a carry
        for order in (order for chunk in work for order in chunk.orders):
            take(Outcome(order.key, order.name, "done"))

    summary = batch.carry_out(runs.prepared(runs.study(tmp_path)), carry, 1, lambda _: None)
    assert (summary.rendered, summary.skipped, summary.remaining, summary.exit_code) == (0, 4, 0, 0)


def test_the_later_of_two_runs_begins_with_the_last_cell(tmp_path):
    earlier, later = (runs.prepared(runs.study(tmp_path)) for _ in range(2))
    earlier.summary.run, later.summary.run = "20260101T000000Z-aaaa", "20260101T000001Z-aaaa"
    keys = {}
    with live.kept(earlier.store, earlier.summary), live.kept(later.store, later.summary):
        for run in (earlier, later):
            work = batch.make_chunks(run, 1)
            assert work.shared()
            keys[run.summary.run] = [order.key for chunk in work for order in chunk.orders]
    first, second = keys.values()
    assert second == first[::-1]
    assert not batch.make_chunks(earlier, 1).shared(), "both have ended"


def test_storage_that_fails_ends_a_run_and_keeps_what_is_published(study):
    for name in list(runs.files(study.out, "renders"))[:2]:
        (study.out / name).unlink()
    before = runs.files(study.out)

    def carry(*_):
        raise StorageError("the disk is full")

    with pytest.raises(StorageError):
        batch.carry_out(runs.prepared(study.manifest), carry, 1, lambda _: None)
    after = runs.files(study.out)
    (told,) = after.keys() - before.keys()  # the run's own file
    assert {name: data for name, data in after.items() if name != told} == before
    said = json.loads(after[told])
    assert (said["state"], said["stopped"]) == ("ended", "storage")


def test_what_ails_sheets_does_not_end_a_run(study):
    victim = next(study.out.glob("receipts/*/*.json"))
    receipt = json.loads(victim.read_text())
    key = "f" * 64
    receipt |= {"key": key, "picture": {**receipt["picture"], "width": {"no": "number"}}}
    receipt["cell"]["settings"] = {"size": [1, {"deep": object.__name__}]}
    strange = study.out / "receipts" / key[:2] / f"{key}.json"
    strange.parent.mkdir(exist_ok=True)
    strange.write_text(json.dumps(receipt))
    summary = runs.render(study.manifest)
    assert (summary.skipped, summary.exit_code) == (4, 0)


def test_folders_of_this_machine_stay_out_of_the_run_file(study, monkeypatch):
    monkeypatch.setenv("HOME", str(study.folder.parent))
    weights = study.folder / "own.safetensors"
    weights.write_bytes(
        (Path(batch.__file__).parents[1] / "stylecore/weights/vgg19_normalised_conv5_1_fp16.safetensors").read_bytes()
    )
    (study.folder / "photos/tower.png").unlink()
    sets = [
        f"inputs.root={study.folder}",
        f"output.to={study.folder / 'private'}",
        f"defaults.encoder={{arch: vgg19, weights: 'file:{weights}', input: caffe}}",
    ]
    summary = runs.render(study.manifest, sets=sets)
    assert (summary.rendered, len(summary.failures)) == (2, 2)
    assert summary.manifest["defaults"]["encoder"]["weights"] == "own.safetensors"
    for name, data in runs.files(study.folder / "private").items():
        assert str(study.folder.parent).encode() not in data, name


@pytest.mark.parametrize(
    ("output", "root", "seen"),
    [
        ("/data/study/out", "/data/study", ".."),
        ("/data/study/out", "/data/photos", "../../photos"),
        ("study/out", "study", ".."),
        ("/home/ann/out", "/home/bob/photos", ""),
        ("/mnt/disk", "/home/bob", ""),
        ("s3://bucket/out", "s3://bucket/in", "s3://bucket/in"),
        ("/data/out", "s3://bucket/in", "s3://bucket/in"),
        ("s3://bucket/out", "/home/bob", ""),
    ],
)
def test_the_root_is_recorded_as_seen_from_the_output_or_not_at_all(output, root, seen):
    assert root_seen_from(output, root) == seen


def test_where_an_output_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = runs.study(tmp_path / "study")
    loaded = batch.read_manifest(str(manifest))
    assert batch.target(loaded, None) == str(tmp_path / "study/out")
    assert batch.target(loaded, "there") == str(tmp_path / "there")
    assert batch.target(loaded, "s3://bucket/x") == "s3://bucket/x"
    unnamed = batch.read_manifest(str(manifest), ["output.to=''"])
    assert batch.target(unnamed, None) == str(tmp_path / "study/out/two-photographs")


def test_a_limit_below_one_is_refused(tmp_path):
    with pytest.raises(StylepressError, match="limit"):
        runs.prepared(runs.study(tmp_path), limit=0)


def test_a_worker_with_another_current_folder_finds_everything(tmp_path, monkeypatch):
    runs.study(tmp_path / "study")
    monkeypatch.chdir(tmp_path)
    prepared = runs.prepared("study/manifest.yaml", limit=1)
    (chunk,) = batch.make_chunks(prepared, 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = (
        "import json, sys; from flows.worker import Chunk, render_chunk\n"
        "print([o.status + o.message for o in render_chunk(Chunk.from_dict(json.load(sys.stdin)))])"
    )
    environment = runs.surroundings(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(chunk.to_dict()),
        cwd=elsewhere,
        env=environment,
        text=True,
        capture_output=True,
    )
    assert done.stdout == "['rendered']\n", done.stderr
    assert list(elsewhere.iterdir()) == []
    assert len(runs.receipts(tmp_path / "study/out")) == 1


@pytest.fixture
def uploaded(s3, first):
    """The study's pictures and manifest in a bucket."""
    for name in (*runs.CONTENTS, *runs.STYLES):
        s3.client().put_object(Bucket=s3.bucket, Key=f"studies/two/{name}", Body=(first.folder / name).read_bytes())
    manifest = yaml.safe_load(first.manifest.read_text())
    manifest["inputs"]["root"] = f"s3://{s3.bucket}/studies/two"
    manifest["output"]["to"] = f"s3://{s3.bucket}/results"
    s3.client().put_object(Bucket=s3.bucket, Key="manifests/m.yaml", Body=yaml.safe_dump(manifest).encode())
    return f"s3://{s3.bucket}/manifests/m.yaml"


def objects(s3, prefix):
    listed = s3.client().list_objects_v2(Bucket=s3.bucket, Prefix=prefix).get("Contents", [])
    return sorted(item["Key"].removeprefix("results/") for item in listed)


def test_a_study_in_a_bucket_is_rendered_into_a_bucket(s3, uploaded, first):
    summary = runs.render(uploaded)
    assert (summary.rendered, summary.exit_code) == (4, 0)
    there = objects(s3, "results/")
    own = ("runs/", "gallery/data/")  # names there hold the time of a run, or of what it tells
    here = sorted(name for name in runs.files(first.out) if not name.startswith(own))
    assert [name for name in there if not name.startswith(own)] == here, "names, and with them keys, are the same"
    types = {".png": "image/png", ".json": "application/json", ".jpg": "image/jpeg", ".css": "text/css; charset=utf-8"}
    types |= {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
    types |= {".webp": "image/webp", ".txt": "text/plain; charset=utf-8"}
    for name in there:
        head = s3.client().head_object(Bucket=s3.bucket, Key=f"results/{name}")
        assert head["ContentType"] == types[Path(name).suffix]
    for name, receipt in runs.receipts(first.out).items():
        data = s3.client().get_object(Bucket=s3.bucket, Key=f"results/{name}")["Body"].read()
        assert runs.digest(data) == receipt["picture"]["sha256"], "the same bytes as in a folder"

    again = runs.render(uploaded)
    assert (again.rendered, again.skipped) == (0, 4)
    assert objects(s3, "results/renders/") + objects(s3, "results/receipts/") == [
        name for part in ("renders/", "receipts/") for name in there if name.startswith(part)
    ]

    victims = objects(s3, "results/renders/")[:2]
    s3.client().delete_object(Bucket=s3.bucket, Key=f"results/{victims[0]}")
    s3.client().put_object(Bucket=s3.bucket, Key=f"results/{victims[1]}", Body=b"something else")
    found = {item.name: item.kind for item in runs.prepared(uploaded).plan.items if item.kind != "done"}
    assert found == {victims[0]: "picture missing", victims[1]: "picture altered"}
    assert runs.render(uploaded).rendered == 2
    for victim in victims:
        data = s3.client().get_object(Bucket=s3.bucket, Key=f"results/{victim}")["Body"].read()
        assert runs.digest(data) == runs.receipts(first.out)[victim]["picture"]["sha256"]

    for key in objects(s3, "results/receipts/") + objects(s3, "results/runs/"):
        text = s3.client().get_object(Bucket=s3.bucket, Key=f"results/{key}")["Body"].read().decode()
        assert s3.secret_key not in text
        assert s3.endpoint not in text


def test_weights_that_cannot_be_had_end_a_run_before_anything_is_rendered(tmp_path, monkeypatch):
    for name, value in {
        "XDG_CACHE_HOME": tmp_path,
        "TORCH_HOME": tmp_path,
        "https_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("STYLEPRESS_WEIGHTS", raising=False)
    with pytest.raises(WeightsError, match="STYLEPRESS_WEIGHTS"):
        runs.prepared(runs.study(tmp_path / "study"), sets=["defaults.encoder=vgg16-torchvision"])
