"""The typefaces that label contact sheets: DejaVu Sans, shipped so that labels look the same everywhere."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def regular() -> Path:
    """The TrueType file of DejaVu Sans."""
    return FOLDER / "DejaVuSans.ttf"


def bold() -> Path:
    """The TrueType file of DejaVu Sans Bold."""
    return FOLDER / "DejaVuSans-Bold.ttf"
