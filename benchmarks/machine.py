"""The machine itself: what it is, and the rate at which it multiplies matrices."""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from pathlib import Path

import torch

from benchmarks.measuring import interleaved
from benchmarks.report import Report, table
from benchmarks.scene import Scene

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def run(scene: Scene) -> Report:
    """Matrix rates by size."""
    found = rates(scene.device, scene.quick)
    sizes = sorted({size for size, _ in found})
    rows = [[name, *(f"{found[size, name] / 1e9:,.0f}" for size in sizes)] for name in DTYPES]
    said = "GFLOP/s of a product of two square matrices, best of five; the largest of a row is the machine's rate."
    return Report("Matrix rate", said + "\n\n" + table(["", *(f"{size}²" for size in sizes)], rows))


def rate(scene: Scene, name: str) -> float:
    """FLOP per second of a matrix product in a precision, at the best of several sizes."""
    return max(found for (_, precision), found in rates(scene.device, scene.quick).items() if precision == name)


@lru_cache
def rates(device: torch.device, quick: bool) -> dict[tuple[int, str], float]:
    """FLOP per second of matrix products, by size and precision; measured once."""
    sizes = (1024, 2048, 4096) if device.type == "cpu" else (4096, 8192, 16384)
    found = {}
    for size in sizes[:1] if quick else sizes:
        factors = {name: torch.randn(size, size, device=device).to(dtype) for name, dtype in DTYPES.items()}
        products = {name: torch.empty_like(factor) for name, factor in factors.items()}
        multiply = {
            name: lambda factor=factor, product=products[name]: torch.mm(factor, factor, out=product)
            for name, factor in factors.items()
        }
        for name, times in interleaved(device, 5, multiply).items():
            found[size, name] = 2 * size**3 / min(times)
    return found


def described(device: torch.device) -> str:
    """Processor, memory and versions, without the machine's name."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    said = f"{_processor()}, {os.cpu_count()} cores ({torch.get_num_threads()} threads), {memory:.0f} GiB"
    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        said = f"{found.name}, {found.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}; {said}"
    return f"{said}; Python {platform.python_version()}, torch {torch.__version__}"


def _processor() -> str:
    """What the processor calls itself, and the widest matrix instructions that torch finds in it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    probes = {"_is_amx_tile_supported": "AMX", "_is_avx512_bf16_supported": "AVX512-bf16"}
    able = [said for probe, said in probes.items() if getattr(torch.cpu, probe, bool)()]
    return " with ".join([name, *able[:1]])
