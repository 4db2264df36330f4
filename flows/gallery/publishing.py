"""Copying a gallery with what it shows to another folder or bucket."""

from __future__ import annotations

from pathlib import Path

from flows.gallery.building import PAGE
from flows.store import Store

_CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".json": "application/json"}
_PICTURE_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".gif": "image/gif",
}


def publish(source: Store, target: Store) -> int:
    """Copy a gallery with what it shows to another place, its page last; returns the number of files written."""
    there = {entry.name: entry.size for part in _PARTS for entry in target.list(part)}
    names = [entry for part in _PARTS for entry in source.list(part) if entry.name != PAGE]
    written = 0
    for entry in names:
        # a render's name and a snapshot's hold its key, so equal names and sizes are equal pictures
        if not entry.name.startswith(("renders/", "snapshots/")) or there.get(entry.name) != entry.size:
            target.write(entry.name, source.read(entry.name), _type_of(entry.name))
            written += 1
    target.write(PAGE, source.read(PAGE), _CONTENT_TYPES[".html"])
    return written + 1


_PARTS = ("renders/", "snapshots/", "sheets/", "gallery/")


def _type_of(name: str) -> str:
    return (_CONTENT_TYPES | _PICTURE_TYPES).get(Path(name).suffix, "application/octet-stream")
