"""The plan: every cell of a manifest, whether it must be rendered, and why."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, overload

from flows import cells, holdings, inputs, variation
from flows.cells import Block, Cell
from flows.estimate import Cost, Estimate, altogether
from flows.filling import Filling
from flows.keymaker import Keymaker, facts_of
from flows.keys import Encoders
from flows.manifest import Loaded
from flows.nearest import MOST_COMPARED, Nearest
from flows.pictures import Input
from flows.receipts import read_many
from flows.remembered import Remembered
from flows.shards import WHOLE, Shard
from flows.source import Problem
from flows.spool import Row, Spool
from flows.store import Store

_MOST_RATES = 1000  # receipts that are asked for the time they took
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
_TO_RENDER = "mine AND state NOT IN ('done', 'bad input')"


@dataclass(frozen=True)
class Item:
    """One cell of the plan.

    Attributes:
        key: the cell's key; empty where a picture's bytes are not to be had.
        name: path of its picture in the output.
        kind: one of `REASONS`.
        detail: what exactly: the setting that changed, the picture that cannot be read.
        operations: its work, as `estimate.operations` gives it.
        group: a number that cells of the same method, encoder and size share.
        most: seconds after which its render ends with what it has.
    """

    key: str
    name: str
    kind: str
    detail: str
    operations: float
    group: int
    most: float
    _expansion: Expansion = field(repr=False, compare=False)
    _at: tuple[int, int] = field(repr=False, compare=False)

    @cached_property
    def cell(self) -> Cell:
        """The cell; made where it is asked for."""
        return self._expansion.cell(*self._at)

    @cached_property
    def described(self) -> dict[str, Any]:
        """The cell as its receipt will carry it."""
        return self._expansion.keymaker.described(self.cell)

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
class Expansion:
    """Makes any cell of a manifest by its block and its number there."""

    blocks: list[Block]
    keymaker: Keymaker

    def cell(self, block: int, place: int) -> Cell:
        """The cell with a number that `Block.places` gave."""
        return self.blocks[block].cell(place)

    def item(self, row: Row) -> Item:
        """The plan's item of a row of the spool."""
        key = row.identity.hex() if len(row.identity) == 32 else ""
        at = row.block, row.place
        return Item(key, row.name, row.state, row.detail, row.operations, row.kind, row.most, self, at)


class Items(Sequence[Item]):
    """Cells of a plan that fulfil a condition, read from the spool whenever they are gone through."""

    def __init__(self, spool: Spool, expansion: Expansion, where: str, rows: Callable[[], Iterator[Row]]) -> None:
        self._spool, self._expansion, self._where, self._rows = spool, expansion, where, rows

    @cached_property
    def _count(self) -> int:
        return self._spool.count(self._where)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Item]:
        return map(self._expansion.item, self._rows())

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        """By position; goes through those before it, so that it is for few."""
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return next(itertools.islice(self, place, None))


@dataclass(frozen=True)
class Plan:
    """All cells of a manifest, each once, in order; on disk, so that it may be any number.

    Attributes:
        items: the cells of this shard.
        everything: those of all shards.
        varying: settings that vary between them.
        orders: labels along each axis in the order written, by name.
        estimate: time, memory and bytes of what is to be rendered.
        pictures: contents, styles and starts of all cells, each once.
    """

    items: Items
    everything: Items
    varying: list[str]
    orders: dict[str, list[str]]
    estimate: Estimate
    pictures: list[Input]
    _spool: Spool = field(repr=False)
    _expansion: Expansion = field(repr=False)

    def to_render(self, *, backwards: bool = False) -> Items:
        """Cells that must be rendered: by method, encoder and size, and within those what fits into one batch together.

        A worker that goes through them, from the first or from the last, changes model and canvas least.
        """
        rows = partial(self._spool.queued, backwards=backwards)
        return Items(self._spool, self._expansion, _TO_RENDER, rows)

    def reasons(self) -> dict[str, int]:
        """Number of cells by kind of reason."""
        counted = dict(self._spool.run("SELECT state, count(*) FROM cells WHERE mine GROUP BY state"))
        return {kind: counted[kind] for kind in REASONS if kind in counted}

    def of_kind(self, kind: str) -> Items:
        """Cells with one of the `REASONS`."""
        assert kind in REASONS
        return _items(self._spool, self._expansion, f"mine AND state = '{kind}'")

    def find(self, key: str) -> Item | None:
        """The cell with a key, of this shard or another."""
        row = self._spool.find(holdings.as_key(key))
        return self._expansion.item(row) if row else None

    @property
    def operations(self) -> float:
        """Work of all that is to be rendered."""
        return sum(operations * count for operations, *_, count in self._spool.costs(_TO_RENDER))

    def encoders(self) -> list[str | dict[str, str]]:
        """Encoders of what is to be rendered, each once."""
        return self._spool.encoders(_TO_RENDER)


def make(loaded: Loaded, store: Store, *, limit: int | None = None, shard: Shard = WHOLE) -> Plan:
    """Plan a manifest against what an output holds already.

    Args:
        loaded: the manifest.
        store: the output.
        limit: plan the first so many cells only.
        shard: of those, the cells that this run renders.

    Raises:
        ManifestError: cells that contradict themselves, too many of them, pictures outside the root.
        WeightsError: an encoder's weights are not to be had.
        StorageError: a root or the output cannot be reached.
    """
    with Remembered() as memory:
        found = inputs.find(loaded, inputs.pictures_named(loaded), store.url, memory)
        blocks = cells.blocks(loaded, found)
        _check_number(loaded, blocks, limit)
        varying = variation.varying(blocks)
        keymaker = Keymaker(Encoders(loaded.url), loaded.manifest.output.format)
        expansion, spool = Expansion(blocks, keymaker), Spool()
        held = holdings.take(store, spool, memory)
        filling = Filling(loaded, blocks, keymaker, spool, varying, shard, held)
        filling.fill(limit)
        if held:
            holdings.judge(store, spool, memory)
            filling.name_the_rest()
    if held:
        _give_reasons(store, spool, expansion)
    else:
        spool.run("UPDATE cells SET state = 'new' WHERE state = ''")
    spool.line_up(_TO_RENDER)
    costs = ((Cost(work, most, memory, size), count) for work, most, memory, size, count in spool.costs(_TO_RENDER))
    receipts = read_many(store, holdings.receipts(spool, _MOST_RATES))
    mine, everything = (_items(spool, expansion, where) for where in ("mine", "1"))
    estimated, pictures = altogether(costs, receipts), list(keymaker.inputs.values())
    return Plan(mine, everything, varying, variation.orders(blocks), estimated, pictures, spool, expansion)


def _items(spool: Spool, expansion: Expansion, where: str) -> Items:
    return Items(spool, expansion, where, partial(spool.rows, where))


def _check_number(loaded: Loaded, blocks: list[Block], limit: int | None) -> None:
    count, most = sum(map(len, blocks)), loaded.manifest.run.max_cells
    if count > most and not (limit and limit <= most):
        message = f"{count:,} cells are more than {most:,}: use --limit N, a job's sample, or raise run.max_cells"
        raise loaded.error([Problem(message, loaded.document.place(("jobs",)))])


def _give_reasons(store: Store, spool: Spool, expansion: Expansion) -> None:
    """Say of each cell that has no state yet whether it is new, or what of it has changed."""
    if not spool.count("state = ''"):
        return
    keymaker = expansion.keymaker

    def told(at: tuple[int, int]) -> tuple[dict[str, str], dict[str, Any]]:
        cell = expansion.cell(*at)
        keymaker.key(cell)
        return keymaker.facts, keymaker.described(cell)

    nearest = Nearest(_old(store, spool), map(told, holdings.planned(spool, MOST_COMPARED)))
    reasons = ((*nearest.reason(*told((row.block, row.place))), row.number) for row in spool.rows("state = ''"))
    spool.change("UPDATE cells SET state = ?, detail = ? WHERE number = ?", reasons)


def _old(store: Store, spool: Spool) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Facts and description of finished cells that the manifest does not name."""
    for receipt in read_many(store, holdings.orphans(spool, MOST_COMPARED)):
        try:
            yield facts_of(receipt["cell"]), receipt["cell"]
        except (KeyError, TypeError, ValueError):
            continue  # from another version: nothing can be compared with it
