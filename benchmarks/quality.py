"""Scores of finished pictures: crowsonkb/style-transfer-pytorch's published defaults beside our own schedules.

    python benchmarks/quality.py CONTENT STYLE [--size 256] [--only standard,draft] [--vgg16 FILE] [--out FOLDER]

`published` is preset crowsonkb: Adam with an average of iterates, 1000 steps at 128 px and 500 at each size after it.
The rows are scores by the shipped VGG-19 in float32, of 8-bit pictures, on layers that no render takes style from:
relu1_2, relu2_2, relu3_2, relu4_3 for style, relu3_3 and relu4_3 for content (`standard` looks at the content's
relu3_2 too; its receipts score style on relu3_3). With `--vgg16`, torchvision's VGG-16 as safetensors, a network that
no render has seen scores them too; `speckle` is the mean distance of both chroma channels (0–255) from their 3×3
median.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from stylecore import Cell, Progress, Result, Settings, images, render, weights
from stylecore.encoder import warm_encoder
from stylecore.methods.batch import tensor_of
from stylecore.scores import score

SCHEDULES: dict[str, dict[str, object]] = {
    "published": {"preset": "crowsonkb"},
    "fine": {"preset": "fine"},
    "standard": {"preset": "standard"},
    "draft": {"preset": "draft"},
}


def rendered(content: Path, style: Path, values: dict[str, object]) -> tuple[Result, float]:
    """One render and its wall seconds."""

    def tell(progress: Progress) -> None:
        if sys.stderr.isatty() and progress.step % 25 == 0:
            sys.stderr.write(f"\r{progress.step} of {progress.steps} steps, {progress.size} px ")

    began = time.perf_counter()
    cell = Cell(content, (style,), Settings.resolve(values))
    (result,) = render([cell], device="cpu", on_step=tell, scores=False)
    if result.failure:
        raise result.failure
    return result, time.perf_counter() - began


HELD_OUT = ["relu1_2", "relu2_2", "relu3_2", "relu4_3"]
UNSEEN = ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]


def scored(result: Result, content: Path, style: Path, size: int, network: str | dict[str, str]) -> dict[str, float]:
    """Scores of a finished picture by a network, always on the same layers."""
    encoder = warm_encoder(weights.resolve(network), "max", "zero", torch.float32, torch.device("cpu"))
    pixels = np.ascontiguousarray(result.pixels)
    height, width = pixels.shape[:2]
    picture = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0)
    wanted = tensor_of(images.fill(images.read(content), width, height), encoder.device)
    styles = [(tensor_of(images.fit(images.read(style), size), encoder.device), 1.0)]
    layers = HELD_OUT if network == "vgg19" else UNSEEN
    return score(picture, wanted, styles, encoder, layers, ["relu3_3", "relu4_3"])


def speckle(pixels: np.ndarray) -> float:
    """Mean distance of Cb and Cr, 0–255, from their median over 3×3; pixels (height, width, 3) in 0..1."""
    picture = Image.fromarray((pixels * 255 + 0.5).clip(0, 255).astype(np.uint8)).convert("YCbCr")
    medians = [np.asarray(channel.filter(ImageFilter.MedianFilter(3)), float) for channel in picture.split()[1:]]
    channels = [np.asarray(channel, float) for channel in picture.split()[1:]]
    return float(np.mean([np.abs(a - b).mean() for a, b in zip(channels, medians, strict=True)]))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("content", "style"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--only", default=",".join(SCHEDULES), help="columns, by comma")
    parser.add_argument("--vgg16", type=Path, help="weights of torchvision's VGG-16, safetensors")
    parser.add_argument("--out", type=Path, help="also save the pictures here")
    asked = parser.parse_args()
    columns: dict[str, dict[str, float]] = {}
    for name in asked.only.split(","):
        result, seconds = rendered(asked.content, asked.style, {"size": asked.size, **SCHEDULES[name]})
        columns[name] = {"seconds": seconds, "steps": result.steps}
        columns[name] |= scored(result, asked.content, asked.style, asked.size, "vgg19")
        if asked.vgg16:
            source = {"arch": "vgg16", "weights": str(asked.vgg16), "input": "torchvision"}
            unseen = scored(result, asked.content, asked.style, asked.size, source)
            columns[name] |= {f"vgg16_{score}": value for score, value in unseen.items() if "health" not in score}
            columns[name]["speckle"] = speckle(result.pixels)
        if asked.out:
            asked.out.mkdir(parents=True, exist_ok=True)
            result.save(asked.out / f"{asked.content.stem}-{asked.style.stem}-{asked.size}-{name}.png")
    print(f"{asked.content.name}, {asked.style.name}, {asked.size} px\n")
    print("| | " + " | ".join(columns) + " |\n| --- |" + " ---: |" * len(columns))
    for row in next(iter(columns.values())):
        print(f"| {row} | " + " | ".join(f"{column[row]:.4g}" for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
