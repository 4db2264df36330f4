"""How much of a grid goes on one page."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence

from flows.contact_sheet.lettering import Words, set_text, usual_height
from flows.contact_sheet.page import DEFAULT_LOOK, Look, Page


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
    narrow, side = look.narrowest, max(look.cell, look.narrowest)

    def tallest(texts: Sequence[Words], size: int, width: float) -> int:
        least = max((set_text(text, look.least, width).height for text in set(texts)), default=0)
        return max([least, *(usual_height(text, size) for text in texts)]) + look.gap if least else 0

    notes = tallest([tile.caption for row in page.tiles for tile in row if tile.state == "done"], look.note, narrow)
    pitch = max(side + notes, tallest(page.row_labels, look.label, look.row_label_width)) + look.gutter
    beside = side + tallest([item.caption for item in page.beside], look.note, narrow)
    head = (
        tallest([page.title], look.title, 2 * look.cell)
        + tallest([page.subtitle], look.subtitle, 2 * look.cell)
        + tallest([label for label, _ in page.columns_above], look.label, narrow)
        + tallest([page.column_axis], look.axis, narrow)
        + tallest(page.column_labels, look.label, narrow)
        + 3 * look.gap
    )
    stub = tallest([page.row_axis], look.axis, 2 * narrow) + 2 * look.gap
    if any(page.row_labels):
        stub += look.row_label_width + 2 * look.gap
    if page.beside:
        stub += len(page.beside) * (side + look.gutter) + look.margin

    def too_large(rows: int, columns: int) -> bool:
        width = max(columns * (side + look.gutter) + stub, 2 * look.cell + look.title) + 2 * look.margin
        body = max(rows * pitch + (look.cell // 3 if page.beside else 0), beside, 2 * narrow + look.label)
        height = head + body + 3 * look.margin
        return width * height > look.max_pixels or max(width, height) > look.max_side

    return too_large
