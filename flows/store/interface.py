"""What every store can do, how its names look, and what goes wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from stylecore.errors import StylepressError


class StorageError(StylepressError):
    """Storage cannot be reached or refuses: wrong secret, no such bucket, read-only, full. One line, never a secret.

    Attributes:
        transient: the same request may succeed later (time-outs, resets, an overloaded server).
    """

    kind = "storage"

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class UnsafeNameError(StorageError, ValueError):
    """A name leaves the store's root or cannot be stored everywhere; the storage itself is not at fault."""

    kind = "unsafe-name"


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored file.

    Attributes:
        name: relative to the store, parts separated by `/`.
        size: bytes.
        token: opaque; differs whenever the bytes were changed. It may also change when they were not.
        settled: whether a later change is sure to change the token: clocks of file systems tick every few milliseconds.
    """

    name: str
    size: int
    token: str
    settled: bool = field(default=True, compare=False)


class Store(Protocol):
    """A folder or a bucket's prefix. Names are relative and `/`-separated; see `check_name`.

    Every method raises `StorageError` when the storage cannot be reached or refuses, and `UnsafeNameError` for a name
    that is not allowed. Stores are safe to share between threads and can be pickled.
    """

    @property
    def url(self) -> str:
        """Where the store is, as it was given."""

    @property
    def address(self) -> str:
        """Where the store is, in words that mean no other store to any process of this machine; holds no secrets."""

    def read(self, name: str) -> bytes:
        """The bytes stored under `name`; raises `FileNotFoundError` where there are none."""

    def write(
        self,
        name: str,
        data: bytes,
        content_type: str,
        *,
        exclusive: bool = False,
        caching: str = "",
        lasting: bool = True,
    ) -> Entry:
        """Store `data` under `name`, whole or not at all, replacing what was there.

        Args:
            name: where.
            data: what.
            content_type: what servers say it is.
            exclusive: raise `FileExistsError` and change nothing when the name is taken: of several writers at the same
                time exactly one succeeds.
            caching: what servers say in `Cache-Control`; empty for nothing.
            lasting: wait until it would survive a power cut; without, it may be empty or gone after one.
        """

    def stat(self, name: str) -> Entry | None:
        """What is known of `name` without reading it; None where nothing is stored."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Everything whose name begins with `prefix`, at any depth, sorted by name.

        Names with a part that begins with a dot are left out; a store that does not exist yet is empty.
        """

    def delete(self, name: str) -> None:
        """Remove `name`; does nothing where it is not stored."""

    def check_writable(self) -> None:
        """Prove that one may write here, and leave nothing behind; raises `StorageError` where one may not."""

    def check_readable(self) -> None:
        """Prove that the store is there and can be listed; raises `StorageError` where not."""

    def sweep(self) -> int:
        """Remove what writers that were killed left unfinished, sparing those still at work; the number removed."""

    def child(self, name: str) -> str:
        """The URL or path of `name`, for messages and links."""


def check_name(name: str) -> str:
    """The name as stores keep it, without `.` parts.

    Raises:
        UnsafeNameError: the name is empty, absolute, has `..`, an empty part, a backslash or a NUL in it.
    """
    parts = [part for part in name.split("/") if part != "."]
    if not parts or "" in parts or ".." in parts or "\\" in name or "\0" in name:
        raise UnsafeNameError(
            f"{name!r} cannot be used as a name in a store: expected a relative path below its root, "
            "parts separated by single '/', without '..' or backslashes"
        )
    return "/".join(parts)


def check_prefix(prefix: str) -> str:
    """Like `check_name`, for the beginning of names: may be empty or end in `/`."""
    bare = prefix.removesuffix("/")
    return check_name(bare) + prefix[len(bare) :] if prefix else ""


def is_hidden(name: str) -> bool:
    """Whether a part of the name begins with a dot."""
    return name.startswith(".") or "/." in name
