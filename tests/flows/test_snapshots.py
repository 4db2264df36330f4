"""Snapshots and animations: published before their picture, told in its receipt, missed when they are gone."""

import io
import itertools
import json

import numpy as np
import pytest
import runs
from PIL import Image
from test_gallery import Page
from test_publish import CELL, KEY, Recorder

from flows import gallery
from flows.output import open_output
from flows.publish import Publisher
from flows.snapshots import CONTENT_TYPES, animation
from flows.store import StorageError, open_store
from stylecore import images
from stylecore.errors import PictureError
from stylecore.rendering import Result, Snapshot

STUDY = [
    "inputs.content=photos/harbour.png",
    "jobs.0.grid.style_weight=[10]",
    "defaults.steps=4",
    "defaults.scales=1",
    "defaults.snapshots=[1, 3]",
    "defaults.animation=webp",
]


def noise(width, height, seed):
    return np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)


def smooth(width, height, seed):
    """A picture without sharp edges, which scaling and lossy coding change little."""
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return (across * [1, 0, 0.5] * (1 - seed / 9) + down * [0, 1, 0.5] * seed / 9).astype(np.float32).clip(0, 1)


def eight_bits(pixels):
    return np.rint(pixels * 255).astype(np.uint8)


def result(*shots, steps=9, picture=noise, **more):
    """A result of 24 × 16 pixels with a snapshot for each (step, width, height)."""
    snapshots = tuple(Snapshot(step, eight_bits(picture(width, height, step))) for step, width, height in shots)
    return Result(
        0,
        pixels=picture(24, 16, 9),
        losses={"total": 1.5},
        curve=((1, 1.5),),
        steps=steps,
        stop_reason="steps",
        snapshots=snapshots,
        **more,
    )


def publish(store, of, format="png", animation=None, embed="full"):  # noqa: A002 - the manifest's word
    cell = {**CELL, "settings": {"size": 24, "animation": animation}}
    publisher = Publisher(store, format, embed, "a device")
    return publisher.publish(KEY, f"renders/p{images.EXTENSIONS[format]}", cell, of, queued=0, attempts=1)


@pytest.fixture
def study(tmp_path):
    """A finished run of one cell with two snapshots and an animation."""
    manifest = runs.study(tmp_path)
    assert runs.render(manifest, sets=STUDY).rendered == 1
    return manifest


def kinds(manifest, **options):
    return [item.kind for item in runs.prepared(manifest, sets=STUDY, **options).plan.items]


def test_they_come_before_the_picture_and_the_receipt_last(tmp_path):
    store = Recorder(tmp_path)
    publish(store, result((2, 12, 8), (1000000, 24, 16)), animation="gif")
    assert store.order == [
        "snapshots/p/000002.png",
        "snapshots/p/1000000.png",
        "snapshots/p.gif",
        "renders/p.png",
        f"receipts/ab/{KEY}.json",
    ]


@pytest.mark.parametrize("format", images.EXTENSIONS)
def test_a_receipt_tells_of_exactly_the_files(tmp_path, format):  # noqa: A002 - the manifest's word
    receipt = publish(open_store(tmp_path), result((2, 12, 8), (5, 24, 16)), format)
    assert [(shot["step"], shot["width"], shot["height"]) for shot in receipt["snapshots"]] == [(2, 12, 8), (5, 24, 16)]
    assert {shot["path"] for shot in receipt["snapshots"]} == set(runs.files(tmp_path, "snapshots"))
    for shot in receipt["snapshots"]:
        data = (tmp_path / shot["path"]).read_bytes()
        assert (shot["bytes"], shot["sha256"]) == (len(data), runs.digest(data))
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format.lower(), image.size) == (format, (shot["width"], shot["height"]))
        if format != "jpeg":
            expected = eight_bits(noise(shot["width"], shot["height"], shot["step"]))
            assert np.array_equal(eight_bits(images.read(data).pixels), expected)


def test_without_snapshots_there_is_nothing_of_them(tmp_path):
    receipt = publish(open_store(tmp_path), result(), animation="webp")
    assert not {"snapshots", "animation"} & set(receipt)
    assert not (tmp_path / "snapshots").exists()


@pytest.mark.parametrize("embed", ["full", "key", "none"])
def test_a_snapshot_names_its_cell_and_does_not_pass_for_the_picture(tmp_path, embed):
    publish(open_store(tmp_path), result((2, 12, 8)), embed=embed)
    text = images.carried(tmp_path / "snapshots/p/000002.png")
    assert (text and json.loads(text).get("key")) == (None if embed == "none" else KEY)
    assert "cell" not in (text or "")


def test_what_cannot_be_encoded_leaves_nothing_behind(tmp_path):
    broken = result((2, 12, 8))
    broken.pixels[0, 0] = np.nan
    with pytest.raises(PictureError):
        publish(open_store(tmp_path), broken)
    assert runs.files(tmp_path) == {}


def test_a_disk_that_fills_up_on_the_way_leaves_no_receipt(tmp_path):
    with pytest.raises(StorageError):
        publish(Recorder(tmp_path, full="renders/"), result((2, 12, 8)))
    assert list(runs.files(tmp_path)) == ["snapshots/p/000002.png"]


@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_transparency_is_that_of_the_result_at_the_snapshots_size(tmp_path, format):  # noqa: A002
    left = np.zeros((16, 24), np.float32)
    left[:, :12] = 1
    publish(open_store(tmp_path), result((2, 12, 8), alpha=left), format)
    shot = images.read(next(tmp_path.glob("snapshots/p/*")))
    if format == "png":
        assert shot.alpha[:, :3].min() == 1
        assert shot.alpha[:, 9:].max() == 0
    else:
        assert shot.pixels[:, 9:].min() > 0.98, "white, as in the picture itself"


# animations


def frames_of(data):
    """Frames of an animation in RGB with how long each is shown, in milliseconds."""
    with Image.open(io.BytesIO(data)) as image:
        frames = []
        for index in range(image.n_frames):
            image.seek(index)
            image.load()  # for WebP, Pillow knows a frame's duration only then
            frames.append((np.asarray(image.convert("RGB"), float), image.info["duration"]))
        return frames, image.info.get("loop"), image.format.lower()


@pytest.mark.parametrize("format", ["webp", "gif"])
def test_an_animation_goes_through_all_snapshots_and_ends_with_the_result(tmp_path, format):  # noqa: A002
    of = result((1, 12, 8), (4, 24, 16), picture=smooth)
    receipt = publish(open_store(tmp_path), of, animation=format)
    data = (tmp_path / f"snapshots/p.{format}").read_bytes()
    assert receipt["animation"] == {
        "path": f"snapshots/p.{format}",
        "sha256": runs.digest(data),
        "bytes": len(data),
        "frames": 3,
    }
    frames, loop, kind = frames_of(data)
    assert (loop, kind, len(frames)) == (0, format, 3)
    assert [duration for _, duration in frames] == [120, 120, 2000]
    for (pixels, _), seed in zip(frames, (1, 4, 9), strict=True):
        assert pixels.shape == (16, 24, 3)
        assert np.abs(pixels - smooth(24, 16, seed) * 255).mean() < 12


@pytest.mark.parametrize("format", ["webp", "gif"])
def test_the_same_frames_give_the_same_bytes(format):  # noqa: A002 - the manifest's word
    frames = [Image.fromarray((noise(24, 16, seed) * 255).astype("uint8")) for seed in range(4)]
    assert animation(frames, format) == animation(frames, format)


@pytest.mark.parametrize("format", CONTENT_TYPES)
def test_a_snapshot_of_the_last_step_is_the_result_and_shown_once(tmp_path, format):  # noqa: A002
    receipt = publish(open_store(tmp_path), result((4, 24, 16), (9, 24, 16)), animation=format)
    assert (len(receipt["snapshots"]), receipt["animation"]["frames"]) == (2, 2)


def test_a_run_that_ends_with_its_first_snapshot_gives_an_animation_of_one_frame(tmp_path):
    for format in CONTENT_TYPES:  # noqa: A001 - the manifest's word
        receipt = publish(open_store(tmp_path), result((9, 24, 16)), animation=format)
        frames, _, kind = frames_of((tmp_path / receipt["animation"]["path"]).read_bytes())
        assert (len(frames), kind) == (1, format)


@pytest.mark.parametrize("format", CONTENT_TYPES)
def test_equal_frames_do_no_harm(format):  # noqa: A002 - the manifest's word
    still = [Image.new("RGB", (24, 16), color) for color in ("teal", "teal", "red", "red")]
    frames, _, _ = frames_of(animation(still, format))
    assert sum(duration for _, duration in frames) == 3 * 120 + 2000


# whole runs


def test_a_run_leaves_them_beside_the_pictures_and_its_receipt_tells_of_them(study):
    ((name, receipt),) = runs.receipts(study.parent / "out").items()
    stem = name.removeprefix("renders/").removesuffix(".png")
    assert [shot["path"] for shot in receipt["snapshots"]] == [
        f"snapshots/{stem}/000001.png",
        f"snapshots/{stem}/000003.png",
    ]
    assert receipt["animation"]["path"] == f"snapshots/{stem}.webp"
    assert receipt["animation"]["frames"] == 3
    assert kinds(study) == ["done"]


@pytest.mark.parametrize("victim", ["*/000003.png", "*.webp"])
@pytest.mark.parametrize("harm", ["missing", "altered"])
def test_one_that_is_gone_or_cut_short_is_made_again_to_the_same_bytes(study, victim, harm):
    before = runs.files(study.parent / "out", "snapshots") | runs.files(study.parent / "out", "renders")
    (path,) = (study.parent / "out/snapshots").glob(victim)
    data = path.read_bytes()
    path.unlink()
    if harm == "altered":
        path.write_bytes(data[:-3])
    assert kinds(study) == [f"snapshot {harm}"]
    assert runs.render(study, sets=STUDY).rendered == 1
    assert runs.files(study.parent / "out", "snapshots") | runs.files(study.parent / "out", "renders") == before
    assert kinds(study) == ["done"]


def test_a_picture_that_is_gone_is_said_first(study):
    for path in itertools.chain((study.parent / "out/renders").iterdir(), (study.parent / "out/snapshots").glob("*/*")):
        path.unlink()
    assert kinds(study) == ["picture missing"]


def test_the_gallery_links_them_under_their_picture(study):
    page = Page((study.parent / "out/gallery/index.html").read_text())
    links = [link["href"].removeprefix("../") for link in page.of("a")]
    assert set(runs.files(study.parent / "out", "snapshots")) <= set(links)
    assert "after step 1, 3" in " ".join(page.text.split())
    next((study.parent / "out/snapshots").glob("*/000001.png")).unlink()
    store, ledger = open_output(str(study.parent / "out"), print)
    gallery.build(store, ledger, "t", [])
    again = Page((study.parent / "out/gallery/index.html").read_text())
    assert not [link for link in again.of("a") if link["href"].endswith("000001.png")]


def test_a_receipt_of_another_hand_links_nothing_outside_the_output(study):
    path = next((study.parent / "out/receipts").glob("*/*.json"))
    receipt = json.loads(path.read_text())
    receipt["snapshots"] = [{"path": "../../secret.png", "step": 1}, {"path": "javascript:alert(1)", "step": 2}]
    receipt["animation"] = {"path": "https://example.org/x.gif"}
    path.write_text(json.dumps(receipt))
    store, ledger = open_output(str(study.parent / "out"), print)
    gallery.build(store, ledger, "t", [])
    text = (study.parent / "out/gallery/index.html").read_text()
    assert not any(word in text for word in ("secret", "javascript", "example.org"))
    assert kinds(study) == ["snapshot missing"]


@pytest.mark.parametrize(
    "wrong",
    [{"snapshots": None}, {"snapshots": {}}, {"snapshots": [1]}, {"snapshots": [{"step": 1}]}, {"animation": "x.gif"}],
)
def test_a_receipt_whose_list_of_snapshots_is_none_is_set_aside(study, wrong):
    path = next((study.parent / "out/receipts").glob("*/*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **wrong}))
    assert kinds(study) == ["new"]


def test_in_a_bucket_they_are_the_same_and_missed_the_same(study, s3):
    to = f"s3://{s3.bucket}/x"
    assert runs.render(study, to=to, sets=STUDY).rendered == 1
    store = open_store(to)
    there = {entry.name: store.read(entry.name) for entry in store.list("snapshots/")}
    assert there == runs.files(study.parent / "out", "snapshots")
    types = {".png": "image/png", ".webp": "image/webp"}
    for name in there:
        head = s3.client().head_object(Bucket=s3.bucket, Key=f"x/{name}")
        assert head["ContentType"] == types[name[name.rindex(".") :]]
    assert kinds(study, to=to) == ["done"]
    s3.client().delete_object(Bucket=s3.bucket, Key=f"x/{min(there)}")
    assert kinds(study, to=to) == ["snapshot missing"]


def test_a_copied_gallery_brings_them_along(study):
    source, _ = open_output(str(study.parent / "out"), print)
    gallery.publish(source, open_store(study.parent / "site"))
    assert runs.files(study.parent / "site", "snapshots") == runs.files(study.parent / "out", "snapshots")
