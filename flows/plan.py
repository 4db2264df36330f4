"""The plan: every cell of a manifest, whether it must be rendered, and why."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flows import cells, inputs, naming, variation
from flows.cells import Block, Cell
from flows.estimate import Estimate, estimate
from flows.keys import Encoders, described, key_of
from flows.manifest import Loaded
from flows.nearest import Nearest
from flows.receipts import Ledger, faults
from flows.source import ManifestError, Place, Problem
from flows.store import Store
from stylecore.architectures import smallest_side
from stylecore.images import EXTENSIONS

_MOST_CHECKED = 10_000
REASONS = (
    "done",
    "new",
    "changed",
    "picture missing",
    "picture altered",
    "snapshot missing",
    "snapshot altered",
    "bad input",
)
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
        orders: labels along each axis in the order written, by name.
        estimate: time, memory and bytes of what is to be rendered.
    """

    items: list[Item]
    varying: list[str]
    orders: dict[str, list[str]]
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
    found = inputs.find(loaded, inputs.pictures_named(loaded), store.url)
    blocks = cells.blocks(loaded, found)
    _check_number(loaded, blocks, limit)
    varying = variation.varying(blocks)
    named = list(_named(loaded, blocks, varying, limit))
    done = {key: ledger.receipts[key] for key, _, _, _ in named if key in ledger.receipts}
    state = dict(faults(done.values(), ledger, store))
    nearest: Nearest | None = None
    items = []
    for key, name, cell, description in named:
        if bad := next((p for p in cell.pictures if p.fault), None):
            items.append(Item(key, name, cell, description, "bad input", bad.fault))
        elif key in done:
            path = done[key]["picture"]["path"]
            items.append(Item(key, path if not state[key] else name, cell, description, state[key] or "done"))
        else:
            nearest = nearest or Nearest(ledger, {key for key, _, _, _ in named})
            kind, detail = nearest.reason(description)
            items.append(Item(key, name, cell, description, kind, detail))
    todo = [item.cell for item in items if item.to_render]
    return Plan(items, varying, variation.orders(blocks), estimate(todo, ledger.receipts.values()))


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
    seen: set[tuple[str, ...]] = set()
    for block in blocks:
        for cell in block:
            if limit is not None and len(seen) >= limit:
                return
            source = encoders.source(cell.settings.encoder)
            _check_layers(loaded, cell, source.layers)
            description = described(cell, source, output)
            key = key_of(description)
            # a picture that cannot be read has no digest: such cells differ by its name instead
            unread = [picture.name for picture in cell.pictures if not picture.digest]
            if (key, *unread) in seen:
                continue
            seen.add((key, *unread))
            name = naming.picture_name(cell, "0" * 12 if unread else key, varying, EXTENSIONS[output])
            yield "" if unread else key, f"renders/{name}", cell, description


def _check_layers(loaded: Loaded, cell: Cell, layers: tuple[str, ...] | None) -> None:
    used = cell.settings.layers()
    for name in ("content_layers", "style_layers"):
        named = [layer for layer in getattr(cell.settings, name) if layer in used]
        if layers and (missing := [layer for layer in named if layer not in layers]):
            message = f"{name}: the encoder's weights end with {layers[-1]}, so there is no {missing[0]}"
            raise loaded.error([Problem(message, loaded.document.place(("defaults", name)))])


def check(loaded: Loaded) -> tuple[int, list[str]]:
    """Check everything about a manifest short of rendering: cells, weights, headers of pictures.

    Args:
        loaded: the manifest; read leniently, so that what is right about it is looked at too.

    Returns:
        The number of cells, and a line for each picture that cannot be used.

    Raises:
        ManifestError: with every mistake, pictures included.
        WeightsError, StorageError: as `make`.
    """
    found = inputs.find(loaded, inputs.pictures_named(loaded), inputs.output_of(loaded))
    faults = inputs.faulty(found)
    problems: list[Problem] = []
    count = 0
    try:
        blocks = cells.blocks(loaded, found)
        count = sum(map(len, blocks))
        problems += _contradictions(loaded, blocks)
    except ManifestError as error:
        problems += error.problems
    if problems:
        raise loaded.error([*problems, *faults])
    return count, [f"{problem.place}: {problem.message}" for problem in faults]


def _contradictions(loaded: Loaded, blocks: Iterable[Block]) -> Iterator[Problem]:
    """What is wrong with single cells, as far as a run would make them."""
    encoders = Encoders(loaded.url)
    attempts = itertools.chain.from_iterable(block.attempts() for block in blocks)
    for attempt in itertools.islice(attempts, _MOST_CHECKED):
        try:
            cell = attempt()
            _check_layers(loaded, cell, encoders.source(cell.settings.encoder).layers)
            yield from _unfit(loaded, cell)
        except ManifestError as error:
            yield from error.problems


def _unfit(loaded: Loaded, cell: Cell) -> Iterator[Problem]:
    """A pyramid that starts beyond the picture, or a canvas with no position left at the deepest layer."""
    picture, settings = cell.content or cell.style, cell.settings
    if not (picture and picture.width):
        return
    canvases, scales = settings.canvases(picture.width, picture.height), settings.scales
    longest, least = max(canvases[-1]), smallest_side(settings.layers())
    side = scales[-1] if isinstance(scales, list) else 0
    if side > longest:
        said = f"scales: {side} is larger than {picture.name} at size {settings.size}; expected at most {longest}"
        yield Problem(said, _named_at(loaded, "scales", "size"))
    elif low := next((shape for shape in canvases if min(shape) < least), None):
        said = f"{picture.name} has {low[0]}×{low[1]} pixels at size {max(low)}, too few for the encoder's layers"
        message = f"{said}: both sides need at least {least}; raise size, or set scales: 1"
        yield Problem(message, _named_at(loaded, "scales", "size"))


def _named_at(loaded: Loaded, *settings: str) -> Place:
    """Where the manifest names the first of some settings that it names at all."""
    places = loaded.document.places
    found = (place for name in settings for path, place in places.items() if path[-1:] == (name,) and len(path) > 1)
    return next(found, Place())
