"""What a picture carries besides its pixels: its orientation, and the JSON that stylepress put there."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.sax.saxutils import escape, unescape

from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngInfo

from stylecore.errors import PictureError

MAX_TEXT_BYTES = 2**20

_KEYWORD = "stylepress"
_XMP_TAG = 700
# The longest XMP in a JPEG's APP1 segment: 65,535 less the length field and the namespace that opens it
# (XMP specification, part 3, section 1.1.3).
_MAX_JPEG_XMP = 65_535 - 2 - len(b"http://ns.adobe.com/xap/1.0/\0")
_OPEN, _CLOSE = b"<stylepress:json>", b"</stylepress:json>"
_XMP_HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:stylepress="urn:stylepress:1">'
).encode()
_XMP_TAIL = b'</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'


def orientation(image: ImageFile, stream: BinaryIO) -> int:
    """A picture's EXIF orientation, 1 to 8, read without decoding; 1 where there is none or it cannot be understood.

    Of a TIFF it is always 1: Pillow turns TIFFs itself.
    """
    if image.format == "TIFF":
        return 1
    if image.format == "PNG" and "exif" not in image.info:
        # The chunk may stand behind the pixels (PNG specification, section 5.6).
        image.info["exif"] = next((data for kind, data in png_chunks(stream) if kind == b"eXIf"), b"")
    try:
        # Not image.getexif(): that of a PNG decodes the pixels.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF raises anything, and a picture is whole without it
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def save_options(format: str, text: str | None) -> dict[str, Any]:  # noqa: A002 - the word for it
    """Arguments to Pillow's `save` that store a JSON text: PNG iTXt `stylepress`, XMP `stylepress:json` elsewhere.

    Raises:
        PictureError: the text is longer than 1 MiB, or than a JPEG can hold.
    """
    if text is None:
        return {}
    data = text.encode()
    if len(data) > MAX_TEXT_BYTES:
        raise PictureError(f"the metadata to embed has {len(data):,} bytes; expected at most {MAX_TEXT_BYTES:,}")
    if format == "png":
        info = PngInfo()
        info.add_itxt(_KEYWORD, text)
        return {"pnginfo": info}
    packet = _XMP_HEAD + _OPEN + escape(text).encode() + _CLOSE + _XMP_TAIL
    if format == "jpeg" and len(packet) > _MAX_JPEG_XMP:
        raise PictureError(
            f"the metadata to embed takes {len(packet):,} bytes and a JPEG holds at most {_MAX_JPEG_XMP:,}: "
            "write PNG, WebP or TIFF, or embed less"
        )
    return {"tiffinfo": {_XMP_TAG: packet}} if format == "tiff" else {"xmp": packet}


def stored_text(image: ImageFile, stream: BinaryIO) -> str | None:
    """Find the JSON text that `save_options` stored; None where there is none, or more than 1 MiB of it."""
    if image.format == "PNG":
        texts = (_international_text(data) for kind, data in png_chunks(stream) if kind == b"iTXt")
        data = next((text for text in texts if text is not None), None)
        return None if data is None else data.decode(errors="replace")
    packet = image.info.get("xmp") or getattr(image, "tag_v2", {}).get(_XMP_TAG)
    if not isinstance(packet, bytes):
        return None
    _, _, rest = packet.partition(_OPEN)
    end = rest.find(_CLOSE)
    if not 0 <= end <= 5 * MAX_TEXT_BYTES:  # "&" is escaped as five bytes
        return None
    return unescape(rest[:end].decode(errors="replace"))


def png_chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Walk over a PNG's chunks, the pixels and those much above 1 MiB left out; ends quietly where the file does.

    Yields:
        Each chunk's type and data; check sums are not looked at.
    """
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        if kind in (b"IDAT", b"fdAT") or length > MAX_TEXT_BYTES + 1024:
            stream.seek(length + 4, os.SEEK_CUR)
            continue
        data = stream.read(length)
        stream.seek(4, os.SEEK_CUR)
        yield kind, data


def _international_text(data: bytes) -> bytes | None:
    """The text of an uncompressed iTXt chunk with our keyword (PNG specification, section 11.3.3.4)."""
    keyword, _, rest = data.partition(b"\0")
    if keyword != _KEYWORD.encode() or not rest.startswith(b"\0\0"):
        return None
    _language, _, rest = rest[2:].partition(b"\0")
    _translated, _, text = rest.partition(b"\0")
    return text
