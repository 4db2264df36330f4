"""Building a gallery: from an output's receipts to its pages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flows import naming
from flows.receipts import Ledger, extras_of
from flows.store import Store

_TEMPLATES = Path(__file__).parent / "templates"
_STATIC = Path(__file__).parent / "static"
PAGE = "gallery/index.html"
_CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8"}


def build(store: Store, ledger: Ledger, title: str, sheets: Iterable[str]) -> str:
    """Write the gallery's page and its style sheet.

    Args:
        store: the output.
        ledger: its receipts and pictures.
        title: of the page.
        sheets: paths of the contact sheets.

    Returns:
        Path of the page in the output.

    Raises:
        StorageError: it cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True)
    receipts = [r for r in ledger.receipts.values() if r["picture"]["path"] in ledger.pictures]
    varying = _varying(receipts)
    pictures = sorted((_picture(r, varying, ledger) for r in receipts), key=lambda p: p["path"])
    page = environment.get_template("gallery.html").render(title=title, pictures=pictures, sheets=list(sheets))
    _write_changed(store, "gallery/gallery.css", (_STATIC / "gallery.css").read_bytes())
    _write_changed(store, PAGE, page.encode())
    return PAGE


def _write_changed(store: Store, name: str, data: bytes) -> None:
    try:
        if store.read(name) == data:
            return
    except FileNotFoundError:
        pass
    store.write(name, data, _CONTENT_TYPES[Path(name).suffix])


def _varying(receipts: list[dict[str, Any]]) -> list[str]:
    settings = [r["cell"]["settings"] for r in receipts]
    return [n for n in (settings[0] if settings else {}) if any(s.get(n) != settings[0][n] for s in settings)]


def _picture(receipt: dict[str, Any], varying: list[str], ledger: Ledger) -> dict[str, Any]:
    cell, picture = receipt["cell"], receipt["picture"]
    labels = [str((cell.get(kind) or {}).get("label") or "") for kind in ("content", "style")]
    said = cell.get("labels", {})
    values = ", ".join(f"{n} {said.get(n) or naming.said_of(n, cell['settings'].get(n))}" for n in varying)
    title = " in the style of ".join(filter(None, labels)) if labels[0] else f"the style of {labels[1]}"
    extras = [extra for extra in extras_of(receipt) if extra["path"] in ledger.snapshots]
    return {
        "path": picture["path"],
        "width": picture.get("width"),
        "height": picture.get("height"),
        "title": title,
        "settings": values,
        "alt": f"{title} ({values})" if values else title,
        "animation": next((extra["path"] for extra in extras if "step" not in extra), None),
        "snapshots": [extra for extra in extras if "step" in extra],
    }
