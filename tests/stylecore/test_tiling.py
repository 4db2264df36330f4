"""Tiles of a picture: they cover it once, lie on the poolings' grid, and their features are those of the whole."""

from __future__ import annotations

import pytest
import torch
from reference_vgg import caffe_input, layers_of, random_pictures, random_state

from stylecore.architectures import ARCHITECTURES
from stylecore.tiling import halo, least_tile, tiles_of

VGG19, VGG16 = (ARCHITECTURES[name].convolutions() for name in ("vgg19", "vgg16"))


@pytest.mark.parametrize(
    ("layers", "convolutions", "pixels"),
    [
        (["relu1_1"], VGG19, 1),
        (["conv1_2"], VGG19, 2),
        (["relu2_2"], VGG19, 6),  # 1 + 1 + 2 + 2
        (["relu1_1", "relu3_1"], VGG19, 12),  # 10, on a grid of 4
        (["conv4_2"], VGG19, 40),  # 2 + 4 + 4·4 + 2·8 = 38, on a grid of 8
        (["relu5_1"], VGG19, 80),  # 2 + 4 + 16 + 32 + 16 = 70, on a grid of 16
        (["relu5_1"], VGG16, 64),  # one convolution less in block 3 and in block 4: 58
        ([], VGG19, 0),
    ],
)
def test_halo_is_as_wide_as_the_layers_see(layers, convolutions, pixels):
    assert halo(convolutions, layers) == pixels
    assert least_tile(convolutions, layers) * 2 >= pixels


@pytest.mark.parametrize("canvas", [(64, 64), (1024, 1025), (15, 200), (321, 47), (48, 31), (33, 16)])
@pytest.mark.parametrize("side", [16, 50, 512])
def test_tiles_cover_each_position_of_each_layer_once(canvas, side):
    layers = ["conv1_1", "relu3_1", "relu5_1"]
    tiles = tiles_of(canvas, side, VGG19, layers)
    for layer in layers:
        step = 2 ** (int(layer[4]) - 1)
        seen = torch.zeros(canvas[1] // step, canvas[0] // step)
        for tile in tiles:
            seen[tile.place(layer)] += 1
        assert torch.equal(seen, torch.ones_like(seen))
    for tile in tiles:
        for span, length in ((tile.rows, canvas[1]), (tile.columns, canvas[0])):
            assert span.start % 16 == span.low % 16 == 0
            assert 0 <= span.low <= span.start < span.stop <= span.high <= length
            assert span.stop - span.start < max(16, side) + 16


@pytest.mark.parametrize(("architecture", "convolutions"), [("vgg19", VGG19), ("vgg16", VGG16)])
@pytest.mark.parametrize("canvas", [(103, 96), (70, 117)])
def test_features_of_a_tile_are_those_of_the_whole_picture(architecture, convolutions, canvas):
    """In the float64 network beside the tests, with and without a border of its own."""
    layers, picture = ["relu1_2", "conv2_1", "relu3_3", "conv4_1"], random_pictures(1, canvas[1], canvas[0])
    pad = None if canvas[0] > 100 else lambda signal: torch.nn.functional.pad(signal, (1, 1, 1, 1), "replicate")

    def features(pixels):
        return layers_of(
            caffe_input(pixels), architecture=architecture, state=random_state(architecture), pad_first=pad
        )

    whole = features(picture)
    for tile in tiles_of(canvas, 32, convolutions, layers):
        cut = features(picture[(..., *tile.window)])
        for layer in layers:
            wanted = whole[layer][(..., *tile.place(layer))]
            torch.testing.assert_close(cut[layer][(..., *tile.within(layer))], wanted, rtol=1e-9, atol=1e-9)
