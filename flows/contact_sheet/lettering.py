"""Sets texts in lines of a given width, in the largest size that fits, and measures all their ink."""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from flows.contact_sheet.page import Look
from flows.contact_sheet.typeface import Typeface, typeface

LINES = 3  # a text may take so many lines before it shrinks

Words = str | tuple[str, ...]
"""A text, or several that begin a line each."""


@dataclass(frozen=True)
class Block:
    """Lines of type, set and measured: width and height hold all the ink; `whole` where no word had to be broken.

    `origin` is where the first line's baseline begins, `leading` the way from one baseline to the next, in pixels.
    """

    lines: tuple[str, ...]
    font: Typeface
    leading: int
    origin: tuple[int, int] = (0, 0)
    width: int = 0
    height: int = 0
    whole: bool = True

    def mask(self, align: float) -> Image.Image:
        """Where the ink goes, 0 to 255, with lines aligned left (0) to right (1)."""
        mask, (left, baseline) = Image.new("L", (self.width, self.height)), self.origin
        draw = ImageDraw.Draw(mask)
        for index, line in enumerate(self.lines):
            spare = self.width - left - self.font.box(line)[2]
            place = (left + round(align * spare), baseline + index * self.leading)
            self.font.draw(draw, place, line)
        return mask


def leading(size: float) -> int:
    """From one baseline to the next, in pixels, for type of ordinary height."""
    return round(1.3 * size)


def set_text(text: Words, size: int, width: float, look: Look, bold: bool = False) -> Block:
    """Set a text in lines of at most `width` pixels, broken at words, else after a mark like `_`, else anywhere."""
    font, whole = typeface(size, bold, look.font), True
    lines: list[str] = []
    for part in (text,) if isinstance(text, str) else text:
        lines.append("")
        for word in re.split(r"(?<=[ _/,;:=])|(?<=[^\W\d]-)(?=[^\W\d])", _clean(part)):
            if font.length((lines[-1] + word).rstrip()) <= width:
                lines[-1] += word
                continue
            while (end := _room(word, font, width)) < len(word):
                lines, word, whole = [*lines, word[:end]], word[end:], False
            lines.append(word)
    return _measured([line.rstrip() for line in lines if line.strip()], font, whole)


def usual_height(text: Words, size: int) -> int:
    """How high a text may be before it shrinks, in pixels."""
    return max(LINES, 1 if isinstance(text, str) else len(text)) * leading(size)


def shape(text: Words) -> Words:
    """A text with all its digits the same: digits are of one width, so that it stands for others like it."""
    return re.sub(r"\d", "0", text) if isinstance(text, str) else tuple(re.sub(r"\d", "0", part) for part in text)


def fit(
    texts: Sequence[Words], size: int, widths: Sequence[float], look: Look, heights: Sequence[float] | None = None
) -> list[Block]:
    """Set texts that belong together in one size from `size` to `look.least`, each in its width and height in pixels.

    It is the largest at which none is higher than asked and no word is broken; else the largest at which none is
    higher than asked; else each is set by itself, at worst in the least, however high that is. Unless asked otherwise,
    a text may be `LINES` high, or as many lines as it begins.
    """
    heights = heights or [usual_height(text, size) for text in texts]
    # captions of thousands of cells differ in their digits, and need be tried once
    asked = [(shape(text), width, height) for text, width, height in zip(texts, widths, heights, strict=True)]
    together = _largest({*asked}, size, look)
    alone = {} if together else {one: _largest({one}, size, look) or look.least for one in {*asked}}
    sizes = (together or alone[one] for one in asked)
    return [set_text(text, points, width, look) for text, points, width in zip(texts, sizes, widths, strict=True)]


def clip(block: Block, width: float, height: float) -> Block:
    """As many lines as `height` holds, with an ellipsis where that is not all of them."""
    if block.height <= height:
        return block
    count = len(block.lines) - math.ceil((block.height - height) / block.leading)
    if count < 1:
        return _measured((), block.font)
    last = block.lines[count - 1]
    end = _room(last, block.font, width, "…")
    return _measured((*block.lines[: count - 1], last[:end].rstrip() + "…"), block.font)


def _largest(asked: Collection[tuple[Words, float, float]], size: int, look: Look) -> int | None:
    """The largest size in which texts have room in their widths and heights, at best with no word broken."""
    low = None
    for points in range(max(size, look.least), look.least - 1, -1):
        blocks = [(set_text(text, points, width, look), height) for text, width, height in asked]
        if all(block.height <= height for block, height in blocks):
            if all(block.whole for block, _ in blocks):
                return points
            low = low or points
    return low


def _clean(text: str) -> str:
    """A text on one line, without marks that only steer layout; a replacement character for what cannot be printed."""
    visible = (c for c in " ".join(text.split()) if unicodedata.category(c) != "Cf" and not "\ufe00" <= c <= "\ufe0f")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in visible)


def _room(text: str, font: Typeface, width: float, end: str = "") -> int:
    """How many of a text's characters, with `end` after them, have room in a width; at least one."""
    counts = range(1, len(text) + 1)
    return max(1, bisect_right(counts, width, key=lambda count: font.length(text[:count].rstrip() + end)))


def _measured(lines: Sequence[str], font: Typeface, whole: bool = True) -> Block:
    if not lines:
        return Block((), font, leading(font.size))
    lefts, tops, rights, bottoms = zip(*map(font.box, lines), strict=True)
    ascent, descent = font.metrics()
    ascent, descent = max(ascent, -min(tops)), max(descent, max(bottoms))
    between, left = max(leading(font.size), ascent + descent), max(0, -min(lefts))
    height = between * (len(lines) - 1) + ascent + descent
    return Block(tuple(lines), font, between, (left, ascent), left + max(rights), height, whole)
