"""Draws the contrived styles of the literature: pictures so plain that what a method makes of them can be foreseen."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from flows import fonts
from flows.samples.pigment import colours, picture

SIDE = 512
FINE = 4  # curved borders are drawn this many times larger and averaged down

RAINBOW = colours("e6261f", "eb7532", "f7d038", "a3e048", "49da9a", "34bbe6", "4355db", "8e3fc7", "d23be7")
LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore "
    "magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo "
    "consequat. Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla "
    "pariatur. Excepteur sint occaecat cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est "
    "laborum. "
)


def halves() -> Image.Image:
    """Black on the left, white on the right: 512×512, RGB."""
    page = Image.new("RGB", (SIDE, SIDE), "white")
    page.paste("black", (0, 0, SIDE // 2, SIDE))
    return page


def checkers() -> Image.Image:
    """Black and white squares of 32 pixels, black in the upper left: 512×512, RGB."""
    rows, columns = np.indices((SIDE, SIDE)) // 32
    return Image.fromarray(((rows + columns) % 2 * 255).astype(np.uint8)).convert("RGB")


def rainbow_circles() -> Image.Image:
    """Concentric rings of 16 pixels in nine colours by turns: 512×512, RGB."""
    rings = np.floor(_radius() / 16).astype(int)
    return picture(RAINBOW[rings % len(RAINBOW)]).reduce(FINE)


def dark_circle() -> Image.Image:
    """A dark disc of radius 144 in the middle of a light ground: 512×512, RGB."""
    dark, bright = colours("202028", "f2efe6")
    return picture(np.where(_radius()[..., None] < 144, dark, bright)).reduce(FINE)


def lorem_ipsum() -> Image.Image:
    """A page of black text on white, lines 20 pixels apart: 512×512, RGB."""
    page = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.truetype(fonts.regular(), 16, layout_engine=ImageFont.Layout.BASIC)
    words = iter((LOREM * 4).split())
    line = next(words)
    for y in range(8, SIDE - 20, 20):
        while font.getlength(f"{line} {(word := next(words))}") <= SIDE - 20:
            line += f" {word}"
        pen.text((10, y), line, fill="black", font=font)
        line = word
    return page


def _radius() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Distance of every fine pixel from the middle of the picture, in pixels of the picture."""
    offset = (np.arange(SIDE * FINE) + 0.5) / FINE - SIDE / 2
    return np.sqrt(offset[:, None] ** 2 + offset[None] ** 2)
