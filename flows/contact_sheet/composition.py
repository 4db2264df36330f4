"""Composes a page: the grid first, then its headings, the pictures beside it and the title around it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from PIL import Image

from flows.contact_sheet import headings
from flows.contact_sheet.canvas import Canvas
from flows.contact_sheet.lettering import Block, clip, fit, set_text
from flows.contact_sheet.page import DEFAULT_LOOK, Box, DrawnPage, Look, Page
from flows.contact_sheet.pictures import Panel, Shown, hatched, open_all, sizes, usual_size

Span = tuple[int, int]  # from one coordinate to another, exclusive


def draw_page(page: Page, look: Look = DEFAULT_LOOK) -> DrawnPage:
    """Draw a page, as large as its pictures and labels need.

    Labels wrap, then shrink to `look.least`, then make room. A picture that cannot be opened costs its own tile only.
    """
    shown, beside = open_all(page, look)
    canvas = Canvas(look)  # filled outwards from the grid, whose corner is the origin
    columns, rows, boxes = _draw_grid(canvas, page, shown, usual_size(itertools.chain(*shown), beside[:1], look))
    headings.draw_above(canvas, page, columns)
    headings.draw_left(canvas, page, rows)
    beside_boxes = _draw_beside(canvas, page, beside, rows[-1][1])
    _draw_title(canvas, page)
    image, texts, moved = canvas.paint()
    tiles, small = tuple(tuple(map(moved, row)) for row in boxes), tuple(map(moved, canvas.thumbnails))
    return DrawnPage(image, tiles, tuple(map(moved, beside_boxes)), texts, small)


def _draw_grid(
    canvas: Canvas, page: Page, shown: list[list[Shown]], usual: tuple[int, int]
) -> tuple[list[Span], list[Span], list[list[Box]]]:
    """Pictures, their captions, each row's label left of it; returns columns, rows, and the pictures' boxes."""
    look = canvas.look
    widths = [
        max([look.narrowest, *(width for width, _ in sizes(column) or [usual])]) for column in zip(*shown, strict=True)
    ]
    heights = [_row_height(row, usual, look) for row in shown]
    captions = _captions(page, shown, widths, look)
    labels = headings.beside_rows(page, heights, look)
    columns = _in_turn(widths, look.gutter, headings.breaks(page.columns), look.gap)
    rows: list[Span] = []
    bottom = -look.gutter
    boxes: list[list[Box]] = []
    apart = headings.breaks(page.rows)
    for row, height, notes, label in zip(shown, heights, captions, labels, strict=True):
        note = max(block.height for block in notes)
        full = height + (note + look.gap // 2 if note else 0)
        start = bottom + look.gutter + (look.gap if len(rows) in apart else 0)
        bottom = start + max(full, label.height)
        top = start + (bottom - start - full) // 2
        label.draw(canvas, top + height / 2 if label.height <= height else (start + bottom) / 2)
        rows.append((start, bottom))
        boxes.append([])
        for item, block, (left, right) in zip(row, notes, columns, strict=True):
            boxes[-1].append(_draw_shown(canvas, item, (left, top, right, top + height)))
            canvas.text(block, (left + right) / 2, top + height + look.gap // 2, (0.5, 0), look.muted)
    return columns, rows, boxes


def _row_height(row: Sequence[Shown], usual: tuple[int, int], look: Look) -> int:
    height = max(height for _, height in sizes(row) or [usual])
    return max(height, look.narrowest) if any(isinstance(item, Panel) for item in row) else height


def _captions(page: Page, shown: list[list[Shown]], widths: list[int], look: Look) -> list[list[Block]]:
    pairs = zip(itertools.chain(*page.tiles), itertools.chain(*shown), strict=True)
    notes = [tile.caption if isinstance(item, Image.Image) else tile.label for tile, item in pairs]
    blocks = iter(fit(notes, look.note, widths * len(shown), look))
    return [list(itertools.islice(blocks, len(widths))) for _ in shown]


def _in_turn(widths: Sequence[int], gutter: int, apart: Collection[int] = (), more: int = 0) -> list[Span]:
    """Places side by side, those that stand apart with more space before them."""
    spans: list[Span] = []
    for n, width in enumerate(widths):
        left = spans[-1][1] + gutter + (more if n in apart else 0) if spans else 0
        spans.append((left, left + width))
    return spans


def _draw_shown(canvas: Canvas, item: Shown, place: Box) -> Box:
    """A picture in the middle of its place, or a panel over all of it."""
    left, top, right, bottom = place
    if isinstance(item, Image.Image):
        return canvas.picture(item, left + (right - left - item.width) // 2, top + (bottom - top - item.height) // 2)
    if item.word == "blank":
        return place
    look, space, pad = canvas.look, 4, min(16, (right - left) // 12)
    width, height = right - left - 2 * pad, bottom - top - 2 * pad
    box = canvas.picture(hatched((right - left, bottom - top), look), left, top)
    word = clip(set_text(item.word, look.note, width, look, bold=True), width, height)
    room = height - word.height - space
    reason = clip(fit([item.reason], look.note, [width], look, [room])[0], width, room)
    x, y = (left + right) / 2, top + (bottom - top - word.height - (reason.height + space if reason.lines else 0)) // 2
    canvas.text(word, x, y, (0.5, 0), look.alarm if item.word == "failed" else look.muted)
    canvas.text(reason, x, y + word.height + space, (0.5, 0), look.muted)
    return box


def _draw_beside(canvas: Canvas, page: Page, beside: list[Shown], height: int) -> list[Box]:
    """Left of all that, in columns about as high as the grid, each picture over its caption."""
    if not beside:
        return []
    look = canvas.look
    width, high = usual_size(beside, (), look)
    panel = (max(width, look.narrowest), max(high, look.narrowest))
    places = [item.size if isinstance(item, Image.Image) else panel for item in beside]
    widths = [max(width, look.cell // 2) for width, _ in places]  # room for the captions of slender pictures
    captions = fit([item.caption for item in page.beside], look.note, widths, look)
    heights = [high + look.gap // 2 + caption.height for (_, high), caption in zip(places, captions, strict=True)]
    stacked = _stack(heights, height + look.cell // 3, look.gutter + look.gap // 2)
    columns = itertools.groupby(zip(stacked, widths, strict=True), key=lambda item: item[0][0])
    spans = _in_turn([max(width for _, width in column) for _, column in columns], look.gutter)
    start = canvas.bounds[0] - max(look.margin, 2 * look.gap) - spans[-1][1]
    boxes = []
    for item, (width, high), caption, (column, top) in zip(beside, places, captions, stacked, strict=True):
        left, bottom = start + spans[column][0], top + high
        boxes.append(_draw_shown(canvas, item, (left, top, left + width, bottom)))
        canvas.text(caption, left, bottom + look.gap // 2, (0, 0), look.muted)
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


def _draw_title(canvas: Canvas, page: Page) -> None:
    look = canvas.look
    left, top, right, _ = canvas.bounds
    width = [max(right - left, 2 * look.cell)]
    title = fit([page.title], look.title, width, look)[0]
    subtitle = fit([page.subtitle], look.subtitle, width, look)[0]
    bottom = top - max(look.margin * 2 // 3, 2 * look.gap)
    canvas.text(subtitle, left, bottom, (0, 1), look.muted)
    canvas.text(title, left, bottom - (subtitle.height + look.gap // 2 if subtitle.lines else 0), (0, 1))
