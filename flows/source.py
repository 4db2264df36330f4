"""YAML text as plain data, with the line and column of every key and value, and every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from stylecore.errors import StylepressError

Path = tuple[str | int, ...]
"""Keys and list indices from the top of a document to a value."""

LARGEST = 8 * 2**20
"""Bytes of a manifest beyond which it is refused unread."""
_MOST_NODES, _DEEPEST = 500_000, 60
_LONGEST = 500  # characters of a message
_ENDLESS = "nested too deeply, or aliases that multiply; write it out"
_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True)
class Place:
    """Where something stands: line and column from 1, or the command-line option it came from."""

    line: int = 1
    column: int = 1
    option: str = ""

    def __str__(self) -> str:
        return self.option or f"line {self.line}, column {self.column}"


@dataclass(frozen=True)
class Problem:
    """One mistake and its place."""

    message: str
    place: Place = field(default_factory=Place)


class ManifestError(StylepressError):
    """A manifest is wrong. The message lists every mistake found, one a line, each with file, line and column.

    Attributes:
        problems: the mistakes.
    """

    kind = "manifest"

    def __init__(self, name: str, problems: list[Problem]) -> None:
        ordered = sorted(dict.fromkeys(problems), key=lambda p: (p.place.option, p.place.line, p.place.column))
        super().__init__("\n".join(f"{name}, {p.place}: {_shortened(p.message)}" for p in ordered))
        self.problems = ordered


@dataclass
class Document:
    """Plain data of a YAML document and where it stands.

    Attributes:
        data: mappings, lists, strings, numbers, booleans and None only.
        places: place of each key (for an entry of a mapping) or item, by its path.
        problems: what is wrong with the text itself: duplicate keys, tags that stand for code.
    """

    data: Any
    places: dict[Path, Place]
    problems: list[Problem]

    def place(self, path: Path) -> Place:
        """Place of a path, or of the nearest thing that contains it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place())

    def without(self, paths: set[Path]) -> Document:
        """The document without some entries and items; what is left keeps its places."""
        places: dict[Path, Place] = {}

        def kept(value: Any, old: Path, new: Path) -> Any:
            if old in self.places:
                places[new] = self.places[old]
            if isinstance(value, dict):
                return {k: kept(v, (*old, k), (*new, k)) for k, v in value.items() if (*old, k) not in paths}
            if isinstance(value, list):
                left = [(i, v) for i, v in enumerate(value) if (*old, i) not in paths]
                return [kept(v, (*old, i), (*new, n)) for n, (i, v) in enumerate(left)]
            return value

        return Document(kept(self.data, (), ()), places, self.problems)


def read_yaml(text: str, name: str) -> Document:
    """Read one YAML document.

    YAML 1.1 oddities that nobody means are read as text: `no`, `on`, `12:30:00` and dates.

    Args:
        text: the document.
        name: of the file, for messages.

    Raises:
        ManifestError: the text is no YAML, or larger or deeper than any manifest.
    """
    if len(text) > LARGEST:
        raise ManifestError(name, [Problem(f"the file is larger than {LARGEST >> 20} MiB; is it a manifest?")])
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if deep := _too_deep(yaml.parse(text, Loader=loader)):  # libyaml composes by recursion and would overflow
            raise ManifestError(name, [Problem(_ENDLESS, deep)])
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place()
        said = ", ".join(part for part in (error.context, error.problem) if part)
        hint = "; what begins with * is written in quotes: '*.jpg'" if "alias" in said else ""
        raise ManifestError(name, [Problem(f"this is not YAML: {said}{hint}", place)]) from None
    except yaml.YAMLError as error:
        raise ManifestError(name, [Problem(f"this is not YAML: {str(error).splitlines()[0]}")]) from None
    if node is None:
        raise ManifestError(name, [Problem("the file is empty; a manifest starts with `version: 1`")])
    reader = _Reader()
    try:
        data = reader.plain(node, ())
    except _EndlessError as error:
        raise ManifestError(name, [Problem(_ENDLESS, error.args[0])]) from None
    return Document(data, reader.places, reader.problems)


class _EndlessError(Exception):
    """Aliases that multiply, or contain themselves."""


def _too_deep(events: Iterator[yaml.Event]) -> Place | None:
    """Where a text is nested more deeply than any manifest."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            return _place(event)
    return None


class _Reader:
    """Turns nodes into plain data; keeps places and problems."""

    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self._scalars = yaml.constructor.SafeConstructor()
        self._count = 0

    def plain(self, node: yaml.Node, path: Path) -> Any:
        self._count += 1
        if self._count > _MOST_NODES or len(path) > _DEEPEST:
            raise _EndlessError(_place(node))
        self.places.setdefault(path, _place(node))
        if not isinstance(node, yaml.ScalarNode) and not node.tag.startswith(_PLAIN_TAGS):
            self._tag(node)
        if isinstance(node, yaml.MappingNode):
            return dict(self._entries(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[Any, Any]]:
        seen: dict[Any, Place] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key_node.tag == "tag:yaml.org,2002:merge":
                merge = key is not None
                self._wrong(key_node, "merge keys (<<) are not read; write it out" if merge else "a key must be a name")
                continue
            key = str(key_node.value)
            if key in seen:
                self._wrong(key_node, f"duplicate key {key!r}; it stands already in line {seen[key].line}")
                continue
            seen[key] = _place(key_node)
            self.places[(*path, key)] = seen[key]
            yield key, self.plain(value_node, (*path, key))

    def _scalar(self, node: yaml.Node) -> Any:
        kind, text = node.tag.removeprefix("tag:yaml.org,2002:"), node.value
        if kind == "bool":
            return {"true": True, "false": False}.get(text.lower(), text)
        if kind in ("str", "timestamp", "merge", "value") or _means_text(kind, text):
            return text
        if kind in ("int", "float", "null"):
            try:
                return getattr(self._scalars, f"construct_yaml_{kind}")(node)
            except ValueError:
                return text
        self._tag(node)
        return None

    def _tag(self, node: yaml.Node) -> None:
        self._wrong(node, f"tag {node.tag!r} is not accepted: only plain text, numbers, true, false and null are")

    def _wrong(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(message, _place(node)))


def _means_text(kind: str, text: str) -> bool:
    """Whether people mean no number by what YAML 1.1 reads as one: `12:30` in base 60, `010` in base 8."""
    return kind in ("int", "float") and (":" in text or re.fullmatch(r"[-+]?0[0-9_]+", text) is not None)


def _place(node: yaml.Node | yaml.Event) -> Place:
    mark = node.start_mark
    assert mark is not None
    return Place(mark.line + 1, mark.column + 1)


def _shortened(message: str) -> str:
    return message if len(message) <= _LONGEST else f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 2 :]}"


def assign(document: Document, assignment: str) -> None:
    """Apply one `--set KEY=VALUE`: a dotted path (list indices as numbers) and a value read as YAML.

    Raises:
        ManifestError: no `=`, a path that leads nowhere, or a value that is no YAML.
    """
    place = Place(option=f"--set {assignment}")
    dotted, equals, text = assignment.partition("=")
    if not equals or not dotted.strip():
        raise _misused(place, "expected KEY=VALUE, such as defaults.steps=50")
    keys = dotted.strip().split(".")
    path: Path = ()
    parent = document.data
    for number, key in enumerate(keys):
        step = _step(parent, key, ".".join(keys[:number]) or "the manifest", place)
        path = (*path, step)
        if number == len(keys) - 1:
            parent[step] = _value(text, place, document)
        elif isinstance(parent, dict) and parent.get(step) is None:
            parent[step] = [{}] if keys[number + 1] == "0" else {}  # so that `jobs.0.…` needs no jobs in the file
            document.places[path] = place
        parent = parent[step]
    for inner in [p for p in document.places if p[: len(path)] == path]:
        del document.places[inner]
    document.places[path] = place


def _step(parent: Any, key: str, where: str, place: Place) -> str | int:
    """A part of a dotted path as a key or an index of what it leads into."""
    if isinstance(parent, dict):
        return key
    if not isinstance(parent, list):
        raise _misused(place, f"{where} is {parent!r} and has no keys")
    if not (key.isdecimal() and int(key) < len(parent)):
        expected = f"expected an index from 0 to {len(parent) - 1}" if parent else "this list is empty"
        raise _misused(place, f"{where}: {expected}, got {key!r}")
    return int(key)


def _value(text: str, place: Place, document: Document) -> Any:
    """The value of an assignment; its own mistakes go to the document's."""
    if not text.strip():
        return None
    if text.lstrip().startswith("#"):
        return text.strip()  # a whole value that is a comment is meant as text
    try:
        read = read_yaml(text, "")
    except ManifestError as error:
        raise _misused(place, error.problems[0].message) from None
    document.problems += [Problem(problem.message, place) for problem in read.problems]
    return read.data


def _misused(place: Place, message: str) -> ManifestError:
    return ManifestError("command line", [Problem(message, place)])
