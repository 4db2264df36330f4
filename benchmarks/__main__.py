"""Run benchmarks, print their tables and keep them on a page: `python -m benchmarks [names…]`."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks import machine, report, scene
from benchmarks.report import Report
from benchmarks.scene import ROOT, Scene
from stylecore.errors import StylepressError

NAMES = {
    "rate": "machine",
    "step": "step",
    "time-to-loss": "time_to_loss",
    "precision": "precision",
    "grid": "grid",
    "memory": "memory",
    "overhead": "overhead",
    "planning": "planning",
}
_PAGES = {"cpu": "speed.md", "cuda": "speed-cuda.md"}
_HEAD = (
    "# Speed and memory\n\nMade by `python -m benchmarks`; [README.md](../README.md) says what each table answers.\n"
)


def main() -> None:
    """Run what is asked for, in the order of `NAMES`."""
    asked = _arguments()
    try:
        measured = Scene(
            asked.content.absolute(),
            asked.style.absolute(),
            asked.weights and asked.weights.absolute(),
            asked.device,
            asked.repeat,
            asked.quick,
            asked.cells,
            scene.parsed(asked.set),
        )
        out = asked.out or (None if asked.quick else ROOT / "benchmarks" / "results" / _PAGES[asked.device.type])
        for name in [name for name in NAMES if name in (asked.names or NAMES)]:
            began = time.perf_counter()
            found = importlib.import_module(f"benchmarks.{NAMES[name]}").run(measured)
            _tell(found, measured, time.perf_counter() - began, out)
    except (StylepressError, ValueError) as error:
        sys.exit(f"benchmarks: {error}")


def _tell(found: Report, measured: Scene, seconds: float, out: Path | None) -> None:
    """Print a section, and put it on the page at once: a later benchmark that fails costs no earlier one."""
    words = [
        re.sub(r"(^|=)[/~]\S*/", r"\1", word) for word in sys.argv[1:]
    ]  # folders of this machine tell nobody anything
    command = shlex.join(["python", "-m", "benchmarks", *words])
    made = f"{datetime.now(UTC):%Y-%m-%d}, {machine.described(measured.device)}; `{command}`, {seconds:.0f} s."
    plots = {f"{out.stem if out else 'speed'}-{name}.svg": picture for name, picture in found.plots.items()}
    section = "\n\n".join([made, found.text, *(f"![{Path(name).stem}]({name})" for name in plots)])
    print(f"## {found.title}\n\n{section}\n", flush=True)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(report.merged(out.read_text() if out.exists() else _HEAD, found.title, section))
        for name, picture in plots.items():
            (out.parent / name).write_text(picture)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*NAMES, []], metavar="name", help="which; all by default: " + ", ".join(NAMES)
    )
    parser.add_argument("--device", type=_device, default=torch.device("cpu"), help="cpu or cuda")
    parser.add_argument("--content", type=Path, default=Scene.content)
    parser.add_argument("--style", type=Path, default=Scene.style)
    parser.add_argument("--weights", type=Path, help="VGG-19 of Oxford in Caffe's form; by default the shipped network")
    parser.add_argument("--repeat", type=int, default=Scene.repeat, help="of measurements that take less than 20 s")
    parser.add_argument("--cells", type=int, default=Scene.cells, help="of the grid, in threes")
    parser.add_argument("--set", action="append", default=[], metavar="'NAME=VALUE …'", help="settings to try as well")
    parser.add_argument("--quick", action="store_true", help="small: does it work? Writes nothing without --out")
    parser.add_argument(
        "--out", type=Path, help="page to write; by default benchmarks/results/speed.md, or speed-cuda.md"
    )
    return parser.parse_args()


def _device(text: str) -> torch.device:
    if text not in _PAGES:
        raise argparse.ArgumentTypeError(f"expected cpu or cuda, got {text!r}")
    if text == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError("torch finds no CUDA device on this machine")
    return torch.device(text)


if __name__ == "__main__":
    main()
