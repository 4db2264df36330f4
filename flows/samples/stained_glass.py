"""Draws `stained-glass`: a rose window of glowing Voronoi panes between lead cames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flows.samples.pigment import Floats, colours, light, mix, noise, picture

SIZE = (896, 896)
SCALE = 2
LEAD = 5.0  # width of the cames, in canvas pixels on either side of their middle

RUBY = ("c8102e", "a50d2b", "e2352f")
COBALT = ("123fa8", "0e2f86", "2a62cf")
GOLD = ("f7b520", "ffd24d", "ee9416")
EMERALD = ("0f7f55", "1fa06a", "0a6150")
AMETHYST = ("6b2fa0", "8c4fc0", "4c2386")
AQUA = ("3fb3c9", "79d0d6", "2793b8")
ROSE = ("ef7f8f", "f4a6a0", "dd5f86")

# radius (1 is half the picture's side), number of panes, turn in panes, and the glasses they take by turns
RINGS = (
    (0.000, 1, 0.0, (GOLD,)),
    (0.085, 8, 0.0, (RUBY,)),
    (0.150, 16, 0.0, (GOLD, AMETHYST)),
    (0.265, 16, 0.5, (COBALT,)),
    (0.375, 16, 0.0, (RUBY, AQUA)),
    (0.445, 32, 0.5, (GOLD, RUBY, RUBY, GOLD)),
    (0.520, 32, 0.0, (COBALT, AMETHYST)),
    (0.640, 32, 0.5, (COBALT, AQUA, AQUA, COBALT)),
    (0.755, 32, 0.0, (EMERALD, RUBY)),
    (0.825, 64, 0.5, (GOLD, EMERALD, EMERALD, GOLD)),
    (0.895, 64, 0.0, (RUBY, ROSE, RUBY, COBALT)),
    (0.960, 64, 0.5, (COBALT,)),
)
BARS = (0.115, 0.325, 0.483, 0.700, 0.925)  # round iron bars, thicker than the cames
CORNERS = (COBALT, COBALT, COBALT, AMETHYST, AQUA, RUBY)


def draw() -> Image.Image:
    """Paint the picture: RGB, 896×896, the same every time."""
    rng = np.random.default_rng(1145)
    side = (SIZE[0] * SCALE, SIZE[1] * SCALE)
    sites, glass = _panes(rng)
    owner, edge = _voronoi(sites)
    y, x = np.mgrid[0 : side[1], 0 : side[0]].astype(np.float32)
    radius = np.hypot(x - side[0] / 2, y - side[1] / 2) * 2 / side[0]
    for bar in BARS:
        edge = np.minimum(edge, 0.3 * side[0] * np.abs(radius - bar))
    pane = _streaks(rng, owner, sites, x, y)
    colour = glass[owner] * (1 + 0.20 * pane)[..., None]
    inward = np.clip((edge - LEAD) / 34, 0, 1)
    glow = 0.50 + 0.85 * inward**0.7  # light floods the middle of a pane
    sun = 1 + 0.16 * np.tanh(noise(rng, side, 700, octaves=2))
    colour = colour * (glow * sun)[..., None]
    colour = mix(colour, colours("fff6dc")[0], 0.30 * inward**2 * np.clip(0.3 + 0.55 * pane, 0, 1))
    colour = light(colour, 2.2 * pane + 1.2 * noise(rng, side, 26, octaves=2), relief=0.55, gloss=0.25)
    tarnish = 1 + 0.15 * noise(rng, side, 9, octaves=2)
    metal = colours("23252b")[0] * tarnish[..., None]
    metal = light(metal, np.sqrt(np.clip(LEAD**2 - edge**2, 0, None)), relief=0.55, gloss=0.45)
    return picture(mix(colour, metal, np.clip(LEAD - edge + 0.5, 0, 1))).resize(SIZE, Image.Resampling.LANCZOS)


def _panes(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The panes' sites in canvas pixels, shape (n, 2) as (x, y), and their colours, shape (n, 3)."""
    half = SIZE[0] * SCALE / 2
    sites: list[tuple[float, float]] = []
    glass: list[str] = []
    for radius, count, turn, kinds in RINGS:
        for index in range(count):
            angle = (index + turn) * 2 * np.pi / count - np.pi / 2
            right, down = rng.normal((radius * np.cos(angle), radius * np.sin(angle)), 0.004)
            sites.append((half + half * right, half + half * down))
            glass.append(str(rng.choice(kinds[index % len(kinds)])))
    for _ in range(4000):  # what lies outside the rose: panes as they come
        spot = rng.uniform(-0.04, 2.04, 2) * half
        free = np.hypot(*(np.array(sites) - spot).T).min() > 0.075 * half
        if free and np.hypot(*(spot - half)) > 0.99 * half:
            sites.append((spot[0], spot[1]))
            glass.append(str(rng.choice(CORNERS[rng.integers(len(CORNERS))])))
    tints = colours(*glass) * rng.uniform(0.85, 1.15, (len(glass), 1)).astype(np.float32)
    return np.array(sites, np.float32), tints


def _voronoi(sites: Floats) -> tuple[NDArray[np.intp], Floats]:
    """For every canvas pixel the nearest site, and its distance in pixels to the border of that site's cell."""
    side = SIZE[0] * SCALE
    reach = round(side * 0.13)  # no site is further than this from its neighbours
    nearest = np.full((side, side), np.inf, np.float32)
    owner = np.zeros((side, side), np.intp)
    for index, site in enumerate(sites):
        view, square = _around(site, reach, side)
        closer = square < nearest[view]
        nearest[view] = np.where(closer, square, nearest[view])
        owner[view] = np.where(closer, index, owner[view])
    edge = np.full((side, side), np.inf, np.float32)
    for index, site in enumerate(sites):  # distance to the bisector of the two sites
        view, square = _around(site, reach, side)
        gap = np.hypot(*np.moveaxis(sites[owner[view]] - site, -1, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            away = np.where(owner[view] == index, np.inf, (square - nearest[view]) / (2 * gap))
        edge[view] = np.minimum(edge[view], away)
    return owner, edge


def _around(site: Floats, reach: int, side: int) -> tuple[tuple[slice, slice], Floats]:
    """The part of the canvas within `reach` of a site, and the squared distances to the site there."""
    left, top = (int(np.clip(centre - reach, 0, side - 1)) for centre in site)
    right, bottom = (int(np.clip(centre + reach, 1, side)) for centre in site)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    return (slice(top, bottom), slice(left, right)), (x - site[0]) ** 2 + (y - site[1]) ** 2


def _streaks(rng: np.random.Generator, owner: NDArray[np.intp], sites: Floats, x: Floats, y: Floats) -> Floats:
    """Streaks of hand-blown glass, turned another way in every pane; about mean 0 and deviation 1."""
    side = SIZE[0] * SCALE
    drawn = noise(rng, (side, side), 22, octaves=3, stretch=5)
    turn = rng.uniform(0, np.pi, len(sites)).astype(np.float32)[owner]
    shift = rng.uniform(0.2 * side, 0.8 * side, (len(sites), 2)).astype(np.float32)[owner]
    right, down = x - sites[owner, 0], y - sites[owner, 1]
    along = right * np.cos(turn) + down * np.sin(turn) + shift[..., 0]
    beside = down * np.cos(turn) - right * np.sin(turn) + shift[..., 1]
    column, row = along.astype(int), beside.astype(int)
    right, down = along - column, beside - row  # between the four pixels around each spot
    upper = drawn[row, column] * (1 - right) + drawn[row, column + 1] * right
    lower = drawn[row + 1, column] * (1 - right) + drawn[row + 1, column + 1] * right
    streaks: Floats = upper * (1 - down) + lower * down
    return streaks
