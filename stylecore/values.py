"""Kinds of values that settings take: each reads what people write into one canonical form and describes itself.

`parse` raises ValueError with a text of the form "expected …, got …"; `schema` gives the JSON Schema of what it reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stylecore.architectures import ARCHITECTURES
from stylecore.errors import did_you_mean

ENCODERS = ("vgg19", "vgg19-torchvision", "vgg16-torchvision")


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
            number = math.nan if isinstance(value, bool) else float(value)
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
        return {"anyOf": [{"type": "number", **bounds}, {"type": "string", "pattern": r"^[-+0-9.eE]+$"}]}


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds."""

    minimum: int
    maximum: int

    def parse(self, value: Any) -> int:
        """The number as int; raises ValueError."""
        number = None if isinstance(value, bool) else _integral(value)
        if number is None or not self.minimum <= number <= self.maximum:
            raise ValueError(f"expected a whole number from {self.minimum} to {self.maximum}, got {value!r}")
        return number

    def schema(self) -> dict[str, Any]:
        """An integer within the bounds, or its text in scientific notation."""
        integer = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        return {"anyOf": [integer, {"type": "string", "pattern": r"^[+0-9.eE]+$"}]}


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


class Text:
    """A text that is not empty."""

    def parse(self, value: Any) -> str:
        """The text; raises ValueError."""
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"expected a name or a path, got {value!r}")
        return value

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string", "minLength": 1}


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
        return {"anyOf": [name, {"type": "array", "items": name, "minItems": 1}, weights]}


class Scales:
    """`auto`, a number of sizes from 1 to 8, or a list of sizes from coarse to fine."""

    def parse(self, value: Any) -> str | int | list[int]:
        """The value, lists sorted from coarse to fine; raises ValueError."""
        if value == "auto":
            return "auto"
        if isinstance(value, Sequence) and not isinstance(value, str):
            if not value:
                raise ValueError("expected at least one size, got an empty list")
            return sorted(Whole(16, 16384).parse(size) for size in value)
        try:
            return Whole(1, 8).parse(value)
        except ValueError:
            raise ValueError(f"expected auto, a number of sizes from 1 to 8, or a list, got {value!r}") from None

    def schema(self) -> dict[str, Any]:
        """The three forms."""
        sizes = {"type": "array", "items": Whole(16, 16384).schema(), "minItems": 1}
        return {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 8}, sizes]}


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
        return {key: Text().parse(value[key]) for key in self.required + self.optional if key in value}

    def schema(self) -> dict[str, Any]:
        """A name or a mapping."""
        properties = {
            "arch": {"enum": list(ARCHITECTURES)},
            "weights": {"type": "string"},
            "input": {"enum": ["caffe", "torchvision"]},
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        }
        mapping = {"type": "object", "properties": properties, "required": list(self.required)}
        return {"anyOf": [{"enum": list(ENCODERS)}, {**mapping, "additionalProperties": False}]}
