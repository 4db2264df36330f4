"""What a run did, as its file in `runs/` and `render --json` tell it, without folders of this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.manifest import Loaded
from flows.publish import now


@dataclass
class Summary:
    """What a run did; `to_dict` is the shape of `render --json` and of `runs/<id>.json`.

    Attributes:
        run: the run's id, its start in UTC and four random digits.
        manifest: the manifest as run, after `--set`, without folders of this machine.
        to: address of the output.
        cells: cells of the manifest, each once.
        rendered: published by this run.
        skipped: finished before.
        failures: one entry for each failed cell.
        seconds: from start to end.
        work_seconds: from start until sheets and gallery were begun.
        sheets: paths of the contact sheets in the output.
        gallery: path of the gallery's first page in the output.
        inputs_root: where the pictures lie as seen from the output; empty where that would name a person or a host.
        stopped: why the run ended early: `interrupted`, `max_failures`, the kind of the error that ended it, or empty.
        axes: what varies between the cells, with its labels in the manifest's order.
        started: when, in UTC.
        workers_off: workers that were taken off the run, with the reason.
    """

    run: str
    manifest: dict[str, Any]
    to: str
    cells: int = 0
    rendered: int = 0
    skipped: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    work_seconds: float = 0.0
    sheets: list[str] = field(default_factory=list)
    gallery: str | None = None
    inputs_root: str = ""
    stopped: str = ""
    axes: dict[str, list[str]] = field(default_factory=dict)
    started: str = field(default_factory=now)
    workers_off: dict[str, str] = field(default_factory=dict)

    @property
    def remaining(self) -> int:
        """Cells that are neither there nor failed."""
        return self.cells - self.rendered - self.skipped - len(self.failures)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "run": self.run,
            "state": "ended",
            "manifest": self.manifest,
            "to": self.to,
            "cells": self.cells,
            "rendered": self.rendered,
            "skipped": self.skipped,
            "failed": len(self.failures),
            "remaining": self.remaining,
            "seconds": round(self.seconds, 2),
            "work_seconds": round(self.work_seconds, 2),
            "started": self.started,
            "stopped": self.stopped,
            "failures": self.failures,
            "sheets": self.sheets,
            "gallery": self.gallery,
            "inputs_root": self.inputs_root,
            "axes": self.axes,
            "workers_off": self.workers_off,
        }

    @property
    def exit_code(self) -> int:
        """Exit code of the command line."""
        if self.stopped == "interrupted":
            return 130
        return 1 if self.failures else 0

    def __str__(self) -> str:
        said = [f"{self.rendered} rendered", f"{self.skipped} already there"]
        said += [f"{len(self.failures)} failed"] if self.failures else []
        said += [f"{self.remaining} left"] if self.remaining else []
        return f"{', '.join(said)} of {self.cells} cells"


def as_run(loaded: Loaded) -> dict[str, Any]:
    """The manifest's data without folders of this machine: absolute paths are cut to their last part."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(part) for key, part in value.items()}
        if isinstance(value, list):
            return [plain(part) for part in value]
        if isinstance(value, str) and value.removeprefix("file:").startswith(("/", "~")):
            return value.rstrip("/").rsplit("/", 1)[-1] or "."
        return value

    data: dict[str, Any] = plain(loaded.document.data)
    return data


def root_seen_from(output: str, root: str) -> str:
    """Where pictures lie, as a bucket's address or relative to the output; empty where a folder's name is private."""
    if "://" in root or "://" in output:
        return root if root.startswith("s3://") else ""
    common = os.path.commonpath([os.path.abspath(root), os.path.abspath(output)])  # noqa: PTH100 - links stay as named
    return "" if common in ("/", "/home", "/Users") else Path(os.path.relpath(root, output)).as_posix()
