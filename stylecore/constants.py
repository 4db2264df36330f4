"""Constants of an objective: what depends on a content or style picture alone, computed once for all cells."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import torch
from torch import Tensor

from stylecore import tiled
from stylecore.encoder import Encoder
from stylecore.statistics import STATISTICS, Statistic
from stylecore.tiling import Tile, tiles_of


class Constants:
    """Features of content pictures and statistics of style pictures, computed once per picture, size and layers.

    Args:
        encoder: describes the pictures.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._known: dict[Hashable, dict[str, Tensor]] = {}
        self._bytes = 0

    def content(
        self, picture: Tensor, digest: str, layers: Sequence[str], tile: int | None = None
    ) -> dict[str, Tensor]:
        """Features of one content picture of shape (1, 3, height, width), by layer; `tile` as for `style`."""
        key = ("content", digest, picture.shape, tuple(layers))
        return self._once([key], lambda: [self._features(picture, layers, tile)])[0]

    def style(
        self,
        picture: Tensor,
        digest: str,
        layers: Sequence[str],
        statistics: Sequence[str],
        mask: Tensor | None = None,
        tile: int | None = None,
    ) -> dict[str, dict[str, Tensor]]:
        """Statistics of one style picture of shape (1, 3, height, width), by name and layer.

        Args:
            picture: the picture.
            digest: tells it from others, its mask included.
            layers: where it is described.
            statistics: names of the statistics.
            mask: shape (1, 1, height, width), the part of the picture that counts; None for all of it.
            tile: side in pixels of the tiles that the picture is seen by; None to see it as a whole. What it comes to
                is the same, to float tolerance.
        """
        masks = self.encoder.mask(mask, layers) if mask is not None else {}
        keys = [("style", digest, picture.shape, tuple(layers), name) for name in statistics]
        chosen = [STATISTICS[name] for name in statistics]
        found = self._once(keys, lambda: self._described(picture, layers, chosen, masks, tile))
        return dict(zip(statistics, found, strict=True))

    def _features(self, picture: Tensor, layers: Sequence[str], tile: int | None) -> dict[str, Tensor]:
        tiles = self._tiles(picture, layers, tile)
        if not tiles:
            return self.encoder.features(picture, layers)
        return tiled.gathered(self.encoder, picture, tiles, {}, layers)[1]

    def _described(
        self,
        picture: Tensor,
        layers: Sequence[str],
        statistics: Sequence[Statistic],
        masks: Mapping[str, Tensor],
        tile: int | None,
    ) -> list[dict[str, Tensor]]:
        """What each statistic comes to, by layer."""
        tiles = self._tiles(picture, layers, tile)
        if not tiles:
            features = self.encoder.features(picture, layers)
            return [{layer: s.describe(maps, masks.get(layer)) for layer, maps in features.items()} for s in statistics]
        summed = {layer: masks.get(layer) for layer in layers if any(s.summed for s in statistics)}
        whole = [layer for layer in layers if not all(s.summed for s in statistics)]
        moments, maps = tiled.gathered(self.encoder, picture, tiles, summed, whole)
        return [
            {layer: s.describe_moments(moments[layer]) for layer in layers}
            if s.summed
            else {layer: s.describe(maps[layer], masks.get(layer)) for layer in layers}
            for s in statistics
        ]

    def _tiles(self, picture: Tensor, layers: Sequence[str], tile: int | None) -> list[Tile]:
        """Tiles to see a picture by; none to see it as a whole."""
        height, width = picture.shape[2:]
        tiles = tiles_of((width, height), tile, self.encoder.convolutions, layers) if tile else []
        return tiles if len(tiles) > 1 else []

    def _once(
        self, keys: Sequence[Hashable], describe: Callable[[], Sequence[dict[str, Tensor]]]
    ) -> list[dict[str, Tensor]]:
        """What each key stands for, described where one of them is not known."""
        if not all(key in self._known for key in keys):
            with torch.no_grad():
                for key, described in zip(keys, describe(), strict=True):
                    if key not in self._known:
                        self._known[key] = described
                        self._bytes += _bytes_of(described)
        found = [self._known[key] for key in keys]
        while self._bytes > _MOST_BYTES and len(self._known) > 1:
            self._bytes -= _bytes_of(self._known.pop(next(iter(self._known))))
        return found


_MOST_BYTES = 2**30  # of constants; the oldest go first


def _bytes_of(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())
