"""A plan's cells on disk: a temporary file without a name, so that a million of them need little memory."""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from flows.store import StorageError

_CACHE = 32  # MiB of its pages that stay in memory
_PAGE = 1000  # rows read at a time: between pages, other threads may read
_TABLES = """
CREATE TABLE batches (
  id INTEGER PRIMARY KEY, kind INTEGER, fit INTEGER, operations REAL, most REAL, memory INTEGER, bytes REAL,
  encoder TEXT
);
CREATE TABLE cells (
  number INTEGER PRIMARY KEY, identity BLOB UNIQUE, name TEXT, block INTEGER, place INTEGER, batch INTEGER,
  mine INTEGER, state TEXT, detail TEXT
);
CREATE TABLE receipts (
  key BLOB PRIMARY KEY, path TEXT, sha256 TEXT, bytes INTEGER, etag TEXT, extras TEXT
) WITHOUT ROWID;
CREATE TABLE pictures (
  name TEXT PRIMARY KEY, bytes INTEGER, token TEXT, settled INTEGER, sha256 TEXT
) WITHOUT ROWID;
CREATE TABLE queue (position INTEGER PRIMARY KEY, number INTEGER);
"""
# a finished picture has the name that it was published under
_NAME = "CASE state WHEN 'done' THEN (SELECT path FROM receipts WHERE key = identity) ELSE name END"
_ROW = f"cells.number, identity, {_NAME}, state, detail, block, place, kind, operations, most"
_FROM = "cells JOIN batches ON batches.id = cells.batch"


@dataclass(frozen=True, slots=True)
class Row:
    """What the spool knows of a cell; `identity` is its key's bytes, and longer where the cell has no key."""

    number: int
    identity: bytes
    name: str
    state: str
    detail: str
    block: int
    place: int
    kind: int
    operations: float
    most: float


class Spool:
    """The cells of a plan, and what its output holds, as tables of a temporary database that goes with its object."""

    def __init__(self) -> None:
        # an empty name is a file that SQLite makes, unlinks at once, and writes only what the cache does not hold
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._lock = threading.RLock()
        self._connection.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{_CACHE * 1024}; {_TABLES}"
        )
        weakref.finalize(self, self._connection.close)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The connection for one thread; raises StorageError where there is no room for the temporary file."""
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:
                advice = "free some space, or name another folder in TMPDIR"
                raise StorageError(f"cannot write the temporary file of a plan: {error}; {advice}") from error

    def run(self, statement: str, values: Iterable[Any] = ()) -> list[Any]:
        """Rows that a statement gives, all of them."""
        with self._held():
            return self._connection.execute(statement, tuple(values)).fetchall()

    def fill(self, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
        """Add rows to a table, but those whose key is there already; the number added."""
        page = list(rows)
        if not page:
            return 0
        with self._held():
            before = self._connection.total_changes
            marks = ", ".join("?" * len(page[0]))
            self._connection.execute("BEGIN")
            self._connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", page)  # noqa: S608 - ours
            self._connection.execute("COMMIT")
            return self._connection.total_changes - before

    def change(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement for each of some rows of values."""
        waiting = iter(rows)
        while page := list(islice(waiting, _PAGE)):
            with self._held():
                self._connection.execute("BEGIN")
                self._connection.executemany(statement, page)
                self._connection.execute("COMMIT")

    def pages(
        self, table: str, key: str, columns: str, where: str = "1", *, backwards: bool = False
    ) -> Iterator[list[Any]]:
        """Rows of a table in the order of its key, so many at a time that nobody has to wait for all.

        Args:
            table: what to read from.
            key: its primary key; not NULL.
            columns: what to read.
            where: condition on the rows.
            backwards: the other way round.
        """
        last: Any = None
        sign, order = ("<", f"{key} DESC") if backwards else (">", key)
        while True:
            after = "1" if last is None else f"{key} {sign} :last"
            read = f"SELECT {key}, {columns} FROM {table} WHERE {after} AND ({where}) ORDER BY {order} LIMIT {_PAGE}"  # noqa: S608 - ours
            with self._held():
                rows = self._connection.execute(read, {"last": last}).fetchall()
            if not rows:
                return
            yield rows
            last = rows[-1][0]

    def count(self, where: str) -> int:
        """Number of cells that fulfil a condition."""
        return int(self.run(f"SELECT count(*) FROM cells WHERE {where}")[0][0])  # noqa: S608 - ours

    def rows(self, where: str = "1") -> Iterator[Row]:
        """Cells that fulfil a condition, in order."""
        for page in self.pages(_FROM, "number", _ROW, where):
            yield from (Row(*values) for _, *values in page)

    def line_up(self, where: str) -> None:
        """Queue cells that fulfil a condition by kind, then by what fits into one batch, then in order."""
        with self._held():
            self._connection.execute("DELETE FROM queue")
            order = "batches.kind, batches.fit, cells.number"
            self._connection.execute(
                f"INSERT INTO queue (number) SELECT number FROM {_FROM} WHERE {where} ORDER BY {order}"  # noqa: S608 - ours
            )

    def queued(self, *, backwards: bool = False) -> Iterator[Row]:
        """The cells in the queue, from its start or from its end."""
        table = "queue JOIN cells ON cells.number = queue.number JOIN batches ON batches.id = cells.batch"
        for page in self.pages(table, "position", _ROW, backwards=backwards):
            yield from (Row(*values) for _, *values in page)

    def find(self, identity: bytes) -> Row | None:
        """The cell of that identity."""
        found = self.run(f"SELECT {_ROW} FROM {_FROM} WHERE identity = ?", [identity])  # noqa: S608 - ours
        return Row(*found[0]) if found else None

    def costs(self, where: str) -> list[tuple[float, float, int, float, int]]:
        """Operations, most seconds, memory and bytes of cells that fulfil a condition, and the number of each."""
        columns = "operations, most, memory, batches.bytes"
        return self.run(f"SELECT {columns}, count(*) FROM {_FROM} WHERE {where} GROUP BY batch ORDER BY batch")  # noqa: S608 - ours

    def encoders(self, where: str) -> list[Any]:
        """Encoders of cells that fulfil a condition, each once."""
        found = self.run(f"SELECT DISTINCT encoder FROM {_FROM} WHERE {where} ORDER BY batch")  # noqa: S608 - ours
        return [json.loads(encoder) for (encoder,) in found]
