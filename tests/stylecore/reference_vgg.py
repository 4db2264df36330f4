"""VGG-19 and the statistics of its features written out a second time, in float64, to hold the core against."""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch.nn import functional

from stylecore.weights import SHIPPED_FILE

# Simonyan, Zisserman 2015, column E, up to conv5_1: each number is a convolution, "pool" halves the picture.
VGG19 = [64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512, 512, 512, 512, "pool", 512]
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def caffe_input(pictures):
    """RGB in 0..1 to BGR in 0..255 less the mean."""
    mean = torch.tensor(CAFFE_MEAN_BGR, dtype=torch.float64).view(1, 3, 1, 1)
    return pictures.double()[:, [2, 1, 0]] * 255 - mean


def layers_of(signal, pooling="max", path=SHIPPED_FILE, pad_first=None):
    """All layers of a network input, by name; `pad_first` pads the input before an unpadded first convolution."""
    state = {name: tensor.double() for name, tensor in load_file(path).items()}
    layers, index, block, number = {}, 0, 1, 1
    for entry in VGG19:
        if entry == "pool":
            signal = functional.max_pool2d(signal, 2) if pooling == "max" else functional.avg_pool2d(signal, 2)
            index, block, number = index + 1, block + 1, 1
            continue
        if f"features.{index}.weight" not in state:
            break
        weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
        first = index == 0 and pad_first is not None
        signal = functional.conv2d(pad_first(signal) if first else signal, weight, bias, padding=0 if first else 1)
        layers[f"conv{block}_{number}"] = signal
        signal = functional.relu(signal)
        layers[f"relu{block}_{number}"] = signal
        index, number = index + 2, number + 1
    return layers


def random_pictures(batch, height, width, seed=0):
    """Smooth random pictures, so that pooling and rectifiers are not decided by rounding; float32 in 0..1."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, max(2, height // 4), max(2, width // 4), generator=generator)
    fine = torch.rand(batch, 3, height, width, generator=generator)
    large = functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    return 0.7 * large + 0.3 * fine


def relative(actual, expected):
    """Size of the difference over the size of what is expected."""
    return float((actual.double() - expected.double()).norm() / expected.double().norm())
