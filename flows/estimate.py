"""What a plan will cost: seconds, memory and bytes, from the network's arithmetic and from what was measured before."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from flows.cells import Cell
from stylecore.architectures import ARCHITECTURES
from stylecore.errors import SettingError
from stylecore.settings import Settings

# Arithmetic reached while nothing was measured yet, in operations per second: a core of a current server processor,
# and a data-centre GPU.
_CORE_RATE, _GPU_RATE = 120e9, 100e12
_BYTES_PER_PIXEL = {"activations": 2000, "pair": 24}  # bf16 VGG-19 to relu5_1; one step and gradient change of L-BFGS
_PNG_BYTES_PER_PIXEL = 1.9
_UNKNOWN = 1024  # sides in pixels of a picture whose header cannot be read


@dataclass(frozen=True)
class Estimate:
    """Cost of the cells to render.

    Attributes:
        seconds: on this machine, all devices together.
        memory_bytes: of the largest cell, above the loaded program.
        bytes: of all pictures.
        basis: `measured` where the output's receipts told the rate, else `assumed`.
    """

    seconds: float
    memory_bytes: int
    bytes: int
    basis: str

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "seconds": round(self.seconds, 1)}


@dataclass(frozen=True)
class Cost:
    """Cost of one cell.

    Attributes:
        operations: as `operations` gives them.
        most: seconds after which it ends with what it has.
        memory_bytes: above the loaded program.
        bytes: of its pictures.
    """

    operations: float
    most: float
    memory_bytes: int
    bytes: float


def estimate(cells: Iterable[Cell], receipts: Iterable[dict[str, Any]]) -> Estimate:
    """Estimate the cost of cells, with the rate that receipts show."""
    return altogether(((cost(cell), 1) for cell in cells), receipts)


def altogether(costs: Iterable[tuple[Cost, int]], receipts: Iterable[dict[str, Any]]) -> Estimate:
    """Estimate the cost of so many cells each; of the receipts, the first hundred that tell a rate are looked at."""
    rate, basis = _rate(receipts)
    seconds, memory, total = 0.0, 0, 0.0
    for each, cells in costs:
        seconds += cells * min(each.operations / rate, each.most)
        memory = max(memory, each.memory_bytes)
        total += cells * each.bytes
    return Estimate(seconds, memory, int(total), basis)


def cost(cell: Cell) -> Cost:
    """What one cell will cost."""
    pixels = math.prod(_canvases(cell)[-1])
    per_pixel = _BYTES_PER_PIXEL["activations"] + _BYTES_PER_PIXEL["pair"] * cell.settings.history_size
    size = pixels * _PNG_BYTES_PER_PIXEL * (1 + _snapshots(cell))
    return Cost(operations(cell), cell.settings.time_limit or math.inf, int(pixels * per_pixel), size)


def operations(cell: Cell) -> float:
    """Floating-point operations of a cell: forward and backward passes of its encoder over all steps and scales."""
    return _pixel_steps(cell.settings, _canvases(cell)) * operations_per_pixel(cell.settings)


def operations_per_pixel(settings: Settings) -> float:
    """Operations of one evaluation of loss and gradient for each pixel of the canvas.

    A multiplication and an addition for each weight and position, once forward and once backward to the pixels.
    """
    name = settings.encoder.split("-")[0] if isinstance(settings.encoder, str) else settings.encoder["arch"]
    return _operations(name, frozenset(layer.replace("relu", "conv") for layer in settings.layers()))


@cache
def _operations(architecture: str, wanted: frozenset[str]) -> float:
    convolutions = ARCHITECTURES[architecture].convolutions()
    deepest = max(index for index, convolution in enumerate(convolutions) if convolution.name in wanted)
    return sum(2 * 2 * 9 * c.channels_in * c.channels_out * 4.0 ** (1 - c.block) for c in convolutions[: deepest + 1])


def _canvases(cell: Cell) -> list[tuple[int, int]]:
    """Width and height of a cell's canvases, coarse to fine; a picture that cannot be read counts as a square."""
    picture = cell.content or cell.style
    shape = (picture.width, picture.height) if picture and picture.width else (_UNKNOWN, _UNKNOWN)
    return cell.settings.canvases(*shape)


def _pixel_steps(settings: Settings, canvases: list[tuple[int, int]]) -> float:
    """Pixels of each canvas times the steps on it, all together."""
    return sum(steps * math.prod(sides) for steps, sides in zip(settings.shares(len(canvases)), canvases, strict=True))


def _snapshots(cell: Cell) -> int:
    """Number of pictures that a cell keeps besides its result."""
    kept, steps = cell.settings.snapshots, sum(cell.settings.shares(len(_canvases(cell))))
    return steps // kept["every"] if isinstance(kept, dict) else sum(step <= steps for step in kept or ())


def _rate(receipts: Iterable[dict[str, Any]]) -> tuple[float, str]:
    """Operations per second: the median of what receipts show, else an assumption about this machine."""
    rates = []
    for receipt in receipts:
        try:
            picture, seconds = receipt["picture"], receipt["timing"]["render"]
            settings = Settings(**receipt["cell"]["settings"])
            sides = picture["width"], picture["height"]
            canvases = replace(settings, size=max(sides)).canvases(*sides)
            done = receipt["result"]["steps"] - (receipt["result"].get("resumed_from") or 0)
            share = done / sum(settings.shares(len(canvases)))
            rate = share * _pixel_steps(settings, canvases) * operations_per_pixel(settings) / seconds
        except (KeyError, TypeError, ValueError, ArithmeticError, SettingError):
            continue  # a receipt of another version must not stop a plan
        if 0 < rate < math.inf:
            rates.append(rate)
        if len(rates) >= 100:
            break
    if rates:
        return statistics.median(rates), "measured"
    gpus = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return (gpus * _GPU_RATE if gpus else (os.cpu_count() or 1) * _CORE_RATE), "assumed"
