"""The automation on a Prefect server that marks runs as crashed whose heartbeats have stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.exceptions import PrefectException

from flows.local_prefect import PrefectError

NAME = "stylepress: runs that fell silent have crashed"
FLOWS = ("render-batch", "build-gallery")

_HEARTBEAT = "prefect.flow-run.heartbeat"
_ENDS = tuple(f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed"))


def set_up(within: int) -> bool:
    """Create the automation on the configured server, or make the one that is there like it.

    Args:
        within: seconds of silence after which a run has crashed. Runs send a heartbeat every 30 s.

    Returns:
        Whether it is new.

    Raises:
        PrefectError: the server refuses.
    """
    wanted = _automation(within)
    with answered(), get_client(sync_client=True) as client:
        if there := client.read_automations_by_name(NAME):
            client.update_automation(there[0].id, wanted)
        else:
            client.create_automation(wanted)
        return not there


def find() -> Automation | None:
    """The automation on the configured server, or None.

    Raises:
        PrefectError: the server refuses.
    """
    with answered(), get_client(sync_client=True) as client:
        return next(iter(client.read_automations_by_name(NAME)), None)


@contextmanager
def answered() -> Iterator[None]:
    """Say what a server refused in a sentence.

    Raises:
        PrefectError: where it refused, or did not answer.
    """
    try:
        yield
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        advice = "; check PREFECT_API_KEY or PREFECT_API_AUTH_STRING" if code in (401, 403) else ""
        raise PrefectError(f"Prefect's server refuses: HTTP {code}{advice}") from None
    except (httpx.HTTPError, PrefectException) as error:
        raise PrefectError(f"Prefect's server does not answer as it should ({type(error).__name__})") from None


def _automation(within: int) -> AutomationCore:
    """A run that sent a heartbeat must send another, or end, in time; others' flows are left alone."""
    return AutomationCore(
        name=NAME,
        description=f"A run that sends no heartbeat for {within} s was killed, or its machine is gone.",
        tags=["stylepress"],
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *_ENDS},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": list(FLOWS)},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=within),
        ),
        actions=[
            ChangeFlowRunState(state=StateType.CRASHED, message=f"No sign of life for {within} s: the run was killed.")
        ],
    )
