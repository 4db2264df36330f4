"""The pictures a manifest names: found below its root, confined to it, with their digests and sizes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from flows import samples
from flows.manifest import PICTURES, Entry, Loaded, is_pattern, stem
from flows.source import Problem
from flows.store import StorageError, Store, UnsafeNameError, open_store
from flows.store.interface import check_name
from stylecore import images
from stylecore.errors import PictureError, StylepressError, did_you_mean

SAMPLE = "sample:"
_READERS = 16  # enough to hide the latency of a bucket; a local disk does not mind


@dataclass(frozen=True)
class Input:
    """A picture that a manifest names.

    Attributes:
        name: path below the manifest's root, with slashes, or `sample:NAME`.
        label: what people call it.
        digest: sha256 of its bytes in hexadecimal; empty where it cannot be read.
        width: in pixels, upright; 0 where the header cannot be read.
        height: likewise.
        fault: why it cannot be used; empty for a good picture.
        kind: kind of the fault: `missing-picture` or `unreadable-picture`.
    """

    name: str
    label: str
    digest: str = ""
    width: int = 0
    height: int = 0
    fault: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Inputs:
    """All pictures of a manifest.

    Attributes:
        content: in the order written, patterns expanded by name.
        style: likewise.
        others: pictures that only `add` or `init` name, by the path they are named with.
        root: address of the folder or bucket they lie in.
    """

    content: tuple[Input, ...]
    style: tuple[Input, ...]
    others: dict[str, Input]
    root: str


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


def find(loaded: Loaded, others: Iterable[str] = (), *, read: bool = True) -> Inputs:
    """Find the pictures a manifest names and read their digests and headers.

    Args:
        loaded: the manifest.
        others: further paths, from `add` and `init`.
        read: whether to read the pictures; without, only names and labels are filled in.

    Raises:
        ManifestError: a path that leaves the root, an unknown sample, a pattern that matches nothing.
        StorageError: the root cannot be reached.
    """
    store = open_store(root_of(loaded))
    problems: list[Problem] = []
    found: dict[str, list[Input]] = {kind: [] for kind in PICTURES}
    for kind in PICTURES:
        for index, entry in enumerate(getattr(loaded.manifest.inputs, kind)):
            try:
                found[kind] += _expanded(entry, store)
            except UnsafeNameError as error:
                problems.append(Problem(str(error), loaded.document.place(("inputs", kind, index))))
            except StorageError:
                raise
            except StylepressError as error:
                problems.append(Problem(f"inputs.{kind}: {error}", loaded.document.place(("inputs", kind, index))))
        found[kind] = list({i.name: i for i in reversed(found[kind])}.values())[::-1]
    rest = {said: Input(said if said.startswith(SAMPLE) else str(PurePosixPath(said)), stem(said)) for said in others}
    if problems:
        raise loaded.error(problems)
    if read:
        everything = {i.name: i for i in [*found["content"], *found["style"], *rest.values()]}
        with ThreadPoolExecutor(_READERS) as pool:
            described = dict(zip(everything, pool.map(lambda i: describe(i, store), everything.values()), strict=True))
        for kind in PICTURES:
            found[kind] = [replace(described[i.name], label=i.label) for i in found[kind]]
        rest = {said: described[i.name] for said, i in rest.items()}
    return Inputs(tuple(found["content"]), tuple(found["style"]), rest, root_of(loaded))


def _expanded(entry: Entry, store: Store) -> list[Input]:
    if entry.path.startswith(SAMPLE):
        samples.path(entry.path.removeprefix(SAMPLE))
        return [Input(entry.path, entry.label or stem(entry.path))]
    name = str(PurePosixPath(entry.path))
    if not is_pattern(entry.path):
        return [Input(check_name(name), entry.label or stem(name))]
    fixed = re.match(r"[^*?\[]*/", entry.path)
    matches = matching(entry.path, (e.name for e in store.list(fixed[0] if fixed else "")))
    if not matches:
        raise StylepressError(f"no file below {store.url} matches {entry.path!r}")
    labels = {name: stem(name) for name in matches}
    if entry.label:
        labels = {name: f"{entry.label} {stem(name)}" if len(matches) > 1 else entry.label for name in matches}
    return [Input(name, labels[name]) for name in matches]


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """Names that a glob pattern matches, sorted: `*` and `?` stop at slashes, `**/` stands for any folders."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]]+\])", str(PurePosixPath(pattern)))
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    expression = "".join(
        words.get(part)
        or (part.replace("[!", "[^") if part.startswith("[") and part.endswith("]") else re.escape(part))
        for part in parts
    )
    return sorted(name for name in names if re.fullmatch(expression, name))


def describe(wanted: Input, store: Store) -> Input:
    """The same input with digest and size, or with its fault."""
    try:
        data = read_input(wanted.name, store)
    except FileNotFoundError:
        return replace(wanted, fault=f"there is no {wanted.name!r} below {store.url}", kind="missing-picture")
    except (UnsafeNameError, samples.MissingSampleError) as error:
        return replace(wanted, fault=str(error), kind=error.kind)
    except StorageError as error:
        if error.transient or wanted.name.startswith(SAMPLE) or not _is_local(store):
            raise
        return replace(wanted, fault=str(error), kind="unreadable-picture")
    digest = hashlib.sha256(data).hexdigest()
    try:
        header = images.inspect(data)
    except PictureError as error:
        return replace(wanted, digest=digest, fault=named(error, wanted.name), kind="unreadable-picture")
    return replace(wanted, digest=digest, width=header.width, height=header.height)


def named(error: Exception, name: str) -> str:
    """A picture error's message with the picture's name, which in-memory decoding does not know."""
    return str(error) if name in str(error) else f"{name}: {error}"


def _is_local(store: Store) -> bool:
    return not store.url.startswith("s3://")


def read_input(name: str, store: Store) -> bytes:
    """Bytes of an input by its name: from the store, or from the pictures that ship with the package.

    Raises:
        FileNotFoundError: it is not there.
        StorageError: it cannot be read, or is not a regular file.
        MissingSampleError: there is no such sample.
    """
    if name.startswith(SAMPLE):
        return samples.path(name.removeprefix(SAMPLE)).read_bytes()
    return store.read(name)


def lookup(inputs: Iterable[Input], said: str) -> list[Input]:
    """Inputs that a manifest's `content:` or `style:` value means: by path, else by label."""
    everything = list(inputs)
    path = said if said.startswith(SAMPLE) else str(PurePosixPath(said))
    return [i for i in everything if i.name == path] or [i for i in everything if i.label == said]


def suggestion(inputs: Iterable[Input], said: str) -> str:
    """The nearest path or label, for a message."""
    return did_you_mean(said, [word for i in inputs for word in (i.name, i.label)])
