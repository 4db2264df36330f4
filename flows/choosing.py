"""What of a chunk a worker renders: nothing that is done already, nothing beyond its limit, nothing it may not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version

from flows.orders import Chunk, Order, Outcome
from flows.receipts import read_receipt, receipt_name
from flows.store import Store, open_store
from stylecore.errors import StylepressError
from stylecore.methods import METHODS

_READERS = 16  # receipts read at a time


class RefusedError(StylepressError):
    """This worker may not render for a run: its keys would be those of other pixels."""

    kind = "engine"


def check_versions(chunk: Chunk) -> None:
    """Make sure that this worker renders what a chunk's keys stand for.

    Raises:
        RefusedError: it has another version of the package, or of a method.
    """
    here = version("stylepress")
    if chunk.stylepress and chunk.stylepress != here:
        raise RefusedError(f"it has stylepress {here}, and the run was planned with {chunk.stylepress}")
    for name, wanted in {(o.cell["method"]["name"], o.cell["method"]["version"]) for o in chunk.orders}:
        if name not in METHODS or METHODS[name].version != wanted:
            there = METHODS[name].version if name in METHODS else "none"
            raise RefusedError(f"it has version {there} of the method {name}, and the run was planned with {wanted}")


def finished_before(chunk: Chunk) -> set[str]:
    """Keys of a chunk that were published since it was begun, by this run or another one.

    Where there was no receipt when the run was planned, any that is there now is new; where there was one, its time
    tells.
    """
    store = open_store(chunk.to, confine=False)
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(lambda order: _finished(order, chunk, store), chunk.orders))
    return {order.key for order, there in zip(chunk.orders, found, strict=True) if there}


def _finished(order: Order, chunk: Chunk, store: Store) -> bool:
    receipt = read_receipt(store, receipt_name(order.key))
    since = datetime.fromtimestamp(chunk.begun or chunk.submitted, UTC).isoformat(timespec="seconds")
    # receipts tell whole seconds: one of the second in which the chunk was begun may be that of the lost picture, and
    # to render a cell once more than needed is better than never
    return receipt is not None and (not order.again or str(receipt.get("finished", "")).replace("Z", "+00:00") > since)


class Choice:
    """Which cells of a chunk are begun: not those that another run has rendered, nor any beyond the chunk's limit.

    Args:
        chunk: the cells.
        store: the output.
        orders: those that are rendered, by their place.
        say: tells the run about a cell.

    Attributes:
        done: outcomes of those that another run has rendered.
    """

    def __init__(self, chunk: Chunk, store: Store, orders: Sequence[Order], say: Callable[..., None]) -> None:
        self.done: list[Outcome] = []
        self._chunk, self._store, self._orders, self._say = chunk, store, orders, say
        self._began, self._first = time.monotonic(), True

    def wanted(self, index: int) -> bool:
        """Whether a cell is to be begun; the first one always is, so that a chunk gets on whatever its limit."""
        order, limit = self._orders[index], self._chunk.limit
        if not self._first and limit is not None and time.monotonic() - self._began > limit:
            return False
        if self.done_elsewhere(order):
            self.done.append(Outcome(order.key, order.name, "done"))
            self._say("done", order.key, "done")
            return False
        self._first = False
        return True

    def done_elsewhere(self, order: Order) -> bool:
        """Whether another run has rendered a cell; to be asked before it is begun, and before it is published."""
        # in a folder a look costs nothing, and another run may have begun since; a bucket is asked where one is known
        looks = self._chunk.shared or not self._chunk.to.startswith("s3://")
        return looks and _finished(order, self._chunk, self._store)
