"""Features of a picture as scores need them: of large pictures by tiles, so that scoring takes little memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stylecore import tiled
from stylecore.allocation import frugal_allocation
from stylecore.architectures import smallest_side
from stylecore.encoder import Encoder
from stylecore.statistics import Statistic
from stylecore.statistics.parts import SumOfParts
from stylecore.statistics.statistic import MeanAndCovariance
from stylecore.tiling import Tile, tiles_of

LARGE = 768
"""Longest side in pixels up to which a picture is seen as a whole."""
_TILE = 256
_MOST = 2**14  # positions that sliced distances sort


@dataclass(frozen=True)
class Seen:
    """Features of one picture at one layer.

    Attributes:
        some: at most 16384 positions, drawn at random but always the same, in one row, shape (1, channels, 1, drawn):
            sorting them all takes seconds.
        maps: the features, shape (1, channels, height, width); None where a picture was seen by tiles for its style.
        moments: of the features, where it was.
    """

    some: Tensor
    maps: Tensor | None
    moments: MeanAndCovariance | None = None

    def whole(self) -> Tensor:
        """The features of a layer that content is scored on."""
        assert self.maps is not None
        return self.maps

    def described(self, statistic: Statistic) -> Tensor:
        """What a statistic that is summed makes of the features."""
        return statistic.describe_moments(self.moments) if self.moments else statistic.describe(self.whole())

    def distance(self, statistic: Statistic, target: Any) -> Tensor:
        """Distance of the features by a statistic that is summed, shape (1,)."""
        if self.moments:
            return statistic.distance_of_moments(self.moments, target)
        return statistic.distance(self.whole(), target)


def seen(
    picture: Tensor, encoder: Encoder, style_layers: Sequence[str], content_layers: Sequence[str]
) -> dict[str, Seen]:
    """Features of a picture of shape (1, 3, height, width) at layers that style and content are scored on."""
    layers = list(dict.fromkeys([*style_layers, *content_layers]))
    if not layers:
        return {}
    height, width = picture.shape[2:]
    if max(height, width) <= LARGE:
        return {layer: Seen(_thinned(maps), maps) for layer, maps in encoder.features(picture, layers).items()}
    return _by_tiles(picture, encoder, style_layers, content_layers)


@frugal_allocation()
def _by_tiles(
    picture: Tensor, encoder: Encoder, style_layers: Sequence[str], content_layers: Sequence[str]
) -> dict[str, Seen]:
    (height, width), layers = picture.shape[2:], list(dict.fromkeys([*style_layers, *content_layers]))
    sums = {layer: SumOfParts() for layer in style_layers}
    some: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    maps: dict[str, Tensor] = {}
    for tile in tiles_of((width, height), _TILE, encoder.convolutions, layers):
        for layer, part in tiled.seen(encoder, picture[(..., *tile.window)], tile, layers):
            if layer in sums:
                sums[layer].add(part)
            some[layer].append(_drawn_of(part, layer, tile, height, width))
            if layer in content_layers:
                tiled.place(maps, layer, tile, part, picture)
    moments = {layer: total.moments() for layer, total in sums.items()}
    return {layer: Seen(torch.cat(some[layer], 3), maps.get(layer), moments.get(layer)) for layer in layers}


def _thinned(maps: Tensor) -> Tensor:
    """The drawn positions of whole features."""
    flat = maps.flatten(2)
    if flat.shape[2] > _MOST:
        flat = flat[:, :, _positions(flat.shape[2]).to(maps.device)]
    return flat.unsqueeze(2)


def _drawn_of(part: Tensor, layer: str, tile: Tile, height: int, width: int) -> Tensor:
    """The drawn positions that lie in a tile, shape (1, channels, 1, drawn)."""
    step, (rows, columns) = smallest_side([layer]), tile.place(layer)
    high, wide = height // step, width // step
    drawn = _positions(high * wide)
    row, column = drawn // wide, drawn % wide
    inside = (row >= rows.start) & (row < rows.stop) & (column >= columns.start) & (column < columns.stop)
    places = (row[inside] - rows.start) * (columns.stop - columns.start) + column[inside] - columns.start
    return part.flatten(2)[:, :, places.to(part.device)].unsqueeze(2)


def _positions(count: int) -> Tensor:
    """The positions of a layer that are drawn: all, or some at random."""
    if count <= _MOST:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:_MOST]
