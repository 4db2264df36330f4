"""Rendering a picture again from what it carries, or from the receipt beside it. Both are treated as untrusted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import samples
from flows.inputs import SAMPLE, read_input
from flows.publish import carried as text_to_carry
from flows.receipts import read_receipt, receipt_name
from flows.sheets import last_run
from flows.store import StorageError, open_store
from stylecore import images, weights
from stylecore.errors import PictureError, SettingError, StylepressError, WeightsError
from stylecore.methods import METHODS
from stylecore.settings import Settings

_MOST_FILES = 50_000
_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff"}
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ReproduceError(StylepressError):
    """A picture cannot be rendered again: it carries nothing, or one of its inputs is not to be found."""

    kind = "reproduce"


@dataclass(frozen=True)
class Recipe:
    """What is needed to render a picture again.

    Attributes:
        key: the cell's key.
        cell: the cell as `keys.described` gives it.
        settings: its settings, checked.
        embed: what the picture carries about itself.
    """

    key: str
    cell: dict[str, Any]
    settings: Settings
    embed: str


def recipe_of(picture: Path) -> Recipe:
    """Read what a picture carries; where that is not everything, the receipt of the output it lies in.

    Raises:
        ReproduceError: neither tells how it was made.
        PictureError: it is no picture.
    """
    text = images.carried(picture)
    document = _mapping(text)
    embed = "full" if "cell" in document else "key" if document else "none"
    if embed != "full":
        found = _receipt_of(picture, str(document.get("key", "")))
        if found is None:
            raise ReproduceError(
                f"{picture} does not carry how it was made (embed: {embed}), and no receipt of it lies in "
                f"{picture.parent.parent / 'receipts'}"
            )
        document = found
    cell = document.get("cell")
    try:
        assert isinstance(cell, dict)
        settings = Settings(**cell["settings"])
        for part in ("content", "style", "init"):
            described = cell[part]
            assert described is None or _DIGEST.fullmatch(described["sha256"])
            assert described is None or isinstance(described["name"], str)
        assert cell["format"] in images.EXTENSIONS
        assert isinstance(cell["weights"]["digest"], str)
        assert isinstance(cell["method"]["version"], int)
    except (AssertionError, KeyError, TypeError, SettingError) as error:
        raise ReproduceError(f"what {picture} carries is no cell of this version of stylepress: {error}") from None
    return Recipe(str(document.get("key", "")), cell, settings, embed)


def _mapping(text: str | None) -> dict[str, Any]:
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _receipt_of(picture: Path, key: str) -> dict[str, Any] | None:
    """The receipt of a picture in `OUT/renders`, by key or by the picture's name and digest."""
    store = open_store(picture.absolute().parent.parent)
    if _DIGEST.fullmatch(key):
        return read_receipt(store, receipt_name(key))
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    for entry in store.list("receipts/"):
        receipt = read_receipt(store, entry.name)
        if receipt and receipt["picture"].get("sha256") == digest:
            return receipt
    return None


def render_again(recipe: Recipe, picture: Path, device: str) -> bytes:
    """Render a recipe and encode it as it was.

    Args:
        recipe: from `recipe_of`.
        picture: where the inputs are looked for: in the run it lies in, then below the current folder.
        device: such as `cpu`.

    Raises:
        ReproduceError: an input is not to be found, or the method has changed since.
        StylepressError: the render failed.
    """
    from stylecore.rendering import Cell, render

    version = METHODS[recipe.settings.method].version
    if recipe.cell["method"]["version"] != version:
        said = f"{recipe.settings.method} version {recipe.cell['method']['version']}"
        raise ReproduceError(f"{picture} was made by {said}; this stylepress has version {version}: install the other")
    pictures = {part: _find(recipe.cell[part], part, picture) for part in ("content", "style", "init")}
    settings = _with_weights(recipe, picture)
    cell = Cell(pictures["content"] or b"", (pictures["style"] or b"",), settings, pictures["init"])
    result = next(iter(render([cell], device=device)))
    if result.failure or result.pixels is None:
        raise result.failure or ReproduceError(f"{picture}: nothing was rendered")
    carried = text_to_carry(recipe.key, recipe.cell, recipe.embed)
    return images.encode(result.pixels, result.alpha, recipe.cell["format"], carried)


def _with_weights(recipe: Recipe, picture: Path) -> Settings:
    """The settings with an encoder file that exists here; its digest decides, not its folder."""
    encoder, digest = recipe.settings.encoder, recipe.cell["weights"]["digest"]
    if isinstance(encoder, str):
        if weights.resolve(encoder).digest != digest:
            raise WeightsError(f"{picture} was made with other weights of {encoder} than those on this machine")
        return recipe.settings
    folder = os.environ.get("STYLEPRESS_WEIGHTS")
    name = Path(encoder["weights"]).name
    places = [*([Path(folder)] if folder else []), weights.cache_folder(), *_folders(picture)]
    for path in (*(place / name for place in places), *_below(Path.cwd(), {Path(name).suffix})):
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            values = recipe.settings.to_dict() | {"encoder": {**encoder, "weights": str(path), "sha256": digest}}
            return Settings(**values)
    raise WeightsError(f"the weights {name} (sha256 {digest}) are not to be found: put them below the current folder")


def _find(described: dict[str, str] | None, part: str, picture: Path) -> bytes | None:
    """Bytes of an input, found by its digest."""
    if described is None:
        return None
    name, digest = described["name"], described["sha256"]
    for data in _candidates(name, picture):
        if hashlib.sha256(data).hexdigest() == digest:
            return data
    raise ReproduceError(
        f"the {part} picture {name!r} of {picture} is not to be found; a file with sha256 {digest} is needed "
        "below the current folder"
    )


def _candidates(name: str, picture: Path) -> Iterator[bytes]:
    """Files that may be the input: the sample, the run's own inputs, near the output, below the current folder."""
    if name.startswith(SAMPLE):
        with contextlib.suppress(PictureError):
            yield samples.path(name.removeprefix(SAMPLE)).read_bytes()
    else:
        yield from _of_the_run(name, picture)
        if not Path(name).is_absolute() and ".." not in Path(name).parts:
            yield from (path.read_bytes() for folder in _folders(picture) if (path := folder / name).is_file())
    yield from (path.read_bytes() for path in _below(Path.cwd(), _SUFFIXES))


def _of_the_run(name: str, picture: Path) -> Iterator[bytes]:
    output = picture.absolute().parent.parent
    run = last_run(open_store(output))
    root = str(run.get("inputs_root") or "")
    try:
        if root:
            yield read_input(name, open_store(root if root.startswith("s3://") else output / root))
    except (StorageError, FileNotFoundError):
        return


def _folders(picture: Path) -> Iterator[Path]:
    yield from picture.absolute().parents
    yield Path.cwd()


def _below(folder: Path, suffixes: set[str]) -> Iterator[Path]:
    """Regular files below a folder with one of some suffixes; a bounded number of them."""
    seen = 0
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            seen += 1
            if seen > _MOST_FILES:
                return
            path = Path(base, file)
            if path.suffix.lower() in suffixes and path.is_file():
                yield path


@dataclass(frozen=True)
class Comparison:
    """Two pictures side by side: equal or not, and by how much at most, in levels of 255."""

    same: bool
    largest: float


def compare(first: Path | bytes, second: Path | bytes) -> Comparison:
    """Compare two pictures pixel by pixel.

    Raises:
        PictureError: one of them cannot be read.
    """
    one, other = images.read(first), images.read(second)
    if one.pixels.shape != other.pixels.shape:
        return Comparison(False, 255.0)
    largest = float(abs(one.pixels - other.pixels).max()) * 255
    if (one.alpha is None) != (other.alpha is None):
        return Comparison(False, 255.0)
    if one.alpha is not None and other.alpha is not None:
        largest = max(largest, float(abs(one.alpha - other.alpha).max()) * 255)
    return Comparison(largest == 0, largest)
