"""Names and values as people read them: file names of pictures, and settings on labels."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from flows.cells import Cell

_LONGEST = {"picture": 32, "values": 64}


def said(value: Any) -> str:
    """A setting's value as people write it: 1e4, 0.001, relu1_1 + relu2_1."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        if "weights" in value and "arch" in value:
            return f"{value['arch']} {str(value['weights']).rsplit('/', 1)[-1]}"
        if len(set(value.values())) == 1:
            return " + ".join(map(str, value))
        return " + ".join(f"{_number(weight)}·{name}" for name, weight in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(said(part) for part in value)
    return str(value)


def _number(value: float) -> str:
    """At most six digits; powers of ten beyond four digits as 1e5, other numbers plainly where that is short."""
    if value == 0:
        return "0"
    plain, scientific = f"{value:.6g}", f"{value:.6e}"
    mantissa, exponent = scientific.split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    if isinstance(value, int) and abs(value) < 10_000:
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 10_000:
        return str(int(value))
    short = f"{mantissa}e{int(exponent)}"
    return short if "e" in plain or (abs(value) >= 10_000 and len(short) < len(plain)) else plain


def label(cell: Cell, name: str) -> str:
    """What a cell's setting, content or style is called."""
    if name == "content":
        return cell.content.label if cell.content else ""
    if name == "style":
        return cell.style.label if cell.style else ""
    return cell.labels.get(name) or said(getattr(cell.settings, name))


def picture_name(cell: Cell, key: str, varying: Iterable[str], extension: str) -> str:
    """File name of a cell's picture: content, style, what varies, and the start of its key."""
    values = "_".join(f"{name}-{_safe(label(cell, name))}" for name in varying)
    pictures = [_cut(_safe(p.label) or "picture", _LONGEST["picture"]) for p in (cell.content, cell.style) if p]
    return "--".join([*pictures, *([_cut(values, _LONGEST["values"])] if values else []), key[:12]]) + extension


def _safe(text: str) -> str:
    """Letters, digits, dots and single dashes only: safe in every file system, URL and shell."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9._+]+", "-", plain)).strip("-. ")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most].rstrip("-_.")
