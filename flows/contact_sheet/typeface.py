"""One size of a typeface: measures and draws a line, with other fonts for characters that the first one lacks."""

from __future__ import annotations

import functools
import io
import itertools
import math
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageDraw, ImageFont, features

from flows import fonts

Source = str | bytes
"""A font: the path or installed name of its file, or what is in it."""

_LEAST_WIDE = ("Arial Unicode.ttf", "PingFang.ttc", "msyh.ttc", "msgothic.ttc", "malgun.ttf", "seguisym.ttf")
"""Fonts of many characters that macOS and Windows bring, for machines that cannot list their fonts."""


@dataclass(frozen=True)
class Typeface:
    """A font at a size in pixels, and what stands in for it."""

    size: int
    source: Source

    def length(self, text: str) -> float:
        """How far a line goes, in pixels."""
        return sum(font.getlength(part) for part, font in self._runs(text))

    def box(self, text: str) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of a line's ink and its way, in pixels from where its baseline begins."""
        boxes, at = [], 0.0
        for part, font in self._runs(text):
            left, top, right, bottom = font.getbbox(part, anchor="ls")
            boxes.append((left + at, top, right + at, bottom))
            at += font.getlength(part)
        lefts, tops, rights, bottoms = zip(*boxes, strict=True) if boxes else ((0,), (0,), (0,), (0,))
        return math.floor(min(lefts)), math.floor(min(tops)), math.ceil(max(rights)), math.ceil(max(bottoms))

    def draw(self, on: ImageDraw.ImageDraw, place: tuple[int, int], text: str) -> None:
        """Draw a line in white, its baseline beginning at a place."""
        at = 0.0
        for part, font in self._runs(text):
            on.text((place[0] + at, place[1]), part, fill=255, font=font, anchor="ls")
            at += font.getlength(part)

    def metrics(self) -> tuple[int, int]:
        """Ascent and descent of lines, in pixels."""
        return _opened(self.source, self.size).getmetrics()

    def _runs(self, text: str) -> Iterator[tuple[str, ImageFont.FreeTypeFont]]:
        """Parts of a line, in the order drawn, each with its font."""
        if text.isascii():
            yield text, _opened(self.source, self.size)
        elif _is_rightward(text) and features.check("raqm") and features.check("fribidi"):
            # one font for the whole line, whose parts change places; without these libraries letters stand as written
            strange = next((c for c in text if unicodedata.bidirectional(c) in ("R", "AL")), "")
            yield text, _opened(_source_of(strange, self.source), self.size, True)
        else:
            sources: list[Source] = []
            for char in text:  # a mark over a letter stays with its letter
                stays = sources and (char == " " or unicodedata.category(char).startswith("M"))
                sources.append(sources[-1] if stays else _source_of(char, self.source))
            pairs = itertools.groupby(zip(text, sources, strict=True), key=lambda pair: pair[1])
            for source, part in pairs:
                yield "".join(char for char, _ in part), _opened(source, self.size)


def typeface(size: int, bold: bool = False, font: bytes = b"") -> Typeface:
    """The shipped typeface, or another font's only face, at a size in pixels."""
    return Typeface(size, font or str(fonts.bold() if bold else fonts.regular()))


def is_font(data: bytes) -> bool:
    """Whether bytes are a font that can be drawn in any size."""
    try:
        ImageFont.truetype(io.BytesIO(data), 20).getbbox("x")
    except OSError:
        return False
    return True


def installed_font(name: str) -> bytes:
    """An installed font by the name of its file, where the system keeps fonts.

    Raises:
        FileNotFoundError: there is none.
    """
    try:
        return Path(str(ImageFont.truetype(name, 20).path)).read_bytes()
    except OSError:
        raise FileNotFoundError(name) from None


@functools.cache
def _opened(source: Source, size: int, shaped: bool = False) -> ImageFont.FreeTypeFont:
    layout = ImageFont.Layout.RAQM if shaped else ImageFont.Layout.BASIC  # raqm is not in every Pillow
    return ImageFont.truetype(io.BytesIO(source) if isinstance(source, bytes) else source, size, layout_engine=layout)


@functools.cache
def _source_of(char: str, first: Source) -> Source:
    """The font to draw a character in: the first, the shipped one, one of the system's; else the box of the first."""
    shipped = str(fonts.regular())
    near = next((source for source in (first, shipped) if _has(source, char)), None)
    return near or next((source for source in _system_fonts(char) if _has(source, char)), shipped)


@functools.cache
def _has(source: Source, char: str) -> bool:
    if char.isspace():
        return True
    try:
        font = _opened(source, 24)
        drawn, lacking = font.getmask(char), font.getmask("\U0010ffff")  # which no font has
    except OSError:  # of fixed sizes, as fonts of coloured emoji are
        return False
    return drawn.size != lacking.size or bytes(drawn) != bytes(lacking)


def _system_fonts(char: str) -> list[str]:
    """Installed fonts that say they have a character, upright ones of usual weight first."""
    if not shutil.which("fc-list"):
        return list(_LEAST_WIDE)
    code = ord(char)
    return [path for path, ranges in _listed() if any(first <= code <= last for first, last in ranges)]


@functools.cache
def _listed() -> tuple[tuple[str, tuple[tuple[int, int], ...]], ...]:
    """Files of fontconfig's fonts, each with the ranges of characters it has."""
    command = ["fc-list", "--format", "%{file}\t%{charset}\n"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return ()
    found = {}
    for path, _, charset in (line.partition("\t") for line in said.splitlines()):
        ends = [part.split("-") for part in charset.split()]
        found[path] = tuple((int(pair[0], 16), int(pair[-1], 16)) for pair in ends)
    return tuple(sorted(found.items(), key=lambda item: ("Regular" not in item[0], "Sans" not in item[0], item[0])))


def _is_rightward(text: str) -> bool:
    return any(unicodedata.bidirectional(char) in ("R", "AL") for char in text)
