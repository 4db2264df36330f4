"""Gatys, Ecker, Bethge 2016: optimise the pixels for the content of one picture and the style statistics of another.

Rendered coarse to fine: each scale starts from the result of the one before (Gatys et al. 2017, section 6).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional

from stylecore import images
from stylecore.architectures import smallest_side
from stylecore.encoder import Encoder
from stylecore.methods.batch import Member, Moment, tensor_of
from stylecore.objective import Constants, Objective, Targets
from stylecore.optimize import Evaluate, Step, adam, lbfgs
from stylecore.settings import Settings


def optimise(members: Sequence[Member], constants: Constants) -> Iterator[Moment]:
    """Optimise a batch of cells that differ in nothing but pictures, weights and seeds.

    Args:
        members: cells with their pictures; all have one canvas and one schedule.
        constants: what is known of the pictures already; its encoder describes them.

    Yields:
        A `Moment` for each evaluation of loss and gradient.
    """
    settings, encoder = members[0].settings, constants.encoder
    sizes = _sizes(members[0])
    pictures: Tensor | None = None
    done = 0
    for size, share in zip(sizes, shares(settings.steps, len(sizes)), strict=True):
        if share == 0:
            continue
        contents = [tensor_of(images.fit(m.content, size), encoder.device) for m in members]
        pictures = _start(members, contents, encoder) if pictures is None else _enlarged(pictures, contents[0])
        targets = [_targets(m, content, size, constants) for m, content in zip(members, contents, strict=True)]
        for step, terms in islice(_descent(pictures, Objective(encoder, targets), settings), share):
            done += 1
            pictures = step.pictures
            yield Moment(done, step.pictures, step.losses, terms, size)


def _sizes(member: Member) -> list[int]:
    """Longest sides, coarse to fine. `scales: auto` leaves out those at which a panorama is too low for the encoder."""
    sizes = member.settings.sizes()
    if member.settings.scales != "auto":
        return sizes
    height, width = member.content.pixels.shape[:2]
    least = smallest_side([*member.settings.content_layers, *member.settings.style_layers])
    return [size for size in sizes[:-1] if min(images.canvas(width, height, size)) >= least] + sizes[-1:]


_SMALLEST_STYLE = 16  # pixels on the shorter side: one position of conv5_1


def shares(steps: int, scales: int) -> list[int]:
    """Steps of each scale, coarse to fine: equal shares, what is left over going to the finest."""
    return [steps // scales] * (scales - 1) + [steps - steps // scales * (scales - 1)]


def _descent(pictures: Tensor, objective: Objective, settings: Settings) -> Iterator[tuple[Step, Tensor]]:
    """Steps of the optimiser, each with the weighted terms (terms, batch) of its pictures."""
    evaluated: list[Tensor] = []

    def evaluate(batch: Tensor) -> tuple[Tensor, Tensor]:
        losses, gradients, terms = objective.evaluate(batch)
        evaluated[:] = [terms]
        return losses, gradients

    terms: Tensor | None = None
    for step in _optimizer(pictures, evaluate, settings):
        terms = evaluated[0] if terms is None else torch.where(step.fresh, evaluated[0], terms)
        yield step, terms


def _optimizer(pictures: Tensor, evaluate: Evaluate, settings: Settings) -> Iterator[Step]:
    if settings.optimizer == "adam":
        return adam(pictures, evaluate, learning_rate=settings.learning_rate or 0.02)
    return lbfgs(
        pictures,
        evaluate,
        history_size=settings.history_size,
        learning_rate=settings.learning_rate or 1.0,
        spectral_exponent=settings.spectral_exponent,
    )


def _targets(member: Member, content: Tensor, size: int, constants: Constants) -> Targets:
    settings = member.settings
    height, width = member.style.pixels.shape[:2]
    least = math.ceil(_SMALLEST_STYLE * max(height, width) / min(height, width))
    style = images.fit(member.style, max(least, round(size * settings.style_scale)))
    picture = tensor_of(style, constants.encoder.device)
    return Targets(
        content=constants.content(content, member.content.digest, list(settings.content_layers)),
        style={
            statistic: constants.style(picture, member.style.digest, list(settings.style_layers), statistic)
            for statistic in settings.style_statistic
        },
        settings=settings,
    )


def _start(members: Sequence[Member], contents: Sequence[Tensor], encoder: Encoder) -> Tensor:
    return torch.cat([_start_of(m, content, encoder) for m, content in zip(members, contents, strict=True)])


def _start_of(member: Member, content: Tensor, encoder: Encoder) -> Tensor:
    """The picture one cell starts from, in the shape of its content, (1, 3, height, width)."""
    settings = member.settings
    if settings.init == "content":
        return content
    if settings.init == "noise":
        # drawn on the CPU: one seed gives one picture on every device
        generator = torch.Generator().manual_seed(settings.seed)
        noise = torch.randn(content.shape, generator=generator) * settings.noise
        return noise.to(content.device) + encoder.mean.view(1, 3, 1, 1)
    source = member.style if settings.init == "style" else member.init
    assert source is not None
    return _enlarged(tensor_of(source, content.device), content)


def _enlarged(pictures: Tensor, like: Tensor) -> Tensor:
    """Pictures resampled to the height and width of another."""
    if pictures.shape[2:] == like.shape[2:]:
        return pictures
    return functional.interpolate(pictures, like.shape[2:], mode="bicubic", align_corners=False, antialias=True)
