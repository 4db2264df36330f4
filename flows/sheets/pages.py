"""Pages of a sheet: a grid cut to the size of a page, with headings, and content and style beside."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flows.axes import PICTURES
from flows.contact_sheet import Beside, Heading, Levels, Look, Opener, Page, grid_limit
from flows.sheets.grids import Grid, Label, Shelves, folded
from flows.shelf import Shown

_MOST_BESIDE = 3
"""Contents, and styles, that are shown beside a page; with more of them the labels must do."""


@dataclass(frozen=True)
class Input:
    """A content or style shown beside a page: what it is, its label, the path of its preview (empty: none)."""

    kind: str
    label: str
    path: str


@dataclass(frozen=True)
class Laid:
    """A page, the grid it shows, and the inputs beside it in the page's order."""

    page: Page
    grid: Grid
    beside: tuple[Input, ...]


def pages(shelves: Shelves, title: str, look: Look) -> Iterator[Laid]:
    """All pages of a sheet, in order."""
    makes = _Maker(shelves, title)
    for subtitle, grid in shelves.grids():
        down, across = grid_limit(makes.page(grid, subtitle).page, look)
        width = len(grid.places[0])
        if grid.folded and across < width:
            grid, width = _refolded(grid, across), across
            down, across = grid_limit(makes.page(grid, subtitle).page, look)
        for top, left in itertools.product(range(0, len(grid.places), down), range(0, width, across)):
            yield makes.page(_part(grid, slice(top, top + down), slice(left, left + across)), subtitle)


def _refolded(grid: Grid, width: int) -> Grid:
    """A folded grid in rows of another width."""
    places = [place for row in grid.places for place in row if place.tile.state != "blank"]
    return folded(grid.column_names, [(place.tile.label,) for place in places], places, width)


def _part(grid: Grid, rows: slice, columns: slice) -> Grid:
    places = tuple(row[columns] for row in grid.places[rows])
    return replace(grid, rows=grid.rows[rows], columns=grid.columns[columns], places=places)


class _Maker:
    """Makes pages of parts of a sheet's grids."""

    def __init__(self, shelves: Shelves, title: str) -> None:
        self.shelves, self.title = shelves, title
        self._groups: dict[tuple[str, ...], list[tuple[int, ...]]] = {}

    def page(self, grid: Grid, subtitle: str) -> Laid:
        """A page that shows all of a grid."""
        cells = grid.cells
        inputs = {kind: _labels_of(kind, cells) for kind in PICTURES}
        inside = {place.kind for row in grid.places for place in row}
        along = {k for k in PICTURES if k in (*grid.row_names, *grid.column_names)}
        named = {k for k in along if len({cell.values.get(k) for cell in cells}) > 1}
        named -= inside | ({*PICTURES} if grid.folded else set())
        beside = [
            Input(kind, ", ".join(labels), self.shelves.input_path(digest))
            for kind, found in inputs.items()
            if kind not in inside | named and len(found) <= _MOST_BESIDE
            for digest, labels in found.items()
        ]
        told = {one.kind for one in beside if sum(other.kind == one.kind for other in beside) == 1}
        digests = {(k, label): d for k in named for d, labels in inputs[k].items() for label in labels}
        sides = ((grid.row_names, grid.rows), (grid.column_names, grid.columns))
        (row_axis, rows), (column_axis, columns) = (
            (" · ".join(names), ()) if grid.folded else self._levels(names, labels, digests, told)
            for names, labels in sides
        )
        page = Page(
            title=self.title,
            subtitle=subtitle,
            row_axis=row_axis,
            rows=rows,
            column_axis=column_axis,
            columns=columns,
            tiles=tuple(tuple(place.tile for place in row) for row in grid.places),
            beside=tuple(Beside(f"{one.kind}: {one.label}", self._opener(one.path)) for one in beside),
        )
        return Laid(page, grid, tuple(beside))

    def _levels(
        self, names: tuple[str, ...], labels: Sequence[Label], digests: dict[tuple[str, str], str], told: set[str]
    ) -> tuple[str, Levels]:
        """The innermost axis' name and the headings of all, without those of inputs that are told beside."""
        groups = [tuple(n for n in group if any(label[n] for label in labels)) for group in self._grouped(names)]
        groups = [g for g in groups if g and not (len(g) == 1 and names[g[0]] in told and _is_one(labels, g[0]))]
        levels: list[tuple[Heading, ...]] = []
        above: list[int] = []
        for group in groups:
            above += group
            inner = group is groups[-1]
            headings = []
            for _, same in itertools.groupby(labels, key=lambda label: [label[n] for n in above]):
                alike = list(same)
                said = [(names[n], alike[0][n]) for n in group if alike[0][n]]
                text = " · ".join(v if inner or n in PICTURES else f"{n} {v}" for n, v in said)
                digest = next((digests[pair] for pair in said if pair in digests), "")
                picture = self._opener(self.shelves.input_path(digest))
                headings.append(Heading(text, len(alike), picture))
            levels.append(tuple(headings))
        if levels and any(heading.span > 1 for heading in levels[-1]):  # rows that share all labels are told apart
            levels.append(tuple(Heading("") for _ in labels))
        return " · ".join(names[n] for n in groups[-1]) if groups else "", tuple(levels)

    def _grouped(self, names: tuple[str, ...]) -> list[tuple[int, ...]]:
        """Places of names that share a level of headings: those that what stands before them tells."""
        if names not in self._groups:
            groups: list[list[int]] = []
            for n, name in enumerate(names):
                if groups and self.shelves.shelf.follows(name, [names[other] for other in groups[-1]]):
                    groups[-1].append(n)
                else:
                    groups.append([n])
            self._groups[names] = [tuple(group) for group in groups]
        return self._groups[names]

    def _opener(self, path: str) -> Opener | None:
        return self.shelves.opener(path) if path else None


def _labels_of(kind: str, cells: list[Shown]) -> dict[str, list[str]]:
    """Digests of contents or styles, each with its labels: one picture has two where it is listed twice."""
    labels: dict[str, dict[str, None]] = {}
    for cell in (cell for cell in cells if kind in cell.digests):
        labels.setdefault(cell.digests[kind], {})[cell.values.get(kind, "")] = None
    return {digest: list(of) for digest, of in labels.items()}


def _is_one(labels: Sequence[Label], n: int) -> bool:
    return len({label[n] for label in labels}) == 1
