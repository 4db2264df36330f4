"""The pictures a manifest names: found below its root, confined to it, with their digests and sizes."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from flows.axes import PICTURES
from flows.entries import Finder, told_apart
from flows.listed import stem
from flows.manifest import Loaded
from flows.patterns import rendered_below
from flows.pictures import SAMPLE, Input, describe, filled
from flows.remembered import Remembered
from flows.source import Path as KeyPath
from flows.source import Problem
from flows.store import Entry, Store, open_store
from stylecore.errors import StylepressError, did_you_mean
from stylecore.values import STARTS

_MOST_COMPARED = 5000  # names; a root may hold very many files
_READERS = 16  # enough to hide the latency of a bucket; a local disk does not mind


@dataclass(frozen=True)
class Inputs:
    """All pictures of a manifest.

    Attributes:
        content: in the order written, patterns expanded by name.
        style: likewise; a blend is one of them.
        others: pictures that only `add` or `init` name, by the path they are named with.
        root: address of the folder or bucket they lie in.
        problems: entries that name nothing, or something they must not.
    """

    content: tuple[Input, ...]
    style: tuple[Input, ...]
    others: dict[str, Input]
    root: str
    problems: tuple[Problem, ...] = ()


def root_of(loaded: Loaded) -> str:
    """Address of the manifest's root: `inputs.root`, relative to the manifest's own folder."""
    return beside(loaded.url, loaded.manifest.inputs.root)


def beside(manifest_url: str, path: str) -> str:
    """A path or address, taken relative to a manifest's folder where it is relative."""
    if "://" in path or path.startswith("file:") or Path(path).expanduser().is_absolute():
        return path if "://" in path or path.startswith("file:") else str(Path(path).expanduser())
    if manifest_url.startswith("s3://"):
        base = manifest_url.rsplit("/", 1)[0]
        joined = PurePosixPath(base.removeprefix("s3://")) / path
        return "s3://" + os.path.normpath(str(joined))
    return os.path.normpath(Path(manifest_url).parent / path)


def output_of(loaded: Loaded) -> str:
    """Address of the output that the manifest names, relative to its own folder: `output.to`, else out/<name>."""
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in loaded.manifest.name).strip(".") or "out"
    return beside(loaded.url, loaded.manifest.output.to or f"out/{name}")


def find(
    loaded: Loaded, others: Mapping[str, KeyPath], output: str | None = None, memory: Remembered | None = None
) -> Inputs:
    """Find the pictures a manifest names and read their digests and headers; masks are looked through.

    Args:
        loaded: the manifest.
        others: further pictures, from `add` and `init`, and where they are named.
        output: address of the output; where it lies below the root, patterns such as **/*.png pass it by.
        memory: what was found in files before; those that have not changed are not read.

    Raises:
        StorageError: the root cannot be reached.
    """
    store = open_store(root_of(loaded))
    finder = Finder(loaded.document, store, rendered_below(root_of(loaded), output))
    listed: dict[str, list[Input]] = {}
    for kind in PICTURES:
        entries = enumerate(getattr(loaded.manifest.inputs, kind))
        listed[kind] = told_apart(i for n, entry in entries for i in finder.pictures(entry, ("inputs", kind, n)))
    rest = {
        said: Input(
            said if said.startswith(SAMPLE) else str(PurePosixPath(said)), stem(said), place=loaded.document.place(path)
        )
        for said, path in others.items()
    }
    everything = [*listed["content"], *listed["style"], *rest.values()]
    pictures = {file.name: file for i in everything for file in i.pictures}
    masks = {file.name: file for i in everything for file in i.stencils}
    with ThreadPoolExecutor(_READERS) as pool:
        described = _described(pictures, store, pool, memory)
        stencils = _described(masks, store, pool, memory, mask=True)
    content, style = (tuple(filled(i, described, stencils) for i in listed[kind]) for kind in ("content", "style"))
    rest = {said: filled(i, described, stencils) for said, i in rest.items()}
    return Inputs(content, style, rest, root_of(loaded), tuple(finder.problems))


def _described(
    wanted: dict[str, Input], store: Store, pool: ThreadPoolExecutor, memory: Remembered | None, *, mask: bool = False
) -> dict[str, Input]:
    """Files by name with their digests and sizes, or their faults; those that are good and remembered are not read."""
    kind, entries = "mask" if mask else "input", list[Entry]()
    found: dict[str, Input] = {}
    if memory and memory.usable:
        entries = [entry for entry in pool.map(lambda name: _entry(name, store), sorted(wanted)) if entry]
        for entry, known in memory.recall(kind, store, entries):
            if known:
                digest, width, height = json.loads(known)
                found[entry.name] = replace(wanted[entry.name], digest=digest, width=width, height=height)
    unknown = [name for name in wanted if name not in found]
    read = pool.map(lambda name: describe(wanted[name], store, mask=mask), unknown)
    fresh = dict(zip(unknown, read, strict=True))
    if memory:
        good = [entry for entry in entries if entry.name in fresh and not fresh[entry.name].fault]
        # what was changed while it was read is not what was listed
        now = pool.map(lambda entry: _entry(entry.name, store), good)
        same = [entry for entry, again in zip(good, now, strict=True) if again == entry]
        memory.keep(kind, store, ((entry, _known(fresh[entry.name])) for entry in same))
    return {name: found.get(name) or fresh[name] for name in wanted}


def _entry(name: str, store: Store) -> Entry | None:
    """What a store says of a picture; None for samples, and where something is wrong with it."""
    try:
        entry = None if name.startswith(SAMPLE) else store.stat(name)
    except StylepressError:
        return None  # reading it will say what
    return entry if entry and entry.name == name else None


def _known(picture: Input) -> str:
    return json.dumps([picture.digest, picture.width, picture.height])


def lookup(inputs: Iterable[Input], said: str) -> list[Input]:
    """Inputs that a manifest's `content:` or `style:` value means: by path, else by label."""
    everything = list(inputs)
    path = said if said.startswith(SAMPLE) else str(PurePosixPath(said))
    return [i for i in everything if i.name == path] or [i for i in everything if i.label == said]


def faulty(inputs: Inputs) -> list[Problem]:
    """What is wrong with pictures, each at its place; for a missing one with the nearest name that is there."""
    listed = (*inputs.content, *inputs.style)
    # a picture that `add` names may also be named by its label
    known = {word for i in listed for word in (i.name, i.label)}
    pictures = [*listed, *(i for said, i in inputs.others.items() if said not in known)]
    faults: dict[tuple[str, str], Input] = {}
    for file in (file for picture in pictures for file in picture.files if file.fault):
        faults.setdefault((file.name, file.fault), file)
    there: list[str] | None = None
    problems = []
    for file in faults.values():
        near = ""
        if file.kind == "missing-picture":
            there = there or [e.name for e in itertools.islice(open_store(inputs.root).list(), _MOST_COMPARED)]
            near = did_you_mean(file.name, [*there, *STARTS])
        problems.append(Problem(file.fault + near, file.place))
    return problems


def suggestion(inputs: Iterable[Input], said: str) -> str:
    """The nearest path or label, for a message."""
    return did_you_mean(said, [word for i in inputs for word in (i.name, i.label)])


def pictures_named(loaded: Loaded) -> dict[str, KeyPath]:
    """Pictures that a manifest names outside `inputs`: as `init`, or in cells that it adds; and where it names them."""
    manifest = loaded.manifest

    def mentioned() -> Iterator[tuple[KeyPath, Any]]:
        yield ("defaults", "init"), manifest.defaults.get("init")
        for number, job in enumerate(manifest.jobs):
            for key, axes in (("grid", job.grid), ("zip", job.zip)):
                raw = axes.get("init")
                for index, value in enumerate(raw if isinstance(raw, list) else ()):
                    yield ("jobs", number, key, "init", index), value.get("value") if isinstance(value, dict) else value
            for index, part in enumerate(job.override):
                yield ("jobs", number, "override", index, "set", "init"), part.set.get("init")
            for index, added in enumerate(job.add):
                for name in ("init", *PICTURES):
                    yield ("jobs", number, "add", index, name), added.get(name)

    found: dict[str, KeyPath] = {}
    for path, raw in mentioned():
        if raw is not None and not isinstance(raw, dict | list) and raw not in STARTS:
            found.setdefault(str(raw), path)
    return found
