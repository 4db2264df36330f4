"""Checkpoints: what a long render has reached so far, kept in the output until its picture is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from flows.store import LocalStore, StorageError, Store

FOLDER = "checkpoints/"
_KEY = re.compile("[0-9a-f]{64}")


def checkpoint_name(key: str) -> str:
    """Name of a cell's checkpoint in the output."""
    return f"{FOLDER}{key}.safetensors"


@dataclass
class Checkpoints:
    """The checkpoints of cells that are rendered together, as `stylecore.render` asks for them.

    What goes wrong with one costs no cell: a render without it takes longer and ends the same. Only a storage that is
    gone altogether, which no picture could be published to, is an error.

    Attributes:
        store: the output.
        keys: keys of the cells, by their index.
        every: seconds between two checkpoints of a cell.

    Raises:
        StorageError: when it is made or used, and the output can no longer be written.
    """

    store: Store
    keys: Sequence[str]
    every: float
    _there: set[str] = field(init=False, default_factory=set)  # names, so that most cells cost the storage no request

    def __post_init__(self) -> None:
        with _forgiven(self.store):
            self._there = {entry.name for entry in self.store.list(FOLDER)}

    def load(self, index: int) -> bytes | None:
        """The checkpoint of a cell, as an earlier run has left it, or None."""
        if (name := checkpoint_name(self.keys[index])) in self._there:
            with _forgiven(self.store), suppress(FileNotFoundError):
                return self.store.read(name)
        return None

    def save(self, index: int, data: bytes) -> None:
        """Keep a cell's checkpoint instead of the one before."""
        with _forgiven(self.store):
            name = checkpoint_name(self.keys[index])
            self.store.write(name, data, "application/octet-stream")
            self._there.add(name)

    def remove(self, index: int) -> None:
        """Remove the checkpoint of a cell that is finished or has failed, if it has one."""
        if (name := checkpoint_name(self.keys[index])) in self._there:
            with _forgiven(self.store):
                self.store.delete(name)
                self._there.remove(name)


def clear(store: Store, goes_on: Callable[[str], bool]) -> None:
    """Remove an output's checkpoints, and their folder, save those of cells that a run has left unfinished.

    Args:
        store: the output.
        goes_on: whether the next run will go on with the cell of a key.

    Raises:
        StorageError: the output can no longer be written.
    """
    with _forgiven(store):
        for entry in list(store.list(FOLDER)):
            key = entry.name.removeprefix(FOLDER).removesuffix(".safetensors")
            if not _KEY.fullmatch(key) or not goes_on(key):
                store.delete(entry.name)
        if isinstance(store, LocalStore):  # a bucket has no folders that could stay behind empty
            with suppress(OSError):
                (store.root / FOLDER).rmdir()


@contextmanager
def _forgiven(store: Store) -> Iterator[None]:
    """Let what the storage refuses pass, unless it refuses everything."""
    try:
        yield
    except StorageError as error:
        if not error.transient:
            store.check_writable()
