"""How much memory a device has left: of a GPU what its driver says, else what Linux and its control groups allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import torch


def free_memory(device: torch.device, root: Path = Path("/")) -> int | None:
    """Bytes that may still be allocated on a device; None where there is no telling.

    Args:
        device: a CUDA device or the CPU.
        root: where `proc` and `sys` lie.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    if device.type != "cpu":
        return None
    found = [size for size in (_available(root), *_left_by_groups(root)) if size is not None]
    return max(0, min(found)) if found else None


def _available(root: Path) -> int | None:
    """What Linux says can be had without swapping."""
    line = next((line for line in _lines(root / "proc/meminfo") if line.startswith("MemAvailable:")), "")
    return int(line.split()[1]) * 1024 if line else None


def _left_by_groups(root: Path) -> Iterator[int]:
    """What each control group that the process is in leaves it, of version 2 and of version 1."""
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0":
            files = ("memory.max", "memory.current", "inactive_file")
            top = root / "sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = root / "sys/fs/cgroup/memory"
        else:
            continue
        # in a container the group may be mounted at the top, whatever the path says
        inner = PurePosixPath(path.lstrip("/"))
        for folder in {top / inner, *(top / parent for parent in inner.parents), top}:
            limit, used = (_number(folder / name) for name in files[:2])
            if limit is not None and used is not None:
                yield limit - used + _cached(folder, files[2])


def _cached(folder: Path, name: str) -> int:
    """Bytes of files in memory that nobody uses: they count as used, and make room when it is needed."""
    line = next((line for line in _lines(folder / "memory.stat") if line.startswith(f"{name} ")), "")
    return int(line.split()[1]) if line else 0


def _number(file: Path) -> int | None:
    """The number in a file; None where there is none, as for `max`."""
    text = "".join(_lines(file)).strip()
    return int(text) if text.isdecimal() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
