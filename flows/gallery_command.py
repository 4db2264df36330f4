"""The command `gallery`: build an output's gallery again, publish it, combine several outputs into one."""

from __future__ import annotations

from flows.console import Exit, complain, say
from flows.options import CopyTo, Prune
from stylecore.errors import StylepressError


def gallery(out: str, *more: str, to: CopyTo = None, prune: Prune = False) -> int:  # noqa: D417 - options explain themselves
    """Build the gallery of an output again, from its receipts; publish it; combine several outputs into one.

    Example: stylepress gallery out/coastal-study

    Example: stylepress gallery out/coastal-study --to s3://my-bucket/site --prune

    Example: stylepress gallery out/monday out/tuesday --to out/both

    Args:
        out: folder or s3://bucket/prefix that a run has written.
        more: further outputs, for one gallery of them all; it lies in the place that --to names.
    """
    from flows import gallery as pages
    from flows.output import drawn_sheets, last_run, open_output, title_of
    from flows.store import open_store

    if (more or prune) and not to:
        raise StylepressError("--to is missing: expected the folder or s3:// address to publish to, such as --to site")
    target = open_store(to, confine=False) if to else None
    if target:
        target.check_writable()
    outputs = [open_output(url, complain) for url in (out, *more)]
    store, ledger = outputs[0]
    if not more:
        last = last_run(store)
        pages.build(store, ledger, title_of(last), drawn_sheets(store, last))
    if target:
        done = pages.combine(outputs, target, prune=prune) if more else pages.publish(store, target, prune=prune)
        complain(*done.lines())
        store = target
    say(store.child(pages.PAGE))
    return Exit.OK
