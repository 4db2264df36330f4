"""Chunks: cells that fit together, as much as a worker does in the time a manifest allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from flows.cutting import Piece, Stock
from flows.dispatch import Portion
from flows.orders import Chunk, Order
from flows.plan import Item, Plan


@dataclass(frozen=True)
class Work:
    """What a run has to carry out.

    Iterated over, it gives chunks as one worker would do them that takes as long as was estimated.

    Attributes:
        stock: the cells.
        common: what all chunks have in common.
        workers: among how many it is divided where it is iterated over.
        shared: tells whether another run renders into the same output now.
        say: has the run's file say at once that the run ends, for workers that read it.
        off: takes workers that are taken off the run, with the reason.
    """

    stock: Stock
    common: Chunk
    workers: int = 1
    shared: Callable[[], bool] = lambda: False
    say: Callable[[], None] = lambda: None
    off: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Chunk]:
        while pieces := self.stock.cut(self.workers):
            yield replace(self.common, orders=tuple(_order(piece.item) for piece in pieces))

    def chunk(self, portion: Portion) -> Chunk:
        """A portion as a worker is handed it, now."""
        orders = tuple(_order(piece.item) for piece in portion.pieces)
        return replace(self.common, orders=orders, submitted=time.time(), limit=portion.limit, shared=self.shared())


def stock(plan: Plan, seconds: float, workers: int, *, reverse: bool = False) -> Stock:
    """What is to be rendered, to be cut into chunks.

    Cells with one method, encoder and size stay together, so that a worker changes model and canvas least; within a
    group the manifest's order is kept.

    Args:
        plan: the plan.
        seconds: work of one chunk at most.
        workers: that share it.
        reverse: the last first, so that two runs of one manifest meet in the middle.
    """
    operations = plan.operations
    rate = operations / max(plan.estimate.seconds, 1e-9) / max(1, workers)
    items = plan.to_render(backwards=reverse)
    pieces = (Piece(item.key, str(item.group), item.operations, item.most, item) for item in items)
    return Stock(pieces, operations, rate=rate, chunk=seconds)


def _order(item: Item) -> Order:
    """What a worker is told of a cell."""
    again = item.kind not in ("new", "changed")
    return Order(item.key, item.name, item.described, item.cell.settings.encoder, again)
