"""The part of a manifest that lists pictures: how entries are written, alone, blended and with masks."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from flows.axes import PICTURES
from stylecore.values import Number

LARGEST_WEIGHT = 1e6
"""Of a part of a blend; only ratios count, so nobody needs more."""


class Strict(BaseModel):
    """A part of a manifest: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_label(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def as_whole(value: Any) -> Any:
    """`1e6` is a text to YAML 1.1 and a whole number to people; `true` is none."""
    if isinstance(value, bool):
        raise ValueError(f"expected a whole number, got {value!r}")
    if isinstance(value, str) and re.fullmatch(r"[+]?\d+(\.0*)?[eE][+]?\d{1,2}", value):
        return int(float(value))
    return value


def _as_entry(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _not_weightless(parts: list[Ingredient] | None) -> list[Ingredient] | None:
    if parts is not None and not any(part.weight for part in parts):
        raise ValueError("expected a part whose weight is above 0, got weights that sum to zero")
    return parts


_PATH = "Path below inputs.root, pattern such as photos/*.jpg, or sample:NAME."
_LABEL = "What the picture is called on sheets and in file names."
_TAKEN = "Picture of the same shape: white where this one is taken, black where it is left out."
Label = Annotated[str, BeforeValidator(_as_label)]
Whole = Annotated[int, BeforeValidator(as_whole)]
Mask = Annotated[str, Field(min_length=1)]


class Content(Strict):
    """A content picture or a pattern of pictures, with an optional label and masks of the result."""

    path: str = Field(min_length=1, description=_PATH)
    label: Label | None = Field(None, description=_LABEL)
    masks: Annotated[list[Mask], BeforeValidator(_as_list)] = Field(
        default_factory=list,
        description="Where in the result each part of the style applies: pictures, white there, in the parts' order.",
    )
    content_mask: Mask | None = Field(None, description="Where in the result the content counts: a picture, white.")


class Ingredient(Strict):
    """One picture of a blend of styles."""

    path: str = Field(min_length=1, description="Path below inputs.root, or sample:NAME.")
    label: Label | None = Field(None, description=_LABEL)
    weight: Annotated[float, BeforeValidator(Number(0, LARGEST_WEIGHT).parse)] = Field(
        1.0, description="How much of it; weights are divided by their sum."
    )
    mask: Mask | None = Field(None, description=_TAKEN)


class Style(Strict):
    """A style picture or a pattern of pictures, or a blend of several that makes one style."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["path"]}, {"required": ["blend"]}]})

    path: str | None = Field(None, min_length=1, description=_PATH)
    blend: Annotated[
        list[Annotated[Ingredient, BeforeValidator(_as_entry)]] | None, AfterValidator(_not_weightless)
    ] = Field(None, min_length=1, description="Pictures whose styles are mixed into one.")
    label: Label | None = Field(None, description=_LABEL)
    mask: Mask | None = Field(None, description=_TAKEN)

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.path is None) == (self.blend is None):
            raise ValueError("expected either a path or a blend")
        if self.blend and self.mask is not None:
            raise ValueError("expected the mask of a blend's part beside that part's path")
        return self


Contents = Annotated[list[Annotated[Content, BeforeValidator(_as_entry)]], BeforeValidator(_as_list)]
Styles = Annotated[list[Annotated[Style, BeforeValidator(_as_entry)]], BeforeValidator(_as_list)]


class Inputs(Strict):
    """The pictures."""

    root: str = Field(".", min_length=1, description="Folder or s3://bucket/prefix that picture paths are relative to.")
    content: Contents = Field(default_factory=list, description="Content pictures.")
    style: Styles = Field(default_factory=list, description="Style pictures.")


def spell_out(inputs: Any) -> None:
    """Write pictures in full, so that `--set inputs.style.0.label=…` finds something to set."""
    for kind in PICTURES if isinstance(inputs, dict) else ():
        if isinstance(entries := _as_list(inputs.get(kind)), list):
            inputs[kind] = [_as_entry(entry) for entry in entries]
            for entry in (entry for entry in inputs[kind] if isinstance(entry, dict)):
                if isinstance(entry.get("blend"), list):
                    entry["blend"] = [_as_entry(part) for part in entry["blend"]]


def is_pattern(path: str) -> bool:
    """Whether an entry's path stands for several pictures."""
    return any(character in path for character in "*?[")


def stem(path: str) -> str:
    """What a picture is called when nobody labels it: `photos/harbour.jpg` is harbour, `sample:cat` is cat."""
    return PurePosixPath(path.removeprefix("sample:")).stem
