"""Draws `brush-strokes`: thick directional strokes along a swirling field, a night sky over hills and ripe corn."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from flows.samples.pigment import Floats, colours, mix, noise, photograph, picture, ramp

SIZE = (1024, 800)
SCALE = 2  # the canvas is painted larger and reduced, so that single bristles stay visible and smooth

NIGHT = colours("0a1636", "10245a", "173a86", "2558ac", "3f7fc6", "7fb2d6", "1b4a97", "0d1d4c")
GLOW = colours("fff6cf", "ffe27a", "f6b73a", "e0962c", "d9c77c", "8fbfae", "4f8fc0")
FAR = colours("13244f", "1d3f73", "2f6488", "5b93a0", "24507f")
HILL = colours("10302f", "1d5044", "3a7a50", "7f9f4c", "28594a")
CORN = colours("7a3b16", "b5651d", "dd9a2b", "f4c553", "fbe59a", "c9802a")
# x, y and radius, as shares of the picture's width, height and width
LIGHTS = (
    (0.16, 0.19, 0.075),
    (0.44, 0.10, 0.045),
    (0.80, 0.21, 0.110),
    (0.59, 0.33, 0.040),
    (0.34, 0.41, 0.045),
    (0.05, 0.47, 0.035),
    (0.955, 0.50, 0.04),
    (0.62, 0.04, 0.03),
)
# palette, height of the ridge as a share of the picture's, and how much the ridge swells
RANGES = ((FAR, 0.60, 0.050), (HILL, 0.70, 0.045), (CORN, 0.82, 0.030))
# width and length of the brush in pixels, how many strokes, and how much they differ in tone
COATS = ((40, 170, 800, 0.08), (27, 135, 1700, 0.10), (17, 95, 2600, 0.12), (10, 62, 2300, 0.20))


def draw() -> Image.Image:
    """Paint the picture: RGB, 1024×800, the same every time."""
    rng = np.random.default_rng(1889)
    target, angle = _scene(rng)
    canvas = picture(target).resize((SIZE[0] * SCALE, SIZE[1] * SCALE)).convert("RGBA")
    for width, length, count, contrast in COATS:
        _coat(ImageDraw.Draw(canvas), rng, (target, angle), (width, length, count, contrast))
    return photograph(canvas, SIZE, relief=0.30, gloss=0.18)


def _scene(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The colours to aim for, (height, width, 3), and the direction of the brush in radians, (height, width)."""
    width, height = SIZE
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    stream = 46 * noise(rng, SIZE, 300, octaves=2) + 0.75 * y  # its level lines are the ways the brush goes
    for cx, cy, radius in LIGHTS:
        reach = radius * width
        away = np.hypot(x - cx * width, y - cy * height)
        stream += np.exp(-((away / (1.9 * reach)) ** 3)) * (1.6 * away - stream)
    sky = ramp(NIGHT, np.mod(stream / 150 + 0.10 * noise(rng, SIZE, 90), 1))
    haze = noise(rng, SIZE, 40)
    for cx, cy, radius in LIGHTS:
        away = np.hypot(x - cx * width, y - cy * height) / (radius * width)
        rings = away + 0.10 * np.sin(away * 15) + 0.05 * haze
        sky = mix(sky, ramp(GLOW, rings / 1.75), np.clip(2.2 - 1.15 * away, 0, 1))
    return _land(rng, sky, stream, x, y)


def _land(rng: np.random.Generator, sky: Floats, stream: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Lay three ranges of hills before the sky, each with its own palette and lie of the brush."""
    scene = sky
    width, height = SIZE
    for index, (palette, top, swell) in enumerate(RANGES):
        phase = 0.3 + 1.9 * index
        ridge = top + swell * np.sin(x / width * 5.1 + phase) + swell / 2 * np.sin(x / width * 12.3 + 2 * phase)
        depth = y - ridge * height
        inside = np.clip(depth / 3, 0, 1)
        flow = depth + 14 * noise(rng, SIZE, 110, octaves=2)
        if palette is CORN:  # it stands up and leans with the wind
            flow = 1.4 * x + 0.75 * depth + 30 * noise(rng, SIZE, 160, octaves=2)
        stream = stream + inside * (flow - stream)
        bands = np.mod(flow / 95 + 0.22 * noise(rng, SIZE, 60), 1)
        scene = mix(scene, ramp(palette, bands), inside)
    down, right = np.gradient(stream)
    return scene, np.arctan2(-right, down).astype(np.float32)


def _coat(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    aim: tuple[Floats, Floats],
    brush: tuple[int, int, int, float],
) -> None:
    """One coat of strokes in random order; `aim` is what `_scene` gives, `brush` one of `COATS`."""
    target, angle = aim
    width, length, count, contrast = brush
    steps = 9
    path = _follow(_scatter(rng, count), angle, length * rng.uniform(0.6, 1.15, count).astype(np.float32), steps)
    darker = 1 + contrast * np.clip(rng.standard_normal((count, 1)), -1.3, 2)
    tone = _at(target, path[steps // 2]) * darker + 0.022 * rng.standard_normal((count, 3))
    heading = np.gradient(path, axis=0)
    normal = np.stack([-heading[..., 1], heading[..., 0]], -1) / (
        np.linalg.norm(heading, axis=-1, keepdims=True) + 1e-6
    )
    for stroke in range(count):
        _stroke(pen, rng, path[:, stroke], normal[:, stroke], tone[stroke], width)


def _stroke(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, path: Floats, normal: Floats, tone: Floats, width: int
) -> None:
    """Every bristle draws its own line beside the path, in its own tone and thickness (the canvas's alpha)."""
    steps = len(path)
    bristles = max(5, round(width * 0.5))
    across = np.linspace(-0.5, 0.5, bristles)
    pressed = np.sin(np.linspace(0.25, np.pi - 0.45, steps))[:, None] ** 0.5  # the brush is set down and lifted
    lanes = (path[:, None] + normal[:, None] * (across * width * pressed)[..., None]) * SCALE
    load = rng.standard_normal(bristles)  # how much paint each bristle carries
    load = 0.6 * load + 0.4 * np.roll(load, 1)
    shade = tone * (1 + 0.10 * load[:, None]) + 0.012 * rng.standard_normal((bristles, 3))
    thick = 120 + 50 * np.cos(across * np.pi) + 26 * load + 30 * (np.abs(across) > 0.4) + rng.uniform(-20, 20)
    ink = np.clip(np.concatenate([shade * 255, thick[:, None]], 1), 0, 255).astype(np.uint8)
    first, last = rng.integers(0, 2, bristles), steps - rng.integers(0, 3, bristles)
    for lane in rng.permutation(bristles):
        points = lanes[first[lane] : last[lane], lane].ravel().tolist()
        pen.line(points, fill=tuple(ink[lane].tolist()), width=round(SCALE * width / bristles * 1.5))


def _scatter(rng: np.random.Generator, count: int) -> Floats:
    """About evenly spread positions in random order, a little beyond the borders, shape (count, 2)."""
    width, height = SIZE
    columns = int(np.sqrt(count * width / height))
    rows = -(-count // columns)
    cells = rng.permutation(columns * rows)[:count]
    spots = np.stack([cells % columns, cells // columns], 1) + rng.uniform(0, 1, (count, 2))
    spread: Floats = (spots / (columns, rows) * 1.06 - 0.03) * SIZE
    return spread


def _follow(starts: Floats, angle: Floats, length: Floats, steps: int) -> Floats:
    """Trace the field both ways from `starts`; shape (steps, count, 2)."""
    half = steps // 2
    stride = (length / (steps - 1))[:, None]
    ways = []
    for sign in (-1, 1):
        spot, trail = starts, []
        for _ in range(half):
            turn = _at(angle, spot)
            spot = spot + sign * stride * np.stack([np.cos(turn), np.sin(turn)], -1)
            trail.append(spot)
        ways.append(trail)
    return np.stack([*ways[0][::-1], starts, *ways[1]])


def _at(field: Floats, spots: Floats) -> Floats:
    """The field's values at positions (x, y), those outside taken from the border."""
    columns = np.clip(spots[:, 0].astype(int), 0, SIZE[0] - 1)
    rows = np.clip(spots[:, 1].astype(int), 0, SIZE[1] - 1)
    values: Floats = field[rows, columns]
    return values
