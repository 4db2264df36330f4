"""The loss that L-BFGS reaches, ours beside a plain script with torch.optim.LBFGS, scored by a third computation.

    python benchmarks/loss_parity.py CONTENT STYLE --weights vgg19-oxford.safetensors [--size 192] [--steps 120]

The set-up is `preset: neural-style`. The plain script (`plain.py`) is written from the formulas of neural-style-pt and
shares no code with stylecore: VGG-19 as a list of convolutions in float32, F Fᵀ / (C·H·W), 5 · mean, 100 · mean,
absolute total variation. Both start from the same picture; pictures are scored unclipped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.plain import OXFORD, Descent, PlainScript, read_network
from stylecore import Settings, images, weights
from stylecore.constants import Constants
from stylecore.encoder import computing_type, warm_encoder
from stylecore.methods import gatys
from stylecore.methods.batch import Member, MemberStyle, tensor_of
from stylecore.methods.starts import started


def best_of(script: PlainScript, start: Tensor, evaluations: int) -> Tensor:
    """The best picture of so many evaluations of the plain script."""
    descent, best = Descent(script, start), (float("inf"), start)
    for _ in range(evaluations):
        picture = descent.picture()
        loss = descent.step()
        if loss < best[0]:
            best = loss, picture
    return best[1]


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
            script = PlainScript(read_network(asked.weights, device), *fitted, OXFORD)
            if not reference:
                reference = float(script.loss(best_of(script, first, asked.steps)).detach())
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
