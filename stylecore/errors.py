"""What can go wrong, said for people: one family of errors, each kind with its own name and data."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StylepressError(Exception):
    """Base of every error that stylepress raises on purpose.

    The message says what was wrong, where, what was expected and what to do; it is meant to be shown as it is.

    Attributes:
        kind: a short, stable name of the kind of failure, for receipts, run files and scripts.
    """

    kind = "error"


class SettingError(StylepressError):
    """A setting has an unknown name or a value it cannot take.

    Attributes:
        setting: the setting's name.
    """

    kind = "setting"

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


class PictureError(StylepressError):
    """A picture cannot be read, or cannot be written."""

    kind = "unreadable-picture"


class WeightsError(StylepressError):
    """The weights of an encoder are missing, altered or unsafe."""

    kind = "weights"


class RenderError(StylepressError):
    """A cell could not be rendered.

    `kind` is one of `not-finite`, `flat-picture`, `out-of-memory`, `device`, `mask` (one that cannot be used) and
    `setting` (a picture that the method needs is missing, or styles without weight).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Suggest the nearest known name: `"; did you mean 'steps'?"`, or an empty string where nothing is near."""
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
