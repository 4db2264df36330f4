"""Draws `pointillist`: dots of divided colour in several sizes, a shore at dusk with sails and a dark headland."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from flows.samples.pigment import Floats, colours, mix, noise, photograph, picture, ramp

SIZE = (1024, 768)
SCALE = 2
HORIZON = 0.43
SUN = (0.64, 0.365)

SKY = colours("2b3f8c", "5a5fb0", "9a79bd", "d98fa6", "f3a878", "fbcf7d", "fdebb0")
SEA = colours("f6c07e", "d99a98", "8a86bd", "4a74b4", "2a5a9c", "22508c")
SAND = colours("c98f7a", "e6b27c", "f4d19a", "f9e2b4", "d9a27c", "b98a93")
GRASS = colours("2a3a6a", "2f5f64", "4a8457", "8fa956", "d9b65c", "c98a5a")
LAND = colours("2c2f6e", "39508c", "4f6f8f", "6a5a94", "2b4b6c")
TREE = colours("1a2450", "23405c", "2f6656", "5f8f52", "b3a955")

# foot, height, hull and sail
SAILS = (
    (0.46, 0.475, 0.105, "3a2f5e", "fff1d2"),
    (0.80, 0.52, 0.17, "40284f", "f4dcc0"),
    (0.905, 0.455, 0.06, "4a3a6a", "e9c9c4"),
    (0.545, 0.448, 0.045, "4a3a6a", "d9b9c9"),
)
TRUNK = (
    (0.118, 0.90),
    (0.128, 0.60),
    (0.108, 0.36),
    (0.120, 0.10),
    (0.135, 0.10),
    (0.128, 0.36),
    (0.150, 0.60),
    (0.150, 0.92),
)
# middle and half axes of the ovals of leaves
CROWN = (
    (0.10, 0.05, 0.20, 0.085),
    (0.20, 0.15, 0.135, 0.06),
    (0.03, 0.20, 0.12, 0.06),
    (0.185, 0.265, 0.085, 0.04),
    (0.05, 0.315, 0.075, 0.035),
)
# what a dot's colour may differ by from the colour that is meant: opposite pairs, whose sum is about nothing
APART = (
    (0.20, 0.02, -0.20),
    (-0.17, -0.02, 0.18),
    (0.03, 0.13, -0.10),
    (0.07, -0.11, 0.07),
    (0.11, 0.11, 0.08),
    (-0.12, -0.10, -0.04),
)


def draw() -> Image.Image:
    """Paint the picture: RGB, 1024×768, the same every time."""
    rng = np.random.default_rng(1886)
    target = _scene(rng)
    canvas = picture(target * 0.72 + 0.12).resize((SIZE[0] * SCALE, SIZE[1] * SCALE)).convert("RGBA")
    canvas.putalpha(90)
    pen = ImageDraw.Draw(canvas)
    everywhere, edges = np.ones(target.shape[:2], np.float32), _edges(target)
    for radius, spacing, where in (
        (8.0, 10.0, everywhere),
        (6.2, 9.0, 0.9 * everywhere),
        (4.8, 8.2, 0.75 * everywhere),
        (3.6, 6.2, 0.33 + edges),
        (2.8, 4.0, edges - 0.1),
    ):
        _dots(pen, rng, target, radius, spacing, where)
    return photograph(canvas, SIZE, relief=0.13, gloss=0.05)


def _scene(rng: np.random.Generator) -> Floats:
    """The colours that the dots should mix to, shape (height, width, 3)."""
    width, height = SIZE
    y, x = (
        grid.astype(np.float32) / side for grid, side in zip(np.mgrid[0:height, 0:width], (height, width), strict=True)
    )
    away = np.hypot(x - SUN[0], (y - SUN[1]) * 0.75)
    cloud = noise(rng, SIZE, 90, octaves=4, stretch=3.2)
    scene = ramp(SKY, y / HORIZON * 0.86 + 0.05 * cloud + 0.22 * np.exp(-((away / 0.20) ** 2)) - 0.02)
    scene = mix(scene, colours("e78fa0")[0], np.clip(0.8 * (cloud - 0.5), 0, 0.75) * np.clip(1.3 - y / HORIZON, 0, 1))
    scene = mix(scene, colours("fff3c4")[0], np.clip((0.042 - away) * 220, 0, 1))
    deep = (y - HORIZON) / (0.86 - HORIZON)
    swell = noise(rng, SIZE, 22, octaves=2, stretch=5.0)
    sea = ramp(SEA, deep * 0.95 + 0.10 * swell + 0.05)
    glitter = np.exp(-(((x - SUN[0]) / (0.035 + 0.11 * np.clip(deep, 0, 1))) ** 2)) * np.clip(0.75 + 0.8 * swell, 0, 1)
    sea = mix(sea, colours("ffd98a")[0], np.clip(glitter, 0, 0.95))
    scene = mix(scene, sea, np.clip((y - HORIZON) * height, 0, 1))
    scene = _shore(rng, scene, x, y)
    return _figures(scene, rng)


def _shore(rng: np.random.Generator, scene: Floats, x: Floats, y: Floats) -> Floats:
    """Lay headland, beach with a band of foam, and a meadow over sky and sea."""
    rough = noise(rng, SIZE, 60)
    far = HORIZON - 0.11 * np.clip(1 - x / 0.42, 0, 1) ** 0.8 - 0.008 * rough
    inside = np.clip((y - far) * 300, 0, 1) * (y < HORIZON + 0.012 + 0.004 * rough) * (x < 0.42)
    scene = mix(scene, ramp(LAND, np.clip(0.5 + 0.25 * rough, 0, 1)), inside)
    beach = 0.98 - 0.36 * np.clip(1 - x / 0.92, 0, 1) ** 1.5 + 0.008 * np.sin(x * 19) - 0.006 * rough
    scene = mix(scene, colours("fdf3dc")[0], np.exp(-(((y - beach + 0.012) / 0.011) ** 2)) * 0.9)
    sand = ramp(SAND, np.mod((y - beach) * 3.4 + 0.10 * rough + 0.1, 1))
    scene = mix(scene, sand, np.clip((y - beach) * 250, 0, 1))
    meadow = 1.02 - 0.27 * np.clip(1 - x / 0.60, 0, 1) ** 1.2 + 0.012 * rough
    blades = noise(rng, SIZE, 40, octaves=3, stretch=1.6)
    return mix(scene, ramp(GRASS, np.clip(0.42 + 0.24 * blades, 0, 1)), np.clip((y - meadow) * 120, 0, 1))


def _figures(scene: Floats, rng: np.random.Generator) -> Floats:
    """Add sails with their reflections, and a pine that leans over the left of the picture."""
    for x, y, tall, hull, sail in SAILS:
        for upward, strength in ((-0.75, 0.5), (1.0, 1.0)):
            for colour, corners in (
                (hull, ((-0.36, 0.10), (0.40, 0.10), (0.28, 0), (-0.28, 0))),
                (sail, ((0.02, 0.14), (0.02, 1.0), (0.42, 0.17))),
                ("d98f7a", ((-0.02, 0.14), (-0.02, 0.86), (-0.30, 0.17))),
            ):
                shape = [(x + right * tall, y - upward * up * tall) for right, up in corners]
                scene = mix(scene, colours(colour)[0], strength * _mask(shape))
    scene = mix(scene, colours("3a2a56")[0], _mask(TRUNK))
    leaves = noise(rng, SIZE, 46, octaves=3, stretch=1.8)
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    right, down = columns / SIZE[0], rows / SIZE[1]
    crown = np.zeros_like(leaves)
    for x, y, wide, high in CROWN:
        oval = 1 - np.hypot((right - x) / wide, (down - y) / high) + 0.22 * leaves
        crown = np.maximum(crown, np.clip(oval * 6, 0, 1))
    return mix(scene, ramp(TREE, np.clip(0.255 + 0.20 * leaves + 1.25 * right, 0, 1)), crown)


def _mask(corners: Sequence[tuple[float, float]]) -> Floats:
    """The inside of a polygon, given in shares of the picture's sides, as 1; softened by a pixel."""
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).polygon([(x * SIZE[0], y * SIZE[1]) for x, y in corners], fill=255)
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(0.8)), np.float32) / 255


def _dots(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, target: Floats, radius: float, spacing: float, where: Floats
) -> None:
    """One coat of dots: on a shaken grid, in random order, each in one of the pure colours that mix to the target."""
    width, height = SIZE
    columns, rows = int(width / spacing) + 2, int(height / spacing) + 2
    cells = rng.permutation(columns * rows)
    spots = (np.stack([cells % columns, cells // columns], 1) + rng.uniform(-0.45, 0.45, (len(cells), 2))) * spacing
    x, y = np.clip(spots[:, 0].astype(int), 0, width - 1), np.clip(spots[:, 1].astype(int), 0, height - 1)
    kept = rng.uniform(0, 1, len(cells)) < where[y, x]
    spots, x, y, cells = spots[kept], x[kept], y[kept], cells[kept]
    ink = np.clip(_divide(target[y, x], rng) * 255, 0, 255).astype(int)
    sizes = SCALE * radius * rng.uniform(0.78, 1.15, len(cells))
    flats = rng.uniform(0.80, 1.0, len(cells))
    dots = zip((spots * SCALE).tolist(), ink.tolist(), sizes.tolist(), flats.tolist(), strict=True)
    for (cx, cy), (red, green, blue), size, flat in dots:
        for part, thick in ((1.0, 130), (0.72, 165), (0.4, 185)):
            right, down = size * part, size * part * flat
            pen.ellipse((cx - right, cy - down, cx + right, cy + down), fill=(red, green, blue, thick))


def _edges(target: Floats) -> Floats:
    """Where outlines need finer dots: 0 in even areas to 1 along strong edges, shape (height, width)."""
    plain = np.asarray(picture(target).filter(ImageFilter.GaussianBlur(6)), np.float32) / 255
    apart = Image.fromarray(np.abs(target - plain).mean(2) * 255).convert("L").filter(ImageFilter.GaussianBlur(3))
    return np.clip(np.asarray(apart, np.float32) / 255 * 16 - 0.15, 0, 1)


def _divide(colour: Floats, rng: np.random.Generator) -> Floats:
    """Replace colours by purer neighbours on either side of them, whose mean they are (Chevreul's divided tones)."""
    grey = colour.mean(1, keepdims=True)
    pure = grey + (colour - grey) * 1.12
    apart = np.array(APART, np.float32)
    chosen = apart[rng.integers(0, len(apart), len(colour))] * rng.uniform(0.4, 1.15, (len(colour), 1))
    divided: Floats = pure + chosen
    return divided
