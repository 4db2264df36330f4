"""What `render` and `plan` tell people and scripts about a run and about a plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

from flows.plan import Plan
from flows.store import open_store
from flows.summary import Summary

_MOST_FAILURES = 20
_MOST_CELLS = 1000  # lines for people
_PROGRAM = 400  # MiB that a worker has taken before its first picture: torch, the encoder, Prefect
_EARLY = {"interrupted": "interrupted: ", "max_failures": "stopped early, more failures than run.max_failures: "}


def failures_of(summary: Summary) -> Iterator[str]:
    """A run's first failed cells, and where the others are listed."""
    for failure in summary.failures[:_MOST_FAILURES]:
        yield f"failed  {failure['cell']}\n        {failure['kind']}: {failure['message']}"
    if len(summary.failures) > _MOST_FAILURES:
        yield f"… and {len(summary.failures) - _MOST_FAILURES} more; runs/{summary.run}.json lists all"


def of_run(summary: Summary) -> Iterator[str]:
    """What a run did, and where to look at it."""
    store = open_store(summary.to, confine=False)
    yield f"{_EARLY.get(summary.stopped, '')}{summary}, {summary.seconds:.0f} s"
    if summary.sheets:
        more = f" and {len(summary.sheets) - 1} more" if len(summary.sheets) > 1 else ""
        yield f"contact sheet  {store.child(summary.sheets[0])}{more}"
    if summary.gallery:
        yield f"gallery        {store.child(summary.gallery)}"


def of_plan(plan: Plan, chunks: int) -> Iterator[str]:
    """Cells of a plan with their reasons, their number, and what rendering them will take."""
    for item in islice(plan.items, _MOST_CELLS):
        yield f"{item.name}  {item.reason}"
    if len(plan.items) > _MOST_CELLS:
        yield f"… and {len(plan.items) - _MOST_CELLS:,} more; --json lists all"
    todo, cost = len(plan.to_render()), plan.estimate
    counts = ", ".join(f"{count} {kind}" for kind, count in plan.reasons().items())
    yield f"{len(plan.items)} cells: {counts}; {todo} to render in {chunks} chunk{'' if chunks == 1 else 's'}"
    if todo:
        how = "as measured here before" if cost.basis == "measured" else "a guess until something is rendered"
        size = f"{cost.bytes / 2**20:.0f} MiB of pictures"
        memory = f"{cost.memory_bytes / 2**20:.0f} MiB of memory beside the program's own {_PROGRAM} MiB"
        yield f"about {_duration(cost.seconds)} of rendering ({how}), {size}, {memory}"


def document_of_plan(plan: Plan, chunks: int) -> Iterator[str]:
    """The document of `plan --json`, line by line: it may have a million items."""
    reasons = plan.reasons()
    head = {
        "cells": len(plan.items),
        "to_render": len(plan.to_render()),
        "done": reasons.get("done", 0),
        "chunks": chunks,
        "reasons": reasons,
        "estimate": plan.estimate.to_dict(),
    }
    yield json.dumps(head, indent=1).removesuffix("\n}") + ","
    between = ' "items": ['
    for item in plan.items:
        yield between
        told = {"key": item.key or None, "name": item.name, "reason": item.reason}
        between = f"{json.dumps(told, ensure_ascii=False)},"
    yield f"{between.removesuffix(',')}\n ]\n}}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
