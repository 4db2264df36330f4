"""Clocks: seconds of work on a device, of contestants in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

LONG = 20.0
"""Seconds from which one measurement is enough."""


class Clock:
    """Adds up the seconds that a device works on what is called through it."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, 0.0

    def run(self, function: Callable[[], Any]) -> Any:
        """Call a function, wait until the device has done its work, and give what it returned."""
        _finish(self.device)
        began = time.perf_counter()
        result = function()
        _finish(self.device)
        self.seconds += time.perf_counter() - began
        return result


def interleaved(
    device: torch.device, repeat: int, contestants: Mapping[str, Callable[[], Any]]
) -> dict[str, list[float]]:
    """Seconds of each contestant, in turn (A B A B …) after one call of each that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for lap in range(repeat + 1):
        for name, function in contestants.items():
            clock = Clock(device)
            clock.run(function)
            if lap:
                times[name].append(clock.seconds)
    return times


def median(times: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(times)


def told(times: Sequence[float], digits: int = 3) -> str:
    """Median, and the least and most beside it where there are several: `0.38 (0.37–0.41)`."""
    middle, least, most = (f"{seconds:#.{digits}g}".rstrip(".") for seconds in (median(times), min(times), max(times)))
    return middle if len(times) < 2 else f"{middle} ({least}–{most})"


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
