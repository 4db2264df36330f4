"""Copying a gallery with what it shows to another folder or bucket: only what changed, and its first page last."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flows.gallery.building import CONTENT_TYPES, FRESH, PAGE, build_site, recent_runs
from flows.gallery.sources import Source
from flows.gallery.thumbnails import IMMUTABLE
from flows.output import drawn_sheets, title_of
from flows.receipts import Ledger
from flows.store import Entry, Store
from stylecore.errors import StylepressError

STATE = "gallery/published.json"
"""What was published and what it was then, so that it need not be read again to be compared."""
_ORIGINALS = ("renders/", "snapshots/", "sheets/")
_LASTING = re.compile(r"(.*/)?(renders|snapshots)/.*|gallery/(assets|data|thumbs|inputs)/.*")
"""Files whose names hold a digest or a key."""
_MD5 = re.compile(r"[0-9a-f]{32}")  # what an S3 server calls an object that was put whole
_WRITERS, _FOR_LARGE, _LARGE = 16, 2, 8_000_000  # files of so many bytes are copied by fewer threads, to save memory


@dataclass(frozen=True)
class Published:
    """What publishing did.

    Attributes:
        written: names of the files that were new or had changed.
        unchanged: the number of files that were there already.
        unreferenced: names of files that the gallery no longer shows.
        removed: whether those were removed.
    """

    written: tuple[str, ...]
    unchanged: int
    unreferenced: tuple[str, ...]
    removed: bool

    def lines(self, most: int = 20) -> Iterator[str]:
        """What to tell a person."""
        yield f"{len(self.written)} files copied, {self.unchanged} unchanged"
        if self.unreferenced:
            said = "removed" if self.removed else "left there; --prune removes them"
            yield f"{len(self.unreferenced)} files are no longer shown and were {said}:"
            yield from (f"  {name}" for name in self.unreferenced[:most])
        if len(self.unreferenced) > most:
            yield f"  and {len(self.unreferenced) - most} more"


def publish(source: Store, target: Store, *, prune: bool = False) -> Published:
    """Copy an output's gallery, as it was built, with its pictures, snapshots and sheets.

    Args:
        source: the output.
        target: another place.
        prune: remove files there that the gallery no longer shows.

    Raises:
        StylepressError: the other place is an output, this one or another.
        StorageError: one cannot be read, or the other not be written.
    """
    _apart([source], target)
    copying = _Copying(target, ("gallery/", *_ORIGINALS))
    entries = [e for part in ("gallery/", *_ORIGINALS) for e in source.list(part) if e.name != STATE]
    pages = sorted((e for e in entries if e.name.endswith(".html")), key=lambda e: e.name == PAGE)
    copying.copy(source, (e for e in entries if not e.name.endswith(".html")))
    for page in pages:  # a page is never there before what it shows
        copying.copy(source, [page])
    return copying.end(prune=prune)


def combine(outputs: Sequence[tuple[Store, Ledger]], target: Store, *, prune: bool = False) -> Published:
    """Make one gallery of several outputs in another place, with copies of their pictures, snapshots and sheets.

    Args:
        outputs: each with its receipts and pictures.
        target: the place.
        prune: as `publish` has it.

    Raises:
        StylepressError: the place is an output.
        StorageError: one of them cannot be read, or the place not be written.
    """
    stores = [store for store, _ in outputs]
    _apart(stores, target)
    sources: list[Source] = []
    for (store, ledger), label in zip(outputs, labels([store.url for store in stores]), strict=True):
        known = recent_runs(store)
        sheets = tuple(drawn_sheets(store, known[0] if known else {}))
        sources.append(Source(store, ledger, sheets, known, label, f"{_folder(label, sources)}/"))
    copying = _Copying(target, ("gallery/", *(source.folder for source in sources)))
    for source in sources:
        copying.copy(source.store, (e for part in _ORIGINALS for e in source.store.list(part)), source.folder)
        copying.copy(source.store, source.store.list("gallery/inputs/"))
    titles = list(dict.fromkeys(title_of(source.run) for source in sources))
    made = build_site(target, sources, " · ".join(titles[:3]) + (" …" if len(titles) > 3 else ""))
    return copying.end(made, prune=prune)


def _apart(sources: Sequence[Store], target: Store) -> None:
    said = "expected another place to copy the gallery to"
    if target.address in {source.address for source in sources}:
        raise StylepressError(f"{target.url} is the output itself; {said}")
    if next(iter(target.list("receipts/")), None) is not None:  # its pictures would be written over, or pruned
        raise StylepressError(f"{target.url} is an output with receipts of its own; {said}")


def labels(urls: Sequence[str]) -> list[str]:
    """What outputs are called: as many of the last parts of their addresses as tell them apart."""
    parts = [[part for part in url.split("/") if part not in ("", ".", "..")] or ["output"] for url in urls]
    for length in range(1, max(map(len, parts)) + 1):
        called = ["/".join(of[-length:]) for of in parts]
        if len(set(called)) == len(called):
            return called
    return [f"{'/'.join(of[-1:])} {number}" for number, of in enumerate(parts, 1)]


def _folder(label: str, taken: Sequence[Source]) -> str:
    """A folder for an output's files, called as the output is as far as that is safe everywhere."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.") or "output"
    plain = f"{plain}-files" if plain in ("gallery", "receipts", "runs") else plain[:60]
    others = {source.folder for source in taken}
    return next(n for n in (plain, *(f"{plain}-{k}" for k in range(2, len(taken) + 3))) if f"{n}/" not in others)


@dataclass
class _Copying:
    """Copies files, and remembers which of them are in the target.

    Attributes:
        target: where they are copied to.
        parts: the beginnings of the names that galleries have there.
    """

    target: Store
    parts: Sequence[str]
    there: dict[str, Entry] = field(init=False)
    known: dict[str, list[str]] = field(init=False)
    kept: dict[str, list[str]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.known = _read_state(self.target)
        parts = {*self.parts, *(name[: name.find("/") + 1] for name in self.known)}
        self.there = {entry.name: entry for part in sorted(parts) for entry in self.target.list(part)}

    def copy(self, source: Store, entries: Iterable[Entry], folder: str = "") -> None:
        """Copy those of some files that are not there as they are, below a folder."""
        listed = [entry for entry in entries if folder + entry.name not in self.kept]
        for threads, some in (
            (_WRITERS, [entry for entry in listed if entry.size < _LARGE]),
            (_FOR_LARGE, [entry for entry in listed if entry.size >= _LARGE]),
        ):
            with ThreadPoolExecutor(threads, "publish") as pool:
                for name, token, stamp, wrote in pool.map(lambda e: self._copy(source, e, folder + e.name), some):
                    self.kept[name] = [token, stamp]
                    if wrote:
                        self.written.append(name)

    def _copy(self, source: Store, entry: Entry, name: str) -> tuple[str, str, str, bool]:
        """Copy one file if need be: its name, what the target and the source call it now, and whether it was copied."""
        stamp = hashlib.sha256(entry.token.encode()).hexdigest()[:16]
        there = self.there.get(name)
        if there and there.size == entry.size:
            if self.known.get(name) == [there.token, stamp]:
                return name, there.token, stamp, False
            data = source.read(entry.name)
            if self._is(there, data):
                return name, there.token, stamp, False
        else:
            data = source.read(entry.name)
        suffix, lasting = PurePosixPath(name).suffix, bool(_LASTING.fullmatch(name))
        kind = CONTENT_TYPES.get(suffix, "application/octet-stream")
        new = self.target.write(name, data, kind, caching=IMMUTABLE if lasting else FRESH, lasting=not lasting)
        return name, new.token, stamp, True

    def _is(self, there: Entry, data: bytes) -> bool:
        """Whether a stored file has these bytes, as far as that is known without fetching it from a bucket."""
        if self.target.url.startswith("s3://"):
            return _MD5.fullmatch(there.token) is not None and hashlib.md5(data).hexdigest() == there.token  # noqa: S324 - no secret
        return self.target.read(there.name) == data

    def end(self, made: Iterable[str] = (), *, prune: bool) -> Published:
        """Note what was published; find, and if wanted remove, what is no longer shown.

        Args:
            made: further names that belong to the gallery.
            prune: whether to remove.
        """
        belonging = {*self.kept, *made, STATE}
        unreferenced = tuple(sorted(set(self.there) - belonging))
        if prune:
            with ThreadPoolExecutor(_WRITERS, "prune") as pool:
                for _ in pool.map(self.target.delete, unreferenced):
                    pass
        remembered = (
            self.kept if prune else {**{n: self.known[n] for n in unreferenced if n in self.known}, **self.kept}
        )
        data = json.dumps({"schema": 1, "files": dict(sorted(remembered.items()))}, indent=0).encode()
        if STATE not in self.there or self.known != remembered:
            self.target.write(STATE, data, CONTENT_TYPES[".json"], caching=FRESH)
        return Published(tuple(self.written), len(self.kept) - len(self.written), unreferenced, prune)


def _read_state(target: Store) -> dict[str, list[str]]:
    """What was published before; nothing where that cannot be read."""
    try:
        files = json.loads(target.read(STATE))["files"]
        return {str(name): [str(token), str(stamp)] for name, (token, stamp) in files.items()}
    except (ValueError, TypeError, KeyError, AttributeError, FileNotFoundError):
        return {}
