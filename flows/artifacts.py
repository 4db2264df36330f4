"""What a flow run shows of itself in Prefect's pages: name and tags, progress, failed cells, a link to the gallery."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
from prefect import get_client, runtime
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException

from flows.batch import Batch
from flows.summary import Summary

_MOST_FAILURES = 1000  # rows of the table of failures
_LAST = 10.0  # seconds to wait for the server at the end of a run
_PLAIN_NAMES = ("manifest", "stylepress")  # names of manifests that say less than their folder's


def first_name() -> str:
    """Name of a flow run before its manifest is read: the manifest's file, or its folder where that says more."""
    path = PurePosixPath(str(runtime.flow_run.parameters.get("manifest", "")))
    return f"render {path.parent.name if path.stem in _PLAIN_NAMES and path.parent.name else path.stem}"


def introduce(prepared: Batch, log: Callable[[str], None]) -> None:
    """Name the flow run after its manifest and output, and tag it, so that pages and automations can find it."""
    name, to = prepared.loaded.manifest.name, prepared.store.url
    known = list(runtime.flow_run.tags or [])
    tags = dict.fromkeys([*known, "stylepress", f"manifest:{name}", f"output:{to}"])

    def update() -> None:
        with get_client(sync_client=True) as client:
            client.update_flow_run(runtime.flow_run.id, name=f"render {name} to {to}", tags=list(tags))

    _told(update, log)


class Progress:
    """Tells progress to the flow run, in percent and in words: a line in its log, and a progress artifact.

    The server is told aside: one that does not answer would hold up the run, by its many tries for each call.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._artifact: Any = None
        self._telling: threading.Thread | None = None

    def tell(self, percent: float, words: str) -> None:
        """Tell progress, unless the server is still being told the last one."""
        self._log(words)
        if self._telling is None or not self._telling.is_alive():
            told = partial(_told, partial(self._show, percent, words), self._log)
            self._telling = threading.Thread(target=copy_context().run, args=(told,), daemon=True)
            self._telling.start()

    def last(self, percent: float, words: str) -> None:
        """Tell progress at the end, and wait until it is told, or for a while."""
        if self._telling:
            self._telling.join(_LAST)
        self.tell(percent, words)
        if self._telling:
            self._telling.join(_LAST)

    def _show(self, percent: float, words: str) -> None:
        if self._artifact:
            update_progress_artifact(self._artifact, progress=percent, description=words)
        else:
            self._artifact = create_progress_artifact(percent, key="render-progress", description=words)


def conclude(summary: Summary, prepared: Batch, log: Callable[[str], None]) -> None:
    """Leave a summary, a table of failures, and a link to the gallery, as far as there are any."""
    name = prepared.loaded.manifest.name
    sheets = "\n".join(f"* `{sheet}`" for sheet in summary.sheets)
    text = f"## {name}\n\n{summary}, in {summary.seconds:.0f} s.\n\nOutput: `{summary.to}`\n\nSheets:\n\n{sheets}\n"
    if not _told(lambda: create_markdown_artifact(text, key="render-summary", description=str(summary)), log):
        return
    if summary.failures:
        rows = [{part: f[part] for part in ("cell", "kind", "message")} for f in summary.failures[:_MOST_FAILURES]]
        words = f"{len(summary.failures)} cells of {name} failed; runs/{summary.run}.json lists all"
        _told(lambda: create_table_artifact(rows, key="render-failures", description=words), log)
    if summary.gallery:
        address = prepared.store.child(summary.gallery)
        link = address if "://" in address else Path(address).absolute().as_uri()
        _told(lambda: create_link_artifact(link, link_text="gallery", key="gallery", description=name), log)


def _told(tell: Callable[[], Any], log: Callable[[str], None]) -> bool:
    """Tell the server something; one that is away must not cost a render."""
    try:
        tell()
    except (httpx.HTTPError, PrefectException) as error:
        log(f"Prefect's server cannot be told: {type(error).__name__}")
        return False
    return True
