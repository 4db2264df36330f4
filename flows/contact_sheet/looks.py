"""Looks made to measure: type and space in proportion to the cell, inks that can be read on the background."""

from __future__ import annotations

from dataclasses import replace

from PIL import ImageColor

from flows.contact_sheet.page import DEFAULT_LOOK, Look

_LIGHT_INK, _LIGHT_ALARM = "#f4f2ee", "#ff9d87"  # for dark backgrounds
_READABLE = 4.5
"""Least contrast of small type: WCAG 2.2, 1.4.3."""


def look_of(
    cell: int, gutter: int | None = None, margin: int | None = None, background: str = "", font: bytes = b""
) -> Look:
    """A look for cells of a size; what is not asked for follows from the cell, as in the default look.

    Args:
        cell: longest side of a picture, in pixels.
        gutter: between pictures, in pixels.
        margin: around the page, in pixels.
        background: any colour that Pillow reads.
        font: a font file's bytes.
    """
    usual = DEFAULT_LOOK

    def sized(length: int, least: int) -> int:
        return max(least, round(length * cell / usual.cell))

    look = Look(
        cell=cell,
        narrowest=min(max(cell, 48), max(usual.narrowest, cell // 4)),
        gutter=sized(usual.gutter, 4) if gutter is None else gutter,
        gap=sized(usual.gap, 8),
        margin=sized(usual.margin, 32) if margin is None else margin,
        title=sized(usual.title, 26),
        subtitle=sized(usual.subtitle, 16),
        label=sized(usual.label, 14),
        axis=sized(usual.axis, 13),
        note=sized(usual.note, 12),
        least=sized(usual.least, 11),
        font=font,
    )
    return _on(background, look) if background else look


def _on(background: str, look: Look) -> Look:
    """A look with colours for a background."""
    paper = _rgb(background)
    ink, alarm = max(
        (look.ink, look.alarm), (_LIGHT_INK, _LIGHT_ALARM), key=lambda pair: _contrast(_rgb(pair[0]), paper)
    )

    def mixed(share: float) -> tuple[float, ...]:
        return tuple(share * a + (1 - share) * b for a, b in zip(_rgb(ink), paper, strict=True))

    readable = (mixed(share / 100) for share in range(62, 100, 4))
    muted = next((color for color in readable if _contrast(color, paper) >= _READABLE), _rgb(ink))
    return replace(
        look,
        background=_hex(paper),
        ink=ink,
        muted=_hex(muted),
        rule=_hex(mixed(0.22)),
        panel=_hex(mixed(0.05)),
        alarm=alarm if _contrast(_rgb(alarm), paper) >= _READABLE else ink,
    )


def _rgb(color: str) -> tuple[float, ...]:
    return tuple(map(float, ImageColor.getrgb(color)[:3]))


def _hex(color: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in color)


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Contrast ratio of two colours, from 1 to 21 (WCAG 2.2)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: tuple[float, ...]) -> float:
    shares = (part / 255 for part in color)
    linear = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
