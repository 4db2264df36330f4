"""Peak memory by size: one step of each optimiser with a full history, untiled and tiled, in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.plain import Descent
from benchmarks.report import Report, table
from benchmarks.scene import ROOT, Scene
from stylecore.constants import Constants
from stylecore.methods import gatys
from stylecore.objective import TERMS, Objective
from stylecore.settings import names

_SIZES = (256, 512, 1024, 1536, 2048, 4096)
_TILE = 512
_SHARE = 0.75  # of the free memory that a measurement may be expected to take


@dataclass(frozen=True)
class Order:
    """One measurement.

    Attributes:
        size: side of the square picture in pixels.
        settings: of stylepress; None for the plain script.
        scene: what the child needs of it.
    """

    size: int
    settings: Mapping[str, Any] | None
    scene: Mapping[str, Any]


def run(scene: Scene) -> Report:
    """One table, a row for each size."""
    told = {"content": str(scene.content), "style": str(scene.style), "device": str(scene.device)}
    told |= {"weights": str(scene.weights)} if scene.weights else {}
    columns = _columns(scene)
    cells: dict[str, dict[int, str]] = {}
    for name, settings in columns.items():
        known: list[tuple[int, float]] = []
        for size in (64, 128) if scene.quick else _SIZES:
            tiled = "tiles" in name
            if tiled and size <= _TILE and not scene.quick:
                continue
            cells.setdefault(name, {})[size] = _cell(Order(size, settings, told), known, scene.device, tiled=tiled)
            print(f"{name}, {size}²: {cells[name][size]}", file=sys.stderr, flush=True)
    sizes = sorted({size for column in cells.values() for size in column})
    rows = [[name, *(column.get(size, "") for size in sizes)] for name, column in cells.items()]
    absent = "" if "tile" in names() else " This version has no setting `tile`: tiled rows are left out."
    said = (
        "MB (10⁶ bytes) above the loaded program, and seconds of the last step: targets, one evaluation and one move, "
        f"of a square picture from {scene.content.name} and {scene.style.name}, style picture as large. L-BFGS has its "
        "history full before that step; the plain script's, of 100, is nearly empty. The loaded program has its "
        f"weights and has made one step at 32 px. Tiles have {_tile(scene)} pixels.{absent}"
    )
    return Report("Memory", said + "\n\n" + table(["", *(f"{size}²" for size in sizes)], rows))


def _columns(scene: Scene) -> dict[str, Mapping[str, Any] | None]:
    """What is measured, by the name of its row."""
    wholes = {"Adam": {"optimizer": "adam"}, "L-BFGS": {"optimizer": "lbfgs"}}
    for name, values in (scene.variants or {}).items():
        wholes[name] = {"optimizer": "lbfgs", **values}
    columns: dict[str, Mapping[str, Any] | None] = {"plain fp32, L-BFGS": None}
    tiled = "tile" in names()
    for name, values in wholes.items():
        columns[f"{scene.precision}, {name}"] = {**values, "tile": "off"} if tiled else values
    if tiled:
        for name, values in wholes.items():
            columns[f"{scene.precision}, {name}, tiles"] = {**values, "tile": _tile(scene)}
    return columns


def _tile(scene: Scene) -> int:
    return 64 if scene.quick else _TILE


def _cell(order: Order, known: list[tuple[int, float]], device: torch.device, *, tiled: bool) -> str:
    """One measurement in a process of its own, or why there is none; what it found joins what is known."""
    if known:
        size, peak = known[-1]
        growth = (order.size / size) ** 2 * (0.8 if tiled else 1.0)  # a tile's own memory does not grow
        if peak * growth > _SHARE * _free(device):
            return f"skipped: {peak * growth / 1e9:.0f} GB expected"
    command = [sys.executable, "-m", "benchmarks.memory", json.dumps(asdict(order))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        return f"failed: {(done.stderr.strip().splitlines() or [f'killed by {-done.returncode}'])[-1][:80]}"
    found = json.loads(done.stdout)
    known.append((order.size, found["bytes"]))
    return f"{found['bytes'] / 1e6:,.0f} ({found['seconds']:.2g} s)"


def _free(device: torch.device) -> float:
    """Bytes that can be had."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return _status(Path("/proc/meminfo"), "MemAvailable")


def _status(file: Path, name: str) -> float:
    """Bytes that a file of Linux's /proc tells."""
    found = re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE)
    assert found is not None
    return float(found[1]) * 1024


def main() -> None:
    """Carry out one order and print bytes and seconds."""
    order = json.loads(sys.argv[1])
    paths = {name: Path(order["scene"][name]) for name in ("content", "style", "weights") if name in order["scene"]}
    scene = Scene(**paths, device=torch.device(order["scene"]["device"]))
    step = _plain(scene) if order["settings"] is None else _ours(scene, order["settings"])
    step(32)
    base = _reset(scene.device)
    seconds = step(order["size"])
    print(json.dumps({"bytes": _peak(scene.device) - base, "seconds": seconds}))


def _plain(scene: Scene) -> Any:
    network = scene.network()

    def step(size: int) -> float:
        member = scene.member(scene.settings(size=f"{size}x{size}"))
        descent = Descent(scene.script(member, network), scene.fitted(member)[0])
        descent.step()
        began = time.perf_counter()
        descent.step()
        return time.perf_counter() - began

    return step


def _ours(scene: Scene, values: Mapping[str, Any]) -> Any:
    evaluate = Objective.evaluate

    def step(size: int) -> float:
        settings = scene.settings(**{**values, "size": f"{size}x{size}", "scales": 1, "steps": 1})
        filled = settings.history_size + 1 if settings.optimizer == "lbfgs" else 1
        settings = replace(settings, steps=filled + 1)
        member, constants = scene.member(settings), Constants(scene.encoder(settings))
        seconds = 0.0
        Objective.evaluate = _bowl  # the history is filled with steps that cost nothing
        for count, _ in enumerate(gatys.optimise([member], constants), 1):
            if count == filled:
                Objective.evaluate, seconds = evaluate, time.perf_counter()
        return time.perf_counter() - seconds

    return step


def _bowl(_: Objective, pictures: Tensor, __: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """What `Objective.evaluate` gives, of a loss that is nothing but a bowl about grey."""
    off = pictures - 0.5
    return off.square().sum((1, 2, 3)), 2 * off, torch.zeros(len(TERMS), len(pictures), device=pictures.device)


def _reset(device: torch.device) -> float:
    """Bytes in use, from which the peak is counted from now on."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return float(torch.cuda.memory_allocated(device))
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    return _status(Path("/proc/self/status"), "VmRSS")


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return _status(Path("/proc/self/status"), "VmHWM")


if __name__ == "__main__":
    main()
