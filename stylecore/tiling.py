"""Tiles of a picture: where each is cut out, and which of the features there are those of the whole picture.

A tile is seen with a halo, as wide as the layers reach, and lies on the grid of the poolings. Its own features are then
exactly those that the whole picture has in that place; what is wrong at the cut lies in the halo and is left out. No
torch, so that checks start fast.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stylecore.architectures import Convolution, smallest_side

Place = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True)
class Span:
    """A tile along one side of the picture, in pixels: from `start` to `stop`, with its halo from `low` to `high`."""

    start: int
    stop: int
    low: int
    high: int


@dataclass(frozen=True)
class Tile:
    """One tile of a picture; together the tiles cover each pixel, and each position of each layer, once."""

    rows: Span
    columns: Span

    @property
    def window(self) -> Place:
        """The pixels that are cut out: the tile and its halo."""
        return slice(self.rows.low, self.rows.high), slice(self.columns.low, self.columns.high)

    def within(self, layer: str) -> Place:
        """The tile's own positions among those of the window's features at a layer."""
        step = smallest_side([layer])
        return _slice(self.rows, step, self.rows.low), _slice(self.columns, step, self.columns.low)

    def place(self, layer: str) -> Place:
        """The tile's own positions among those of the whole picture's features at a layer."""
        step = smallest_side([layer])
        return _slice(self.rows, step, 0), _slice(self.columns, step, 0)


def tiles_of(
    canvas: tuple[int, int], tile: int, convolutions: Sequence[Convolution], layers: Collection[str]
) -> list[Tile]:
    """Tiles of a picture, row by row, as even as the grid allows.

    Args:
        canvas: width and height of the picture, in pixels.
        tile: longest side of a tile without its halo. It is rounded down to the grid of the deepest layer; the last
            tile of a row or column is longer by what is left of the picture beyond that grid.
        convolutions: of the network.
        layers: whose features are wanted.
    """
    grid, beyond = smallest_side(layers), halo(convolutions, layers)
    columns, rows = (_spans(length, tile, grid, beyond) for length in canvas)
    return [Tile(row, column) for row in rows for column in columns]


def halo(convolutions: Sequence[Convolution], layers: Collection[str]) -> int:
    """Pixels that a tile is seen with on each side: as far as its layers see, rounded up to the deepest one's grid.

    A 3×3 convolution sees one position further, which in block b is 2^(b − 1) pixels; a pooling on its grid sees none.
    """
    names = [convolution.name for convolution in convolutions]
    deepest = max((names.index(layer.replace("relu", "conv")) for layer in layers), default=-1)
    grid = smallest_side(layers)
    return -(-sum(smallest_side([name]) for name in names[: deepest + 1]) // grid) * grid


def least_tile(convolutions: Sequence[Convolution], layers: Collection[str]) -> int:
    """Smallest tile that is let pass, in pixels: half its halo, or nine tenths of the work would be for the halo."""
    grid = smallest_side(layers)
    return max(grid, -(-halo(convolutions, layers) // (2 * grid)) * grid)


def _spans(length: int, tile: int, grid: int, beyond: int) -> list[Span]:
    blocks = max(1, length // grid)
    count = -(-blocks // max(1, tile // grid))
    edges = [blocks * number // count * grid for number in range(count)] + [length]
    return [Span(first, last, max(0, first - beyond), min(length, last + beyond)) for first, last in pairwise(edges)]


def _slice(span: Span, step: int, origin: int) -> slice:
    return slice((span.start - origin) // step, (span.stop - origin) // step)
