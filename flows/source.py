"""YAML text as plain data, with the line and column of every key and value, and every mistake at once."""

from __future__ import annotations

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
        ordered = sorted(problems, key=lambda p: (p.place.option, p.place.line, p.place.column))
        super().__init__("\n".join(f"{name}, {p.place}: {p.message}" for p in ordered))
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
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place()
        raise ManifestError(name, [Problem(f"this is not YAML: {error.problem or error.context}", place)]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError(name, [Problem(f"this is not YAML: {str(error).splitlines()[0]}")]) from None
    if node is None:
        raise ManifestError(name, [Problem("the file is empty; a manifest starts with `version: 1`")])
    reader = _Reader()
    data = reader.plain(node, ())
    return Document(data, reader.places, reader.problems)


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
            if self._count < 2 * _MOST_NODES:
                self._count = 2 * _MOST_NODES
                self._wrong(node, "nested too deeply, or aliases that multiply; write it out")
            return None
        self.places.setdefault(path, _place(node))
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
                self._wrong(key_node, "a key must be a plain name")
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
        if kind in ("str", "timestamp", "merge", "value") or (kind in ("int", "float") and ":" in text):
            return text
        if kind in ("int", "float", "null"):
            try:
                return getattr(self._scalars, f"construct_yaml_{kind}")(node)
            except ValueError:
                return text
        self._wrong(node, f"tag {node.tag!r} is not accepted: only plain text, numbers, true, false and null are")
        return None

    def _wrong(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(message, _place(node)))


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def assign(document: Document, assignment: str) -> None:
    """Apply one `--set KEY=VALUE`: a dotted path (list indices as numbers) and a value read as YAML.

    Raises:
        ManifestError: no `=`, or a path that leads nowhere.
    """
    option = f"--set {assignment}"
    dotted, equals, text = assignment.partition("=")
    if not equals or not dotted.strip():
        raise ManifestError(
            "command line", [Problem("expected KEY=VALUE, such as defaults.steps=50", Place(option=option))]
        )
    value = read_yaml(text, "command line").data if text.strip() else None
    path: list[str | int] = []
    parent = document.data
    keys = dotted.strip().split(".")
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        step: str | int = key
        if isinstance(parent, list):
            if not key.isdigit() or int(key) >= len(parent):
                _nowhere(option, path, f"expected an index from 0 to {len(parent) - 1}, got {key!r}")
            step = int(key)
        elif not isinstance(parent, dict):
            _nowhere(option, path, f"{parent!r} has no keys")
        path.append(step)
        if last:
            parent[step] = value
        elif isinstance(parent, dict):
            if parent.get(key) is None:
                parent[key] = {}
            parent = parent[key]
        else:
            parent = parent[int(key)]
    at = tuple(path)
    for inner in [p for p in document.places if p[: len(at)] == at]:
        del document.places[inner]
    document.places[at] = Place(option=option)


def _nowhere(option: str, path: list[str | int], message: str) -> None:
    where = ".".join(map(str, path)) or "the manifest"
    raise ManifestError("command line", [Problem(f"{where}: {message}", Place(option=option))])
