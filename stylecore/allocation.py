"""Memory that goes back to the system at once, where it counts more than time."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_MMAP_THRESHOLD = -3  # of glibc's malloc.h
_FRUGAL, _USUAL = 2**21, 2**25  # bytes; the latter is what glibc arrives at by itself


@contextmanager
def frugal_allocation() -> Iterator[None]:
    """Have large blocks mapped one by one, with glibc: its heap would keep them, full of holes.

    The feature maps of a tile take half the memory then. Other C libraries allocate as they always do.
    """
    _map_from(_FRUGAL)
    try:
        yield
    finally:
        _map_from(_USUAL)


def _map_from(size: int) -> None:
    if library := _glibc():
        library.mallopt(_MMAP_THRESHOLD, size)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
