"""JSON Schema of the manifest, for editors; made of the same types that read it."""

from __future__ import annotations

from typing import Any

from flows.axes import PICTURES, SPACINGS
from flows.listed import LARGEST_WEIGHT
from flows.manifest import Manifest
from flows.measured import MEASURES
from flows.sheet_keys import COLOR
from stylecore import settings
from stylecore.values import Number

_LABEL = {"type": ["string", "number"]}


def json_schema() -> dict[str, Any]:
    """JSON Schema of a manifest; what settings take is described by `stylecore.Settings`."""
    schema = Manifest.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "stylepress manifest, version 1"
    of_settings = settings.json_schema()
    parts = schema["$defs"]
    parts["Settings"] = of_settings
    parts["Match"] = {**of_settings, "properties": of_settings["properties"] | dict.fromkeys(PICTURES, _LABEL)}
    parts["Axes"] = {**of_settings, "properties": {n: _axis(p) for n, p in of_settings["properties"].items()}}
    parts["Spacing"] = {
        **_mapping(dict.fromkeys(SPACINGS, _list(Number().schema(), minItems=3, maxItems=3))),
        "minProperties": 1,
        "maxProperties": 1,
    }
    match, matches = _ref("Match"), _list(_ref("Match"))
    _describe(parts["Job"], grid=_ref("Axes"), zip=_ref("Axes"), exclude=matches, add=matches)
    _describe(parts["Override"], when={**match, "minProperties": 1}, set={**_ref("Settings"), "minProperties": 1})
    _describe_pictures(parts)
    along = {"enum": [*PICTURES, *settings.names()]}
    _describe(parts["Sheet"], **{key: {"anyOf": [along, _list(along)]} for key in ("rows", "cols", "page_by")})
    measure = {"enum": list(MEASURES)}
    _describe(parts["Sheet"], show={"anyOf": [measure, _list(measure)]})
    _describe(
        parts["Run"],
        chunk=_number_or(r"^\s*\d+(\.\d+)?\s*[smh]?\s*$"),
        checkpoint={
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                _text(r"^\s*(?=[0-9.]*[1-9])\d+(\.\d+)?\s*[smh]?\s*$"),
                {"enum": ["off", False]},  # which YAML 1.1 takes for the same
            ]
        },
        max_failures={
            "anyOf": [{"type": "integer", "minimum": 0}, _text(r"^\s*(\d+|(\d?\d(\.\d+)?|100(\.0+)?)\s*%)\s*$")]
        },
        devices={
            "anyOf": [
                {"type": "integer", "minimum": 1},
                _text(r"^(auto|cpu|cuda|cuda:[0-9]+|0*[1-9][0-9]*)$"),
                _list({"anyOf": [{"type": "integer", "minimum": 0}, _text(r"^(cpu|(cuda:)?[0-9]+)$")]}, minItems=1),
            ]
        },
    )
    _describe(schema, name={**_LABEL, "minLength": 1})
    _describe(parts["Job"], name=_LABEL)
    _describe(parts["Sheet"], name=_LABEL, title=_LABEL, font=_LABEL, background=_text(f"^({COLOR})$"))
    _describe(schema, defaults=_ref("Settings"))
    return schema


def _describe_pictures(parts: dict[str, Any]) -> None:
    """Say that a picture may be a text alone, and a list of one be that one."""
    path = {"type": "string", "minLength": 1}
    for kind in PICTURES:
        entry = {"anyOf": [path, _ref(kind.capitalize())]}
        _describe(parts["Inputs"], **{kind: {"anyOf": [*entry["anyOf"], _list(entry)]}})
    for part in ("Content", "Style", "Ingredient"):
        _describe(parts[part], label={"type": ["string", "number", "null"]})
    _describe(parts["Content"], masks={"anyOf": [path, _list(path)]})
    _describe(parts["Style"], blend=_list({"anyOf": [path, _ref("Ingredient")]}, minItems=1))
    _describe(parts["Ingredient"], weight=Number(0, LARGEST_WEIGHT).schema())


def _axis(setting: dict[str, Any]) -> dict[str, Any]:
    """An axis of a setting: a list of values, each with or without a label, or a spacing."""
    value = {name: part for name, part in setting.items() if name not in ("description", "default")}
    labelled = {**_mapping({"value": value, "label": {"type": ["string", "number", "null"]}}), "required": ["value"]}
    values = _list({"anyOf": [value, labelled]}, minItems=1)
    return {"description": setting["description"], "anyOf": [values, _ref("Spacing")]}


def _describe(part: dict[str, Any], **properties: dict[str, Any]) -> None:
    """Say what properties take, and keep what they mean."""
    for name, schema in properties.items():
        meant = {key: text for key, text in part["properties"][name].items() if key in ("description", "default")}
        part["properties"][name] = {**schema, **meant}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _list(items: dict[str, Any], **bounds: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **bounds}


def _mapping(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


def _number_or(pattern: str) -> dict[str, Any]:
    return {"anyOf": [{"type": "number", "minimum": 0}, _text(pattern)]}
