"""Builds the contact sheets of an output: which there are, what they are called, in which font."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

from flows.axes import PICTURES
from flows.output import last_run, title_of
from flows.receipts import Ledger
from flows.sheet_keys import Sheet
from flows.sheets.typefaces import read_font
from flows.shelf import Shelf, of_receipts
from flows.store import Store
from stylecore.errors import StylepressError


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


def build(
    store: Store, shelf: Shelf, wanted: Sequence[Sheet], title: str, log: Callable[[str], None], root: str = ""
) -> list[str]:
    """Draw the pages that changed and write them.

    Args:
        store: the output.
        shelf: what to show.
        wanted: the sheets; none for the default one.
        title: of sheets that name none.
        log: takes a line for each sheet that cannot be drawn, or not as asked.
        root: where the inputs lie, and fonts with them; empty where that is not known.

    Returns:
        Paths of all pages in the output.

    Raises:
        StorageError: they cannot be written.
    """
    from flows.sheets.drawing import draw

    if not shelf.cells:
        return []
    names: list[str] = []
    taken: set[str] = set()
    for sheet in wanted or [default_sheet(shelf)]:
        try:
            name = _free(_slug(sheet.name or _named(sheet)), taken)
            names += draw(store, shelf, _completed(sheet, shelf), name, title, _font(sheet.font, root, log))
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
    root = str(run.get("inputs_root") or "")
    root = root if "://" in root or not root else store.child(root)
    return build(store, of_receipts(ledger, run), wanted, title_of(run), log, root)


def as_sheets(raw: Any) -> list[Sheet]:
    """Sheets that a run's manifest describes; what is no sheet is left out."""
    sheets = []
    for part in raw if isinstance(raw, list) else []:
        try:
            sheets.append(Sheet.model_validate(part))
        except ValueError:
            continue
    return sheets


def _completed(sheet: Sheet, shelf: Shelf) -> Sheet:
    """A sheet whose rows and columns are chosen, where it names none or its kind asks for some."""
    free = [name for name in shelf.axes if name not in (*sheet.rows, *sheet.cols, *sheet.page_by)]
    if sheet.kind == "time-lapse":
        return sheet.model_copy(update={"rows": sheet.rows or free, "cols": []})
    if sheet.kind == "before-after":
        rows = [name for name in PICTURES if name in free and (name == "content" or not sheet.rows)] + sheet.rows
        settings = [name for name in free if name not in rows]
        longest = sorted(settings, key=lambda name: -len(shelf.axes[name]))[:1]
        cols = sheet.cols or ([] if sheet.rows else longest)
        rows += [] if sheet.rows else [name for name in settings if name not in cols]
        return sheet.model_copy(update={"rows": rows, "cols": cols})
    if sheet.rows or sheet.cols:
        return sheet
    left = Shelf(shelf.cells, {name: shelf.axes[name] for name in free}, shelf.complete)
    chosen = default_sheet(left)
    taken = sheet.page_by
    return sheet.model_copy(
        update={key: [n for n in getattr(chosen, key) if n not in taken] for key in ("rows", "cols")}
    )


def _named(sheet: Sheet) -> str:
    """A file's name for a sheet that has none."""
    sides = "-by-".join(filter(None, ["-".join(sheet.rows), "-".join(sheet.cols)]))
    return "-".join(filter(None, [sheet.kind if sheet.kind != "grid" else "", sides]))


def _font(name: str, root: str, log: Callable[[str], None]) -> bytes:
    """The font that is asked for, or the shipped one where there is no such."""
    try:
        return read_font(name, root)
    except StylepressError as error:
        log(f"contact sheets: {error}; DejaVu Sans is taken")
        return b""


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")[:80] or "sheet"


def _free(name: str, taken: set[str]) -> str:
    free = next(n for n in itertools.chain([name], (f"{name}-{k}x" for k in itertools.count(2))) if n not in taken)
    taken.add(free)
    return free
