"""Keys: everything that decides a pixel changes them, and nothing else does."""

import dataclasses
import hashlib
import json
import os
import shutil

import pytest
from safetensors.numpy import save_file
from studies import ONE, cells_of, paint, png, read

from flows.keys import SCHEMA, Encoders, canonical, described, facts, key_of
from stylecore import settings
from stylecore.architectures import ARCHITECTURES
from stylecore.errors import WeightsError
from stylecore.methods import METHODS


@pytest.fixture
def folder(tmp_path):
    return paint(tmp_path / "study")


def keys(folder, text=ONE, sets=None):
    loaded = read(folder, text, sets)
    encoders = Encoders(loaded.url)
    output = loaded.manifest.output.format
    return [
        key_of(described(cell, encoders.source(cell.settings.encoder), output)) for cell in cells_of(loaded)
    ]  # fmt: skip


def key(folder, text=ONE, sets=None):
    (one,) = keys(folder, text, sets)
    return one


def test_a_key_is_the_digest_of_what_the_contract_names(folder):
    (cell,) = cells_of(read(folder, ONE))
    source = Encoders("m.yaml").source("vgg19")
    plain = settings.Settings().to_dict()
    deciding = {name: plain[name] for name in plain if name not in ("preset", "method", "encoder")}
    expected = {
        "schema": SCHEMA,
        **deciding,
        "content": hashlib.sha256(png("red")).hexdigest(),
        "style": hashlib.sha256(png("blue")).hexdigest(),
        "init picture": None,
        "method": ["gatys", METHODS["gatys"].version],
        "encoder": {"architecture": "vgg19", "input": "caffe", "digest": source.digest},
        "format": "png",
    }
    text = json.dumps(expected, sort_keys=True, separators=(",", ":"))
    assert key_of(described(cell, source, "png")) == hashlib.sha256(text.encode()).hexdigest()


def test_canonical_json_has_one_form():
    assert canonical({"b": 1, "a": [1.5, "ü", None]}) == b'{"a":[1.5,"\\u00fc",null],"b":1}'
    with pytest.raises(ValueError):
        canonical({"a": float("nan")})


# what changes no key


def test_labels_paths_and_names_change_nothing(folder, tmp_path):
    before = key(folder)
    (folder / "elsewhere").mkdir()
    shutil.copy(folder / "photos/a.png", folder / "elsewhere/other name.jpeg")
    text = "version: 1\ninputs: {content: 'elsewhere/other name.jpeg', style: {path: styles/x.png, label: Waves}}\n"
    assert key(folder, text) == before
    assert key(folder, ONE + "name: another\njobs: [{name: x, grid: {seed: [{value: 0, label: first}]}}]") == before
    assert key(paint(tmp_path / "copy")) == before
    rooted = f"version: 1\ninputs: {{root: {folder}/photos, content: a.png, style: s.png}}\n"
    shutil.copy(folder / "styles/x.png", folder / "photos/s.png")
    assert key(tmp_path, rooted) == before


def test_times_of_change_and_how_the_work_is_done_change_nothing(folder):
    before = key(folder)
    os.utime(folder / "photos/a.png", (1, 1))
    assert key(folder) == before
    done = "run: {retries: 0, chunk: 1s, devices: cpu, max_failures: 1, max_cells: 5}\nsheets: [{rows: seed}]\n"
    assert key(folder, ONE + done + "output: {to: elsewhere, embed: none}") == before


def test_the_way_it_is_written_changes_nothing(folder):
    before = key(folder, ONE + "defaults: {style_weight: 1000, seed: 1, style_layers: [relu1_1, relu2_1]}")
    for same in (
        "defaults: {seed: '1', style_layers: {relu2_1: 1.0, relu1_1: 1}, style_weight: 1e3}",
        "jobs: [{zip: {seed: [1], style_weight: [1.0e3]}, grid: {style_layers: [[relu2_1, relu1_1]]}}]",
        "defaults: {seed: 1, style_layers: [relu1_1, relu2_1]}\n"
        "jobs: [{override: [{when: {seed: 1}, set: {style_weight: 1e3}}]}]",
    ):
        assert key(folder, ONE + same) == before
    flipped = "inputs: {style: styles/x.png, content: photos/a.png}\nversion: 1\n"
    assert key(folder, flipped) == key(folder)


def test_a_preset_is_the_settings_it_stands_for(folder):
    from stylecore.presets import PRESETS

    written = json.dumps(PRESETS["neural-style"])
    assert key(folder, ONE + "defaults: {preset: neural-style}") == key(folder, ONE + f"defaults: {written}")


def test_a_bucket_gives_the_key_of_the_folder(folder, s3):
    for name in ("photos/a.png", "styles/x.png"):
        s3.client().put_object(Bucket=s3.bucket, Key=f"p/{name}", Body=(folder / name).read_bytes())
    there = ONE.replace("{content", f"{{root: 's3://{s3.bucket}/p', content")
    assert key(folder, there) == key(folder)


# what changes a key


def test_one_byte_of_a_picture_changes_the_keys_that_use_it(folder):
    text = "version: 1\ninputs: {content: [photos/a.png, photos/b.png], style: styles/x.png}\n"
    a, b = keys(folder, text)
    with (folder / "photos/a.png").open("ab") as file:
        file.write(b"\0")
    changed = keys(folder, text)
    assert changed[0] != a
    assert changed[1] == b
    with (folder / "styles/x.png").open("ab") as file:
        file.write(b"\0")
    assert not set(keys(folder, text)) & {a, b, *changed}


def test_content_and_style_are_told_apart(folder):
    assert key(folder) != key(folder, "version: 1\ninputs: {content: styles/x.png, style: photos/a.png}\n")


OTHER = {
    "spectral_exponent": 1.0,
    "pooling": "average",
    "padding": "zero",
    "init": "noise",
    "content_layers": "relu3_1",
    "style_layers": {"relu1_1": 0.5},
    "style_statistic": "centered_gram",
    "content_normalization": "sum",
    "style_normalization": "mean",
    "tv_norm": "absolute",
    "optimizer": "adam",
    "learning_rate": 0.5,
    "scales": 1,
    "color": "content",
    "precision": "fp32",
    "encoder": "vgg19-torchvision",
    "noise_distribution": "uniform",
    "size": "640x480",
    "steps": [300, 200],
    "time_limit": 60,
    "balance": "terms",
    "adam_betas": [0.8, 0.9],
    "learning_rate_decay": 0.5,
    "line_search": "none",
    "bounds": "none",
    "snapshots": {"every": 50},
    "animation": "gif",
}
BESIDE = {"balance": {"optimizer": "sgd"}, "animation": {"snapshots": [1]}}
"""What a setting needs beside it."""


def test_every_deciding_setting_changes_the_key(folder):
    def key_with(values):
        return key(folder, ONE, [f"defaults={json.dumps(values)}"])

    seen = {key(folder)} | {key_with(beside) for beside in BESIDE.values()}
    before = len(seen)
    for field in dataclasses.fields(settings.Settings):
        if field.name == "method" or not field.metadata["decides_pixels"]:
            continue
        kind = field.metadata["kind"]
        value = OTHER.get(field.name)
        if value is None:
            raised = settings.Settings().to_dict()[field.name] * 2 + 1
            value = kind.parse(min(raised, getattr(kind, "maximum", raised)))
        assert settings.parse(field.name, value) != settings.Settings().to_dict()[field.name], field.name
        seen.add(key_with({field.name: value, **BESIDE.get(field.name, {})}))
    assert len(seen) == before + len(settings.Settings().deciding()) - 1, "two settings share a key"


def test_the_format_and_the_method_s_version_change_the_key(folder, monkeypatch):
    before = key(folder)
    assert key(folder, ONE + "output: {format: webp}") != before
    newer = dataclasses.replace(METHODS["gatys"], version=METHODS["gatys"].version + 1)
    monkeypatch.setitem(METHODS, "gatys", newer)
    assert key(folder) != before


def test_a_picture_to_start_from_counts_by_its_bytes(folder):
    shutil.copy(folder / "photos/b.png", folder / "photos/same.png")
    one, same, other = (
        key(folder, ONE, [f"defaults.init={p}"]) for p in ("photos/b.png", "photos/same.png", "styles/y.png")
    )
    assert one == same != other
    assert one != key(folder)


BLEND = "version: 1\ninputs:\n  content: %s\n  style: {blend: [%s, %s]}\n"


def blended(folder, content="photos/a.png", x="{path: styles/x.png, weight: 7}", y="{path: styles/y.png, weight: 3}"):
    return key(folder, BLEND % (content, x, y))


def test_a_blend_counts_by_the_bytes_and_shares_of_its_parts(folder):
    (folder / "mask.png").write_bytes(png("white"))
    (folder / "grey.png").write_bytes(png("grey"))
    shutil.copy(folder / "styles/x.png", folder / "x.png")
    shutil.copy(folder / "mask.png", folder / "photos/mask.png")
    one = blended(folder)
    assert one == blended(folder, x="{path: x.png, weight: 0.7, label: X}", y="{path: styles/y.png, weight: 0.3}")
    masked = blended(folder, x="{path: styles/x.png, weight: 7, mask: mask.png}")
    assert masked == blended(folder, x="{path: styles/x.png, weight: 7, mask: photos/mask.png}")
    others = {
        one,
        masked,
        key(folder),
        blended(folder, x="styles/x.png", y="styles/y.png"),
        blended(folder, x="{path: styles/y.png, weight: 3}", y="{path: styles/x.png, weight: 7}"),
        blended(folder, x="{path: styles/x.png, weight: 7, mask: grey.png}"),
        blended(folder, y="{path: styles/y.png, weight: 3, mask: mask.png}"),
        blended(folder, "{path: photos/a.png, content_mask: mask.png}"),
        blended(folder, "{path: photos/a.png, masks: [mask.png, grey.png]}"),
        blended(folder, "{path: photos/a.png, masks: [grey.png, mask.png]}"),
        blended(folder, "{path: photos/a.png, masks: [grey.png, mask.png], content_mask: mask.png}"),
    }
    assert len(others) == 11


def test_a_blend_of_one_is_that_picture(folder):
    text = "version: 1\ninputs: {content: photos/a.png, style: {blend: [{path: styles/x.png, weight: 0.2}]}}\n"
    assert key(folder, text) == key(folder)


def test_one_byte_of_a_mask_or_a_part_changes_the_key(folder):
    (folder / "mask.png").write_bytes(png("white"))
    content = "{path: photos/a.png, masks: [mask.png, mask.png]}"
    before = {blended(folder, content)}
    for name in ("mask.png", "styles/y.png"):
        with (folder / name).open("ab") as file:
            file.write(b"\0")
        before.add(blended(folder, content))
    assert len(before) == 3


def test_what_a_method_does_not_use_changes_nothing(folder):
    (folder / "mask.png").write_bytes(png("white"))
    method = "defaults: {method: content-reconstruction}"
    plain = key(folder, ONE + method)
    assert plain == key(folder, "version: 1\ninputs: {content: photos/a.png}\n" + method)
    masked = "version: 1\ninputs: {content: {path: photos/a.png, masks: [mask.png, mask.png]}, style: styles/y.png}\n"
    assert plain == key(folder, masked + method)
    assert plain != key(folder, masked.replace("masks: [mask.png, mask.png]", "content_mask: mask.png") + method)


def test_a_described_blend(folder):
    (folder / "mask.png").write_bytes(png("white"))
    text = BLEND % (
        "{path: photos/a.png, masks: [mask.png, mask.png], content_mask: mask.png}",
        "{path: styles/x.png, weight: 3}",
        "{path: styles/y.png, label: Why, mask: mask.png}",
    )
    (cell,) = cells_of(read(folder, text))
    told = described(cell, Encoders("m.yaml").source("vgg19"), "png")
    mask = {"name": "mask.png", "sha256": hashlib.sha256(png("white")).hexdigest()}
    a, x, y = (hashlib.sha256(png(colour)).hexdigest() for colour in ("red", "blue", "gold"))
    plain = {"name": "photos/a.png", "label": "a", "sha256": a}
    assert told["content"] == {**plain, "masks": [mask, mask], "content_mask": mask}
    digest = told["style"].pop("sha256")
    assert len(digest) == 64
    assert told["style"] == {
        "name": "styles/x.png + styles/y.png",
        "label": "x + Why",
        "parts": [
            {"name": "styles/x.png", "label": "x", "sha256": x, "weight": 0.75},
            {"name": "styles/y.png", "label": "Why", "sha256": y, "weight": 0.25, "mask": mask},
        ],
    }


def test_a_plain_cell_is_described_as_ever(folder):
    (cell,) = cells_of(read(folder, ONE))
    told = described(cell, Encoders("m.yaml").source("vgg19"), "png")
    assert [sorted(told[kind]) for kind in ("content", "style")] == [["label", "name", "sha256"]] * 2
    nothing = cells_of(read(folder, ONE + "defaults: {method: style-reconstruction}"))[0]
    assert described(nothing, Encoders("m.yaml").source("vgg19"), "png")["content"] is None


def weights_file(path, value):
    import numpy as np

    tensors = {}
    for convolution in ARCHITECTURES["vgg19"].convolutions()[:2]:
        weight, bias = convolution.keys
        shape = (convolution.channels_out, convolution.channels_in, 3, 3)
        tensors[weight] = np.full(shape, value, np.float16)
        tensors[bias] = np.zeros(convolution.channels_out, np.float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


def test_weights_count_by_their_digest_and_never_by_their_path(folder):
    weights_file(folder / "w/one.safetensors", 0.5)
    weights_file(folder / "w/two.safetensors", 0.25)
    shutil.copy(folder / "w/one.safetensors", folder / "copy.safetensors")
    layers = "content_layers: relu1_2, style_layers: relu1_1"

    def with_weights(path):
        return key(folder, ONE + f"defaults: {{{layers}, encoder: {{arch: vgg19, weights: {path}, input: caffe}}}}")

    one = with_weights("w/one.safetensors")
    assert one == with_weights("copy.safetensors") == with_weights(f"file:{folder}/copy.safetensors")
    assert one != with_weights("w/two.safetensors")
    digest = hashlib.sha256((folder / "w/one.safetensors").read_bytes()).hexdigest()
    assert one == with_weights(f"w/one.safetensors, sha256: {digest}")
    with pytest.raises(WeightsError):
        with_weights("w/none.safetensors")


def test_a_described_cell_names_no_folder(folder):
    weights_file(folder / "w/one.safetensors", 0.5)
    text = (
        ONE + "defaults: {content_layers: relu1_2, style_layers: relu1_1,"
        f" encoder: {{arch: vgg19, weights: '{folder}/w/one.safetensors', input: caffe}}}}"
    )
    loaded = read(folder, text)
    (cell,) = cells_of(loaded)
    told = described(cell, Encoders(loaded.url).source(cell.settings.encoder), "png")
    assert str(folder) not in json.dumps(told)
    assert json.loads(json.dumps(told)) == told
    assert facts(json.loads(json.dumps(told))) == facts(told)
