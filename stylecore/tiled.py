"""Loss and gradient of pictures by tiles: the same as of whole pictures, with the memory of one tile.

A first pass over the tiles, without a graph, finds what the loss is made of: sums over positions (the content term, the
moments of the style's features), and for statistics that are no sums the whole feature maps. The loss and its gradient
by these are taken once. A second pass encodes each tile again and takes that gradient back to its pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stylecore.allocation import frugal_allocation
from stylecore.architectures import smallest_side
from stylecore.encoder import Encoder
from stylecore.statistics.matching import with_gradients
from stylecore.statistics.moments import pulled
from stylecore.statistics.parts import SumOfParts
from stylecore.statistics.statistic import MeanAndCovariance
from stylecore.tiling import Tile
from stylecore.variation import in_bands

if TYPE_CHECKING:
    from stylecore.objective import Objective, StylePart

Key = tuple[str, int]
"""A layer and which mask."""
_TINY = torch.finfo(torch.float32).tiny


@frugal_allocation()
def evaluated(objective: Objective, pictures: Tensor, draw: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, gradients and terms of pictures, by the tiles of an objective; as `Objective.evaluate`."""
    pictures = pictures.detach()
    found, amounts = _first_pass(objective, pictures)
    found.variation, gradients = _variation(objective, pictures)
    terms, wanted, factor = _drawn(objective, found, draw)
    gradients *= wanted.variation.view(-1, 1, 1, 1)
    for tile in objective.tiles:
        window = (..., *tile.window)
        part = pictures[window].requires_grad_()
        pull = torch.zeros_like(found.content)
        for layer, maps in seen(objective.encoder, part, tile, objective.layers):
            pull = pull + _pull(objective, layer, maps, tile, found, wanted, amounts)
        del maps
        gradients[window] += torch.autograd.grad(pull.sum(), part)[0]
    return terms.sum(0), gradients.div_(factor.view(-1, 1, 1, 1)), terms


def seen(encoder: Encoder, window: Tensor, tile: Tile, layers: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Features of a tile's own positions, layer by layer, of the window that the tile is seen in."""
    for layer, maps in encoder.walk(window, layers):
        # in the layout that statistics are quickest in
        yield layer, maps[(..., *tile.within(layer))].contiguous(memory_format=torch.channels_last)


@frugal_allocation()
def gathered(
    encoder: Encoder,
    pictures: Tensor,
    tiles: Sequence[Tile],
    masks: Mapping[str, Tensor | None],
    whole: Collection[str],
) -> tuple[dict[str, MeanAndCovariance], dict[str, Tensor]]:
    """What pictures come to, seen by tiles; without a graph.

    Args:
        encoder: describes them.
        pictures: shape (batch, 3, height, width).
        tiles: that they are cut into.
        masks: layers whose moments are wanted, with the mask of each or None.
        whole: layers whose features are wanted.

    Returns:
        Moments, and features of shape (batch, channels, height, width), by layer.
    """
    sums, maps = {layer: SumOfParts() for layer in masks}, dict[str, Tensor]()
    layers = list(dict.fromkeys([*masks, *whole]))
    with torch.no_grad():
        for tile in tiles:
            for layer, part in seen(encoder, pictures[(..., *tile.window)], tile, layers):
                if layer in sums:
                    sums[layer].add(part, _cut(masks[layer], tile, layer))
                if layer in whole:
                    place(maps, layer, tile, part, pictures)
    return {layer: total.moments() for layer, total in sums.items()}, maps


def place(maps: dict[str, Tensor], layer: str, tile: Tile, part: Tensor, pictures: Tensor) -> None:
    """Put a tile's features where they belong among those of whole pictures; the first makes room for all."""
    if layer not in maps:
        step = smallest_side([layer])
        shape = (*part.shape[:2], pictures.shape[2] // step, pictures.shape[3] // step)
        maps[layer] = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=torch.channels_last)
    maps[layer][(..., *tile.place(layer))] = part


@dataclass
class _Found:
    """What a loss is made of; or the gradients of the loss by it.

    Attributes:
        content: the content term without its weight, shape (batch,).
        variation: the total variation, shape (batch,).
        moments: of the features at a layer and under a mask, for statistics that are summed.
        maps: features at a layer, shape (batch, channels, height, width), for those that are not.
    """

    content: Tensor
    variation: Tensor
    moments: dict[Key, MeanAndCovariance]
    maps: dict[str, Tensor]

    def tensors(self) -> list[Tensor]:
        """All of it, in one order."""
        moments = [tensor for pair in self.moments.values() for tensor in pair]
        return [self.content, self.variation, *moments, *self.maps.values()]

    def like(self, tensors: Sequence[Tensor]) -> _Found:
        """Of the same kind, from tensors in the order of `tensors`."""
        rest = iter(tensors[2:])
        moments = {key: MeanAndCovariance(next(rest), next(rest)) for key in self.moments}
        return _Found(tensors[0], tensors[1], moments, {layer: next(rest) for layer in self.maps})


def _first_pass(objective: Objective, pictures: Tensor) -> tuple[_Found, dict[Key, Tensor]]:
    """All but the variation; and the sum of the weights that moments were taken with, shape (batch,)."""
    zeros = torch.zeros(len(pictures), device=pictures.device)
    content, maps, masks = zeros, dict[str, Tensor](), _masks(objective)
    sums = {key: SumOfParts() for key in masks}
    whole = {part.layer for part in objective.style if not part.statistic.summed}
    with torch.no_grad():
        for tile in objective.tiles:
            for layer, part in seen(objective.encoder, pictures[(..., *tile.window)], tile, objective.layers):
                for term in objective.content:
                    if term.layer == layer:
                        content = content + term.cut(tile.place(layer)).loss(part)
                for key, total in sums.items():
                    if key[0] == layer:
                        total.add(part, _cut(masks[key], tile, layer))
                if layer in whole:
                    place(maps, layer, tile, part, pictures)
    amounts = {key: total.amount.float().clamp_min(_TINY) for key, total in sums.items()}
    return _Found(content, zeros, {key: total.moments() for key, total in sums.items()}, maps), amounts


def _variation(objective: Objective, pictures: Tensor) -> tuple[Tensor, Tensor]:
    if objective.variation is None:
        return torch.zeros(len(pictures), device=pictures.device), torch.zeros_like(pictures)
    return in_bands(objective.variation, pictures)


def _drawn(objective: Objective, found: _Found, draw: int) -> tuple[Tensor, _Found, Tensor]:
    """Terms; the gradient of their sum by what was found, times a factor; and that factor, shape (batch,)."""
    with torch.enable_grad():
        leaves = found.like([tensor.detach().requires_grad_() for tensor in found.tensors()])
        style = torch.zeros_like(found.content)
        for part in objective.style:
            if part.statistic.summed:
                style = style + part.loss_of_moments(leaves.moments[_key(part)])
            else:
                style = style + part.loss(leaves.maps[part.layer], draw)
        terms = objective.weighted(leaves.content, style, leaves.variation)
        losses = terms.sum(0)
        factor = objective.enlarged(losses)
        gradients = torch.autograd.grad(
            (losses * factor).sum(), leaves.tensors(), allow_unused=True, materialize_grads=True
        )
    return terms.detach(), found.like(gradients), factor


def _pull(
    objective: Objective,
    layer: str,
    maps: Tensor,
    tile: Tile,
    found: _Found,
    wanted: _Found,
    amounts: dict[Key, Tensor],
) -> Tensor:
    """A number for each picture whose gradient by a tile's features at a layer is the loss's, shape (batch,)."""
    pull = torch.zeros_like(found.content)
    for term in objective.content:
        if term.layer == layer:
            pull = pull + wanted.content * term.cut(tile.place(layer)).loss(maps)
    for key, mask in _masks(objective).items():
        if key[0] == layer:
            weights = _cut(mask, tile, layer)
            pull = pull + pulled(maps, weights, found.moments[key].mean, wanted.moments[key], amounts[key])
    if layer in wanted.maps:
        gradient = wanted.maps[layer][(..., *tile.place(layer))]
        pull = pull + with_gradients(maps, torch.zeros_like(pull), gradient)
    return pull


def _key(part: StylePart) -> Key:
    return part.layer, id(part.mask)


def _masks(objective: Objective) -> dict[Key, Tensor | None]:
    """The masks that moments are taken under."""
    return {_key(part): part.mask for part in objective.style if part.statistic.summed}


def _cut(mask: Tensor | None, tile: Tile, layer: str) -> Tensor | None:
    return None if mask is None else mask[(..., *tile.place(layer))]
