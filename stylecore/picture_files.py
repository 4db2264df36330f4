"""Files and bytes opened as pictures: their content decides what they are, and what is no picture is refused."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from stylecore.errors import PictureError

MAX_PIXELS = 500_000_000
MAX_BYTES = 4 * 2**30  # an uncompressed TIFF of 500 megapixels with four 16-bit channels

# Image.open() is not used: its own limit on pixels is a global setting, and a warning below 179 megapixels.
_DECODERS: dict[str, type[ImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "tiff": TiffImageFile,
}
_EXPECTED = "expected a JPEG, PNG, WebP or TIFF picture"
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_FOREIGN = {b"GIF8": "GIF", b"BM": "BMP", b"%PDF": "PDF", b"8BPS": "Photoshop", b"<svg": "SVG", b"<?xml": "XML"}


@contextmanager
def opened(source: Path | bytes) -> Iterator[tuple[BinaryIO, str]]:
    """Open a regular file, or bytes, for reading; nothing but a regular file is ever opened.

    Yields:
        The stream, and the name by which messages call the picture: the path as it was given.

    Raises:
        PictureError: there is no such file, it may not be read, it is no regular file, or it is larger than 4 GiB.
    """
    if isinstance(source, bytes):
        yield io.BytesIO(source), "the picture"
        return
    name = str(source)
    try:
        status = source.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
            raise PictureError(f"{name}: is {kind}; {_EXPECTED}")
        if status.st_size > MAX_BYTES:
            raise PictureError(f"{name}: has {status.st_size:,} bytes; expected a picture of at most {MAX_BYTES:,}")
        stream = source.open("rb")
    except FileNotFoundError as error:
        raise PictureError(f"{name}: does not exist; {_EXPECTED}") from error
    except (OSError, ValueError) as error:  # ValueError: the name contains a NUL
        raise PictureError(f"{name}: cannot be read ({_reason(error)}); {_EXPECTED}") from error
    with stream:
        yield stream, name


def format_of(stream: BinaryIO, name: str) -> str:
    """Tell a picture's format, `jpeg`, `png`, `webp` or `tiff`, from its first bytes; the stream is left at its start.

    Raises:
        PictureError: the file is empty or in no format that can be read.
    """
    try:
        head = stream.read(16)
        stream.seek(0)
    except OSError as error:
        raise PictureError(f"{name}: cannot be read ({_reason(error)}); {_EXPECTED}") from error
    if not head:
        raise PictureError(f"{name}: is empty; {_EXPECTED}")
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):  # the last two: BigTIFF
        return "tiff"
    foreign = next((kind for magic, kind in _FOREIGN.items() if head.startswith(magic)), None)
    if head[4:8] == b"ftyp":
        foreign = "HEIC, AVIF or video"
    found = f"is a {foreign} file" if foreign else "is not a picture that can be read"
    raise PictureError(f"{name}: {found}; {_EXPECTED}")


def open_image(stream: BinaryIO, name: str) -> ImageFile:
    """Open a picture's header; its pixels are decoded when they are asked for.

    Raises:
        PictureError: the stream is no picture, its header is damaged, or it promises more than 500 megapixels.
    """
    kind = format_of(stream, name)
    with decoding(name):
        image = _DECODERS[kind](stream)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name}: has {width} × {height} pixels; expected at most {MAX_PIXELS // 10**6} megapixels: scale it down"
        )
    return image


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises on damaged bytes into a `PictureError` that names the picture."""
    try:
        yield
    except PictureError:
        raise
    except Exception as error:
        raise PictureError(
            f"{name}: cannot be decoded ({_reason(error)}); it may be cut short or damaged: expected an intact picture"
        ) from error


def _reason(error: Exception) -> str:
    """An error's own words without the path that the system adds to them."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
