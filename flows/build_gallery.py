"""The Prefect flow `build-gallery`: contact sheets and gallery of an output, made again from its receipts."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows import gallery, sheets
from flows.local_prefect import shorten_tracebacks
from flows.output import last_run, open_output, title_of
from flows.store import open_store
from stylecore.errors import StylepressError

shorten_tracebacks()


@flow(name="build-gallery", flow_run_name="gallery of {out}")
def build_gallery(out: str, to: str | None = None, prune: bool = False) -> State[Any]:
    """Build the sheets and the gallery of an output, and copy the gallery elsewhere if asked.

    Args:
        out: folder or s3://bucket/prefix that a run has written.
        to: another place for a copy of gallery, sheets and pictures; only what changed is copied.
        prune: remove from there what the gallery no longer shows.
    """
    logger = get_run_logger()
    try:
        store, ledger = open_output(out, logger.warning)
        drawn = sheets.rebuild(store, ledger, logger.warning)
        page = gallery.build(store, ledger, title_of(last_run(store)), drawn)
        if to:
            target = open_store(to, confine=False)
            target.check_writable()
            for line in gallery.publish(store, target, prune=prune).lines():
                logger.info("%s: %s", to, line)
    except StylepressError as error:
        return Failed(message=str(error), data=error)
    return Completed(message=f"{len(ledger.receipts)} pictures, {len(drawn)} sheets: {page}")
