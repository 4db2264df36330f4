"""What passes between `render` and a method: the members of a batch, and the moments of its optimisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylecore.images import Picture
from stylecore.settings import Settings


@dataclass(frozen=True, eq=False)
class Member:
    """One cell of a batch with its pictures decoded.

    Attributes:
        content: the content picture as read.
        style: the style picture as read.
        init: the picture to start from where `settings.init` names one.
        settings: the cell's settings.
    """

    content: Picture
    style: Picture
    init: Picture | None
    settings: Settings


@dataclass(frozen=True)
class Moment:
    """A batch after one evaluation of its loss.

    Attributes:
        step: evaluations so far, counted over all scales from 1.
        pictures: shape (batch, 3, height, width), float32.
        losses: shape (batch,).
        terms: weighted terms of the evaluation, shape (terms, batch), in the order of `objective.TERMS`.
        size: longest side of the scale being rendered, in pixels.
    """

    step: int
    pictures: Tensor
    losses: Tensor
    terms: Tensor
    size: int


def tensor_of(picture: Picture, device: torch.device) -> Tensor:
    """A picture's pixels as a tensor of shape (1, 3, height, width), float32 in 0..1."""
    return torch.from_numpy(picture.pixels).permute(2, 0, 1).unsqueeze(0).contiguous().to(device)
