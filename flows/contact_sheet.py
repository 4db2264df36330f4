"""Draws one page of a contact sheet: a labelled grid of pictures, set like a plate in a catalogue."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw, ImageFont, ImageOps

from flows import fonts
from stylecore.errors import StylepressError

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Tile:
    """One cell of the grid.

    Attributes:
        picture: opens the picture, when the page is drawn and not before; where it raises, the tile is drawn as failed.
        note: a caption under the picture; for a missing or failed cell the reason, shown inside the tile.
        state: what became of the cell.
    """

    picture: Callable[[], Image.Image] | None
    note: str = ""
    state: Literal["done", "failed", "missing"] = "done"


@dataclass(frozen=True)
class Beside:
    """A picture shown left of the grid: a content, a style."""

    caption: str
    picture: Callable[[], Image.Image] | None


@dataclass(frozen=True)
class Page:
    """What is on a page: `tiles[row][column]`, and a label for each row and each column, or none at all.

    `columns_above` are the labels of an outer axis, left to right, each with the number of columns it spans.
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


def draw_page(page: Page, look: Look = DEFAULT_LOOK) -> DrawnPage:
    """Draw a page, as large as its pictures and labels need.

    Labels wrap, then shrink to `look.least`, then make room. A picture that cannot be opened costs its own tile only.

    Raises:
        ValueError: labels, spans and tiles do not agree in number, or there is no tile.
    """
    _check(page)
    shown, beside = _open_all(page, look)
    grid = _measure(page, shown, beside, look)
    sheet = _Sheet(look)  # built outwards from the grid, whose corner is the origin
    boxes = _draw_tiles(sheet, shown, grid)
    _draw_head(sheet, page, grid)
    _draw_side(sheet, page, grid)
    beside_boxes = _draw_beside(sheet, page, beside, grid)
    _draw_title(sheet, page)
    image, texts, moved = sheet.paint()
    return DrawnPage(image, tuple(tuple(map(moved, row)) for row in boxes), tuple(map(moved, beside_boxes)), texts)


def grid_limit(page: Page, look: Look = DEFAULT_LOOK) -> tuple[int, int]:
    """How many (rows, columns) of a grid go on one page of at most `look.max_pixels` and `look.max_side`.

    The page holds the whole grid; its pictures are not opened. Whatever their shapes, every page cut to the limit
    keeps to it, save where the labels alone are larger; the limit is at least (1, 1), and shares the grid evenly:
    18 columns of which 17 would fit go 9 and 9.
    """
    _check(page)
    rows, columns = len(page.tiles), len(page.tiles[0])
    largest = _largest(page, look)

    def fits(rows: int, columns: int) -> bool:
        width, height = largest(rows, columns)
        return width * height <= look.max_pixels and max(width, height) <= look.max_side

    across = _last(lambda n: fits(min(rows, n), n), columns)
    down = _last(lambda n: fits(n, across), rows)
    return math.ceil(rows / math.ceil(rows / down)), math.ceil(columns / math.ceil(columns / across))


# Type

_LINES = 3  # a text may take so many lines before it shrinks


@dataclass(frozen=True)
class _Block:
    """Lines of type, set and measured: width and height hold all the ink; `whole` where no word had to be broken."""

    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont
    leading: int
    origin: tuple[int, int]
    width: int
    height: int
    whole: bool = True


@functools.cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    path = fonts.bold() if bold else fonts.regular()
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)  # raqm is not in every Pillow


def _leading(size: float) -> int:
    return round(1.3 * size)


def _last(holds: Callable[[int], bool], most: int) -> int:
    """The largest of 1..most for which a condition holds that, once false, stays false; 1 where it never holds."""
    return max(1, bisect.bisect_left(range(1, most + 1), True, key=lambda n: not holds(n)))


def _clean(text: str) -> str:
    """A text on one line, without marks that only steer layout; a replacement character for what cannot be printed."""
    visible = (c for c in " ".join(text.split()) if unicodedata.category(c) != "Cf")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in visible)


def _set(text: str, size: int, width: float, bold: bool = False) -> _Block:
    """Set a text in lines of at most `width` pixels, broken at words, else after a mark like `_`, else anywhere."""
    font = _font(size, bold)

    def fits(line: str) -> bool:
        return font.getlength(line.rstrip()) <= width

    lines, whole = [""], True
    for piece in re.split(r"(?<=[ _/,;:=])|(?<=[^\W\d]-)(?=[^\W\d])", _clean(text)):
        if fits(lines[-1] + piece):
            lines[-1] += piece
            continue
        rest = piece
        while not fits(rest) and len(rest) > 1:
            end = _last(lambda n: fits(rest[:n]), len(rest) - 1)  # noqa: B023, called at once
            lines, rest, whole = [*lines, rest[:end]], rest[end:], False
        lines.append(rest)
    return _measured([line.rstrip() for line in lines if line.strip()], font, whole)


def _measured(lines: Sequence[str], font: ImageFont.FreeTypeFont, whole: bool = True) -> _Block:
    if not lines:
        return _Block((), font, 0, (0, 0), 0, 0)
    lefts, tops, rights, bottoms = zip(*(font.getbbox(line, anchor="ls") for line in lines), strict=True)
    ascent, descent = font.getmetrics()
    ascent, descent = max(ascent, math.ceil(-min(tops))), max(descent, math.ceil(max(bottoms)))
    leading, left = max(_leading(font.size), ascent + descent), max(0, math.ceil(-min(lefts)))
    height = leading * (len(lines) - 1) + ascent + descent
    return _Block(tuple(lines), font, leading, (left, ascent), left + math.ceil(max(rights)), height, whole)


def _fit(
    texts: Sequence[str],
    size: int,
    widths: Sequence[float],
    look: Look,
    heights: Sequence[float] | None = None,
    bold: bool = False,
) -> list[_Block]:
    """Set texts that belong together in one size.

    The largest at which none is higher than asked and no word is broken; else the largest at which none is higher than
    asked; else the least, however high that is.
    """
    heights = heights or [_LINES * _leading(size)] * len(texts)
    low: list[_Block] = []
    blocks: list[_Block] = []
    for points in range(max(size, look.least), look.least - 1, -1):
        blocks = [_set(text, points, width, bold) for text, width in zip(texts, widths, strict=True)]
        if all(block.height <= height for block, height in zip(blocks, heights, strict=True)):
            if all(block.whole for block in blocks):
                return blocks
            low = low or blocks
    return low or blocks


def _clip(block: _Block, width: float, height: float) -> _Block:
    """As many lines as `height` holds, with an ellipsis where that is not all of them."""
    if block.height <= height:
        return block
    count = len(block.lines) - math.ceil((block.height - height) / block.leading)
    if count < 1:
        return _measured((), block.font)
    last = block.lines[count - 1]
    end = _last(lambda n: block.font.getlength(last[:n] + "…") <= width, len(last))
    return _measured((*block.lines[: count - 1], last[:end].rstrip() + "…"), block.font)


# Pictures


@dataclass(frozen=True)
class _Panel:
    """What stands for a picture that is not there: what became of it, and why."""

    word: str
    reason: str


_Shown = Image.Image | _Panel


def _open_all(page: Page, look: Look) -> tuple[list[list[_Shown]], list[_Shown]]:
    """The tiles' and the side pictures, fitted to a cell that is no larger than the largest of them."""
    shown = [[_open(tile.picture, tile.note, tile.state, look) for tile in row] for row in page.tiles]
    beside = [_open(item.picture, "", "done", look) for item in page.beside]
    found = [item for row in shown for item in row if isinstance(item, Image.Image)]
    found = found or [item for item in beside if isinstance(item, Image.Image)]
    cell = max([look.cell // 2, *(max(item.size) for item in found)]) if found else look.cell
    return [[_scaled(item, cell) for item in row] for row in shown], [_scaled(item, cell) for item in beside]


def _open(picture: Callable[[], Image.Image] | None, note: str, state: str, look: Look) -> _Shown:
    if state != "done" or picture is None:
        return _Panel("missing" if state == "done" else state, note)
    try:
        with picture() as image:
            image.draft(None, (2 * look.cell, 2 * look.cell))  # a large JPEG is decoded at about this size, far sooner
            return _flat(ImageOps.exif_transpose(image), look)
    except Exception as error:  # noqa: BLE001, whatever ails one picture, the others are drawn
        return _Panel("failed", _reason(error))


def _reason(error: Exception) -> str:
    """Why a picture could not be opened, without the folders that Pillow's and the system's messages name."""
    if isinstance(error, StylepressError):
        return str(error)
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return "the picture cannot be opened: " + (said if said and not re.search(r"[/\\]", said) else type(error).__name__)


def _flat(image: Image.Image, look: Look) -> Image.Image:
    """A picture in opaque RGB, no larger than a cell; what is transparent in it shows a faint checkerboard."""
    if image.mode.startswith("I"):  # 16 bits: Pillow would clip them to 8, not scale them
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    scale = min(1.0, look.cell / max(image.size))
    image = image.resize(_times(image.size, scale), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if image.mode == "RGB":
        return image
    board = Image.new("RGB", image.size, "white")
    draw = ImageDraw.Draw(board)
    for x, y in itertools.product(range(0, image.width, 10), range(0, image.height, 10)):
        if (x + y) % 20:
            draw.rectangle((x, y, x + 9, y + 9), look.panel)
    board.paste(image, mask=image)
    return board


def _times(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _scaled(item: _Shown, cell: int) -> _Shown:
    if isinstance(item, _Panel) or max(item.size) == cell:
        return item
    return item.resize(_times(item.size, cell / max(item.size)), Image.Resampling.LANCZOS)


# Composition


@dataclass(frozen=True)
class _Placed:
    """A text at its place, lines aligned left (0) to right (1), reading upwards where it is turned."""

    block: _Block
    box: Box
    align: float
    ink: str
    turned: bool


class _Sheet:
    """Collects what is on a page, at places relative to any origin, and paints it when all is known."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._texts: list[_Placed] = []
        self._pictures: list[tuple[Image.Image, Box]] = []
        self._rules: list[Box] = []

    @property
    def bounds(self) -> Box:
        boxes = [*self._rules, *(box for _, box in self._pictures), *(text.box for text in self._texts)]
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)

    def text(
        self, block: _Block, x: float, y: float, anchor: tuple[float, float], ink: str = "", turned: bool = False
    ) -> None:
        """Put the point `anchor` of a text's box (0 left or top, 1 right or bottom) at a place."""
        if block.lines:
            width, height = (block.height, block.width) if turned else (block.width, block.height)
            left, top = round(x - anchor[0] * width), round(y - anchor[1] * height)
            align = 0.5 if turned else anchor[0]
            box = (left, top, left + width, top + height)
            self._texts.append(_Placed(block, box, align, ink or self.look.ink, turned))

    def picture(self, image: Image.Image, x: float, y: float) -> Box:
        box = (round(x), round(y), round(x) + image.width, round(y) + image.height)
        self._pictures.append((image, box))
        return box

    def rule(self, left: int, top: int, right: int, bottom: int) -> None:
        self._rules.append((left, top, right, bottom))

    def paint(self) -> tuple[Image.Image, tuple[Text, ...], Callable[[Box], Box]]:
        """The page with its margins, the texts on it, and what takes a box from the origin used so far to the page."""
        left, top, right, bottom = self.bounds
        margin = self.look.margin

        def moved(box: Box) -> Box:
            x, y = margin - left, margin - top
            return box[0] + x, box[1] + y, box[2] + x, box[3] + y

        page = Image.new("RGB", (right - left + 2 * margin, bottom - top + 2 * margin), self.look.background)
        for rule in self._rules:
            page.paste(self.look.rule, moved(rule))
        for image, box in self._pictures:
            page.paste(image, moved(box))
        for text in self._texts:
            page.paste(text.ink, moved(text.box), _mask(text))
        return page, tuple(Text(moved(text.box), text.block.lines) for text in self._texts), moved


def _mask(text: _Placed) -> Image.Image:
    block = text.block
    mask = Image.new("L", (block.width, block.height))
    draw = ImageDraw.Draw(mask)
    for index, line in enumerate(block.lines):
        spare = block.width - block.origin[0] - math.ceil(block.font.getbbox(line, anchor="ls")[2])
        place = (block.origin[0] + round(text.align * spare), block.origin[1] + index * block.leading)
        draw.text(place, line, fill=255, font=block.font, anchor="ls")
    return mask.transpose(Image.Transpose.ROTATE_90) if text.turned else mask


@dataclass(frozen=True)
class _Row:
    """A row of the grid: where its pictures' band lies, and all it takes with captions and label."""

    top: int
    height: int
    outer_top: int
    outer_bottom: int


@dataclass(frozen=True)
class _Grid:
    """Where the grid's columns (left, right) and rows lie, from its own corner; the row labels that made it so."""

    columns: tuple[tuple[int, int], ...]
    rows: tuple[_Row, ...]
    labels: tuple[_Block, ...]
    captions: tuple[tuple[_Block, ...], ...]

    @property
    def width(self) -> int:
        return self.columns[-1][1]

    @property
    def height(self) -> int:
        return self.rows[-1].outer_bottom


def _check(page: Page) -> None:
    rows, columns = len(page.tiles), len(page.tiles[0]) if page.tiles else 0
    if not columns or any(len(row) != columns for row in page.tiles):
        raise ValueError("a page needs at least one tile, and rows of equal length")
    if len(page.row_labels) not in (0, rows) or len(page.column_labels) not in (0, columns):
        raise ValueError(
            f"{len(page.row_labels)} row and {len(page.column_labels)} column labels for {rows} × {columns} tiles"
        )
    if page.columns_above and sum(span for _, span in page.columns_above) != columns:
        raise ValueError(f"the labels above the columns do not span {columns} columns: {page.columns_above}")


def _measure(page: Page, shown: list[list[_Shown]], beside: list[_Shown], look: Look) -> _Grid:
    usual = _usual_size(shown, beside, look)

    def sizes(line: Sequence[_Shown]) -> list[tuple[int, int]]:
        return [item.size for item in line if isinstance(item, Image.Image)] or [usual]

    widths = [max(look.narrowest, *(size[0] for size in sizes(column))) for column in zip(*shown, strict=True)]
    heights = [max(size[1] for size in sizes(row)) for row in shown]
    for index, row in enumerate(shown):
        if any(isinstance(item, _Panel) for item in row):
            heights[index] = max(heights[index], look.narrowest)
    captions = _captions(page, shown, widths, look)
    texts = page.row_labels or ("",) * len(shown)
    labels = _fit(texts, look.label, [_side_width(look)] * len(texts), look, heights)
    return _Grid(_in_turn(widths, look.gutter), _rows(heights, captions, labels, look), tuple(labels), captions)


def _usual_size(shown: list[list[_Shown]], beside: list[_Shown], look: Look) -> tuple[int, int]:
    """The size of the place of a picture that is not there."""
    sizes = Counter(item.size for row in shown for item in row if isinstance(item, Image.Image))
    sizes = sizes or Counter(item.size for item in beside[:1] if isinstance(item, Image.Image))
    return sizes.most_common(1)[0][0] if sizes else (look.cell, look.cell)


def _side_width(look: Look) -> int:
    return round(0.6 * look.cell)


def _captions(page: Page, shown: list[list[_Shown]], widths: list[int], look: Look) -> tuple[tuple[_Block, ...], ...]:
    notes = [
        tile.note if isinstance(item, Image.Image) else ""
        for tiles, items in zip(page.tiles, shown, strict=True)
        for tile, item in zip(tiles, items, strict=True)
    ]
    blocks = iter(_fit(notes, look.note, widths * len(shown), look))
    return tuple(tuple(itertools.islice(blocks, len(widths))) for _ in shown)


def _in_turn(widths: Sequence[int], gutter: int) -> tuple[tuple[int, int], ...]:
    rights = [right - gutter for right in itertools.accumulate(width + gutter for width in widths)]
    return tuple((right - width, right) for right, width in zip(rights, widths, strict=True))


def _rows(
    heights: list[int], captions: tuple[tuple[_Block, ...], ...], labels: list[_Block], look: Look
) -> tuple[_Row, ...]:
    rows: list[_Row] = []
    for height, notes, label in zip(heights, captions, labels, strict=True):
        note = max(block.height for block in notes)
        full = height + (note + look.gap // 2 if note else 0)
        top = rows[-1].outer_bottom + look.gutter if rows else 0
        outer = max(full, label.height)
        rows.append(_Row(top + (outer - full) // 2, height, top, top + outer))
    return tuple(rows)


def _draw_tiles(sheet: _Sheet, shown: list[list[_Shown]], grid: _Grid) -> list[list[Box]]:
    boxes: list[list[Box]] = [[] for _ in shown]
    for index, (row, line) in enumerate(zip(grid.rows, shown, strict=True)):
        for (left, right), item, caption in zip(grid.columns, line, grid.captions[index], strict=True):
            boxes[index].append(_draw_shown(sheet, item, (left, row.top, right, row.top + row.height)))
            bottom = row.top + row.height + sheet.look.gap // 2
            sheet.text(caption, (left + right) / 2, bottom, (0.5, 0), sheet.look.muted)
    return boxes


def _draw_shown(sheet: _Sheet, item: _Shown, place: Box) -> Box:
    """A picture in the middle of its place, or a panel over all of it."""
    left, top, right, bottom = place
    if isinstance(item, Image.Image):
        return sheet.picture(item, left + (right - left - item.width) // 2, top + (bottom - top - item.height) // 2)
    look, pad = sheet.look, min(16, (right - left) // 12)
    width, height = right - left - 2 * pad, bottom - top - 2 * pad
    box = sheet.picture(_hatched((right - left, bottom - top), look), left, top)
    word = _clip(_fit([item.word], look.note, [width], look, [height], bold=True)[0], width, height)
    room = height - word.height - 4
    reason = _clip(_fit([item.reason], look.note, [width], look, [room])[0], width, room)
    x, y = (left + right) / 2, top + (bottom - top - word.height - (reason.height + 4 if reason.lines else 0)) // 2
    sheet.text(word, x, y, (0.5, 0), look.alarm if item.word == "failed" else look.muted)
    sheet.text(reason, x, y + word.height + 4, (0.5, 0), look.muted)
    return box


def _hatched(size: tuple[int, int], look: Look) -> Image.Image:
    panel = Image.new("RGB", size, look.panel)
    draw = ImageDraw.Draw(panel)
    for x in range(-size[1], size[0], 14):
        draw.line((x, size[1], x + size[1], 0), fill=look.background, width=3)
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=look.rule)
    return panel


def _draw_head(sheet: _Sheet, page: Page, grid: _Grid) -> None:
    """Above the grid, from below: column labels, the axis' name over a rule, the outer labels over theirs."""
    look, bottom = sheet.look, -sheet.look.gap
    labels = page.column_labels or ("",) * len(grid.columns)
    blocks = _fit(labels, look.label, [right - left for left, right in grid.columns], look)
    for block, (left, right) in zip(blocks, grid.columns, strict=True):
        sheet.text(block, (left + right) / 2, bottom, (0.5, 1))
    if page.column_axis:
        bottom = sheet.bounds[1] - look.gap * 2 // 3
        sheet.rule(0, bottom, grid.width, bottom + 1)
        axis = _fit([page.column_axis], look.axis, [max(grid.width, look.narrowest)], look)[0]
        sheet.text(axis, grid.width / 2, bottom - look.gap // 2, (0.5, 1), look.muted)
    if page.columns_above:
        bottom = sheet.bounds[1] - look.gap
        ends = list(itertools.accumulate(span for _, span in page.columns_above))
        spans = [
            (grid.columns[end - span][0], grid.columns[end - 1][1])
            for end, (_, span) in zip(ends, page.columns_above, strict=True)
        ]
        blocks = _fit([label for label, _ in page.columns_above], look.label, [b - a for a, b in spans], look)
        for block, (left, right) in zip(blocks, spans, strict=True):
            sheet.rule(left, bottom, right, bottom + 1)
            sheet.text(block, (left + right) / 2, bottom - look.gap // 2, (0.5, 1))


def _draw_side(sheet: _Sheet, page: Page, grid: _Grid) -> None:
    """Left of the grid, from the right: row labels, a rule, the axis' name reading upwards."""
    look = sheet.look
    for block, row in zip(grid.labels, grid.rows, strict=True):
        fits_beside = block.height <= row.height
        middle = row.top + row.height / 2 if fits_beside else (row.outer_top + row.outer_bottom) / 2
        sheet.text(block, -look.gap, middle, (1, 0.5))
    if page.row_axis:
        right = min(0, sheet.bounds[0]) - look.gap * 2 // 3
        height = grid.height
        axis = _fit([page.row_axis], look.axis, [max(height, 2 * look.narrowest)], look)[0]
        sheet.rule(right - 1, 0, right, height)
        sheet.text(axis, right - look.gap // 2, max(height, axis.width) / 2, (1, 0.5), look.muted, turned=True)


def _draw_beside(sheet: _Sheet, page: Page, beside: list[_Shown], grid: _Grid) -> list[Box]:
    """Left of all that, in columns about as high as the grid, each picture over its caption."""
    if not beside:
        return []
    look = sheet.look
    usual = _usual_size([beside], [], look)
    panel = (max(usual[0], look.narrowest), max(usual[1], look.narrowest))
    sizes = [item.size if isinstance(item, Image.Image) else panel for item in beside]
    widths = [max(size[0], look.cell // 2) for size in sizes]  # room for the captions of slender pictures
    captions = _fit([item.caption for item in page.beside], look.note, widths, look)
    heights = [size[1] + look.gap // 2 + caption.height for size, caption in zip(sizes, captions, strict=True)]
    places = _stack(heights, grid.height + look.cell // 3, look.gutter + look.gap // 2)
    columns = itertools.groupby(zip(places, widths, strict=True), key=lambda item: item[0][0])
    spans = _in_turn([max(width for _, width in column) for _, column in columns], look.gutter)
    left = sheet.bounds[0] - look.margin - spans[-1][1]
    boxes = []
    for item, size, caption, (column, top) in zip(beside, sizes, captions, places, strict=True):
        x, bottom = left + spans[column][0], top + size[1]
        boxes.append(_draw_shown(sheet, item, (x, top, x + size[0], bottom)))
        sheet.text(caption, x, bottom + look.gap // 2, (0, 0), look.muted)
    return boxes


def _stack(heights: Sequence[int], limit: int, space: int) -> list[tuple[int, int]]:
    """(column, top) of things stacked in columns of at most `limit`, at least one in each."""
    places: list[tuple[int, int]] = []
    column, top = 0, 0
    for height in heights:
        if top and top + height > limit:
            column, top = column + 1, 0
        places.append((column, top))
        top += height + space
    return places


def _draw_title(sheet: _Sheet, page: Page) -> None:
    look = sheet.look
    left, top, right, _ = sheet.bounds
    natural = [_set(page.title, look.title, math.inf).width, _set(page.subtitle, look.subtitle, math.inf).width]
    width = max(right - left, min(max(natural), 2 * look.cell))
    title = _fit([page.title], look.title, [width], look)[0]
    subtitle = _fit([page.subtitle], look.subtitle, [width], look)[0]
    bottom = top - look.margin * 2 // 3
    sheet.text(subtitle, left, bottom, (0, 1), look.muted)
    sheet.text(title, left, bottom - (subtitle.height + look.gap // 2 if subtitle.lines else 0), (0, 1))


def _largest(page: Page, look: Look) -> Callable[[int, int], tuple[int, int]]:
    """From (rows, columns), the (width, height) that no such part of a page exceeds, whatever its pictures' shapes."""
    narrow, side = look.narrowest, max(look.cell, look.narrowest)

    def tallest(texts: Sequence[str], size: int, width: float) -> int:
        least = max((_set(text, look.least, width).height for text in set(texts) if text), default=0)
        return max(least, _LINES * _leading(size)) + look.gap if least else 0

    notes = tallest([tile.note for row in page.tiles for tile in row if tile.state == "done"], look.note, narrow)
    labels = tallest(page.row_labels, look.label, _side_width(look))
    names = tallest([item.caption for item in page.beside], look.note, narrow)
    pitch = max(side + notes, labels) + look.gutter
    below = look.cell // 3 if page.beside else 0
    head = tallest(page.column_labels, look.label, narrow) + tallest([page.column_axis], look.axis, narrow)
    head += tallest([label for label, _ in page.columns_above], look.label, narrow) + 3 * look.gap
    title = tallest([page.title], look.title, 2 * look.cell) + tallest([page.subtitle], look.subtitle, 2 * look.cell)
    stub = (_side_width(look) + 2 * look.gap if any(page.row_labels) else 0) + 2 * look.gap
    stub += tallest([page.row_axis], look.axis, 2 * narrow)
    beside = len(page.beside) * (side + look.gutter) + (look.margin if page.beside else 0)

    def largest(rows: int, columns: int) -> tuple[int, int]:
        width = max(columns * (side + look.gutter) + stub + beside, 2 * look.cell + look.title)
        body = max(rows * pitch + below, side + names, 2 * narrow + look.label)
        return width + 2 * look.margin, title + head + body + 3 * look.margin

    return largest
