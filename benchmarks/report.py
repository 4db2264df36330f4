"""How measurements are told: tables in Markdown, curves as SVG, one section of a page for each benchmark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 720, 400, 85, 30, 45
_COLOURS = ("#333333", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # told apart by everybody


@dataclass(frozen=True)
class Report:
    """What a benchmark found.

    Attributes:
        title: heading of its section.
        text: its tables, and how they came about, in Markdown.
        plots: SVG pictures by name.
    """

    title: str
    text: str
    plots: Mapping[str, str] = field(default_factory=dict)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is words and whose others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def merged(page: str, title: str, section: str) -> str:
    """A page with a section of that title put in the place of an older one, or at the end."""
    parts = ["## " + part.rstrip() for part in page.split("\n## ")[1:]]
    new = f"## {title}\n\n{section.strip()}"
    places = [n for n, part in enumerate(parts) if part.split("\n")[0] == f"## {title}"]
    if places:
        parts[places[0]] = new
    else:
        parts.append(new)
    return "\n\n".join([page.split("\n## ")[0].rstrip(), *parts]) + "\n"


def curves(title: str, across: str, up: str, lines: Mapping[str, Points], marks: Mapping[str, float]) -> str:
    """Curves on a logarithmic vertical axis, as an SVG picture.

    Args:
        title: above the picture.
        across: what the horizontal axis counts.
        up: what the vertical axis counts.
        lines: points (across, up) of each curve, by its name; heights above 0.
        marks: heights of dashed lines, by their names.
    """
    points = [point for line in lines.values() for point in line]
    right = max(x for x, _ in points) or 1.0
    heights = [math.log10(y) for y in [*(y for _, y in points), *marks.values()]]
    low, high = min(heights), max(max(heights), min(heights) + 1e-9)
    wide, tall = _WIDTH - _LEFT - 20, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + wide * x / right, _TOP + tall * (high - math.log10(y)) / (high - low)

    drawn = [_text(_LEFT, 18, title, "start"), _text(_LEFT + wide / 2, _HEIGHT - 8, across)]
    drawn.append(f'<g transform="translate(14 {_TOP + tall / 2}) rotate(-90)">{_text(0, 0, up)}</g>')
    drawn += [_text(place(x, 1)[0], _TOP + tall + 16, f"{x:g}") for x in _round_numbers(right)]
    for n in range(6):
        y = 10 ** (low + (high - low) * n / 5)
        drawn.append(_text(_LEFT - 6, place(0, y)[1] + 4, f"{y:.3g}", "end"))
        drawn.append(_line([place(0, y), place(right, y)], "#dddddd", 0.5))
    for name, y in marks.items():
        drawn.append(_line([place(0, y), place(right, y)], "#888888", 1, dashed=True))
        drawn.append(_text(place(right, y)[0], place(0, y)[1] - 4, name, "end"))
    for n, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[n % len(_COLOURS)]
        drawn.append(_line([place(x, y) for x, y in line], colour, 1.6))
        drawn.append(_text(_LEFT + wide, _TOP + 14 + 16 * n, name, "end", colour))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
    return "\n".join([f'{head} font-size="12">', '<rect width="100%" height="100%" fill="white"/>', *drawn, "</svg>\n"])


def _round_numbers(most: float) -> list[float]:
    """Four to eight numbers from 0 to at most `most`, one round step apart."""
    power = 10 ** math.floor(math.log10(most / 4))
    step = power * max(factor for factor in (1, 2, 5) if 4 * factor * power <= most * (1 + 1e-9))
    return [n * step for n in range(int(most / step) + 1)]


def _text(x: float, y: float, words: str, anchor: str = "middle", colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _line(points: Iterable[tuple[float, float]], colour: str, width: float, *, dashed: bool = False) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'
