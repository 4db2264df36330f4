"""What a gallery says of a picture once it is opened, read again from its receipt: settings, curve, manifest."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from PIL import Image

from flows.gallery import recipes, records
from flows.gallery.plain import text
from flows.gallery.records import Record
from flows.previews import preview_name
from flows.receipts import read_receipt, receipt_name, side_by_side
from flows.store import Store

PER_FILE = 25
_READERS = 16
_AHEAD = 400  # receipts that are read and held at a time


class Previews:
    """The small copies of inputs that an output holds."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._sizes: dict[str, tuple[int, int] | None] = {}

    @cached_property
    def names(self) -> set[str]:
        """Their paths in the output."""
        return {entry.name for entry in self.store.list("gallery/inputs/")}

    def size(self, name: str) -> tuple[int, int] | None:
        """Width and height of one; None where it is not there or is no picture."""
        if name not in self._sizes:
            self._sizes[name] = self._measured(name) if name in self.names else None
        return self._sizes[name]

    def _measured(self, name: str) -> tuple[int, int] | None:
        try:
            with Image.open(io.BytesIO(self.store.read(name)), formats=["JPEG"]) as picture:
                return picture.size
        except (OSError, ValueError, Image.DecompressionBombError):
            return None


def chunks(shown: Sequence[Record], previews: dict[str, Previews], title: str) -> Iterator[list[dict[str, Any]]]:
    """Details of all pictures, so many at a time.

    Args:
        shown: the pictures.
        previews: of each source's inputs, by its folder.
        title: of the gallery, for manifests.

    Raises:
        StorageError: the receipts cannot be read.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(shown), _AHEAD):
            ahead = shown[start : start + _AHEAD]
            found = [of(*pair, previews, title) for pair in zip(ahead, side_by_side(pool, _whole, ahead), strict=True)]
            yield from (found[first : first + PER_FILE] for first in range(0, len(found), PER_FILE))


def _whole(record: Record) -> dict[str, Any]:
    """A picture's receipt with its curve; the one that is known where it is gone meanwhile."""
    return read_receipt(record.source.store, receipt_name(record.shown.key)) or record.receipt


def of(record: Record, receipt: dict[str, Any], previews: dict[str, Previews], title: str) -> dict[str, Any]:
    """Details of one picture; `receipt` is its whole one."""
    cell = receipt["cell"]
    there = previews[record.source.folder]
    content, style = (_input(cell.get(kind), there) for kind in ("content", "style"))
    return {
        "key": record.shown.key,
        "settings": cell["settings"],
        "labels": cell.get("labels", {}),
        "content": content,
        "styles": [style] if style else [],
        "inputs": {kind: recipes.entry(cell.get(kind)) for kind in ("content", "style")},
        "format": text(cell.get("format")),
        **records.outcome(receipt),
        "curve": records.curve(receipt),
        "environment": environment(receipt),
        "manifest": recipes.manifest(title, receipt),
        **records.extras(record),
    }


def environment(receipt: dict[str, Any]) -> dict[str, Any]:
    """Where a picture was made."""
    said = receipt.get("environment")
    return said if isinstance(said, dict) else {}


def _input(picture: Any, previews: Previews) -> dict[str, Any] | None:
    if not isinstance(picture, dict):
        return None
    name = preview_name(text(picture.get("sha256")))
    size = previews.size(name)
    return {
        "label": str(picture.get("label") or picture.get("name") or ""),
        "preview": name.removeprefix("gallery/") if size else None,
        "w": size[0] if size else None,
        "h": size[1] if size else None,
    }
