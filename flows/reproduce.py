"""Rendering a picture again from what it carries, or from the receipt beside it. Both are treated as untrusted."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from flows.assembly import core_cell
from flows.devices import rest_while_waiting
from flows.publish import carried as text_to_carry
from flows.receipts import read_receipt, receipt_name
from flows.searching import below, candidates, folders, readable
from flows.store import open_store
from stylecore import images, weights
from stylecore.errors import RenderError, SettingError, StylepressError, WeightsError
from stylecore.methods import METHODS
from stylecore.settings import Settings
from stylecore.values import STARTS

_MOST_PARTS = 100  # of a blend
_DIGEST = r"[0-9a-f]{64}"


class ReproduceError(StylepressError):
    """A picture cannot be rendered again: it carries nothing, or one of its inputs is not to be found."""

    kind = "reproduce"


class _File(BaseModel):
    name: str
    sha256: Annotated[str, StringConstraints(pattern=f"^{_DIGEST}$")]


class _Content(_File):
    masks: list[_File] = Field(default_factory=list, max_length=_MOST_PARTS)
    content_mask: _File | None = None


class _Part(_File):
    weight: float = Field(ge=0, le=1)
    mask: _File | None = None


class _Style(_File):
    parts: list[_Part] = Field(default_factory=list, max_length=_MOST_PARTS)


class _Method(BaseModel):
    version: int


class _Weights(BaseModel):
    digest: str


class _Cell(BaseModel):
    """The parts of a described cell that are relied on here."""

    content: _Content | None
    style: _Style | None
    init: _File | None
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
    return checked(document, str(picture), embed)


def checked(document: dict[str, Any], name: str, embed: str = "none") -> Recipe:
    """The recipe in a receipt, or in what a picture carries, every part of it checked.

    Args:
        document: with `key` and `cell`.
        name: of the picture, for messages.
        embed: what the picture carries about itself.

    Raises:
        ReproduceError: it holds no cell of this version.
    """
    try:
        settings = _settings_of(document.get("cell"))
    except ValidationError as error:
        wrong = ".".join(map(str, error.errors()[0]["loc"])) or "cell"
        said = f"{wrong} is missing or of a wrong kind"
        raise ReproduceError(f"what {name} carries is no cell of this version of stylepress: {said}") from None
    except SettingError as error:
        raise ReproduceError(f"what {name} carries is no cell of this version of stylepress: {error}") from None
    return Recipe(str(document.get("key", "")), document["cell"], settings, embed)


def _settings_of(cell: Any) -> Settings:
    """The settings of a described cell, whose every part is checked."""
    checked = _Cell.model_validate(cell, strict=True)
    settings = Settings.resolve(checked.settings)
    needs = METHODS[settings.method]
    lacking = {
        "content": needs.needs_content and not checked.content,
        "style": needs.needs_style and not checked.style,
        "init": isinstance(settings.init, str) and settings.init not in STARTS and not checked.init,
        "format": checked.format not in images.EXTENSIONS,
    }
    for part in (part for part, lacks in lacking.items() if lacks):
        raise SettingError(part, f"it has no {part} that this version can use")
    masks, parts = checked.content.masks if checked.content else [], checked.style.parts if checked.style else []
    if masks and len(masks) != max(1, len(parts)):
        raise SettingError("masks", f"it has {len(masks)} masks for {max(1, len(parts))} styles")
    if parts and not any(part.weight for part in parts):
        raise SettingError("weight", "the weights of its styles sum to zero")
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
    from stylecore.rendering import render

    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
    version = METHODS[recipe.settings.method].version
    if recipe.cell["method"]["version"] != version:
        said = f"{recipe.settings.method} version {recipe.cell['method']['version']}"
        raise ReproduceError(f"{picture} was made by {said}; this stylepress has version {version}: install the other")
    cell = core_cell(recipe.cell, recipe.settings, lambda what, described: find(described, what, picture))
    cell = replace(cell, settings=with_weights(recipe, picture))
    result = next(iter(render([cell], device=device)))
    if result.failure or result.pixels is None:
        raise result.failure or RenderError("no-picture", f"{picture}: nothing was rendered")
    carried = text_to_carry(recipe.key, recipe.cell, recipe.embed)
    return images.encode(result.pixels, result.alpha, recipe.cell["format"], carried)


def with_weights(recipe: Recipe, picture: Path) -> Settings:
    """The settings with an encoder file that exists here; its digest decides, not its folder.

    Raises:
        WeightsError: other weights than the picture's are here, or none.
    """
    encoder, digest = recipe.settings.encoder, recipe.cell["weights"]["digest"]
    if isinstance(encoder, str):
        if weights.resolve(encoder).digest != digest:
            raise WeightsError(f"{picture} was made with other weights of {encoder} than those on this machine")
        return recipe.settings
    folder = os.environ.get("STYLEPRESS_WEIGHTS")
    name = Path(encoder["weights"]).name
    places = [*([Path(folder)] if folder else []), weights.cache_folder(), *folders(picture)]
    for path, data in readable((*(place / name for place in places), *below(Path.cwd(), {Path(name).suffix}))):
        if hashlib.sha256(data).hexdigest() == digest:
            values = recipe.settings.to_dict() | {"encoder": {**encoder, "weights": str(path), "sha256": digest}}
            return Settings(**values)
    raise WeightsError(f"the weights {name} (sha256 {digest}) are not to be found: put them below the current folder")


def find(described: dict[str, Any], what: str, picture: Path) -> bytes:
    """Bytes of a file that a picture was made of, found by its digest.

    Args:
        described: its name and sha256.
        what: it is: `content`, `style`, `init` or `mask`; for the message.
        picture: where it is looked for: in the run it lies in, then below the current folder.

    Raises:
        ReproduceError: it is not to be found.
    """
    name, digest = described["name"], described["sha256"]
    for data in candidates(name, picture):
        if hashlib.sha256(data).hexdigest() == digest:
            return data
    raise ReproduceError(
        f"the {what} picture {name!r} of {picture} is not to be found; a file with sha256 {digest} is needed "
        "below the current folder"
    )


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
