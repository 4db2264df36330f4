"""Building a gallery: thumbnails, then data and assets under names that change with their bytes, and its pages last."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from flows.gallery import assets, details, records, thumbnails
from flows.gallery.plain import script, text
from flows.gallery.records import Collection
from flows.gallery.sources import Source
from flows.gallery.thumbnails import IMMUTABLE
from flows.live import is_alive, is_running
from flows.output import runs
from flows.receipts import Ledger
from flows.store import Store

PAGE = "gallery/index.html"
FRESH = "no-cache"
"""What servers say of pages, whose names stay: ask each time whether they have changed."""
_FOLDER = "gallery/"
_PER_FILE = 500  # pictures of the wall
_RUNS = 10  # newest runs that are told of
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ENVIRONMENT = ("stylepress", "torch", "python", "device", "precision")
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".gif": "image/gif",
    ".pdf": "application/pdf",
}
"""What servers say of files by their endings."""


def build(store: Store, ledger: Ledger, title: str, sheets: Iterable[str], run: Mapping[str, Any] | None = None) -> str:
    """Write an output's gallery into the output; what is there already stays, what is no longer needed goes.

    Args:
        store: the output.
        ledger: its receipts and pictures.
        title: of the pages.
        sheets: paths of the contact sheets.
        run: the file of a run that is about to end, as it will be written.

    Returns:
        Path of the first page in the output.

    Raises:
        StorageError: it cannot be written.
    """
    known = recent_runs(store, run)
    at_work = sum(map(is_alive, known))
    before = [entry.name for entry in store.list(_FOLDER)]
    made = build_site(store, [Source(store, ledger, tuple(sheets), known)], title)
    if at_work <= 1:  # another run that ends now may need what this one does not know of
        for name in before:
            if name not in made and not name.startswith("gallery/inputs/"):
                store.delete(name)
    return PAGE


def recent_runs(store: Store, run: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The newest files of an output's runs; `run` stands for its own."""
    found = list(islice(runs(store), _RUNS))
    return found if run is None else [dict(run), *(other for other in found if other.get("run") != run.get("run"))]


@dataclass
class _Writer:
    """Writes below a gallery what is not there yet, and knows what belongs there."""

    store: Store
    there: dict[str, int]
    names: dict[str, None] = field(default_factory=dict)

    def lasting(self, folder: str, name: str, data: bytes) -> str:
        """Write a file under a name that changes with its bytes; returns its path below the gallery."""
        path = folder + assets.hashed(name, data)
        self.names[_FOLDER + path] = None
        if self.there.get(_FOLDER + path) != len(data):
            kind = CONTENT_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
            self.store.write(_FOLDER + path, data, kind, caching=IMMUTABLE, lasting=False)
        return path

    def page(self, path: str, html: str) -> None:
        """Write a page if it changed."""
        name, data = _FOLDER + path, html.encode(errors="replace")
        self.names[name] = None
        if self.there.get(name) != len(data) or _stored(self.store, name) != data:
            self.store.write(name, data, CONTENT_TYPES[".html"], caching=FRESH)


def _stored(store: Store, name: str) -> bytes | None:
    try:
        return store.read(name)
    except FileNotFoundError:
        return None


def build_site(target: Store, sources: Sequence[Source], title: str) -> dict[str, None]:
    """Write a gallery of some outputs; its first page comes last.

    Args:
        target: where `gallery/` is to lie; files of each source are expected in the source's folder there.
        sources: the outputs.
        title: of the pages.

    Returns:
        Paths of all that belongs to the gallery, the inputs' previews excepted.

    Raises:
        StorageError: it cannot be read or written.
    """
    from flows.gallery import pages

    writer = _Writer(target, {entry.name: entry.size for entry in target.list(_FOLDER)})
    collection, plain_ones = _with_thumbnails(records.collect(sources), writer)
    files = {name: writer.lasting("assets/", name, data) for name, data in assets.files().items()}
    shown = [_shown(record, collection, plain_ones) for record in collection.records]
    index = _index(collection, sources, title, shown, writer)
    index["viewer"] = assets.VIEWER[0] in files
    site = pages.Site(
        index=index,
        index_file=writer.lasting("data/", "index.js", script("index", index)),
        pictures=shown,
        assets=files,
        extras={n: more for n, r in enumerate(collection.records) if any((more := records.extras(r)).values())},
        runs=[run for source in sources for run in _told(source)],
        faults=collection.faults,
        environments=_environments(collection),
    )
    for path, html in pages.render(site):
        writer.page(path, html)
    return writer.names


def _told(source: Source) -> list[dict[str, Any]]:
    """Runs as their page tells of them, without those that had nothing to do: they leave a gallery as it was."""
    busy = [run for run in source.runs if run.get("rendered") or run.get("failed") or is_running(run)]
    where = {"output": source.label} if source.label else {}
    return [
        {**run, "seconds": run.get("work_seconds") or run.get("seconds"), **where} for run in busy or source.runs[:1]
    ]


def _with_thumbnails(collection: Collection, writer: _Writer) -> tuple[Collection, set[str]]:
    """The pictures that are what their receipts say, and keys of those that have no thumbnail."""
    wrong = thumbnails.make(collection.records, writer.store, writer.there)
    faults = list(collection.faults)
    kept, plain_ones = [], set()
    for record in collection.records:
        if said := wrong.get(record.shown.key):
            faults.append({"name": record.source.folder + record.path, "what": said})
            if said in (records.ALTERED, records.GONE):
                continue
            plain_ones.add(record.shown.key)
        else:
            writer.names |= dict.fromkeys(thumbnails.names(record))
        kept.append(record)
    return Collection(kept, collection.axes, faults), plain_ones


def _shown(record: records.Record, collection: Collection, plain_ones: set[str]) -> dict[str, Any]:
    told = records.picture(record, collection.axes)
    return {**told, "widths": []} if record.shown.key in plain_ones else told


def _index(
    collection: Collection, sources: Sequence[Source], title: str, shown: list[dict[str, Any]], writer: _Writer
) -> dict[str, Any]:
    """The index, whose data files are written."""
    facets, scores = records.facets(collection, sources), records.scores(collection)

    def lasting(name: str, value: Any) -> str:
        return writer.lasting("data/", f"{name}.js", script(name, value))

    walls = [shown[first : first + _PER_FILE] for first in range(0, len(shown), _PER_FILE)]
    previews = {source.folder: details.Previews(source.store) for source in sources}
    opened = details.chunks(collection.records, previews, title)
    times = (text(record.receipt.get("finished")) for record in collection.records)
    return {
        "title": title,
        "made": max(filter(_TIME.fullmatch, times), default=""),
        "count": len(shown),
        "version": version("stylepress"),
        "facets": facets,
        "scores": scores,
        "per": {"pictures": _PER_FILE, "details": details.PER_FILE},
        "pictures": [lasting(f"pictures-{n}", wall) for n, wall in enumerate(walls)],
        "details": [lasting(f"details-{n}", some) for n, some in enumerate(opened)],
        "columns": lasting("columns", records.columns(collection, facets)),
        "measures": lasting("measures", records.measures(collection, scores)),
        "keys": lasting("keys", records.keys(collection)),
        "sheets": [
            {"path": records.link(source, sheet), "title": PurePosixPath(sheet).stem}
            for source in sources
            for sheet in source.sheets
        ],
        "sources": [{"label": source.label or title} for source in sources],
    }


def _environments(collection: Collection) -> list[dict[str, Any]]:
    """Where the pictures were made, with the number of pictures made there."""
    said: Counter[str] = Counter()
    for record in collection.records:
        found = details.environment(record.receipt)
        said[json.dumps({name: text(found.get(name)) for name in _ENVIRONMENT})] += 1
    return [{"environment": json.loads(told), "count": count} for told, count in said.most_common()]
