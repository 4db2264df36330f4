"""What varies between the cells of a manifest, and in which order its values come."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

from flows import naming
from flows.axes import PICTURES
from flows.cells import Block

_MOST_LABELS = 10_000  # of one axis: nobody draws sheets beyond


def varying(blocks: Sequence[Block]) -> list[str]:
    """Settings that have more than one value among the cells, in the order the manifest names them first."""
    named = dict.fromkeys(name for block in blocks for name in _named(block) if name not in PICTURES)
    return [name for name in named if _differs(blocks, name)]


def orders(blocks: Sequence[Block]) -> dict[str, list[str]]:
    """For each name along an axis its labels in the order written."""
    found: dict[str, dict[str, None]] = {}
    for block in blocks:
        for axis in block.axes:
            for name, column in axis.columns.items():
                values = itertools.islice((column[n] for n in range(len(column))), _MOST_LABELS)
                labels = found.setdefault(name, {})
                labels |= dict.fromkeys(value.label or naming.said_of(name, value.value) for value in values)
    return {name: list(labels) for name, labels in found.items()}


def _named(block: Block) -> Iterable[str]:
    """Names that a block gives values to, its defaults aside."""
    along = (name for axis in block.axes for name in axis.columns)
    changed = (name for _, changes in block.overrides for name in changes)
    return itertools.chain(along, changed, (name for part in block.job.add for name in part))


def _differs(blocks: Sequence[Block], name: str) -> bool:
    seen: set[str] = set()
    for block in blocks:
        for value in block.taken(name):
            seen.add(json.dumps(value, sort_keys=True))
            if len(seen) > 1:
                return True
    return False
