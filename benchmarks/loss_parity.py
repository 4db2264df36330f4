"""The loss that L-BFGS reaches, ours beside a plain script with torch.optim.LBFGS, scored by a third computation.

    python benchmarks/loss_parity.py CONTENT STYLE --weights vgg19-oxford.safetensors [--size 192] [--steps 120]

The set-up is `preset: neural-style`. The plain script below is written from the formulas of neural-style-pt and shares
no code with stylecore: VGG-19 as a list of convolutions in float32, F Fᵀ / (C·H·W), 5 · mean, 100 · mean, absolute
total variation. Both start from the same picture; pictures are scored unclipped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from stylecore import Settings, images, weights
from stylecore.constants import Constants
from stylecore.encoder import computing_type, warm_encoder
from stylecore.methods import gatys
from stylecore.methods.batch import Member, MemberStyle, tensor_of
from stylecore.methods.starts import started

PLACES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)  # of the convolutions in torchvision's VGG-19
POOLED = {5, 10, 19, 28}  # convolutions that a pooling layer stands before
STYLE = {0, 5, 10, 19, 28}  # relu1_1 … relu5_1
CONTENT = 21  # relu4_2


class PlainScript:
    """The loss of neural-style-pt for one pair of pictures."""

    def __init__(self, file: Path, content: Tensor, style: Tensor) -> None:
        self.state = {name: tensor.float() for name, tensor in load_file(file).items()}
        with torch.no_grad():
            self.content = self.features(content)[CONTENT]
            self.grams = {place: self.gram(maps) for place, maps in self.features(style).items() if place in STYLE}

    def features(self, picture: Tensor) -> dict[int, Tensor]:
        """Rectified convolutions by their place."""
        mean = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
        signal, found = picture.flip(1) * 255 - mean, {}
        for place in PLACES:
            if place in POOLED:
                signal = functional.max_pool2d(signal, 2)
            kernel, bias = (self.state[f"features.{place}.{part}"] for part in ("weight", "bias"))
            signal = found[place] = functional.conv2d(signal, kernel, bias, padding=1).relu()
        return found

    @staticmethod
    def gram(maps: Tensor) -> Tensor:
        """F Fᵀ / (C·H·W)."""
        flat = maps[0].flatten(1)
        return flat @ flat.T / flat.numel()

    def loss(self, picture: Tensor) -> Tensor:
        """Loss of a picture in 0..1."""
        features = self.features(picture)
        total = 5 * functional.mse_loss(features[CONTENT], self.content)
        for place, gram in self.grams.items():
            total = total + 100 * functional.mse_loss(self.gram(features[place]), gram)
        across, down = (255 * picture).diff(dim=3).abs().sum(), (255 * picture).diff(dim=2).abs().sum()
        return total + 1e-3 * (across + down)

    def optimised(self, start: Tensor, steps: int) -> Tensor:
        """The best picture of so many evaluations of torch's L-BFGS, as neural-style-pt calls it."""
        picture = (start * 255).clone().requires_grad_()  # it works on pixels in 0–255
        optimizer = torch.optim.LBFGS(
            [picture], max_iter=steps, max_eval=steps, tolerance_change=-1, tolerance_grad=-1, history_size=100
        )
        best: list[tuple[float, Tensor]] = []

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = self.loss(picture / 255)
            loss.backward()
            if not best or loss.item() < best[0][0]:
                best[:] = [(loss.item(), picture.detach() / 255)]
            return loss

        optimizer.step(closure)
        return best[0][1]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("content", "style"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="VGG-19 of Oxford, safetensors, Caffe's input")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--steps", type=int, default=120)
    asked = parser.parse_args()
    print("| start | plain fp32 | stylepress fp32 | ratio | stylepress auto | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for start in ("content", "noise"):
        cells = [start]
        reference = 0.0
        for precision in ("fp32", "auto"):
            named = {"arch": "vgg19", "weights": str(asked.weights), "input": "caffe"}
            values = {"preset": "neural-style", "size": asked.size, "steps": asked.steps, "init": start}
            settings = Settings.resolve({**values, "encoder": named, "precision": precision})
            content, style = images.read(asked.content), images.read(asked.style)
            member = Member(content, (MemberStyle(style),), None, settings)
            device = torch.device("cpu")
            dtype = computing_type(precision, device)
            encoder = warm_encoder(weights.resolve(named), settings.pooling, settings.padding, dtype, device)
            first = started([member], member.canvases()[-1], encoder)
            fitted = [tensor_of(images.fit(picture, asked.size), device) for picture in (content, style)]
            script = PlainScript(asked.weights, *fitted)
            if not reference:
                reference = float(script.loss(script.optimised(first, asked.steps)).detach())
                cells.append(f"{reference:.4g}")
            moments = list(gatys.optimise([member], Constants(encoder)))
            with torch.no_grad():
                ours = float(script.loss(moments[-1].pictures))
            cells += [f"{ours:.4g}", f"{ours / reference:.3f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - began:.0f} s")
