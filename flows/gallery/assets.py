"""The gallery's scripts, styles and viewer, under names that change with their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
VIEWER = ("photoswipe.umd.min.js", "photoswipe-lightbox.umd.min.js", "photoswipe.css")
"""Files of PhotoSwipe, which builds of the package put into `photoswipe/` where they can."""
_LICENSE = "LICENSE"


def files() -> dict[str, bytes]:
    """Static files by their plain name; the viewer's are among them only if all of them are there."""
    found = {path.name: path.read_bytes() for path in sorted((FOLDER / "static").iterdir()) if path.is_file()}
    return found | dict(_viewer())


def _viewer() -> Iterator[tuple[str, bytes]]:
    home = FOLDER / "photoswipe"
    if all((home / name).is_file() for name in (*VIEWER, _LICENSE)):
        yield from ((name, (home / name).read_bytes()) for name in VIEWER)
        yield "photoswipe-license.txt", (home / _LICENSE).read_bytes()


def hashed(name: str, data: bytes) -> str:
    """A file's name with the beginning of its digest before the ending: `wall.js` is `wall.0123456789ab.js`."""
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(data).hexdigest()[:12]}.{ending}"
