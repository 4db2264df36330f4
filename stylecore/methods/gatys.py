"""Style transfer: the content of one picture, the style of others (Gatys, Ecker, Bethge 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stylecore.constants import Constants
from stylecore.methods.batch import Member, Moment, Resumed
from stylecore.methods.descent import descend
from stylecore.methods.descent import resumable as resumable


def optimise(members: Sequence[Member], constants: Constants, resumed: Resumed | None = None) -> Iterator[Moment]:
    """Optimise a batch for α · content + β · style + total variation: Gatys et al. 2016, eq. 7.

    See `descent.descend` for arguments, moments and errors.
    """
    return descend(members, constants, resumed)
