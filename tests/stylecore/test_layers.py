"""Layers: their derivative by finite differences, what they keep for it, and that they spoil nobody's gradient."""

from __future__ import annotations

import pytest
import torch
from reference_vgg import random_pictures
from torch.nn import functional

from stylecore import weights
from stylecore.encoder import warm_encoder
from stylecore.layers import Kernel, convolve

CPU = torch.device("cpu")


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def kernel(into=3, out=4, **options):
    return Kernel(drawn(out, into, 3, 3), drawn(out, seed=1), **options)


@pytest.mark.parametrize("pooling", [None, "max", "average"])
@pytest.mark.parametrize("rectify", [True, False])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("used", ["maps", "onward", "both"])
def test_gradient_is_the_derivative(pooling, rectify, padding, used):
    """Of random numbers, so that no two are equal and none is near 0; an odd side, which pooling leaves out."""

    def function(signal):
        maps, onward = convolve(signal, kernel(), padding=padding, pooling=pooling, rectify=rectify)
        return {"maps": maps.sin(), "onward": onward.cos(), "both": maps.sin().sum() + onward.cos().sum()}[used]

    assert torch.autograd.gradcheck(function, drawn(2, 3, 7, 6, seed=2).requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_of_equal_numbers_the_first_is_the_largest(dtype):
    """As torch's own pooling takes it; in bf16, neighbours often are equal."""
    one = Kernel(torch.zeros(1, 1, 3, 3, dtype=dtype), torch.ones(1, dtype=dtype))
    one.weight[0, 0, 1, 1] = 1
    signal = torch.ones(1, 1, 4, 4, dtype=dtype).requires_grad_()
    convolve(signal, one, pooling="max")[1].float().sum().backward()
    expected = torch.zeros(4, 4, dtype=dtype)
    expected[::2, ::2] = 1
    assert torch.equal(signal.grad[0, 0], expected)


def test_a_gradient_that_is_handed_in_stays_as_it_is():
    """And the same graph gives the same gradient again."""
    pictures = random_pictures(1, 32, 32).requires_grad_()
    encoder = warm_encoder(weights.resolve("vgg19"), "max", "zero", torch.float32, CPU)
    features = encoder.features(pictures, ["relu1_1", "relu2_2", "relu3_1"])
    given = [torch.ones_like(maps) for maps in features.values()]
    first, again = (torch.autograd.grad(list(features.values()), pictures, given, retain_graph=True) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert all(torch.equal(gradient, torch.ones_like(gradient)) for gradient in given)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_the_graph_keeps_each_map_once_and_nothing_else(pooling):
    pictures = random_pictures(1, 32, 48).requires_grad_()
    encoder = warm_encoder(weights.resolve("vgg19"), pooling, "zero", torch.float32, CPU)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        features = encoder.features(pictures, ["relu1_1", "relu4_1"])
    numbers = 32 * 48 * (2 * 64 + 2 * 128 / 4 + 4 * 256 / 16 + 512 / 64)
    assert sum(kept.values()) == 4 * numbers
    assert features["relu4_1"].untyped_storage().data_ptr() in kept


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_not_a_number_comes_to_light(dtype):
    """A rectifier that takes the larger of it and 0 would hide it."""
    pictures = random_pictures(1, 16, 16)
    pictures[0, 0, 8, 8] = torch.nan
    encoder = warm_encoder(weights.resolve("vgg19"), "max", "zero", dtype, CPU)
    for name, maps in encoder.features(pictures, ["conv1_1", "relu1_1", "relu2_2", "relu3_1"]).items():
        assert maps.isnan().any(), name


needs_bf16 = pytest.mark.skipif(
    not getattr(torch.cpu, "_is_avx512_bf16_supported", bool)(), reason="weights are packed for AVX512-BF16 only"
)


@needs_bf16
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(("into", "height", "width"), [(3, 32, 40), (64, 5, 4), (16, 1, 1), (16, 70, 90)])
def test_packed_weights_are_the_same_weights(into, height, width, padding):
    weight, bias = drawn(32, into, 3, 3, dtype=torch.bfloat16), drawn(32, dtype=torch.bfloat16, seed=1)
    signal = drawn(2, into, height + 2, width + 2, dtype=torch.bfloat16, seed=2)
    signal = signal.contiguous(memory_format=torch.channels_last)
    found = []
    for packed in (True, False):
        own = Kernel(weight, bias, packed=packed)
        maps = own.maps(signal, padding, rectify=True)
        found.append((maps, own.by_signal(maps, padding)))
    exact = functional.conv2d(signal.double(), weight.double(), bias.double(), padding=padding).relu_()
    for maps, by_signal in found:
        torch.testing.assert_close(maps.double(), exact, rtol=0.01, atol=0.1)
        torch.testing.assert_close(by_signal.double(), found[1][1].double(), rtol=0.01, atol=2)
    assert found[0][1].shape == signal.shape
