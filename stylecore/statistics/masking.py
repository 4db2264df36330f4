"""How a mask counts: as shares of the positions, or as a choice of them."""

from __future__ import annotations

import torch
from torch import Tensor


def shares(weights: Tensor | None) -> Tensor | None:
    """A mask as each position's share of its row, shape (batch, 1, positions), float32, adding up to 1; zeros stay.

    Without a mask None: every position counts alike.
    """
    if weights is None:
        return None
    flat = weights.flatten(2).float()
    return flat / flat.sum(2, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)


def chosen(weights: Tensor) -> Tensor:
    """Positions whose weight is more than half of their row's largest, shape as the weights, bool."""
    return weights > weights.amax((1, 2, 3), keepdim=True) / 2


def with_choice(features: Tensor, weights: Tensor | None) -> Tensor:
    """Features and, as one more channel, 1 where a position is chosen: (batch, channels + 1, height, width), float32.

    Targets that keep positions carry their mask like this, so that masks of any shape give targets of one shape.
    """
    mask = torch.ones_like(features[:, :1]) if weights is None else chosen(weights).expand(len(features), -1, -1, -1)
    return torch.cat([features.float(), mask.float()], 1)
