"""What is right in a manifest and yet hardly meant: notes beside `check`, `plan` and `render`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.manifest import Loaded
from stylecore.presets import NETWORKS, RESCALED


def notes(loaded: Loaded) -> list[str]:
    """Notes on a manifest, one line each; empty where there is nothing to say.

    A preset's weights belong to the network it was published with. With another one, the shipped one among them, the
    same weights balance the terms differently, and pictures may come out grey.
    """
    parts = list(_parts(loaded))
    if any("encoder" in part for part in parts):
        return []
    named = {str(value) for part in parts for value in _values(part.get("preset"))}
    return [
        f"note: preset {name} was published with {NETWORKS[name]}; with the shipped encoder its weights balance style, "
        "content and smoothness differently. Name its network under defaults.encoder, or choose weights by looking"
        for name in sorted(named & NETWORKS.keys())
        if NETWORKS[name] != RESCALED
    ]


def _parts(loaded: Loaded) -> Iterator[dict[str, Any]]:
    """All mappings of a manifest that give settings values."""
    yield loaded.manifest.defaults
    for job in loaded.manifest.jobs:
        yield from (job.grid, job.zip, *job.add, *(override.set for override in job.override))


def _values(entry: Any) -> Iterator[Any]:
    """The values of a setting or of its axis, without labels."""
    for value in entry if isinstance(entry, list) else [entry]:
        yield value.get("value") if isinstance(value, dict) else value
