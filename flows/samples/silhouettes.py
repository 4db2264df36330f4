"""Draws masks for `sample:astronaut`: her figure, helmet included, and what is behind it."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFilter

SIDE = 512
_FINE = 4  # borders are drawn this many times larger and averaged down
_SOFT = 2  # pixels over which a border fades
_HEAD = ((154, 14), (302, 150))
_FACE = ((181, 80), (270, 192))
_COLLAR = ((118, 148), (306, 296))
_HELMET = ((276, 344), (498, 590))
# in pixels of the photograph, clockwise from the left shoulder
_SUIT = (
    *((116, 206), (140, 200), (300, 230), (334, 258), (352, 290), (366, 350), (340, 512), (34, 512)),
    *((20, 420), (26, 330), (44, 278), (62, 242)),
)


def figure() -> Image.Image:
    """White where the astronaut is: 512×512, RGB."""
    page = Image.new("L", (SIDE * _FINE, SIDE * _FINE))
    pen = ImageDraw.Draw(page)
    pen.polygon([(x * _FINE, y * _FINE) for x, y in _SUIT], fill=255)
    for corners in (_HEAD, _FACE, _COLLAR, _HELMET):
        pen.ellipse([side * _FINE for corner in corners for side in corner], fill=255)
    return page.reduce(_FINE).filter(ImageFilter.GaussianBlur(_SOFT)).convert("RGB")


def ground() -> Image.Image:
    """White where the astronaut is not: 512×512, RGB."""
    return figure().point(lambda level: 255 - level)
