"""What stands where on a sheet, by its kind: the places of a grid with the labels of its rows and columns."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from flows import naming
from flows.axes import PICTURES
from flows.contact_sheet import Opener, Tile
from flows.previews import preview_name
from flows.sheet_keys import Sheet
from flows.shelf import TO_COME, Shelf, Shown
from flows.store import Store
from stylecore.errors import StylepressError
from stylecore.score_names import SCORES

FOLDED = 16
"""A grid of a single row, or column, of more than so many cells is folded into several rows."""
_SPARSE, _SPARSE_TIMES = 400, 4  # a grid of more places than this, and than these times its cells, is folded too
_MOST_STEPS = 12  # columns of a time-lapse, the result among them

Label = tuple[str, ...]
"""Labels of one row or column, one for each name that runs along there."""


@dataclass(frozen=True)
class Place:
    """One place of a grid.

    Attributes:
        tile: what is drawn there.
        cell: the cell it belongs to, None where nothing is.
        path: of the picture in the output, empty where there is none.
        kind: `content` or `style` where an input stands there instead of a cell.
        step: of a snapshot.
    """

    tile: Tile
    cell: Shown | None = None
    path: str = ""
    kind: str = ""
    step: int | None = None


@dataclass(frozen=True)
class Grid:
    """Places in rows and columns, with what runs along both: groups of names that share a level of headings.

    A grid that is `folded` reads like a text: it has no rows and columns, each place has its own label.
    """

    row_names: tuple[str, ...]
    rows: tuple[Label, ...]
    column_names: tuple[str, ...]
    columns: tuple[Label, ...]
    places: tuple[tuple[Place, ...], ...]
    folded: bool = False

    @property
    def cells(self) -> list[Shown]:
        """The cells that have a place."""
        return [place.cell for row in self.places for place in row if place.cell]


class Shelves:
    """A shelf in its store: makes grids of its cells.

    Args:
        store: the output.
        shelf: the cells.
        sheet: whose rows, columns and measures are wanted.
    """

    def __init__(self, store: Store, shelf: Shelf, sheet: Sheet) -> None:
        self.store, self.shelf, self.sheet = store, shelf, sheet
        self._previews = {entry.name for entry in store.list("gallery/inputs/")}
        make = {"grid": self._plain, "before-after": self._before_after, "time-lapse": self._time_lapse}
        self._make: Callable[[list[Shown]], Grid] = make[sheet.kind]

    def grids(self) -> Iterator[tuple[str, Grid]]:
        """Subtitle and grid of each page; what varies and runs along neither side gets pages of its own."""
        by = [n for n in self.sheet.page_by if n in self.shelf.axes]
        for name in self.shelf.axes:
            # what is told by the other axes, such as the steps that an override gives a size, needs no pages
            if not self.shelf.follows(name, [*self.sheet.rows, *self.sheet.cols, *by]):
                by.append(name)
        groups: dict[Label, list[Shown]] = {}
        for cell in self.shelf.cells:
            groups.setdefault(_at(cell, by), []).append(cell)
        for values in self._labels(self.shelf.cells, by):
            subtitle = " · ".join(f"{n} {v}" for n, v in zip(by, values, strict=True) if v)
            yield subtitle, self._make(groups[values])

    def input_path(self, digest: str) -> str:
        """Path of an input's preview; empty where there is none."""
        name = preview_name(digest)
        return name if digest and name in self._previews else ""

    def opener(self, name: str) -> Opener:
        """Opens a picture of the output."""

        def open_picture() -> Image.Image:
            try:
                return Image.open(io.BytesIO(self.store.read(name)), formats=["PNG", "JPEG", "WEBP", "TIFF"])
            except FileNotFoundError:
                raise StylepressError("the picture is gone") from None

        return open_picture

    def _plain(self, cells: list[Shown]) -> Grid:
        across, down = self.sheet.cols, self.sheet.rows
        sides = len({_at(cell, down) for cell in cells}), len({_at(cell, across) for cell in cells})
        sparse = math.prod(sides) > max(_SPARSE, _SPARSE_TIMES * len(cells))
        if not sparse and (max(sides) <= FOLDED or min(sides) > 1):
            return self._of(cells)
        names = (*down, *across)
        order = {label: n for n, label in enumerate(self._labels(cells, names))}
        row = sorted(cells, key=lambda cell: order[_at(cell, names)])
        places, labels = tuple(map(self._place, row)), tuple(_at(cell, names) for cell in row)
        varying = [n for n in range(len(names)) if len({label[n] for label in labels}) > 1]
        said = tuple(tuple(label[n] for n in varying) for label in labels)
        return folded(tuple(names[n] for n in varying), said, places, math.ceil(math.sqrt(1.3 * len(cells))))

    def _before_after(self, cells: list[Shown]) -> Grid:
        """Each row begins with the picture that its results were made of."""
        plain, kind = self._of(cells), "content" if any("content" in c.digests for c in cells) else "style"
        places = []
        for row in plain.places:
            known = next((place.cell for place in row if place.cell and kind in place.cell.digests), None)
            path = self.input_path(known.digests[kind]) if known else ""
            picture = self.opener(path) if path else None
            tile = Tile(picture, "" if path else "there is no preview", "done" if path else "missing")
            places.append((Place(tile, path=path, kind=kind), *row))
        after = [
            " · ".join(v if n in PICTURES else f"{n} {v}" for n, v in zip(plain.column_names, column, strict=True) if v)
            for column in plain.columns
        ]
        columns = (("before",), *((label or "after",) for label in after))
        return replace(plain, column_names=("",), columns=columns, places=tuple(places))

    def _time_lapse(self, cells: list[Shown]) -> Grid:
        """Each row goes from the first snapshot to the result; of many snapshots some, evenly spread."""
        plain = self._of(cells)
        steps = sorted({step for cell in cells for step, _ in cell.snapshots})
        if len(steps) >= _MOST_STEPS:
            steps = [steps[round(n * (len(steps) - 1) / (_MOST_STEPS - 2))] for n in range(_MOST_STEPS - 1)]
        places = []
        for (result,) in plain.places:
            shots = dict(result.cell.snapshots) if result.cell else {}
            on_the_way = (self._snapshot(result, step, shots.get(step, "")) for step in steps)
            places.append((*on_the_way, result))
        columns = (*((naming.said(step),) for step in steps), ("result",))
        return replace(plain, column_names=("step",), columns=columns, places=tuple(places))

    def _snapshot(self, result: Place, step: int, path: str) -> Place:
        if not path:
            return Place(Tile(None, "no snapshot", "left out"), result.cell, step=step)
        return Place(Tile(self.opener(path), size=result.tile.size), result.cell, path, step=step)

    def _of(self, cells: list[Shown]) -> Grid:
        rows, columns = self._labels(cells, self.sheet.rows), self._labels(cells, self.sheet.cols)
        at = {(_at(cell, self.sheet.rows), _at(cell, self.sheet.cols)): cell for cell in cells}
        places = tuple(tuple(self._place(at.get((row, column))) for column in columns) for row in rows)
        return Grid(tuple(self.sheet.rows), tuple(rows), tuple(self.sheet.cols), tuple(columns), places)

    def _labels(self, cells: list[Shown], names: Sequence[str]) -> list[Label]:
        """Labels along rows or columns, in the order of the axes; combinations that occur only."""
        order = {name: {label: n for n, label in enumerate(self.shelf.axes.get(name, []))} for name in names}
        found = {_at(cell, names) for cell in cells}
        return sorted(found, key=lambda at: [order[name].get(label, 0) for name, label in zip(names, at, strict=True)])

    def _place(self, cell: Shown | None) -> Place:
        if cell is None:
            complete = self.shelf.complete
            return Place(Tile(None, "", "left out") if complete else Tile(None, f"{TO_COME}, or left out", "missing"))
        if cell.state == "done":
            values = tuple(_said(name, cell.measures.get(name)) for name in self.sheet.show)
            return Place(Tile(self.opener(cell.picture), "", "done", values, cell.size), cell, cell.picture)
        return Place(Tile(None, cell.note or TO_COME, "failed" if cell.state == "failed" else "missing"), cell)


def folded(names: tuple[str, ...], labels: Sequence[Label], places: Sequence[Place], width: int) -> Grid:
    """Places in reading order in rows of a width, each under its own label."""
    said = (" · ".join(filter(None, label)) for label in labels)
    all_of = [replace(p, tile=replace(p.tile, label=label)) for p, label in zip(places, said, strict=True)]
    all_of += [Place(Tile(None, state="blank"))] * (-len(all_of) % width)
    rows = tuple(tuple(all_of[n : n + width]) for n in range(0, len(all_of), width))
    return Grid((), ((),) * len(rows), names, ((),) * width, rows, folded=True)


def _at(cell: Shown, names: Sequence[str]) -> Label:
    return tuple(cell.values.get(name, "") for name in names)


def _said(name: str, value: float | None) -> str:
    """A measure in a few words, such as `ssim 0.812`: three digits, steps in full, a dash where there is none."""
    short = name.split("_", 1)[1].replace("_", " ") if name in SCORES else name
    if value is None:
        return f"{short} –"
    return f"{short} {naming.said(value if name == 'steps' else float(f'{value:.3g}'))}"
