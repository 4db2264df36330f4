"""What an output holds, as far as a plan must know: found by listing, and by reading only what is not remembered."""

from __future__ import annotations

import hashlib
import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from flows.receipts import read_listed, receipt_name, short, side_by_side
from flows.remembered import Remembered, is_text, unchanged
from flows.spool import Spool
from flows.store import Entry, Store

READERS = 16
"""Files read at a time: enough to hide the latency of a bucket; a local disk does not mind."""
_PAGE = 10_000  # files looked at before what was found is kept
_STATE = """
UPDATE cells SET state = coalesce((
  SELECT CASE
    WHEN pictures.name IS NULL THEN 'picture missing'
    WHEN pictures.bytes IS NOT receipts.bytes THEN 'picture altered'
    WHEN receipts.etag <> '' AND receipts.etag = pictures.token THEN 'done'
    WHEN pictures.sha256 IS NULL THEN 'picture missing'
    WHEN pictures.sha256 = receipts.sha256 THEN 'done'
    ELSE 'picture altered'
  END
  FROM receipts LEFT JOIN pictures ON pictures.name = receipts.path WHERE receipts.key = cells.identity
), '') WHERE state = ''
"""
_OF_CELLS = "cells JOIN receipts ON receipts.key = cells.identity JOIN pictures ON pictures.name = receipts.path"
_UNREAD = """
pictures.sha256 IS NULL AND pictures.bytes = receipts.bytes
  AND NOT (receipts.etag <> '' AND receipts.etag = pictures.token)
"""


class Held:
    """The keys that an output holds receipts of, in eight bytes each; one in 2⁶⁴ others is taken for one of them."""

    def __init__(self) -> None:
        self._starts = array("Q")  # in order, as receipts are listed

    def add(self, key: bytes) -> None:
        """Add a key that is larger than all before; others are not found again."""
        self._starts.append(int.from_bytes(key[:8]))

    def __contains__(self, key: bytes) -> bool:
        start = int.from_bytes(key[:8])
        place = bisect_left(self._starts, start)
        return place < len(self._starts) and self._starts[place] == start

    def __len__(self) -> int:
        return len(self._starts)


def take(store: Store, spool: Spool, memory: Remembered) -> Held:
    """List an output's receipts and pictures into a spool.

    Raises:
        StorageError: the storage cannot be reached.
    """
    held = Held()
    receipts = (entry for entry in store.list("receipts/") if entry.name.endswith(".json"))
    with ThreadPoolExecutor(READERS) as pool:
        read = partial(_read_receipt, store)
        for page in _found("receipt", store, receipts, memory, read, pool):
            rows = [(as_key(entry.name[12:-5]), *json.loads(known)) for entry, known in page if known]
            spool.fill("receipts", rows)
            for key, *_ in rows:
                held.add(key)
    if held:
        waiting = memory.recall("picture", store, store.list("renders/"))
        while listed := list(islice(waiting, _PAGE)):
            ours = ((entry, known) for entry, known in listed if is_text(entry.name))
            spool.fill("pictures", ((e.name, e.size, e.token, e.settled, known) for e, known in ours))
    return held


def judge(store: Store, spool: Spool, memory: Remembered) -> None:
    """Tell the state of each cell in a spool that has a receipt: `done`, or what is wrong with its picture.

    Pictures that are not remembered are read and compared with their receipts.

    Raises:
        StorageError: the storage cannot be reached.
    """
    _read_pictures(store, spool, memory, _OF_CELLS, "cells.number")
    spool.run(_STATE)
    _judge_extras(store, spool)


def receipts(spool: Spool, most: int) -> list[str]:
    """Names of receipts in the spool, at most so many."""
    return [receipt_name(from_key(key)) for (key,) in spool.run("SELECT key FROM receipts LIMIT ?", (most,))]


def remember(store: Store) -> None:
    """Read the pictures that are not remembered yet, so that the next plan need not; of an output that is finished.

    Raises:
        StorageError: the storage cannot be reached.
    """
    spool = Spool()
    with Remembered() as memory:
        if take(store, spool, memory):
            published = "receipts JOIN pictures ON pictures.name = receipts.path"
            _read_pictures(store, spool, memory, published, "receipts.key")


def orphans(spool: Spool, most: int) -> list[str]:
    """Names of receipts whose cells are not in the spool, at most so many."""
    unknown = "SELECT key FROM receipts WHERE NOT EXISTS (SELECT 1 FROM cells WHERE identity = key) LIMIT ?"
    return [receipt_name(from_key(key)) for (key,) in spool.run(unknown, (most,))]


def planned(spool: Spool, most: int) -> list[tuple[int, int]]:
    """Block and place of cells that have a receipt, at most so many, from anywhere."""
    finished = "SELECT block, place FROM cells JOIN receipts ON key = identity WHERE mine ORDER BY key LIMIT ?"
    return spool.run(finished, (most,))


def as_key(text: str) -> bytes:
    """A key in half the room; what is no key is kept as it is."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return text.encode(errors="surrogatepass")
    return key if len(key) == 32 and key.hex() == text else text.encode(errors="surrogatepass")


def from_key(key: bytes) -> str:
    """The text of what `as_key` gave."""
    return key.hex() if len(key) == 32 else key.decode(errors="surrogatepass")


def _found(
    kind: str,
    store: Store,
    entries: Iterable[Entry],
    memory: Remembered,
    read: Callable[[Entry], tuple[str | None, bool]],
    pool: ThreadPoolExecutor,
    *,
    recalled: bool = False,
) -> Iterator[list[tuple[Entry, str | None]]]:
    """Pages of files with what is in them: as it is remembered, or else as it is read, and then kept.

    Args:
        kind: what is looked for.
        store: where the files are.
        entries: the files.
        memory: what is remembered.
        read: looks for it in a file; with whether it may be kept.
        pool: reads side by side.
        recalled: nothing is remembered of these.
    """
    waiting = ((entry, None) for entry in entries) if recalled else memory.recall(kind, store, entries)
    while page := list(islice(waiting, _PAGE)):
        unknown = [entry for entry, known in page if known is None]
        fresh = dict(zip(unknown, side_by_side(pool, read, unknown), strict=True))
        memory.keep(kind, store, ((e, known) for e, (known, safe) in fresh.items() if safe and known is not None))
        yield [(entry, fresh[entry][0] if known is None else known) for entry, known in page]


def _read_receipt(store: Store, entry: Entry) -> tuple[str | None, bool]:
    receipt, safe = read_listed(store, entry)
    return short(receipt), safe


def _read_pictures(store: Store, spool: Spool, memory: Remembered, table: str, key: str) -> None:
    """Find the digests of pictures in a table whose size is right and whose digest is not known."""
    if not spool.run("SELECT 1 FROM pictures WHERE sha256 IS NULL LIMIT 1"):
        return
    pages = spool.pages(table, key, "pictures.name, pictures.bytes, pictures.token, pictures.settled", _UNREAD)
    unread = (Entry(name, size, token, bool(settled)) for page in pages for _, name, size, token, settled in page)
    with ThreadPoolExecutor(READERS) as pool:
        for found in _found("picture", store, unread, memory, partial(_read_picture, store), pool, recalled=True):
            digests = ((known, entry.name) for entry, known in found)
            spool.change("UPDATE pictures SET sha256 = ? WHERE name = ?", digests)


def _read_picture(store: Store, entry: Entry) -> tuple[str | None, bool]:
    """A picture's digest; None where it is gone."""
    try:
        data = store.read(entry.name)
    except FileNotFoundError:
        return None, False
    return hashlib.sha256(data).hexdigest(), unchanged(store, entry, data)


def _judge_extras(store: Store, spool: Spool) -> None:
    """Look for the snapshots and animations of cells whose pictures are whole; they are compared by their size."""
    having = "FROM receipts JOIN cells ON identity = key WHERE extras IS NOT NULL AND state = 'done'"
    if not (cells := spool.run(f"SELECT number, extras {having}")):
        return
    there = {entry.name: entry.size for entry in store.list("snapshots/")}
    faults = []
    for number, extras in cells:
        sizes = [(there.get(path), size) for path, size in json.loads(extras)]
        if any(found is None for found, _ in sizes):
            faults.append(("snapshot missing", number))
        elif any(found != size for found, size in sizes):
            faults.append(("snapshot altered", number))
    spool.change("UPDATE cells SET state = ? WHERE number = ?", faults)
