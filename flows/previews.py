"""Small copies of the input pictures inside the output, so that sheets and gallery need nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flows.inputs import Input, read_input
from flows.plan import Item
from flows.store import Store, open_store
from stylecore import images
from stylecore.errors import StylepressError

LONGEST = 1024
"""Longest side of a preview in pixels; smaller pictures keep their size."""


def preview_name(digest: str) -> str:
    """Path of an input's preview in the output, by the digest of the input."""
    return f"gallery/inputs/{digest[:16]}.jpg"


def make(items: Iterable[Item], root: str, store: Store, log: Callable[[str], None]) -> None:
    """Write the previews that are not there yet; metadata of the originals is left behind.

    Args:
        items: cells whose pictures are wanted.
        root: where the pictures lie.
        store: the output.
        log: takes a line for each picture that cannot be shown.
    """
    wanted = {picture.digest: picture for item in items for picture in item.cell.pictures if not picture.fault}
    if not wanted:
        return
    there = {entry.name for entry in store.list("gallery/inputs/")}
    source = open_store(root)
    for picture in wanted.values():
        if preview_name(picture.digest) not in there:
            try:
                store.write(preview_name(picture.digest), _preview(picture, source), "image/jpeg")
            except FileNotFoundError:
                log(f"{picture.name} is gone; it has no preview")
            except StylepressError as error:
                if error.kind == "storage":
                    raise
                log(f"no preview: {error}")


def _preview(wanted: Input, source: Store) -> bytes:
    picture = images.read(read_input(wanted.name, source))
    fitted = images.fit(picture, min(LONGEST, max(picture.pixels.shape[:2])))
    return images.encode(fitted.pixels, fitted.alpha, "jpeg", None)
