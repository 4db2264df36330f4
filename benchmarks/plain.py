"""A plain script for neural style transfer, as the peers write it: float32, NCHW, torch.optim.LBFGS, one picture.

    python -m benchmarks.plain CONTENT STYLE [--size 256] [--steps 200] [--init content|noise]

It stands for the peers in every measurement. Network, losses and optimiser are written from the formulas of
neural-style-pt and share nothing with stylecore; only pictures are read by it, so that both see the same pixels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from stylecore import images
from stylecore.images import Picture

PLACES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)  # of the convolutions in torchvision's VGG-19
POOLED = {5, 10, 19, 28}  # convolutions that a pooling layer stands before
CONTENT = 21  # relu4_2
SHIPPED = Path(__file__).resolve().parent.parent / "stylecore/weights/vgg19_normalised_conv5_1_fp16.safetensors"
NOISE = 0.001  # of 255: the standard deviation of a noise start
Network = dict[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """Weights of neural-style's loss.

    Attributes:
        content: of the mean squared difference at relu4_2.
        style: of the mean squared difference of Gram matrices F Fᵀ / (C·H·W), by place.
        variation: of the sum of absolute differences of neighbours, pixels in 0–255.
    """

    content: float
    style: Mapping[int, float]
    variation: float = 1e-3

    def scaled(self, factor: float) -> Weights:
        """The same with another weight of the style."""
        return replace(self, style={place: weight * factor for place, weight in self.style.items()})


OXFORD = Weights(5.0, dict.fromkeys((0, 5, 10, 19, 28), 100.0))
"""neural-style's defaults, for the network they were published with."""
RESCALED = Weights(5.0 * 325**2, {0: 100 * 20**4, 5: 100 * 120**4, 10: 100 * 125**4, 19: 100 * 500**4, 28: 100 * 47**4})
"""The same for the shipped network, whose features are so many times smaller: by the mean activations of Oxford's."""


class PlainScript:
    """The loss of neural-style-pt for one pair of pictures.

    Args:
        network: weights by torchvision's names, float32.
        content: shape (1, 3, height, width) in 0..1; the picture that is drawn has this size.
        style: shape (1, 3, height, width) in 0..1.
        weights: of the terms.
    """

    def __init__(self, network: Network, content: Tensor, style: Tensor, weights: Weights) -> None:
        self.network, self.weights = network, weights
        with torch.no_grad():
            self.content = self._features(prepared(content), {CONTENT})[CONTENT]
            features = self._features(prepared(style), set(weights.style))
            self.grams = {place: _gram(maps) for place, maps in features.items()}

    def loss(self, picture: Tensor) -> Tensor:
        """Loss of a picture in 0..1."""
        return self.loss_of(prepared(picture))

    def loss_of(self, signal: Tensor) -> Tensor:
        """Loss of what the network sees of a picture: BGR in 0–255 less the mean."""
        features = self._features(signal, {CONTENT, *self.grams})
        total = self.weights.content * functional.mse_loss(features[CONTENT], self.content)
        for place, gram in self.grams.items():
            total = total + self.weights.style[place] * functional.mse_loss(_gram(features[place]), gram)
        variation = signal.diff(dim=3).abs().sum() + signal.diff(dim=2).abs().sum()
        return total + self.weights.variation * variation

    def _features(self, signal: Tensor, wanted: set[int]) -> dict[int, Tensor]:
        """Rectified convolutions by their place; none is computed beyond the last that is wanted."""
        found: dict[int, Tensor] = {}
        for place in PLACES:
            if place in POOLED:
                signal = functional.max_pool2d(signal, 2)
            kernel, bias = (self.network[f"features.{place}.{part}"] for part in ("weight", "bias"))
            signal = functional.conv2d(signal, kernel, bias, padding=1).relu_()
            if place in wanted:
                found[place] = signal
            if len(found) == len(wanted):
                break
        return found


class Descent:
    """torch's L-BFGS as neural-style-pt calls it: no line search, rate 1, history of 100.

    Attributes:
        signal: where it stands.
    """

    def __init__(self, script: PlainScript, start: Tensor) -> None:
        self.signal = prepared(start).requires_grad_()
        self._script = script
        self._optimizer = torch.optim.LBFGS(
            [self.signal], max_iter=1, history_size=100, tolerance_grad=-1, tolerance_change=-1
        )

    def picture(self) -> Tensor:
        """A copy of where it stands, as a picture in 0..1."""
        return (self.signal.detach() + _mean(self.signal)).flip(1) / 255

    def step(self) -> float:
        """One evaluation, and the move that follows; gives the loss before the move."""
        return float(self._optimizer.step(self._evaluate).detach())

    def _evaluate(self) -> Tensor:
        self._optimizer.zero_grad()
        loss = self._script.loss_of(self.signal)
        loss.backward()
        return loss


def read_network(file: Path, device: torch.device) -> Network:
    """Weights from a file, in float32."""
    return {name: tensor.to(device, torch.float32) for name, tensor in load_file(file).items()}


def prepared(picture: Tensor) -> Tensor:
    """What the network sees of a picture in 0..1."""
    return picture.flip(1) * 255 - _mean(picture)


def tensor_of(picture: Picture, device: torch.device) -> Tensor:
    """A picture as a tensor of shape (1, 3, height, width)."""
    return torch.from_numpy(picture.pixels).permute(2, 0, 1).unsqueeze(0).contiguous().to(device)


def _mean(like: Tensor) -> Tensor:
    return torch.tensor([103.939, 116.779, 123.68], device=like.device).view(1, 3, 1, 1)


def _gram(maps: Tensor) -> Tensor:
    flat = maps[0].flatten(1)
    return flat @ flat.T / flat.numel()


def main() -> None:
    """Render one picture and print its smallest loss and the seconds of rendering, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("content", "style"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--weights", type=Path, help="VGG-19 of Oxford; by default the network that ships")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--init", choices=("content", "noise"), default="content")
    parser.add_argument("--style-factor", type=float, default=1.0, help="on the weight of the style")
    for name, default in (("size", 256), ("steps", 200), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked, began = parser.parse_args(), time.perf_counter()
    pictures = (images.fit(images.read(file), asked.size) for file in (asked.content, asked.style))
    content, style = (tensor_of(picture, asked.device) for picture in pictures)
    weights = (OXFORD if asked.weights else RESCALED).scaled(asked.style_factor)
    start = content
    if asked.init == "noise":
        noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(asked.seed)) * NOISE
        start = ((noise.to(asked.device) + _mean(content)) / 255).flip(1)
    script = PlainScript(read_network(asked.weights or SHIPPED, asked.device), content, style, weights)
    descent = Descent(script, start)
    best = min(descent.step() for _ in range(asked.steps))
    print(json.dumps({"loss": best, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
