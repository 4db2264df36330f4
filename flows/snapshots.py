"""Snapshots of a render on its way and the animation made of them: the files published beside a picture."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stylecore import images

if TYPE_CHECKING:
    from stylecore.rendering import Result

FOLDER = "snapshots/"
FRAME, LAST_FRAME = 120, 2000
"""How long an animation shows a frame, and its last one, in milliseconds; a GIF counts in steps of 10."""
CONTENT_TYPES = {"webp": "image/webp", "gif": "image/gif"}
_OPTIONS: dict[str, dict[str, Any]] = {"webp": {"quality": 90, "method": 4}, "gif": {}}


@dataclass(frozen=True)
class Extra:
    """A file to be published beside a picture.

    Attributes:
        data: its bytes.
        content_type: of the file.
        entry: what the receipt says of it; its `path` is relative to the output.
    """

    data: bytes
    content_type: str
    entry: dict[str, Any]


def encoded(result: Result, picture: str, format: str, carried: str | None) -> list[Extra]:  # noqa: A002 - the word
    """A result's snapshots as files, in the order of their steps.

    Args:
        result: what `stylecore.render` gave; it must hold pixels.
        picture: path of the result's picture in the output, `renders/NAME.png`.
        format: `png`, `jpeg`, `webp` or `tiff`.
        carried: JSON text that each carries, or None.

    Raises:
        PictureError: the format cannot hold one of them.
    """
    extras = []
    for snapshot in result.snapshots:
        pixels = snapshot.pixels
        height, width = pixels.shape[:2]
        data = images.encode(pixels, _scaled_alpha(result.alpha, (width, height)), format, carried)
        path = f"{_stem(picture)}/{snapshot.step:06d}{images.EXTENSIONS[format]}"
        entry = {"path": path, "step": snapshot.step, **_measured(data), "width": width, "height": height}
        extras.append(Extra(data, images.CONTENT_TYPES[format], entry))
    return extras


def animated(result: Result, picture: str, format: str) -> Extra | None:  # noqa: A002 - the manifest's word
    """A result's snapshots and then itself as an animation that loops; None where there are no snapshots.

    Args:
        result: what `stylecore.render` gave; it must hold pixels.
        picture: path of the result's picture in the output, `renders/NAME.png`.
        format: `webp` or `gif`.
    """
    if not result.snapshots:
        return None
    assert result.pixels is not None
    height, width = result.pixels.shape[:2]
    on_the_way = [snapshot.pixels for snapshot in result.snapshots if snapshot.step < result.steps]
    frames = [_frame(pixels, result.alpha, (width, height)) for pixels in (*on_the_way, result.pixels)]
    data = animation(frames, format)
    entry = {"path": f"{_stem(picture)}.{format}", **_measured(data), "frames": len(frames)}
    return Extra(data, CONTENT_TYPES[format], entry)


def animation(frames: Sequence[Image.Image], format: str) -> bytes:  # noqa: A002 - the manifest's word
    """Frames of one size as a looping animation; the same frames give the same bytes.

    Args:
        frames: RGB, at least one; the last one is shown longest.
        format: `webp` (lossy) or `gif` (256 colours a frame, dithered).
    """
    if format == "gif":
        frames = [frame.quantize(palette=frame.quantize(256), dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    durations = [FRAME] * (len(frames) - 1) + [LAST_FRAME]
    buffer = io.BytesIO()
    first, *others = frames
    first.save(
        buffer, format.upper(), save_all=True, append_images=others, duration=durations, loop=0, **_OPTIONS[format]
    )
    return buffer.getvalue()


def _stem(picture: str) -> str:
    return f"{FOLDER}{PurePosixPath(picture).stem}"


def _measured(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _scaled_alpha(alpha: NDArray[np.float32] | None, size: tuple[int, int]) -> NDArray[np.float32] | None:
    """The result's transparency at a snapshot's width and height: those of coarse scales are smaller."""
    if alpha is None or alpha.shape == size[::-1]:
        return alpha
    scaled = Image.fromarray(np.ascontiguousarray(alpha)).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(scaled, dtype=np.float32).clip(0, 1)


def _frame(pixels: NDArray[np.float32], alpha: NDArray[np.float32] | None, size: tuple[int, int]) -> Image.Image:
    """Pixels with 8 bits at a width and height; what is transparent shows white, as in a JPEG."""
    height, width = pixels.shape[:2]
    if (opacity := _scaled_alpha(alpha, (width, height))) is not None:
        pixels = pixels * opacity[:, :, None] + (1 - opacity[:, :, None])
    image = Image.fromarray(np.rint(pixels.clip(0, 1) * 255).astype(np.uint8))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
