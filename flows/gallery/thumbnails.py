"""Thumbnails of published pictures: WebP, named by the picture's digest, made where they are not there yet."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageFile

from flows.gallery.records import ALTERED, GONE, Record
from flows.receipts import side_by_side
from flows.store import Store

FOLDER = "gallery/thumbs/"
IMMUTABLE = "public, max-age=31536000, immutable"
"""What servers say of files whose names change with their bytes."""
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
_QUALITY, _EFFORT = 80, 2  # effort 4 takes twice as long for files that are 4 % smaller
_LARGE = 16_000_000  # pixels from which pictures are opened one at a time: they take 100 MB and more
_READERS = 16  # of a bucket
_one_large = threading.Lock()


def names(record: Record) -> list[str]:
    """Paths of a picture's thumbnails below the site."""
    return [f"{FOLDER}{record.thumb}-{width}.webp" for width in record.widths]


def make(wanted: Iterable[Record], target: Store, there: Mapping[str, int]) -> dict[str, str]:
    """Make the thumbnails that are not there yet, on all cores.

    Args:
        wanted: the pictures.
        target: where the gallery lies.
        there: sizes in bytes of what lies in its folder for thumbnails, by path; an empty file is made again.

    Returns:
        What is wrong with pictures of which none could be made, by their key.

    Raises:
        StorageError: a picture cannot be read, or a thumbnail not be written.
    """
    missing = [record for record in wanted if not all(there.get(name) for name in names(record))]
    once = list({record.sha256: record for record in missing}.values())
    remote = any("://" in store.url for store in (target, *(record.source.store for record in once)))
    with ThreadPoolExecutor(_READERS if remote else _cores(), "thumbnails") as pool:  # Pillow's work holds no lock
        answers = side_by_side(pool, lambda record: _make(record, target, there), once, 4)
        found = {record.sha256: wrong for record, wrong in zip(once, answers, strict=True) if wrong}
    return {record.shown.key: found[record.sha256] for record in missing if record.sha256 in found}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _make(record: Record, target: Store, there: Mapping[str, int]) -> str:
    """Make one picture's thumbnails; returns what is wrong with it."""
    try:
        data = record.source.store.read(record.path)
    except FileNotFoundError:
        return GONE
    if hashlib.sha256(data).hexdigest() != record.sha256:
        return ALTERED  # under this digest, its thumbnail would stay for ever
    wanted = {width: name for width, name in zip(record.widths, names(record), strict=True) if not there.get(name)}
    try:
        small = encoded(data, list(wanted))
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
        return f"the picture cannot be decoded ({type(error).__name__}); it is shown as a link"
    for width, name in wanted.items():
        target.write(name, small[width], "image/webp", caching=IMMUTABLE, lasting=False)
    return ""


def encoded(data: bytes, widths: list[int]) -> dict[int, bytes]:
    """A picture as WebP files of some widths in pixels, none larger than the picture, without its metadata.

    Raises:
        OSError, ValueError, SyntaxError: it cannot be decoded.
    """
    with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
        if opened.width * opened.height < _LARGE:
            return _encoded(opened, widths)
        with _one_large:
            return _encoded(opened, widths)


def _encoded(opened: ImageFile.ImageFile, widths: list[int]) -> dict[int, bytes]:
    height_of = {width: max(1, round(opened.height * width / opened.width)) for width in widths}
    largest = max(widths)
    opened.draft(None, (largest, height_of[largest]))  # a JPEG is decoded smaller at once
    picture = opened.convert("RGBA" if "A" in opened.getbands() or "transparency" in opened.info else "RGB")
    files = {}
    for width in sorted(widths, reverse=True):  # each from the one before it: they are halves
        if picture.width != width:
            picture = picture.resize((width, height_of[width]), Image.Resampling.LANCZOS, reducing_gap=3.0)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=_QUALITY, method=_EFFORT, exif=b"", icc_profile=None)
        files[width] = buffer.getvalue()
    return files
