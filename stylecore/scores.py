"""Scores of a finished picture: how near it is to its style and its content, and how healthy it is.

Style and content are measured on layers that the render did not optimise, for on its own layers it marks its own work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from typing import Any

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
    relative_cfsd,
    ssim,
    total_variation,
)
from stylecore.score_names import SCORES as SCORES
from stylecore.statistics import STATISTICS

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
        wanted = [*style_layers, *content_layers]
        features = encoder.features(picture, wanted) if wanted else {}
        scores = _style_scores(features, styles, encoder, style_layers, known)
        if content is not None:
            scores |= _content_scores(features, content, encoder, content_layers, known)
            scores["content_ssim"] = ssim(picture, content)
        scores["health_clipped"] = clipped(picture)
        scores["health_total_variation"] = total_variation(picture)
        scores["health_flatness"] = flatness(picture)
        return {name: float(scores[name]) for name in SCORES if name in scores}


Known = dict[Hashable, dict[Any, Tensor]]
"""What content and style pictures came to, for the next picture that is scored against them."""
_MOST_KNOWN = 8  # pictures; the oldest go first


def _once(picture: Tensor, layers: Sequence[str], known: Known, come_to: partial[dict[Any, Tensor]]) -> Any:
    pixels = hashlib.sha256(picture.cpu().numpy().tobytes()).hexdigest()
    key = (pixels, picture.shape, tuple(layers), come_to.func.__qualname__)
    if key not in known:
        known[key] = come_to()
        while len(known) > _MOST_KNOWN:
            known.pop(next(iter(known)))
    return known[key]


_MOST_SORTED = 2**14  # positions that sliced distances sort


def _style_scores(
    features: dict[str, Tensor],
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
    described = [_once(style, layers, known, partial(_style_targets, style, encoder, layers)) for style, _ in styles]
    scores = {}
    for name in STYLE_STATISTICS:
        distances = [
            _style_distance(name, features[layer], [targets[name, layer] for targets in described], shares)
            for layer in layers
        ]
        scores[f"style_{name}"] = torch.stack(distances).mean()
    return scores


def _style_targets(style: Tensor, encoder: Encoder, layers: Sequence[str]) -> dict[Any, Tensor]:
    """Targets of one style by statistic and layer."""
    features = encoder.features(style, layers)
    return {
        (name, layer): STATISTICS[name].describe(_seen(name, features[layer]))
        for name in STYLE_STATISTICS
        for layer in layers
    }


def _style_distance(name: str, features: Tensor, targets: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    statistic, features = STATISTICS[name], _seen(name, features)
    if statistic.linear:
        blend = torch.stack([share * target for share, target in zip(shares, targets, strict=True)]).sum(0)
        targets, shares = [blend], [1.0]
    relative = [
        share * statistic.distance(features, target) / statistic.size(target).clamp_min(TINY)
        for share, target in zip(shares, targets, strict=True)
    ]
    return torch.stack(relative).sum()


def _seen(name: str, features: Tensor) -> Tensor:
    """What a statistic looks at: moments at all positions, sorted distances at some."""
    return features if STATISTICS[name].linear else _thinned(features)


def _thinned(features: Tensor) -> Tensor:
    """At most 16384 positions, drawn at random but always the same, in one row: sorting them all takes seconds."""
    maps = features.flatten(2)
    if maps.shape[2] > _MOST_SORTED:
        drawn = torch.randperm(maps.shape[2], generator=torch.Generator().manual_seed(0))[:_MOST_SORTED]
        maps = maps[:, :, drawn.to(maps.device)]
    return maps.unsqueeze(2)


def _content_scores(
    features: dict[str, Tensor], content: Tensor, encoder: Encoder, layers: Sequence[str], known: Known
) -> dict[str, Tensor]:
    if not layers:
        return {}
    described = _once(content, layers, known, partial(encoder.features, content, layers))
    measures = {"content_features": feature_distance, "content_cfsd": relative_cfsd}
    return {
        name: torch.stack([measure(features[layer], described[layer]) for layer in layers]).mean()
        for name, measure in measures.items()
    }


def _fitting(layers: Sequence[str], pictures: Sequence[Tensor]) -> list[str]:
    """The layers that all pictures have at least one position at; none where there are no pictures."""
    least = min((side for picture in pictures for side in picture.shape[2:]), default=0)
    return [layer for layer in layers if smallest_side([layer]) <= least]
