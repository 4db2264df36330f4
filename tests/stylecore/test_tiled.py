"""Tiles: the gradient of a picture that is cut into tiles is the gradient of the whole."""

from __future__ import annotations

import pytest
import torch
from reference_vgg import random_pictures, random_state, relative

from stylecore.constants import Constants
from stylecore.encoder import Encoder
from stylecore.objective import Objective, StyleTarget, Targets
from stylecore.settings import Settings
from stylecore.statistics import STATISTICS

LOW = {"style_layers": {"relu1_1": 1.0, "conv2_2": 2.0}, "content_layers": {"relu2_1": 1.0, "conv3_1": 0.5}}
"""Layers that see 14 pixels beyond a tile: tiles of 16 pixels are possible."""


def encoder_of(settings, architecture="vgg19"):
    return Encoder(
        random_state(architecture), architecture, pooling=settings.pooling, padding=settings.padding, convention="caffe"
    )


def objectives(rows, canvas, tiles, encoder):
    return [Objective(encoder, rows, canvas, tile) for tile in (None, *tiles)]


def targets_of(encoder, settings, canvas, seed=1, masks=(None,), content_mask=None):
    """Random content and one random style for each mask, the style of another size."""
    constants, layers = Constants(encoder), list(settings.style_layers)
    content = constants.content(
        random_pictures(1, canvas[1], canvas[0], seed), "content", list(settings.content_layers)
    )
    styles = []
    for number, mask in enumerate(masks):
        picture = random_pictures(1, 37, 52, seed + 10 + number)
        described = constants.style(picture, f"style {number}", layers, list(settings.style_statistic))
        styles.append(StyleTarget(described, 1 / len(masks), mask))
    return Targets(content, tuple(styles), settings, content_mask)


def assert_tiles_agree(settings, canvas, tiles, batch=1, architecture="vgg19", masks=None, content_mask=None):
    encoder = encoder_of(settings, architecture)
    rows = [
        targets_of(encoder, settings, canvas, 1 + row, masks(row) if masks else (None,), content_mask)
        for row in range(batch)
    ]
    pictures = random_pictures(batch, canvas[1], canvas[0], 5)
    # where features are sorted, the last digit of two that are nearly equal decides which goes where
    most = 1e-5 if all(STATISTICS[name].summed for name in settings.style_statistic) else 1e-4
    whole, *parts = objectives(rows, canvas, tiles, encoder)
    losses, gradients, terms = whole.evaluate(pictures, 3)
    for part in parts:
        assert len(part.tiles) > 1
        tiled_losses, tiled_gradients, tiled_terms = part.evaluate(pictures, 3)
        torch.testing.assert_close(tiled_losses, losses, rtol=1e-5, atol=0)
        torch.testing.assert_close(tiled_terms, terms, rtol=1e-5, atol=1e-9)
        assert not tiled_gradients.requires_grad
        for row in range(batch):
            assert relative(tiled_gradients[row], gradients[row]) < most


@pytest.mark.parametrize("statistic", STATISTICS)
def test_every_statistic(statistic):
    settings = Settings(**LOW, style_statistic=statistic)
    assert_tiles_agree(settings, (61, 35), (16, 28), batch=2)


@pytest.mark.parametrize(
    ("settings", "architecture"),
    [
        ({"padding": "zero", "pooling": "average"}, "vgg16"),
        (
            {
                "padding": "reflect",
                "content_normalization": "sum",
                "style_normalization": "paper",
                "style_statistic": "gram",
            },
            "vgg19",
        ),
        ({"style_statistic": {"gram": 1, "mean_std": 2, "histogram": 1, "sliced_wasserstein": 3}}, "vgg16"),
        ({"balance": "terms", "optimizer": "adam", "tv_norm": "nine-point"}, "vgg19"),
        ({"tv_norm": "absolute", "style_statistic": ["centered_gram", "wasserstein2"]}, "vgg16"),
    ],
)
def test_every_setting_of_the_loss(settings, architecture):
    assert_tiles_agree(Settings(**LOW, **settings), (49, 64), (16, 36), architecture=architecture)


@pytest.mark.parametrize("architecture", ["vgg19", "vgg16"])
def test_the_deepest_layers(architecture):
    """conv5_1 sees 70 pixels beyond a tile, more than one neighbour is wide; sides are no multiples of 16."""
    layers = {"style_layers": ["relu1_1", "relu3_1", "relu5_1"], "content_layers": "conv4_2"}
    assert_tiles_agree(Settings(**layers), (147, 34), (48,), architecture=architecture)


@pytest.mark.parametrize("statistic", ["gram", "wasserstein2", "mrf"])
def test_masks(statistic):
    """Each row has its own masks of two styles, one of which most tiles have nothing of."""

    def masks(row):
        corner, ramp = torch.zeros(1, 1, 47, 61), torch.linspace(0, 1, 61).expand(1, 1, 47, 61)
        corner[..., : 23 + row, :30] = 1
        return (corner, ramp) if row else (ramp, corner)

    content_mask = random_pictures(1, 47, 61, 8)[:, :1]
    settings = Settings(**LOW, style_statistic=statistic)
    assert_tiles_agree(settings, (61, 47), (16,), batch=2, masks=masks, content_mask=content_mask)


def test_half_precision_gives_the_same_gradient():
    """To what its digits hold."""
    settings = Settings(**LOW, style_statistic=["gram", "centered_gram", "histogram"])
    for dtype in (torch.bfloat16, torch.float16):
        encoder = Encoder(random_state(), "vgg19", padding="replicate", dtype=dtype)
        targets = [targets_of(encoder, settings, (61, 47))]
        whole, tiled = objectives(targets, (61, 47), (20,), encoder)
        pictures = random_pictures(1, 47, 61, 5)
        gradients = [objective.evaluate(pictures)[1].flatten() for objective in (whole, tiled)]
        assert float(torch.nn.functional.cosine_similarity(*gradients, dim=0)) > 0.999
