"""The font that a sheet asks for: a file among the inputs, or one that is installed."""

from __future__ import annotations

from flows.store import open_store
from stylecore.errors import StylepressError

_LARGEST = 60_000_000  # bytes; fonts of all Chinese, Japanese and Korean have 20 million


def read_font(name: str, root: str) -> bytes:
    """A font's bytes.

    Args:
        name: path below the root, or the file name of an installed font; empty for the shipped one.
        root: where the inputs lie; empty where that is not known.

    Returns:
        What is in the file; nothing where no font is named.

    Raises:
        StylepressError: there is no such font, or it cannot be drawn in any size.
        StorageError: the inputs cannot be reached.
    """
    from flows.contact_sheet import installed_font, is_font

    if not name:
        return b""
    try:
        data = open_store(root).read(name) if root else b""
    except FileNotFoundError:
        data = b""
    try:
        data = data or installed_font(name.rsplit("/", 1)[-1])
    except FileNotFoundError:
        said = "is neither below inputs.root nor installed here; expected the path or name of a font file"
        raise StylepressError(f"font: {name} {said}") from None
    if len(data) > _LARGEST or not is_font(data):
        raise StylepressError(f"font: {name} is no TrueType or OpenType font that can be drawn in any size")
    return data
