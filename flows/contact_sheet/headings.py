"""Headings of rows and columns: labels of nested axes, small pictures of what they name, rules over what they span."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from flows.contact_sheet.canvas import Canvas
from flows.contact_sheet.lettering import Block, fit
from flows.contact_sheet.page import Heading, Levels, Look, Page
from flows.contact_sheet.pictures import thumbnails

Span = tuple[int, int]  # from one coordinate to another, exclusive


@dataclass(frozen=True)
class RowLabel:
    """The innermost heading of a row: a label right against the grid, or under a small picture and centred."""

    block: Block
    image: Image.Image | None
    space: int  # between the two, in pixels
    width: int  # of the widest one in its column

    @property
    def height(self) -> int:
        """Of picture and label, in pixels."""
        return self.block.height + (self.image.height + self.space if self.image else 0)

    def draw(self, canvas: Canvas, middle: float) -> None:
        """Draw it left of the grid, its middle at a height."""
        right, top = -canvas.look.gap, middle - self.height / 2
        if self.image is None:
            canvas.text(self.block, right, middle, (1, 0.5))
            return
        center = right - self.width / 2
        canvas.thumbnail(self.image, center - self.image.width / 2, top)
        canvas.text(self.block, center, top + self.image.height + self.space, (0.5, 0))


def beside_rows(page: Page, heights: Sequence[int], look: Look) -> list[RowLabel]:
    """The innermost headings of the rows, for rows of pictures so many pixels high."""
    level = page.rows[-1] if page.rows else (Heading(""),) * len(heights)
    images = thumbnails(level, thumbnail_side(look), look)
    space = look.gap // 2
    room = [max(look.least, high - (i.height + space if i else 0)) for high, i in zip(heights, images, strict=True)]
    blocks = fit([heading.text for heading in level], look.label, [look.row_label_width] * len(level), look, room)
    pairs = list(zip(blocks, images, strict=True))
    width = max(max(block.width, image.width if image else 0) for block, image in pairs)
    return [RowLabel(block, image, space, width) for block, image in pairs]


def draw_above(canvas: Canvas, page: Page, columns: Sequence[Span]) -> None:
    """Above the grid, from below: column labels, the axis' name over a rule, the outer labels over theirs."""
    look, whole = canvas.look, (0, columns[-1][1])
    if page.columns:
        _draw_labels(canvas, page.columns[-1], columns, -look.gap)
    if page.column_axis:
        axis = fit([page.column_axis], look.axis, [whole[1]], look)[0]
        bottom = canvas.bounds[1] - look.gap * 2 // 3
        canvas.rule((whole[0], bottom, whole[1], bottom + 1))
        canvas.text(axis, sum(whole) / 2, bottom - look.gap // 2, (0.5, 1), look.muted)
    for level in reversed(page.columns[:-1]):
        spans = _spans(level, columns)
        bottom = canvas.bounds[1] - look.gap
        for span in spans:
            canvas.rule((span[0], bottom, span[1], bottom + 1))
        _draw_labels(canvas, level, spans, bottom - look.gap // 2)


def draw_left(canvas: Canvas, page: Page, rows: Sequence[Span]) -> None:
    """Left of the row labels, from the right: the axis' name along a rule, the outer labels along theirs."""
    look, height = canvas.look, rows[-1][1]
    if page.row_axis:
        right = min(0, canvas.bounds[0]) - look.gap * 2 // 3
        axis = fit([page.row_axis], look.axis, [max(height, 2 * look.narrowest)], look)[0]
        canvas.rule((right - 1, 0, right, height))
        canvas.text(axis, right - look.gap // 2, max(height, axis.width) / 2, (1, 0.5), look.muted, turned=True)
    for level in reversed(page.rows[:-1]):
        spans = _spans(level, rows)
        right = min(0, canvas.bounds[0]) - look.gap
        blocks = fit([heading.text for heading in level], look.label, [low - high for high, low in spans], look)
        images = thumbnails(level, min(thumbnail_side(look), *(low - high for high, low in spans)), look)
        left = right - look.gap // 2
        inner = left - max(block.height for block in blocks) - look.gap // 2
        for (top, bottom), block, image in zip(spans, blocks, images, strict=True):
            canvas.rule((right - 1, top, right, bottom))
            canvas.text(block, left, (top + bottom) / 2, (1, 0.5), turned=True)
            if image:
                canvas.thumbnail(image, inner - image.width, (top + bottom - image.height) / 2)


def breaks(levels: Levels) -> set[int]:
    """Rows or columns with which a group of the nested axes begins, but the first; none where no group has two."""
    outer = levels[-2] if len(levels) > 1 else ()
    starts = {*itertools.accumulate(heading.span for heading in outer[:-1])}
    return starts if any(heading.span > 1 for heading in outer) else set()


def thumbnail_side(look: Look) -> int:
    """Longest side of a small picture in a heading, in pixels."""
    return max(24, round(0.45 * look.cell))


def _draw_labels(canvas: Canvas, level: Sequence[Heading], spans: Sequence[Span], bottom: int) -> None:
    """A row of labels, each in the middle of its span, under their small pictures."""
    look, widths = canvas.look, [right - left for left, right in spans]
    blocks = fit([heading.text for heading in level], look.label, widths, look)
    images = thumbnails(level, min(thumbnail_side(look), *widths), look)
    high = bottom - max(block.height for block in blocks) - look.gap // 2
    for (left, right), block, image in zip(spans, blocks, images, strict=True):
        canvas.text(block, (left + right) / 2, bottom, (0.5, 1))
        if image:
            canvas.thumbnail(image, (left + right - image.width) / 2, high - image.height)


def _spans(level: Sequence[Heading], places: Sequence[Span]) -> list[Span]:
    """From where to where each heading reaches."""
    ends = itertools.accumulate(heading.span for heading in level)
    return [(places[end - one.span][0], places[end - 1][1]) for end, one in zip(ends, level, strict=True)]
