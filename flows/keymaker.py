"""Keys of very many cells in a row: only what differs from the cell before is written and looked at again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flows.cells import Cell
from flows.keys import CONSTANT, SCHEMA, Encoders, canonical, described, described_input, facts, picture_facts
from flows.pictures import Input
from stylecore.methods import METHODS
from stylecore.settings import FREE_IN_A_BATCH, names
from stylecore.values import STARTS
from stylecore.weights import WeightsSource

Answer = TypeVar("Answer")
_MOST_KEPT = 10_000  # answers that are remembered at a time
_SETTINGS = tuple(name for name in names() if name not in CONSTANT)
INPUTS = ("content", "style", "init picture")
"""Facts that are pictures."""
_FREE = FREE_IN_A_BATCH | {*INPUTS}
_FACTS = tuple(sorted([*_SETTINGS, *INPUTS, "method", "encoder", "format", "schema"]))


@dataclass(frozen=True)
class Look:
    """What is to be known of an input before its cells can be rendered.

    Attributes:
        unread: names of files whose bytes are not to be had.
        fault: why the first file that cannot be used cannot.
    """

    unread: tuple[str, ...] = ()
    fault: str = ""


class Keymaker:
    """Tells the keys of cells, and what else is written about them, one cell after the other.

    Args:
        encoders: finds weights.
        format: of the pictures.

    Attributes:
        facts: each of the last cell's `keys.facts` as its key has it, `"steps":300`, by name.
        inputs: the contents, styles and starts of all cells, by digest and name.
    """

    def __init__(self, encoders: Encoders, format: str) -> None:  # noqa: A002 - the manifest's word
        self.encoders, self.format = encoders, format
        self.inputs: dict[tuple[str, str], Input] = {}
        self.facts = dict.fromkeys(_FACTS, "")
        self.facts |= written({"format": format, "schema": SCHEMA, **dict.fromkeys(INPUTS)})
        self._settings: dict[str, Any] = {}
        self._pictures: dict[str, Input | None] = dict.fromkeys(INPUTS)
        self._kept: dict[tuple[str, int], tuple[Any, Any]] = {}
        self._fresh = True
        self._batch = ""

    def key(self, cell: Cell) -> str:
        """The cell's key, as `keys.key_of` gives it for the cell described; see `look` for whether it has one.

        Raises:
            WeightsError, StorageError: the weights are not to be had.
        """
        values, before = vars(cell.settings), self._settings
        for name in [name for name, value in values.items() if value is not before.get(name, self)]:
            self._take(name, values[name])
        self._settings = values
        self._see(cell)
        return hashlib.sha256(f"{{{','.join(self.facts.values())}}}".encode()).hexdigest()

    def source(self, encoder: str | dict[str, str]) -> WeightsSource:
        """The source of an encoder's weights; found once."""
        return self._once("source", encoder, self.encoders.source)

    def look(self, cell: Cell) -> Look:
        """What is the matter with the files of a cell."""
        looks = [self._once("look", picture, _looked_at) for picture in cell.inputs]
        if not any(look.unread or look.fault for look in looks):
            return Look()
        unread = tuple(name for look in looks for name in look.unread)
        return Look(unread, next((look.fault for look in looks if look.fault), ""))

    def batch(self) -> str:
        """What the last cell has in common with all that cost the same; a text to compare."""
        if self._fresh:
            shapes = [picture and _shape(picture) for picture in map(self._pictures.get, INPUTS[:2])]
            self._batch, self._fresh = f"{self._told(_FREE)},{shapes}", False
        return self._batch

    def fit(self, cell: Cell) -> str:
        """What the last cell has in common with all that fit into one batch with it; a text to compare."""
        seen = cell.content or cell.style
        canvases = cell.settings.canvases(seen.width, seen.height) if seen and seen.width else []
        masks = [picture and _shape(picture)[2:] for picture in map(self._pictures.get, INPUTS[:2])]
        return f"{self._told(_FREE | {'size', 'scales'})},{canvases},{masks}"

    def _told(self, free: frozenset[str]) -> str:
        return ",".join(fact for name, fact in self.facts.items() if name not in free)

    def described(self, cell: Cell) -> dict[str, Any]:
        """The cell as its receipt will carry it."""
        return described(cell, self.source(cell.settings.encoder), self.format)

    def _take(self, name: str, value: Any) -> None:
        """Write a setting that is not what it was in the cell before."""
        if name == "method":
            self.facts["method"] = _fact("method", [value, METHODS[value].version])
        elif name == "encoder":
            self.facts["encoder"] = _fact("encoder", weights_fact(self.source(value)))
        elif name == "init" and isinstance(value, str) and value not in STARTS:
            self.facts["init"] = '"init":"picture"'
        elif name in self.facts:
            kind = type(value)
            plain = kind is float or kind is int
            self.facts[name] = f'"{name}":{value!r}' if plain else self._once(name, value, lambda v: _fact(name, v))
        self._fresh = self._fresh or name not in FREE_IN_A_BATCH

    def _see(self, cell: Cell) -> None:
        """Write the pictures that are not those of the cell before."""
        before = self._pictures
        for name, picture in zip(INPUTS, (cell.content, cell.style, cell.init), strict=True):
            if picture is not before[name]:
                before[name] = picture
                self._fresh = True
                if picture is None:
                    self.facts[name] = f'"{name}":null'
                else:
                    self.facts[name] = self._once(name, picture, lambda p, n=name: _picture(n, p))  # type: ignore[misc]
                    self.inputs.setdefault((picture.digest, picture.word), picture)

    def _once(self, what: str, about: Any, find: Callable[[Any], Answer]) -> Answer:
        """An answer that is kept as long as the object it is about."""
        if (kept := self._kept.get((what, id(about)))) is not None:
            return kept[1]  # type: ignore[no-any-return]
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        answer = find(about)
        self._kept[what, id(about)] = about, answer  # with the object itself, or its id might be given to another
        return answer


def written(values: dict[str, Any]) -> dict[str, str]:
    """Facts as keys have them, by name."""
    return {name: _fact(name, value) for name, value in values.items()}


def facts_of(cell: dict[str, Any]) -> dict[str, str]:
    """Facts of a described cell as its key has them, by name; raises KeyError, TypeError or ValueError for no cell."""
    return written(facts(cell))


def value_of(fact: str) -> Any:
    """The value in a fact as it is written."""
    return json.loads(f"{{{fact}}}").popitem()[1]


def weights_fact(source: WeightsSource) -> dict[str, str]:
    """What counts of an encoder's weights."""
    return {"architecture": source.architecture, "input": source.input, "digest": source.digest}


def _fact(name: str, value: Any) -> str:
    return f"{json.dumps(name)}:{canonical(value).decode()}"


def _picture(name: str, picture: Input) -> str:
    return _fact(name, picture_facts(name, described_input(picture)))


def _looked_at(picture: Input) -> Look:
    unread = tuple(file.name for file in picture.files if not file.digest)
    return Look(unread, next((file.fault for file in picture.files if file.fault), ""))


def _shape(picture: Input) -> tuple[object, ...]:
    """What counts of a picture for the work it makes: its width and height, and how many masks there are of what."""
    parts = [part.mask is None for part in picture.parts]
    return picture.width, picture.height, len(picture.masks), picture.content_mask is None, parts
