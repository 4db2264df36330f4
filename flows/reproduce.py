"""Rendering a picture again from what it carries, or from the receipt beside it. Both are treated as untrusted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints, ValidationError

from flows import samples
from flows.devices import rest_while_waiting
from flows.inputs import SAMPLE, STARTS, read_input
from flows.output import runs
from flows.publish import carried as text_to_carry
from flows.receipts import read_receipt, receipt_name
from flows.store import open_store
from stylecore import images, weights
from stylecore.errors import PictureError, RenderError, SettingError, StylepressError, WeightsError
from stylecore.methods import METHODS
from stylecore.settings import Settings

_MOST_FILES = 50_000
_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff"}
_DIGEST = r"[0-9a-f]{64}"


class ReproduceError(StylepressError):
    """A picture cannot be rendered again: it carries nothing, or one of its inputs is not to be found."""

    kind = "reproduce"


class _Input(BaseModel):
    name: str
    sha256: Annotated[str, StringConstraints(pattern=f"^{_DIGEST}$")]


class _Method(BaseModel):
    version: int


class _Weights(BaseModel):
    digest: str


class _Cell(BaseModel):
    """The parts of a described cell that are relied on here."""

    content: _Input | None
    style: _Input | None
    init: _Input | None
    settings: dict[str, Any]
    method: _Method
    weights: _Weights
    format: str


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
    try:
        settings = _settings_of(document.get("cell"))
    except ValidationError as error:
        wrong = ".".join(map(str, error.errors()[0]["loc"])) or "cell"
        said = f"{wrong} is missing or of a wrong kind"
        raise ReproduceError(f"what {picture} carries is no cell of this version of stylepress: {said}") from None
    except SettingError as error:
        raise ReproduceError(f"what {picture} carries is no cell of this version of stylepress: {error}") from None
    return Recipe(str(document.get("key", "")), document["cell"], settings, embed)


def _settings_of(cell: Any) -> Settings:
    """The settings of a described cell, whose every part is checked."""
    checked = _Cell.model_validate(cell, strict=True)
    settings = Settings.resolve(checked.settings)
    needs = METHODS[settings.method]
    lacking = {
        "content": needs.needs_content and not checked.content,
        "style": needs.needs_style and not checked.style,
        "init": settings.init not in STARTS and not checked.init,
        "format": checked.format not in images.EXTENSIONS,
    }
    for part in (part for part, lacks in lacking.items() if lacks):
        raise SettingError(part, f"it has no {part} that this version can use")
    return settings


def _mapping(text: str | None) -> dict[str, Any]:
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _receipt_of(picture: Path, key: str) -> dict[str, Any] | None:
    """The receipt of a picture in `OUT/renders`, by key or by the picture's name and digest."""
    store = open_store(picture.absolute().parent.parent)
    if re.fullmatch(_DIGEST, key):
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
        device: `cpu`, `cuda:N`, or `auto` for the first GPU, if there is one.

    Raises:
        ReproduceError: an input is not to be found, or the method has changed since.
        StylepressError: the render failed.
    """
    import torch

    rest_while_waiting()
    from stylecore.rendering import Cell, render

    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
    version = METHODS[recipe.settings.method].version
    if recipe.cell["method"]["version"] != version:
        said = f"{recipe.settings.method} version {recipe.cell['method']['version']}"
        raise ReproduceError(f"{picture} was made by {said}; this stylepress has version {version}: install the other")
    pictures = {part: _find(recipe.cell[part], part, picture) for part in ("content", "style", "init")}
    settings = _with_weights(recipe, picture)
    cell = Cell(pictures["content"] or b"", (pictures["style"] or b"",), settings, pictures["init"])
    result = next(iter(render([cell], device=device)))
    if result.failure or result.pixels is None:
        raise result.failure or RenderError("no-picture", f"{picture}: nothing was rendered")
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
    for path, data in _readable((*(place / name for place in places), *_below(Path.cwd(), {Path(name).suffix}))):
        if hashlib.sha256(data).hexdigest() == digest:
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
    """Files that may be the input, the likeliest first; only their digest tells."""
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
        yield from (data for _, data in _readable(folder / name for folder in _folders(picture)))
    for place in (*places, Path.cwd()):
        if isinstance(place, Path):
            yield from (data for _, data in _readable(_below(place, _SUFFIXES)))


def _folders(picture: Path) -> Iterator[Path]:
    yield from picture.absolute().parents
    yield Path.cwd()


def _readable(paths: Iterable[Path]) -> Iterator[tuple[Path, bytes]]:
    """Those of some paths that are regular files, with their bytes; names may be nonsense."""
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            if path.is_file():
                yield path, path.read_bytes()


def _below(folder: Path, suffixes: set[str]) -> Iterator[Path]:
    """Files below a folder with one of some suffixes; a bounded number of them."""
    seen = 0
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            seen += 1
            if seen > _MOST_FILES:
                return
            if Path(file).suffix.lower() in suffixes:
                yield Path(base, file)


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
