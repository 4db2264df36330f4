"""A folder to start from: a commented manifest and a few of the pictures that ship."""

from __future__ import annotations

from pathlib import Path

from flows import samples
from flows.store import open_store
from stylecore.errors import StylepressError

_PICTURES = {"photos": ("astronaut", "cat"), "styles": ("brush-strokes", "waves")}


def create(folder: Path) -> Path:
    """Write the starter files into a folder and return the manifest's path.

    Raises:
        StylepressError: a file of that name is there already; nothing is overwritten.
        StorageError: the folder cannot be written.
    """
    files = {"manifest.yaml": (Path(__file__).parent / "templates" / "starter.yaml").read_bytes()}
    for place, names in _PICTURES.items():
        for path in map(samples.path, names):
            files[f"{place}/{path.name}"] = path.read_bytes()
    store = open_store(folder)
    taken = [name for name in files if store.stat(name)]
    if taken:
        raise StylepressError(f"{folder} has {taken[0]} already; name an empty or a new folder, nothing is overwritten")
    for name, data in files.items():
        store.write(name, data, "application/octet-stream")
    return folder / "manifest.yaml"
