"""Draws the style pictures and masks that ship with the package: `python -m flows.samples.draw [DIR] [--only NAME]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from flows.samples import brush_strokes, contrived, pointillist, silhouettes, stained_glass, waves

CONTRIVED: dict[str, Callable[[], Image.Image]] = {
    "halves": contrived.halves,
    "checkers": contrived.checkers,
    "rainbow-circles": contrived.rainbow_circles,
    "lorem-ipsum": contrived.lorem_ipsum,
    "dark-circle": contrived.dark_circle,
    "mask-astronaut": silhouettes.figure,
    "mask-astronaut-ground": silhouettes.ground,
}
PAINTERLY: dict[str, Callable[[], Image.Image]] = {
    "brush-strokes": brush_strokes.draw,
    "pointillist": pointillist.draw,
    "waves": waves.draw,
    "stained-glass": stained_glass.draw,
}


def save(name: str, folder: Path) -> Path:
    """Draw one picture into a folder that exists: a contrived one as PNG, a painterly one as JPEG.

    Args:
        name: one of the names in `CONTRIVED` and `PAINTERLY`.
        folder: where to write; a picture of the same name there is replaced.

    Returns:
        The file written.
    """
    if name in CONTRIVED:
        target = folder / f"{name}.png"
        CONTRIVED[name]().save(target, optimize=True)
    else:
        target = folder / f"{name}.jpg"
        PAINTERLY[name]().save(target, quality=92, subsampling=0, optimize=True)
    return target


def main() -> None:
    """Draw all of them, or one, and name the files written."""
    known = [*CONTRIVED, *PAINTERLY]
    parser = argparse.ArgumentParser(
        prog="python -m flows.samples.draw", description="Draw the sample style pictures and masks."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent, metavar="DIR")
    parser.add_argument("--only", choices=known, metavar="NAME", help=f"one of {', '.join(known)}")
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    for name in [wanted.only] if wanted.only else known:
        sys.stdout.write(f"{save(name, wanted.folder)}\n")


if __name__ == "__main__":
    main()
