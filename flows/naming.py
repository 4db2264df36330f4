"""Names and values as people read them: file names of pictures, and settings on labels."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from flows.cells import Cell
from stylecore import settings

_LONGEST = {"picture": 32, "values": 80}
_RULES = ({"from": "from", "factor": "by"}, {"every": "every"})
"""Mappings that are no weights but a rule, of `scales` and `snapshots`: their keys as people read them."""
_SPELLED = {"·": "-", " + ": "+", "%": "pct"}
"""What file names spell out, so that 50 and 50% are told apart."""


def said(value: Any) -> str:
    """A setting's value as people write it: 1e4, 0.001, relu1_1 + relu2_1."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        if "weights" in value and "arch" in value:
            return f"{value['arch']} {str(value['weights']).rsplit('/', 1)[-1]}"
        if rule := next((rule for rule in _RULES if set(rule) == set(value)), None):
            return " ".join(f"{word} {said(value[name])}" for name, word in rule.items())
        weights = [said(weight) for weight in value.values()]
        if len(value) > 1 and len(set(weights)) == 1:
            names = " + ".join(map(str, value))
            return names if weights[0] == "1" else f"{weights[0]}·({names})"
        return " + ".join(str(n) if w == "1" else f"{w}·{n}" for n, w in zip(value, weights, strict=True))
    if isinstance(value, list | tuple):
        return ", ".join(said(part) for part in value)
    return str(value)


@lru_cache(maxsize=10_000)
def _number(value: float) -> str:
    """Whole numbers in full, others to six digits; from 10,000 on, or below 0.0001, as 1e5 where that is shorter."""
    if not math.isfinite(value):
        return str(value)
    plain = str(int(value)) if value == int(value) and abs(value) < 2**63 else f"{value:.6g}"
    short = f"{Decimal(plain).normalize():e}".replace("e+", "e")
    return short if "e" in plain or (abs(value) >= 10_000 and len(short) < len(plain)) else plain


def said_of(name: str, value: Any) -> str:
    """A setting's value as people write it, nothing among it: no preset is `none`, no learning rate is `auto`."""
    if value is not None or name not in settings.names():  # the name may be of another version's receipt
        return said(value)
    return str(getattr(settings.kind_of(name), "nothing", "none"))


def label(cell: Cell, name: str) -> str:
    """What a cell's setting, content or style is called."""
    if name == "content":
        return cell.content.label if cell.content else ""
    if name == "style":
        return cell.style.label if cell.style else ""
    return cell.labels.get(name) or said_of(name, getattr(cell.settings, name))


def picture_name(cell: Cell, key: str, varying: Iterable[str], extension: str) -> str:
    """File name of a cell's picture: content, style, what varies, and the start of its key."""
    values = _joined([f"{name}-{_safe(label(cell, name))}" for name in varying], _LONGEST["values"])
    pictures = [_cut(_safe(p.label) or "picture", _LONGEST["picture"]) for p in (cell.content, cell.style) if p]
    return "--".join([*pictures, *([values] if values else []), key[:12]]) + extension


def _joined(parts: list[str], most: int) -> str:
    """As many parts as fit; one that is cut would name a value that is not the cell's."""
    joined = ""
    for part in parts:
        longer = f"{joined}_{part}" if joined else part
        joined = longer if len(longer) <= most else joined
    return joined


@lru_cache(maxsize=10_000)
def _safe(text: str) -> str:
    """Letters, digits, dots and single dashes only: safe in every file system, URL and shell."""
    for sign, spelled in _SPELLED.items():
        text = text.replace(sign, spelled)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9._+]+", "-", plain)).strip("-. ")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most].rstrip("-_.")
