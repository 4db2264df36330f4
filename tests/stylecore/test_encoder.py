"""The encoder: against VGG-19 written out by hand, its borders, what it leaves out, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from reference_vgg import caffe_input, layers_of, random_pictures, relative
from safetensors.torch import save_file
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from stylecore import weights
from stylecore.architectures import smallest_side
from stylecore.encoder import Encoder, computing_type, warm_encoder
from stylecore.errors import SettingError

LAYERS = ["conv1_1", "relu1_1", "relu1_2", "conv2_1", "relu3_1", "conv4_2", "relu4_2", "conv5_1", "relu5_1"]
CPU = torch.device("cpu")


def shipped(pooling="max", padding="zero", dtype=torch.float32):
    return warm_encoder(weights.resolve("vgg19"), pooling, padding, dtype, CPU)


def torchvision_file(tmp_path):
    """Random weights of conv1_1 … conv2_1, named as in torchvision's files."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for index, (into, out) in {0: (3, 64), 2: (64, 64), 5: (64, 128)}.items():
        state[f"features.{index}.weight"] = torch.randn(out, into, 3, 3, generator=generator) / into**0.5
        state[f"features.{index}.bias"] = torch.randn(out, generator=generator)
    save_file(state, tmp_path / "own.safetensors")
    return tmp_path / "own.safetensors"


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_is_vgg19_on_caffe_input(pooling):
    pictures = random_pictures(2, 48, 37)
    expected = layers_of(caffe_input(pictures), pooling)
    features = shipped(pooling).features(pictures, LAYERS)
    assert set(features) == set(LAYERS)
    for layer in LAYERS:
        assert features[layer].shape == expected[layer].shape
        assert relative(features[layer], expected[layer]) < 1e-4, layer


@pytest.mark.parametrize("padding", ["replicate", "reflect"])
def test_padding_goes_on_beyond_the_border_of_the_picture(padding):
    pictures = random_pictures(1, 20, 28)
    expected = layers_of(caffe_input(pictures), pad_first=lambda x: functional.pad(x, (1, 1, 1, 1), padding))
    features = shipped(padding=padding).features(pictures, ["relu1_1", "relu3_1"])
    for layer, actual in features.items():
        assert relative(actual, expected[layer]) < 1e-4, layer
    zero = shipped().features(pictures, ["relu1_1"])["relu1_1"]
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(features["relu1_1"][inside], zero[inside], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(features["relu1_1"], zero, rtol=1e-2)


def test_torchvision_input_is_normalised(tmp_path):
    path = torchvision_file(tmp_path)
    source = weights.resolve({"arch": "vgg19", "weights": str(path), "input": "torchvision"})
    pictures = random_pictures(1, 24, 24)
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(1, 3, 1, 1)
    expected = layers_of((pictures.double() - mean) / deviation, path=path)
    features = warm_encoder(source, "max", "zero", torch.float32, CPU).features(pictures, ["conv1_1", "relu2_1"])
    for layer, actual in features.items():
        assert relative(actual, expected[layer]) < 1e-4, layer


def test_bf16_is_close_and_stays_bf16():
    pictures = random_pictures(1, 32, 32)
    expected = layers_of(caffe_input(pictures))
    for layer, actual in shipped(dtype=torch.bfloat16).features(pictures, LAYERS).items():
        assert actual.dtype == torch.bfloat16
        assert relative(actual, expected[layer]) < 0.02, layer


def test_bf16_sees_steps_of_less_than_a_grey_level():
    """Of a picture rounded to bf16 a pixel moves by 1/512 or not at all; what the maps say of a step is then 0.78."""
    pictures = random_pictures(1, 64, 64)
    moved = pictures + 4e-3 * (random_pictures(1, 64, 64, 1) - 0.5)
    expected, seen = (
        encoder.features(moved, ["conv1_1"])["conv1_1"].double() - encoder.features(pictures, ["conv1_1"])["conv1_1"]
        for encoder in (shipped(), shipped(dtype=torch.bfloat16))
    )
    assert float(torch.nn.functional.cosine_similarity(expected.flatten(), seen.flatten(), dim=0)) > 0.83


def test_nothing_beyond_the_last_layer_is_computed():
    """Two operations for each weight and position of the convolutions below, and not one more."""
    pictures = random_pictures(1, 16, 16)
    weights_per_position = {"relu1_1": 256 * 27 * 64, "conv2_1": 256 * (27 + 576) * 64 + 64 * 576 * 128}
    for layer, count in weights_per_position.items():
        with FlopCounterMode(display=False) as counter:
            shipped().features(pictures, [layer])
        assert counter.get_total_flops() == 2 * count, layer


def test_a_layer_costs_the_same_alone_and_among_others():
    pictures = random_pictures(1, 16, 16)
    with FlopCounterMode(display=False) as alone:
        shipped().features(pictures, ["relu3_1"])
    with FlopCounterMode(display=False) as together:
        shipped().features(pictures, ["conv1_1", "relu1_1", "relu2_1", "conv3_1", "relu3_1"])
    assert together.get_total_flops() == alone.get_total_flops()


def test_asking_for_more_layers_changes_none():
    pictures = random_pictures(1, 32, 32)
    together = shipped().features(pictures, LAYERS)
    for layer in LAYERS:
        assert torch.equal(shipped().features(pictures, [layer])[layer], together[layer]), layer


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_gradient_reaches_the_pixels(pooling):
    pictures = random_pictures(1, 32, 32)
    gradients = []
    for describe in (lambda x: shipped(pooling).features(x, LAYERS), lambda x: layers_of(caffe_input(x), pooling)):
        leaf = pictures.clone().requires_grad_()
        features = describe(leaf)
        sum(features[layer].double().square().mean() for layer in LAYERS).backward()
        gradients.append(leaf.grad)
    assert relative(*gradients) < 1e-4


def test_small_pictures_are_enough_for_low_layers():
    assert shipped().features(torch.rand(1, 3, 1, 2), ["relu1_2"])["relu1_2"].shape == (1, 64, 1, 2)
    for least, layer in {1: "relu1_1", 2: "conv2_1", 4: "relu3_1", 8: "conv4_2", 16: "relu5_1"}.items():
        assert smallest_side([layer, "relu1_1"]) == least
        assert min(shipped().features(torch.rand(1, 3, least, 3 * least), [layer])[layer].shape) >= 1


@pytest.mark.parametrize(("layer", "least"), [("relu3_1", 4), ("conv5_1", 16)])
def test_too_small_a_picture_is_named(layer, least):
    with pytest.raises(SettingError, match=rf"40×{least - 1} pixels .* at least {least} pixels"):
        shipped().features(torch.rand(1, 3, least - 1, 40), [layer])


def test_a_row_of_pixels_cannot_be_reflected():
    with pytest.raises(SettingError, match="at least 2 pixels"):
        shipped(padding="reflect").features(torch.rand(1, 3, 1, 40), ["relu1_1"])


def test_unknown_layer_suggests_the_nearest():
    with pytest.raises(SettingError, match="did you mean 'relu4_2'"):
        shipped().features(random_pictures(1, 32, 32), ["rely4_2"])
    with pytest.raises(SettingError, match="no layer 'relu5_4'"):
        shipped().features(random_pictures(1, 32, 32), ["relu5_4"])


def test_a_short_file_gives_the_layers_it_has(tmp_path):
    state = weights.load(
        weights.resolve({"arch": "vgg19", "weights": str(torchvision_file(tmp_path)), "input": "caffe"})
    )
    encoder = Encoder(state, "vgg19")
    assert encoder.features(torch.rand(1, 3, 8, 8), ["relu2_1"])["relu2_1"].shape == (1, 128, 4, 4)
    with pytest.raises(SettingError, match="no layer 'relu2_2'"):
        encoder.features(torch.rand(1, 3, 8, 8), ["relu2_2"])


def test_one_network_serves_all_cells_that_ask_for_it():
    assert shipped() is shipped()
    assert shipped() is not shipped("average")


def test_precision_by_name():
    assert computing_type("fp32", CPU) == torch.float32
    assert computing_type("bf16", CPU) == torch.bfloat16
    assert computing_type("auto", CPU) in (torch.float32, torch.bfloat16)


def halved(mask):
    """Means of 2×2 pixels, by loops; an odd last row or column is left out, as pooling leaves it out."""
    height, width = mask.shape[0] // 2, mask.shape[1] // 2
    return torch.stack(
        [torch.stack([mask[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean() for x in range(width)]) for y in range(height)]
    )


def test_a_mask_is_averaged_wherever_features_are_pooled():
    mask = torch.rand(1, 1, 21, 30, generator=torch.Generator().manual_seed(0))
    layers = ["conv1_2", "relu1_1", "relu2_1", "conv3_4", "relu4_2", "relu5_1"]
    found = shipped().mask(mask, layers)
    features = shipped().features(torch.rand(1, 3, 21, 30), [layer for layer in layers if layer != "conv3_4"])
    assert list(found) == layers
    for layer in layers:
        expected = mask[0, 0]
        for _ in range(int(layer[4]) - 1):
            expected = halved(expected)
        torch.testing.assert_close(found[layer][0, 0], expected / expected.mean())
        assert float(found[layer].mean()) == pytest.approx(1, rel=1e-5)
        assert layer not in features or features[layer].shape[2:] == found[layer].shape[2:]


def test_a_mask_of_nothing_stays_nothing():
    """Also where what was white falls off the edge that pooling leaves out."""
    corner = torch.zeros(1, 1, 17, 17)
    corner[..., 16, 16] = 1
    found = shipped().mask(corner, ["relu1_1", "relu2_1"])
    assert float(found["relu1_1"].sum()) > 0
    assert torch.equal(found["relu2_1"], torch.zeros(1, 1, 8, 8))


def test_a_mask_too_small_for_a_layer_is_named():
    with pytest.raises(SettingError, match=r"40×3 pixels is too small for relu3_1: both sides need at least 4 pixels"):
        shipped().mask(torch.ones(1, 1, 3, 40), ["relu3_1"])
