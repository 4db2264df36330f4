"""What a manifest says of a contact sheet: its keys, their bounds, and what each is for."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from flows.listed import Label, Strict, Whole, as_whole
from stylecore.errors import did_you_mean

Axes = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]

COLOR = r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})|[A-Za-z]+"
"""A colour as a manifest writes it: `#rgb`, `#rrggbb` or a name of CSS."""


def _as_color(value: Any) -> Any:
    from PIL import ImageColor

    text = "" if value is None else str(value)
    if value is None:
        raise ValueError("expected a colour such as white, black or '#1f1e1d' in quotes, got nothing")
    if text and (not re.fullmatch(COLOR, text) or (text[0] != "#" and text.lower() not in ImageColor.colormap)):
        near = did_you_mean(text.lower(), list(ImageColor.colormap))
        raise ValueError(f"expected a colour such as white, black or '#1f1e1d', got {value!r}{near}")
    return text


class Sheet(Strict):
    """A contact sheet."""

    name: Label = Field("", description="File name; by default made of its axes.")
    title: Label = Field("", description="Title; by default the manifest's name.")
    kind: Literal["grid", "before-after", "time-lapse"] = Field(
        "grid",
        description="grid: rows × columns; before-after: each row begins with its content; "
        "time-lapse: each row goes from the first snapshot to the result.",
    )
    rows: Axes = Field(
        default_factory=list, description="Settings, content or style along the rows; several are nested."
    )
    cols: Axes = Field(default_factory=list, description="The same along the columns.")
    page_by: Axes = Field(default_factory=list, description="A page for each combination of these.")
    show: Axes = Field(
        default_factory=list, description="What is said under each picture: scores, or loss, steps, seconds."
    )
    cell: Whole = Field(320, ge=32, le=2048, description="Longest side of a picture on the sheet, in pixels.")
    gutter: Annotated[int, Field(ge=0, le=1024), BeforeValidator(as_whole)] | None = Field(
        None, description="Space between pictures, in pixels; by default in proportion to the cell."
    )
    margin: Annotated[int, Field(ge=0, le=2048), BeforeValidator(as_whole)] | None = Field(
        None, description="Space around the page, in pixels; by default in proportion to the cell."
    )
    background: Annotated[str, BeforeValidator(_as_color)] = Field(
        "", description="Colour of the page, such as white, black or '#1f1e1d'; type and rules follow it."
    )
    font: Label = Field(
        "", description="Font of all labels: a TrueType or OpenType file below inputs.root, or an installed one's name."
    )
    format: Literal["png", "jpeg", "webp", "pdf"] = Field(
        "png", description="A file for each page, or with pdf one for all of them."
    )
