"""Constants of an objective: what depends on a content or style picture alone, computed once for all cells."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from stylecore.encoder import Encoder
from stylecore.statistics import STATISTICS


class Constants:
    """Features of content pictures and statistics of style pictures, computed once per picture, size and layers.

    Args:
        encoder: describes the pictures.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._known: dict[Hashable, dict[str, Tensor]] = {}
        self._bytes = 0

    def content(self, picture: Tensor, digest: str, layers: Sequence[str]) -> dict[str, Tensor]:
        """Features of one content picture of shape (1, 3, height, width), by layer."""
        key = ("content", digest, picture.shape, tuple(layers))
        return self._once([key], picture, layers, [lambda maps, _: maps])[0]

    def style(
        self,
        picture: Tensor,
        digest: str,
        layers: Sequence[str],
        statistics: Sequence[str],
        mask: Tensor | None = None,
    ) -> dict[str, dict[str, Tensor]]:
        """Statistics of one style picture of shape (1, 3, height, width), by name and layer.

        Args:
            picture: the picture.
            digest: tells it from others, its mask included.
            layers: where it is described.
            statistics: names of the statistics.
            mask: shape (1, 1, height, width), the part of the picture that counts; None for all of it.
        """
        masks = self.encoder.mask(mask, layers) if mask is not None else {}
        keys = [("style", digest, picture.shape, tuple(layers), name) for name in statistics]
        describe = [
            lambda maps, layer, statistic=STATISTICS[name]: statistic.describe(maps, masks.get(layer))
            for name in statistics
        ]
        return dict(zip(statistics, self._once(keys, picture, layers, describe), strict=True))

    def _once(
        self,
        keys: Sequence[Hashable],
        picture: Tensor,
        layers: Sequence[str],
        describe: Sequence[Callable[[Tensor, str], Tensor]],
    ) -> list[dict[str, Tensor]]:
        """What each key stands for; the picture is encoded at most once for all of them."""
        if not all(key in self._known for key in keys):
            with torch.no_grad():
                features = self.encoder.features(picture, layers)
                for key, function in zip(keys, describe, strict=True):
                    if key in self._known:
                        continue
                    self._known[key] = {layer: function(maps, layer) for layer, maps in features.items()}
                    self._bytes += _bytes_of(self._known[key])
        found = [self._known[key] for key in keys]
        while self._bytes > _MOST_BYTES and len(self._known) > 1:
            self._bytes -= _bytes_of(self._known.pop(next(iter(self._known))))
        return found


_MOST_BYTES = 2**30  # of constants; the oldest go first


def _bytes_of(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())
