"""What was found in files before, kept in the user's cache folder so that no plan reads a file that has not changed.

It is a cache: where it is missing, locked, read-only or damaged, files are read again, and nothing else happens. It
goes by what a store lists (address, name, size and token), so a file that was changed is another one. Several
processes may share it.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from flows.store import Entry, LocalStore, Store
from stylecore import weights

LARGEST = 2**30
"""Bytes that it may hold; beyond, what was not asked for the longest time goes."""
_DAYS = 90  # after which what nobody asked for goes
_WAIT = 2.0  # seconds for another process to finish writing
_PAGE = 5000  # names that are looked up or kept at a time
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TABLES = """
CREATE TABLE IF NOT EXISTS places (id INTEGER PRIMARY KEY, address TEXT UNIQUE, used INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  place INTEGER, name TEXT, size INTEGER, token TEXT, known TEXT, PRIMARY KEY (place, name)
) WITHOUT ROWID;
"""
Answer = TypeVar("Answer")


def default_path() -> Path:
    """Where it lies: beside the folder of downloaded weights."""
    return weights.cache_folder().parent / "files-v1.sqlite"


def unchanged(store: Store, entry: Entry, data: bytes) -> bool:
    """Whether bytes that were just read are those that a listing told of a moment ago."""
    if len(data) != entry.size or isinstance(store, LocalStore):
        return len(data) == entry.size  # the token of a file that was changed meanwhile never comes back
    if len(entry.token) == 32 and hashlib.md5(data, usedforsecurity=False).hexdigest() == entry.token:
        return True  # as most buckets have it, which spares a request
    return store.stat(entry.name) == entry


class Remembered:
    """The cache, to be used in a `with` block by one thread.

    Args:
        path: of its file; made where there is none.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        with suppress(OSError, sqlite3.Error, RuntimeError):  # the last where there is no home to have a cache in
            self._open(self.path or default_path())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    @property
    def usable(self) -> bool:
        """Whether there is anything to be recalled, or a place to keep it."""
        return self._connection is not None

    def recall(self, kind: str, store: Store, entries: Iterable[Entry]) -> Iterator[tuple[Entry, str | None]]:
        """What is known of files; None for what was changed, is new, or was read too soon after it was written.

        Args:
            kind: what was looked for in them.
            store: where they are.
            entries: as the store lists them, sorted by name; in another order less is found.
        """
        waiting, place = iter(entries), None
        while page := list(islice(waiting, _PAGE)):
            place = place or self._trying(lambda: self._place(kind, store), 0)
            nothing: dict[tuple[str, int, str], str] = {}
            known = self._trying(lambda: self._between(place, page[0].name, page[-1].name), nothing)  # noqa: B023
            for entry in page:
                yield entry, known.get((entry.name, entry.size, entry.token))

    def keep(self, kind: str, store: Store, found: Iterable[tuple[Entry, str]]) -> None:
        """Keep what was found in files, except in those that may still change without another token."""
        rows = [(e.name, e.size, e.token, text) for e, text in found if e.settled and is_text(e.name)]
        if rows:
            self._trying(lambda: self._write(kind, store, rows), None)

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
        self._run("PRAGMA cache_size = -8000")
        self._run("PRAGMA synchronous = NORMAL")

    def _place(self, kind: str, store: Store) -> int:
        address = f"{kind} {store.address}"
        found = self._run("SELECT id, used FROM places WHERE address = ?", (address,)).fetchone()
        today = int(time.time() // 86400)
        if found and found[1] != today:
            with suppress(sqlite3.OperationalError):  # read-only, or somebody is writing
                self._run("UPDATE places SET used = ? WHERE id = ?", (today, found[0]))
        return found[0] if found else 0

    def _between(self, place: int, first: str, last: str) -> dict[tuple[str, int, str], str]:
        if not place:
            return {}
        found = "SELECT name, size, token, known FROM files WHERE place = ? AND name BETWEEN ? AND ?"
        return {(name, size, token): known for name, size, token, known in self._run(found, (place, first, last))}

    def _write(self, kind: str, store: Store, rows: list[tuple[str, int, str, str]]) -> None:
        today = int(time.time() // 86400)
        address = f"{kind} {store.address}"
        assert self._connection is not None
        with self._connection:  # commits, or rolls back
            self._connection.executescript(_TABLES)
            self._run("BEGIN IMMEDIATE")
            self._run("INSERT OR IGNORE INTO places (address, used) VALUES (?, ?)", (address, today))
            (place,) = self._run("SELECT id FROM places WHERE address = ?", (address,)).fetchone()
            if self._has_room(place, today):
                kept = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)"
                self._connection.executemany(kept, ((place, *row) for row in rows))

    def _has_room(self, place: int, today: int) -> bool:
        """Whether more may be kept, after what has not been used for long is gone."""
        others = "SELECT id, used FROM places WHERE id <> ? ORDER BY used"
        for other, used in self._run(others, (place,)).fetchall():
            if used < today - _DAYS or self._held() > LARGEST:
                self._run("DELETE FROM files WHERE place = ?", (other,))
                self._run("DELETE FROM places WHERE id = ?", (other,))
        return self._held() <= LARGEST

    def _held(self) -> int:
        names = ("page_count", "freelist_count", "page_size")
        pages, free, size = (self._run(f"PRAGMA {name}").fetchone()[0] for name in names)
        return int((pages - free) * size)

    def _run(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        assert self._connection is not None
        return self._connection.execute(statement, values)

    def _trying(self, do: Callable[[], Answer], otherwise: Answer) -> Answer:
        """An answer, or another where the cache cannot give one; what is damaged is thrown away."""
        if self._connection is None or self.path is None:
            return otherwise
        try:
            return do()
        except (sqlite3.OperationalError, ValueError, OSError):
            return otherwise  # locked, read-only, without tables so far; or asked for a name that is no text
        except sqlite3.Error as error:
            self._close()
            if getattr(error, "sqlite_errorcode", None) in _DAMAGED:
                for part in ("", "-journal"):
                    with suppress(OSError):
                        self.path.with_name(self.path.name + part).unlink()
            return otherwise

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def is_text(name: str) -> bool:
    """Whether a file's name is Unicode; on some systems it may be any bytes."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
