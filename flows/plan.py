"""The plan: every cell of a manifest, whether it must be rendered, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flows import cells, inputs, naming
from flows.cells import Block, Cell
from flows.estimate import Estimate, estimate
from flows.keys import Encoders, canonical, described, facts, key_of
from flows.manifest import Loaded
from flows.receipts import Ledger, faults
from flows.source import Problem
from flows.store import Store
from stylecore.images import EXTENSIONS

REASONS = ("done", "new", "changed", "picture missing", "picture altered", "bad input")
"""Kinds of reasons: `done` and `bad input` are not rendered, all others are."""


@dataclass(frozen=True)
class Item:
    """One cell of the plan.

    Attributes:
        key: the cell's key; empty where a picture's bytes are not to be had.
        name: path of its picture in the output.
        cell: the cell.
        described: the cell as its receipt will carry it.
        kind: one of `REASONS`.
        detail: what exactly: the setting that changed, the picture that cannot be read.
    """

    key: str
    name: str
    cell: Cell
    described: dict[str, Any]
    kind: str
    detail: str = ""

    @property
    def reason(self) -> str:
        """Kind and detail in words."""
        return f"{self.kind}: {self.detail}" if self.detail else self.kind

    @property
    def title(self) -> str:
        """Content and style in words, for progress."""
        return " × ".join(p.label for p in (self.cell.content, self.cell.style) if p)

    @property
    def to_render(self) -> bool:
        """Whether a worker must render it."""
        return self.kind not in ("done", "bad input")


@dataclass(frozen=True)
class Plan:
    """All cells of a manifest, each once, in order.

    Attributes:
        items: the cells.
        varying: settings that vary between them.
        estimate: time, memory and bytes of what is to be rendered.
    """

    items: list[Item]
    varying: list[str]
    estimate: Estimate

    def to_render(self) -> list[Item]:
        """Cells that must be rendered."""
        return [item for item in self.items if item.to_render]

    def reasons(self) -> dict[str, int]:
        """Number of cells by kind of reason."""
        counted = Counter(item.kind for item in self.items)
        return {kind: counted[kind] for kind in REASONS if counted[kind]}


def make(loaded: Loaded, store: Store, ledger: Ledger, *, limit: int | None = None) -> Plan:
    """Plan a manifest against what an output holds already.

    Args:
        loaded: the manifest.
        store: the output.
        ledger: what it holds.
        limit: plan the first so many cells only.

    Raises:
        ManifestError: cells that contradict themselves, too many of them, pictures outside the root.
        WeightsError: an encoder's weights are not to be had.
        StorageError: a root or the output cannot be reached.
    """
    found = inputs.find(loaded, cells.pictures_named(loaded))
    blocks = cells.blocks(loaded, found)
    _check_number(loaded, blocks, limit)
    varying = list(dict.fromkeys(name for block in blocks for name in block.varying()))
    named = list(_named(loaded, blocks, varying, limit))
    done = {key: ledger.receipts[key] for key, _, _, _ in named if key in ledger.receipts}
    state = dict(faults(done.values(), ledger, store))
    nearest = Nearest(ledger, {key for key, _, _, _ in named})
    items = []
    for key, name, cell, description in named:
        if bad := next((p for p in cell.pictures if p.fault), None):
            items.append(Item(key, name, cell, description, "bad input", bad.fault))
        elif key in done:
            path = done[key]["picture"]["path"]
            items.append(Item(key, path if not state[key] else name, cell, description, state[key] or "done"))
        else:
            kind, detail = nearest.reason(description)
            items.append(Item(key, name, cell, description, kind, detail))
    todo = [item.cell for item in items if item.to_render]
    return Plan(items, varying, estimate(todo, ledger.receipts.values()))


def _check_number(loaded: Loaded, blocks: list[Block], limit: int | None) -> None:
    count, most = sum(map(len, blocks)), loaded.manifest.run.max_cells
    if count > most and not (limit and limit <= most):
        message = f"{count:,} cells are more than {most:,}: use --limit N, a job's sample, or raise run.max_cells"
        raise loaded.error([Problem(message, loaded.document.place(("jobs",)))])


def _named(
    loaded: Loaded, blocks: Iterable[Block], varying: list[str], limit: int | None
) -> Iterator[tuple[str, str, Cell, dict[str, Any]]]:
    """Key, picture name, cell and description of each distinct cell; of equal ones the first."""
    encoders = Encoders(loaded.url)
    output = loaded.manifest.output.format
    seen: set[bytes] = set()
    for block in blocks:
        for cell in block:
            if limit is not None and len(seen) >= limit:
                return
            source = encoders.source(cell.settings.encoder)
            _check_layers(loaded, cell, source.layers)
            description = described(cell, source, output)
            # a picture that cannot be read has no digest: such cells differ by its name instead
            unread = [p.name for p in cell.pictures if not p.digest]
            identity = canonical([facts(description), unread])
            if identity in seen:
                continue
            seen.add(identity)
            key = "" if unread else key_of(description)
            name = naming.picture_name(cell, key or "0" * 12, varying, EXTENSIONS[output])
            yield key, f"renders/{name}", cell, description


def _check_layers(loaded: Loaded, cell: Cell, layers: tuple[str, ...] | None) -> None:
    for name in ("content_layers", "style_layers"):
        missing = [layer for layer in getattr(cell.settings, name) if layers is not None and layer not in layers]
        if missing and layers:
            message = f"{name}: the encoder's weights end with {layers[-1]}, so there is no {missing[0]}"
            raise loaded.error([Problem(message, loaded.document.place(("defaults", name)))])


class Nearest:
    """Finds the finished cell that a new one differs from least, and says in what.

    Cells that differ in one fact are found by hashes that leave one fact out. Receipts that the manifest no longer
    names come first: they are what a cell used to be before somebody changed a setting or a picture.

    Args:
        ledger: what the output holds.
        planned: keys that the manifest names now.
    """

    def __init__(self, ledger: Ledger, planned: set[str]) -> None:
        self._without: dict[tuple[str, int], dict[str, Any]] = {}
        self._pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._planned = planned
        for receipt in sorted(ledger.receipts.values(), key=lambda r: (r["key"] in planned, r["key"])):
            try:
                hashes = _hashes(facts(receipt["cell"]))
            except (KeyError, TypeError):
                continue  # from another version: nothing can be compared with it
            everything = _combined(hashes)
            for name, one in hashes.items():
                self._without.setdefault((name, everything ^ one), receipt)
            self._pairs.setdefault(_pair(receipt["cell"]), []).append(receipt)

    def reason(self, cell: dict[str, Any]) -> tuple[str, str]:
        """Kind and detail for a cell that has no receipt."""
        mine = facts(cell)
        hashes = _hashes(mine)
        everything = _combined(hashes)
        alike = [self._without[at] for name, one in hashes.items() if (at := (name, everything ^ one)) in self._without]
        alike = [r for r in alike if _pair(r["cell"]) == _pair(cell)] or self._pairs.get(_pair(cell), [])[:50]
        if not alike:
            return "new", ""
        best = min(alike, key=lambda r: (r["key"] in self._planned, len(_differences(mine, facts(r["cell"])))))
        theirs = facts(best["cell"])
        said = [_difference(name, best["cell"], cell, theirs[name], mine[name]) for name in _differences(mine, theirs)]
        if best["key"] in self._planned:
            return "new", "unlike the nearest done cell, " + ", ".join(said)
        return "changed", ", ".join(said)


def _hashes(of: dict[str, Any]) -> dict[str, int]:
    return {name: hash((name, canonical(value))) for name, value in of.items()}


def _combined(hashes: dict[str, int]) -> int:
    total = 0
    for one in hashes.values():
        total ^= one
    return total


def _pair(cell: dict[str, Any]) -> tuple[str, str]:
    content, style = cell.get("content") or {}, cell.get("style") or {}
    return content.get("name", ""), style.get("name", "")


def _differences(mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    return [name for name in mine if name in theirs and mine[name] != theirs[name]]


def _difference(name: str, before: dict[str, Any], after: dict[str, Any], old: Any, new: Any) -> str:
    """One difference in words."""
    if name in ("content", "style"):
        return f"{name} {after[name]['name']} has other bytes"
    if name == "init picture":
        return "init picture is another"
    if name == "encoder":
        return f"encoder {before['settings']['encoder']} → {after['settings']['encoder']}"
    if name == "method":
        return f"method {' version '.join(map(str, old))} → {' version '.join(map(str, new))}"
    return f"{name} {naming.said(old)} → {naming.said(new)}"


def check(loaded: Loaded) -> tuple[int, list[str]]:
    """Check everything about a manifest short of rendering: cells, weights, headers of pictures.

    Returns:
        The number of cells, and a line for each picture that cannot be used.

    Raises:
        ManifestError, WeightsError, StorageError: as `make`.
    """
    found = inputs.find(loaded, cells.pictures_named(loaded))
    blocks = cells.blocks(loaded, found)
    count = sum(map(len, blocks))
    most = None if count <= loaded.manifest.run.max_cells else 1000
    used = {p.name: p for _, _, cell, _ in _named(loaded, blocks, [], most) for p in cell.pictures}
    listed = {p.name: p for p in (*found.content, *found.style)} | used
    return count, [p.fault for p in listed.values() if p.fault]
