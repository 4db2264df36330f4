"""Draws `waves`: breaking waves in the manner of a woodblock print, flat colours, bold outlines and claws of foam."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from flows.samples.pigment import Floats, colours, mix, noise, picture, ramp

SIZE = (1024, 768)
SCALE = 3

Ink = tuple[int, int, int]
Disc = tuple[float, float, float]  # x, y, radius
OUTLINE: Ink = (20, 38, 70)
PRUSSIAN: Ink = (31, 66, 114)
BLUE: Ink = (58, 108, 156)
PALE: Ink = (138, 176, 194)
MIST: Ink = (200, 212, 203)
CREAM: Ink = (243, 233, 208)
SUN: Ink = (205, 106, 78)
STRIPES = (
    *(PRUSSIAN, BLUE, PRUSSIAN, MIST, BLUE, PRUSSIAN, PALE),
    *(BLUE, PRUSSIAN, CREAM, BLUE, PRUSSIAN, PALE, PRUSSIAN),
)
SKY = colours("8f8f86", "b9b2a0", "dccfae", "efe0bd", "ecd6b4", "d8cdb8")

# where the feet of a row's waves are and how tall they stand, as shares of the picture's height
ROWS = ((0.345, 0.085), (0.425, 0.12), (0.53, 0.165), (0.665, 0.225), (0.83, 0.29), (1.03, 0.33))


def draw() -> Image.Image:
    """Print the picture: RGB, 1024×768, the same every time."""
    rng = np.random.default_rng(1831)
    size = (SIZE[0] * SCALE, SIZE[1] * SCALE)
    y = np.linspace(0, 1, size[1], dtype=np.float32)[:, None] * np.ones((1, size[0]), np.float32)
    grain = noise(rng, size, 7 * SCALE, octaves=3, stretch=16)
    sheet = picture(ramp(SKY, y * 2.6 + 0.03 * grain))
    pen = ImageDraw.Draw(sheet)
    _mist(pen, rng)
    for row, (base, tall) in enumerate(ROWS):
        _swell(pen, rng, base, tall)
        step = 2.05 * tall * SIZE[1] / SIZE[0]
        start = -(0.6 + 0.5 * (row % 2)) * step
        for column in range(int(1 / step) + 3):
            x = start + (column + rng.uniform(-0.12, 0.12)) * step
            foot = base + 0.15 * tall * rng.uniform(-1, 0.6)
            _wave(pen, rng, (x * size[0], foot * size[1]), tall * size[1] * rng.uniform(0.8, 1.12))
    inked = np.asarray(sheet, np.float32) / 255
    worn = (
        1 + 0.030 * grain + 0.018 * noise(rng, size, 2.5 * SCALE, octaves=2)
    )  # the block's grain shows in the flat colours
    print_ = mix(inked * worn[..., None], colours("f3e9d0")[0], 0.05)
    return picture(print_).resize(SIZE, Image.Resampling.LANCZOS)


def _bezier(*points: tuple[float, float]) -> Floats:
    """Points along cubic Bézier arcs that share their ends; shape (n, 2)."""
    knots = np.array(points, np.float32)
    t = np.linspace(0, 1, 24, dtype=np.float32)[:, None]
    arcs = []
    for start in range(0, len(knots) - 1, 3):
        a, b, c, d = knots[start : start + 4]
        arcs.append((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d)
    return np.concatenate(arcs)


BACK = _bezier((-1.55, -0.10), (-0.75, 0.00), (-0.45, 1.02), (0.20, 1.00), (0.58, 0.98), (0.86, 0.78), (0.80, 0.44))
HOLLOW = _bezier((1.45, -0.14), (0.60, -0.06), (-0.02, 0.36), (0.16, 0.66), (0.30, 0.86), (0.62, 0.80), (0.80, 0.44))


def _wave(pen: ImageDraw.ImageDraw, rng: np.random.Generator, foot: tuple[float, float], tall: float) -> None:
    """One breaking wave: stripes that run from its foot to its lip, and foam along the lip."""
    lean = rng.uniform(-0.12, 0.12)

    def place(points: Floats) -> Floats:
        return np.stack([foot[0] + tall * (points[:, 0] + lean * points[:, 1]), foot[1] - tall * points[:, 1]], 1)

    line = max(SCALE, round(tall * 0.011))
    cuts = np.cumsum([0, *rng.uniform(0.6, 1.5, len(STRIPES))])
    cuts = cuts / cuts[-1]
    wobble = 0.012 * np.sin(np.linspace(0, 9, len(BACK)) + rng.uniform(0, 6))[:, None]
    for ink, left, right in zip(STRIPES, cuts[:-1], cuts[1:], strict=True):
        near, far = (place(BACK * (1 - cut) + HOLLOW * cut + wobble * np.sin(cut * 6)) for cut in (left, right))
        pen.polygon(np.concatenate([near, far[::-1]]).ravel().tolist(), fill=ink)
        pen.line(near.ravel().tolist(), fill=OUTLINE, width=line)
    pen.line(place(BACK).ravel().tolist(), fill=OUTLINE, width=2 * line, joint="curve")
    pen.line(place(HOLLOW).ravel().tolist(), fill=OUTLINE, width=2 * line, joint="curve")
    _foam(pen, rng, place, tall, 1.6 * line)


def _foam(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, place: Callable[[Floats], Floats], tall: float, line: float
) -> None:
    """Foam along the lip of a wave: a cloud on its crest, claws that reach out of it, and drops."""
    cloud: list[Disc] = []
    for part in np.linspace(0.34, 1.0, 64):
        x, y = place(_between(BACK, part)[None])[0] + rng.normal(0, 0.020, 2) * tall
        full = tall * (0.4 + 0.6 * np.sin(np.pi * min(1.0, (part - 0.32) / 0.5) / 2))
        cloud.append((x, y, full * rng.uniform(0.022, 0.055)))
    claws: list[Disc] = []
    for part in np.linspace(0.60, 1.0, 13):  # hooks out of the lip
        start = place(_between(0.45 * BACK + 0.55 * HOLLOW, part)[None])[0]
        heading = np.deg2rad(rng.uniform(15, 60) + 75 * (part - 0.6) / 0.4)
        length, radius = rng.uniform((0.17, 0.022), (0.33, 0.034)) * tall
        claws += _claw(start, heading, length, radius, curl=rng.uniform(1.2, 2.8))
    for part in np.linspace(0.40, 0.95, 12):  # spray thrown up over the back
        start = place(_between(BACK, part)[None])[0]
        heading = np.deg2rad(rng.uniform(-75, -15) + 60 * (part - 0.4))
        length, radius = rng.uniform((0.07, 0.016), (0.15, 0.026)) * tall
        claws += _claw(start, heading, length, radius, curl=rng.uniform(1.0, 3.2))
    for grow, ink in ((line, OUTLINE), (0.0, CREAM)):  # all outlines first, so that the foam is one shape
        for x, y, radius in (*cloud, *claws):
            _disc(pen, x, y, radius + grow, ink)
    for x, y, radius in cloud[::2]:
        turn = rng.uniform(0, 360)
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.arc(box, turn, turn + 150, fill=PALE, width=max(SCALE, round(line * 0.8)))
    for _ in range(30):
        x, y = place(_between(BACK, rng.uniform(0.5, 1))[None])[0] + rng.uniform((-0.1, -0.24), (0.45, 0.25)) * tall
        _disc(pen, x, y, tall * rng.uniform(0.006, 0.016), CREAM)


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, ink: Ink) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)


def _between(curve: Floats, part: float) -> Floats:
    """The point at `part` of the way along a curve's points, shape (2,)."""
    spot = part * (len(curve) - 1)
    index = min(int(spot), len(curve) - 2)
    point: Floats = curve[index] * (1 - (spot - index)) + curve[index + 1] * (spot - index)
    return point


def _claw(start: Floats, heading: float, length: float, radius: float, curl: float) -> list[Disc]:
    """Circles (x, y, radius) along a hook that narrows and winds itself up."""
    x, y = start
    discs = []
    for part in np.linspace(0, 1, 30):
        discs.append((x, y, radius * (1 - 0.72 * part)))
        turn = heading + curl * part**2
        x, y = x + np.cos(turn) * length / 30, y + np.sin(turn) * length / 30
    return discs


def _swell(pen: ImageDraw.ImageDraw, rng: np.random.Generator, base: float, tall: float) -> None:
    """The water between the waves of a row: a dark band with lines that follow its surface."""
    width, height = SIZE[0] * SCALE, SIZE[1] * SCALE
    x = np.linspace(0, width, 160)
    phases = rng.uniform(0, 2 * np.pi, 2)
    wave = np.sin(x / (tall * height * 0.55) + phases[0]) + 0.6 * np.sin(x / (tall * height * 0.23) + phases[1])
    inks = (PRUSSIAN, BLUE, PRUSSIAN, PALE, PRUSSIAN, BLUE, PRUSSIAN, MIST, PRUSSIAN, BLUE, PRUSSIAN)
    for part, ink in enumerate(inks):
        swing = 0.030 * wave * (1 + 0.25 * np.sin(part * 1.7 + x / (45 * SCALE)))
        y = (base + tall * (0.085 * part - 0.40 + swing)) * height
        edge = np.stack([x, y], 1).ravel().tolist()
        pen.polygon([*edge, width, height, 0, height], fill=ink)
        pen.line(edge, fill=OUTLINE, width=max(SCALE, round(tall * height * 0.008)))


def _mist(pen: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """A low sun, and long bands of mist with rounded ends, the way print makers close off a sky."""
    width, height = SIZE[0] * SCALE, SIZE[1] * SCALE
    sun, low, reach = 0.70 * width, 0.155 * height, 0.105 * height
    pen.ellipse((sun - reach, low - reach, sun + reach, low + reach), fill=SUN, outline=OUTLINE, width=2 * SCALE)
    thick = 0.017 * height
    for level in range(11):
        y = (level + 0.6) * 0.024 * height
        x = -rng.uniform(0.0, 0.4) * width
        while x < width:
            length = width * rng.uniform(0.10, 0.36)
            for inset, ink in ((0.0, (CREAM, MIST, PALE)[rng.integers(3)]), (0.42 * thick, None)):
                box = (x + 3 * inset, y - thick / 2 + inset, x + length - 3 * inset, y + thick / 2 - inset)
                pen.rounded_rectangle(
                    box,
                    thick / 2 - inset,
                    fill=ink,
                    outline=OUTLINE if ink else BLUE,
                    width=round(1.5 * SCALE) if ink else SCALE,
                )
            x += length + width * rng.uniform(0.02, 0.13)
