"""Small copies of the input pictures inside the output, so that sheets and gallery need nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from flows.pictures import Input, Part, read_input
from flows.store import Store, open_store
from stylecore import images
from stylecore.errors import StylepressError
from stylecore.images import Picture

LONGEST = 1024
"""Longest side of a preview in pixels; smaller pictures keep their size."""
_GAP = 8  # pixels of white between the parts of a blend
_FAINT = np.float32(0.15)  # of what a mask leaves out


def preview_name(digest: str) -> str:
    """Path of an input's preview in the output, by the digest of the input."""
    return f"gallery/inputs/{digest[:16]}.jpg"


def make(
    pictures: Iterable[Input], root: str, store: Store, log: Callable[[str], None], should_stop: Callable[[], bool]
) -> None:
    """Write the previews that are not there yet; metadata of the originals is left behind.

    Args:
        pictures: the inputs.
        root: where the pictures lie.
        store: the output.
        log: takes a line for each picture that cannot be shown.
        should_stop: asked before each preview; when true, the rest is left to the next run.
    """
    wanted = {picture.digest: picture for picture in pictures if not any(file.fault for file in picture.pictures)}
    if not wanted:
        return
    there = {entry.name for entry in store.list("gallery/inputs/")}
    source = open_store(root)
    for picture in wanted.values():
        if should_stop():
            return
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
    """A picture, or the parts of a blend side by side; what a mask leaves out of a part is faint."""
    shown = [_part(part, source) for part in wanted.parts] or [images.read(read_input(wanted.name, source))]
    whole = shown[0] if len(shown) == 1 else _side_by_side(shown)
    fitted = images.fit(whole, min(LONGEST, max(whole.pixels.shape[:2])))
    return images.encode(fitted.pixels, fitted.alpha, "jpeg", None)


def _part(part: Part, source: Store) -> Picture:
    picture = images.read(read_input(part.picture.name, source))
    if part.mask is None:
        return picture
    height, width = picture.pixels.shape[:2]
    taken = images.fill(images.read(read_input(part.mask.name, source)), width, height).pixels.mean(axis=2)
    opaque = np.float32(1) if picture.alpha is None else picture.alpha
    return replace(picture, alpha=opaque * (_FAINT + (1 - _FAINT) * taken))


def _side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Pictures in a row on white, scaled to the lowest of them."""
    height = min(LONGEST // 2, *(picture.pixels.shape[0] for picture in pictures))
    row = []
    for picture in pictures:
        width = max(1, round(picture.pixels.shape[1] * height / picture.pixels.shape[0]))
        scaled = images.fill(picture, width, height)
        opaque = 1 if scaled.alpha is None else scaled.alpha[:, :, None]
        row += [np.ones((height, _GAP, 3), np.float32), scaled.pixels * opaque + (1 - opaque)]
    return Picture(np.concatenate(row[1:], axis=1), None, "")
