"""Where pictures are read from and published to: a folder or an S3 prefix, chosen by URL."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flows.store.interface import Entry, StorageError, Store, UnsafeNameError
from flows.store.local import LocalStore
from flows.store.s3 import S3Store
from stylecore.errors import StylepressError

__all__ = ["Entry", "LocalStore", "S3Store", "StorageError", "Store", "UnsafeNameError", "open_store"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(file|s3):")


def open_store(url: str | Path, *, confine: bool = True) -> Store:
    """The store at a URL; nothing is contacted or created yet.

    Args:
        url: `s3://bucket/prefix`, `file:///folder`, or the path of a folder (`~` is expanded, a relative path is taken
            from the current folder now).
        confine: refuse names that a symbolic link leads out of a folder. Has no meaning for S3.

    Raises:
        StylepressError: the URL is of another kind, or malformed.
    """
    text = str(url)
    found = None if isinstance(url, Path) else _SCHEME.match(text)
    scheme = (found[1] or found[2]).lower() if found else ""
    if scheme == "s3":
        return S3Store(text)
    if scheme == "file":
        return LocalStore(text, _path_of_file_url(text), confine=confine)
    if scheme or not text:
        what = f"{scheme}:// is not a kind of storage" if scheme else "the address of the storage is empty"
        raise StylepressError(f"{what}; expected s3://bucket/prefix, file:///folder or the path of a folder")
    return LocalStore(text, os.path.expanduser(text), confine=confine)  # noqa: PTH111 - Path.expanduser raises without a home


def _path_of_file_url(url: str) -> str:
    """The path in `file:/path`, `file:///path` or `file://localhost/path` (RFC 8089)."""
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise StylepressError(f"{url!r} names no folder of this machine; expected file:///folder or a plain path")
    return unquote(parts.path)
