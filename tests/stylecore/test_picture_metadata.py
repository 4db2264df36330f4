"""Orientations as the Exif standard words them, and text that comes back from every format."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from picture_bytes import CELL, FORMATS, KEPT, bytes_of, file, noise, png, scanlines
from PIL import Image

from stylecore import images
from stylecore.errors import PictureError

# Exif 2.32, 4.6.4 A, Orientation: what the stored 0th row and the stored 0th column are, seen upright.
ORIENTATIONS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def seen_upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    row_is, column_is = ORIENTATIONS[orientation]
    height, width = stored.shape[:2]
    upright = np.empty(
        (width, height, *stored.shape[2:]) if row_is in ("left", "right") else stored.shape, stored.dtype
    )
    for i in range(height):
        for j in range(width):
            place = {row_is: i, column_is: j}
            y = place["top"] if "top" in place else upright.shape[0] - 1 - place["bottom"]
            x = place["left"] if "left" in place else upright.shape[1] - 1 - place["right"]
            upright[y, x] = stored[i, j]
    return upright


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", KEPT)
def test_every_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    stored = noise(5, 7, 4)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file(
        Image.fromarray(stored), kind, exif=exif, **({"lossless": True, "exact": True} if kind == "webp" else {})
    )
    picture, header = images.read(data), images.inspect(data)
    expected = seen_upright(stored, orientation)
    np.testing.assert_array_equal(bytes_of(picture.pixels), expected[:, :, :3])
    np.testing.assert_array_equal(bytes_of(picture.alpha), expected[:, :, 3])
    assert (header.height, header.width) == expected.shape[:2]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_exif_orientation_of_a_jpeg(orientation: int) -> None:
    stored = np.kron(noise(2, 3, seed=4), np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file(Image.fromarray(stored), "jpeg", exif=exif, quality=100)
    expected = seen_upright(stored, orientation)
    assert np.abs(images.read(data).pixels[:, :, 0] * 255 - expected).max() <= 3
    assert (images.inspect(data).height, images.inspect(data).width) == expected.shape


def test_exif_behind_a_pngs_pixels_is_found() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    stored = noise(2, 3)
    data = png(3, 2, 8, 0, scanlines(stored))
    end = data.index(b"IEND") - 4
    data = (
        data[:end]
        + struct.pack(">I", len(body))
        + b"eXIf"
        + body
        + struct.pack(">I", zlib.crc32(b"eXIf" + body))
        + data[end:]
    )
    np.testing.assert_array_equal(bytes_of(images.read(data).pixels[:, :, 0]), np.rot90(stored, -1))
    assert (images.inspect(data).width, images.inspect(data).height) == (2, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_no_harm() -> None:
    stored = noise(4, 4, 3)
    for exif in (b"Exif\0\0garbage", b"Exif\0\0MM\0*\xff\xff\xff\xff"):
        np.testing.assert_array_equal(
            bytes_of(images.read(file(Image.fromarray(stored), "png", exif=exif)).pixels), stored
        )


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("text", [CELL, json.dumps(json.loads(CELL)), "{}", json.dumps("x" * 40_000)])
def test_carried_text_comes_back(kind: str, text: str, tmp_path: Path) -> None:
    pixels = noise(8, 8, 3) / np.float32(255)
    data = images.encode(pixels, None, kind, text)
    path = tmp_path / "render"
    path.write_bytes(data)
    assert images.carried(data) == images.carried(path) == text
    np.testing.assert_allclose(images.read(data).pixels, images.read(images.encode(pixels, None, kind, None)).pixels)
    assert images.carried(images.encode(pixels, None, kind, None)) is None


def test_other_programs_find_the_text() -> None:
    pixels = np.zeros((4, 4, 3), np.float32)
    assert Image.open(io.BytesIO(images.encode(pixels, None, "png", CELL))).text["stylepress"] == CELL
    packet = Image.open(io.BytesIO(images.encode(pixels, None, "webp", CELL))).info["xmp"]
    element = ElementTree.fromstring(packet.decode()).find(".//{urn:stylepress:1}json")
    assert element.text == CELL


def test_foreign_metadata_is_not_ours() -> None:
    image = Image.fromarray(noise(4, 4))
    exif = Image.Exif()
    exif[0x010E] = "stylepress"
    for kind in FORMATS:
        assert images.carried(file(image, kind, exif=exif)) is None
    assert images.carried(file(image, "jpeg", xmp=b"<stylepress:json>{} without an end")) is None
    assert images.carried(png(1, 1, 8, 0, b"\0\0", (b"iTXt", b"stylepress\0"), (b"tEXt", b"stylepress\0{}"))) is None


def test_text_that_does_not_fit() -> None:
    pixels = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(PictureError, match=r"JPEG holds at most 65,504"):
        images.encode(pixels, None, "jpeg", "x" * 65_400)
    assert images.carried(images.encode(pixels, None, "jpeg", "x" * 65_000)) == "x" * 65_000
    for kind in FORMATS:
        with pytest.raises(PictureError, match=r"1,048,576"):
            images.encode(pixels, None, kind, "x" * (2**20 + 1))
    for kind in KEPT:
        assert images.carried(images.encode(pixels, None, kind, "&" * 2**20)) == "&" * 2**20
