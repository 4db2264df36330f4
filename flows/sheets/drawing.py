"""Draws the pages of one sheet that changed, writes them in the format asked for, and says what is where."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from flows.contact_sheet import DrawnPage, Levels, Look, draw_page, look_of
from flows.receipts import encoded
from flows.sheet_keys import Sheet
from flows.sheets.grids import Label, Place, Shelves
from flows.sheets.pages import Laid, pages
from flows.shelf import Shelf
from flows.store import Store
from stylecore.images import CONTENT_TYPES, EXTENSIONS

_VERSION = 2  # of how pages look; raised when the same cells are drawn otherwise
_AT_A_TIME = 2  # pages, each of which may take 200 MB while it is drawn
_DPI = 300  # of a page printed at its own size
_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_type": zlib.Z_RLE, "dpi": (_DPI, _DPI)},  # pictures in the main: see stylecore.images
    "jpeg": {"quality": 92, "subsampling": 0, "dpi": (_DPI, _DPI)},
    "webp": {"quality": 90, "method": 2},
    "pdf": {"quality": 92, "subsampling": 0, "resolution": _DPI},
}


def draw(store: Store, shelf: Shelf, sheet: Sheet, name: str, title: str, font: bytes) -> list[str]:
    """Draw the pages of a sheet that changed and write them, with a JSON file that says what is where on them.

    Args:
        store: the output.
        shelf: what to show.
        sheet: with its rows and columns chosen.
        name: of its files.
        title: where the sheet names none.
        font: a font file's bytes; empty for the shipped one.

    Returns:
        Paths of its files but the JSON.
    """
    look = look_of(sheet.cell, sheet.gutter, sheet.margin, sheet.background, font)
    found = list(pages(Shelves(store, shelf, sheet), sheet.title or title, look))
    laid = [_counted(one, number, len(found)) for number, one in enumerate(found, 1)]
    marks = [_fingerprint(one, look) for one in laid]
    files = _files(name, sheet.format, len(laid))
    there = {entry.name for entry in store.list(f"sheets/{name}")}
    stored = _stored(store, f"sheets/{name}.json", there)
    drawn = [
        next((p for p in stored if (p.get("file"), p.get("fingerprint")) == (file, mark) and file in there), None)
        for file, mark in zip(files, marks, strict=True)
    ]
    if None in drawn or len(stored) != len(laid):
        write = _write_document if sheet.format == "pdf" else _write_pages
        described = write(store, laid, drawn, files, look, sheet.format)
        document = [{**page, "fingerprint": mark} for page, mark in zip(described, marks, strict=True)]
        store.write(f"sheets/{name}.json", encoded({"schema": 1, "name": name, "pages": document}), "application/json")
    for stale in there - set(files):
        if re.fullmatch(rf"sheets/{re.escape(name)}(-\d+\.(png|jpg|webp)|\.pdf)", stale):
            store.delete(stale)
    return list(dict.fromkeys(files))


Described = dict[str, Any]
"""What is where on a page, as the sheet's JSON has it."""


def _write_pages(
    store: Store, laid: Sequence[Laid], drawn: Sequence[Described | None], files: Sequence[str], look: Look, kind: str
) -> list[Described]:
    """A file for each page that is not drawn yet; says what is where on all."""

    def one(number: int) -> Described:
        if known := drawn[number]:
            return known
        page, buffer = draw_page(laid[number].page, look), io.BytesIO()
        page.image.save(buffer, kind, **_OPTIONS[kind])
        store.write(files[number], buffer.getvalue(), CONTENT_TYPES[kind])
        return _where(files[number], laid[number], page)

    with ThreadPoolExecutor(min(_AT_A_TIME, os.cpu_count() or 1)) as threads:
        return list(threads.map(one, range(len(laid))))


def _write_document(
    store: Store, laid: Sequence[Laid], _: Sequence[Described | None], files: Sequence[str], look: Look, kind: str
) -> list[Described]:
    """One PDF of all pages, one held at a time."""
    described: list[Described] = []
    title = laid[0].page.title.encode(errors="replace").decode()
    about = {"title": title, "creationDate": None, "modDate": None}  # the same cells make the same file
    with tempfile.TemporaryDirectory(prefix="stylepress-") as folder:
        path = Path(folder, "sheet.pdf")
        for one, file in zip(laid, files, strict=True):
            page = draw_page(one.page, look)
            page.image.save(path, kind, append=bool(described), **_OPTIONS[kind], **({} if described else about))
            described.append(_where(file, one, page))
        store.write(files[0], path.read_bytes(), "application/pdf")
    return described


def _where(file: str, laid: Laid, drawn: DrawnPage) -> Described:
    """What is where on a page, for the sheet's JSON."""
    page, grid = laid.page, laid.grid
    places = [(r, c, place) for r, row in enumerate(grid.places) for c, place in enumerate(row)]
    beside = zip(laid.beside, drawn.beside_boxes, strict=True)
    inputs: list[Described] = [
        {"kind": one.kind, "label": one.label, "picture": one.path, "box": box} for one, box in beside
    ]
    inputs += [
        {"kind": place.kind, "row": r, "column": c, "picture": place.path, "box": drawn.boxes[r][c]}
        for r, c, place in places
        if place.kind
    ]
    return {
        "file": file,
        "size": drawn.image.size,
        "title": page.title,
        "subtitle": page.subtitle,
        "rows": _axis(grid.row_names, grid.rows),
        "columns": _axis(grid.column_names, grid.columns),
        "headings": {"rows": _headings(page.rows), "columns": _headings(page.columns)},
        "cells": [_cell(r, c, place, drawn.boxes[r][c]) for r, c, place in places if place.cell],
        "inputs": inputs,
    }


def _cell(row: int, column: int, place: Place, box: Any) -> dict[str, Any]:
    assert place.cell is not None
    tile = place.tile
    said: dict[str, Any] = {"row": row, "column": column, "key": place.cell.key, "picture": place.path}
    said |= {"state": tile.state, "box": box}
    more = {"values": tile.values, "label": tile.label, "note": tile.note, "step": place.step}
    return said | {name: value for name, value in more.items() if value not in ((), "", None)}


def _axis(names: Sequence[str], labels: Sequence[Label]) -> dict[str, Any]:
    """What runs along rows or columns; a content or style that no cell there has is left out."""
    axis = " · ".join(name for n, name in enumerate(names) if any(label[n : n + 1] != ("",) for label in labels))
    return {"axis": axis, "labels": [" · ".join(filter(None, label)) for label in labels]}


def _headings(levels: Levels) -> list[list[dict[str, Any]]]:
    return [[{"text": heading.text, "span": heading.span} for heading in level] for level in levels]


def _files(name: str, kind: str, count: int) -> list[str]:
    """Path of each page's file; a document holds all pages."""
    if kind == "pdf":
        return [f"sheets/{name}.pdf"] * count
    return [f"sheets/{name}-{number}{EXTENSIONS[kind]}" for number in range(1, count + 1)]


def _counted(laid: Laid, number: int, count: int) -> Laid:
    said = [laid.page.subtitle, f"page {number} of {count}" if count > 1 else ""]
    return replace(laid, page=replace(laid.page, subtitle=" · ".join(filter(None, said))))


def _fingerprint(laid: Laid, look: Look) -> str:
    """Changes whenever a page would look different, or something else be on it."""
    page, grid = laid.page, laid.grid
    seen: list[Any] = [_VERSION, asdict(look) | {"font": hashlib.sha256(look.font).hexdigest()}]
    seen += [page.title, page.subtitle, page.row_axis, page.column_axis, _headings(page.rows), _headings(page.columns)]
    pictured = [bool(heading.picture) for level in (*page.rows, *page.columns) for heading in level]
    seen += [grid.row_names, grid.rows, grid.column_names, grid.columns, pictured]
    seen += [[one.kind, one.label, one.path] for one in laid.beside]
    for place in (place for row in grid.places for place in row):
        tile, cell = place.tile, place.cell
        made = [cell.key, cell.sha256, sorted(cell.digests.items())] if cell else None
        seen.append([tile.state, tile.note, tile.label, tile.values, tile.size, made, place.path, place.step])
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def _stored(store: Store, name: str, there: set[str]) -> list[Described]:
    """The pages that a sheet's JSON describes; none where it cannot be read."""
    if name not in there:
        return []
    try:
        found = json.loads(store.read(name))["pages"]
        return [page if isinstance(page, dict) else {} for page in found]
    except (ValueError, TypeError, KeyError, RecursionError, FileNotFoundError):
        return []
