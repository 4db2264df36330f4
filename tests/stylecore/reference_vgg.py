"""VGG and its inputs written out a second time, in float64, to hold the core against."""

from __future__ import annotations

import functools

import torch
from safetensors.torch import load_file
from torch.nn import functional

from stylecore.weights import SHIPPED_FILE

# Simonyan, Zisserman 2015, columns E and D: each number is a convolution, "pool" halves the picture.
VGG19 = [64, 64, "pool", 128, 128, "pool", *[256] * 4, "pool", *[512] * 4, "pool", *[512] * 4]
VGG16 = [64, 64, "pool", 128, 128, "pool", *[256] * 3, "pool", *[512] * 3, "pool", *[512] * 3]
TABLES = {"vgg19": VGG19, "vgg16": VGG16}
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def caffe_input(pictures):
    """RGB in 0..1 to BGR in 0..255 less the mean."""
    mean = torch.tensor(CAFFE_MEAN_BGR, dtype=torch.float64).view(1, 3, 1, 1)
    return pictures.double()[:, [2, 1, 0]] * 255 - mean


def torchvision_input(pictures):
    """RGB in 0..1 less the mean, over the deviation."""
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(1, 3, 1, 1)
    return (pictures.double() - mean) / deviation


def layers_of(signal, pooling="max", path=SHIPPED_FILE, pad_first=None, architecture="vgg19", state=None):
    """All layers of a network input, by name; `pad_first` pads the input before an unpadded first convolution."""
    state = {name: tensor.double() for name, tensor in (state or load_file(path)).items()}
    layers, index, block, number = {}, 0, 1, 1
    for entry in TABLES[architecture]:
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


@functools.cache
def random_state(architecture="vgg19"):
    """Random weights of all convolutions by torchvision's names, that keep activations their size (He et al. 2015)."""
    generator, state, index, channels = torch.Generator().manual_seed(0), {}, 0, 3
    for entry in TABLES[architecture]:
        if entry == "pool":
            index += 1
            continue
        deviation = (2 / (9 * channels)) ** 0.5
        state[f"features.{index}.weight"] = torch.randn(entry, channels, 3, 3, generator=generator) * deviation
        state[f"features.{index}.bias"] = torch.randn(entry, generator=generator) * 0.1
        index, channels = index + 2, entry
    return state


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
