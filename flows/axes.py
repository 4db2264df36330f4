"""Axes of a grid: lists, ranges and spacings of values, each value with its label; long ones are never written out."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stylecore import settings
from stylecore.errors import SettingError, did_you_mean
from stylecore.values import Number

PICTURES = ("content", "style")
"""What varies besides settings: `exclude`, `override` and `add` may name it, axes may not."""
SPACINGS = {"range": "[start, stop, step]", "linspace": "[a, b, n]", "logspace": "[a, b, n]"}
"""What may stand instead of a list, and the three numbers each takes."""
LONGEST = 1_000_000
"""Values of one axis beyond which it is refused."""
_MOST_KEPT = 10_000  # values of a spacing that are kept once they are computed
_LOOKED_AT = 1000  # values of a spacing that are parsed to find mistakes; the last one is too


@dataclass(frozen=True)
class AxisValue:
    """One value of an axis, in canonical form, and the label it goes by (empty: the value itself)."""

    value: Any
    label: str = ""


Choice = dict[str, AxisValue]
"""One position along one axis: values by the names that move together there; `content` and `style` among them."""


@dataclass(frozen=True)
class Spaced:
    """Evenly spaced values of a setting, computed where they are asked for."""

    name: str
    length: int
    place: Callable[[int], float]
    _made: dict[int, AxisValue] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> AxisValue:
        if (made := self._made.get(index)) is not None:
            return made
        if not 0 <= index < self.length:
            raise IndexError(index)
        if len(self._made) >= _MOST_KEPT:
            self._made.clear()
        return self._made.setdefault(index, self._computed(index))

    def _computed(self, index: int) -> AxisValue:
        value = self.place(index)
        # twelve digits: people mean 10000, not 10000.000000000002
        return AxisValue(settings.parse(self.name, value if isinstance(value, int) else float(f"{value:.12g}")))


Values = list[AxisValue] | Spaced


@dataclass(frozen=True)
class Axis:
    """One axis of a job: values for each name that moves along it, all equally many."""

    columns: Mapping[str, Values]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __iter__(self) -> Iterator[Choice]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Choice:
        return {name: column[index] for name, column in self.columns.items()}


def product(axes: Sequence[Axis]) -> Iterator[Choice]:
    """All combinations of positions along some axes, the last axis moving fastest; no axis is written out."""
    if not axes:
        yield {}
        return
    for first in axes[0]:
        for rest in product(axes[1:]):
            yield first | rest


def combination(axes: Sequence[Axis], index: int) -> Choice:
    """One combination of positions, by its number from 0 in the order of `product`."""
    choice: Choice = {}
    for axis in reversed(axes):
        index, position = divmod(index, len(axis))
        choice = axis[position] | choice
    return choice


def count_fulfilled(
    axes: Sequence[Axis],
    conditions: Sequence[Mapping[str, Any]],
    decided_by: Callable[[str], str],
    agrees: Callable[[Choice, str, Any], bool],
) -> Counter[int]:
    """Number of combinations for each set of conditions they fulfil; condition n is bit n.

    Each name of a condition is decided along one axis, so every axis is gone along once and none multiplied out.

    Args:
        axes: the axes.
        conditions: wanted values by name; a condition is fulfilled where all agree.
        decided_by: the name of an axis that decides a name's value; empty where no axis does.
        agrees: whether a position along the deciding axis has the wanted value of a name.
    """

    def bits(choice: Choice, names: Collection[str]) -> int:
        fulfilled = 0
        for number, condition in enumerate(conditions):
            here = [(name, wanted) for name, wanted in condition.items() if decided_by(name) in names]
            fulfilled |= all(agrees(choice, name, wanted) for name, wanted in here) << number
        return fulfilled

    named = {decided_by(name) for condition in conditions for name in condition}
    counts = Counter({bits({}, ("",)): 1})
    for axis in axes:
        if named & set(axis.columns):
            positions = Counter(bits(choice, axis.columns) for choice in axis)
        else:
            positions = Counter({(1 << len(conditions)) - 1: len(axis)})
        products = Counter[int]()
        for (one, n), (other, m) in itertools.product(counts.items(), positions.items()):
            products[one & other] += n * m
        counts = products
    return +counts


def read_axis(name: str, raw: Any) -> Values:
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
    values: Values
    if isinstance(raw, list):
        values = [read_value(name, value) for value in raw]
    elif isinstance(raw, dict) and len(raw) == 1 and next(iter(raw)) in SPACINGS:
        spacing, numbers = next(iter(raw.items()))
        values = _spaced(name, spacing, numbers)
        for index in {*range(min(len(values), _LOOKED_AT)), len(values) - 1} - {-1}:
            values[index]
    elif isinstance(raw, dict):
        near = next((n for n in (did_you_mean(key, SPACINGS) for key in raw if key not in SPACINGS) if n), "")
        raise SettingError(name, f"{name}: expected a list or one of {', '.join(SPACINGS)}, got {sorted(raw)}{near}")
    else:
        raise SettingError(name, f"{name}: an axis is a list; for a single value write [{raw}]")
    if not values:
        raise SettingError(name, f"{name}: this axis is empty, so there would be no cells")
    return values


def read_value(name: str, raw: Any) -> AxisValue:
    """One value of an axis that is written as a list.

    Raises:
        SettingError: a value that the setting cannot take, or a label that is no text.
    """
    if not isinstance(raw, dict) or not {"value", "label"} & set(raw):
        return AxisValue(settings.parse(name, raw))
    for key in raw:
        if key not in ("value", "label"):
            near = did_you_mean(key, ("value", "label"))
            raise SettingError(name, f"{name}: unknown key {key!r}{near}; a value with a label is {{value, label}}")
    if "value" not in raw:
        raise SettingError(name, f"{name}: 'value' is missing; a value with a label is {{value, label}}")
    label = raw.get("label")
    if isinstance(label, bool | list | dict):
        raise SettingError(name, f"{name}: expected a text as label, got {label!r}")
    return AxisValue(settings.parse(name, raw["value"]), "" if label is None else str(label))


def _spaced(name: str, spacing: str, numbers: Any) -> Values:
    first, last, third = _three(name, spacing, numbers)
    if spacing == "range":
        if third == 0:
            raise SettingError(name, f"{name}: the step of a range cannot be 0")
        count = max(0.0, (last - first) / third)
    else:
        count = third
        if count != round(count) or count < 1:
            raise SettingError(name, f"{name}: {spacing} needs a count of at least 1, got {numbers[2]!r}")
        if spacing == "logspace" and (first <= 0 or last <= 0):
            raise SettingError(name, f"{name}: logspace needs positive ends, got {numbers!r}")
    if count > LONGEST:
        raise SettingError(name, f"{name}: an axis of more than {LONGEST:,} values, got {spacing} of {numbers!r}")
    steps = max(1, round(count) - 1)
    if spacing == "range":
        return Spaced(name, math.ceil(count - 1e-9), lambda n: first + n * third)
    if spacing == "linspace":
        return Spaced(name, round(count), lambda n: first + (last - first) * n / steps)
    return Spaced(name, round(count), lambda n: first ** (1 - n / steps) * last ** (n / steps))


def _three(name: str, spacing: str, numbers: Any) -> tuple[float, float, float]:
    """The three numbers of a spacing; whole ones stay exact."""
    kind = Number()
    try:
        if not isinstance(numbers, list):
            raise ValueError
        first, last, third = (n if type(n) is int else kind.parse(n) for n in numbers)
        if max(map(abs, (first, last, third))) > 1e300:
            raise ValueError
    except ValueError:
        raise SettingError(
            name, f"{name}: {spacing} takes three numbers {SPACINGS[spacing]}, got {numbers!r}"
        ) from None
    return first, last, third
