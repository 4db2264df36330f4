"""What is on a page of a contact sheet, how it looks, and what is where once it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PIL import Image

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Tile:
    """One cell of the grid.

    Attributes:
        picture: opens the picture, when the page is drawn and not before; where it raises, the tile is drawn as failed.
        note: a caption under the picture; for a missing or failed cell the reason, shown inside the tile.
        state: what became of the cell.
        values: said under the picture and its note, each on a line of its own so that those of a row compare.
    """

    picture: Callable[[], Image.Image] | None
    note: str = ""
    state: Literal["done", "failed", "missing", "left out"] = "done"
    values: tuple[str, ...] = ()

    @property
    def caption(self) -> tuple[str, ...]:
        """What stands under the picture, each part on a line of its own."""
        return tuple(filter(None, (self.note, *self.values)))


@dataclass(frozen=True)
class Beside:
    """A picture shown left of the grid: a content, a style."""

    caption: str
    picture: Callable[[], Image.Image] | None


@dataclass(frozen=True)
class Page:
    """What is on a page: `tiles[row][column]`, and a label for each row and each column, or none at all.

    `columns_above` are the labels of an outer axis, left to right, each with the number of columns it spans.

    Raises:
        ValueError: labels, spans and tiles do not agree in number, or there is no tile.
    """

    title: str
    subtitle: str
    row_axis: str
    row_labels: tuple[str, ...]
    column_axis: str
    column_labels: tuple[str, ...]
    tiles: tuple[tuple[Tile, ...], ...]
    beside: tuple[Beside, ...] = ()
    columns_above: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        rows, columns = len(self.tiles), len(self.tiles[0]) if self.tiles else 0
        if not columns or any(len(row) != columns for row in self.tiles):
            raise ValueError("a page needs at least one tile, and rows of equal length")
        labels = len(self.row_labels), len(self.column_labels)
        if labels[0] not in (0, rows) or labels[1] not in (0, columns):
            raise ValueError(f"{labels[0]} row and {labels[1]} column labels for {rows} × {columns} tiles")
        if self.columns_above and sum(span for _, span in self.columns_above) != columns:
            raise ValueError(f"the labels above the columns do not span {columns} columns: {self.columns_above}")


@dataclass(frozen=True)
class Look:
    """How a page looks: lengths and type sizes in pixels, colours as Pillow reads them.

    `cell` is the longest side of a picture; where all are smaller, the page shrinks to the largest of them, down to
    half a cell. `narrowest` is the least side of a tile's place, `least` the smallest readable type. `max_pixels` and
    `max_side` are what `grid_limit` keeps to.
    """

    cell: int = 320
    narrowest: int = 96
    gutter: int = 18
    gap: int = 16
    margin: int = 72
    title: int = 38
    subtitle: int = 20
    label: int = 21
    axis: int = 18
    note: int = 16
    least: int = 13
    background: str = "#fcfbf9"
    ink: str = "#1f1e1d"
    muted: str = "#736f69"
    rule: str = "#cbc7c0"
    panel: str = "#f4f2ee"
    alarm: str = "#a3412f"
    max_pixels: int = 40_000_000
    max_side: int = 10_000

    @property
    def row_label_width(self) -> int:
        """How wide a row's label may be."""
        return round(0.6 * self.cell)


DEFAULT_LOOK = Look()


@dataclass(frozen=True)
class Text:
    """A text as it stands on the page: the box that holds all its ink, and its lines."""

    box: Box
    lines: tuple[str, ...]


@dataclass(frozen=True)
class DrawnPage:
    """A page and what is where on it; a box is (left, top, right, bottom) in pixels, right and bottom exclusive.

    Attributes:
        image: the page, RGB.
        boxes: `boxes[row][column]`, of each picture or of the panel that stands for it.
        beside_boxes: of the pictures beside the grid, in the page's order.
        texts: every text; their boxes do not intersect.
    """

    image: Image.Image
    boxes: tuple[tuple[Box, ...], ...]
    beside_boxes: tuple[Box, ...]
    texts: tuple[Text, ...]
