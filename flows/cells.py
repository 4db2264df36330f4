"""The parameter space of a manifest: lazy, ordered, counted without being expanded.

A job's cells are content × style (or pairs of them) × the axes of `grid` in the order written × the one axis that
`zip` makes. Then `exclude` removes cells as the axes made them, `override` changes settings of cells as the axes made
them, each override in turn, `add` appends cells, and `sample` draws a subset of it all.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flows.axes import AxisValue, read_axis
from flows.inputs import Input, Inputs, lookup, suggestion
from flows.manifest import PICTURES, Job, Loaded
from flows.source import Path, Problem
from stylecore import settings
from stylecore.errors import SettingError
from stylecore.methods import METHODS
from stylecore.settings import Settings


@dataclass(frozen=True)
class Cell:
    """One fully resolved render.

    Attributes:
        content: content picture, None where the method needs none.
        style: style picture, None where the method needs none.
        init: picture to start from where `settings.init` names one.
        settings: every setting.
        labels: what the manifest calls values of its axes, by setting.
    """

    content: Input | None
    style: Input | None
    init: Input | None
    settings: Settings
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def pictures(self) -> tuple[Input, ...]:
        """All pictures that the cell is made of."""
        return tuple(picture for picture in (self.content, self.style, self.init) if picture)


Choice = dict[str, AxisValue]
"""One position along one axis: values by the names that move together there; `content` and `style` among them."""


class Block:
    """The cells of one job.

    Args:
        job: the job.
        path: where it stands in the manifest.
        loaded: the manifest.
        inputs: its pictures.
    """

    def __init__(self, job: Job, path: Path, loaded: Loaded, inputs: Inputs) -> None:
        self.job, self.path, self.loaded, self.inputs = job, path, loaded, inputs
        self.defaults = {name: settings.parse(name, raw) for name, raw in loaded.manifest.defaults.items()}
        self.axes: list[list[Choice]] = [*self._picture_axes(), *self._setting_axes()]
        self.excludes = [self._match(part, ("exclude", n)) for n, part in enumerate(job.exclude)]
        self.overrides = [
            (
                self._match(part.when, ("override", n, "when")),
                {name: settings.parse(name, raw) for name, raw in part.set.items()},
            )
            for n, part in enumerate(job.override)
        ]
        self._check_matches()

    def varying(self) -> list[str]:
        """Settings that may differ between cells of this block."""
        along = [name for axis in self.axes for name in axis[0] if len(axis) > 1]
        changed = [name for _, changes in self.overrides for name in changes]
        added = [name for part in self.job.add for name in part]
        return [name for name in dict.fromkeys([*along, *changed, *added]) if name not in PICTURES]

    def __len__(self) -> int:
        """Number of cells, counted on the axes that `exclude` looks at alone."""
        count = self._unsampled()
        return min(count, self.job.sample.count) if self.job.sample else count

    def __iter__(self) -> Iterator[Cell]:
        """The cells in order; raises ManifestError for settings that contradict each other."""
        sample = self.job.sample
        kept: set[int] | None = None
        if sample and sample.count < (total := self._unsampled()):
            kept = set(random.Random(sample.seed).sample(range(total), sample.count))  # noqa: S311 - nothing is kept secret
        everything = itertools.chain(self._grid(), self._added())
        return (make() for index, make in enumerate(everything) if kept is None or index in kept)

    def _unsampled(self) -> int:
        looked_at = {name for match in self.excludes for name in match} | {"preset"}
        relevant = [axis for axis in self.axes if looked_at & set(axis[0])]
        others = math.prod(len(axis) for axis in self.axes if not looked_at & set(axis[0]))
        if not self.excludes:
            left = math.prod(len(axis) for axis in relevant)
        else:
            left = sum(not self._excluded(combination) for combination in _product(relevant))
        return left * others + len(self.job.add)

    def _picture_axes(self) -> list[list[Choice]]:
        pictures = {kind: [AxisValue(i, i.label) for i in getattr(self.inputs, kind)] for kind in PICTURES}
        method = self.defaults.get("method", Settings.method)
        needed = {"content": METHODS[method].needs_content, "style": METHODS[method].needs_style}
        for kind in PICTURES:
            if needed[kind] and not pictures[kind] and not self.job.add:
                raise self._wrong((), f"method {method} needs at least one picture under inputs.{kind}")
        used = [kind for kind in PICTURES if needed[kind]]
        if self.job.pair == "zip" and len(used) == len(PICTURES):
            contents, styles = pictures["content"], pictures["style"]
            if len(contents) != len(styles):
                message = f"pair: zip needs as many contents as styles, got {len(contents)} and {len(styles)}"
                raise self._wrong(("pair",), message)
            return [[{"content": c, "style": s} for c, s in zip(contents, styles, strict=True)]]
        return [[{kind: value} for value in pictures[kind]] for kind in used]

    def _setting_axes(self) -> list[list[Choice]]:
        axes = [[{name: value} for value in read_axis(name, raw)] for name, raw in self.job.grid.items()]
        together = {name: read_axis(name, raw) for name, raw in self.job.zip.items()}
        for name in together:
            if name in self.job.grid:
                raise self._wrong(("zip", name), f"{name} is an axis of this job's grid already")
        if together:
            lengths = {name: len(values) for name, values in together.items()}
            if len(set(lengths.values())) > 1:
                said = ", ".join(f"{name} has {count}" for name, count in lengths.items())
                raise self._wrong(("zip",), f"zip needs axes of equal length, but {said}")
            rows = zip(*together.values(), strict=True)
            axes.append([dict(zip(together, row, strict=True)) for row in rows])
        return axes

    def _match(self, part: dict[str, Any], path: Path) -> dict[str, Any]:
        """A condition with values in canonical form; pictures become sets of names."""
        match: dict[str, Any] = {}
        for name, raw in part.items():
            if name in PICTURES:
                wanted = lookup(getattr(self.inputs, name), str(raw))
                if not wanted:
                    near = suggestion(getattr(self.inputs, name), str(raw))
                    raise self._wrong((*path, name), f"{name}: {raw!r} is none of inputs.{name}{near}")
                match[name] = {i.name for i in wanted}
            else:
                match[name] = settings.parse(name, raw)
        return match

    def _value(self, choice: Choice, name: str) -> Any:
        if name in choice:
            return choice[name].value
        preset = choice["preset"].value if "preset" in choice else self.defaults.get("preset")
        if name in self.defaults:
            return self.defaults[name]
        return getattr(Settings.resolve({"preset": preset}), name)

    def _matches(self, match: dict[str, Any], choice: Choice) -> bool:
        return all(
            choice[name].value.name in wanted if name in PICTURES else self._value(choice, name) == wanted
            for name, wanted in match.items()
        )

    def _excluded(self, choice: Choice) -> bool:
        return any(self._matches(match, choice) for match in self.excludes)

    def _check_matches(self) -> None:
        """Every `exclude` and `override` must match a cell, or it says something other than its author meant."""
        conditions: list[tuple[Path, dict[str, Any]]] = [(("exclude", n), m) for n, m in enumerate(self.excludes)]
        conditions += [(("override", n, "when"), m) for n, (m, _) in enumerate(self.overrides)]
        for path, match in conditions:
            names = set(match) | {"preset"}
            combinations = _product([axis for axis in self.axes if names & set(axis[0])])
            if not any(self._matches(match, choice) for choice in combinations):
                raise self._wrong(path, f"{path[0]}: no cell of this job has {_said(match)}")
        if not self._unsampled():
            raise self._wrong(("exclude",), "exclude: this removes every cell of the job")

    def _grid(self) -> Iterator[Any]:
        for choice in _product(self.axes):
            if not self._excluded(choice):
                yield lambda choice=choice: self._cell(choice)

    def _added(self) -> Iterator[Any]:
        for number, part in enumerate(self.job.add):
            yield lambda number=number, part=part: self._added_cell(number, part)

    def _cell(self, choice: Choice) -> Cell:
        values = {**self.defaults, **{n: v.value for n, v in choice.items() if n not in PICTURES}}
        for match, changes in self.overrides:
            if self._matches(match, choice):
                values |= changes
        labels = {n: v.label for n, v in choice.items() if v.label and n not in PICTURES and values[n] == v.value}
        pictures = {kind: choice[kind].value for kind in PICTURES if kind in choice}
        return self._resolved(pictures, values, labels, ())

    def _added_cell(self, number: int, part: dict[str, Any]) -> Cell:
        path: Path = ("add", number)
        values = {**self.defaults, **{n: settings.parse(n, raw) for n, raw in part.items() if n not in PICTURES}}
        method = METHODS[values.get("method", Settings.method)]
        pictures = {}
        for kind, needed in (("content", method.needs_content), ("style", method.needs_style)):
            if kind in part:
                known = lookup(getattr(self.inputs, kind), str(part[kind]))
                pictures[kind] = known[0] if known else self.inputs.others[str(part[kind])]
            elif needed:
                raise self._wrong(path, f"add: {kind!r} is missing; a cell of this method needs one")
        return self._resolved(pictures, values, {}, path)

    def _resolved(self, pictures: dict[str, Input], values: dict[str, Any], labels: dict[str, str], path: Path) -> Cell:
        try:
            resolved = Settings.resolve(values)
        except SettingError as error:
            raise self._contradiction(error, path) from None
        init = None if resolved.init in STARTS else self.inputs.others[resolved.init]
        return Cell(pictures.get("content"), pictures.get("style"), init, resolved, labels)

    def _contradiction(self, error: SettingError, path: Path) -> Exception:
        """The error at the nearest place that the manifest gives for its setting."""
        places = self.loaded.document.places
        candidates: list[Path] = [
            (*self.path, *path, error.setting),
            (*self.path, "grid", error.setting),
            (*self.path, "zip", error.setting),
            ("defaults", error.setting),
            (*self.path, *path),
        ]
        found = next((c for c in candidates if c in places), self.path)
        return self.loaded.error([Problem(str(error), self.loaded.document.place(found))])

    def _wrong(self, path: Path, message: str) -> Exception:
        return self.loaded.error([Problem(message, self.loaded.document.place((*self.path, *path)))])


STARTS = ("content", "style", "noise")
"""Values of `init` that are no picture's path."""


def _product(axes: list[list[Choice]]) -> Iterator[Choice]:
    """All combinations of positions along some axes, the last axis moving fastest."""
    for combination in itertools.product(*axes):
        merged: Choice = {}
        for choice in combination:
            merged |= choice
        yield merged


def _said(match: dict[str, Any]) -> str:
    return ", ".join(f"{n}: {'/'.join(sorted(v)) if isinstance(v, set) else v}" for n, v in match.items())


def blocks(loaded: Loaded, inputs: Inputs) -> list[Block]:
    """The jobs of a manifest as blocks of cells.

    Raises:
        ManifestError: axes of unequal length, a condition that matches nothing, a picture that is not there to match.
    """
    return [Block(job, ("jobs", n), loaded, inputs) for n, job in enumerate(loaded.manifest.jobs)]


def pictures_named(loaded: Loaded) -> list[str]:
    """Paths of pictures that a manifest names outside `inputs`: as `init`, or in cells that it adds."""
    manifest = loaded.manifest
    raws: list[Any] = [manifest.defaults.get("init")]
    for job in manifest.jobs:
        for axes in (job.grid, job.zip):
            raw = axes.get("init")
            raws += [v.get("value") if isinstance(v, dict) else v for v in (raw if isinstance(raw, list) else [])]
        raws += [part.set.get("init") for part in job.override]
        raws += [part.get(name) for part in job.add for name in ("init", *PICTURES)]
    return list(dict.fromkeys(str(raw) for raw in raws if raw is not None and raw not in STARTS))
