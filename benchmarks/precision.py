"""Half precision: do runs in the device's precision follow those in fp32?"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.report import Report, curves, table
from benchmarks.scene import SAMPLES, Scene
from benchmarks.time_to_loss import Point, drawn

_PAIRS = (("coffee.jpg", "brush-strokes.jpg"), ("astronaut.jpg", "waves.jpg"), ("cat.jpg", "stained-glass.jpg"))
_EVERY = 5  # evaluations from one score to the next


def run(scene: Scene) -> Report:
    """One table, and a picture of the curves of the first pair."""
    size, steps = (48, 20) if scene.quick else (256, 300)
    shown = [step for step in (20, 50, 100, 200, 300) if step <= steps]
    pairs = [(SAMPLES / content, SAMPLES / style) for content, style in _PAIRS]
    given = (scene.content, scene.style)
    if given not in pairs:
        pairs = [given]
    rows, plots = [], {}
    for content, style in pairs[:1] if scene.quick else pairs:
        for start in ("content", "noise"):
            ways = _followed(replace(scene, content=content, style=style), size, steps, start)
            ratios = {
                ours.steps[-1]: ours.loss / reference.loss for reference, ours in zip(*ways.values(), strict=True)
            }
            worst = max(ratios, key=lambda step: abs(ratios[step] - 1) if step >= 100 else 0)
            row = [f"{content.stem}, {style.stem}, {start}", *(f"{ratios[step]:.3f}" for step in shown)]
            rows.append([*row, f"{ratios[worst]:.3f} at {worst}"])
            name = f"{scene.precision}-and-fp32-{content.stem}-{start}"
            lines = {name: [(float(p.steps[-1]), p.loss) for p in points] for name, points in ways.items()}
            plots[name] = curves(f"{content.stem}, {style.stem}, {start} start", "evaluations", "loss", lines, {})
    said = (
        f"Loss of {scene.precision} runs / loss of fp32 runs after so many evaluations of L-BFGS; neural-style's "
        f"objective, longest side {size}; every {_EVERY}th picture scored in fp32 by the plain script's formula. The "
        "last column is the ratio farthest from 1 from evaluation 100 on."
    )
    return Report("Half precision", said + "\n\n" + table(["", *map(str, shown), "farthest"], rows), plots)


def _followed(scene: Scene, size: int, steps: int, start: str) -> dict[str, list[Point]]:
    """Points of a run in fp32 and of one in the device's precision."""
    members = {
        name: scene.member(scene.settings(size=size, steps=steps, init=start, precision=precision))
        for name, precision in {"fp32": "fp32", scene.precision: "auto"}.items()
    }
    script = scene.script(members["fp32"], scene.network())
    return {name: list(drawn(scene, member, script, _EVERY)) for name, member in members.items()}
