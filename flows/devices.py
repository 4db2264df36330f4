"""The devices a run uses, told without loading torch; each worker process is bound to one."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from stylecore.errors import StylepressError

_PATIENCE = 20.0  # seconds


class DeviceError(StylepressError):
    """A device that a manifest names is not there."""

    kind = "device"


def visible_gpus() -> list[str]:
    """Identifiers of the GPUs this process may use, as CUDA_VISIBLE_DEVICES takes them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        parts = (part.strip() for part in chosen.split(","))
        return list(itertools.takewhile(lambda part: part not in ("", "-1"), parts))  # what follows is hidden too
    listed = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    if not listed and (command := shutil.which("nvidia-smi")):
        with suppress(OSError, subprocess.TimeoutExpired):  # a driver that hangs offers no GPU
            answer = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=_PATIENCE, check=False)
            listed = sum(line.startswith("GPU ") for line in answer.stdout.splitlines())
    return [str(number) for number in range(listed)]


def choose(devices: str | int | list[str], workers: int | None = None) -> list[str]:
    """Devices of the worker processes, one each: `cpu`, or a GPU's identifier.

    Args:
        devices: `run.devices` of a manifest: `auto`, `cpu`, `cuda`, a number of GPUs, or a list such as [cuda:0].
        workers: number of processes; by default one for each GPU, or one that uses all cores.

    Raises:
        DeviceError: GPUs that are not there, or a word that names no device.
    """
    gpus = visible_gpus()
    if devices in ("auto", "cuda"):
        if devices == "cuda" and not gpus:
            raise DeviceError("run.devices: cuda was asked for, but no NVIDIA GPU is visible; write auto or cpu")
        chosen = gpus or ["cpu"]
    elif isinstance(devices, int) or (isinstance(devices, str) and devices.isdigit()):
        count = int(devices)
        if not 1 <= count <= len(gpus):
            raise DeviceError(f"run.devices: {count} GPUs were asked for, {len(gpus)} are visible")
        chosen = gpus[:count]
    else:
        chosen = [_named(name, gpus) for name in (devices if isinstance(devices, list) else [devices])]
    return [chosen[n % len(chosen)] for n in range(workers or len(chosen))]


def _named(name: str, gpus: list[str]) -> str:
    if name == "cpu":
        return "cpu"
    number = str(name).removeprefix("cuda:")
    if not number.isdigit() or int(number) >= len(gpus):
        raise DeviceError(f"run.devices: {name!r} is not here; this machine offers cpu and {len(gpus)} GPUs (cuda:N)")
    return gpus[int(number)]


def rest_while_waiting() -> None:
    """Let processor threads sleep, not spin, while they wait for each other; OpenMP reads this when torch is loaded.

    On a machine with other work to do, two renders side by side took 3.2 s instead of 30 s; on a quiet one it costs a
    few percent. A policy that the user has set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def memory_in_use(device: str) -> int | None:
    """Bytes that this process has taken: of the device's memory on a GPU, else of the machine's; None where unknown."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.memory_reserved(device)
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
