"""Pictures in and out: JPEG, PNG, WebP and TIFF files to float sRGB arrays, and arrays to files."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stylecore import picture_metadata
from stylecore.errors import PictureError, did_you_mean
from stylecore.picture_files import decoding, format_of, open_image, opened
from stylecore.picture_pixels import decode, upright
from stylecore.schedule import canvas as canvas

CONTENT_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "tiff": "image/tiff"}
EXTENSIONS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif"}

# A 512 × 512 render as PNG takes 23 ms of a processor and 539 kB at level 1, 29 ms and 537 kB at level 3, 51 ms and
# 514 kB at levels 6 and 9, and 18 ms and 514 kB when only runs are looked for: strokes and grain do not repeat. WebP is
# lossless, so that a render can be compared to the pixel; method 1 is a fifth smaller than PNG in half as much time
# again, and method 4 gains 4 % more in three times the time. JPEG is not optimised, for 5 to 9 %: Pillow's buffer for
# that is too short for noise.
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_type": zlib.Z_RLE},
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"lossless": True, "method": 1, "quality": 20, "exact": True},
    "tiff": {"compression": "tiff_adobe_deflate"},
}
_HORIZONTAL_DIFFERENCES = {317: 2}  # TIFF's predictor tag: a seventh smaller
_LONGEST_SIDE = {"jpeg": 65_500, "webp": 16_383}
_FAINT = 1 / 255
_SMALL, _MOST_COPIES = 2**20, 8  # pixels of a copy that is kept, and copies: at most 100 MB for each picture


@dataclass(frozen=True)
class Header:
    """What a picture's header tells.

    Attributes:
        format: `png`, `jpeg`, `webp` or `tiff`.
        width: in pixels, after the EXIF orientation is applied.
        height: in pixels, after the EXIF orientation is applied.
        mode: Pillow's name for the pixels' layout in the file, such as `RGB`, `LA`, `P`, `I;16`, `CMYK`.
        frames: number of frames or pages; only the first is ever read.
    """

    format: str
    width: int
    height: int
    mode: str
    frames: int


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture's pixels.

    Attributes:
        pixels: float32, shape (height, width, 3), sRGB in 0..1.
        alpha: float32, shape (height, width), 0 transparent to 1 opaque; None where the picture has none.
        digest: sha256 of the file's bytes, in hexadecimal.
        copies: the last small ones that `fit` and `fill` have made, by width and height, for the next cell.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    digest: str
    copies: dict[tuple[int, int], Picture] = field(init=False, default_factory=dict, repr=False)


def inspect(source: Path | bytes) -> Header:
    """Read a picture's header and none of its pixels.

    Raises:
        PictureError: the source is no regular file, no JPEG, PNG, WebP or TIFF, has a damaged header or more than
            500 megapixels.
    """
    with opened(source) as (stream, name):
        image = open_image(stream, name)
        with decoding(name):
            width, height = image.size
            if picture_metadata.orientation(image, stream) >= 5:
                width, height = height, width
            frames = int(getattr(image, "n_frames", 1))
            return Header(str(image.format).lower(), width, height, image.mode, frames)


def read(source: Path | bytes) -> Picture:
    """Read a picture's first frame, turned upright and converted to sRGB.

    Args:
        source: a file's path, or its bytes. What it is, is decided by its content and never by its name.

    Raises:
        PictureError: as for `inspect`, or the pixels cannot be decoded.
    """
    with opened(source) as (stream, name):
        format_of(stream, name)  # before a large file of another kind is read
        with decoding(name):
            data = stream.read()
    image = open_image(io.BytesIO(data), name)
    with decoding(name):
        turn = picture_metadata.orientation(image, io.BytesIO(data))
        pixels, alpha = decode(image, lambda: open_image(io.BytesIO(data), name))
    return Picture(
        upright(pixels, turn), None if alpha is None else upright(alpha, turn), hashlib.sha256(data).hexdigest()
    )


def fit(picture: Picture, longest: int) -> Picture:
    """Scale a picture, up or down, so that its longest side has `longest` pixels; its aspect is kept.

    Lanczos in floating point, on colours multiplied by alpha so that transparent ones do not bleed. A picture that
    has the size already is returned as it is, and small results are kept for the next call: leave both as they are.
    """
    height, width = picture.pixels.shape[:2]
    size = canvas(width, height, longest)
    return picture if size == (width, height) else _once(picture, size, lambda: _resized(picture, size))


def _once(picture: Picture, size: tuple[int, int], make: Callable[[], Picture]) -> Picture:
    """A picture's copy of a width and height, made where it is not kept from the last time."""
    if copy := picture.copies.get(size):
        return copy
    copy = make()
    if size[0] * size[1] <= _SMALL:
        picture.copies[size] = copy
        for oldest in list(picture.copies)[:-_MOST_COPIES]:
            picture.copies.pop(oldest, None)
    return copy


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """A picture resampled to a width and height; see `fit`."""
    plain = np.stack([_resample(channel, size) for channel in np.moveaxis(picture.pixels, 2, 0)], axis=2)
    if picture.alpha is None:
        return replace(picture, pixels=plain.clip(0, 1))
    covered = picture.pixels * picture.alpha[:, :, None]
    covered = np.stack([_resample(channel, size) for channel in np.moveaxis(covered, 2, 0)], axis=2)
    alpha = _resample(picture.alpha, size)
    visible = alpha[:, :, None] >= _FAINT  # fainter colours would be quotients of rounding errors
    pixels = np.divide(covered, alpha[:, :, None], out=plain, where=visible)
    return replace(picture, pixels=pixels.clip(0, 1), alpha=alpha.clip(0, 1))


def fill(picture: Picture, width: int, height: int) -> Picture:
    """Scale a picture to an exact size in pixels; what is too wide or too high for its aspect is cut off evenly."""
    high, wide = picture.pixels.shape[:2]
    if canvas(wide, high, max(width, height)) == (width, height):
        return fit(picture, max(width, height))
    return _once(picture, (width, height), lambda: _filled(picture, width, height))


def _filled(picture: Picture, width: int, height: int) -> Picture:
    """A picture cut evenly to the aspect of a width and height, and scaled to them."""
    high, wide = picture.pixels.shape[:2]
    kept_width = min(wide, max(1, round(high * width / height)))
    kept_height = min(high, max(1, round(wide * height / width)))
    top, left = (high - kept_height) // 2, (wide - kept_width) // 2
    part = (slice(top, top + kept_height), slice(left, left + kept_width))
    alpha = None if picture.alpha is None else picture.alpha[part]
    return _resized(replace(picture, pixels=picture.pixels[part], alpha=alpha), (width, height))


def encode(
    pixels: NDArray[np.float32],
    alpha: NDArray[np.float32] | None,
    format: str,  # noqa: A002 - the word for it
    carried: str | None,
) -> bytes:
    """Encode a picture with 8 bits per channel; the same input gives the same bytes.

    PNG, WebP (lossless) and TIFF (deflate) keep colours and alpha; JPEG (quality 95, 4:4:4) has alpha laid over white.

    Args:
        pixels: shape (height, width, 3), sRGB in 0..1; values beyond are clipped.
        alpha: shape (height, width), 0..1, or None.
        format: `png`, `jpeg`, `webp` or `tiff`.
        carried: JSON text to store in the file, at most 1 MiB and for JPEG less than 64 KiB; None for nothing.

    Raises:
        PictureError: the format is unknown, cannot hold so large a picture or so long a text, or a pixel is no number.
    """
    if format not in EXTENSIONS:
        known = ", ".join(EXTENSIONS)
        raise PictureError(f"unknown picture format {format!r}; expected {known}{did_you_mean(format, EXTENSIONS)}")
    height, width = pixels.shape[:2]
    if max(height, width) > (limit := _LONGEST_SIDE.get(format, 2**31 - 1)):
        raise PictureError(
            f"{width} × {height} pixels; a {format} picture has at most {limit} a side: write PNG or TIFF"
        )
    if not np.isfinite(pixels).all() or (alpha is not None and not np.isfinite(alpha).all()):
        raise PictureError("the picture to be written has pixels that are not finite numbers")
    if alpha is not None:
        opacity = alpha[:, :, None]
        pixels = pixels * opacity + (1 - opacity) if format == "jpeg" else np.concatenate([pixels, opacity], axis=2)
    options = _SAVE_OPTIONS[format] | picture_metadata.save_options(format, carried)
    if format == "tiff":
        options["tiffinfo"] = _HORIZONTAL_DIFFERENCES | options.get("tiffinfo", {})
    image = Image.fromarray(np.rint(pixels.clip(0, 1) * 255).astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, format=format.upper(), **options)
    return buffer.getvalue()


def carried(source: Path | bytes) -> str | None:
    """Find the JSON text that `encode` stored in a picture; None where there is none. No pixels are decoded.

    Raises:
        PictureError: as for `inspect`.
    """
    with opened(source) as (stream, name):
        image = open_image(stream, name)
        with decoding(name):
            return picture_metadata.stored_text(image, stream)


def _resample(channel: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    image = Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32))
    return np.array(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32)
