"""Patterns of file names: which names one matches, and which it passes by because a run has rendered them."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable
from pathlib import PurePath


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """Names that a glob pattern matches, sorted.

    `*` and `?` stop at slashes, `**/` stands for any folders, `[ab]`, `[a-z]` and `[!a]` for one character.
    """
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", pattern)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    expression = re.compile("".join(words.get(part) or _one_of(part) or re.escape(part) for part in parts))
    return sorted(name for name in names if expression.fullmatch(name))


def _one_of(part: str) -> str:
    """A bracket of a glob pattern as a regular expression; empty for other parts."""
    if len(part) < 3 or part[0] != "[" or part[-1] != "]":
        return ""
    return fnmatch.translate(part)[len("(?s:") :].rpartition(")")[0]


def rendered_below(root: str, output: str | None) -> tuple[str, ...]:
    """Prefixes of the names below a root that an output there holds; empty where the output lies elsewhere."""
    if output is None or ("://" in output) != ("://" in root):
        return ()
    if "://" in root:
        bare, inside = root.rstrip("/") + "/", output.rstrip("/") + "/"
        relative = inside[len(bare) :] if inside.startswith(bare) else None
    else:
        path = PurePath(os.path.relpath(os.path.realpath(output), os.path.realpath(root)))
        relative = None if ".." in path.parts else f"{path.as_posix()}/".removeprefix("./")
    return () if relative is None else (relative,) if relative else ("renders/", "sheets/", "gallery/")
