"""The parameter space of a manifest: lazy, ordered, counted without being expanded.

A job's cells are content × style (or pairs of them) × the axes of `grid` in the order written × the one axis that
`zip` makes; a method that uses no style has one cell for all of them. Then `exclude` removes cells as the axes made
them, `override` changes settings of cells as the axes made them, each override in turn, `add` appends cells, and
`sample` draws a subset that keeps what was added.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from flows.axes import PICTURES, Axis, AxisValue, Choice, combination, product, read_axis
from flows.deciding import Base, Condition, needs, repeats, uses
from flows.inputs import Inputs, lookup, suggestion
from flows.manifest import Job, Loaded
from flows.pictures import Input
from flows.source import ManifestError, Path, Problem
from stylecore import settings
from stylecore.errors import SettingError
from stylecore.settings import Settings
from stylecore.values import STARTS


@dataclass(frozen=True)
class Cell:
    """One fully resolved render.

    Attributes:
        content: content picture, None where the method uses none.
        style: style picture or blend, None where the method uses none.
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
    def inputs(self) -> tuple[Input, ...]:
        """What it is made of: content, style, and what it starts from."""
        return tuple(picture for picture in (self.content, self.style, self.init) if picture)

    @property
    def pictures(self) -> tuple[Input, ...]:
        """Every file that it is made of, masks among them."""
        return tuple(file for picture in self.inputs for file in picture.files)


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
        along = self._setting_axes()
        self._methods = Base(along, self.defaults).methods()
        self.axes = [*self._picture_axes(), *along]
        self._base = Base(self.axes, self.defaults)
        self._repeats = repeats(self.axes, self._methods)
        self.excludes = [self._match(part, ("exclude", n)) for n, part in enumerate(job.exclude)]
        whens = [self._match(part.when, ("override", n, "when")) for n, part in enumerate(job.override)]
        changes = [{name: settings.parse(name, raw) for name, raw in part.set.items()} for part in job.override]
        self.overrides = list(zip(whens, changes, strict=True))
        self._counts = self._counted([*self.excludes, *whens])
        self._check_matches()
        if self._problems:
            raise loaded.error(self._problems)

    def taken(self, name: str) -> Iterator[Any]:
        """Values that a setting takes in cells of this block, some of them more than once."""
        along = next((axis.columns[name] for axis in self.axes if name in axis.columns), None)
        if along is not None:
            yield from (along[index].value for index in range(len(along)))
        elif self.axes:
            yield self._base.value({}, name)
        yield from (changes[name] for _, changes in self.overrides if name in changes)
        for part in self.job.add:
            yield settings.parse(name, part[name]) if name in part else self._base.value({}, name)

    def __len__(self) -> int:
        """Number of cells; at most `sys.maxsize`, which is all that `len` can say."""
        count = self._unsampled()
        return min(count, self.job.sample.count if self.job.sample else sys.maxsize)

    def __iter__(self) -> Iterator[Cell]:
        """The cells in order; raises ManifestError for settings that contradict each other."""
        return map(self.cell, self.places())

    def places(self) -> Iterator[int]:
        """A number for each cell in order, by which `cell` makes it; those that are added have negative ones."""
        sample, added = self.job.sample, [-1 - number for number in range(len(self.job.add))]
        in_grid = self._unsampled() - len(added)
        if not sample or sample.count >= in_grid + len(added):
            yield from self._grid()
            yield from added
            return
        draw = random.Random(sample.seed).sample  # noqa: S311 - no secret
        # cells that somebody wrote down one by one are kept before any that axes made
        kept = sorted(draw(range(min(in_grid, sys.maxsize)), max(0, sample.count - len(added))))
        if self.excludes or self._repeats:
            wanted = set(kept)
            yield from (place for index, place in enumerate(self._grid()) if index in wanted)
        else:
            yield from kept
        yield from (added[index] for index in sorted(draw(range(len(added)), min(len(added), sample.count))))

    def cell(self, place: int) -> Cell:
        """The cell with one of the numbers that `places` gives; raises as iteration does."""
        return self._cell(combination(self.axes, place)) if place >= 0 else self._added_cell(-1 - place)

    def _unsampled(self) -> int:
        excluding = (1 << len(self.excludes)) - 1
        return sum(n for bits, n in self._counts.items() if not bits & excluding) + len(self.job.add)

    def _counted(self, conditions: list[Condition]) -> Counter[int]:
        """Number of cells of the axes for each set of conditions they fulfil; repeated ones are none."""
        counts = self._base.count([*conditions, *self._repeats])
        return Counter({bits: n for bits, n in counts.items() if not bits >> len(conditions)})

    def _picture_axes(self) -> list[Axis]:
        used: dict[str, list[AxisValue]] = {}
        for kind in PICTURES:
            if needing := sorted(uses(kind, self._methods)):
                used[kind] = [AxisValue(picture, picture.label) for picture in getattr(self.inputs, kind)]
                if not (used[kind] or self.job.add or self.inputs.problems):
                    message = f"method {needing[0]} needs at least one picture under inputs.{kind}"
                    said = f"{message}: add {kind}: [PATH], or sample:NAME for a picture that ships"
                    self._problems.append(Problem(said, self.loaded.document.place(("inputs", kind))))
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

    def _match(self, part: dict[str, Any], path: Path) -> Condition:
        """A condition with values in canonical form; one on a picture is met only where the method uses it."""
        match: dict[str, Any] = {n: settings.parse(n, raw) for n, raw in part.items() if n not in PICTURES}
        for name in PICTURES:
            if name in part:
                known, said = getattr(self.inputs, name), str(part[name])
                match[name] = frozenset(lookup(known, said))
                if not match[name] and not self.inputs.problems:
                    near = suggestion(known, said)
                    self._wrong((*path, name), f"{name}: {part[name]!r} is none of inputs.{name}{near}")
                wanted = match.get("method", self._methods)
                match["method"] = uses(name, wanted if isinstance(wanted, frozenset) else [wanted])
        return match

    def _check_matches(self) -> None:
        """Every `exclude` and `override` must match a cell, or it says something other than its author meant."""
        excluding = (1 << len(self.excludes)) - 1
        places: list[tuple[Path, Condition, dict[str, Any]]] = [
            *((("exclude", n), self.excludes[n], part) for n, part in enumerate(self.job.exclude)),
            *((("override", n, "when"), self.overrides[n][0], part.when) for n, part in enumerate(self.job.override)),
        ]
        if not self._counts and (self._problems or self.inputs.problems):
            return
        for number, (path, match, written) in enumerate(places):
            if any(not match[name] or self.inputs.problems for name in PICTURES if name in match):
                continue  # what is wrong with the pictures is said already
            said = ", ".join(f"{name}: {raw}" for name, raw in written.items())
            hits = [bits for bits in self._counts if bits >> number & 1]
            if not hits:
                self._wrong(path, f"{path[0]}: no cell of this job has {said}")
            elif path[0] == "override" and all(bits & excluding for bits in hits):
                self._wrong(path, f"override: exclude removes every cell that has {said}")
        if self._counts and not self._unsampled():
            self._wrong(("exclude",), "exclude: this removes every cell of the job")

    def _grid(self) -> Iterator[int]:
        """Numbers of the combinations of the axes, without those that are left out."""
        left_out = [*self._repeats, *self.excludes]
        if not left_out:
            yield from range(math.prod(map(len, self.axes)))
            return
        for place, choice in enumerate(product(self.axes)):
            if not any(self._base.fulfils(choice, condition) for condition in left_out):
                yield place

    def _cell(self, choice: Choice) -> Cell:
        values = {**self.defaults, **{n: v.value for n, v in choice.items() if n not in PICTURES}}
        for match, changes in self.overrides:
            if self._base.fulfils(choice, match):
                values |= changes
        labels = {n: v.label for n, v in choice.items() if v.label and n not in PICTURES and values[n] == v.value}
        method = self._base.value(choice, "method")
        pictures = {kind: choice[kind].value for kind in PICTURES if kind in choice and needs(method, kind)}
        return self._resolved(pictures, values, labels, ())

    def _added_cell(self, number: int) -> Cell:
        part = self.job.add[number]
        values = {**self.defaults, **{n: settings.parse(n, raw) for n, raw in part.items() if n not in PICTURES}}
        pictures = {}
        for kind in (kind for kind in PICTURES if kind in part):
            known = lookup(getattr(self.inputs, kind), str(part[kind]))
            pictures[kind] = known[0] if known else self.inputs.others[str(part[kind])]
        return self._resolved(pictures, values, {}, ("add", number))

    def _resolved(self, pictures: dict[str, Input], values: dict[str, Any], labels: dict[str, str], path: Path) -> Cell:
        try:
            resolved = self._base.settings(values)
        except SettingError as error:
            raise self._contradiction(error, path) from None
        pictures = {kind: picture for kind, picture in pictures.items() if needs(resolved.method, kind)}
        for kind in PICTURES:
            if kind not in pictures and needs(resolved.method, kind):
                raise self._lacking(kind, resolved.method, path)
        content, style = pictures.get("content"), pictures.get("style")
        if content and content.masks:
            content = self._masked(content, style)
        named = isinstance(resolved.init, str) and resolved.init not in STARTS
        init = self.inputs.others[str(resolved.init)] if named else None
        return Cell(content, style, init, resolved, labels)

    def _lacking(self, kind: str, method: str, path: Path) -> Exception:
        if path:
            message = f"add: {kind!r} is missing; a cell of method {method} needs one"
            return self.loaded.error([Problem(message, self.loaded.document.place((*self.path, *path)))])
        message = f"method: {method} needs a {kind} picture, and this cell has none: the method of its axes uses none"
        return self._contradiction(SettingError("method", message), path)

    def _masked(self, content: Input, style: Input | None) -> Input:
        """The content with a mask for each part of the style; without masks where there is no style to apply."""
        if style is None:
            return replace(content, masks=())
        parts, masks = len(style.pictures), len(content.masks)
        if parts == masks:
            return content
        numbers = f"masks: {content.label} has {masks} and the style {style.label} is made of {parts}"
        said = f"{numbers} {'pictures' if parts > 1 else 'picture'}; expected a mask for each, or none"
        raise self.loaded.error([Problem(said, content.place)])

    def _contradiction(self, error: SettingError, path: Path) -> Exception:
        """The error at the nearest place that the manifest gives for its setting."""
        places = self.loaded.document.places
        owners: list[Path] = [
            (*self.path, *path),
            *((*self.path, "override", n, "set") for n in range(len(self.overrides))),
            (*self.path, "grid"),
            (*self.path, "zip"),
            ("defaults",),
        ]
        # a value that the manifest does not name is one that its preset or its method supplies
        candidates = [(*owner, name) for name in (error.setting, "preset", "method") for owner in owners]
        found = next((c for c in candidates if c in places), (*self.path, *path))
        return self.loaded.error([Problem(str(error), self.loaded.document.place(found))])

    def _wrong(self, path: Path, message: str) -> None:
        self._problems.append(Problem(message, self.loaded.document.place((*self.path, *path))))


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
