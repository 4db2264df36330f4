"""Kinds of values that settings take: each reads what people write into one canonical form and describes itself.

`parse` raises ValueError with a text of the form "expected …, got …"; `schema` gives the JSON Schema of what it reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stylecore.architectures import ARCHITECTURES
from stylecore.errors import did_you_mean

STARTS = ("content", "style", "noise", "grey")
"""What `init` can name besides pictures."""
ENCODERS = ("vgg19", "vgg19-torchvision", "vgg16-torchvision")
_NUMERAL = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
_DIGEST = "^[0-9a-fA-F]{64}$"


class Kind(Protocol):
    """A kind of value."""

    def parse(self, value: Any) -> Any:
        """The value in canonical form; raises ValueError."""

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the accepted values."""


class Choice:
    """One of a few names."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def parse(self, value: Any) -> str:
        """The name itself; raises ValueError with the nearest name."""
        if value not in self.names:
            raise ValueError(f"expected one of {', '.join(self.names)}, got {value!r}{did_you_mean(value, self.names)}")
        return str(value)

    def schema(self) -> dict[str, Any]:
        """An enumeration."""
        return {"enum": list(self.names)}


@dataclass(frozen=True)
class Number:
    """A finite number within bounds; `1e5`, a string to YAML 1.1, is one too."""

    minimum: float = -math.inf
    maximum: float = math.inf

    def parse(self, value: Any) -> float:
        """The number as float; raises ValueError."""
        try:
            number = float(value) if _may_be_number(value) else math.nan
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not (math.isfinite(number) and self.minimum <= number <= self.maximum):
            raise ValueError(f"expected a number{self._bounds()}, got {value!r}")
        return number + 0.0  # -0.0 and 0.0 are one value

    def _bounds(self) -> str:
        if self.maximum < math.inf:
            return f" from {self.minimum:g} to {self.maximum:g}"
        return f" of at least {self.minimum:g}" if self.minimum > -math.inf else ""

    def schema(self) -> dict[str, Any]:
        """A number, or its text in scientific notation."""
        bounds = {"minimum": self.minimum} if self.minimum > -math.inf else {}
        if self.maximum < math.inf:
            bounds["maximum"] = self.maximum
        return {"anyOf": [{"type": "number", **bounds}, {"type": "string", "pattern": _NUMERAL}]}


def _may_be_number(value: Any) -> bool:
    """Whether a value may be read as a number: float() takes truth values, `1_000` and `infinity` too."""
    return bool(re.match(_NUMERAL, value)) if isinstance(value, str) else not isinstance(value, bool)


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds."""

    minimum: int
    maximum: int

    def parse(self, value: Any) -> int:
        """The number as int; raises ValueError."""
        number = _integral(value) if _may_be_number(value) else None
        if number is None or not self.minimum <= number <= self.maximum:
            raise ValueError(f"expected a whole number from {self.minimum} to {self.maximum}, got {value!r}")
        return number

    def schema(self) -> dict[str, Any]:
        """An integer within the bounds, or its text in scientific notation."""
        integer = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        return {"anyOf": [integer, {"type": "string", "pattern": _NUMERAL}]}


def _integral(value: Any) -> int | None:
    """A whole number in any spelling, `"1e3"` and 1000.0 among them; None for what is no whole number."""
    try:
        if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
            return int(value)  # not by way of float, which keeps 53 bits only
        if isinstance(value, int):
            return value
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and number.is_integer() else None


class TileSide:
    """How a picture is cut into tiles: `auto`, `off`, or the side of a tile in pixels."""

    def parse(self, value: Any) -> str | int:
        """The word or the number; raises ValueError. YAML 1.1 reads an unquoted `off` as false."""
        if value is False or value in ("auto", "off"):
            return "off" if value is False else str(value)
        number = _integral(value) if _may_be_number(value) else None
        if number is None or not 1 <= number <= _WIDEST:
            raise ValueError(f"expected auto, off, or a number of pixels from 1 to {_WIDEST}, got {value!r}")
        return number

    def schema(self) -> dict[str, Any]:
        """A word, false for `off`, or a whole number."""
        return {"anyOf": [{"enum": ["auto", "off", False]}, *Whole(1, _WIDEST).schema()["anyOf"]]}


_WIDEST = 65536  # pixels


class Text:
    """A text that is not empty."""

    def parse(self, value: Any) -> str:
        """The text; raises ValueError."""
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"expected a name or a path, got {value!r}")
        return value

    def schema(self) -> dict[str, Any]:
        """A string that is not blank."""
        return {"type": "string", "not": {"pattern": r"^\s*$"}}


@dataclass(frozen=True)
class Maybe:
    """A value, or nothing, which may also be written as a word such as `auto`."""

    kind: Kind
    nothing: str = "none"

    def parse(self, value: Any) -> Any:
        """None, or the value as its kind reads it; raises ValueError."""
        return None if value is None or value == self.nothing else self.kind.parse(value)

    def schema(self) -> dict[str, Any]:
        """The kind's schema, null, or the word."""
        return {"anyOf": [self.kind.schema(), {"type": "null"}, {"const": self.nothing}]}


@dataclass(frozen=True)
class Weighted:
    """Names with weights: one name, a list of names (weight 1 each), or a mapping of name to weight.

    Without `names` any name is taken here, and checked where it is known what exists.
    """

    noun: str
    names: tuple[str, ...] = ()

    def parse(self, value: Any) -> dict[str, float]:
        """A mapping of name to weight, in the order written; raises ValueError."""
        if isinstance(value, str):
            value = [value]
        if isinstance(value, Mapping):
            weighted = {self._name(name): Number(0).parse(weight) for name, weight in value.items()}
        elif isinstance(value, Sequence):
            weighted = {self._name(name): 1.0 for name in value}
        else:
            weighted = {}
        if not weighted or not any(weighted.values()):
            raise ValueError(f"expected a {self.noun}, a list of them, or a mapping to weights, got {value!r}")
        return weighted

    def _name(self, name: Any) -> str:
        if self.names and name not in self.names:
            near = did_you_mean(name, self.names)
            raise ValueError(f"unknown {self.noun} {name!r}{near}; there are {', '.join(self.names)}")
        if not isinstance(name, str):
            raise ValueError(f"expected the name of a {self.noun}, got {name!r}")
        return name

    def schema(self) -> dict[str, Any]:
        """A name, a list of names, or a mapping."""
        name: dict[str, Any] = {"enum": list(self.names)} if self.names else {"type": "string"}
        weights = {"type": "object", "additionalProperties": Number(0).schema(), "minProperties": 1}
        return {"anyOf": [name, {"type": "array", "items": name, "minItems": 1}, {**weights, "propertyNames": name}]}


class Start:
    """What a picture starts from: a name, a picture's path, or a blend such as `{content: 0.9, noise: 0.1}`."""

    def parse(self, value: Any) -> str | dict[str, float]:
        """The name, the path or the mapping; raises ValueError."""
        if not isinstance(value, Mapping):
            return Text().parse(value)
        return Weighted("start", STARTS).parse(value)

    def schema(self) -> dict[str, Any]:
        """A text, or a mapping of names to weights."""
        weights = {"type": "object", "properties": dict.fromkeys(STARTS, Number(0).schema()), "minProperties": 1}
        return {"anyOf": [Text().schema(), {**weights, "additionalProperties": False}]}


@dataclass(frozen=True)
class Pair:
    """Two numbers, each within bounds."""

    kind: Number

    def parse(self, value: Any) -> list[float]:
        """A list of two numbers; raises ValueError."""
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
            raise ValueError(f"expected two numbers such as [0.9, 0.999], got {value!r}")
        return [self.kind.parse(part) for part in value]

    def schema(self) -> dict[str, Any]:
        """An array of two numbers."""
        return {"type": "array", "items": self.kind.schema(), "minItems": 2, "maxItems": 2}


class EncoderChoice:
    """An encoder's name, or a weights file with its architecture and input convention."""

    optional = ("sha256",)
    required = ("arch", "weights", "input")

    def parse(self, value: Any) -> str | dict[str, str]:
        """The name, or a mapping with `arch`, `weights`, `input` and maybe `sha256`; raises ValueError."""
        if not isinstance(value, Mapping):
            return Choice(*ENCODERS).parse(value)
        for key in value:
            if key not in self.required + self.optional:
                raise ValueError(f"unknown key {key!r}{did_you_mean(key, self.required + self.optional)}")
        for key in self.required:
            if key not in value:
                raise ValueError(f"{key!r} is missing; a weights file is written {{arch, weights, input}}")
        Choice(*ARCHITECTURES).parse(value["arch"])
        Choice("caffe", "torchvision").parse(value["input"])
        if "sha256" in value and not re.fullmatch(_DIGEST, str(value["sha256"])):
            raise ValueError(f"sha256 is {value['sha256']!r}; expected 64 hexadecimal digits")
        return {key: Text().parse(value[key]) for key in self.required + self.optional if key in value}

    def schema(self) -> dict[str, Any]:
        """A name or a mapping."""
        properties = {
            "arch": {"enum": list(ARCHITECTURES)},
            "weights": Text().schema(),
            "input": {"enum": ["caffe", "torchvision"]},
            "sha256": {"type": "string", "pattern": _DIGEST},
        }
        mapping = {"type": "object", "properties": properties, "required": list(self.required)}
        return {"anyOf": [{"enum": list(ENCODERS)}, {**mapping, "additionalProperties": False}]}
