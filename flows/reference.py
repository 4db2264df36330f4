"""The reference page of all settings and presets, made of `stylecore.Settings`: `python -m flows.reference [FILE]`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from flows.naming import said, said_of
from stylecore.methods import METHODS
from stylecore.presets import NETWORKS, PUBLISHED, SCHEDULES
from stylecore.settings import Settings, kind_of

_INTRODUCTION = """# Settings

Every setting of a cell, with its default and what it accepts. In a manifest they stand under `defaults`, along the axes
of `grid` and `zip`, and in `override`, `add` and `exclude`; `--set defaults.NAME=VALUE` changes one from the command
line. This page is made of the code: `python -m flows.reference docs/settings.md`.

[Which knob does what](knobs.md) shows the ones that matter most, with pictures.
"""


def page() -> str:
    """The page, as Markdown."""
    return "\n".join([_INTRODUCTION, *_settings(), *_methods(), *_presets()])


def _settings() -> list[str]:
    lines = ["| setting | default | accepts | meaning |", "| --- | --- | --- | --- |"]
    defaults = Settings()
    for field in dataclasses.fields(Settings):
        default = said_of(field.name, getattr(defaults, field.name))
        accepted = _accepted(kind_of(field.name).schema())
        lines.append(f"| `{field.name}` | {default} | {accepted} | {_cell(field.metadata['doc'])} |")
    return [*lines, ""]


def _methods() -> list[str]:
    lines = ["## Methods", "", "| method | content | style | defaults of its own |", "| --- | --- | --- | --- |"]
    for name, method in METHODS.items():
        own = ", ".join(f"{setting} {said(value)}" for setting, value in method.defaults.items())
        uses = [("yes" if used else "not used") for used in (method.needs_content, method.needs_style)]
        lines.append(f"| `{name}` | {uses[0]} | {uses[1]} | {own} |")
    return [*lines, ""]


def _presets() -> list[str]:
    lines = ["## Presets", "", "Any value can be set over what a preset sets.", ""]
    for name, values in SCHEDULES.items():
        own = ", ".join(f"`{s}` {said_of(s, kind_of(s).parse(value))}" for s, value in values.items())
        lines.append(f"* `{name}`: {own or 'the defaults'}")
    lines += ["", "Published set-ups, each as its source has it:", ""]
    lines += ["Weights of terms belong to the network they were found with; name it by `encoder`.", ""]
    for name, values in PUBLISHED.items():
        lines += [f"### {name}", "", f"Published with {NETWORKS[name]}.", ""]
        lines += ["| setting | value |", "| --- | --- |"]
        parsed = {setting: kind_of(setting).parse(value) for setting, value in values.items()}
        lines += [f"| `{setting}` | {said_of(setting, value)} |" for setting, value in parsed.items()]
        lines.append("")
    return lines


def _accepted(schema: dict[str, Any]) -> str:
    """What a schema accepts, in a few words."""
    if "anyOf" in schema:
        said_parts = [_accepted(part) for part in schema["anyOf"]]
        return " or ".join(dict.fromkeys(part for part in said_parts if part))
    if "enum" in schema:
        return ", ".join(f"`{name}`" for name in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type")
    if kind in ("number", "integer"):
        return _range("whole number" if kind == "integer" else "number", schema)
    if kind == "array":
        return f"list of {_accepted(schema['items'])}"
    if kind == "object":
        return "mapping"
    # texts in scientific notation are a way to write a number; null is what the word beside it says
    return "" if kind == "null" or "pattern" in schema else "text"


def _range(noun: str, schema: dict[str, Any]) -> str:
    low, high = (said(schema[end]) if end in schema else "" for end in ("minimum", "maximum"))
    if low and high:
        return f"{noun} from {low} to {high}"
    return f"{noun} of at least {low}" if low else noun


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page() + "\n", "utf-8")
    else:
        sys.stdout.write(page() + "\n")
