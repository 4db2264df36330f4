"""The Prefect flow `render-batch`: what `stylepress render` and the deployments run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
from prefect import flow, get_run_logger, runtime
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.states import Completed, Failed

from flows import batch
from flows.batch import Batch
from flows.carrying import Carrier
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


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return f"render {PurePosixPath(str(parameters.get('manifest', ''))).stem}"


@flow(name="render-batch", flow_run_name=_run_name, log_prints=False)
def render_batch(
    manifest: str,
    to: str | None = None,
    overrides: list[str] | None = None,
    limit: int | None = None,
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
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

    Returns:
        Completed when every cell is there. Failed when some failed, when the run was stopped, or when the manifest or
        the environment is wrong; the message says which.
    """
    logger = get_run_logger()
    try:
        prepared = batch.prepare(manifest, to, overrides or [], limit)
        logger.info("%s: %d cells, %s", manifest, len(prepared.plan.items), prepared.plan.reasons())
        summary = _carry_out(prepared, engine, address, workers, logger.info)
    except StylepressError as error:
        # returned, not raised: for what a user can mend, the message is enough and a traceback is noise
        return Failed(message=str(error), data=error)
    _tell(summary, prepared)
    if summary.failures or summary.stopped:
        return Failed(message=str(summary), data=RunFailedError(summary))
    return Completed(message=str(summary), data=summary)


def _carry_out(prepared: Batch, engine: str, address: str | None, workers: int | None, log: Any) -> Summary:
    run = prepared.loaded.manifest.run
    todo = prepared.plan.to_render()
    display = Display(len(todo), {item.key: item.title for item in todo})
    carrier = Carrier(engine, address, workers, run.devices, run.retries, display, log, _progress(log))
    return batch.carry_out(prepared, carrier, carrier.slots(), log)


def _progress(log: Any) -> Callable[[float, str], None]:
    """Tells progress to the flow run: a line in its log, and a progress artifact."""
    artifact: list[Any] = []

    def tell(percent: float, words: str) -> None:
        log(words)
        try:
            if artifact:
                update_progress_artifact(artifact[0], progress=percent, description=words)
            else:
                artifact.append(create_progress_artifact(percent, key="render-progress", description=words))
        except (httpx.HTTPError, PrefectException) as error:  # a server that is away must not cost a render
            log(f"progress cannot be told: {type(error).__name__}")

    return tell


def _tell(summary: Summary, prepared: Batch) -> None:
    """Leave a summary, and a link to the gallery where it has an address, with the flow run."""
    rows = [f"| `{f['cell']}` | {f['kind']} | {f['message']} |" for f in summary.failures[:100]]
    table = "\n".join(["", "| cell | kind | message |", "| --- | --- | --- |", *rows]) if rows else ""
    sheets = "\n".join(f"* `{name}`" for name in summary.sheets)
    head = f"## {prepared.loaded.manifest.name}\n\n{summary}, in {summary.seconds:.0f} s."
    text = f"{head}\n{table}\n\nSheets:\n\n{sheets}\n"
    create_markdown_artifact(text, key="render-summary", description=str(summary))
    if summary.gallery:
        address = prepared.store.child(summary.gallery)
        link = address if "://" in address else Path(address).absolute().as_uri()
        create_link_artifact(link, link_text="gallery", key="gallery")
