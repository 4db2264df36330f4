"""Chunks: cells that fit together, as much as a worker does in the time a manifest allows."""

from __future__ import annotations

from collections.abc import Iterator

from flows.estimate import operations
from flows.keys import canonical
from flows.plan import Item, Plan

MOST_CELLS = 500
"""Cells of a chunk at most, so that a task's parameters stay small."""


def divide(plan: Plan, seconds: float, workers: int) -> Iterator[list[Item]]:
    """Divide what is to be rendered into chunks.

    Cells with one encoder and size stay together, so that a worker changes model and canvas least; within a group the
    manifest's order is kept.

    Args:
        plan: the plan.
        seconds: work of one chunk, by the plan's estimate.
        workers: with few cells, chunks are made smaller so that every worker has one.

    Yields:
        The items of each chunk.
    """
    items = plan.to_render()
    total = sum(operations(item.cell) for item in items)
    if not total:
        return
    rate = total / max(plan.estimate.seconds, 1e-9)
    most = min(seconds * rate, total / workers)
    groups: dict[bytes, list[Item]] = {}
    for item in items:
        settings = item.cell.settings
        groups.setdefault(canonical([settings.method, settings.encoder, settings.size]), []).append(item)
    chunk: list[Item] = []
    work = 0.0
    for group in groups.values():
        for item in group:
            cost = operations(item.cell)
            if chunk and (work + cost > most * 1.001 or len(chunk) >= MOST_CELLS):
                yield chunk
                chunk, work = [], 0.0
            chunk.append(item)
            work += cost
        if chunk:
            yield chunk
            chunk, work = [], 0.0
