"""The parameter space of a manifest: lazy, ordered, counted without being expanded.

A job's cells are content × style (or pairs of them) × the axes of `grid` in the order written × the one axis that
`zip` makes. Then `exclude` removes cells as the axes made them, `override` changes settings of cells as the axes made
them, each override in turn, `add` appends cells, and `sample` draws a subset that keeps what was added.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flows.axes import PICTURES, Axis, AxisValue, Choice, count_fulfilled, product, read_axis
from flows.inputs import STARTS, Input, Inputs, lookup, suggestion
from flows.manifest import Job, Loaded
from flows.source import ManifestError, Path, Problem
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


class Block:
    """The cells of one job.

    Args:
        job: the job.
        path: where it stands in the manifest.
        loaded: the manifest.
        inputs: its pictures.

    Raises:
        ManifestError: axes that do not fit together, or a condition that matches nothing; all that is found.
    """

    def __init__(self, job: Job, path: Path, loaded: Loaded, inputs: Inputs) -> None:
        self.job, self.path, self.loaded, self.inputs = job, path, loaded, inputs
        self._problems: list[Problem] = []
        self.defaults = {name: settings.parse(name, raw) for name, raw in loaded.manifest.defaults.items()}
        self.axes = [*self._picture_axes(), *self._setting_axes()]
        self.excludes = [self._match(part, ("exclude", n)) for n, part in enumerate(job.exclude)]
        whens = [self._match(part.when, ("override", n, "when")) for n, part in enumerate(job.override)]
        changes = [{name: settings.parse(name, raw) for name, raw in part.set.items()} for part in job.override]
        self.overrides = list(zip(whens, changes, strict=True))
        self._counts = count_fulfilled(self.axes, [*self.excludes, *whens], self._decided_by, self._agrees)
        self._check_matches()
        if self._problems:
            raise loaded.error(self._problems)

    def taken(self, name: str) -> Iterator[Any]:
        """Values that a setting takes in cells of this block, some of them more than once."""
        along = next((axis.columns[name] for axis in self.axes if name in axis.columns), None)
        if along is not None:
            yield from (along[index].value for index in range(len(along)))
        elif self.axes:
            yield self._value({}, name)
        yield from (changes[name] for _, changes in self.overrides if name in changes)
        for part in self.job.add:
            yield settings.parse(name, part[name]) if name in part else self._value({}, name)

    def __len__(self) -> int:
        """Number of cells; at most `sys.maxsize`, which is all that `len` can say."""
        count = self._unsampled()
        return min(count, self.job.sample.count if self.job.sample else sys.maxsize)

    def __iter__(self) -> Iterator[Cell]:
        """The cells in order; raises ManifestError for settings that contradict each other."""
        return (make() for make in self.attempts())

    def attempts(self) -> Iterator[Callable[[], Cell]]:
        """For each cell in order a function that makes it, or raises as iteration would."""
        sample, added = self.job.sample, list(self._added())
        in_grid = self._unsampled() - len(added)
        if not sample or sample.count >= in_grid + len(added):
            yield from self._grid()
            yield from added
            return
        draw = random.Random(sample.seed).sample  # noqa: S311 - no secret
        # cells that somebody wrote down one by one are kept before any that axes made
        kept = sorted(draw(range(min(in_grid, sys.maxsize)), max(0, sample.count - len(added))))
        if self.excludes:
            wanted = set(kept)
            yield from (make for index, make in enumerate(self._grid()) if index in wanted)
        else:
            yield from (self._maker(self._combination(index)) for index in kept)
        yield from (added[index] for index in sorted(draw(range(len(added)), min(len(added), sample.count))))

    def _combination(self, index: int) -> Choice:
        """One combination of positions, by its number in the order of `product`."""
        choice: Choice = {}
        for axis in reversed(self.axes):
            index, position = divmod(index, len(axis))
            choice = axis[position] | choice
        return choice

    def _unsampled(self) -> int:
        excluding = (1 << len(self.excludes)) - 1
        return sum(n for bits, n in self._counts.items() if not bits & excluding) + len(self.job.add)

    def _picture_axes(self) -> list[Axis]:
        pictures = {kind: [AxisValue(i, i.label) for i in getattr(self.inputs, kind)] for kind in PICTURES}
        method = self.defaults.get("method", Settings.method)
        needed = {"content": METHODS[method].needs_content, "style": METHODS[method].needs_style}
        used = {kind: pictures[kind] for kind in PICTURES if needed[kind]}
        for kind, found in used.items():
            if not (found or self.job.add or self.inputs.problems):
                message = f"method {method} needs at least one picture under inputs.{kind}"
                self._problems.append(Problem(message, self.loaded.document.place(("inputs", kind))))
        if self.job.pair == "zip" and len(used) == len(PICTURES):
            contents, styles = (len(used[kind]) for kind in PICTURES)
            if contents == styles:
                return [Axis(used)]
            if not self.inputs.problems:
                self._wrong(("pair",), f"pair: zip needs as many contents as styles, got {contents} and {styles}")
        return [Axis({kind: found}) for kind, found in used.items()]

    def _setting_axes(self) -> list[Axis]:
        axes = [Axis({name: read_axis(name, raw)}) for name, raw in self.job.grid.items()]
        if self.job.zip:
            axes.append(Axis({name: read_axis(name, raw) for name, raw in self.job.zip.items()}))
        return axes

    def _match(self, part: dict[str, Any], path: Path) -> dict[str, Any]:
        """A condition with values in canonical form; pictures become sets of names."""
        match: dict[str, Any] = {}
        for name, raw in part.items():
            if name in PICTURES:
                wanted = lookup(getattr(self.inputs, name), str(raw))
                if not wanted and not self.inputs.problems:
                    near = suggestion(getattr(self.inputs, name), str(raw))
                    self._wrong((*path, name), f"{name}: {raw!r} is none of inputs.{name}{near}")
                match[name] = {i.name for i in wanted}
            else:
                match[name] = settings.parse(name, raw)
        return match

    def _value(self, choice: Choice, name: str) -> Any:
        if name in choice:
            return choice[name].value
        if name in self.defaults:
            return self.defaults[name]
        return _preset(choice["preset"].value if "preset" in choice else self.defaults.get("preset"))[name]

    def _decided_by(self, name: str) -> str:
        """The name along an axis that decides a setting: itself, the preset, or nothing that varies."""
        along = [name for axis in self.axes for name in axis.columns]
        return name if name in along else "preset" if "preset" in along and name not in self.defaults else ""

    def _agrees(self, choice: Choice, name: str, wanted: Any) -> bool:
        value = self._value(choice, name)
        return value.name in wanted if name in PICTURES else bool(value == wanted)

    def _matches(self, match: dict[str, Any], choice: Choice) -> bool:
        return all(self._agrees(choice, name, wanted) for name, wanted in match.items())

    def _check_matches(self) -> None:
        """Every `exclude` and `override` must match a cell, or it says something other than its author meant."""
        excluding = (1 << len(self.excludes)) - 1
        places: list[tuple[Path, dict[str, Any]]] = [(("exclude", n), m) for n, m in enumerate(self.excludes)]
        places += [(("override", n, "when"), m) for n, (m, _) in enumerate(self.overrides)]
        if not self._counts and (self._problems or self.inputs.problems):
            return
        for number, (path, match) in enumerate(places):
            if any(not match[name] or self.inputs.problems for name in PICTURES if name in match):
                continue  # what is wrong with the pictures is said already
            hits = [bits for bits in self._counts if bits >> number & 1]
            if not hits:
                self._wrong(path, f"{path[0]}: no cell of this job has {_said(match)}")
            elif path[0] == "override" and all(bits & excluding for bits in hits):
                self._wrong(path, f"override: exclude removes every cell that has {_said(match)}")
        if self._counts and not self._unsampled():
            self._wrong(("exclude",), "exclude: this removes every cell of the job")

    def _grid(self) -> Iterator[Callable[[], Cell]]:
        for choice in product(self.axes):
            if not any(self._matches(match, choice) for match in self.excludes):
                yield self._maker(choice)

    def _maker(self, choice: Choice) -> Callable[[], Cell]:
        return lambda: self._cell(choice)

    def _added(self) -> Iterator[Callable[[], Cell]]:
        for number, part in enumerate(self.job.add):
            yield lambda number=number, part=part: self._added_cell(number, part)  # type: ignore[misc]

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
                message = f"add: {kind!r} is missing; a cell of this method needs one"
                raise self.loaded.error([Problem(message, self.loaded.document.place((*self.path, *path)))])
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
            *((*self.path, "override", n, "set", error.setting) for n in range(len(self.overrides))),
            (*self.path, "grid", error.setting),
            (*self.path, "zip", error.setting),
            ("defaults", error.setting),
            (*self.path, *path),
        ]
        found = next((c for c in candidates if c in places), self.path)
        return self.loaded.error([Problem(str(error), self.loaded.document.place(found))])

    def _wrong(self, path: Path, message: str) -> None:
        self._problems.append(Problem(message, self.loaded.document.place((*self.path, *path))))


@cache
def _preset(name: str | None) -> dict[str, Any]:
    """Every setting's value where nothing but a preset is given."""
    return vars(Settings.resolve({"preset": name}))


def _said(match: dict[str, Any]) -> str:
    return ", ".join(f"{n}: {'/'.join(sorted(v)) if isinstance(v, set) else v}" for n, v in match.items())


def blocks(loaded: Loaded, inputs: Inputs) -> list[Block]:
    """The jobs of a manifest as blocks of cells.

    Raises:
        ManifestError: with every mistake in inputs, axes and conditions.
    """
    made, problems = [], [*loaded.problems, *inputs.problems]
    for number, job in enumerate(loaded.manifest.jobs):
        try:
            made.append(Block(job, ("jobs", number), loaded, inputs))
        except ManifestError as error:
            problems += error.problems
    if problems:
        raise loaded.error(problems)
    return made


def pictures_named(loaded: Loaded) -> dict[str, Path]:
    """Pictures that a manifest names outside `inputs`: as `init`, or in cells that it adds; and where it names them."""
    manifest = loaded.manifest

    def named() -> Iterator[tuple[Path, Any]]:
        yield ("defaults", "init"), manifest.defaults.get("init")
        for number, job in enumerate(manifest.jobs):
            for key, axes in (("grid", job.grid), ("zip", job.zip)):
                raw = axes.get("init")
                for index, value in enumerate(raw if isinstance(raw, list) else ()):
                    yield ("jobs", number, key, "init", index), value.get("value") if isinstance(value, dict) else value
            for index, part in enumerate(job.override):
                yield ("jobs", number, "override", index, "set", "init"), part.set.get("init")
            for index, added in enumerate(job.add):
                for name in ("init", *PICTURES):
                    yield ("jobs", number, "add", index, name), added.get(name)

    found: dict[str, Path] = {}
    for path, raw in named():
        if raw is not None and raw not in STARTS:
            found.setdefault(str(raw), path)
    return found
