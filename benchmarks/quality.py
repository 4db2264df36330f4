"""Scores on held-out layers: the schedule that crowsonkb/style-transfer-pytorch publishes, and ours at half its steps.

    python benchmarks/quality.py CONTENT STYLE [--size 512] [--out FOLDER]

Both draw the same objective (`preset: crowsonkb`) with the shipped encoder. The published schedule is Adam with an
average of iterates, 1000 steps at 128 px and 500 at each size after it; ours is L-BFGS with half of each. Scores are
those of every receipt: shipped VGG-19 in float32, layers that neither optimised, 8-bit pictures.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from stylecore import Cell, Progress, Result, Settings, render

SCHEDULES = {
    "published: Adam, 1000 + 500 a size": {},
    "half the steps: L-BFGS, 500 + 250 a size": {"optimizer": "lbfgs", "learning_rate": "auto", "steps": [500, 250]},
}


def rendered(content: Path, style: Path, values: dict[str, object]) -> tuple[Result, float]:
    """One render and its wall seconds."""

    def tell(progress: Progress) -> None:
        if sys.stderr.isatty() and progress.step % 25 == 0:
            sys.stderr.write(f"\r{progress.step} of {progress.steps} steps, {progress.size} px ")

    began = time.perf_counter()
    cell = Cell(content, (style,), Settings.resolve({"preset": "crowsonkb", **values}))
    (result,) = render([cell], device="cpu", on_step=tell)
    if result.failure:
        raise result.failure
    return result, time.perf_counter() - began


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("content", "style"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--out", type=Path, help="also save the pictures here")
    asked = parser.parse_args()
    columns: dict[str, dict[str, float]] = {}
    for number, (name, values) in enumerate(SCHEDULES.items()):
        result, seconds = rendered(asked.content, asked.style, {"size": asked.size, **values})
        columns[name] = {"seconds": seconds, "steps": result.steps, "loss": result.losses["total"], **result.scores}
        if asked.out:
            asked.out.mkdir(parents=True, exist_ok=True)
            result.save(asked.out / f"{number}.png")
    print(f"{asked.content.name}, {asked.style.name}, {asked.size} px\n")
    print("| | " + " | ".join(columns) + " |\n| --- |" + " ---: |" * len(columns))
    for row in next(iter(columns.values())):
        print(f"| {row} | " + " | ".join(f"{column[row]:.4g}" for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
