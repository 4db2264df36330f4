"""The manifest: its types, how it is read, and every mistake in it with file, line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from flows.axes import read_axis
from flows.source import Document, ManifestError, Path, Problem, assign, read_yaml
from stylecore import settings
from stylecore.errors import SettingError, did_you_mean

PICTURES = ("content", "style")
"""What `exclude`, `override` and `add` may name besides settings."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Label = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]


class Entry(_Part):
    """A picture or a pattern of pictures, `sample:NAME`, with an optional label."""

    path: str = Field(min_length=1, description="Path below inputs.root, pattern such as photos/*.jpg, or sample:NAME.")
    label: Label | None = Field(None, description="What the picture is called on sheets and in file names.")


def _as_entry(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


Entries = Annotated[list[Annotated[Entry, BeforeValidator(_as_entry)]], BeforeValidator(_as_list)]


class Inputs(_Part):
    """The pictures."""

    root: str = Field(".", min_length=1, description="Folder or s3://bucket/prefix that picture paths are relative to.")
    content: Entries = Field(default_factory=list, description="Content pictures.")
    style: Entries = Field(default_factory=list, description="Style pictures.")


class Override(_Part):
    """Settings changed in the cells that match."""

    when: dict[str, Any] = Field(min_length=1, description="Settings, content or style that a cell must have.")
    set: dict[str, Any] = Field(min_length=1, description="Settings to change.")


class Sample(_Part):
    """A reproducible random subset of a job's cells."""

    count: int = Field(ge=1)
    seed: int = Field(0, ge=0)


class Job(_Part):
    """A block of cells: content × style × axes."""

    name: Label = Field("", description="For people.")
    pair: Literal["product", "zip"] = Field("product", description="How contents and styles are combined.")
    grid: dict[str, Any] = Field(default_factory=dict, description="Axes, multiplied in the order written.")
    zip: dict[str, Any] = Field(default_factory=dict, description="Axes of equal length that move together.")
    exclude: list[dict[str, Any]] = Field(default_factory=list, description="Cells to leave out.")
    override: list[Override] = Field(default_factory=list, description="Cells to change.")
    add: list[dict[str, Any]] = Field(default_factory=list, description="Cells to add: content, style, settings.")
    sample: Sample | None = None


Axes = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class Sheet(_Part):
    """A contact sheet."""

    name: Label = Field("", description="File name; by default made of its axes.")
    title: Label = Field("", description="Title; by default the manifest's name.")
    rows: Axes = Field(default_factory=list, description="Settings, content or style along the rows.")
    cols: Axes = Field(default_factory=list, description="The same along the columns.")
    page_by: Axes = Field(default_factory=list, description="A page for each combination of these.")
    cell: int = Field(320, ge=32, le=2048, description="Longest side of a picture on the sheet, in pixels.")


class Output(_Part):
    """Where results go, and in which form."""

    to: str = Field("", description="Folder, relative to the manifest, or s3://bucket/prefix. By default out/<name>.")
    format: Literal["png", "jpeg", "webp", "tiff"] = "png"
    embed: Literal["full", "key", "none"] = Field("full", description="What a picture carries about itself.")


def _seconds(value: Any) -> Any:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|)\s*", str(value))
    if isinstance(value, bool) or not match:
        raise ValueError(f"expected a time such as 90s, 10m or 1h, got {value!r}")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _failures(value: Any) -> Any:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", str(value))
    if (
        isinstance(value, bool)
        or not match
        or (match[2] and float(match[1]) > 100)
        or (not match[2] and "." in match[1])
    ):
        raise ValueError(f"expected a number of cells, or a share such as 5%, got {value!r}")
    return str(value).strip()


class Run(_Part):
    """How the work is carried out; nothing here changes a pixel."""

    retries: int = Field(2, ge=0, le=20, description="How often a chunk is tried again when the machine was at fault.")
    max_failures: Annotated[str, BeforeValidator(_failures)] = Field(
        "100%", description="Failed cells (a number, or a share of the cells to render) after which a run stops early."
    )
    chunk: Annotated[float, BeforeValidator(_seconds)] = Field(
        "10m", validate_default=True, description="Work that a worker takes at a time, such as 90s, 10m or 1h."
    )
    devices: str | int | list[str] = Field(
        "auto", description="auto, cpu, cuda, a number of GPUs, or a list: [cuda:0]."
    )
    max_cells: int = Field(10_000, ge=1, description="Cells beyond which a run needs --limit, sample, or this raised.")

    def failures_allowed(self, cells: int) -> int:
        """Failed cells that a run of so many cells may have before it stops early."""
        if self.max_failures.endswith("%"):
            return int(cells * float(self.max_failures[:-1]) / 100)
        return int(self.max_failures)


class Manifest(_Part):
    """A whole manifest, version 1."""

    version: Literal[1]
    name: Label = Field("untitled", min_length=1, description="What the study is called.")
    inputs: Inputs
    defaults: dict[str, Any] = Field(default_factory=dict, description="Settings of every cell.")
    jobs: list[Job] = Field(default_factory=lambda: [Job()], min_length=1, description="Blocks of cells.")
    sheets: list[Sheet] = Field(default_factory=list)
    output: Output = Field(default_factory=Output)
    run: Run = Field(default_factory=Run)


@dataclass(frozen=True)
class Loaded:
    """A manifest that was read without mistakes.

    Attributes:
        manifest: the manifest.
        document: its data and where each value stands.
        url: file or s3:// address it came from, as given.
    """

    manifest: Manifest
    document: Document
    url: str

    def error(self, problems: list[Problem]) -> ManifestError:
        """An error that names this manifest."""
        return ManifestError(self.url, problems)


def load(text: str, url: str, overrides: list[str] | None = None) -> Loaded:
    """Read a manifest and check everything that can be checked without its pictures.

    Args:
        text: YAML.
        url: where it came from, for messages.
        overrides: `KEY=VALUE` assignments in the manner of `--set`.

    Raises:
        ManifestError: with every mistake.
    """
    document = read_yaml(text, url)
    if not isinstance(document.data, dict):
        raise ManifestError(url, [Problem("a manifest is a mapping that starts with `version: 1`")])
    for assignment in overrides or []:
        assign(document, assignment)
    problems = list(document.problems)
    manifest: Manifest | None = None
    try:
        manifest = Manifest.model_validate(document.data)
    except ValidationError as error:
        problems += [_problem(dict(e), document) for e in error.errors()]
    problems += _setting_problems(document)
    if manifest:
        problems += _sheet_problems(manifest, document)
    if problems or manifest is None:
        raise ManifestError(url, problems)
    return Loaded(manifest, document, url)


def _problem(error: dict[str, Any], document: Document) -> Problem:
    """One of pydantic's findings, in our words and at its place."""
    path: Path = tuple(step for step in error["loc"] if isinstance(step, str | int))
    place = document.place(path)
    here = ".".join(map(str, path))
    if error["type"] == "extra_forbidden":
        known = _names_at(path[:-1])
        return Problem(
            f"unknown key {path[-1]!r}{did_you_mean(path[-1], known)}; known here: {', '.join(known)}", place
        )
    if error["type"] == "missing":
        inside = ".".join(map(str, path[:-1])) or "the manifest"
        return Problem(f"{str(path[-1])!r} is missing in {inside}", place)
    said = str(error["msg"]).removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    got = "" if ", got " in said else f", got {error['input']!r}"[:120]
    near = ""
    if error["type"] == "literal_error":
        near = did_you_mean(error["input"], re.findall(r"'([^']+)'", str(error.get("ctx", {}).get("expected", ""))))
    return Problem(f"{here}: {said}{got}{near}", place)


def _names_at(path: Path) -> list[str]:
    """Keys that the manifest's types know at a path."""
    parts: dict[str, type[BaseModel]] = {
        "inputs": Inputs,
        "content": Entry,
        "style": Entry,
        "jobs": Job,
        "override": Override,
        "sample": Sample,
        "sheets": Sheet,
        "output": Output,
        "run": Run,
    }
    words = [step for step in path if isinstance(step, str)]
    return list((parts.get(words[-1], Manifest) if words else Manifest).model_fields)


def _setting_problems(document: Document) -> list[Problem]:
    """Mistakes in settings, wherever a manifest names them."""
    problems = []
    for path, name, raw, form in _settings_named(document.data):
        try:
            if form == "axis":
                read_axis(name, raw)
            elif name not in PICTURES or form == "setting":
                settings.parse(name, raw)
            elif not isinstance(raw, str | int | float):
                raise SettingError(name, f"{name}: expected a picture's path or label, got {raw!r}")
        except SettingError as error:
            extra = did_you_mean(name, PICTURES) if form == "match" and "did you mean" not in str(error) else ""
            problems.append(Problem(f"{error}{extra}", document.place(path)))
    return problems


def _settings_named(data: Mapping[str, Any]) -> Iterator[tuple[Path, str, Any, str]]:
    """Path, name, raw value and form (setting, axis or match) of every setting that a manifest names."""

    def of(part: Any, path: Path, form: str) -> Iterator[tuple[Path, str, Any, str]]:
        for name, raw in part.items() if isinstance(part, dict) else ():
            yield (*path, name), name, raw, form

    yield from of(data.get("defaults"), ("defaults",), "setting")
    for number, job in _mappings(data.get("jobs")):
        at: Path = ("jobs", number)
        yield from of(job.get("grid"), (*at, "grid"), "axis")
        yield from of(job.get("zip"), (*at, "zip"), "axis")
        for key in ("exclude", "add"):
            for index, part in _mappings(job.get(key)):
                yield from of(part, (*at, key, index), "match")
        for index, part in _mappings(job.get("override")):
            yield from of(part.get("when"), (*at, "override", index, "when"), "match")
            yield from of(part.get("set"), (*at, "override", index, "set"), "setting")


def _mappings(raw: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The mappings of a list with their indices; what is no list or no mapping is reported elsewhere."""
    return ((n, part) for n, part in enumerate(raw if isinstance(raw, list) else []) if isinstance(part, dict))


def _sheet_problems(manifest: Manifest, document: Document) -> list[Problem]:
    known = (*PICTURES, *settings.names())
    problems = []
    for number, sheet in enumerate(manifest.sheets):
        seen: set[str] = set()
        for key in ("rows", "cols", "page_by"):
            for name in getattr(sheet, key):
                place = document.place(("sheets", number, key))
                if name not in known:
                    problems.append(Problem(f"{key}: no setting {name!r}{did_you_mean(name, known)}", place))
                elif name in seen:
                    problems.append(Problem(f"{key}: {name!r} runs along this sheet already", place))
                seen.add(name)
    return problems


def is_pattern(path: str) -> bool:
    """Whether an entry's path stands for several pictures."""
    return any(character in path for character in "*?[")


def stem(path: str) -> str:
    """What a picture is called when nobody labels it: `photos/harbour.jpg` is harbour, `sample:cat` is cat."""
    return PurePosixPath(path.removeprefix("sample:")).stem


def json_schema() -> dict[str, Any]:
    """JSON Schema of a manifest, for editors; settings are described by `stylecore.Settings`."""
    schema = Manifest.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "stylepress manifest, version 1"
    of_settings = settings.json_schema()
    definitions = schema["$defs"]
    definitions["Settings"] = of_settings
    definitions["Axes"] = {
        "type": "object",
        "properties": {
            name: {
                "description": part["description"],
                "anyOf": [{"type": "array", "minItems": 1}, {"$ref": "#/$defs/Spacing"}],
            }
            for name, part in of_settings["properties"].items()
        },
        "additionalProperties": False,
    }
    definitions["Spacing"] = {
        "type": "object",
        "properties": {
            name: {"type": "array", "minItems": 3, "maxItems": 3} for name in ("range", "linspace", "logspace")
        },
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    picture = {"type": "string"}
    definitions["Match"] = {
        **of_settings,
        "properties": {**of_settings["properties"], "content": picture, "style": picture},
    }
    schema["properties"]["defaults"] = {"$ref": "#/$defs/Settings"}
    definitions["Job"]["properties"] |= {
        "grid": {"$ref": "#/$defs/Axes"},
        "zip": {"$ref": "#/$defs/Axes"},
        "exclude": {"type": "array", "items": {"$ref": "#/$defs/Match"}},
        "add": {"type": "array", "items": {"$ref": "#/$defs/Match"}},
    }
    definitions["Override"]["properties"] = {
        "when": {"$ref": "#/$defs/Match"},
        "set": {"$ref": "#/$defs/Settings"},
    }
    entry = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Entry"}]}
    for kind in PICTURES:
        definitions["Inputs"]["properties"][kind] = {"anyOf": [*entry["anyOf"], {"type": "array", "items": entry}]}
    words = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    for key in ("rows", "cols", "page_by"):
        definitions["Sheet"]["properties"][key] = {"anyOf": words}
    duration = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}], "default": "10m"}
    definitions["Run"]["properties"]["chunk"] = duration
    definitions["Run"]["properties"]["max_failures"] = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    return schema
