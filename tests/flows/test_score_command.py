"""`stylepress score`: the same scores as the render's, from the published files, and nothing else touched."""

import json
import shutil

import numpy as np
import pytest
import runs
from PIL import Image

from flows import cli, scores
from flows.output import open_output
from flows.publish import rounded
from flows.store import StorageError, open_store
from stylecore.score_names import SCORES


@pytest.fixture
def score(capsys):
    """Runs `stylepress score`; returns its exit code, stdout and stderr."""

    def run(*arguments):
        capsys.readouterr()
        code = cli.run(["score", *map(str, arguments), "--device", "cpu"])
        return code, *capsys.readouterr()

    return run


def change(out, edit):
    """Let a function change every receipt of an output."""
    for path in out.glob("receipts/*/*.json"):
        receipt = json.loads(path.read_text())
        edit(receipt)
        path.write_text(json.dumps(receipt))


def test_a_render_leaves_scores_in_its_receipt(first):
    for name, receipt in runs.receipts(first.out).items():
        assert list(receipt["scores"]) == list(SCORES)
        assert all(value == float(f"{value:.6g}") for value in receipt["scores"].values())
        with Image.open(first.out / name) as image:
            pixels = np.asarray(image.convert("RGB"))
        clipped = ((pixels == 0) | (pixels == 255)).any(axis=2).mean()
        assert receipt["scores"]["health_clipped"] == pytest.approx(clipped, rel=1e-5)


def test_six_digits_and_numbers_only():
    assert rounded({"a": 1 / 3, "b": 123456789.0, "c": float("nan"), "d": float("inf"), "e": 0}) == {
        "a": 0.333333,
        "b": 123457000,
        "e": 0,
    }


def test_measured_again_they_are_the_same_and_no_file_is_touched(study, score):
    before = runs.files(study.out)
    code, out, errors = score(study.out)
    assert (code, errors) == (0, "")
    assert runs.files(study.out) == before
    head, *rows = out.splitlines()
    assert [name.split("_", 1)[1] for name in SCORES] == head.split()[:-1]
    assert [row.split()[-1] for row in rows] == sorted(runs.receipts(study.out))
    receipt = runs.receipts(study.out)[rows[0].split()[-1]]
    assert [float(word) for word in rows[0].split()[:-1]] == pytest.approx(list(receipt["scores"].values()), rel=1e-3)


@pytest.mark.parametrize("edit", [lambda r: r.pop("scores"), lambda r: r.update(scores={"content_ssim": 5, "old": 1})])
def test_scores_that_are_missing_or_old_are_written_and_all_else_stays(study, score, edit):
    before, names = runs.receipts(study.out), set(runs.files(study.out))
    change(study.out, edit)
    assert score(study.out)[0] == 0
    assert runs.receipts(study.out) == before
    assert set(runs.files(study.out)) == names


def test_the_document_for_scripts(study, score):
    next((study.out / "renders").iterdir()).unlink()
    code, out, _ = score(study.out, "--json")
    assert code == 1
    document = json.loads(out)
    assert (document["scored"], document["failed"], len(document["pictures"])) == (3, 1, 4)
    by_name = {name: receipt["scores"] for name, receipt in runs.receipts(study.out).items()}
    assert {picture["name"]: picture["scores"] for picture in document["pictures"]} == by_name
    assert set(document["pictures"][0]) == {"key", "name", "scores"}
    (failure,) = document["failures"]
    assert set(failure) == {"cell", "key", "kind", "message"}


def test_inputs_that_are_not_to_be_found_cost_their_own_cells(study, score, monkeypatch):
    monkeypatch.chdir(study.out)
    (study.folder / "photos/tower.png").unlink()
    change(study.out, lambda receipt: receipt["scores"].update(content_ssim=0.5))
    code, out, errors = score(study.out)
    assert code == 1
    lines = errors.splitlines()
    assert len(lines) == 2
    assert all("the content picture 'photos/tower.png' is not to be found" in line for line in lines)
    assert len(out.splitlines()) == 1 + 2
    for receipt in runs.receipts(study.out).values():
        assert (receipt["scores"]["content_ssim"] == 0.5) == (receipt["cell"]["content"]["name"] == "photos/tower.png")


def test_an_input_that_was_changed_is_not_taken_for_the_one_it_was(study, score, monkeypatch):
    monkeypatch.chdir(study.out)
    runs.draw(study.folder / "styles/blocks.png", seed=77)
    assert score(study.out)[0] == 1


def test_inputs_are_found_by_their_bytes_below_the_current_folder(study, score, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(study.out, elsewhere / "out")
    for number, name in enumerate((*runs.CONTENTS, *runs.STYLES)):
        (elsewhere / "desk" / str(number)).mkdir(parents=True)
        (study.folder / name).rename(elsewhere / "desk" / str(number) / "renamed.png")
    monkeypatch.chdir(elsewhere)
    code, _, errors = score(elsewhere / "out")
    assert (code, errors) == (0, "")


def test_a_picture_that_was_altered_is_not_scored(study, score):
    victim = min((study.out / "renders").iterdir())
    with Image.open(victim) as image:
        Image.eval(image, lambda level: 255 - level).save(victim)
    before = runs.receipts(study.out)
    code, _, errors = score(study.out)
    assert code == 1
    assert "not as it was published" in errors
    assert runs.receipts(study.out) == before


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: r["cell"].update(content={"name": "../../etc/passwd", "sha256": "0" * 64}),
        lambda r: r["cell"].update(content=None),
        lambda r: r["cell"]["settings"].update(size=10**6),
        lambda r: r["cell"].pop("weights"),
        lambda r: r["cell"]["weights"].update(digest="0"),
        lambda r: r["picture"].update(path="../manifest.yaml"),
        lambda r: r.update(scores=[1, 2]),
        lambda r: r.update(extra=float("nan")),
    ],
)
def test_no_receipt_of_another_hand_stops_the_others(study, score, edit):
    path = min(study.out.glob("receipts/*/*.json"))
    receipt = json.loads(path.read_text())
    edit(receipt)
    path.write_text(json.dumps(receipt))
    code, out, _ = score(study.out, "--json")
    document = json.loads(out)
    assert document["scored"] >= 3
    assert code == (1 if document["failed"] else 0)


def test_in_a_bucket_with_its_inputs_in_a_bucket(study, s3, score, tmp_path, monkeypatch):
    for name in (*runs.CONTENTS, *runs.STYLES):
        s3.client().put_object(Bucket=s3.bucket, Key=f"in/{name}", Body=(study.folder / name).read_bytes())
    to = f"s3://{s3.bucket}/out"
    runs.render(study.manifest, to, [f"inputs.root=s3://{s3.bucket}/in", "defaults.steps=1"], limit=1)
    store = open_store(to)
    (name,) = (entry.name for entry in store.list("receipts/"))
    before = json.loads(store.read(name))
    store.write(name, json.dumps({**before, "scores": {}}).encode(), "application/json")
    monkeypatch.chdir(tmp_path / "study/out/runs")  # no inputs below
    code, _, errors = score(to)
    assert (code, errors) == (0, "")
    assert json.loads(store.read(name)) == before
    assert s3.client().head_object(Bucket=s3.bucket, Key=f"out/{name}")["ContentType"] == "application/json"


def test_what_has_no_content_has_no_scores_of_content(tmp_path, score):
    manifest = runs.study(tmp_path)
    sets = ["defaults.method=style-reconstruction", "jobs.0.grid={seed: [0]}", "sheets=[{rows: seed}]"]
    assert runs.render(manifest, sets=sets).rendered == 1
    (receipt,) = runs.receipts(tmp_path / "out").values()
    assert {score.split("_")[0] for score in receipt["scores"]} == {"style", "health"}
    code, out, _ = score(tmp_path / "out")
    assert code == 0
    assert out.splitlines()[1].split().count("–") == 3


def test_blends_and_masks_are_scored_too(tmp_path, score):
    manifest = runs.study(tmp_path)
    runs.draw(tmp_path / "styles/second.png", 5)
    Image.new("L", (48, 36), 255).save(tmp_path / "mask.png")
    sets = [
        "inputs.style=[{blend: [{path: styles/blocks.png, weight: 3}, {path: styles/second.png}], label: Mix}]",
        "inputs.content=[{path: photos/harbour.png, masks: [mask.png, mask.png]}]",
        "jobs.0.grid={style_weight: [10]}",
    ]
    assert runs.render(manifest, sets=sets).rendered == 1
    before = runs.files(tmp_path / "out")
    assert score(tmp_path / "out")[0] == 0
    assert runs.files(tmp_path / "out") == before


def test_storage_that_cannot_be_written_is_nobody_elses_fault(study):
    change(study.out, lambda receipt: receipt.pop("scores"))
    store, ledger = open_output(str(study.out), print)
    receipts = study.out / "receipts"
    receipts.rename(study.out / "moved")
    receipts.write_text("in the way")
    with pytest.raises(StorageError):
        list(scores.recompute(store, ledger, "cpu"))
