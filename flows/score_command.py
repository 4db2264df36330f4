"""The command `stylepress score`."""

from __future__ import annotations

from flows.console import Exit, complain, print_json, say
from flows.options import Json


def score(out: str, *, device: str = "auto", json_: Json = False) -> int:  # noqa: D417 - `Json` explains itself
    """Measure the scores of an output's pictures again, from the published files, and write them into the receipts.

    Example: stylepress score out/coastal-study

    Args:
        out: folder or s3://bucket/prefix that a run has written.
        device: auto, cpu or cuda:N.
    """
    from flows import scores
    from flows.output import open_output

    store, ledger = open_output(out, complain)
    store.check_writable()
    if not json_:
        say(scores.heading())
    pictures, failures = [], []
    for one in scores.recompute(store, ledger, device):
        pictures.append(one.to_dict())
        if one.fault:
            failures.append({"cell": one.name, "key": one.key, "kind": one.kind, "message": one.fault})
            complain(f"{one.name}: {one.fault}")
        elif not json_:
            say(scores.row(one))
    if json_:
        counts = {"scored": len(pictures) - len(failures), "failed": len(failures)}
        print_json({"to": store.url, **counts, "pictures": pictures, "failures": failures})
    return Exit.SOME_FAILED if failures else Exit.OK
