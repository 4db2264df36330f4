"""Axes of a grid: lists, ranges and spacings of values, each value with its label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stylecore import settings
from stylecore.errors import SettingError, did_you_mean

SPACINGS = ("range", "linspace", "logspace")
LONGEST = 1_000_000
"""Values of one axis beyond which it is refused."""


@dataclass(frozen=True)
class AxisValue:
    """One value of an axis, in canonical form, and the label it goes by (empty: the value itself)."""

    value: Any
    label: str = ""


def read_axis(name: str, raw: Any) -> list[AxisValue]:
    """Values of one axis of a setting.

    Args:
        name: of the setting.
        raw: a list of values, `{range: [start, stop, step]}` (as in Python: without stop), `{linspace: [a, b, n]}` or
            `{logspace: [a, b, n]}` (n values from a to b, both included, evenly spaced on a linear or logarithmic
            scale). A value of a list may be `{value: …, label: …}`.

    Raises:
        SettingError: not an axis, an empty one, or a value that the setting cannot take.
    """
    settings.kind_of(name)
    if isinstance(raw, dict) and len(raw) == 1 and next(iter(raw)) in SPACINGS:
        spacing, numbers = next(iter(raw.items()))
        values: Sequence[Any] = _spaced(name, spacing, numbers)
    elif isinstance(raw, list):
        values = raw
    elif isinstance(raw, dict):
        near = next((n for n in (did_you_mean(key, SPACINGS) for key in raw) if n), "")
        raise SettingError(name, f"{name}: expected a list or one of {', '.join(SPACINGS)}, got {sorted(raw)}{near}")
    else:
        raise SettingError(name, f"{name}: an axis is a list; for a single value write [{raw}]")
    if not values:
        raise SettingError(name, f"{name}: this axis is empty, so there would be no cells")
    return [_labelled(name, value) for value in values]


def _labelled(name: str, raw: Any) -> AxisValue:
    if isinstance(raw, dict) and "value" in raw and set(raw) <= {"value", "label"}:
        return AxisValue(settings.parse(name, raw["value"]), str(raw.get("label") or ""))
    return AxisValue(settings.parse(name, raw))


def _spaced(name: str, spacing: str, numbers: Any) -> list[float]:
    words = {"range": "[start, stop, step]", "linspace": "[a, b, n]", "logspace": "[a, b, n]"}[spacing]
    try:
        if not isinstance(numbers, list) or len(numbers) != 3:
            raise ValueError
        first, last, third = (float(number) for number in numbers if not isinstance(number, bool))
        if not all(math.isfinite(number) for number in (first, last, third)):
            raise ValueError
    except (TypeError, ValueError):
        raise SettingError(name, f"{name}: {spacing} takes three numbers {words}, got {numbers!r}") from None
    count = _count(name, spacing, first, last, third)
    if count > LONGEST:
        raise SettingError(name, f"{name}: an axis of {count:,} values is longer than {LONGEST:,}")
    places = range(count)
    if spacing == "range":
        values = [first + n * third for n in places]
    elif spacing == "linspace":
        values = [first + (last - first) * n / max(1, count - 1) for n in places]
    else:
        values = [first * (last / first) ** (n / max(1, count - 1)) for n in places]
    return [float(f"{value:.12g}") for value in values]  # people mean 10000, not 10000.000000000002


def _count(name: str, spacing: str, first: float, last: float, third: float) -> int:
    if spacing == "range":
        if third == 0:
            raise SettingError(name, f"{name}: the step of a range cannot be 0")
        return max(0, math.ceil((last - first) / third - 1e-9))
    if third < 1 or not third.is_integer():
        raise SettingError(name, f"{name}: {spacing} needs a count of at least 1, got {third:g}")
    if spacing == "logspace" and (first <= 0 or last <= 0):
        raise SettingError(name, f"{name}: logspace needs positive ends, got {first:g} and {last:g}")
    return int(third)
