"""Sets texts in lines of a given width, in the largest size that fits, and measures all their ink."""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from flows import fonts

LINES = 3  # a text may take so many lines before it shrinks

Words = str | tuple[str, ...]
"""A text, or several that begin a line each."""


@dataclass(frozen=True)
class Block:
    """Lines of type, set and measured: width and height hold all the ink; `whole` where no word had to be broken.

    `origin` is where the first line's baseline begins, `leading` the way from one baseline to the next, in pixels.
    """

    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont
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
            spare = self.width - left - math.ceil(self.font.getbbox(line, anchor="ls")[2])
            place = (left + round(align * spare), baseline + index * self.leading)
            draw.text(place, line, fill=255, font=self.font, anchor="ls")
        return mask


def leading(size: float) -> int:
    """From one baseline to the next, in pixels, for type of ordinary height."""
    return round(1.3 * size)


def set_text(text: Words, size: int, width: float, bold: bool = False) -> Block:
    """Set a text in lines of at most `width` pixels, broken at words, else after a mark like `_`, else anywhere."""
    font, whole = _font(size, bold), True
    lines: list[str] = []
    for part in (text,) if isinstance(text, str) else text:
        lines.append("")
        for word in re.split(r"(?<=[ _/,;:=])|(?<=[^\W\d]-)(?=[^\W\d])", _clean(part)):
            if font.getlength((lines[-1] + word).rstrip()) <= width:
                lines[-1] += word
                continue
            while (end := _room(word, font, width)) < len(word):
                lines, word, whole = [*lines, word[:end]], word[end:], False
            lines.append(word)
    return _measured([line.rstrip() for line in lines if line.strip()], font, whole)


def usual_height(text: Words, size: int) -> int:
    """How high a text may be before it shrinks, in pixels."""
    return max(LINES, 1 if isinstance(text, str) else len(text)) * leading(size)


def fit(
    texts: Sequence[Words], size: int, widths: Sequence[float], least: int, heights: Sequence[float] | None = None
) -> list[Block]:
    """Set texts that belong together in one size from `size` down to `least`, each in its width and height in pixels.

    It is the largest at which none is higher than asked and no word is broken; else the largest at which none is
    higher than asked; else the least, however high that is. Unless asked otherwise, a text may be `LINES` high, or
    as many lines as it begins.
    """
    heights = heights or [usual_height(text, size) for text in texts]
    low: list[Block] = []
    blocks: list[Block] = []
    for points in range(max(size, least), least - 1, -1):
        blocks = [set_text(text, points, width) for text, width in zip(texts, widths, strict=True)]
        if all(block.height <= height for block, height in zip(blocks, heights, strict=True)):
            if all(block.whole for block in blocks):
                return blocks
            low = low or blocks
    return low or blocks


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


@functools.cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    path = fonts.bold() if bold else fonts.regular()
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)  # raqm is not in every Pillow


def _clean(text: str) -> str:
    """A text on one line, without marks that only steer layout; a replacement character for what cannot be printed."""
    visible = (c for c in " ".join(text.split()) if unicodedata.category(c) != "Cf")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in visible)


def _room(text: str, font: ImageFont.FreeTypeFont, width: float, end: str = "") -> int:
    """How many of a text's characters, with `end` after them, have room in a width; at least one."""
    counts = range(1, len(text) + 1)
    return max(1, bisect_right(counts, width, key=lambda count: font.getlength(text[:count].rstrip() + end)))


def _measured(lines: Sequence[str], font: ImageFont.FreeTypeFont, whole: bool = True) -> Block:
    if not lines:
        return Block((), font, leading(font.size))
    lefts, tops, rights, bottoms = zip(*(font.getbbox(line, anchor="ls") for line in lines), strict=True)
    ascent, descent = font.getmetrics()
    ascent, descent = max(ascent, math.ceil(-min(tops))), max(descent, math.ceil(max(bottoms)))
    between, left = max(leading(font.size), ascent + descent), max(0, math.ceil(-min(lefts)))
    height = between * (len(lines) - 1) + ascent + descent
    return Block(tuple(lines), font, between, (left, ascent), left + math.ceil(max(rights)), height, whole)
