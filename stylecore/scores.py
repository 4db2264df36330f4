"""Scores of a finished picture: how near it is to its style and its content, and how healthy it is.

Style and content are measured on layers that the render did not optimise, for on its own layers it marks its own work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stylecore.architectures import smallest_side
from stylecore.encoder import Encoder
from stylecore.errors import PictureError
from stylecore.measures import (
    TINY,
    clipped,
    feature_distance,
    flatness,
    in_levels,
    relative_divergence,
    ssim,
    structure,
    total_variation,
)
from stylecore.score_features import Seen, seen
from stylecore.score_names import SCORES as SCORES
from stylecore.statistics import STATISTICS
from stylecore.statistics.sliced import distance_of_projections, projections

STYLE_STATISTICS = ("gram", "wasserstein2", "sliced_wasserstein")
"""Statistics that style is scored by."""


def held_out(used: Iterable[str], offered: Sequence[str]) -> tuple[list[str], list[str]]:
    """Layers to score a picture on: one of each block, always the same unless the render used it.

    Where a render used the layer, the next of the same block takes its place; where it used all of a block, the block
    is left out. Block 5 is never scored: the shipped network has one layer of it, which most renders use.

    Args:
        used: layers the render optimised, style and content; `conv4_2` rules out `relu4_2` too.
        offered: layers the scoring encoder has.

    Returns:
        Layers for style and layers for content; either may be empty.
    """
    taken = {layer.replace("conv", "relu") for layer in used}
    free = {layer for layer in offered if layer not in taken}

    def choice(blocks: Sequence[Sequence[str]]) -> list[str]:
        first = [next((layer for layer in block if layer in free), None) for block in blocks]
        return [layer for layer in first if layer is not None]

    return choice(_STYLE_CHOICES), choice(_CONTENT_CHOICES)


_BLOCK_3 = ("relu3_3", "relu3_2", "relu3_4", "relu3_1")
_BLOCK_4 = ("relu4_3", "relu4_2", "relu4_4", "relu4_1")
_STYLE_CHOICES = (("relu1_2", "relu1_1"), ("relu2_2", "relu2_1"), ("relu3_2", *_BLOCK_3), _BLOCK_4)
_CONTENT_CHOICES = (_BLOCK_3, _BLOCK_4)


def score(
    picture: Tensor,
    content: Tensor | None,
    styles: Sequence[tuple[Tensor, float]],
    encoder: Encoder,
    style_layers: Sequence[str],
    content_layers: Sequence[str],
    known: Known | None = None,
) -> dict[str, float]:
    """All scores of one picture that there are pictures and layers for, as if it were read from an 8-bit file.

    Args:
        picture: shape (1, 3, height, width), RGB float32 in 0..1.
        content: same shape; None where there is none, then there are no content scores.
        styles: style pictures of shape (1, 3, any height, any width) with their weights; empty where there is none.
        encoder: float32, maximum pooling and zero padding, so that scores of different renders compare.
        style_layers: layers style is measured on, as from `held_out`; layers a picture is too small for are left out.
        content_layers: the same for content.
        known: filled with what content and styles come to, so that the next picture takes a third of the time.

    Returns:
        Scores by name, in the order of `SCORES`.

    Raises:
        PictureError: the content's size is not the picture's.
    """
    if content is not None and content.shape != picture.shape:
        raise PictureError(
            f"the content is {content.shape[3]}×{content.shape[2]} pixels and the picture to score is "
            f"{picture.shape[3]}×{picture.shape[2]}: bring the content to the picture's size first"
        )
    known = {} if known is None else known
    with torch.no_grad():
        picture = in_levels(picture) / 255
        style_layers = _fitting(style_layers, [picture, *(style for style, _ in styles)] if styles else [])
        content_layers = _fitting(content_layers, [] if content is None else [picture])
        features = seen(picture, encoder, style_layers, content_layers)
        scores = _style_scores(features, styles, encoder, style_layers, known)
        if content is not None:
            scores |= _content_scores(features, content, encoder, content_layers, known)
            scores["content_ssim"] = ssim(picture, content)
        scores["health_clipped"] = clipped(picture)
        scores["health_total_variation"] = total_variation(picture)
        scores["health_flatness"] = flatness(picture)
        return {name: float(scores[name]) for name in SCORES if name in scores}


Known = dict[Hashable, Any]
"""What content and style pictures came to, for the next picture that is scored against them."""
_MOST_BYTES = 2**29  # of what is known; the oldest goes first

_SLICED = "sliced_wasserstein"
_LINEAR = tuple(name for name in STYLE_STATISTICS if name != _SLICED)


class _Aim(NamedTuple):
    """What a picture is compared with, its share in the score, and the unit of distances from it."""

    share: float
    target: Any
    unit: Tensor


def _key(picture: Tensor, layers: Sequence[str]) -> Hashable:
    pixels = hashlib.sha256(picture.cpu().numpy().tobytes()).hexdigest()
    return pixels, picture.shape, tuple(layers)


def _once(key: Hashable, known: Known, come_to: Callable[[], Any]) -> Any:
    found = known.pop(key) if key in known else come_to()
    known[key] = found  # the last one is the one used last
    while known and sum({t.data_ptr(): t.nbytes for t in _tensors(known)}.values()) > _MOST_BYTES:
        known.pop(next(iter(known)))
    return found


def _tensors(found: Any) -> Iterator[Tensor]:
    """All tensors in what pictures came to; some are there twice."""
    if isinstance(found, Tensor):
        yield found
    elif isinstance(found, dict | list | tuple):
        for part in found.values() if isinstance(found, dict) else found:
            yield from _tensors(part)


def _style_scores(
    features: dict[str, Seen],
    styles: Sequence[tuple[Tensor, float]],
    encoder: Encoder,
    layers: Sequence[str],
    known: Known,
) -> dict[str, Tensor]:
    """Mean over layers of distance / target's size, by score; of a blend, or a weighted mean over the styles."""
    if not styles or not layers:
        return {}
    total = sum(weight for _, weight in styles)
    shares = [weight / total for _, weight in styles]
    keys = [_key(style, layers) for style, _ in styles]
    described = [
        _once(key, known, partial(_described, style, encoder, layers))
        for key, (style, _) in zip(keys, styles, strict=True)
    ]
    blend = _once(("blend", *zip(keys, shares, strict=True)), known, partial(_blended, described, shares))
    scores = {}
    for name in STYLE_STATISTICS:
        distances = [_style_distance(name, features[layer], blend[name, layer]) for layer in layers]
        scores[f"style_{name}"] = torch.stack(distances).mean()
    return scores


def _described(style: Tensor, encoder: Encoder, layers: Sequence[str]) -> dict[Any, tuple[Tensor, Tensor]]:
    """What one style's features come to, and the unit of distances from it, by statistic and layer."""
    described = {}
    for layer, features in seen(style, encoder, layers, []).items():
        for name in _LINEAR:
            target = features.described(STATISTICS[name])
            described[name, layer] = target, STATISTICS[name].size(target)[0]
        described[_SLICED, layer] = projections(features.some), features.some.float().square().mean()
    return described


def _blended(described: Sequence[dict[Any, tuple[Tensor, Tensor]]], shares: Sequence[float]) -> dict[Any, list[_Aim]]:
    """What a picture is compared with, by statistic and layer: a blend, or each style where nothing can be blended."""
    aims = {}
    for name, layer in described[0]:
        targets, units = zip(*(style[name, layer] for style in described), strict=True)
        if name in _LINEAR:
            target = torch.stack([share * target for share, target in zip(shares, targets, strict=True)]).sum(0)
            aims[name, layer] = [_Aim(1.0, STATISTICS[name].prepare(target), STATISTICS[name].size(target)[0])]
        else:
            aims[name, layer] = [_Aim(*parts) for parts in zip(shares, targets, units, strict=True)]
    return aims


def _style_distance(name: str, features: Seen, aims: Sequence[_Aim]) -> Tensor:
    if name in _LINEAR:
        distances = [features.distance(STATISTICS[name], aim.target)[0] for aim in aims]
    else:
        drawn = projections(features.some)
        distances = [distance_of_projections(drawn, aim.target) for aim in aims]
    relative = [aim.share * d / aim.unit.clamp_min(TINY) for aim, d in zip(aims, distances, strict=True)]
    return torch.stack(relative).sum()


def _content_scores(
    features: dict[str, Seen], content: Tensor, encoder: Encoder, layers: Sequence[str], known: Known
) -> dict[str, Tensor]:
    if not layers:
        return {}
    target = _once(("content", _key(content, layers)), known, partial(_content_target, content, encoder, layers))
    maps = {layer: features[layer].whole() for layer in layers}
    distances = [feature_distance(maps[layer], target[layer][0]) for layer in layers]
    divergences = [relative_divergence(structure(maps[layer]), target[layer][1]) for layer in layers]
    return {"content_features": torch.stack(distances).mean(), "content_cfsd": torch.stack(divergences).mean()}


def _content_target(content: Tensor, encoder: Encoder, layers: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
    """Features of a content and their structure, by layer."""
    features = seen(content, encoder, [], layers)
    return {layer: (features[layer].whole(), structure(features[layer].whole())) for layer in layers}


def _fitting(layers: Sequence[str], pictures: Sequence[Tensor]) -> list[str]:
    """The layers that all pictures have at least one position at; none where there are no pictures."""
    least = min((side for picture in pictures for side in picture.shape[2:]), default=0)
    return [layer for layer in layers if smallest_side([layer]) <= least]
