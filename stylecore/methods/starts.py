"""Pictures that an optimisation starts from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from stylecore import images
from stylecore.encoder import Encoder
from stylecore.methods.batch import Member, tensor_of

_GREY = 0.5


def started(members: Sequence[Member], canvas: tuple[int, int], encoder: Encoder) -> Tensor:
    """Starting pictures of a batch, shape (batch, 3, height, width), for a canvas of a width and height in pixels."""
    return torch.cat([_start_of(member, canvas, encoder) for member in members])


def enlarged(pictures: Tensor, canvas: tuple[int, int]) -> Tensor:
    """Pictures resampled to a width and height."""
    size = canvas[1], canvas[0]
    if pictures.shape[2:] == size:
        return pictures
    return functional.interpolate(pictures, size, mode="bicubic", align_corners=False, antialias=True)


def _start_of(member: Member, canvas: tuple[int, int], encoder: Encoder) -> Tensor:
    """The picture one cell starts from, (1, 3, height, width); of a blend the weighted mean of its parts."""
    init = member.settings.init
    if isinstance(init, str):
        return _named(init, member, canvas, encoder)
    parts = [weight * _named(name, member, canvas, encoder) for name, weight in init.items()]
    return torch.stack(parts).sum(0) / sum(init.values())


def _named(name: str, member: Member, canvas: tuple[int, int], encoder: Encoder) -> Tensor:
    width, height = canvas
    if name == "noise":
        return _noise(member, (1, 3, height, width)).to(encoder.device) + encoder.mean.view(1, 3, 1, 1)
    if name == "grey":
        return torch.full((1, 3, height, width), _GREY, device=encoder.device)
    if name == "content":
        assert member.content is not None
        return tensor_of(images.fill(member.content, width, height), encoder.device)
    source = member.styles[0].picture if name == "style" else member.init
    assert source is not None
    return enlarged(tensor_of(source, encoder.device), canvas)


def _noise(member: Member, shape: tuple[int, int, int, int]) -> Tensor:
    """Noise without a mean, drawn on the CPU: one seed gives one picture on every device."""
    generator = torch.Generator().manual_seed(member.settings.seed)
    if member.settings.noise_distribution == "uniform":
        drawn = 2 * torch.rand(shape, generator=generator) - 1
    else:
        drawn = torch.randn(shape, generator=generator)
    return drawn * member.settings.noise
