"""Publishing: picture before receipt, both whole; what a picture carries; nothing that names a machine."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from flows.publish import Publisher, carried, environment
from flows.store import LocalStore, StorageError, open_store
from stylecore import images
from stylecore.errors import PictureError
from stylecore.rendering import Result

CELL = {"content": {"name": "a.png", "label": "Ann's <best> ☂", "sha256": "0" * 64}, "settings": {"size": 32}}
KEY = "ab" * 32


def result(width=24, height=16, **more):
    pixels = np.random.default_rng(1).random((height, width, 3), dtype=np.float32)
    return Result(
        0, pixels=pixels, losses={"total": 1.5}, curve=((1, 2.0), (2, 1.5)), steps=2, stop_reason="steps", **more
    )


def publish(store, format="png", embed="full", of=None):  # noqa: A002 - the manifest's word
    name = f"renders/p{images.EXTENSIONS[format]}"
    publisher = Publisher(store, format, embed, "a device")
    return publisher.publish(KEY, name, CELL, of or result(), queued=0.25, attempts=1)


class Recorder(LocalStore):
    """A folder that remembers in which order it was written, and can be full."""

    def __init__(self, folder, full=""):
        super().__init__(str(folder), folder)
        self.order, self.full = [], full

    def write(self, name, data, content_type, *, exclusive=False):
        if self.full and name.startswith(self.full):
            raise StorageError("full")
        self.order.append(name)
        return super().write(name, data, content_type, exclusive=exclusive)


def test_the_picture_comes_first_and_the_receipt_tells_of_exactly_it(tmp_path):
    store = Recorder(tmp_path)
    receipt = publish(store)
    assert store.order == ["renders/p.png", f"receipts/ab/{KEY}.json"]
    assert json.loads((tmp_path / f"receipts/ab/{KEY}.json").read_text()) == json.loads(json.dumps(receipt))
    assert receipt["picture"] | {"sha256": "", "bytes": 0} == {
        "path": "renders/p.png", "sha256": "", "bytes": 0, "width": 24, "height": 16, "format": "png",
    }  # fmt: skip


def test_a_receipt_tells_how_the_render_ended_and_how_the_picture_scores(tmp_path):
    scores = {"content_ssim": 2 / 3, "style_gram": 0.0}
    receipt = publish(open_store(tmp_path), of=result(scores=scores, resumed_from=1))
    assert receipt["scores"] == {"content_ssim": 0.666667, "style_gram": 0}
    assert {name: receipt["result"][name] for name in ("steps", "stop_reason", "resumed_from")} == {
        "steps": 2,
        "stop_reason": "steps",
        "resumed_from": 1,
    }


def test_without_a_picture_there_is_no_receipt(tmp_path):
    with pytest.raises(StorageError):
        publish(Recorder(tmp_path, full="renders/"))
    assert not (tmp_path / "receipts").exists()


@pytest.mark.parametrize("format", images.EXTENSIONS)
@pytest.mark.parametrize("embed", ["full", "key", "none"])
def test_what_a_picture_carries(tmp_path, format, embed):  # noqa: A002 - the manifest's word
    publish(open_store(tmp_path), format, embed)
    (path,) = (tmp_path / "renders").iterdir()
    with Image.open(path) as image:
        assert image.format.lower() == format
        assert image.size == (24, 16)
    text = images.carried(path)
    expected = {"full": {"key": KEY, "cell": CELL}, "key": {"key": KEY}, "none": None}[embed]
    found = None if text is None else {k: v for k, v in json.loads(text).items() if k != "stylepress"}
    assert found == expected


def test_other_programs_find_the_text_in_a_png(tmp_path):
    publish(open_store(tmp_path))
    with Image.open(io.BytesIO((tmp_path / "renders/p.png").read_bytes())) as image:
        assert json.loads(image.text["stylepress"])["cell"] == CELL


def test_a_picture_is_not_larger_for_its_device_or_time(tmp_path):
    first = publish(open_store(tmp_path / "one"))
    second = publish(open_store(tmp_path / "two"), of=result(seconds={"load": 9.0, "render": 9.0}, precision="fp32"))
    assert first["picture"]["sha256"] == second["picture"]["sha256"], (
        "a picture carries nothing that differs between runs"
    )


def test_a_transparent_picture_cannot_be_a_jpeg_and_says_so(tmp_path):
    transparent = result(alpha=np.full((16, 24), 0.5, np.float32))
    try:
        publish(open_store(tmp_path), "jpeg", of=transparent)
    except PictureError:
        assert not (tmp_path / "receipts").exists()
    else:
        with Image.open(tmp_path / "renders/p.jpg") as image:
            assert image.mode == "RGB"
    publish(open_store(tmp_path), "png", of=transparent)
    with Image.open(tmp_path / "renders/p.png") as image:
        assert image.mode == "RGBA"


def test_carried_text_is_the_same_for_the_same_cell():
    shuffled = dict(reversed(CELL.items()))
    assert carried(KEY, CELL, "full") == carried(KEY, shuffled, "full")


def test_the_environment_names_versions_and_a_device_only():
    assert set(environment("a device", "bf16")) == {"stylepress", "torch", "python", "device", "precision"}


def test_a_receipt_tells_of_tiles_and_of_what_was_not_as_asked(tmp_path):
    assert publish(open_store(tmp_path / "one"))["environment"]["tile"] == "off"
    noted = publish(open_store(tmp_path / "two"), of=result(tile=512, notes=("memory ran out",)))
    assert noted["environment"]["tile"] == 512
    assert noted["environment"]["notes"] == ["memory ran out"]
