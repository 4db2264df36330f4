"""How much of a grid goes on one page."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from flows.contact_sheet.headings import breaks, thumbnail_side
from flows.contact_sheet.lettering import Words, set_text, shape, usual_height
from flows.contact_sheet.page import DEFAULT_LOOK, Heading, Look, Page


def grid_limit(page: Page, look: Look = DEFAULT_LOOK) -> tuple[int, int]:
    """How many (rows, columns) of a grid go on one page of at most `look.max_pixels` and `look.max_side`.

    The page holds the whole grid; its pictures are not opened. Whatever their shapes, every page cut to the limit
    keeps to it, save where the labels alone are larger; the limit is at least (1, 1), and shares the grid evenly:
    18 columns of which 17 would fit go 9 and 9.
    """
    rows, columns, too_large = len(page.tiles), len(page.tiles[0]), _too_large(page, look)
    across = bisect_left(range(1, columns + 1), True, key=lambda count: too_large(min(rows, count), count)) or 1
    down = bisect_left(range(1, rows + 1), True, key=lambda count: too_large(count, across)) or 1
    return math.ceil(rows / math.ceil(rows / down)), math.ceil(columns / math.ceil(columns / across))


def _too_large(page: Page, look: Look) -> Callable[[int, int], bool]:
    """Whether such (rows, columns) of a page may be too large, for the most unfavourable shapes of its pictures."""
    narrow, side, small = look.narrowest, _longest(page, look), thumbnail_side(look)

    def tallest(texts: Iterable[Words], size: int, width: float) -> int:
        distinct = {shape(text) for text in texts}
        least = max((set_text(text, look.least, width, look).height for text in distinct), default=0)
        return max([least, *(usual_height(text, size) for text in distinct)]) + look.gap if least else 0

    def deep(level: Sequence[Heading], width: float) -> int:
        """How far a level of headings may reach away from the grid."""
        pictured = small + look.gap if any(heading.picture for heading in level) else 0
        return pictured + tallest((heading.text for heading in level), look.label, width)

    notes = tallest((tile.caption for row in page.tiles for tile in row if tile.state == "done"), look.note, narrow)
    beside = side + tallest([item.caption for item in page.beside], look.note, narrow)
    inner = page.rows[-1] if page.rows else ()
    apart = [look.gap if breaks(levels) else 0 for levels in (page.rows, page.columns)]
    pitch = max(side + notes, deep(inner, look.row_label_width)) + look.gutter + apart[0]
    head = (
        tallest([page.title], look.title, 2 * look.cell)
        + tallest([page.subtitle], look.subtitle, 2 * look.cell)
        + sum(deep(level, narrow) + look.gap for level in page.columns)
        + tallest([page.column_axis], look.axis, narrow)
        + 3 * look.gap
    )
    stub = tallest([page.row_axis], look.axis, 2 * narrow) + 2 * look.gap
    stub += sum(deep(level, narrow) + 2 * look.gap for level in page.rows[:-1])
    if any(heading.text or heading.picture for heading in inner):
        stub += max(look.row_label_width, small) + 2 * look.gap
    if page.beside:
        stub += len(page.beside) * (max(side, look.cell // 2) + look.gutter) + max(look.margin, 2 * look.gap)

    def too_large(rows: int, columns: int) -> bool:
        width = max(columns * (side + look.gutter + apart[1]) + stub, 2 * look.cell + look.title) + 2 * look.margin
        body = max(rows * pitch + (look.cell // 3 if page.beside else 0), beside, 2 * narrow + look.label)
        height = head + body + 2 * look.margin + max(look.margin, 2 * look.gap)
        return width * height > look.max_pixels or max(width, height) > look.max_side

    return too_large


def _longest(page: Page, look: Look) -> int:
    """How long the longest side of a tile's place may be: a cell, unless all pictures are known to be smaller."""
    pictures = [tile for row in page.tiles for tile in row if tile.picture]
    if not pictures or any(tile.size is None for tile in pictures):
        return max(look.cell, look.narrowest)
    return max([look.narrowest, *(min(look.cell, max(tile.size)) for tile in pictures if tile.size)])
