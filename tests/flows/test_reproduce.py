"""Pictures rendered again from what they carry, wherever they lie, and hostile pictures refused."""

import copy
import json
import shutil
from pathlib import Path

import pytest
import runs

from flows import cli, reproduce
from stylecore import images
from stylecore.errors import StylepressError, WeightsError


@pytest.fixture
def one_thread():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def nowhere(tmp_path):
    """A folder in which nothing is to be found."""
    folder = tmp_path / "nowhere"
    folder.mkdir()
    return folder


def some_picture(out):
    return sorted((out / "renders").iterdir())[0]


def render_again(picture):
    return reproduce.render_again(reproduce.recipe_of(picture), picture, "cpu")


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
@pytest.mark.parametrize("embed", ["full", "key", "none"])
def test_a_picture_is_rendered_again_to_the_same_bytes(tmp_path, format, embed):  # noqa: A002 - the manifest's word
    manifest = runs.study(tmp_path)
    runs.render(manifest, sets=[f"output.format={format}", f"output.embed={embed}"], limit=1)
    picture = some_picture(tmp_path / "out")
    assert render_again(picture) == picture.read_bytes()


def test_the_command_compares_pixels(study, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    picture = some_picture(study.out)
    assert cli.run(["reproduce", str(picture), "--check"]) == 0
    assert "the same pixels" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [study.folder], "a check writes nothing"
    altered = images.read(picture).pixels.copy()
    altered[0, 0] = 1 - altered[0, 0]
    picture.write_bytes(images.encode(altered, None, "png", images.carried(picture)))
    assert cli.run(["reproduce", str(picture), "--check"]) == 1
    assert "differ" in capsys.readouterr().out


def test_the_command_writes_the_new_picture_where_it_is_told(study, tmp_path):
    picture = some_picture(study.out)
    assert cli.run(["reproduce", str(picture), "--to", str(tmp_path / "again")]) == 0
    (made,) = (tmp_path / "again").iterdir()
    assert made.read_bytes() == picture.read_bytes()


@pytest.mark.parametrize("address", ["s3://studio/out/renders/x.png", "https://studio.example/x.png"])
def test_a_picture_on_another_machine_is_to_be_downloaded_first(address, nowhere, monkeypatch, capsys):
    monkeypatch.chdir(nowhere)
    assert cli.run(["reproduce", address]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{address} ")
    assert "download" in said
    assert said.count("\n") == 1


def test_a_picture_far_from_its_run_finds_its_inputs_below_the_current_folder_by_their_bytes(
    study, tmp_path, monkeypatch
):
    here, pictures = tmp_path / "here", tmp_path / "here/deep/down"
    pictures.mkdir(parents=True)
    for number, path in enumerate(sorted(study.folder.rglob("photos/*")) + sorted(study.folder.rglob("styles/*"))):
        shutil.copy(path, pictures / f"renamed-{number}.png")
    picture = here / "received.png"
    shutil.copy(some_picture(study.out), picture)
    shutil.rmtree(study.folder)
    monkeypatch.chdir(here)
    expected = picture.read_bytes()
    assert render_again(picture) == expected


def test_inputs_that_were_renamed_are_found_in_the_run_by_their_bytes(study, nowhere, monkeypatch):
    monkeypatch.chdir(nowhere)
    (study.folder / "photos").rename(study.folder / "pictures")
    picture = some_picture(study.out)
    assert render_again(picture) == picture.read_bytes()


def test_inputs_of_an_earlier_run_are_found_too(study, tmp_path, nowhere, monkeypatch):
    """An output may be filled by several manifests whose pictures lie in several places."""
    other = runs.study(tmp_path / "other", runs.MANIFEST.replace("steps: 2", "steps: 1"))
    runs.render(other, to=study.out, limit=1)
    monkeypatch.chdir(nowhere)
    for name in (*runs.CONTENTS, *runs.STYLES):
        (tmp_path / "other" / name).write_bytes(b"something else")
    old = next(name for name, receipt in runs.receipts(study.out).items() if receipt["cell"]["settings"]["steps"] == 2)
    assert render_again(study.out / old) == (study.out / old).read_bytes()


def test_pictures_that_ship_need_no_folder(tmp_path, nowhere, monkeypatch):
    text = runs.MANIFEST.replace("photos/harbour.png", "'sample:cat'").replace("styles/*.png", "'sample:waves'")
    runs.render(runs.study(tmp_path / "study", text), limit=1)
    monkeypatch.chdir(nowhere)
    picture = Path(shutil.move(some_picture(tmp_path / "study/out"), tmp_path / "moved.png"))
    shutil.rmtree(tmp_path / "study")
    assert render_again(picture) == picture.read_bytes()


def test_a_missing_input_is_named_with_its_digest(study, tmp_path, monkeypatch, capsys):
    picture = Path(shutil.copy(some_picture(study.out), tmp_path / "alone.png"))
    receipt = runs.receipts(study.out)[f"renders/{some_picture(study.out).name}"]
    shutil.rmtree(study.folder)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["reproduce", str(picture), "--check"]) == 2
    errors = capsys.readouterr().err
    content = receipt["cell"]["content"]
    assert content["name"] in errors
    assert content["sha256"] in errors


def test_a_picture_that_carries_nothing_and_has_no_receipt_is_refused(tmp_path):
    runs.draw(tmp_path / "mine.png", 1)
    with pytest.raises(StylepressError, match="does not carry how it was made"):
        reproduce.recipe_of(tmp_path / "mine.png")


def test_own_weights_are_found_by_their_digest(tmp_path, nowhere, monkeypatch):
    shipped = Path(reproduce.weights.__file__).with_name("vgg19_normalised_conv5_1_fp16.safetensors")
    manifest = runs.study(tmp_path / "study")
    shutil.copy(shipped, tmp_path / "study/mine.safetensors")
    encoder = "{arch: vgg19, weights: mine.safetensors, input: caffe}"
    runs.render(manifest, sets=[f"defaults.encoder={encoder}"], limit=1)
    picture = some_picture(tmp_path / "study/out")
    monkeypatch.chdir(nowhere)
    assert render_again(picture) == picture.read_bytes()
    (tmp_path / "study/mine.safetensors").rename(tmp_path / "study/.hidden")
    with pytest.raises(WeightsError, match=runs.digest(shipped.read_bytes())):
        render_again(picture)


def edited(cell, path, value):
    changed = copy.deepcopy(cell)
    *parents, last = path
    part = changed
    for step in parents:
        part = part[step]
    part[last] = value
    return changed


HOSTILE = {
    "no number": (("settings", "steps"), "many"),
    "a huge picture": (("settings", "size"), 10**9),
    "not a number": (("settings", "style_weight"), float("nan")),
    "an unknown setting": (("settings", "__class__"), "x"),
    "settings of another kind": (("settings",), [1, 2]),
    "an unknown method": (("settings", "method"), "os.system"),
    "another version of the method": (("method", "version"), 10**6),
    "a digest that is none": (("content", "sha256"), "../../etc/passwd"),
    "a digest of another kind": (("content", "sha256"), 5),
    "no content": (("content",), None),
    "a content of another kind": (("style",), ["x"]),
    "a file to start from": (("settings", "init"), "/etc/passwd"),
    "an unknown format": (("format",), "exe"),
    "a format of another kind": (("format",), {}),
    "a layer that is not there": (("settings", "content_layers"), {"relu9_9": 1}),
    "other weights": (("weights", "digest"), "0" * 64),
    "weights from anywhere": (("settings", "encoder"), {"arch": "vgg19", "weights": "/etc/passwd", "input": "caffe"}),
    "a name too long": (("settings", "encoder"), {"arch": "vgg19", "weights": "w" * 9000, "input": "caffe"}),
}


MASK = {"name": "m", "sha256": "0" * 64}
HOSTILE |= {
    "masks of another kind": (("content", "masks"), "x"),
    "a mask without a digest": (("content", "masks"), [{"name": "m"}]),
    "more masks than styles": (("content", "masks"), [MASK, MASK]),
    "a mask that is not to be found": (("content", "content_mask"), MASK),
    "a mask of another kind": (("content", "content_mask"), "/etc/passwd"),
    "parts of another kind": (("style", "parts"), {"a": 1}),
    "a part without a weight": (("style", "parts"), [MASK]),
    "a part of another kind": (("style", "parts"), ["x"]),
    "a negative weight": (("style", "parts"), [{**MASK, "weight": -1}]),
    "no number for a weight": (("style", "parts"), [{**MASK, "weight": float("nan")}]),
    "a text for a weight": (("style", "parts"), [{**MASK, "weight": "1"}]),
    "weights that sum to zero": (("style", "parts"), [{**MASK, "weight": 0}, {**MASK, "weight": 0.0}]),
    "a part with a mask of another kind": (("style", "parts"), [{**MASK, "weight": 1, "mask": 5}]),
    "a part that is not to be found": (("style", "parts"), [{**MASK, "weight": 1}]),
    "more parts than anybody mixes": (("style", "parts"), [{**MASK, "weight": 1}] * 5000),
    "a start that is none": (("settings", "init"), {"/etc/passwd": 1}),
    "a size beyond all": (("settings", "size"), "99999x99999"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_picture_is_refused_with_a_message(study, case, monkeypatch, capsys):
    monkeypatch.chdir(study.folder)
    picture = some_picture(study.out)
    document = json.loads(images.carried(picture))
    document["cell"] = edited(document["cell"], *HOSTILE[case])
    picture.write_bytes(images.encode(images.read(picture).pixels, None, "png", json.dumps(document)))
    assert cli.run(["reproduce", str(picture), "--check"]) in (2, 3)
    errors = capsys.readouterr().err
    assert picture.name in errors or "weights" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "{{{", "[]", '"text"', '{"key": ' + "9" * 6000 + "}", '{"cell": "x"}', "{}"]
)
def test_text_that_is_no_document_is_refused_with_a_message(tmp_path, text):
    runs.draw(tmp_path / "p.png", 1)
    pixels = images.read(tmp_path / "p.png").pixels
    (tmp_path / "p.png").write_bytes(images.encode(pixels, None, "png", text))
    with pytest.raises(StylepressError, match=r"p\.png"):
        reproduce.recipe_of(tmp_path / "p.png")


@pytest.mark.parametrize(
    "name", ["a" * 5000, "nul\0byte", "../../../../etc/passwd", "/dev/zero", "sample:../x", "", "."]
)
def test_names_that_lead_nowhere_do_no_harm_where_the_bytes_are_at_hand(study, name, monkeypatch):
    monkeypatch.chdir(study.folder)
    picture = some_picture(study.out)
    document = json.loads(images.carried(picture))
    document["cell"]["content"]["name"] = name
    pixels = images.read(picture).pixels
    picture.write_bytes(images.encode(pixels, None, "png", json.dumps(document)))
    assert reproduce.compare(picture, render_again(picture)).same


def test_pictures_of_another_size_or_transparency_are_not_the_same(tmp_path):
    for name, size in (("one", (16, 16)), ("two", (16, 20))):
        runs.draw(tmp_path / name, 1, size)
    assert not reproduce.compare(tmp_path / "one", tmp_path / "two").same
    assert reproduce.compare(tmp_path / "one", tmp_path / "one").same
    one = images.read(tmp_path / "one").pixels
    transparent = images.encode(one, one[..., 0] * 0 + 0.5, "png", None)
    assert not reproduce.compare(tmp_path / "one", transparent).same
