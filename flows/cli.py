"""The command line: reads arguments, calls one function, says what came of it, and ends with the contract's code."""

from __future__ import annotations

import io
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from stylecore.errors import StylepressError

OK, SOME_FAILED, WRONG_COMMAND, WRONG_ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 130
_ENVIRONMENT = {"storage", "weights", "device", "engine", "prefect", "out-of-memory"}
"""Kinds of errors that the machine, not the manifest, must mend."""

app = App(
    name="stylepress",
    help="A batch renderer for neural style transfer: one manifest in; pictures, receipts, sheets and a gallery out.",
    help_format="plaintext",
    version=lambda: version("stylepress"),
    version_flags=["--version"],
    default_parameter=Parameter(negative=()),
)
weights_app = App(name="weights", help="The encoders' weights.")
app.command(weights_app)

Sets = Annotated[
    list[str] | None,
    Parameter(name="--set", help="Change any key of the manifest: --set defaults.steps=50 (repeatable)."),
]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document on stdout and nothing else.")]
To = Annotated[str | None, Parameter(name="--to", help="Folder or s3://bucket/prefix, instead of the manifest's.")]
_AT_LEAST_ONE = Number(gte=1)
Limit = Annotated[int | None, Parameter(name="--limit", validator=_AT_LEAST_ONE, help="The first so many cells only.")]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


@app.command
def init(folder: Path) -> int:
    """Make a folder with a commented manifest and sample pictures, ready to render.

    Example: stylepress init my-study && stylepress render my-study/manifest.yaml

    Args:
        folder: a new or an empty folder.
    """
    from flows import starter

    manifest = starter.create(folder)
    _say(f"made {manifest}; next: stylepress render {manifest}")
    return OK


@app.command
def render(
    manifest: str,
    *,
    to: To = None,
    set_: Sets = None,
    limit: Limit = None,
    engine: Literal["local", "dask", "ray"] = "local",
    address: str | None = None,
    workers: Annotated[int | None, Parameter(validator=_AT_LEAST_ONE)] = None,
    json_: Json = False,
) -> int:
    """Render what a manifest asks for and its output lacks.

    Run it again at any time: what is finished stays, what is missing or changed is rendered.

    Example: stylepress render manifest.yaml --set defaults.size=384 --limit 4

    Args:
        manifest: a file or s3:// address.
        engine: worker processes of this machine, or a Dask or Ray cluster.
        address: of a running cluster, such as tcp://scheduler:8786.
        workers: number of workers; by default one for each GPU, or one that uses all cores.
    """
    from flows import batch, local_prefect

    # what can be known to be wrong without Prefect is said before its server is started
    loaded = batch.read_manifest(manifest, set_)
    batch.open_target(loaded, to).check_writable()
    local_prefect.set_defaults()
    answer = local_prefect.run(
        manifest=manifest, to=to, overrides=set_, limit=limit, engine=engine, address=address, workers=workers
    )
    summary = getattr(answer, "summary", answer)
    if not isinstance(summary, batch.Summary):
        raise answer
    if json_:
        _print_json(summary.to_dict())
    else:
        _report(summary)
    return summary.exit_code


def _report(summary: Any) -> None:
    from flows.store import open_store

    store = open_store(summary.to, confine=False)
    for failure in summary.failures[:20]:
        _complain(f"failed  {failure['cell']}\n        {failure['kind']}: {failure['message']}")
    if len(summary.failures) > 20:
        _complain(f"… and {len(summary.failures) - 20} more; runs/{summary.run}.json lists all")
    early = {"interrupted": "interrupted: ", "max_failures": "stopped early, more failures than run.max_failures: "}
    _say(f"{early.get(summary.stopped, '')}{summary}, {summary.seconds:.0f} s")
    if summary.sheets:
        more = f" and {len(summary.sheets) - 1} more" if len(summary.sheets) > 1 else ""
        _say(f"contact sheet  {store.child(summary.sheets[0])}{more}")
    if summary.gallery:
        _say(f"gallery        {store.child(summary.gallery)}")


@app.command
def plan(manifest: str, *, to: To = None, set_: Sets = None, limit: Limit = None, json_: Json = False) -> int:
    """Show every cell with the reason why it will or will not be rendered, and what that will take.

    Example: stylepress plan manifest.yaml --to s3://studio/coast

    Args:
        manifest: a file or s3:// address.
    """
    from flows import batch, chunks
    from flows import plan as planning
    from flows.devices import choose
    from flows.receipts import read_ledger

    loaded = batch.read_manifest(manifest, set_)
    store = batch.open_target(loaded, to)
    if store.url.startswith("s3://"):
        store.check_readable()
    planned = planning.make(loaded, store, read_ledger(store), limit=limit)
    todo = planned.to_render()
    pieces = list(chunks.divide(planned, loaded.manifest.run.chunk, len(choose("auto"))))
    if json_:
        document = {
            "cells": len(planned.items),
            "to_render": len(todo),
            "done": sum(item.kind == "done" for item in planned.items),
            "chunks": len(pieces),
            "reasons": planned.reasons(),
            "estimate": planned.estimate.to_dict(),
            "items": [{"key": i.key or None, "name": i.name, "reason": i.reason} for i in planned.items],
        }
        _print_json(document)
        return OK
    for item in planned.items:
        _say(f"{item.name}  {item.reason}")
    cost = planned.estimate
    counts = ", ".join(f"{count} {kind}" for kind, count in planned.reasons().items())
    _say(f"{len(planned.items)} cells: {counts}; {len(todo)} to render in {len(pieces)} chunks")
    if todo:
        how = "as measured here before" if cost.basis == "measured" else "a guess until something is rendered"
        size = f"{cost.bytes / 2**20:.0f} MiB of pictures, {cost.memory_bytes / 2**20:.0f} MiB of memory"
        _say(f"about {_duration(cost.seconds)} ({how}), {size}")
    return OK


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@app.command
def check(manifest: str, *, set_: Sets = None) -> int:
    """Validate a manifest and its pictures' headers, everything short of rendering.

    Example: stylepress check manifest.yaml

    Args:
        manifest: a file or s3:// address.
    """
    from flows import batch
    from flows import plan as planning

    count, faults = planning.check(batch.read_manifest(manifest, set_, lenient=True))
    for fault in faults:
        _complain(f"{manifest}: {fault}")
    if faults:
        _complain(f"{manifest}: {len(faults)} pictures cannot be used; the other cells would be rendered")
        return WRONG_COMMAND
    _say(f"{manifest}: {count} cells, no mistakes")
    return OK


@app.command
def sheets(out: str, *, manifest: str | None = None) -> int:
    """Draw the contact sheets of an output again, from its receipts.

    Example: stylepress sheets out/coastal-study

    Args:
        out: folder or s3://bucket/prefix that a run has written.
        manifest: take the sheets and the cells to show from this manifest instead of the last run's.
    """
    from flows import batch
    from flows import plan as planning
    from flows import sheets as contact_sheets
    from flows.output import last_run, open_output
    from flows.shelf import of_plan

    store, ledger = open_output(out, _complain)
    if manifest:
        loaded = batch.read_manifest(manifest)
        failures = last_run(store).get("failures") or []
        shelf = of_plan(planning.make(loaded, store, ledger), ledger, failures)
        drawn = contact_sheets.build(store, shelf, loaded.manifest.sheets, loaded.manifest.name, _complain)
    else:
        drawn = contact_sheets.rebuild(store, ledger, _complain)
    for name in drawn:
        _say(store.child(name))
    return OK


@app.command
def gallery(out: str, *, to: To = None) -> int:
    """Build the gallery of an output again, from its receipts.

    Example: stylepress gallery out/coastal-study

    Args:
        out: folder or s3://bucket/prefix that a run has written.
        to: also copy the gallery, with the pictures and sheets it shows, to this place.
    """
    from flows import gallery as pages
    from flows.output import last_run, open_output, title_of
    from flows.store import open_store

    store, ledger = open_output(out, _complain)
    drawn = [e.name for e in store.list("sheets/") if e.name.endswith(".png")]
    page = pages.build(store, ledger, title_of(last_run(store)), drawn)
    if to:
        target = open_store(to, confine=False)
        target.check_writable()
        _complain(f"{pages.publish(store, target)} files copied")
        store = target
    _say(store.child(page))
    return OK


@app.command
def reproduce(
    picture: Path,
    *,
    to: Annotated[
        Path | None, Parameter(name="--to", help="Folder for the new picture; by default the current one.")
    ] = None,
    check_: Annotated[bool, Parameter(name="--check", help="Compare pixels and end with 1 where they differ.")] = False,
    device: str = "auto",
) -> int:
    """Render a picture again from what it carries.

    Example: stylepress reproduce out/renders/cat--waves--0123456789ab.png --check

    Args:
        picture: a picture that stylepress made.
        device: auto, cpu or cuda:N.
    """
    from flows import reproduce as again
    from flows.store import open_store

    recipe = again.recipe_of(picture)
    import torch

    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
    data = again.render_again(recipe, picture, device)
    if to or not check_:
        name = f"{picture.stem}-reproduced{picture.suffix}"
        open_store(to or Path.cwd(), confine=False).write(name, data, "application/octet-stream")
        _say(str((to or Path()) / name))
    if not check_:
        return OK
    compared = again.compare(picture, data)
    _say("the same pixels" if compared.same else f"pixels differ by up to {compared.largest:.0f} of 255")
    return OK if compared.same else SOME_FAILED


@weights_app.command(name="list")
def list_weights() -> int:
    """List the encoders and where their weights are."""
    from stylecore import weights

    for name in weights.known():
        source = weights.resolve(name)
        where = (
            "ships with stylepress" if name == "vgg19" else str(source.path or "not here yet: stylepress weights fetch")
        )
        _say(f"{name:20} {source.digest[:27]:28} {where}")
    return OK


@weights_app.command(name="fetch")
def fetch_weights(*names: str) -> int:
    """Download weights into the cache, checked by their hash.

    Example: stylepress weights fetch vgg16-torchvision

    Args:
        names: encoders; by default all that can be downloaded.
    """
    from stylecore import weights

    for name in names or tuple(weights.PUBLISHED):
        _say(f"{name}: {weights.fetch(weights.resolve(name)).path}")
    return OK


@weights_app.command(name="verify")
def verify_weights() -> int:
    """Check the digest and layers of all weights that are on this machine."""
    from stylecore import weights

    wrong = 0
    for name in weights.known():
        try:
            source = weights.resolve(name)
            if source.path is None:
                _say(f"{name}: not here")
                continue
            _say(f"{name}: ok, {len(weights.load(source)) // 2} convolutions")
        except StylepressError as error:
            wrong += 1
            _complain(f"{name}: {error}")
    return WRONG_ENVIRONMENT if wrong else OK


@app.command
def doctor(*, to: To = None) -> int:
    """Look at devices, weights, storage and Prefect: what works, what does not, how to mend it.

    Example: stylepress doctor --to s3://studio/test
    """
    from flows import doctor as examination

    wrong = 0
    for finding in examination.examine(to):
        wrong += finding.state == "wrong"
        _say(f"{finding.state:6} {finding.what:12} {finding.text}")
    return WRONG_ENVIRONMENT if wrong else OK


@app.command
def schema() -> int:
    """Print the JSON Schema of the manifest, for editors."""
    from flows.schema import json_schema

    _print_json(json_schema())
    return OK


def exit_code(error: StylepressError) -> int:
    """Exit code for an error that ended a command: the command's fault, or the environment's."""
    return WRONG_ENVIRONMENT if error.kind in _ENVIRONMENT else WRONG_COMMAND


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    warnings.filterwarnings("ignore", module="PIL")
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        _complain(f"{error}\n`stylepress --help` shows what there is.")
        return WRONG_COMMAND
    except StylepressError as error:
        _complain(str(error))
        if "--json" in arguments:
            _print_json({"error": {"kind": error.kind, "message": str(error)}})
        return exit_code(error)
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    return code if isinstance(code, int) else OK


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be valid Unicode
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
