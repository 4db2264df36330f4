"""The manifest of one picture, with which it is rendered again: its inputs by name, and every setting as it was."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from flows.gallery.plain import plain

_encoder = json.JSONEncoder(ensure_ascii=False)
_DIRECT = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""What JSON lets stand in a text and YAML does not."""


def entry(picture: Any) -> dict[str, Any] | None:
    """A picture of a described cell as an entry of `inputs.content` or `inputs.style`; None where there is none."""
    if not isinstance(picture, dict) or not isinstance(picture.get("name"), str):
        return None
    parts = [part for part in _items(picture.get("parts")) if isinstance(part.get("name"), str)]
    told: dict[str, Any] = {}
    if len(parts) == 1:
        told = _ingredient(parts[0])
        told.pop("weight", None)
    elif parts:
        told["blend"] = [_ingredient(part) for part in parts]
    else:
        told["path"] = picture["name"]
    if isinstance(picture.get("label"), str):
        told["label"] = picture["label"]
    if masks := [mask["name"] for mask in _items(picture.get("masks")) if isinstance(mask.get("name"), str)]:
        told["masks"] = masks
    if name := _name(picture.get("content_mask")):
        told["content_mask"] = name
    return told


def manifest(title: str, receipt: dict[str, Any]) -> str:
    """A manifest of one cell, as YAML text: saved where the names of its pictures lead, it renders the same picture.

    Args:
        title: name of the study.
        receipt: of the picture.
    """
    cell = receipt["cell"]
    lines = [
        "# One picture. Save this where the paths below lead to the pictures, then: stylepress render FILE",
        "version: 1",
        f"name: {_written(title)}",
        "inputs:",
        *(f"  {kind}: [{_written(told)}]" for kind in ("content", "style") if (told := entry(cell.get(kind)))),
        "defaults:",
        *(f"  {name}: {_written(value)}" for name, value in cell["settings"].items() if _is_word(name)),
    ]
    made_as = cell.get("format")
    return "\n".join([*lines, *([f"output: {{format: {made_as}}}"] if _is_word(made_as) else [])]) + "\n"


def _ingredient(part: dict[str, Any]) -> dict[str, Any]:
    told = {"path": part["name"], "label": part.get("label"), "weight": part.get("weight")}
    told["mask"] = _name(part.get("mask"))
    return {name: value for name, value in told.items() if value is not None}


def _name(stencil: Any) -> str | None:
    name = stencil.get("name") if isinstance(stencil, dict) else None
    return name if isinstance(name, str) else None


def _items(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isidentifier()


def _written(value: Any) -> str:
    """JSON, which YAML reads too."""
    return _encoded(plain(value)) if isinstance(value, dict | list) else _scalar(value)


@lru_cache(maxsize=10_000, typed=True)
def _scalar(value: Any) -> str:
    """Written once for all pictures that have it."""
    return _encoded(plain(value))


def _encoded(value: Any) -> str:
    return _DIRECT.sub(lambda found: f"\\u{ord(found[0]):04x}", _encoder.encode(value))
