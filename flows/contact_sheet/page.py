"""What is on a page of a contact sheet, how it looks, and what is where once it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image

Box = tuple[int, int, int, int]


Opener = Callable[[], Image.Image]
"""Opens a picture, when the page is drawn and not before."""


@dataclass(frozen=True)
class Tile:
    """One cell of the grid.

    Attributes:
        picture: opens the picture; where it raises, the tile is drawn as failed.
        note: a caption under the picture; for a missing or failed cell the reason, shown inside the tile.
        state: what became of the cell.
        values: said under the picture and its note, each on a line of its own so that those of a row compare.
        size: width and height of the picture in pixels, where they are known before it is opened.
        label: said under whatever stands there, where it has no row and column.
    """

    picture: Opener | None
    note: str = ""
    state: Literal["done", "failed", "missing", "left out", "blank"] = "done"
    values: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    label: str = ""

    @property
    def caption(self) -> tuple[str, ...]:
        """What stands under the picture, each part on a line of its own."""
        return tuple(filter(None, (self.label, self.note, *self.values)))


@dataclass(frozen=True)
class Beside:
    """A picture shown left of the grid: a content, a style."""

    caption: str
    picture: Opener | None


@dataclass(frozen=True)
class Heading:
    """A label along rows or columns.

    Attributes:
        text: the label.
        span: how many rows or columns it stands for.
        picture: opens a small picture of what it names; where there is none, or it raises, the text must do.
    """

    text: str
    span: int = 1
    picture: Opener | None = None


Levels = tuple[tuple[Heading, ...], ...]
"""Headings of nested axes, the outermost axis first; each level spans all rows or columns."""


@dataclass(frozen=True)
class Page:
    """What is on a page: `tiles[row][column]`, and headings for rows and for columns, or none at all.

    `row_axis` and `column_axis` name the innermost axes.

    Raises:
        ValueError: headings and tiles do not agree in number, or there is no tile.
    """

    title: str
    subtitle: str
    row_axis: str
    rows: Levels
    column_axis: str
    columns: Levels
    tiles: tuple[tuple[Tile, ...], ...]
    beside: tuple[Beside, ...] = ()

    def __post_init__(self) -> None:
        height, width = len(self.tiles), len(self.tiles[0]) if self.tiles else 0
        if not width or any(len(row) != width for row in self.tiles):
            raise ValueError("a page needs at least one tile, and rows of equal length")
        for what, count, levels in (("rows", height, self.rows), ("columns", width, self.columns)):
            for level in levels:
                if any(heading.span < 1 for heading in level) or sum(heading.span for heading in level) != count:
                    raise ValueError(f"headings {[(one.text, one.span) for one in level]} for {count} {what}")


@dataclass(frozen=True)
class Look:
    """How a page looks: lengths and type sizes in pixels, colours as Pillow reads them.

    `cell` is the longest side of a picture; where all are smaller, the page shrinks to the largest of them, down to
    `narrowest`, the least side of a tile's place. `least` is the smallest readable type, `font` a font file's bytes to
    be used instead of the shipped one. `max_pixels` and `max_side` are what `grid_limit` keeps to.
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
    font: bytes = field(default=b"", repr=False)
    max_pixels: int = 25_000_000
    max_side: int = 10_000

    @property
    def row_label_width(self) -> int:
        """How wide a row's label may be."""
        return max(round(0.6 * self.cell), self.narrowest)


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
        heading_boxes: of the small pictures in headings, in no order.
    """

    image: Image.Image
    boxes: tuple[tuple[Box, ...], ...]
    beside_boxes: tuple[Box, ...]
    texts: tuple[Text, ...]
    heading_boxes: tuple[Box, ...] = ()
