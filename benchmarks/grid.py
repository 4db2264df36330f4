"""The grid: 24 cells through one call of `stylecore.render`, beside 24 runs of the plain script, at equal quality."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measuring import median
from benchmarks.plain import Network
from benchmarks.report import Report, table
from benchmarks.scene import ROOT, Scene
from benchmarks.time_to_loss import MARGIN, drawn
from stylecore import Cell, Settings, render


@dataclass(frozen=True)
class Wish:
    """One cell of the grid: a start and a factor on the weight of the style."""

    init: str
    seed: int
    factor: float


@dataclass(frozen=True)
class Found:
    """What the plain script reached, and when ours is as good.

    Attributes:
        wall: seconds of the plain script's process.
        loss: its smallest loss.
        steps: evaluations of each scale after which ours is within the margin, or ends.
        ours: the loss of that picture, in fp32.
    """

    wall: float
    loss: float
    steps: tuple[int, ...]
    ours: float


def run(scene: Scene) -> Report:
    """One table."""
    size, steps = (64, 10) if scene.quick else (256, 200)
    starts = [("content", 0), ("noise", 0), ("noise", 1)]
    weights = 1 if scene.quick else max(1, scene.cells // len(starts))
    factors = [10 ** (2 * n / max(1, weights - 1) - 1) for n in range(weights)]
    wishes = [Wish(init, seed, factor) for factor in factors for init, seed in starts]
    network = scene.network()
    found = [_found(scene, network, wish, size, steps) for wish in wishes]
    settings = _settings(scene, wishes, found, size)
    wall, losses = _rendered(scene, settings)
    again, _ = _plain(scene, wishes[0], size, steps)
    number, plain = len(wishes), sum(one.wall for one in found)
    counts = _spread([sum(values["steps"]) for values in settings], 0)
    reported = _spread([loss / one.loss for loss, one in zip(losses, found, strict=True)], 3)
    ours = ["ours, one call", f"{wall:.1f}", f"{wall / number:.2f}", f"{plain / wall:.2f}", counts, reported]
    rows = [["plain, a process a cell", f"{plain:.1f}", f"{plain / number:.2f}", "1", str(steps), "1"], ours]
    head = ["", "s", "s a cell", "throughput", "evaluations", "loss / plain loss"]
    words = f"{_HOW.format(cells=number, size=size, margin=MARGIN)} {_quality(found)}"
    drift = f"The first plain run took {found[0].wall:.1f} s, and {again:.1f} s once more after ours."
    return Report("Grid", f"{words} {drift}\n\n{table(head, rows)}")


_HOW = (
    "{cells} cells, longest side {size}: weights of the style × starts (content, and noise by two seeds). Seconds are "
    "of whole processes, their start and the reading of weights included. All our cells of one kind of start do as "
    "many evaluations as the slowest of them takes to its first picture with {margin} × the plain script's smallest "
    "loss, which is found beforehand, scored in fp32 by the plain script's formula."
)


def _quality(found: Sequence[Found]) -> str:
    """How good the first pictures within the margin are."""
    ratios = [one.ours / one.loss for one in found]
    missed = sum(ratio > MARGIN for ratio in ratios)
    return (
        f"Those first pictures have {_spread(ratios, 3)} of it; {missed} cells never get there. The table has the "
        "losses that the timed run reports."
    )


def _found(scene: Scene, network: Network, wish: Wish, size: int, steps: int) -> Found:
    """A run of the plain script, and ours until it is as good."""
    wall, loss = _plain(scene, wish, size, steps)
    member = scene.member(_cell(scene, wish, size, steps))
    for point in drawn(scene, member, scene.script(member, network)):
        best = Found(wall, loss, point.steps, point.loss)
        if point.loss <= MARGIN * loss:
            break
    return best


def _plain(scene: Scene, wish: Wish, size: int, steps: int) -> tuple[float, float]:
    """Seconds and smallest loss of one process of the plain script."""
    words = [str(scene.content), str(scene.style), f"--size={size}", f"--steps={steps}", f"--device={scene.device}"]
    words += [f"--init={wish.init}", f"--seed={wish.seed}", f"--style-factor={wish.factor}"]
    if scene.weights:
        words.append(f"--weights={scene.weights}")
    seconds, said = _process("benchmarks.plain", *words)
    return seconds, said["loss"]


def _cell(scene: Scene, wish: Wish, size: int, steps: int | list[int]) -> Settings:
    values = next(iter((scene.variants or {"": {}}).values()), {})
    fixed = {"size": size, "init": wish.init, "seed": wish.seed, "steps": steps}
    settings = scene.settings(**{**fixed, **values})
    return replace(settings, style_weight=wish.factor)


def _settings(scene: Scene, wishes: Sequence[Wish], found: Sequence[Found], size: int) -> list[dict[str, Any]]:
    """Settings of the cells; all with one kind of start take the steps of the slowest, for they share batches."""
    steps: dict[str, list[int]] = {}
    for wish, one in zip(wishes, found, strict=True):
        steps[wish.init] = max(steps.get(wish.init, []), [*one.steps], key=sum)
    return [replace(_cell(scene, wish, size, steps[wish.init]), steps=steps[wish.init]).to_dict() for wish in wishes]


def _rendered(scene: Scene, settings: Sequence[dict[str, Any]]) -> tuple[float, list[float]]:
    """Seconds of one process that renders cells of such settings, and the losses that it reports."""
    order = {"content": str(scene.content), "style": str(scene.style), "device": str(scene.device)}
    return _process("benchmarks.grid", json.dumps({**order, "settings": list(settings)}))


def _process(*words: str) -> tuple[float, Any]:
    """Seconds of a Python module, and the JSON that it printed."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, cwd=ROOT, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{words[0]} ended with {done.returncode}:\n{done.stderr}")
    return seconds, json.loads(done.stdout)


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def main() -> None:
    """Render the cells of an order and print their losses."""
    order = json.loads(sys.argv[1])
    cells = [Cell(Path(order["content"]), (Path(order["style"]),), Settings(**values)) for values in order["settings"]]
    losses = {result.index: result.losses["total"] for result in render(cells, device=order["device"], scores=False)}
    print(json.dumps([losses[index] for index in range(len(cells))]))


if __name__ == "__main__":
    main()
