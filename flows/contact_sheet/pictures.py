"""Makes pictures ready to be shown: opened, upright, opaque sRGB, of one size; a panel for each that is not there."""

from __future__ import annotations

import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from PIL import Image, ImageCms, ImageDraw, ImageOps

from flows.contact_sheet.page import Heading, Look, Page, Tile
from stylecore.errors import StylepressError

_OPENERS, _AT_A_TIME = 4, 16  # threads, and pictures that each opens in a row


@dataclass(frozen=True)
class Panel:
    """What stands for a picture that is not there: what became of it, and why."""

    word: str
    reason: str


Shown = Image.Image | Panel


def open_all(page: Page, look: Look) -> tuple[list[list[Shown]], list[Shown]]:
    """The tiles' pictures and those beside, with the longest side of all as long as in the largest of the tiles'.

    That is at most a cell, so that they fit, and at least `look.narrowest`, so that their labels do.
    """
    tiles = [*itertools.chain(*page.tiles), *(Tile(item.picture) for item in page.beside)]
    some = [tiles[first : first + _AT_A_TIME] for first in range(0, len(tiles), _AT_A_TIME)]
    with ThreadPoolExecutor(_OPENERS) as threads:  # most of it is Pillow's, which needs no lock of Python's
        opened = itertools.chain.from_iterable(threads.map(lambda part: [_open(tile, look) for tile in part], some))
        shown = [list(itertools.islice(opened, len(row))) for row in page.tiles]
        beside = list(opened)
    found = sizes(itertools.chain(*shown)) or sizes(beside)
    longest = max([min(look.cell, look.narrowest), *map(max, found)])

    def fitted(items: list[Shown]) -> list[Shown]:
        return [_scaled(item, longest) if isinstance(item, Image.Image) else item for item in items]

    return [fitted(row) for row in shown], fitted(beside)


def thumbnails(headings: Iterable[Heading], longest: int, look: Look) -> list[Image.Image | None]:
    """Small pictures of what headings name; None where there is none, or it cannot be opened."""
    items = (_open(Tile(heading.picture), replace(look, cell=longest)) for heading in headings)
    return [_scaled(item, longest) if isinstance(item, Image.Image) else None for item in items]


def sizes(items: Iterable[Shown]) -> list[tuple[int, int]]:
    """(width, height) of the pictures among them."""
    return [item.size for item in items if isinstance(item, Image.Image)]


def usual_size(items: Iterable[Shown], others: Iterable[Shown], look: Look) -> tuple[int, int]:
    """(width, height) that most pictures have, or most others where there is none: the place of one not there."""
    return Counter(sizes(items) or sizes(others) or [(look.cell, look.cell)]).most_common(1)[0][0]


def hatched(size: tuple[int, int], look: Look) -> Image.Image:
    """The ground of a panel."""
    ground = Image.new("RGB", size, look.panel)
    draw = ImageDraw.Draw(ground)
    step = max(8, look.gap * 7 // 8)
    for x in range(-size[1], size[0], step):
        draw.line((x, size[1], x + size[1], 0), fill=look.background, width=max(1, step // 5))
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=look.rule)
    return ground


def _open(tile: Tile, look: Look) -> Shown:
    if tile.state != "done" or tile.picture is None:
        return Panel("missing" if tile.state == "done" else tile.state, tile.note)
    try:
        with tile.picture() as image:
            image.draft(None, (2 * look.cell, 2 * look.cell))  # a large JPEG is decoded at about this size, far sooner
            return _flat(ImageOps.exif_transpose(image), look)
    except Exception as error:  # noqa: BLE001, whatever ails one picture, the others are drawn
        return Panel("failed", _reason(error))


def _reason(error: Exception) -> str:
    """Why a picture could not be opened, without the folders that Pillow's and the system's messages name."""
    if isinstance(error, StylepressError):
        return str(error)
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return "the picture cannot be opened: " + (said if said and not re.search(r"[/\\]", said) else type(error).__name__)


def _flat(image: Image.Image, look: Look) -> Image.Image:
    """A picture in opaque sRGB, no larger than a cell; what is transparent in it shows a faint checkerboard."""
    if image.mode.startswith("I"):  # 16 bits: Pillow would clip them to 8, not scale them
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode not in ("RGB", "L", "CMYK"):  # of which a profile may speak
        image = image.convert("RGB")
    image = _in_srgb(_scaled(image, min(look.cell, max(image.size))))
    if image.mode != "RGBA":
        return image
    board = Image.new("RGB", image.size, "white")
    for x, y in itertools.product(range(0, image.width, 10), range(0, image.height, 10)):
        if (x + y) % 20:
            board.paste(look.panel, (x, y, x + 10, y + 10))
    board.paste(image, mask=image)
    return board


def _in_srgb(image: Image.Image) -> Image.Image:
    """RGB, or RGBA where the picture is, converted by its ICC profile; a profile of no use is ignored."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (KeyError, ImageCms.PyCMSError, OSError, ValueError, TypeError):
        converted = None
    return converted or (image if image.mode == mode else image.convert(mode))


def _scaled(image: Image.Image, longest: int) -> Image.Image:
    """A picture whose longest side has so many pixels."""
    scale = longest / max(image.size)
    size = (max(1, round(scale * image.width)), max(1, round(scale * image.height)))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
