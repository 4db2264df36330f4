"""What scores are made of: how alike two pictures or their features are, and how healthy one picture is."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from stylecore.color import LUMA


def feature_distance(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of features in units of the target's variance.

    Args:
        features: shape (batch, channels, height, width).
        target: same shape.

    Returns:
        Shape (batch,), float32.
    """
    target = target.float().flatten(1)
    difference = (features.float().flatten(1) - target).square().mean(1)
    return difference / target.var(1, unbiased=False).clamp_min(TINY)


def cfsd(features: Tensor, target: Tensor) -> Tensor:
    """Content feature structural distance: how far a picture's self-similarity is from the content's.

    The self-similarity of position i is the softmax over positions j of F_i · F_j / C². The distance is the mean over
    positions of its Kullback-Leibler divergence KL(content ‖ picture). To bound the memory, maps of more than 32
    positions on a side are averaged to 32 first, which the source does not do; it takes relu3_1 alone.

    Args:
        features: shape (batch, channels, height, width).
        target: same shape, of the content.

    Returns:
        Shape (batch,), float32, on the CPU.

    Source: Chung, Hyun, Heo 2024, Style Injection in Diffusion (arXiv:2312.09008).
    """
    return _divergence(structure(target), structure(features)).float()


def relative_cfsd(features: Tensor, target: Tensor) -> Tensor:
    """`cfsd` in units of what a picture without any structure has: 0 is the content, 1 is nothing at all.

    Self-similarities are nearly uniform: bare distances are of the order 1e-5, and smaller the more channels a layer
    has. In these units layers, contents and encoders compare. Arguments and result as for `cfsd`.
    """
    return relative_divergence(structure(features), structure(target))


def relative_divergence(drawn: Tensor, wanted: Tensor) -> Tensor:
    """`relative_cfsd` from the `structure` of a picture and that of the content."""
    nothing = torch.full_like(wanted[:, :1], -math.log(wanted.shape[2]))
    return (_divergence(wanted, drawn) / _divergence(wanted, nothing).clamp_min(TINY)).float()


def structure(features: Tensor) -> Tensor:
    """Self-similarity of features as `cfsd` compares it: logarithms, shape (batch, positions, positions), float64.

    In float64 and on the CPU: its rows are so nearly uniform that float32 would round a small divergence away.
    """
    height, width = (min(_MOST_ON_A_SIDE, side) for side in features.shape[2:])
    maps = functional.adaptive_avg_pool2d(features.float(), (height, width)).flatten(2).cpu().double()
    return (maps.mT @ maps / maps.shape[1] ** 2).log_softmax(2)


def ssim(pictures: Tensor, references: Tensor) -> Tensor:
    """Structural similarity of luma, averaged over the picture.

    The window is Gaussian, 11×11 with a deviation of 1.5 pixels, and lies within the picture; it is cut to the sides
    of smaller ones. K1 = 0.01, K2 = 0.03, range 1.

    Args:
        pictures: shape (batch, 3, height, width), RGB in 0..1.
        references: same shape.

    Returns:
        Shape (batch,), in -1..1.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, Image quality assessment, eq. 13.
    """
    x, y = _luma(pictures), _luma(references)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x.square()
    variance_y = _windowed(y * y) - mean_y.square()
    covariance = _windowed(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x.square() + mean_y.square() + c1) * (variance_x + variance_y + c2)
    return similarity.mean((1, 2, 3))


def clipped(pictures: Tensor) -> Tensor:
    """Share of pixels with a channel at 0 or 255 in 8 bits; pictures (batch, 3, height, width), result (batch,)."""
    levels = in_levels(pictures)
    return ((levels == 0) | (levels == 255)).any(1).float().mean((1, 2))


def total_variation(pictures: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, in levels of 255, over all channels and both directions.

    Args:
        pictures: shape (batch, 3, height, width), in 0..1.

    Returns:
        Shape (batch,); 0 for a single pixel, which has no neighbours.
    """
    differences = torch.cat([pictures.diff(dim=axis).abs().flatten(1) for axis in (2, 3)], 1)
    return 255 * differences.sum(1) / max(1, differences.shape[1])


def flatness(pictures: Tensor) -> Tensor:
    """Share of blocks of 8×8 pixels whose luma has a standard deviation below 1/255.

    Args:
        pictures: shape (batch, 3, height, width), in 0..1. Blocks that the border cuts do not count, and on a side of
            less than 8 pixels a block is as long as the side.

    Returns:
        Shape (batch,).
    """
    luma = _luma(pictures)[:, 0]
    tall, wide = (min(8, side) for side in luma.shape[1:])
    blocks = luma.unfold(1, tall, tall).unfold(2, wide, wide).flatten(3)
    return (blocks.std(3, unbiased=False) < 1 / 255).float().mean((1, 2))


def in_levels(pictures: Tensor) -> Tensor:
    """Pictures in 0..1 as an 8-bit file holds them: whole numbers from 0 to 255, of any shape."""
    return (pictures.clamp(0, 1) * 255).round()


TINY = 1e-12
"""Least unit that a distance is divided by, so that flat pictures have finite scores."""

_MOST_ON_A_SIDE = 32  # positions that self-similarity compares


def _luma(pictures: Tensor) -> Tensor:
    return functional.conv2d(pictures, torch.from_numpy(LUMA).to(pictures.device).view(1, 3, 1, 1))


def _windowed(maps: Tensor) -> Tensor:
    """Gaussian mean around each place where the whole window lies within the maps, shape (batch, 1, …, …)."""
    for axis in (2, 3):
        length = min(11, maps.shape[axis])
        places = torch.arange(length, device=maps.device) - (length - 1) / 2
        window = torch.exp(-places.square() / (2 * 1.5**2))
        shape = [1, 1, 1, 1]
        shape[axis] = length
        maps = functional.conv2d(maps, (window / window.sum()).view(shape))
    return maps


def _divergence(wanted: Tensor, drawn: Tensor) -> Tensor:
    """Mean over rows of the Kullback-Leibler divergence, shape (batch,), from logarithms of probabilities."""
    return (wanted.exp() * (wanted - drawn)).sum(2).mean(1)
