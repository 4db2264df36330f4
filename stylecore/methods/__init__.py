"""The methods: one file each. This table names them without loading torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Method:
    """A method's place and needs.

    Attributes:
        module: where its `optimise` function lives.
        version: raised by hand whenever the method's pixels change, so that finished cells are rendered again.
        needs_content: whether a cell needs a content picture; if not, it uses none.
        needs_style: whether a cell needs a style picture; if not, it uses none.
        defaults: settings that differ from the general defaults for this method.
    """

    module: str
    version: int
    needs_content: bool
    needs_style: bool
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


METHODS = {
    "gatys": Method("stylecore.methods.gatys", 4, needs_content=True, needs_style=True),
    "content-reconstruction": Method(
        "stylecore.methods.content_reconstruction",
        3,
        needs_content=True,
        needs_style=False,
        defaults=MappingProxyType({"content_layers": "relu4_2", "init": "noise", "scales": 1, "steps": 300}),
    ),
    "style-reconstruction": Method(
        "stylecore.methods.style_reconstruction",
        3,
        needs_content=False,
        needs_style=True,
        defaults=MappingProxyType({"init": "noise"}),
    ),
}
