"""The Prefect flow `render-batch`: what `stylepress render` and the deployments run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpx
from prefect import flow, get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Completed, Failed

from flows import artifacts, batch
from flows.batch import Batch
from flows.carrying import Carrier
from flows.console import complain
from flows.display import Display
from flows.local_prefect import PrefectError, shorten_tracebacks
from flows.summary import Summary
from stylecore.errors import StylepressError

shorten_tracebacks()


class RunFailedError(StylepressError):
    """A run ended with failed cells, or early.

    Attributes:
        summary: what it did.
    """

    kind = "run"

    def __init__(self, summary: Summary) -> None:
        super().__init__(str(summary))
        self.summary = summary


@dataclass
class _Here:
    """What a flow run in the command's own process is given, and gives back even if no server takes its end."""

    planned: Batch
    answer: Any = None


_here: ContextVar[_Here | None] = ContextVar("here", default=None)


def run_here(planned: Batch, parameters: dict[str, Any]) -> tuple[Any, bool]:
    """Run the flow in this process.

    Args:
        planned: what it would plan by itself.
        parameters: its parameters.

    Returns:
        What its final state holds, a summary or an exception; and whether Prefect's server was told.

    Raises:
        PrefectError: the server has gone away before anything was rendered.
    """
    here = _Here(planned)
    before = _here.set(here)
    try:
        state = render_batch(**parameters, return_state=True)
        return state.result(raise_on_failure=False), True
    except Exception as error:
        if here.answer is not None:  # whatever Prefect makes of a server that is gone, the run has come to its end
            return here.answer, False
        if isinstance(error, httpx.HTTPError | PrefectException) or "reach API" in str(error):
            raise PrefectError(f"Prefect's server no longer answers ({type(error).__name__}); start it again") from None
        raise
    finally:
        _here.reset(before)


@flow(name="render-batch", flow_run_name=artifacts.first_name, log_prints=False)
def render_batch(
    manifest: str,
    to: str | None = None,
    overrides: list[str] | None = None,
    limit: int | None = None,
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
    shard: str | None = None,
) -> State[Any]:
    """Render what a manifest asks for and its output lacks.

    Args:
        manifest: path or s3:// address of the manifest.
        to: output, instead of the manifest's.
        overrides: assignments such as `defaults.steps=50`.
        limit: render the first so many cells only.
        engine: `local`, `dask` or `ray`.
        address: of a running Dask scheduler or Ray head.
        workers: number of workers.
        shard: `2/4` for the second of four shares of the cells; several runs divide a manifest so.

    Returns:
        Completed when every cell is there. Cancelled when the run was interrupted. Failed when some cells failed, when
        there were too many of those, or when the manifest or the environment is wrong; the message says which.
    """
    # it names no variable of this module: Prefect sends it to workers by value
    return _ended((manifest, to, overrides or [], limit, shard), (engine, address, workers))


def _ended(
    what: tuple[str, str | None, list[str], int | None, str | None], where: tuple[str, str | None, int | None]
) -> State[Any]:
    here = _here.get()
    state = _state(here, what, where)
    if here:
        here.answer = state.data
    return state


def _state(
    here: _Here | None,
    what: tuple[str, str | None, list[str], int | None, str | None],
    where: tuple[str, str | None, int | None],
) -> State[Any]:
    """Plan, render, and tell: the final state of a run."""
    logger = get_run_logger()
    try:
        prepared = here.planned if here else batch.prepare(*what)
        artifacts.introduce(prepared, logger.warning)
        logger.info("%s: %d cells, %s", what[0], len(prepared.plan.items), prepared.plan.reasons())
        summary = _carry_out(prepared, *where, logger.info)
    except StylepressError as error:
        # returned, not raised: for what a user can mend, the message is enough and a traceback is noise
        return Failed(message=str(error), data=error)
    artifacts.conclude(summary, prepared, logger.warning)
    if summary.stopped == "interrupted":  # by `prefect flow-run cancel` too, which takes no other state for an answer
        return Cancelled(message=str(summary), data=RunFailedError(summary))
    if summary.failures or summary.stopped:
        return Failed(message=str(summary), data=RunFailedError(summary))
    return Completed(message=str(summary), data=summary)


def _carry_out(prepared: Batch, engine: str, address: str | None, workers: int | None, log: Any) -> Summary:
    run = prepared.loaded.manifest.run
    display = Display(len(prepared.plan.to_render()))
    progress = artifacts.Progress(log)
    carrier = Carrier(engine, address, workers, run.devices, run.retries, display, log, _aloud(progress.tell))
    summary = batch.carry_out(prepared, carrier, carrier.slots(), log, display.seen)
    progress.last(*display.told())
    return summary


def _aloud(tell: Callable[[float, str], None]) -> Callable[[float, str], None]:
    """Tell progress on stderr too, where neither a terminal shows it nor a Prefect worker prints the log."""
    if sys.stderr.isatty() or runtime.deployment.id:
        return tell

    def aloud(percent: float, words: str) -> None:
        complain(words)
        tell(percent, words)

    return aloud
