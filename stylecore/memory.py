"""What a step needs of memory, and whether it is to go by tiles for that."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from stylecore.architectures import smallest_side
from stylecore.encoder import Encoder
from stylecore.errors import RenderError
from stylecore.lbfgs import pairs_kept
from stylecore.settings import Settings
from stylecore.statistics import STATISTICS
from stylecore.tiling import halo, least_tile

_LARGEST, _SMALLEST = 1024, 128  # tiles that are chosen, in pixels; all are multiples of the smallest
_MAPS_IN_BACKWARD = 3  # of the widest layer: what the backward pass has beside the features, measured on 2 CPU cores
_PICTURES = 10  # copies of the picture that an optimiser has at once, beside its history
_SHARE = 0.8  # of the free memory: estimates are no promises, and others may want some


def chosen_tile(
    settings: Settings, canvas: tuple[int, int], batch: int, encoder: Encoder, free: int | None
) -> int | None:
    """Side of the tiles to render by, as `settings.tile` says.

    Args:
        settings: of the cells of a batch.
        canvas: width and height of their pictures, in pixels.
        batch: how many they are.
        encoder: describes them.
        free: bytes of free memory, as from `free_memory`; None where there is no telling.

    Returns:
        Pixels; None to render pictures as a whole. With `auto`, that is where they fit into the free memory as a whole,
        or where there is no telling, and with `balance: layers`; else the largest tile from 1024 to 128 that does.

    Raises:
        RenderError: of kind `out-of-memory`, with `auto`, where a smaller batch comes before tiles.
    """
    if isinstance(settings.tile, int):
        return settings.tile
    if settings.tile == "off" or settings.balance == "layers" or free is None:
        return None
    if step_bytes(settings, canvas, batch, encoder) <= _SHARE * free:
        return None
    if batch > 1:
        raise RenderError(
            "out-of-memory", f"a batch of {batch} pictures of {canvas[0]}×{canvas[1]} pixels does not fit"
        )
    tiles = range(_LARGEST, _SMALLEST, -_SMALLEST)
    fitting = (tile for tile in tiles if step_bytes(settings, canvas, batch, encoder, tile) <= _SHARE * free)
    return next(fitting, _SMALLEST)


def smaller_tile(settings: Settings, canvas: tuple[int, int], encoder: Encoder, free: int | None) -> int | None:
    """Side of the tiles to try once memory ran out for one picture; None where there is nothing left to try.

    Arguments as for `chosen_tile`. The first are of at most 512 pixels, then half as large and half again, to 128.
    """
    if settings.tile == "off" or settings.balance == "layers":
        return None
    least = max(_SMALLEST, least_tile(encoder.convolutions, settings.layers()))
    if isinstance(settings.tile, int):
        tile = settings.tile // 2
    else:
        tile = min(_LARGEST // 2, chosen_tile(settings, canvas, 1, encoder, free) or _LARGEST)
    tile = min(tile, max(canvas) - 1) // _SMALLEST * _SMALLEST
    return tile if tile >= least else None


def step_bytes(
    settings: Settings, canvas: tuple[int, int], batch: int, encoder: Encoder, tile: int | None = None
) -> int:
    """Bytes that a step takes at its peak, above the loaded program: an estimate on the safe side.

    Args:
        settings: of the cells.
        canvas: width and height of their pictures, in pixels.
        batch: how many they are.
        encoder: describes them.
        tile: side of the tiles that they are rendered by; None for pictures as a whole.
    """
    pixels = canvas[0] * canvas[1]
    seen = pixels
    if tile:
        beyond = 2 * halo(encoder.convolutions, settings.layers())
        seen = min(canvas[0], tile + beyond) * min(canvas[1], tile + beyond)
    size = torch.finfo(encoder.dtype).bits // 8
    needed = seen * size * _numbers(settings, encoder) + pixels * size * _density(settings.content_layers, encoder)
    if not all(STATISTICS[name].summed for name in settings.style_statistic):
        needed += pixels * (size + 12) * _density(settings.style_layers, encoder)  # and their gradient, in float32
    history = 2 * pairs_kept(settings.history_size, pixels) if settings.optimizer == "lbfgs" else 0
    return int(batch * (needed + pixels * 12 * (_PICTURES + history)))


def _numbers(settings: Settings, encoder: Encoder) -> float:
    """Numbers that the encoder holds for each pixel in the course of a step."""
    names = [convolution.name for convolution in encoder.convolutions]
    deepest = max((names.index(layer.replace("relu", "conv")) for layer in settings.layers()), default=-1)
    maps = [_density([name], encoder) for name in names[: deepest + 1]]
    return sum(maps) + _MAPS_IN_BACKWARD * max(maps, default=0)


def _density(layers: Iterable[str], encoder: Encoder) -> float:
    """Numbers of the features at some layers for each pixel."""
    channels = {convolution.name: convolution.channels_out for convolution in encoder.convolutions}
    return sum(channels[layer.replace("relu", "conv")] / smallest_side([layer]) ** 2 for layer in layers)
