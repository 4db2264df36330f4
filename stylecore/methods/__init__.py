"""The methods: one file each. This table names them without loading torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A method's place and needs.

    Attributes:
        module: where its `optimise` function lives.
        version: raised by hand whenever the method's pixels change, so that finished cells are rendered again.
        needs_content: whether a cell needs a content picture.
        needs_style: whether a cell needs a style picture.
    """

    module: str
    version: int
    needs_content: bool
    needs_style: bool


METHODS = {"gatys": Method("stylecore.methods.gatys", 1, needs_content=True, needs_style=True)}
