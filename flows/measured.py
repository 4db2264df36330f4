"""What was measured of a finished cell, by name, as contact sheets show it: scores, loss, steps and time."""

from __future__ import annotations

from typing import Any, TypeGuard

from stylecore.score_names import SCORES

MEASURES = {
    **SCORES,
    "loss": "Final loss, all terms together.",
    "steps": "Evaluations of loss and gradient.",
    "seconds": "Time of rendering, in seconds.",
}
"""What a sheet's `show` may name, each with its meaning in one line."""


def measured(receipt: dict[str, Any]) -> dict[str, float]:
    """Measures that a receipt holds, by name; what is no finite number is left out, the receipt may be anybody's."""
    scores, losses = _part(receipt, "scores"), _part(_part(receipt, "result"), "losses")
    found = {name: scores.get(name) for name in SCORES}
    found["loss"] = losses.get("total")
    found["steps"] = _part(receipt, "result").get("steps")
    found["seconds"] = _part(receipt, "timing").get("render")
    return {name: value for name, value in found.items() if _is_number(value)}


def _part(document: dict[str, Any], name: str) -> dict[str, Any]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
