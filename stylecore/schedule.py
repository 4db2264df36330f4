"""Sizes and steps: how they are written, and what they come to for a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stylecore.values import Choice, Number, Whole

COARSEST = 128
"""Longest side in pixels below which `scales: auto` goes no further: content is lost in smaller pictures."""
_AUTO = {"from": COARSEST, "factor": 2**0.5}  # crowsonkb/style-transfer-pytorch
_SIDE = Whole(16, 16384)


class Size:
    """A longest side in pixels, an exact size such as `640x480`, or a share of the picture such as `50%`."""

    def parse(self, value: Any) -> int | str:
        """A number, `WIDTHxHEIGHT` or `N%`; raises ValueError."""
        if isinstance(value, str) and (exact := re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*", value)):
            return "x".join(str(_SIDE.parse(side)) for side in exact.groups())
        if isinstance(value, str) and (share := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)):
            return f"{Number(1, 1600).parse(share[1]):g}%"
        try:
            return _SIDE.parse(value)
        except ValueError as error:
            raise ValueError(f"{error}; or an exact size such as 640x480, or a share such as 50%") from None

    def schema(self) -> dict[str, Any]:
        """An integer, or a text in one of the forms."""
        return {"anyOf": [_SIDE.schema(), {"type": "string", "pattern": r"^\s*(\d+\s*[x×]\s*\d+|\d+(\.\d+)?\s*%)\s*$"}]}


class Steps:
    """A number of steps for all scales together, or a list: the steps of each scale, the last one repeated."""

    each = Whole(1, 1_000_000)

    def parse(self, value: Any) -> int | list[int]:
        """The number, or the list; raises ValueError."""
        if isinstance(value, Sequence) and not isinstance(value, str):
            if not value:
                raise ValueError("expected at least one number of steps, got an empty list")
            return [self.each.parse(steps) for steps in value]
        return self.each.parse(value)

    def schema(self) -> dict[str, Any]:
        """A whole number, or a list of them."""
        return {"anyOf": [self.each.schema(), {"type": "array", "items": self.each.schema(), "minItems": 1}]}


class Scales:
    """`auto`, a number of sizes from 1 to 8, a list of sizes, or `{from, factor}`."""

    def parse(self, value: Any) -> str | int | list[int] | dict[str, float]:
        """The value, lists sorted from coarse to fine; raises ValueError."""
        if value == "auto":
            return "auto"
        if isinstance(value, Mapping):
            if not {"factor"} <= set(value) <= {"from", "factor"}:
                raise ValueError(f"expected {{from: 128, factor: 1.414}}, got {dict(value)!r}")
            return {"from": _SIDE.parse(value.get("from", COARSEST)), "factor": Number(1.05, 8).parse(value["factor"])}
        if isinstance(value, Sequence) and not isinstance(value, str):
            if not value:
                raise ValueError("expected at least one size, got an empty list")
            return sorted({_SIDE.parse(size) for size in value})
        try:
            return Whole(1, 8).parse(value)
        except ValueError:
            forms = "auto, a number of sizes from 1 to 8, a list, or {from: 128, factor: 1.414}"
            raise ValueError(f"expected {forms}, got {value!r}") from None

    def schema(self) -> dict[str, Any]:
        """The four forms."""
        sizes = {"type": "array", "items": _SIDE.schema(), "minItems": 1}
        rule = {
            "type": "object",
            "properties": {"from": _SIDE.schema(), "factor": Number(1.05, 8).schema()},
            "required": ["factor"],
            "additionalProperties": False,
        }
        return {"anyOf": [{"const": "auto"}, Whole(1, 8).schema(), sizes, rule]}


class Snapshots:
    """Steps at which a picture is kept: a list, or `{every: 50}`."""

    def parse(self, value: Any) -> list[int] | dict[str, int]:
        """The list, sorted, or the mapping; raises ValueError."""
        if isinstance(value, Mapping) and set(value) == {"every"}:
            return {"every": Steps.each.parse(value["every"])}
        if isinstance(value, Sequence) and not isinstance(value, str) and value:
            return sorted({Steps.each.parse(step) for step in value})
        raise ValueError(f"expected none, a list of steps such as [10, 50], or {{every: 50}}, got {value!r}")

    def schema(self) -> dict[str, Any]:
        """The two forms."""
        every = {"type": "object", "properties": {"every": Steps.each.schema()}, "required": ["every"]}
        steps = {"type": "array", "items": Steps.each.schema(), "minItems": 1}
        return {"anyOf": [steps, {**every, "additionalProperties": False}]}


def wanted(snapshots: list[int] | dict[str, int] | None, step: int) -> bool:
    """Whether a snapshot is to be kept of a step, counted from 1."""
    if isinstance(snapshots, dict):
        return step % snapshots["every"] == 0
    return snapshots is not None and step in snapshots


def canvas(width: int, height: int, longest: int) -> tuple[int, int]:
    """Width and height, in pixels, of a picture scaled so that its longest side is `longest`; neither is below 1."""
    if longest < 1:
        raise ValueError(f"longest is {longest}; expected at least 1")
    side = max(width, height)
    return _scaled(width, longest, side), _scaled(height, longest, side)


def canvases(
    size: int | str, scales: str | int | list[int] | dict[str, float], width: int, height: int
) -> list[tuple[int, int]]:
    """Canvases of a picture, coarse to fine.

    Args:
        size: as `Size` reads it.
        scales: as `Scales` reads it; sides of a list beyond the size are left out.
        width: of the picture, in pixels.
        height: of the picture, in pixels.

    Returns:
        Width and height of each canvas; the last is the result's.
    """
    if isinstance(size, str) and "x" in size:
        width, height = map(int, size.split("x"))
    longest = longest_side(size) or max(16, round(max(width, height) * float(str(size)[:-1]) / 100))
    return [canvas(width, height, side) for side in _sides(scales, longest)]


def longest_side(size: int | str) -> int | None:
    """Longest side in pixels that a size names; None for a share of a picture."""
    if isinstance(size, int):
        return size
    return max(map(int, size.split("x"))) if "x" in size else None


def _sides(scales: str | int | list[int] | dict[str, float], longest: int) -> list[int]:
    if isinstance(scales, list):
        return sorted({*(side for side in scales if side < longest), longest})
    if scales == "auto":
        scales = _AUTO
    if isinstance(scales, dict):
        sides, count = {longest}, 1
        while (side := round(longest / scales["factor"] ** count)) >= scales["from"]:
            sides.add(side)
            count += 1
        return sorted(sides)
    return sorted({max(16, longest // 2**n) for n in range(int(scales))})


def shares(steps: int | list[int], count: int) -> list[int]:
    """Steps of each of so many scales, coarse to fine.

    A number is divided into equal shares, what is left over going to the finest; of a list the last one is repeated.
    """
    if isinstance(steps, list):
        return [steps[min(n, len(steps) - 1)] for n in range(count)]
    return [steps // count] * (count - 1) + [steps - steps // count * (count - 1)]


def _scaled(length: int, numerator: int, denominator: int) -> int:
    """A length times a fraction, rounded half up in integers."""
    return max(1, (2 * length * numerator + denominator) // (2 * denominator))


Animation = Choice("webp", "gif")
"""Formats of an animation of snapshots."""
