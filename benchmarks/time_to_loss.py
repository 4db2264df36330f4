"""Time to quality: seconds until 1.05 times the loss that the plain script reaches in 200 and in 500 steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from benchmarks.measuring import LONG, Clock, told
from benchmarks.plain import Descent, Network, PlainScript
from benchmarks.report import Report, curves, table
from benchmarks.scene import Scene
from stylecore.constants import Constants
from stylecore.methods import gatys
from stylecore.methods.batch import Member
from stylecore.methods.starts import started

MARGIN = 1.05
_HEAD = ["", "loss to reach", "plain, s", "ours, s", "evaluations", "times sooner"]


@dataclass(frozen=True)
class Point:
    """A picture on its way.

    Attributes:
        seconds: of work so far; scoring is none of it.
        loss: by the plain script's formula, in float32, of the unsaved picture.
        steps: evaluations of each scale so far.
    """

    seconds: float
    loss: float
    steps: tuple[int, ...]


Race = Mapping[str, Sequence[Point]]


def run(scene: Scene) -> Report:
    """One table, and a picture with curves for each start."""
    size, references = (64, (6, 12)) if scene.quick else (256, (200, 500))
    variants = {"defaults": {}, **(scene.variants or {})}
    network, rows, plots = scene.network(), [], {}
    for start in ("content", "noise"):
        steps = references[-1]
        fixed = {"size": size, "init": start, "steps": steps}
        members = {name: scene.member(scene.settings(**{**fixed, **values})) for name, values in variants.items()}
        _race(scene, network, members, 2)  # warms up
        races = [_race(scene, network, members, steps)]
        while len(races) < scene.repeat and races[0]["plain"][-1].seconds < LONG:
            races.append(_race(scene, network, members, steps))
        for reference in references:
            rows += [_row(races, name, reference, start) for name in members]
        plots[f"loss-by-seconds-{start}"] = _plot(races[0], references, start)
    said = (
        f"neural-style's objective, longest side {size}, one scale unless a row says otherwise. Both sides' clocks "
        "hold the targets, and neither holds reading the weights or the pictures. Ours is timed up to the first "
        f"evaluation whose picture has {MARGIN} × the smallest loss of the plain script's steps, scored in fp32 by the "
        f"plain script's formula outside the clock; precision is {scene.precision}. The contestants take steps in turn."
    )
    return Report("Time to loss", said + "\n\n" + table(_HEAD, rows), plots)


def drawn(scene: Scene, member: Member, script: PlainScript, every: int = 1) -> Iterator[Point]:
    """How stylepress gets there: a point for every so many evaluations at the finest scale."""
    clock = Clock(scene.device)
    moments = gatys.optimise([member], Constants(scene.encoder(member.settings)))
    shares = member.settings.shares(len(member.canvases()))
    while (moment := clock.run(lambda: next(moments, None))) is not None:
        position = moment.position
        if position.scale + 1 == len(shares) and position.step % every == 0:
            with torch.no_grad():
                loss = float(script.loss(moment.pictures))
            yield Point(clock.seconds, loss, (*shares[: position.scale], position.step))


def _plain(scene: Scene, member: Member, network: Network, steps: int) -> Iterator[Point]:
    """How the plain script gets there."""
    clock = Clock(scene.device)
    start = started([member], member.canvases()[-1], scene.encoder(member.settings))
    script = clock.run(lambda: scene.script(member, network))
    descent = Descent(script, start)
    for step in range(1, steps + 1):
        loss = clock.run(descent.step)
        yield Point(clock.seconds, loss, (step,))


def _race(scene: Scene, network: Network, members: Mapping[str, Member], steps: int) -> Race:
    """The plain script for so many steps, and beside it each of ours, in turn."""
    first = next(iter(members.values()))
    script = scene.script(first, network)
    ways = {name: drawn(scene, member, script) for name, member in members.items()}
    points: dict[str, list[Point]] = {"plain": [], **{name: [] for name in ways}}
    for point in _plain(scene, first, network, steps):
        points["plain"].append(point)
        for name, way in ways.items():
            points[name] += filter(None, [next(way, None)])
    return points


def _row(races: Sequence[Race], name: str, reference: int, start: str) -> list[str]:
    target = MARGIN * min(point.loss for point in races[0]["plain"][:reference])
    plain = [race["plain"][reference - 1].seconds for race in races]
    firsts = [next((point for point in race[name] if point.loss <= target), None) for race in races]
    reached = [first for first in firsts if first is not None]
    row = [f"{start}, {reference} steps, {name}", f"{target:.4g}", told(plain)]
    if not reached or len(reached) < len(firsts):
        return [*row, f"not in {len(races[0][name])} evaluations", "", ""]
    times = sorted(theirs / ours.seconds for theirs, ours in zip(plain, reached, strict=True))
    evaluations = " + ".join(map(str, reached[0].steps))
    return [*row, told([first.seconds for first in reached]), evaluations, f"{times[len(times) // 2]:.2f}"]


def _plot(race: Race, references: Sequence[int], start: str) -> str:
    lines = {name: [(p.seconds, p.loss) for p in points] for name, points in race.items()}
    least = min(loss for line in lines.values() for _, loss in line)
    shown = {name: [(x, y) for x, y in line if y <= 30 * least] for name, line in lines.items()}
    marks = {f"{MARGIN} × {n} steps": MARGIN * min(p.loss for p in race["plain"][:n]) for n in references}
    return curves(f"Loss by seconds, {start} start", "seconds", "loss", shown, marks)
