"""Why a cell is not there yet: the finished cell that it differs from least, and what the difference is."""

from __future__ import annotations

from typing import Any

from flows import naming
from flows.keys import canonical, facts
from flows.receipts import Ledger

_MOST_SEARCHES = 50


class Nearest:
    """Finds the finished cell that a new one differs from least, among those of the same pictures by name or by bytes.

    Cells that differ in given facts are found by a hash that leaves those facts out. Receipts that the manifest no
    longer names come first: they are what a cell used to be before somebody changed a setting or a picture.

    Args:
        ledger: what the output holds.
        planned: keys that the manifest names now.
    """

    def __init__(self, ledger: Ledger, planned: set[str]) -> None:
        self._planned = planned
        self._finished: list[_Finished] = []
        for receipt in sorted(ledger.receipts.values(), key=lambda r: (r["key"] in planned, r["key"])):
            try:
                self._finished.append(_Finished(receipt))
            except (KeyError, TypeError, ValueError):
                continue  # from another version: nothing can be compared with it
        self._pairs: dict[tuple[str, ...], list[_Finished]] = {}
        for one in self._finished:
            for pair in one.pairs:
                self._pairs.setdefault(pair, []).append(one)
        names = dict.fromkeys(name for one in self._finished for name in one.hashes)
        # sets of facts that are left out: each by itself, then those that a search found to have changed together
        self._changes = {frozenset([name]): self._index({name}) for name in names}
        self._searches = 0

    def reason(self, cell: dict[str, Any]) -> tuple[str, str]:
        """Kind and detail for a cell that has no receipt."""
        if not self._finished:
            return "new", ""
        mine = _Finished({"cell": cell, "key": ""})
        near = self._nearest(mine)
        if near is None:
            return "new", ""
        said = ", ".join(_difference(name, near, mine) for name in near.differing(mine))
        if near.key in self._planned:
            return "new", f"unlike the nearest done cell, {said}"
        return "changed", said

    def _nearest(self, mine: _Finished) -> _Finished | None:
        known = [
            index.get((pair, mine.without(change))) for change, index in self._changes.items() for pair in mine.pairs
        ]
        if found := [one for one in known if one]:
            return min(found, key=lambda one: (one.key in self._planned, len(one.differing(mine))))
        candidates = [one for pair in mine.pairs for one in self._pairs.get(pair, [])]
        if self._searches >= _MOST_SEARCHES:
            candidates = candidates[:_MOST_SEARCHES]  # cells that have little in common: any will do
        if not candidates:
            return None
        near = min(candidates, key=lambda one: (one.key in self._planned, len(one.differing(mine))))
        change = frozenset(near.differing(mine))
        if change not in self._changes:
            self._searches += 1
            self._changes[change] = self._index(change)
        return near

    def _index(self, change: frozenset[str] | set[str]) -> dict[tuple[tuple[str, ...], int], _Finished]:
        index: dict[tuple[tuple[str, ...], int], _Finished] = {}
        for one in self._finished:
            for pair in one.pairs:
                index.setdefault((pair, one.without(change)), one)
        return index


class _Finished:
    """A receipt's cell with a hash of each of its facts."""

    def __init__(self, receipt: dict[str, Any]) -> None:
        self.cell: dict[str, Any] = receipt["cell"]
        self.key: str = receipt["key"]
        self.facts = facts(self.cell)
        self.hashes = {name: hash((name, _hashable(value))) for name, value in self.facts.items()}
        pictures = [self.cell.get(part) or {} for part in ("content", "style")]
        # by name, since bytes may have changed, and by bytes, since a file may have been renamed
        self.pairs = {tuple(str(picture.get(by, "")) for picture in pictures) for by in ("name", "sha256")}
        self._everything = 0
        for one in self.hashes.values():
            self._everything ^= one

    def without(self, change: frozenset[str] | set[str]) -> int:
        """Hash of all facts but some."""
        left = self._everything
        for name in change:
            left ^= self.hashes.get(name, 0)
        return left

    def differing(self, other: _Finished) -> list[str]:
        """Names of the facts in which another cell differs."""
        return [name for name, one in other.hashes.items() if self.hashes.get(name) != one]


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else canonical(value)


def _digests(picture: dict[str, Any] | None) -> list[str]:
    """Digests of a described picture's parts, or its own, whatever their weights and masks."""
    return [part["sha256"] for part in picture.get("parts") or [picture]] if picture else []


def _difference(name: str, before: _Finished, after: _Finished) -> str:
    """One difference in words."""
    if name not in before.facts:
        return f"{name} unknown → {naming.said(after.facts[name])}"
    old, new = before.facts[name], after.facts[name]
    if name in ("content", "style"):
        same = _digests(before.cell[name]) == _digests(after.cell[name])
        return f"{name} {after.cell[name]['name']} has other {'weights or masks' if same else 'bytes'}"
    if name == "init picture":
        return "init picture is another"
    if name == "encoder":
        before_, after_ = (naming.said(one.cell["settings"].get("encoder")) for one in (before, after))
        return f"encoder {before_} → {after_}" if before_ != after_ else f"encoder {after_} has other weights"
    if name == "method":
        return f"method {' version '.join(map(str, old))} → {' version '.join(map(str, new))}"
    return f"{name} {naming.said_of(name, old)} → {naming.said_of(name, new)}"
