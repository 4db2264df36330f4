"""The step: seconds of one evaluation of loss and gradient, by size and by batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import machine, plain
from benchmarks.measuring import interleaved, median, told
from benchmarks.plain import PlainScript
from benchmarks.report import Report, table
from benchmarks.scene import Scene

_SIZES = ("256x256", "512x384", "512x512", "1024x1024")
_BATCHES = (("256x256", 4), ("256x256", 16))
_HEAD = ["", "GFLOP", "plain fp32, s", "ours fp32, s", "ours, s", "times plain", "share of the matrix rate"]


def run(scene: Scene) -> Report:
    """One table, by size and by batch."""
    network = scene.network()
    sizes = ("64x64",) if scene.quick else _SIZES
    batches = [("32x32", 4)] if scene.quick else list(_BATCHES)
    if scene.device.type == "cuda":
        batches.append(("512x512", 16))
    rows = [_row(scene, network, size, batch) for size, batch in [*((size, 1) for size in sizes), *batches]]
    said = (
        f"Loss and gradient of neural-style's objective, without the optimiser; median of {scene.repeat}, in turn. "
        f"`ours` is in {scene.precision}, of whose matrix rate the share is. GFLOP are the plain script's convolutions "
        "and products, forward and backward. A batch counts for the plain script as so many single evaluations."
    )
    return Report("Step", said + "\n\n" + table(_HEAD, rows))


def _row(scene: Scene, network: plain.Network, size: str, batch: int) -> list[str]:
    members = {name: scene.member(scene.settings(size=size, precision=name)) for name in ("fp32", "auto")}
    script = scene.script(members["fp32"], network)
    signal = plain.prepared(scene.fitted(members["fp32"])[0])
    contestants: dict[str, Callable[[], object]] = {"plain": lambda: _evaluate(script, signal)}
    for name, member in members.items():
        objective, pictures = scene.objective(member, batch)
        contestants[name] = lambda objective=objective, pictures=pictures: objective.evaluate(pictures)
    times = interleaved(scene.device, scene.repeat, contestants)
    times["plain"] = [seconds * batch for seconds in times["plain"]]
    flop = batch * _flop(script, signal)
    ours = median(times["auto"])
    share = flop / ours / machine.rate(scene, scene.precision)
    name, seconds = size if batch == 1 else f"{batch} of {size}", map(told, times.values())
    return [name, f"{flop / 1e9:.0f}", *seconds, f"{median(times['plain']) / ours:.2f}", f"{share:.0%}"]


def _evaluate(script: PlainScript, signal: Tensor) -> Tensor:
    signal = signal.detach().requires_grad_()
    script.loss_of(signal).backward()
    assert signal.grad is not None
    return signal.grad


def _flop(script: PlainScript, signal: Tensor) -> int:
    """Multiplications and additions of one evaluation of the plain script."""
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        _evaluate(script, signal)
    return int(counter.get_total_flops())
