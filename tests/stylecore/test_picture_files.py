"""What is no picture, or a damaged or an enormous one, is refused quickly and in words."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from picture_bytes import FORMATS, file, noise, png
from PIL import Image

from stylecore import images
from stylecore.errors import PictureError


def refused(source: Path | bytes, *words: str) -> str:
    """Each reader refuses within a second and says why."""
    started = time.perf_counter()
    for reader in (images.inspect, images.read, images.carried):
        with pytest.raises(PictureError) as caught:
            reader(source)
        for word in words:
            assert word in str(caught.value)
    assert time.perf_counter() - started < 1
    return str(caught.value)


def test_not_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.png").touch()
    Path("text.jpg").write_text("not a picture")
    Path("dangling.png").symlink_to("nowhere.png")
    refused(Path("missing.png"), "missing.png", "does not exist", "expected a JPEG, PNG, WebP or TIFF")
    refused(Path("dangling.png"), "dangling.png", "does not exist")
    refused(Path("empty.png"), "empty.png", "is empty", "expected")
    refused(Path("text.jpg"), "text.jpg", "is not a picture", "expected")
    refused(Path(), "is a directory", "expected")
    refused(Path("nul\0byte"), "cannot be read")
    refused(Path("x" * 300), "cannot be read")
    assert str(tmp_path) not in refused(Path("text.jpg/inside.png"), "cannot be read")
    refused(b"", "is empty")
    refused(file(Image.new("L", (2, 2)), "gif"), "is a GIF file")
    with Path("huge.png").open("wb") as sparse:
        sparse.truncate(5 * 2**30)
    refused(Path("huge.png"), "5,368,709,120 bytes")


def test_pipes_devices_and_sockets_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    refused(Path("pipe.png"), "pipe.png", "named pipe", "expected")
    refused(Path("/dev/zero"), "device")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        refused(Path("socket.png"), "socket")


def test_too_many_pixels_are_refused_from_the_header_alone() -> None:
    refused(png(60_000, 60_000, 8, 2, b""), "60000 × 60000", "500 megapixels")
    bomb = file(Image.fromarray(noise(8, 8)), "tiff")
    at = (
        bomb.index(struct.pack("<HHI", 256, 3, 1))
        if struct.pack("<HHI", 256, 3, 1) in bomb
        else bomb.index(struct.pack("<HHI", 256, 4, 1))
    )
    wide = bytearray(bomb)
    wide[at : at + 12] = struct.pack("<HHII", 256, 4, 1, 2**30)
    refused(bytes(wide), "megapixels")


def test_large_pictures_give_no_bomb_warning(recwarn: pytest.WarningsRecorder) -> None:
    header = images.inspect(png(20_000, 20_000, 1, 0, b""))
    assert (header.width, header.height) == (20_000, 20_000)
    assert not recwarn.list


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_and_damaged_files(kind: str) -> None:
    whole = images.encode(noise(64, 64, 3) / np.float32(255), None, kind, None)
    for length in (17, 40, len(whole) // 2, len(whole) - 200):
        with pytest.raises(PictureError, match="the picture"):
            images.read(whole[:length])
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for at in generator.integers(4, len(whole), 12):
            damaged[at] = generator.integers(256)
        try:
            picture = images.read(bytes(damaged))
        except PictureError:
            continue
        assert np.isfinite(picture.pixels).all()
    refused(whole[:12] + b"\xee" * 400, "expected")
