"""The command `stylepress status`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from flows.console import Exit, print_json, say
from flows.options import Json


def status(  # noqa: D417 - the annotations explain the others
    out: str,
    *,
    follow: Annotated[bool, Parameter(help="Go on showing it until the run ends.")] = False,
    json_: Json = False,
) -> int:
    """Tell what a run has done, what its workers do now and how long it will take; from any machine that sees OUT.

    Ends with 0 where a run is under way or every cell is there, with 1 where cells failed or are missing.

    Example: stylepress status out/coastal-study --follow

    Args:
        out: folder or s3://bucket/prefix that a run writes, or has written.
    """
    from flows import following

    store, shown = following.find(out)
    if follow:
        shown = following.follow(store, shown)
    if json_:
        print_json({**shown[0], "state": following.state(shown[0])})
    else:
        say(*(line for run in shown for line in following.told(run)))
    return Exit.OK if all(map(following.is_well, shown)) else Exit.SOME_FAILED
