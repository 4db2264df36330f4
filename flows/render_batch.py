"""The Prefect flow `render-batch`: what `stylepress render` and the deployments run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from flows import artifacts, batch
from flows.batch import Batch
from flows.carrying import Carrier
from flows.console import complain
from flows.display import Display
from flows.local_prefect import shorten_tracebacks
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
    logger = get_run_logger()
    try:
        prepared = batch.prepare(manifest, to, overrides or [], limit, shard)
        artifacts.introduce(prepared, logger.warning)
        logger.info("%s: %d cells, %s", manifest, len(prepared.plan.items), prepared.plan.reasons())
        summary = _carry_out(prepared, engine, address, workers, logger.info)
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
    tell = artifacts.progress(log)
    carrier = Carrier(engine, address, workers, run.devices, run.retries, display, log, _aloud(tell))
    summary = batch.carry_out(prepared, carrier, carrier.slots(), log, display.seen)
    tell(*display.told())
    return summary


def _aloud(tell: Callable[[float, str], None]) -> Callable[[float, str], None]:
    """Tell progress on stderr too, where neither a terminal shows it nor a Prefect worker prints the log."""
    if sys.stderr.isatty() or runtime.deployment.id:
        return tell

    def aloud(percent: float, words: str) -> None:
        complain(words)
        tell(percent, words)

    return aloud
