"""Pictures read, fitted and encoded: properties, and numpy's view of the same bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from picture_bytes import CELL, FORMATS, KEPT, noise
from PIL import Image

from stylecore import images
from stylecore.errors import PictureError


@pytest.mark.parametrize("kind", FORMATS)
def test_content_decides_not_the_name(kind: str, tmp_path: Path) -> None:
    data = images.encode(noise(9, 12, 3) / np.float32(255), None, kind, None)
    path = tmp_path / ("picture.jpg" if kind != "jpeg" else "picture.png")
    path.write_bytes(data)
    picture = images.read(path)
    assert images.inspect(path) == images.Header(kind, 12, 9, "RGB", 1)
    assert picture.digest == hashlib.sha256(data).hexdigest()
    assert picture.pixels.dtype == np.float32
    assert picture.pixels.flags.c_contiguous
    np.testing.assert_array_equal(picture.pixels, images.read(data).pixels)


def test_headers_are_read_without_torch() -> None:
    code = "import sys, stylecore.images; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def picture(pixels: np.ndarray, alpha: np.ndarray | None = None) -> images.Picture:
    return images.Picture(pixels.astype(np.float32), None if alpha is None else alpha.astype(np.float32), "d")


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((640, 480), 512, (512, 384)),
        ((480, 640), 512, (384, 512)),
        ((1000, 1), 100, (100, 1)),
        ((3, 1000), 10, (1, 10)),
        ((100, 75), 10, (10, 8)),
        ((7, 5), 14, (14, 10)),
        ((33, 32), 33, (33, 32)),
        ((1, 1), 1, (1, 1)),
    ],
)
def test_canvas(size: tuple[int, int], longest: int, expected: tuple[int, int]) -> None:
    assert images.canvas(*size, longest) == expected
    fitted = images.fit(picture(np.zeros((size[1], size[0], 3))), longest)
    assert fitted.pixels.shape == (expected[1], expected[0], 3)


def test_fit_leaves_the_size_asked_for_alone() -> None:
    original = picture(noise(30, 40, 3) / 255)
    assert images.fit(original, 40) is original


@pytest.mark.parametrize("longest", [10, 23, 64, 200])
def test_fit_keeps_constants_means_and_range(longest: int) -> None:
    constant = picture(np.full((48, 64, 3), [0.1, 0.5, 0.9]), np.full((48, 64), 0.3))
    fitted = images.fit(constant, longest)
    np.testing.assert_allclose(fitted.pixels, np.broadcast_to([0.1, 0.5, 0.9], fitted.pixels.shape), atol=1e-5)
    np.testing.assert_allclose(fitted.alpha, 0.3, atol=1e-6)
    waves = 0.5 + 0.2 * np.sin(np.linspace(0, 4 * np.pi, 64))[None, :, None] * np.ones((48, 1, 3))
    smooth = images.fit(picture(waves), longest)
    assert abs(smooth.pixels.mean() - waves.mean()) < 2e-3
    edges = images.fit(picture((noise(48, 64, 3) > 128).astype(float)), longest).pixels
    assert edges.min() >= 0
    assert edges.max() <= 1
    assert smooth.digest == "d"


def test_fit_down_and_up_again_restores_a_smooth_picture() -> None:
    y, x = np.mgrid[0:96, 0:128] / 128
    smooth = np.dstack([0.5 + 0.4 * np.sin(5 * x), 0.2 + 0.5 * y, 0.5 + 0.3 * np.cos(4 * (x + y))])
    back = images.fit(images.fit(picture(smooth), 64), 128).pixels
    np.testing.assert_allclose(back[8:-8, 8:-8], smooth[8:-8, 8:-8], atol=2e-3)


def test_transparent_colours_do_not_bleed() -> None:
    pixels, alpha = np.zeros((64, 64, 3)), np.zeros((64, 64))
    pixels[:, :32], alpha[:, :32] = (1, 0, 0), 1  # red and opaque beside green and transparent
    pixels[:, 32:] = (0, 1, 0)
    fitted = images.fit(picture(pixels, alpha), 21)
    seen = fitted.alpha > 0.05
    np.testing.assert_allclose(fitted.pixels[seen], np.broadcast_to([1, 0, 0], fitted.pixels[seen].shape), atol=1e-3)
    np.testing.assert_allclose(fitted.pixels[:, -3:], np.broadcast_to([0, 1, 0], (21, 3, 3)), atol=1e-3)


@pytest.mark.parametrize("kind", KEPT)
def test_colours_and_alpha_come_back(kind: str) -> None:
    pixels, alpha = noise(20, 30, 3) / np.float32(255), noise(20, 30, seed=5) / np.float32(255)
    alpha[:5] = 0
    back = images.read(images.encode(pixels, alpha, kind, None))
    np.testing.assert_array_equal(back.pixels, pixels)
    np.testing.assert_array_equal(back.alpha, alpha)
    assert images.read(images.encode(pixels, None, kind, None)).alpha is None


def test_encode_rounds_and_clips() -> None:
    pixels = np.array([[[-1, 0.4 / 255, 0.6 / 255], [2, 254.4 / 255, 254.6 / 255]]], np.float32)
    image = Image.open(io.BytesIO(images.encode(pixels, None, "png", None)))
    np.testing.assert_array_equal(np.asarray(image), [[[0, 0, 1], [255, 254, 255]]])


def test_jpeg_is_close_has_full_chroma_and_lies_over_white() -> None:
    y, x = np.mgrid[0:64, 0:64] / 64
    pixels = np.dstack([x, y, 1 - x]).astype(np.float32)
    data = images.encode(pixels, None, "jpeg", None)
    assert np.abs(images.read(data).pixels - pixels).mean() < 0.005
    assert [layer[1:3] for layer in Image.open(io.BytesIO(data)).layer] == [(1, 1)] * 3
    glass = images.read(images.encode(pixels * 0, np.full((64, 64), 0.25, np.float32), "jpeg", None))
    np.testing.assert_allclose(glass.pixels, 0.75, atol=2 / 255)
    assert glass.alpha is None


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_picture_gives_the_same_bytes(kind: str) -> None:
    pixels, alpha = noise(40, 50, 3) / np.float32(255), noise(40, 50, seed=6) / np.float32(255)
    first = images.encode(pixels, alpha, kind, CELL)
    assert images.encode(pixels.copy(), alpha.copy(), kind, CELL) == first
    code = (
        "import sys, hashlib, numpy as np; from stylecore import images; r = np.random.default_rng;"
        "pixels = r(0).integers(0, 256, (40, 50, 3)).astype(np.uint8) / np.float32(255);"
        "alpha = r(6).integers(0, 256, (40, 50)).astype(np.uint8) / np.float32(255);"
        f"print(hashlib.sha256(images.encode(pixels, alpha, {kind!r}, {CELL!r})).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == hashlib.sha256(first).hexdigest()


@pytest.mark.parametrize("kind", FORMATS)
def test_noise_is_written_although_it_does_not_compress(kind: str) -> None:
    pixels = noise(600, 800, 3) / np.float32(255)
    assert images.read(images.encode(pixels, None, kind, CELL)).pixels.shape == pixels.shape


def test_encode_refuses() -> None:
    pixels = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(PictureError, match="did you mean 'jpeg'"):
        images.encode(pixels, None, "jpg", None)
    with pytest.raises(PictureError, match="finite"):
        images.encode(pixels + np.nan, None, "png", None)
    for kind in ("webp", "jpeg"):
        with pytest.raises(PictureError, match="a side"):
            images.encode(np.zeros((1, 65_501, 3), np.float32), None, kind, None)


def test_tables_name_every_format() -> None:
    assert list(images.CONTENT_TYPES) == list(images.EXTENSIONS) == FORMATS


@pytest.mark.parametrize(
    ("size", "to", "kept"),
    [
        ((60, 40), (30, 30), (slice(None), slice(10, 50))),
        ((60, 40), (30, 10), (slice(10, 30), slice(None))),
        ((40, 60), (20, 40), (slice(None), slice(5, 35))),
        ((31, 20), (20, 20), (slice(None), slice(5, 25))),
    ],
)
def test_fill_cuts_evenly_what_is_too_much(
    size: tuple[int, int], to: tuple[int, int], kept: tuple[slice, slice]
) -> None:
    """As if the middle had been cut out by hand and scaled; alpha too. Sizes are widths and heights."""
    pixels, alpha = noise(size[1], size[0], 3) / 255, noise(size[1], size[0], seed=3) / 255
    filled = images.fill(picture(pixels, alpha), *to)
    expected = images.fit(picture(pixels[kept], alpha[kept]), max(to))
    assert filled.pixels.shape == (to[1], to[0], 3)
    np.testing.assert_allclose(filled.pixels, expected.pixels, atol=1e-6)
    np.testing.assert_allclose(filled.alpha, expected.alpha, atol=1e-6)
    assert filled.digest == "d"


@pytest.mark.parametrize("longest", [16, 40, 41, 100])
def test_fill_is_fit_where_nothing_is_too_much(longest: int) -> None:
    original = picture(noise(30, 40, 3) / 255)
    fitted = images.fit(original, longest)
    filled = images.fill(original, fitted.pixels.shape[1], fitted.pixels.shape[0])
    np.testing.assert_array_equal(filled.pixels, fitted.pixels)
    assert images.fill(original, 40, 30) is original


@pytest.mark.parametrize("to", [(1, 1), (500, 1), (1, 500), (16, 16384 // 64)])
def test_fill_takes_any_size(to: tuple[int, int]) -> None:
    filled = images.fill(picture(np.full((3, 200, 3), 0.5)), *to)
    assert filled.pixels.shape == (to[1], to[0], 3)
    np.testing.assert_allclose(filled.pixels, 0.5, atol=1e-5)


class TestCopies:
    """Small copies are kept with their picture; it makes no difference."""

    def test_are_what_a_new_picture_gives(self) -> None:
        pixels, alpha = noise(30, 40, 3) / 255, noise(30, 40) / 255
        one = picture(pixels, alpha)
        for _ in range(2):
            for width, height in ((20, 20), (20, 15), (15, 20), (40, 30), (20, 20)):
                kept, fresh = images.fill(one, width, height), images.fill(picture(pixels, alpha), width, height)
                assert np.array_equal(kept.pixels, fresh.pixels)
                assert np.array_equal(kept.alpha, fresh.alpha)
            assert np.array_equal(images.fit(one, 20).pixels, images.fit(picture(pixels, alpha), 20).pixels)

    def test_are_made_once(self) -> None:
        one = picture(noise(30, 40, 3) / 255)
        assert images.fit(one, 20) is images.fill(one, 20, 15)
        assert images.fill(one, 9, 20) is images.fill(one, 9, 20)

    def test_are_few_and_small(self) -> None:
        one = picture(np.zeros((30, 40, 3)))
        for longest in range(2, 39):
            images.fit(one, longest)
        assert len(one.copies) <= 8
        long = picture(np.zeros((2, 40, 3)))
        images.fill(long, 30_000, 60)
        assert not long.copies

    def test_are_not_those_of_a_picture_made_of_another(self) -> None:
        one = picture(noise(30, 40, 3) / 255)
        images.fit(one, 20)
        other = dataclasses.replace(one, pixels=1 - one.pixels)
        assert np.array_equal(images.fit(other, 20).pixels, images.fit(picture(1 - one.pixels), 20).pixels)
