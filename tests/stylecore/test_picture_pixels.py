"""Modes, depths and colour profiles, against pictures made by hand, numpy and published colours."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from picture_bytes import FORMATS, KEPT, bytes_of, file, noise, png, scanlines
from PIL import Image, ImageCms

from stylecore import images
from stylecore.errors import PictureError


def tiff(levels: np.ndarray, *, photometric: int = 1, planar: int = 1, bits: int | None = None) -> bytes:
    """An uncompressed little-endian TIFF by hand: (height, width) or (height, width, 3)."""
    height, width, bands = (*levels.shape, 1)[:3]
    data = (np.moveaxis(levels, 2, 0) if planar == 2 else levels).tobytes()
    depth = bits or levels.dtype.itemsize * 8
    sample_format = {"u": 1, "i": 2, "f": 3}[levels.dtype.kind]
    shared = {256: width, 257: height, 259: 1, 262: photometric, 277: bands, 278: height, 284: planar}
    arrays = {258: [depth] * bands, 339: [sample_format] * bands}
    plane = len(data) // (bands if planar == 2 else 1)
    count = 11
    extra_at = 8 + 2 + 12 * count + 4
    pixels_at = extra_at + 64
    strips = [pixels_at + i * plane for i in range(bands if planar == 2 else 1)]
    extra, entries = b"", []
    longs = {273: strips, 279: [plane] * len(strips)}
    for tag in sorted({*shared, *arrays, *longs}):
        kind, values = (4, longs[tag]) if tag in longs else (3, arrays.get(tag) or [shared[tag]])
        packed = struct.pack(f"<{len(values)}{'HI'[kind - 3]}", *values)
        if len(packed) > 4:
            packed, extra = struct.pack("<I", extra_at + len(extra)), extra + packed
        entries.append(struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0"))
    assert len(entries) == count
    directory = struct.pack("<H", count) + b"".join(entries) + struct.pack("<I", 0)
    return struct.pack("<2sHI", b"II", 42, 8) + directory + extra.ljust(64, b"\0") + data


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_16_bit_grey_keeps_its_precision(kind: str) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = images.read(file(Image.fromarray(ramp), kind))
    assert picture.alpha is None
    for channel in range(3):
        np.testing.assert_allclose(picture.pixels[:, :, channel], ramp / 65535.0, atol=1e-7)


@pytest.mark.parametrize("bands", [3, 4])
def test_16_bit_colour_png_keeps_its_precision(bands: int) -> None:
    levels = noise(9, 11, bands, dtype=np.uint16)
    picture = images.read(png(11, 9, 16, {3: 2, 4: 6}[bands], scanlines(levels)))
    np.testing.assert_allclose(picture.pixels, levels[:, :, :3] / 65535.0, atol=1e-7)
    if bands == 4:
        np.testing.assert_allclose(picture.alpha, levels[:, :, 3] / 65535.0, atol=1e-7)


def test_16_bit_tiffs() -> None:
    levels = noise(6, 5, 3, dtype=np.uint16)
    np.testing.assert_allclose(images.read(tiff(levels, photometric=2)).pixels, levels / 65535.0, atol=1e-7)
    grey = levels[:, :, 0]
    np.testing.assert_allclose(images.read(tiff(grey, photometric=0)).pixels[:, :, 1], 1 - grey / 65535.0, atol=1e-7)
    with pytest.raises(PictureError, match="planes"):
        images.read(tiff(levels, photometric=2, planar=2))
    eight = noise(6, 5, 3)
    np.testing.assert_array_equal(bytes_of(images.read(tiff(eight, photometric=2, planar=2)).pixels), eight)


@pytest.mark.parametrize(
    ("levels", "white"),
    [
        (np.array([[0, 17, 255]], np.int32), 255),
        (np.array([[-5, 300, 65535]], np.int32), 65535),
        (np.array([[0, 2**31, 2**32 - 1]], np.uint32), 2**32 - 1),
        (np.array([[0, 2**14, 2**15 - 1]], np.int16), 2**15 - 1),
        (np.array([[0, 0.25, 1]], np.float32), 1),
        (np.array([[0, 0.25, 254]], np.float32), 255),
    ],
)
def test_integers_and_floats(levels: np.ndarray, white: float) -> None:
    picture = images.read(tiff(levels))
    np.testing.assert_allclose(picture.pixels[:, :, 2], np.clip(levels / white, 0, 1), rtol=1e-6)


def test_float_with_nan_is_refused() -> None:
    with pytest.raises(PictureError, match="finite"):
        images.read(tiff(np.array([[0, np.nan, 1]], np.float32)))


def test_grey_palette_and_alpha_modes() -> None:
    grey, alpha = noise(6, 8, seed=1), noise(6, 8, seed=2)
    picture = images.read(file(Image.fromarray(grey), "png"))
    np.testing.assert_array_equal(bytes_of(picture.pixels), np.dstack([grey] * 3))
    assert picture.alpha is None
    picture = images.read(file(Image.fromarray(np.dstack([grey, alpha]), "LA"), "png"))
    np.testing.assert_array_equal(bytes_of(picture.pixels), np.dstack([grey] * 3))
    np.testing.assert_array_equal(bytes_of(picture.alpha), alpha)
    bits = grey > 128
    for kind in ("png", "tiff"):
        picture = images.read(file(Image.fromarray(bits), kind))
        np.testing.assert_array_equal(picture.pixels[:, :, 0], bits)
    assert images.inspect(file(Image.fromarray(bits), "png")) == images.Header("png", 8, 6, "1", 1)


@pytest.mark.parametrize("opacities", [bytes([0, 128, 255, 7]), bytes([255, 0, 255, 255])])
def test_palette_with_transparency(opacities: bytes) -> None:
    colours, indices = noise(4, 3, seed=3), noise(6, 8, seed=4) % 4
    data = png(8, 6, 8, 3, scanlines(indices), (b"PLTE", colours.tobytes()), (b"tRNS", opacities))
    picture = images.read(data)
    np.testing.assert_array_equal(bytes_of(picture.pixels), colours[indices])
    np.testing.assert_array_equal(bytes_of(picture.alpha), np.frombuffer(opacities, np.uint8)[indices])
    opaque = images.read(png(8, 6, 8, 3, scanlines(indices), (b"PLTE", colours.tobytes())))
    np.testing.assert_array_equal(bytes_of(opaque.pixels), colours[indices])
    assert opaque.alpha is None


def test_transparent_colour_of_pngs() -> None:
    """The tRNS chunk's level is in the picture's own depth (PNG specification, 11.3.2.1)."""
    four_bits = png(4, 1, 4, 0, b"\0\x05\xaf", (b"tRNS", struct.pack(">H", 10)))
    picture = images.read(four_bits)
    np.testing.assert_allclose(picture.pixels[0, :, 0], np.array([0, 5, 10, 15]) / 15, atol=1e-6)
    np.testing.assert_array_equal(picture.alpha, [[1, 1, 0, 1]])
    deep = np.array([[[1, 2, 3], [257, 2, 3]]], np.uint16)
    picture = images.read(png(2, 1, 16, 2, scanlines(deep), (b"tRNS", struct.pack(">3H", 257, 2, 3))))
    np.testing.assert_array_equal(picture.alpha, [[1, 0]])
    flat = deep.astype(np.uint8)
    picture = images.read(png(2, 1, 8, 2, scanlines(flat), (b"tRNS", struct.pack(">3H", 1, 2, 3))))
    np.testing.assert_array_equal(bytes_of(picture.pixels), flat)
    assert picture.alpha.shape == (1, 2)


def test_cmyk() -> None:
    """Without a profile: red = (1 − C)(1 − K), and so on. JPEGs by Adobe store it inverted, and say so."""
    inks = np.zeros((16, 64, 4), np.uint8)
    for i, ink in enumerate([(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 0, 255), (0, 0, 102, 51)]):
        inks[:, 16 * i : 16 * i + 16] = ink
    expected = (1 - inks[:, :, :3] / 255) * (1 - inks[:, :, 3:] / 255)
    image = Image.frombytes("CMYK", (64, 16), inks.tobytes())
    jpeg = file(image, "jpeg", quality=100)
    assert b"Adobe" in jpeg
    np.testing.assert_allclose(images.read(jpeg).pixels, expected, atol=3 / 255)
    np.testing.assert_allclose(images.read(file(image, "tiff")).pixels, expected, atol=1.1 / 255)


def test_first_frame_is_read() -> None:
    frames = [Image.fromarray(noise(4, 5, 3, seed=seed)) for seed in range(3)]
    for kind in KEPT:
        options = {"lossless": True} if kind == "webp" else {}
        data = file(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert images.inspect(data).frames == 3
        np.testing.assert_array_equal(bytes_of(images.read(data).pixels), np.asarray(frames[0]))


# Lindbloom, "RGB/XYZ matrices", adapted to D50.
ADOBE_RGB = np.array(
    [[0.6097559, 0.2052401, 0.1492240], [0.3111242, 0.6256560, 0.0632197], [0.0194811, 0.0608902, 0.7448387]]
)
SRGB = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def profile(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC version 2 profile (ICC.1:2001-04, clause 6)."""
    header = struct.pack(">4x4sI4s4s4s12x4s", b"none", 0x02400000, kind, space, pcs, b"acsp").ljust(68, b"\0")
    header += struct.pack(">3i", 63190, 65536, 54061)
    header = header.ljust(128, b"\0")
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    whole = header + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def xyz(values: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *np.rint(np.asarray(values) * 65536).astype(int))


def gamma(exponent: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


WHITE = {b"wtpt": xyz(np.array([0.9642, 1, 0.8249]))}
LINEAR_GREY = profile(b"mntr", b"GRAY", b"XYZ ", WHITE | {b"kTRC": gamma(1)})


def matrix_profile(matrix: np.ndarray, exponent: float) -> bytes:
    columns = {name: xyz(column) for name, column in zip([b"rXYZ", b"gXYZ", b"bXYZ"], matrix.T, strict=True)}
    return profile(
        b"mntr", b"RGB ", b"XYZ ", WHITE | columns | {c + b"TRC": gamma(exponent) for c in (b"r", b"g", b"b")}
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_wide_gamut_is_converted(kind: str) -> None:
    colours = np.array([[200, 60, 60], [60, 180, 80], [70, 90, 200], [128, 128, 128], [230, 200, 60]], np.uint8)
    stored = np.repeat(np.repeat(colours[None], 16, axis=0), 16, axis=1)
    linear = (stored / 255) ** 2.19921875
    expected = srgb_curve(np.clip(linear @ (np.linalg.inv(SRGB) @ ADOBE_RGB).T, 0, 1))
    options = {"webp": {"lossless": True}, "jpeg": {"quality": 100, "subsampling": 0}}.get(kind, {})
    data = file(Image.fromarray(stored), kind, icc_profile=matrix_profile(ADOBE_RGB, 2.19921875), **options)
    assert np.abs(expected - stored / 255).max() > 0.1
    np.testing.assert_allclose(images.read(data).pixels, expected, atol=(5 if kind == "jpeg" else 2) / 255)


def test_srgb_profile_changes_nothing() -> None:
    stored = noise(16, 16, 4)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = images.read(file(Image.fromarray(stored), "png", icc_profile=srgb))
    np.testing.assert_allclose(picture.pixels, stored[:, :, :3] / 255, atol=1.01 / 255)
    np.testing.assert_array_equal(bytes_of(picture.alpha), stored[:, :, 3])


def test_profiles_of_grey_and_palette_pictures() -> None:
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    expected = srgb_curve(ramp / 65535)
    deep = images.read(file(Image.fromarray(ramp), "tiff", icc_profile=LINEAR_GREY)).pixels
    bright = ramp > 4000  # interpolation between 256 levels is coarse where the sRGB curve is steep
    np.testing.assert_allclose(deep[:, :, 0][bright], expected[bright], atol=1 / 255)
    assert len(np.unique(deep)) > 2000
    eight = np.arange(256, dtype=np.uint8)[None]
    picture = images.read(file(Image.fromarray(eight), "png", icc_profile=LINEAR_GREY))
    np.testing.assert_allclose(picture.pixels[0, :, 1], srgb_curve(eight[0] / 255), atol=1.5 / 255)
    rgb_on_grey = images.read(file(Image.fromarray(eight), "png", icc_profile=matrix_profile(SRGB, 1)))
    np.testing.assert_allclose(rgb_on_grey.pixels[0, :, 1], srgb_curve(eight[0] / 255), atol=1.5 / 255)
    indexed = Image.fromarray(np.dstack([eight] * 3)).quantize(64)
    picture = images.read(file(indexed, "png", icc_profile=matrix_profile(SRGB, 1)))
    np.testing.assert_allclose(picture.pixels, srgb_curve(np.asarray(indexed.convert("RGB")) / 255), atol=1.5 / 255)


def test_cmyk_profile_is_used() -> None:
    """A profile whose cyan ink is the grey of L* = 50: sRGB 119."""
    identity = bytes(range(256))
    corners = b"".join(bytes([{0: 255, 8: 128}.get(inks, 0), 128, 128]) for inks in range(16))
    unit = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + identity * 4 + corners + identity * 3
    grey_cyan = profile(b"prtr", b"CMYK", b"Lab ", WHITE | {b"A2B0": lut})
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for kind in ("jpeg", "tiff"):
        pixels = images.read(file(image, kind, icc_profile=grey_cyan)).pixels
        np.testing.assert_allclose(pixels, 119 / 255, atol=3 / 255)


@pytest.mark.parametrize("broken", [b"garbage", LINEAR_GREY, matrix_profile(SRGB, 1)[:140]])
def test_useless_profiles_are_ignored(broken: bytes) -> None:
    stored = noise(8, 8, 3)
    np.testing.assert_array_equal(
        bytes_of(images.read(file(Image.fromarray(stored), "png", icc_profile=broken)).pixels), stored
    )
