"""Contact sheets: from a shelf of cells to pages of rows × columns, with content and style beside."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from flows import naming
from flows.axes import PICTURES
from flows.manifest import Sheet
from flows.output import last_run, title_of
from flows.previews import preview_name
from flows.receipts import Ledger, encoded
from flows.shelf import Shelf, Shown, of_receipts
from flows.store import Store
from stylecore.errors import StylepressError
from stylecore.images import CONTENT_TYPES
from stylecore.score_names import SCORES

if TYPE_CHECKING:
    from flows.contact_sheet import Look, Page, Tile

_MOST_BESIDE = 3
"""Contents, and styles, that are shown beside a page; with more of them the labels must do."""
_AT_A_TIME = 4  # pages, each of which may take 100 MB while it is drawn


def default_sheet(shelf: Shelf) -> Sheet:
    """The sheet drawn where a manifest describes none: the longest setting along the columns, the next along rows.

    Settings that move together run along one side together.
    """
    leaders: list[str] = []
    for name in (n for n in shelf.axes if n not in PICTURES):
        if not shelf.follows(name, leaders):
            leaders.append(name)
    longest = sorted(leaders, key=lambda n: -len(shelf.axes[n]))
    along = [[n, *(o for o in shelf.axes if o not in leaders and shelf.moves_with(o, n))] for n in longest[:2]]
    if not along:
        return Sheet(rows=["content"], cols=["style"])
    rows = along[1] if len(along) > 1 else [name for name in PICTURES if name in shelf.axes][:1]
    return Sheet(rows=rows, cols=along[0])


def build(store: Store, shelf: Shelf, wanted: Sequence[Sheet], title: str, log: Callable[[str], None]) -> list[str]:
    """Draw the sheets that changed and write them.

    Args:
        store: the output.
        shelf: what to show.
        wanted: the sheets; none for the default one.
        title: of sheets that name none.
        log: takes a line for each sheet that cannot be drawn.

    Returns:
        Paths of all pages in the output.

    Raises:
        StorageError: they cannot be written.
    """
    if not shelf.cells:
        return []
    names: list[str] = []
    taken: set[str] = set()
    for sheet in wanted or [default_sheet(shelf)]:
        try:
            name = _free(
                _slug(sheet.name or "-by-".join(filter(None, ["-".join(sheet.rows), "-".join(sheet.cols)]))), taken
            )
            names += _build_one(store, shelf, sheet, name, title)
        except (ValueError, OSError, MemoryError) as error:
            log(f"contact sheet {sheet.name or ''}: {type(error).__name__}: {error}")
        except StylepressError as error:
            if error.kind == "storage":
                raise
            log(f"contact sheet {sheet.name or ''}: {error}")
    return names


def rebuild(store: Store, ledger: Ledger, log: Callable[[str], None]) -> list[str]:
    """Draw the sheets of an output's last run from its receipts; see `build`."""
    run = last_run(store)
    wanted = as_sheets((run.get("manifest") or {}).get("sheets"))
    return build(store, of_receipts(ledger, run), wanted, title_of(run), log)


def _build_one(store: Store, shelf: Shelf, sheet: Sheet, name: str, title: str) -> list[str]:
    from flows.contact_sheet import Look, draw_page

    look = Look(cell=sheet.cell)
    pages = list(_pages(store, shelf, sheet, sheet.title or title, look))
    fingerprint = _fingerprint(shelf, sheet, title)
    names = [f"sheets/{name}-{number}.png" for number in range(1, len(pages) + 1)]
    there = {entry.name for entry in store.list(f"sheets/{name}")}
    if _stored_fingerprint(store, f"sheets/{name}.json", there) == fingerprint and there.issuperset(names):
        return names

    def draw(number: int) -> dict[str, Any]:
        page, shown = pages[number]
        page = replace(page, subtitle=_counted(page.subtitle, number, len(pages)))
        drawn = draw_page(page, look)
        buffer = io.BytesIO()
        drawn.image.save(buffer, "PNG", compress_type=zlib.Z_RLE)  # pictures in the main: see stylecore.images
        store.write(names[number], buffer.getvalue(), CONTENT_TYPES["png"])
        return _where(names[number], page, shown, drawn.boxes)

    with ThreadPoolExecutor(_AT_A_TIME) as threads:  # most of it is Pillow's, which needs no lock of Python's
        described = list(threads.map(draw, range(len(pages))))
    document = {"schema": 1, "name": name, "fingerprint": fingerprint, "pages": described}
    store.write(f"sheets/{name}.json", encoded(document), "application/json")
    for stale in there - set(names):
        if re.fullmatch(rf"sheets/{re.escape(name)}-\d+\.png", stale):
            store.delete(stale)
    return names


def _where(name: str, page: Page, shown: list[list[Shown | None]], boxes: Any) -> dict[str, Any]:
    """What is where on a page, for the sheet's JSON."""
    cells = [
        {"row": r, "column": c, "key": cell.key, "picture": cell.picture, "state": cell.state, "box": boxes[r][c]}
        | ({"values": page.tiles[r][c].values} if page.tiles[r][c].values else {})
        for r, row in enumerate(shown)
        for c, cell in enumerate(row)
        if cell
    ]
    return {
        "file": name,
        "title": page.title,
        "subtitle": page.subtitle,
        "rows": {"axis": page.row_axis, "labels": page.row_labels},
        "columns": {"axis": page.column_axis, "labels": page.column_labels},
        "cells": cells,
    }


def _pages(
    store: Store, shelf: Shelf, sheet: Sheet, title: str, look: Look
) -> Iterable[tuple[Page, list[list[Shown | None]]]]:
    """Pages of a sheet: what varies and runs along neither rows nor columns gets pages of its own."""
    from flows.contact_sheet import grid_limit

    by = [n for n in sheet.page_by if n in shelf.axes]
    for name in shelf.axes:
        # what is told by the other axes, such as the steps that an override gives a size, needs no pages
        if not shelf.follows(name, [*sheet.rows, *sheet.cols, *by]):
            by.append(name)
    groups: dict[tuple[str, ...], list[Shown]] = {}
    for cell in shelf.cells:
        groups.setdefault(tuple(cell.values.get(n, "") for n in by), []).append(cell)
    for values in _labels(shelf.cells, by, shelf):
        cells = groups[values]
        subtitle = " · ".join(f"{n} {v}" for n, v in zip(by, values, strict=True) if v)
        rows, columns = _labels(cells, sheet.rows, shelf), _labels(cells, sheet.cols, shelf)
        at = {(_at(cell, sheet.rows), _at(cell, sheet.cols)): cell for cell in cells}
        grid = [[at.get((row, column)) for column in columns] for row in rows]
        whole = _page(store, sheet, title, subtitle, rows, columns, grid)
        most_rows, most_columns = grid_limit(whole, look)
        for top, left in itertools.product(range(0, len(rows), most_rows), range(0, len(columns), most_columns)):
            part = [row[left : left + most_columns] for row in grid[top : top + most_rows]]
            some_rows, some_columns = rows[top : top + most_rows], columns[left : left + most_columns]
            yield _page(store, sheet, title, subtitle, some_rows, some_columns, part), part


def _at(cell: Shown, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.values.get(name, "") for name in names)


def _labels(cells: list[Shown], names: Sequence[str], shelf: Shelf) -> list[tuple[str, ...]]:
    """Labels along rows or columns, in the order of the axes; combinations that occur only."""
    order = {name: {label: n for n, label in enumerate(shelf.axes.get(name, []))} for name in names}
    found = {_at(cell, names) for cell in cells}
    return sorted(found, key=lambda at: [order[name].get(label, 0) for name, label in zip(names, at, strict=True)])


def _page(
    store: Store,
    sheet: Sheet,
    title: str,
    subtitle: str,
    rows: list[tuple[str, ...]],
    columns: list[tuple[str, ...]],
    grid: list[list[Shown | None]],
) -> Page:
    from flows.contact_sheet import Page

    return Page(
        title=title,
        subtitle=subtitle,
        row_axis=_axis(sheet.rows, rows),
        row_labels=tuple(" · ".join(filter(None, label)) for label in rows),
        column_axis=_axis(sheet.cols, columns),
        column_labels=tuple(" · ".join(filter(None, label)) for label in columns),
        tiles=tuple(tuple(_tile(store, cell, sheet.show) for cell in row) for row in grid),
        beside=_beside(store, [cell for row in grid for cell in row if cell]),
    )


def _axis(names: Sequence[str], labels: list[tuple[str, ...]]) -> str:
    """What runs along rows or columns; a content or style that no cell there has is left out."""
    return " · ".join(name for n, name in enumerate(names) if any(label[n] for label in labels))


def _tile(store: Store, cell: Shown | None, show: Sequence[str]) -> Tile:
    from flows.contact_sheet import Tile

    if cell is None:
        return Tile(None, "", "left out")
    if cell.state == "done":
        values = tuple(_said(name, cell.measures.get(name)) for name in show)
        return Tile(_opener(store, cell.picture), "", "done", values)
    return Tile(None, cell.note or "not rendered yet", "failed" if cell.state == "failed" else "missing")


def _said(name: str, value: float | None) -> str:
    """A measure in a few words, such as `ssim 0.812`: three digits, steps in full, a dash where there is none."""
    short = name.split("_", 1)[1].replace("_", " ") if name in SCORES else name
    if value is None:
        return f"{short} –"
    return f"{short} {naming.said(value if name == 'steps' else float(f'{value:.3g}'))}"


def _beside(store: Store, cells: list[Shown]) -> tuple[Any, ...]:
    """Contents and styles of a page, unless they are too many to stand beside it."""
    from flows.contact_sheet import Beside

    shown = []
    for kind in PICTURES:
        labels: dict[str, dict[str, None]] = {}  # one picture has two where it is listed with masks and without
        for cell in (cell for cell in cells if kind in cell.digests):
            labels.setdefault(cell.digests[kind], {})[cell.values.get(kind, "")] = None
        if len(labels) <= _MOST_BESIDE:
            shown += [Beside(f"{kind}: {', '.join(of)}", _opener(store, preview_name(d))) for d, of in labels.items()]
    return tuple(shown)


def _opener(store: Store, name: str) -> Callable[[], Image.Image]:
    def open_picture() -> Image.Image:
        try:
            return Image.open(io.BytesIO(store.read(name)), formats=["PNG", "JPEG", "WEBP", "TIFF"])
        except FileNotFoundError:
            raise StylepressError("the picture is gone") from None

    return open_picture


def _counted(subtitle: str, number: int, pages: int) -> str:
    return " · ".join(filter(None, [subtitle, f"page {number + 1} of {pages}" if pages > 1 else ""]))


def _fingerprint(shelf: Shelf, sheet: Sheet, title: str) -> str:
    """Changes whenever a page would look different."""
    measures = [{name: c.measures.get(name) for name in sheet.show} for c in shelf.cells]
    shown = sorted(
        json.dumps([c.values, c.digests, c.sha256, c.note, c.state, of], sort_keys=True)
        for c, of in zip(shelf.cells, measures, strict=True)
    )
    text = json.dumps([1, sheet.model_dump(), title, shelf.axes, shown], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _stored_fingerprint(store: Store, name: str, there: set[str]) -> str:
    if name not in there:
        return ""
    try:
        return str(json.loads(store.read(name)).get("fingerprint"))
    except (ValueError, AttributeError, FileNotFoundError):
        return ""


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")[:80] or "sheet"


def _free(name: str, taken: set[str]) -> str:
    free = next(n for n in itertools.chain([name], (f"{name}-{k}x" for k in itertools.count(2))) if n not in taken)
    taken.add(free)
    return free


def as_sheets(raw: Any) -> list[Sheet]:
    """Sheets that a run's manifest describes; what is no sheet is left out."""
    sheets = []
    for part in raw if isinstance(raw, list) else []:
        try:
            sheets.append(Sheet.model_validate(part))
        except ValueError:
            continue
    return sheets
