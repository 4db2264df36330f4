"""Collects what is on a page, at places relative to any origin, and paints it when all is known."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from flows.contact_sheet.lettering import Block
from flows.contact_sheet.page import Box, Look, Text


class Canvas:
    """A page that grows with what is put on it."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._marks: list[tuple[Image.Image | str, Box, Image.Image | None]] = []  # picture or colour, place, mask
        self._texts: list[Text] = []
        self.thumbnails: list[Box] = []

    @property
    def bounds(self) -> Box:
        """(left, top, right, bottom) of all that is there; something must be."""
        lefts, tops, rights, bottoms = zip(*(box for _, box, _ in self._marks), strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)

    def text(
        self, block: Block, x: float, y: float, anchor: tuple[float, float], ink: str = "", turned: bool = False
    ) -> None:
        """Put the point `anchor` of a text's box (0 left or top, 1 right or bottom) at a place.

        Lines are aligned as the anchor is; those of a turned text, which reads upwards, are centred.
        """
        if block.lines:
            mask = block.mask(0.5 if turned else anchor[0])
            mask = mask.transpose(Image.Transpose.ROTATE_90) if turned else mask
            box = _box(mask, x - anchor[0] * mask.width, y - anchor[1] * mask.height)
            self._marks.append((ink or self.look.ink, box, mask))
            self._texts.append(Text(box, block.lines))

    def picture(self, image: Image.Image, x: float, y: float) -> Box:
        """Put a picture's left upper corner at a place, and say what box it fills."""
        box = _box(image, x, y)
        self._marks.append((image, box, None))
        return box

    def thumbnail(self, image: Image.Image, x: float, y: float) -> None:
        """Put a heading's small picture's left upper corner at a place."""
        self.thumbnails.append(self.picture(image, x, y))

    def rule(self, box: Box) -> None:
        """Fill a box with the colour of rules."""
        self._marks.append((self.look.rule, box, None))

    def paint(self) -> tuple[Image.Image, tuple[Text, ...], Callable[[Box], Box]]:
        """The page with its margins, the texts on it, and what takes a box from the origin used so far to the page."""
        left, top, right, bottom = self.bounds
        margin = self.look.margin

        def moved(box: Box) -> Box:
            x, y = margin - left, margin - top
            return box[0] + x, box[1] + y, box[2] + x, box[3] + y

        page = Image.new("RGB", (right - left + 2 * margin, bottom - top + 2 * margin), self.look.background)
        self._marks.reverse()
        while self._marks:  # what is on the page is not held twice
            source, box, mask = self._marks.pop()
            page.paste(source, moved(box), mask)
        return page, tuple(Text(moved(text.box), text.lines) for text in self._texts), moved


def _box(image: Image.Image, x: float, y: float) -> Box:
    return round(x), round(y), round(x) + image.width, round(y) + image.height
