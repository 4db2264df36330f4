"""Why a cell is not there yet: the finished cell that it differs from least, and what the difference is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flows import naming
from flows.keymaker import INPUTS, value_of
from stylecore import settings

MOST_COMPARED = 20_000
"""Finished cells that new ones are compared with, of those that a manifest no longer names, and of those it does."""
_MOST_SEARCHES = 50
_ORDER = {name: place for place, name in enumerate([*settings.names(), *INPUTS, "format"])}
_LONGEST_SEARCH = 2_000
Facts = Mapping[str, str]
"""A cell's facts as its key has them, by name; see `keymaker`."""
Pair = tuple[str, ...]
_Texts = tuple[tuple[Pair, Pair], tuple[tuple[str, ...], tuple[str, ...]], str]


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished cell.

    Attributes:
        facts: those in which it differs from others; the rest is common to all.
        planned: whether the manifest names it now.
        pairs: names and digests of its content and style.
        digests: of the files of its content and style, whatever their weights and masks.
        encoder: what its encoder is called.
        everything: hash of `facts`.
    """

    facts: Facts
    planned: bool
    pairs: tuple[Pair, Pair]
    digests: tuple[tuple[str, ...], tuple[str, ...]]
    encoder: str
    everything: int

    def without(self, change: frozenset[str]) -> int:
        """Hash of all facts but some."""
        left = self.everything
        for name in change:
            if (fact := self.facts.get(name)) is not None:
                left ^= hash(fact)
        return left


class Nearest:
    """Finds the finished cell that a new one differs from least, among those of the same pictures by name or by bytes.

    Cells that differ in given facts are found by a hash that leaves those facts out. Receipts that the manifest no
    longer names come first: they are what a cell used to be before somebody changed a setting or a picture.

    Args:
        old: facts and described cells that the manifest no longer names.
        planned: the same of finished cells that it names now.
    """

    def __init__(
        self, old: Iterable[tuple[Facts, dict[str, Any]]], planned: Iterable[tuple[Facts, dict[str, Any]]]
    ) -> None:
        self._common: Facts = {}
        self._texts: dict[_Texts, _Texts] = {}
        self._finished = list(self._all(old, planned))
        self._pairs: dict[Pair, list[Finished]] = {}
        for one in self._finished:
            for pair in dict.fromkeys(one.pairs):
                self._pairs.setdefault(pair, []).append(one)
        self._varying = frozenset(name for one in self._finished for name in one.facts)
        # facts that are left out: each by itself where it is needed, and those that a search found to have changed
        self._changes: dict[frozenset[str], dict[tuple[Pair, int], Finished]] = {}
        self._together: list[frozenset[str]] = []
        self._searches = 0

    def reason(self, facts: Facts, cell: dict[str, Any]) -> tuple[str, str]:
        """Kind and detail for a cell that has no receipt.

        Args:
            facts: the cell's.
            cell: the cell described.
        """
        if not self._finished:
            return "new", ""
        mine = self._one(facts, cell, planned=False)
        near = self._nearest(mine)
        if near is None:
            return "new", ""
        said = ", ".join(self._difference(name, near, mine, cell) for name in self._differing(near, mine))
        if near.planned:
            return "new", f"unlike the nearest done cell, {said}"
        return "changed", said

    def _all(self, *groups: Iterable[tuple[Facts, dict[str, Any]]]) -> Iterator[Finished]:
        for number, group in enumerate(groups):
            for facts, cell in group:
                self._common = self._common or dict(facts)
                try:
                    one = self._one(facts, cell, planned=number > 0)
                except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
                    continue  # from another version: nothing can be compared with it
                texts = one.pairs, one.digests, one.encoder
                pairs, digests, encoder = self._texts.setdefault(texts, texts)  # cells share what they can
                yield replace(one, pairs=pairs, digests=digests, encoder=encoder)

    def _one(self, facts: Facts, cell: dict[str, Any], *, planned: bool) -> Finished:
        common = self._common
        own = {name: fact for name in _ORDER if (fact := facts.get(name, "")) != common.get(name, "")}
        pictures = [cell.get(part) or {} for part in ("content", "style")]
        # by name, since bytes may have changed, and by bytes, since a file may have been renamed
        names, digests = (tuple(str(picture.get(by, "")) for picture in pictures) for by in ("name", "sha256"))
        files = [picture.get("parts") or [picture] if picture else [] for picture in pictures]
        parts = tuple(tuple(file["sha256"] for file in some) for some in files)
        everything = 0
        for fact in own.values():
            everything ^= hash(fact)
        encoder = naming.said(cell["settings"].get("encoder"))
        return Finished(own, planned, (names, digests), (parts[0], parts[1]), encoder, everything)

    def _nearest(self, mine: Finished) -> Finished | None:
        found = []
        for change in [*(frozenset([name]) for name in sorted(self._varying | set(mine.facts))), *self._together]:
            index = self._index(change)
            found += [one for pair in mine.pairs if (one := index.get((pair, mine.without(change))))]
        if found:
            return min(found, key=lambda one: (one.planned, len(self._differing(one, mine))))
        candidates = [one for pair in mine.pairs for one in self._pairs.get(pair, [])][:_LONGEST_SEARCH]
        if self._searches >= _MOST_SEARCHES:
            candidates = candidates[:_MOST_SEARCHES]  # cells that have little in common: any will do
        if not candidates:
            return None
        near = min(candidates, key=lambda one: (one.planned, len(self._differing(one, mine))))
        change = frozenset(self._differing(near, mine))
        if len(change) > 1 and change not in self._together and self._searches < _MOST_SEARCHES:
            self._searches += 1
            self._together.append(change)
        return near

    def _index(self, change: frozenset[str]) -> dict[tuple[Pair, int], Finished]:
        """Finished cells by their pictures and a hash of all facts but some."""
        if (index := self._changes.get(change)) is None:
            index = self._changes[change] = {}
            for one in self._finished:
                for pair in one.pairs:
                    index.setdefault((pair, one.without(change)), one)
        return index

    def _differing(self, one: Finished, mine: Finished) -> list[str]:
        """Names of the facts in which cells differ, of those that the new one has, in order."""
        names = [name for name in {**one.facts, **mine.facts} if self._fact(one, name) != self._fact(mine, name)]
        return sorted(names, key=_ORDER.__getitem__)

    def _fact(self, one: Finished, name: str) -> str:
        """A fact of a cell; empty where it has none of that name."""
        return one.facts[name] if name in one.facts else self._common.get(name, "")

    def _difference(self, name: str, before: Finished, mine: Finished, cell: dict[str, Any]) -> str:
        """One difference in words."""
        if not (was := self._fact(before, name)):
            return f"{name} unknown → {naming.said(value_of(self._fact(mine, name)))}"
        if name in ("content", "style"):
            kind = ("content", "style").index(name)
            same = before.digests[kind] == mine.digests[kind]
            return f"{name} {cell[name]['name']} has other {'weights or masks' if same else 'bytes'}"
        if name == "init picture":
            return "init picture is another"
        if name == "encoder":
            changed = before.encoder != mine.encoder
            said = f"{before.encoder} → {mine.encoder}" if changed else f"{mine.encoder} has other weights"
            return f"encoder {said}"
        old, new = value_of(was), value_of(self._fact(mine, name))
        if name == "method":
            return f"method {' version '.join(map(str, old))} → {' version '.join(map(str, new))}"
        return f"{name} {naming.said_of(name, old)} → {naming.said_of(name, new)}"
