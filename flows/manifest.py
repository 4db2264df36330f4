"""The manifest: its types, how it is read, and every mistake in it with file, line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from flows import mistakes
from flows.listed import Content, Ingredient, Inputs, Label, Strict, Style, Whole, spell_out
from flows.mistakes import Mistake
from flows.sheet_keys import Sheet
from flows.source import Document, ManifestError, Path, Problem, assign, read_yaml


class Override(Strict):
    """Settings changed in the cells that match."""

    when: dict[str, Any] = Field(min_length=1, description="Settings, content or style that a cell must have.")
    set: dict[str, Any] = Field(min_length=1, description="Settings to change.")


class Sample(Strict):
    """A reproducible random subset of a job's cells."""

    count: Whole = Field(ge=1)
    seed: Whole = Field(0, ge=0)


class Job(Strict):
    """A block of cells: content × style × axes."""

    name: Label = Field("", description="For people.")
    pair: Literal["product", "zip"] = Field("product", description="How contents and styles are combined.")
    grid: dict[str, Any] = Field(default_factory=dict, description="Axes, multiplied in the order written.")
    zip: dict[str, Any] = Field(default_factory=dict, description="Axes of equal length that move together.")
    exclude: list[dict[str, Any]] = Field(default_factory=list, description="Cells to leave out.")
    override: list[Override] = Field(default_factory=list, description="Cells to change.")
    add: list[dict[str, Any]] = Field(default_factory=list, description="Cells to add: content, style, settings.")
    sample: Sample | None = None


class Output(Strict):
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


def _devices(value: Any) -> Any:
    """What can be a device somewhere; whether it is here is for the machine that renders to say."""
    listed = isinstance(value, list)
    words = [str(part) for part in (value if listed else [value])]
    form = r"cpu|(cuda:)?[0-9]+" if listed else r"auto|cpu|cuda|cuda:[0-9]+|0*[1-9][0-9]*"
    if not words or not all(re.fullmatch(form, word) for word in words):
        raise ValueError(f"expected auto, cpu, cuda, a number of GPUs, or a list such as [cuda:0], got {value!r}")
    return words if listed else value


def _interval(value: Any) -> Any:
    if value is False or value == "off":  # YAML 1.1 reads a bare `off` as false
        return None
    try:
        seconds = _seconds(value)
    except ValueError:
        seconds = 0
    if not seconds:
        raise ValueError(f"expected a time such as 30s or 2m, or off, got {value!r}")
    return seconds


class Run(Strict):
    """How the work is carried out; nothing here changes a pixel."""

    retries: Whole = Field(
        2, ge=0, le=20, description="How often a chunk is tried again when the machine was at fault."
    )
    max_failures: Annotated[str, BeforeValidator(_failures)] = Field(
        "100%", description="Failed cells (a number, or a share of the cells to render) after which a run stops early."
    )
    chunk: Annotated[float, BeforeValidator(_seconds)] = Field(
        "10m", validate_default=True, description="Work that a worker takes at a time, such as 90s, 10m or 1h."
    )
    checkpoint: Annotated[float | None, BeforeValidator(_interval)] = Field(
        "30s",
        validate_default=True,
        description="How often a render leaves what it goes on from after a kill, such as 30s or 2m, or off.",
    )
    devices: Annotated[str | int | list[str], BeforeValidator(_devices)] = Field(
        "auto", description="auto, cpu, cuda, a number of GPUs, or a list: [cuda:0]."
    )
    max_cells: Whole = Field(
        10_000, ge=1, description="Cells beyond which a run needs --limit, sample, or this raised."
    )

    def failures_allowed(self, cells: int) -> int:
        """Failed cells that a run of so many cells may have before it stops early."""
        if self.max_failures.endswith("%"):
            return int(cells * float(self.max_failures[:-1]) / 100)
        return int(self.max_failures)


class Manifest(Strict):
    """A whole manifest, version 1."""

    version: Annotated[Literal[1], BeforeValidator(lambda value: "true" if value is True else value)]
    name: Label = Field("untitled", min_length=1, description="What the study is called.")
    inputs: Inputs
    defaults: dict[str, Any] = Field(default_factory=dict, description="Settings of every cell.")
    jobs: list[Job] = Field(default_factory=lambda: [Job()], min_length=1, description="Blocks of cells.")
    sheets: list[Sheet] = Field(default_factory=list)
    output: Output = Field(default_factory=Output)
    run: Run = Field(default_factory=Run)


@dataclass(frozen=True)
class Loaded:
    """A manifest that was read.

    Attributes:
        manifest: the manifest.
        document: its data and where each value stands.
        url: file or s3:// address it came from, as given.
        problems: mistakes that were found, with what they concern left out of `manifest`; empty unless asked for.
    """

    manifest: Manifest
    document: Document
    url: str
    problems: tuple[Problem, ...] = ()

    def error(self, problems: list[Problem]) -> ManifestError:
        """An error that names this manifest."""
        return ManifestError(self.url, problems)


def load(text: str, url: str, overrides: list[str] | None = None, *, lenient: bool = False) -> Loaded:
    """Read a manifest and check everything that can be checked without its pictures.

    Args:
        text: YAML.
        url: where it came from, for messages.
        overrides: `KEY=VALUE` assignments in the manner of `--set`.
        lenient: give what is left when mistakes are left out, with the mistakes, so that a check can find more.

    Raises:
        ManifestError: with every mistake; with `lenient` only where nothing useful is left.
    """
    document = read_yaml(text, url)
    if not isinstance(document.data, dict):
        raise ManifestError(url, [Problem("a manifest is a mapping that starts with `version: 1`")])
    if overrides or lenient:
        spell_out(document.data.get("inputs"))
    for assignment in overrides or []:
        assign(document, assignment)
    manifest, found = _validated(document)
    problems = [*document.problems, *(Problem(message, document.place(path)) for path, message in found)]
    if lenient and found:
        document = document.without({left_out for path, _ in found for left_out in _doubtful(path)})
        manifest, _ = _validated(document)
    if manifest is None or (problems and not lenient):
        raise ManifestError(url, problems)
    return Loaded(manifest, document, url, tuple(problems))


def _validated(document: Document) -> tuple[Manifest | None, list[Mistake]]:
    """The manifest, where its types are right, and all mistakes."""
    found = [*mistakes.in_settings(document), *mistakes.in_axes(document), *mistakes.in_sheets(document)]
    try:
        return Manifest.model_validate(document.data), found
    except ValidationError as error:
        return None, [*mistakes.in_types(error, _names_at), *found]


def _doubtful(path: Path) -> Iterator[Path]:
    """What to leave out because of a mistake, so that looking at the rest raises no false alarms."""
    if path[0] in ("defaults", "inputs"):
        yield ("jobs",)  # their conditions may rest on what is left out
    yield path[: 3 if path[0] == "inputs" else 2]


def _names_at(path: Path) -> list[str]:
    """Keys that the manifest's types know at a path."""
    parts: dict[str, type[BaseModel]] = {
        "inputs": Inputs,
        "content": Content,
        "style": Style,
        "blend": Ingredient,
        "jobs": Job,
        "override": Override,
        "sample": Sample,
        "sheets": Sheet,
        "output": Output,
        "run": Run,
    }
    words = [step for step in path if isinstance(step, str)]
    return list((parts.get(words[-1], Manifest) if words else Manifest).model_fields)
