"""VGG as an encoder of pictures: truncated after the last layer asked for, each layer computed once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from stylecore import weights
from stylecore.architectures import ARCHITECTURES, Convolution, smallest_side
from stylecore.errors import SettingError, WeightsError, did_you_mean
from stylecore.layers import Kernel, convolve, pool
from stylecore.weights import WeightsSource

# Per channel in RGB order: what is subtracted from, and what then multiplies, a picture in 0..1.
_CAFFE_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
_TORCHVISION_MEAN = (0.485, 0.456, 0.406)
_TORCHVISION_STD = (0.229, 0.224, 0.225)


class Encoder:
    """A VGG network that gives the features of pictures at named layers.

    The input convention (Caffe's BGR 0–255 less the mean, or torchvision's normalisation) is folded into the first
    convolution's weights; only the mean is subtracted from the picture, so that zero padding stays mean-coloured.

    Args:
        state: float32 weights by torchvision's names, from the picture upwards without gaps.
        architecture: key of `ARCHITECTURES`.
        convention: `caffe` or `torchvision`.
        pooling: `max` or `average`.
        padding: border of the first convolution: `zero`, `replicate` or `reflect`.
        dtype: type the convolutions compute in; features have it too.
        device: where.
    """

    def __init__(
        self,
        state: Mapping[str, Tensor],
        architecture: str,
        *,
        convention: str = "caffe",
        pooling: str = "max",
        padding: str = "zero",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.pooling, self.padding, self.dtype, self.device = pooling, padding, dtype, torch.device(device)
        self.mean = torch.tensor(_CAFFE_MEAN if convention == "caffe" else _TORCHVISION_MEAN, device=device)
        self.convolutions = [c for c in ARCHITECTURES[architecture].convolutions() if c.keys[0] in state]
        self._kernels: dict[str, Kernel] = {}
        packed = dtype == torch.bfloat16 and _multiplies_bf16(self.device) and self.device.type == "cpu"
        for convolution in self.convolutions:
            weight, bias = (state[key].to(device, torch.float32) for key in convolution.keys)
            if convolution.index == 0:
                weight = _folded(weight, convention)
                if dtype == torch.bfloat16:
                    weight = torch.cat((weight, weight), 1)  # for both halves of the picture
            self._kernels[convolution.name] = Kernel(weight.to(dtype), bias.to(dtype), packed=packed)

    def features(self, pictures: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Features of pictures at the layers asked for.

        Args:
            pictures: shape (batch, 3, height, width), RGB float32 in 0..1.
            layers: names such as `conv4_2` (before the rectifier) or `relu4_2` (after it).

        Returns:
            For each layer a tensor of shape (batch, channels, height / 2ⁿ, width / 2ⁿ), n the pooling layers below.

        Raises:
            SettingError: a layer the network does not have, or pictures too small for it.
        """
        return dict(self.walk(pictures, layers))

    def walk(self, pictures: Tensor, layers: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """As `features`, but each layer as soon as it is known.

        What is computed of a layer before the next one is asked for is differentiated just before that layer in the
        backward pass, so that its gradient does not lie waiting.
        """
        wanted = set(layers)
        self._check(wanted, pictures)
        if not wanted:
            return
        below = self._down_to(wanted)
        signal = pictures - self.mean.view(1, 3, 1, 1)
        split = self.dtype == torch.bfloat16
        signal = _Halves.apply(signal) if split else signal.to(self.dtype)  # type: ignore[no-untyped-call]
        signal = signal.contiguous(memory_format=torch.channels_last)
        padding = 1
        if self.padding != "zero":
            signal, padding = functional.pad(signal, (1, 1, 1, 1), self.padding), 0
        for convolution, above in zip(below, [*below[1:], None], strict=True):
            pooling = self.pooling if above and above.block != convolution.block else None
            kernel, rectified = self._kernels[convolution.name], convolution.name.replace("conv", "relu")
            if convolution.name in wanted:
                before, signal = convolve(signal, kernel, padding=padding, rectify=False)
                yield convolution.name, before
                maps = functional.relu(signal)
                signal = pool(maps, pooling) if pooling else maps
                del before
            else:
                maps, signal = convolve(signal, kernel, padding=padding, pooling=pooling)
            padding = 1
            if rectified in wanted:
                yield rectified, maps
            del maps

    def mask(self, mask: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """A mask brought to the size of each layer's features: averaged wherever they are pooled.

        Args:
            mask: shape (1, 1, height, width), float32 of at least 0.
            layers: names of layers.

        Returns:
            For each layer shape (1, 1, height / 2ⁿ, width / 2ⁿ), scaled to a mean of 1; 0 where nothing of it is left.

        Raises:
            SettingError: as `features`.

        Source: the guidance channels of Gatys et al. 2017 (arXiv:1611.07865), section 4.1, propagated by averaging;
        a statistic weighted by T² there is weighted by this mask here.
        """
        self._check(set(layers), mask)
        blocks = [mask]
        while len(blocks) < max(int(layer[4]) for layer in layers):
            blocks.append(functional.avg_pool2d(blocks[-1], 2))
        return {layer: (m := blocks[int(layer[4]) - 1]) / m.mean().clamp_min(1e-8) for layer in layers}

    def _down_to(self, wanted: set[str]) -> list[Convolution]:
        """The convolutions that layers are computed by."""
        needed = [c.name in wanted or c.name.replace("conv", "relu") in wanted for c in self.convolutions]
        return self.convolutions[: len(needed) - needed[::-1].index(True)]

    def _check(self, wanted: set[str], pictures: Tensor) -> None:
        present = {c.name for c in self.convolutions} | {c.name.replace("conv", "relu") for c in self.convolutions}
        for layer in sorted(wanted - present):
            raise SettingError(
                "encoder", f"the weights have no layer {layer!r}{did_you_mean(layer, present)}; choose other layers"
            )
        least = max(smallest_side(wanted), 2 if self.padding == "reflect" else 1)
        if min(pictures.shape[2:]) < least:
            height, width = pictures.shape[2:]
            raise SettingError(
                "size",
                f"a picture of {width}×{height} pixels is too small for {', '.join(sorted(wanted))}: both sides need "
                f"at least {least} pixels; raise size, set scales: 1, or choose lower layers",
            )


class _Halves(torch.autograd.Function):
    """A picture as two in bf16 whose sum it is to 16 bits, so that the network sees steps of less than a grey level.

    One bf16 number has 8 bits. The first convolution makes room for 16 channels anyhow, so three more cost nothing. The
    gradient by the picture is that by either half.
    """

    @staticmethod
    def forward(_: Any, pictures: Tensor) -> Tensor:
        high = pictures.to(torch.bfloat16)
        return torch.cat((high, (pictures - high).to(torch.bfloat16)), 1)

    @staticmethod
    @once_differentiable
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient[:, :3].float()


def _folded(weight: Tensor, convention: str) -> Tensor:
    """First convolution's weight, shape (out, 3, 3, 3), for RGB pictures in 0..1 less the mean."""
    if convention == "caffe":
        return weight.flip(1) * 255
    return weight / torch.tensor(_TORCHVISION_STD, device=weight.device).view(1, 3, 1, 1)


@lru_cache(maxsize=4)
def warm_encoder(
    source: WeightsSource, pooling: str, padding: str, dtype: torch.dtype, device: torch.device
) -> Encoder:
    """The encoder of a source of weights; the last few stay loaded, so that a worker reads its model once.

    Raises:
        WeightsError: as `weights.load`.
    """
    state = weights.load(source)
    if not state:
        raise WeightsError(f"{source.name}: holds no layer of {source.architecture}")
    return Encoder(
        state,
        source.architecture,
        convention=source.input,
        pooling=pooling,
        padding=padding,
        dtype=dtype,
        device=device,
    )


def computing_type(precision: str, device: torch.device) -> torch.dtype:
    """Type of the convolutions: `auto` is bf16 where the device has matrix instructions for it, else float32.

    `fp16` is what `auto` would be where the device has no instructions for it, as plain ones take twenty times as long.
    """
    if precision == "fp16" and _multiplies_fp16(device):
        return torch.float16
    if precision in ("auto", "fp16"):
        return torch.bfloat16 if _multiplies_bf16(device) else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]


def precision_name(dtype: torch.dtype) -> str:
    """`fp32`, `bf16` or `fp16`."""
    return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, probe, bool)() for probe in probes)


def _multiplies_fp16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (7, 0)
    # oneDNN's own answer: AVX512-FP16 or AMX-FP16; missing where torch was built without it
    probe = getattr(torch.ops.mkldnn, "_is_mkldnn_fp16_supported", bool)
    return device.type == "cpu" and bool(probe())
