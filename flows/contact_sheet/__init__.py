"""Draws one page of a contact sheet: a labelled grid of pictures, set like a plate in a catalogue."""

from __future__ import annotations

from flows.contact_sheet.composition import draw_page
from flows.contact_sheet.looks import look_of
from flows.contact_sheet.page import (
    DEFAULT_LOOK,
    Beside,
    Box,
    DrawnPage,
    Heading,
    Levels,
    Look,
    Opener,
    Page,
    Text,
    Tile,
)
from flows.contact_sheet.paging import grid_limit
from flows.contact_sheet.typeface import installed_font, is_font

__all__ = [
    "DEFAULT_LOOK",
    "Beside",
    "Box",
    "DrawnPage",
    "Heading",
    "Levels",
    "Look",
    "Opener",
    "Page",
    "Text",
    "Tile",
    "draw_page",
    "grid_limit",
    "installed_font",
    "is_font",
    "look_of",
]
