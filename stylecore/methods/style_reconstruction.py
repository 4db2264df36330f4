"""Style reconstruction: a picture with the statistics of the style (Gatys et al. 2016, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stylecore.constants import Constants
from stylecore.methods.batch import Member, Moment, Resumed
from stylecore.methods.descent import descend
from stylecore.methods.descent import resumable as resumable


def optimise(members: Sequence[Member], constants: Constants, resumed: Resumed | None = None) -> Iterator[Moment]:
    """Optimise a batch for style and total variation alone: Gatys et al. 2016, eq. 5 and figure 1.

    See `descent.descend` for arguments, moments and errors.
    """
    return descend(members, constants, resumed)
