"""What axes, defaults, preset and method make of a setting, before any override; and which conditions that fulfils."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from flows.axes import PICTURES, Axis, AxisValue, Choice, count_fulfilled, product
from stylecore.errors import SettingError
from stylecore.methods import METHODS
from stylecore.settings import Settings

Condition = Mapping[str, Any]
"""Wanted values by name: a setting's value, or a frozenset of those that will do; of pictures always a frozenset."""
_SUPPLIERS = ("method", "preset")  # settings that supply others with values


class Base:
    """The settings of a job's cells as its axes and the manifest's defaults make them.

    Args:
        axes: the job's axes, those of pictures among them or not.
        defaults: the manifest's defaults, parsed.
    """

    def __init__(self, axes: Sequence[Axis], defaults: Mapping[str, Any]) -> None:
        self.axes, self.defaults = axes, defaults
        self._alike: dict[tuple[str | None, ...], Settings] = {}

    def settings(self, values: Mapping[str, Any]) -> Settings:
        """Settings of values in canonical form: parsed again only once for cells that give values to the same names.

        Raises:
            SettingError: they contradict each other.
        """
        kind = values.get("method"), values.get("preset"), *values
        if (alike := self._alike.get(kind)) is None:
            return self._alike.setdefault(kind, Settings.resolve(values))
        try:
            return alike.varied(values)
        except SettingError:
            return Settings.resolve(values)  # raises the same, and says so if the preset is at fault

    def value(self, choice: Choice, name: str) -> Any:
        """Value of a setting where a combination of positions along the axes, or a part of one, is chosen."""
        if name in choice:
            return choice[name].value
        if name in self.defaults:
            return self.defaults[name]
        given = {n: choice[n].value if n in choice else self.defaults.get(n) for n in _SUPPLIERS}
        return _supplied(given["method"], given["preset"])[name]

    def methods(self) -> frozenset[str]:
        """Methods that cells of the job have."""
        suppliers = [axis for axis in self.axes if set(_SUPPLIERS) & set(axis.columns)]
        return frozenset(self.value(choice, "method") for choice in product(suppliers))

    def fulfils(self, choice: Choice, condition: Condition) -> bool:
        """Whether a combination fulfils a condition."""
        return all(self._agrees(choice, name, wanted) for name, wanted in condition.items())

    def count(self, conditions: Sequence[Condition]) -> Counter[int]:
        """Number of combinations for each set of conditions they fulfil; condition n is bit n."""
        return count_fulfilled(_suppliers_as_one(self.axes), conditions, self._decided_by, self._agrees)

    def _agrees(self, choice: Choice, name: str, wanted: Any) -> bool:
        if name in PICTURES:
            return name in choice and choice[name].value in wanted
        value = self.value(choice, name)
        return value in wanted if isinstance(wanted, frozenset) else bool(value == wanted)

    def _decided_by(self, name: str) -> str:
        """The name along an axis that decides a setting: itself, method or preset, or nothing that varies."""
        along = [name for axis in self.axes for name in axis.columns]
        if name in along:
            return name
        supplier = next((n for n in _SUPPLIERS if n in along), "")
        return "" if name in PICTURES or name in self.defaults else supplier


def uses(kind: str, methods: Iterable[str] = METHODS) -> frozenset[str]:
    """Those of some methods that use a `content` or a `style` picture."""
    return frozenset(name for name in methods if needs(name, kind))


def needs(method: str, kind: str) -> bool:
    """Whether a method uses a `content` or a `style` picture."""
    return bool(getattr(METHODS[method], f"needs_{kind}"))


def repeats(axes: Iterable[Axis], methods: frozenset[str]) -> list[Condition]:
    """What combinations that only repeat others have: every picture but the first, for methods that use none of it."""
    found: list[Condition] = []
    for axis in axes:
        for kind in set(PICTURES) & set(axis.columns) if len(axis.columns) == 1 else ():
            others = frozenset(axis.columns[kind][n].value for n in range(1, len(axis)))
            if others and (idle := methods - uses(kind)):
                found.append({"method": idle, kind: others})
    return found


def _suppliers_as_one(axes: Sequence[Axis]) -> list[Axis]:
    """The axes, those of method and preset multiplied into one: together they decide what others are."""
    suppliers = [axis for axis in axes if set(_SUPPLIERS) & set(axis.columns)]
    if len(suppliers) < 2:
        return list(axes)
    columns: dict[str, list[AxisValue]] = {name: [] for axis in suppliers for name in axis.columns}
    for choice in product(suppliers):
        for name, value in choice.items():
            columns[name].append(value)
    return [*(axis for axis in axes if not set(_SUPPLIERS) & set(axis.columns)), Axis(columns)]


@cache
def _supplied(method: str | None, preset: str | None) -> dict[str, Any]:
    """Every setting's value where nothing but a method and a preset are given."""
    given = {"preset": preset, **({"method": method} if method else {})}
    try:
        return vars(Settings.resolve(given))
    except SettingError:  # they contradict each other, which is said where cells are made of them
        return vars(Settings()) | given
