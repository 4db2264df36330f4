"""Values of receipts, which may be anybody's, made safe to pass on: finite numbers, texts, and nothing else unasked."""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeGuard

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPED = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def plain(value: Any) -> Any:
    """The value with nothing in it that JSON cannot say: a number that is not finite becomes null."""
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number of at least 1 that a browser can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53


def numbers(value: Any, digits: int = 6) -> dict[str, float]:
    """The numbers of a mapping, rounded to so many significant digits; empty for what is no mapping."""
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(name): rounded(number, digits) for name, number in pairs if is_number(number)}


def rounded(number: float, digits: int) -> float:
    """A number to so many significant digits, whole numbers as such."""
    short = float(f"{number:.{digits}g}")
    return int(short) if short == int(short) and abs(short) < 2**53 else short


def text(value: Any) -> str:
    """A text, or an empty one for what is none."""
    return value if isinstance(value, str) else ""


def script(name: str, value: Any) -> bytes:
    """A data file: a script that hands a value over, and that is the same text in JSON, JavaScript and HTML."""
    try:
        told = _encoder.encode(value)
    except ValueError:  # NaN, which Python's own JSON can hold
        told = _encoder.encode(plain(value))
    safe = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", told)
    return f'stylepress.take("{name}",{safe});\n'.encode()
