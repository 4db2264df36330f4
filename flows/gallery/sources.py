"""What a gallery shows: one output or several, with what their receipts, runs and folders hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.receipts import Ledger
from flows.store import Store


@dataclass(frozen=True)
class Source:
    """An output that a gallery shows.

    Attributes:
        store: the output.
        ledger: its receipts and pictures.
        sheets: paths of its contact sheets.
        runs: files of its runs, the newest first; may be empty.
        label: what it is called beside others; empty where it is alone.
        folder: where its files lie as seen from the gallery's site, empty or with a slash at its end.
    """

    store: Store
    ledger: Ledger
    sheets: Sequence[str]
    runs: Sequence[dict[str, Any]] = ()
    label: str = ""
    folder: str = ""

    @property
    def run(self) -> dict[str, Any]:
        """The newest run."""
        return self.runs[0] if self.runs else {}
