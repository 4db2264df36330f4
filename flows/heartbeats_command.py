"""The command `stylepress heartbeats`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from flows.console import Exit, say


def heartbeats(*, within: Annotated[int, Parameter(validator=Number(gte=10))] = 120) -> int:
    """Have Prefect's server mark runs as crashed that were killed: sets up an automation, or changes the one there.

    It watches the heartbeats that runs send every 30 s. Once for each server; doing it again changes nothing.

    Example: stylepress heartbeats

    Args:
        within: seconds without a heartbeat after which a run has crashed.
    """
    from flows import local_prefect

    local_prefect.set_defaults()
    address = local_prefect.configured_server()
    from flows import heartbeats as automation

    new = automation.set_up(within)
    say(f"{'made' if new else 'updated'} the automation {automation.NAME!r} on {address}: after {within} s of silence")
    return Exit.OK
