"""The pictures a manifest names: found below its root, confined to it, with their digests and sizes."""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath

from flows import samples
from flows.axes import PICTURES
from flows.manifest import Entry, Loaded, is_pattern, stem
from flows.source import Path as KeyPath
from flows.source import Place, Problem
from flows.store import StorageError, Store, UnsafeNameError, open_store
from flows.store.interface import check_name
from stylecore import images
from stylecore.errors import PictureError, StylepressError, did_you_mean

SAMPLE = "sample:"
STARTS = ("content", "style", "noise")
"""Values of `init` that are no picture's path."""
_MOST_COMPARED = 5000  # names; a root may hold very many files
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
        problems: entries that name nothing, or something they must not.
        places: where the manifest names each picture first, by the picture's name.
    """

    content: tuple[Input, ...]
    style: tuple[Input, ...]
    others: dict[str, Input]
    root: str
    problems: tuple[Problem, ...] = ()
    places: dict[str, Place] = field(default_factory=dict)


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


def find(loaded: Loaded, others: Mapping[str, KeyPath], output: str | None = None) -> Inputs:
    """Find the pictures a manifest names and read their digests and headers.

    Args:
        loaded: the manifest.
        others: further pictures, from `add` and `init`, and where they are named.
        output: address of the output; where it lies below the root, patterns such as **/*.png pass it by.

    Raises:
        StorageError: the root cannot be reached.
    """
    store = open_store(root_of(loaded))
    rendered = _rendered_below(root_of(loaded), output)
    problems: list[Problem] = []
    places: dict[str, Place] = {}
    found: dict[str, list[Input]] = {kind: [] for kind in PICTURES}
    for kind in PICTURES:
        for index, entry in enumerate(getattr(loaded.manifest.inputs, kind)):
            place = loaded.document.place(("inputs", kind, index))
            try:
                expanded = _expanded(entry, store, rendered)
                found[kind] += expanded
                places = {picture.name: place for picture in expanded} | places
            except StylepressError as error:
                if isinstance(error, StorageError) and not isinstance(error, UnsafeNameError):
                    raise
                problems.append(Problem(f"inputs.{kind}: {error}", place))
        found[kind] = _told_apart(found[kind])
    rest = {said: Input(said if said.startswith(SAMPLE) else str(PurePosixPath(said)), stem(said)) for said in others}
    places = {picture.name: loaded.document.place(others[said]) for said, picture in rest.items()} | places
    everything = {i.name: i for i in [*found["content"], *found["style"], *rest.values()]}
    with ThreadPoolExecutor(_READERS) as pool:
        described = dict(zip(everything, pool.map(lambda i: describe(i, store), everything.values()), strict=True))
    for kind in PICTURES:
        found[kind] = [replace(described[i.name], label=i.label) for i in found[kind]]
    rest = {said: described[i.name] for said, i in rest.items()}
    return Inputs(tuple(found["content"]), tuple(found["style"]), rest, root_of(loaded), tuple(problems), places)


def _rendered_below(root: str, output: str | None) -> tuple[str, ...]:
    """Prefixes of the names below a root that an output there holds."""
    if output is None or ("://" in output) != ("://" in root):
        return ()
    if "://" in root:
        bare, inside = root.rstrip("/") + "/", output.rstrip("/") + "/"
        relative = inside[len(bare) :] if inside.startswith(bare) else None
    else:
        path = PurePath(os.path.relpath(os.path.realpath(output), os.path.realpath(root)))
        relative = None if ".." in path.parts else f"{path.as_posix()}/".removeprefix("./")
    return () if relative is None else (relative,) if relative else ("renders/", "sheets/", "gallery/")


def _expanded(entry: Entry, store: Store, rendered: tuple[str, ...]) -> list[Input]:
    """The pictures of an entry; a label of an empty text stands for one still to be made."""
    if entry.path.startswith(SAMPLE):
        samples.path(entry.path.removeprefix(SAMPLE))
        return [Input(entry.path, entry.label or "")]
    name = check_name(str(PurePosixPath(entry.path)))
    if not is_pattern(name) or store.stat(name):  # `photo [1].jpg` is a picture's name too
        return [Input(name, entry.label or "")]
    there = (e.name for e in store.list(re.match(r"(?:[^*?\[]*/)?", name)[0]))  # type: ignore[index]
    matches = matching(name, (file for file in there if not file.startswith(rendered)))
    if not matches:
        raise StylepressError(f"no file below {store.url} matches {entry.path!r}")
    many = len(matches) > 1
    return [Input(m, f"{entry.label} {stem(m)}" if entry.label and many else entry.label or "") for m in matches]


def _told_apart(named: list[Input]) -> list[Input]:
    """Each picture once, with a label: where two would be called the same, folders and endings tell them apart."""
    once: dict[str, Input] = {}
    for picture in named:
        if not once.get(picture.name, picture).label:
            once[picture.name] = picture  # named again with a label, as after a pattern: it keeps its place
        once.setdefault(picture.name, picture)
    pictures = list(once.values())
    wanted = [i.label or stem(i.name) for i in pictures]
    for longer in (lambda name: str(PurePosixPath(name).with_suffix("")), str):
        often = Counter(wanted)
        wanted = [
            longer(i.name) if often[said] > 1 and not i.label else said
            for i, said in zip(pictures, wanted, strict=True)
        ]
    return [replace(i, label=said) for i, said in zip(pictures, wanted, strict=True)]


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """Names that a glob pattern matches, sorted.

    `*` and `?` stop at slashes, `**/` stands for any folders, `[ab]`, `[a-z]` and `[!a]` for one character.
    """
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", pattern)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    expression = re.compile("".join(words.get(part) or _one_of(part) or re.escape(part) for part in parts))
    return sorted(name for name in names if expression.fullmatch(name))


def _one_of(part: str) -> str:
    """A bracket of a glob pattern as a regular expression; empty for other parts."""
    if len(part) < 3 or part[0] != "[" or part[-1] != "]":
        return ""
    return fnmatch.translate(part)[len("(?s:") :].rpartition(")")[0]


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
    said = str(error)
    if said.startswith("the picture"):
        return said.replace("the picture", name, 1)
    return said if name in said else f"{name}: {said}"


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


def faulty(inputs: Inputs) -> list[Problem]:
    """What is wrong with pictures, each at its place; for a missing one with the nearest name that is there."""
    listed = {i.name: i for i in (*inputs.content, *inputs.style)}
    # a picture that `add` names may also be named by its label
    known = {word for i in listed.values() for word in (i.name, i.label)}
    pictures = [*listed.values(), *(i for said, i in inputs.others.items() if said not in known)]
    there: list[str] | None = None
    problems = []
    for picture in (i for i in pictures if i.fault):
        near = ""
        if picture.kind == "missing-picture":
            there = there or [e.name for e in itertools.islice(open_store(inputs.root).list(), _MOST_COMPARED)]
            near = did_you_mean(picture.name, [*there, *STARTS])
        problems.append(Problem(picture.fault + near, inputs.places.get(picture.name, Place())))
    return problems


def suggestion(inputs: Iterable[Input], said: str) -> str:
    """The nearest path or label, for a message."""
    return did_you_mean(said, [word for i in inputs for word in (i.name, i.label)])
