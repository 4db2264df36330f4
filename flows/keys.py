"""A cell's key: one digest of everything that decides its pixels, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flows.cells import Cell
from flows.inputs import beside
from flows.pictures import Input
from flows.store import open_store
from stylecore import weights
from stylecore.errors import WeightsError
from stylecore.methods import METHODS
from stylecore.values import STARTS
from stylecore.weights import WeightsSource

SCHEMA = 1
"""Version of the form below; raised by hand only when keys must change for every cell."""
CONSTANT = ("preset", "encoder", "method")
"""Settings that are no facts as they are written: what they stand for is."""


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, ASCII, no NaN (RFC 8785 in spirit)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def described(cell: Cell, source: WeightsSource, format: str) -> dict[str, Any]:  # noqa: A002 - the manifest's word
    """A cell as receipts and pictures carry it: every setting, names and digests of its pictures; no folders."""
    settings = cell.settings.to_dict()
    if isinstance(settings["encoder"], dict):
        settings["encoder"] = {
            **settings["encoder"],
            "weights": source.name.removeprefix("file:"),
            "sha256": source.digest,
        }
    return {
        "content": described_input(cell.content),
        "style": described_input(cell.style),
        "init": described_input(cell.init),
        "settings": settings,
        "labels": cell.labels,
        "method": {"name": cell.settings.method, "version": METHODS[cell.settings.method].version},
        "weights": {"architecture": source.architecture, "input": source.input, "digest": source.digest},
        "format": format,
    }


def described_input(picture: Input | None) -> dict[str, Any] | None:
    """A picture as described cells have it: name, label, digest, and those of its parts and masks."""
    if picture is None:
        return None
    told: dict[str, Any] = {"name": picture.name, "label": picture.label, "sha256": picture.digest}
    if picture.parts:
        told["parts"] = [
            {**(described_input(part.picture) or {}), "weight": share, **_masked(mask=part.mask)}
            for part, share in zip(picture.parts, picture.shares, strict=True)
        ]
    if picture.masks:
        told["masks"] = [_stencil(mask) for mask in picture.masks]
    return told | _masked(content_mask=picture.content_mask)


def _masked(**masks: Input | None) -> dict[str, dict[str, str]]:
    return {name: _stencil(mask) for name, mask in masks.items() if mask}


def _stencil(mask: Input) -> dict[str, str]:
    return {"name": mask.name, "sha256": mask.digest}


def facts(cell: dict[str, Any]) -> dict[str, Any]:
    """What decides the pixels of a described cell, by the name of the setting or input.

    Names, labels and paths are not among it: a picture counts by its bytes, weights by their digest.
    """
    settings = {name: value for name, value in cell["settings"].items() if name not in CONSTANT}
    if isinstance(settings["init"], str) and settings["init"] not in STARTS:
        settings["init"] = "picture"
    return {
        **settings,
        "content": picture_facts("content", cell["content"]),
        "style": picture_facts("style", cell["style"]),
        "init picture": picture_facts("init picture", cell["init"]),
        "method": [cell["method"]["name"], cell["method"]["version"]],
        "encoder": cell["weights"],
        "format": cell["format"],
    }


def picture_facts(name: str, picture: dict[str, Any] | None) -> Any:
    """What counts of a described picture: of a `content`, of a `style`, or of an `init picture`, its digest."""
    if name == "init picture":
        return picture["sha256"] if picture else None
    return _content_facts(picture) if name == "content" else _style_facts(picture)


def _content_facts(content: dict[str, Any] | None) -> Any:
    """A picture's digest; with masks a mapping of all digests."""
    if not content:
        return None
    masks = [mask["sha256"] for mask in content.get("masks") or ()]
    counts = content["content_mask"]["sha256"] if content.get("content_mask") else None
    return (
        {"sha256": content["sha256"], "masks": masks, "content_mask": counts} if masks or counts else content["sha256"]
    )


def _style_facts(style: dict[str, Any] | None) -> Any:
    """A picture's digest; of a blend the digests and shares of its parts."""
    if not style:
        return None
    parts = style.get("parts") or ()
    return [
        {"sha256": part["sha256"], "weight": part["weight"], "mask": part["mask"]["sha256"] if "mask" in part else None}
        for part in parts
    ] or style["sha256"]


def key_of(cell: dict[str, Any]) -> str:
    """Key of a described cell: sha256 in hexadecimal over the canonical JSON of its `facts`."""
    return hashlib.sha256(canonical({"schema": SCHEMA, **facts(cell)})).hexdigest()


@dataclass(frozen=True)
class Encoders:
    """Finds the weights that cells name; relative files lie beside the manifest."""

    manifest_url: str

    def source(self, encoder: str | dict[str, str]) -> WeightsSource:
        """The source of an encoder's weights, a file in a bucket fetched into the cache first.

        Raises:
            WeightsError: missing, altered or damaged weights.
            StorageError: the bucket cannot be reached.
        """
        if isinstance(encoder, str):
            return _named(encoder)
        location = beside(self.manifest_url, encoder["weights"])
        if location.startswith("s3://"):
            location = str(_fetched(location, encoder.get("sha256", "")))
        return weights.resolve({**encoder, "weights": location})


@lru_cache(maxsize=8)
def _named(encoder: str) -> WeightsSource:
    return weights.resolve(encoder)


@lru_cache(maxsize=8)
def _fetched(url: str, digest: str) -> Path:
    """Weights from a bucket, kept in the cache folder under their digest."""
    if digest and (known := weights.cache_folder() / f"{digest}{Path(url).suffix}").is_file():
        return known
    folder, name = url.rsplit("/", 1)
    try:
        data = open_store(folder).read(name)
    except FileNotFoundError:
        raise WeightsError(f"there are no weights at {url}; check the address in `encoder`") from None
    path = weights.cache_folder() / f"{hashlib.sha256(data).hexdigest()}{Path(url).suffix}"
    open_store(path.parent).write(path.name, data, "application/octet-stream")
    return path
