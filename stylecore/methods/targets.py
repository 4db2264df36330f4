"""Targets of a member at one canvas: what its content and styles, colours and masks come to as constants."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from stylecore import images, masks
from stylecore.color import COLOR_MATCHES, match_colors
from stylecore.constants import Constants
from stylecore.errors import RenderError
from stylecore.images import Picture
from stylecore.methods.batch import Member, MemberStyle, tensor_of
from stylecore.objective import StyleTarget, Targets, blended

Canvas = tuple[int, int]
_SMALLEST_STYLE = 16  # pixels on the shorter side: one position of conv5_1


def targets_of(member: Member, canvas: Canvas, constants: Constants, tile: int | None = None) -> Targets:
    """What a member's picture is drawn to on a canvas of so many pixels in width and height.

    Pictures are seen by tiles of so many pixels on a side, or as a whole.

    Raises:
        RenderError: a mask that does not fit its picture, is all black, or is one too many.
    """
    content: dict[str, Tensor] = {}
    if member.content is not None:
        picture = images.fill(member.content, *canvas)
        layers = list(member.settings.content_layers)
        pixels = tensor_of(picture, constants.encoder.device)
        content = constants.content(pixels, member.content.digest, layers, tile)
    content_mask = None
    if member.content_mask is not None:
        content_mask = _mask(member.content_mask, member.canvas_picture, canvas, "content_mask", constants)
    return Targets(content, _styles(member, canvas, constants, tile), member.settings, content_mask)


def _styles(member: Member, canvas: Canvas, constants: Constants, tile: int | None) -> tuple[StyleTarget, ...]:
    if not member.styles:
        return ()
    if member.masks and len(member.masks) != len(member.styles):
        said = f"{len(member.masks)} masks for {len(member.styles)} styles; expected one for each style, or none"
        raise RenderError("mask", said)
    weights = [style.weight for style in member.styles]
    total = sum(weights)
    if min(weights) < 0 or not 0 < total < math.inf:
        said = f"the weights of the styles are {', '.join(f'{weight:g}' for weight in weights)}"
        raise RenderError("setting", f"{said}; expected numbers of at least 0, one of them above")
    targets = []
    for index, style in enumerate(member.styles):
        place = None
        if member.masks:
            place = _mask(member.masks[index], member.canvas_picture, canvas, f"mask {index + 1}", constants)
        statistics = _described(style, member, canvas, constants, tile)
        targets.append(StyleTarget(statistics, style.weight / total, place))
    return blended(targets)


def _described(
    style: MemberStyle, member: Member, canvas: Canvas, constants: Constants, tile: int | None
) -> dict[str, dict[str, Tensor]]:
    """Statistics of one style at the size that belongs to a canvas."""
    settings = member.settings
    height, width = style.picture.pixels.shape[:2]
    least = math.ceil(_SMALLEST_STYLE * max(height, width) / min(height, width))
    picture = images.fit(style.picture, max(least, round(max(canvas) * settings.style_scale)))
    digest, mask = picture.digest, None
    if settings.color in COLOR_MATCHES and member.content is not None:
        # at this size, for colours of the full pictures take seconds to match and come to the same
        colors = images.fill(member.content, *canvas).pixels
        picture = replace(picture, pixels=match_colors(picture.pixels, colors, settings.color))
        digest += f" {settings.color} {member.content.digest} {canvas}"
    if style.mask is not None:
        high, wide = picture.pixels.shape[:2]
        mask = _mask(style.mask, style.picture, (wide, high), "mask of the style", constants)
        digest += f" {style.mask.digest}"
        for layer, left in constants.encoder.mask(mask, list(settings.style_layers)).items():
            if not left.any():  # features without weight have no statistics
                said = f"mask of the style: at {wide}×{high} pixels, nothing of it is left at {layer}"
                raise RenderError("mask", f"{said}; make its white part larger, or raise size or style_scale")
    return constants.style(
        tensor_of(picture, constants.encoder.device),
        digest,
        list(settings.style_layers),
        list(settings.style_statistic),
        mask,
        tile,
    )


def _mask(mask: Picture, of: Picture, canvas: Canvas, name: str, constants: Constants) -> Tensor:
    """A mask as a tensor of shape (1, 1, height, width) in 0..1, cut and scaled as its picture is.

    Raises:
        RenderError: another shape than its picture, or nothing white in it.
    """
    high, wide = mask.pixels.shape[:2]
    height, width = of.pixels.shape[:2]
    if not masks.fits((wide, high), (width, height)):
        message = f"{name} has {wide}×{high} pixels and its picture {width}×{height}; expected the same aspect"
        raise RenderError("mask", message)
    fitted = images.fill(mask, *canvas)
    if masks.is_black(fitted):
        raise RenderError("mask", f"{name} is all black; expected white where it applies")
    return torch.from_numpy(masks.coverage(fitted)).to(constants.encoder.device).view(1, 1, *reversed(canvas))
