"""What can be wrong with a manifest by itself: found all at once, each at its path, with the nearest right name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from flows.axes import PICTURES, read_axis, read_value
from flows.measured import MEASURES
from flows.source import Document, Path
from stylecore import settings
from stylecore.errors import SettingError, did_you_mean

Mistake = tuple[Path, str]
"""The path of what is wrong, and what is wrong with it."""

_EXPECTED = {
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "list_type": "a list",
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "greater_than_equal": "a number of at least {ge}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "at least one entry",
    "string_too_short": "a text that is not empty",
}
"""Pydantic's types of errors, as what a manifest should have there."""


def in_types(error: ValidationError, names_at: Callable[[Path], list[str]]) -> Iterator[Mistake]:
    """Unknown and missing keys, and values of the wrong type; `names_at` says which keys are known at a path."""
    for one in error.errors():
        yield _in_type(dict(one), names_at)


def in_settings(document: Document) -> Iterator[Mistake]:
    """Unknown names, and values that a setting cannot take, wherever a manifest names settings."""
    named = list(_settings_named(document.data))
    offered = _layers_offered(named)
    for path, name, raw, form in named:
        yield from _in_setting(path, name, raw, form, offered)


def in_axes(document: Document) -> Iterator[Mistake]:
    """Axes of one `zip` of unequal length, and axes that stand in `grid` and in `zip`."""
    for path, job in _parts(document.data, ("jobs",)):
        together: dict[str, Any] = job["zip"] if isinstance(job.get("zip"), dict) else {}
        for name in together:
            if isinstance(job.get("grid"), dict) and name in job["grid"]:
                yield (*path, "zip", name), f"{name} is an axis of this job's grid already"
        try:
            lengths = {name: len(read_axis(name, raw)) for name, raw in together.items()}
        except SettingError:
            continue  # said by `in_settings`
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            yield (*path, "zip"), f"zip needs axes of equal length, but {said}"


def in_sheets(document: Document) -> Iterator[Mistake]:
    """Names along a contact sheet that are no settings, or stand there twice; what it shows that is not measured."""
    known = (*PICTURES, *settings.names())
    for path, sheet in _parts(document.data, ("sheets",)):
        seen: set[str] = set()
        for key in ("rows", "cols", "page_by"):
            names = sheet.get(key, [])
            for name in [names] if isinstance(names, str) else names if isinstance(names, list) else []:
                if not isinstance(name, str):
                    continue  # a mistake of type
                if name not in known:
                    yield (*path, key), f"{key}: no setting {name!r}{did_you_mean(name, known)}"
                elif name in seen:
                    yield (*path, key), f"{key}: {name!r} runs along this sheet already"
                seen.add(name)
        cols = sheet["cols"] if isinstance(sheet.get("cols"), list) else list(filter(None, [sheet.get("cols")]))
        instead = "name it under rows or page_by"
        if sheet.get("kind") == "time-lapse" and cols:
            yield (*path, "cols"), f"cols: the steps run along the columns of a time-lapse, not {cols[0]!r}; {instead}"
        if sheet.get("kind") == "before-after" and "content" in cols:
            yield (*path, "cols"), f"cols: each row of a before-after sheet is of one content; {instead}"
        shown = sheet.get("show", [])
        for name in [shown] if isinstance(shown, str) else shown if isinstance(shown, list) else []:
            if isinstance(name, str) and name not in MEASURES:
                near = did_you_mean(name, MEASURES) or f"; expected {', '.join(MEASURES)}"
                yield (*path, "show"), f"show: nothing measured is called {name!r}{near}"


def _in_type(error: dict[str, Any], names_at: Callable[[Path], list[str]]) -> Mistake:
    """One of pydantic's findings, in our words."""
    path: Path = tuple(step for step in error["loc"] if isinstance(step, str | int))
    here = ".".join(map(str, path))
    if error["type"] == "extra_forbidden":
        known = names_at(path[:-1])
        return path, f"unknown key {path[-1]!r}{did_you_mean(path[-1], known)}; known here: {', '.join(known)}"
    if error["type"] == "missing":
        return path, f"{str(path[-1])!r} is missing in {'.'.join(map(str, path[:-1])) or 'the manifest'}"
    expected = _EXPECTED.get(error["type"])
    if expected and path[0] == "inputs" and isinstance(path[-1], int):
        expected = "a mask's path" if path[-2] == "masks" else "a picture's path, or {{path, label}}"
    if expected:
        return path, f"{here}: expected {expected.format(**error.get('ctx', {}))}, got {_shown(error['input'])}"
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    said = said if said.startswith("expected") else f"expected {said}"
    got = "" if ", got " in said else f", got {_shown(error['input'])}"
    near = ""
    if error["type"] == "literal_error":
        near = did_you_mean(error["input"], re.findall(r"'([^']+)'", str(error.get("ctx", {}).get("expected", ""))))
    return path, f"{here}: {said}{got}{near}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)


def _in_setting(path: Path, name: str, raw: Any, form: str, offered: list[str]) -> Iterator[Mistake]:
    """Mistakes in one setting; `form` is `setting`, `axis`, `value` (of an axis) or `match`."""
    try:
        if form == "match" and name in PICTURES:
            if isinstance(raw, bool) or not isinstance(raw, str | int | float):
                yield path, f"{name}: expected a picture's path or label, got {raw!r}"
        elif name in PICTURES:
            yield path, f"{name} is no setting: name pictures under inputs, or in exclude, when and add"
        elif name not in settings.names():
            known = (*settings.names(), *(PICTURES if form == "match" else ()))
            yield path, f"unknown setting {name!r}{did_you_mean(name, known)}"
        elif form == "axis" and isinstance(raw, list) and raw:
            for index, value in enumerate(raw):
                yield from _in_setting((*path, index), name, value, "value", offered)
        elif form == "axis":
            read_axis(name, raw)
        else:
            value = read_value(name, raw).value if form == "value" else settings.parse(name, raw)
            if name in ("content_layers", "style_layers"):
                yield from _in_layers(path, name, raw, value, offered)
    except SettingError as error:
        yield path, str(error)


def _in_layers(path: Path, name: str, raw: Any, weighted: dict[str, float], offered: list[str]) -> Iterator[Mistake]:
    for layer in weighted:
        if layer not in offered:
            place = (*path, raw.index(layer)) if isinstance(raw, list) else (*path, layer)
            near = did_you_mean(layer, offered)
            yield place, f"{name}: there is no layer {layer!r}{near} (there are {offered[0]} … {offered[-1]})"


def _layers_offered(named: list[tuple[Path, str, Any, str]]) -> list[str]:
    """Layers that any of the encoders a manifest names has, from the picture upwards."""
    layers: dict[str, None] = {}
    if not any(path == ("defaults", "encoder") for path, _, _, _ in named):
        layers |= dict.fromkeys(settings.layers_of(settings.Settings.encoder))
    for _, name, raw, form in named:
        if name != "encoder":
            continue
        try:
            axis = read_axis(name, raw if form == "axis" else [raw])
        except SettingError:
            continue  # said by `in_settings`
        for index in range(len(axis)):
            layers |= dict.fromkeys(settings.layers_of(axis[index].value))
    return sorted(layers, key=lambda layer: (layer[4:], layer))  # conv1_1, relu1_1, conv1_2, …


def _settings_named(data: Any) -> Iterator[tuple[Path, str, Any, str]]:
    """Path, name, raw value and form of every setting that a manifest names."""

    def of(owner: dict[str, Any], path: Path, form: str) -> Iterator[tuple[Path, str, Any, str]]:
        part = owner.get(str(path[-1]))
        for name, raw in part.items() if isinstance(part, dict) else ():
            yield (*path, name), name, raw, form

    yield from of(data, ("defaults",), "setting")
    for path, job in _parts(data, ("jobs",)):
        yield from of(job, (*path, "grid"), "axis")
        yield from of(job, (*path, "zip"), "axis")
        for key in ("exclude", "add"):
            for at, part in _parts(job, (*path, key)):
                yield from (((*at, name), name, raw, "match") for name, raw in part.items())
        for at, part in _parts(job, (*path, "override")):
            yield from of(part, (*at, "when"), "match")
            yield from of(part, (*at, "set"), "setting")


def _parts(owner: dict[str, Any], path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The mappings in a list of mappings, with their paths."""
    parts = owner.get(str(path[-1]))
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        if isinstance(part, dict):
            yield (*path, index), part
