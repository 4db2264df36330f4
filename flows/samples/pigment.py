"""What the drawn style pictures are made of: smooth noise, palettes, and paint that catches the light."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.floating]  # float32 where it is a whole picture, to keep memory low


def noise(
    rng: np.random.Generator, size: tuple[int, int], cell: float, octaves: int = 3, stretch: float = 1.0
) -> Floats:
    """Smooth fractal noise with mean about 0 and standard deviation 1.

    Args:
        rng: the source of the noise.
        size: (width, height) in pixels.
        cell: size in pixels of the coarsest blobs.
        octaves: how many times finer noise of half the size and half the strength is added.
        stretch: how many times longer than high the blobs are.

    Returns:
        Shape (height, width).
    """
    width, height = size
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        step = cell / 2**octave
        grid = rng.standard_normal((int(height / step) + 4, int(width / step / stretch) + 4)).astype(np.float32)
        box = (1.0, 1.0, 1.0 + width / step / stretch, 1.0 + height / step)
        total += np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC, box=box)) / 2**octave
    standard: Floats = (total - total.mean()) / total.std()
    return standard


def colours(*hexes: str) -> Floats:
    """Colours written as `rrggbb`, as an array of shape (n, 3) in 0..1."""
    return np.array([list(bytes.fromhex(text)) for text in hexes], np.float32) / 255


def ramp(stops: Floats, where: Floats, at: Sequence[float] | None = None) -> Floats:
    """Colours along a ramp: `where` of any shape in 0..1 gives that shape and a last axis of 3.

    Args:
        stops: the ramp's colours, shape (n, 3).
        where: positions on the ramp; those outside 0..1 take the colour of its end.
        at: the position of each stop, rising; evenly spaced when left out.
    """
    positions = np.linspace(0, 1, len(stops)) if at is None else np.asarray(at)
    return np.stack([np.interp(where, positions, stops[:, channel]) for channel in range(3)], -1).astype(np.float32)


def mix(under: Floats, over: Floats, amount: Floats | float) -> Floats:
    """`under` with `over` laid on it; `amount` in 0..1 has the pictures' shape without the colour axis."""
    weight = np.asarray(amount, np.float32)[..., None]
    return under * (1 - weight) + over * weight


def light(colour: Floats, height: Floats, relief: float, gloss: float) -> Floats:
    """Light paint from the upper left, so that its ridges shine and their far sides lie in shadow.

    Args:
        colour: shape (height, width, 3), 0..1.
        height: thickness of the paint, shape (height, width), in pixels.
        relief: how strongly slopes darken or lighten the colour.
        gloss: strength of the highlights.

    Returns:
        The lit picture, shape (height, width, 3), 0..1.
    """
    down, right = np.gradient(height)
    slope = np.tanh((right + down) / np.float32(np.sqrt(2)))
    diffuse = 1 + relief * slope
    shine = gloss * np.clip(slope - 0.35, 0, None)
    lit: Floats = np.clip(colour * diffuse[..., None] + shine[..., None], 0, 1)
    return lit


def photograph(canvas: Image.Image, size: tuple[int, int], relief: float, gloss: float) -> Image.Image:
    """Light an RGBA canvas whose alpha is the thickness of its paint, and reduce it to `size` in RGB."""
    pixels = np.asarray(canvas.filter(ImageFilter.GaussianBlur(1)), np.float32)  # wet edges run a little
    lit = light(pixels[..., :3] / 255, pixels[..., 3] / 8, relief, gloss)
    return picture(lit).resize(size, Image.Resampling.LANCZOS)


def picture(pixels: Floats) -> Image.Image:
    """An RGB picture from floats in 0..1, shape (height, width, 3)."""
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
