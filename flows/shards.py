"""Shards: a manifest's cells divided among runs that do not talk to each other."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from stylecore.errors import StylepressError


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a manifest.

    A cell's key alone decides which shard it is in, so equal cells are in the same one, and whatever else is changed
    about a manifest, each cell is in exactly one.

    Attributes:
        number: which, from 1.
        count: of how many.
    """

    number: int
    count: int

    def has(self, identity: bytes) -> bool:
        """Whether a cell is in it, by its key's bytes; those of a cell that has no key may be anything."""
        return self.count == 1 or int.from_bytes(hashlib.sha256(identity).digest()[:8]) % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard(1, 1)
"""All of a manifest."""


def parse(text: str | None) -> Shard:
    """The shard that people write as `2/4`, the second of four; None is the whole.

    Raises:
        StylepressError: it is written otherwise, or there is no such shard.
    """
    if text is None:
        return WHOLE
    match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text, re.ASCII)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise StylepressError(f"shard: expected I/N, I from 1 to N, such as 2/4 for the second of four, got {text!r}")
    return Shard(int(match[1]), int(match[2]))
