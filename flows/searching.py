"""Where the files of a received picture may lie: in its run, beside it, below the current folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from flows import samples
from flows.output import runs
from flows.pictures import SAMPLE, read_input
from flows.store import open_store
from stylecore.errors import PictureError, StylepressError

_MOST_FILES = 50_000
_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff"}


def candidates(name: str, picture: Path) -> Iterator[bytes]:
    """Files that may be the input, the likeliest first; only their digest tells, and the name may be nonsense."""
    if name.startswith(SAMPLE):
        with contextlib.suppress(PictureError):
            yield samples.path(name.removeprefix(SAMPLE)).read_bytes()
    output = picture.absolute().parent.parent
    roots = list(dict.fromkeys(str(run.get("inputs_root") or "") for run in runs(open_store(output))))
    places = [root if root.startswith("s3://") else output / root for root in roots if root]
    for place in places:
        with contextlib.suppress(StylepressError, FileNotFoundError):
            yield read_input(name, open_store(place))
    if not Path(name).is_absolute() and ".." not in Path(name).parts:
        yield from (data for _, data in readable(folder / name for folder in folders(picture)))
    for place in (*places, Path.cwd()):
        if isinstance(place, Path):
            yield from (data for _, data in readable(below(place, _SUFFIXES)))


def folders(picture: Path) -> Iterator[Path]:
    """The folders that a picture lies in, from the nearest up, and the current one."""
    yield from picture.absolute().parents
    yield Path.cwd()


def readable(paths: Iterable[Path]) -> Iterator[tuple[Path, bytes]]:
    """Those of some paths that are regular files, with their bytes; names may be nonsense."""
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            if path.is_file():
                yield path, path.read_bytes()


def below(folder: Path, suffixes: set[str]) -> Iterator[Path]:
    """Files below a folder with one of some suffixes; a bounded number of them."""
    seen = 0
    for base, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for file in sorted(files):
            seen += 1
            if seen > _MOST_FILES:
                return
            if Path(file).suffix.lower() in suffixes:
                yield Path(base, file)
