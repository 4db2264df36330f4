"""What `stylepress doctor` says about one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        state: `ok`, `note` (works, but see the text) or `wrong`.
        text: what was found, and how to mend it.
    """

    what: str
    state: str
    text: str
