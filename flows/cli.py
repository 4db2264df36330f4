"""The command line: reads arguments, calls one function, says what came of it, and ends with the contract's code."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from flows.check_command import check
from flows.console import Exit, complain, exit_code, print_json, say
from flows.gallery_command import gallery
from flows.heartbeats_command import heartbeats
from flows.options import AT_LEAST_ONE, Json, Limit, Sets, Share, To, TryTo
from flows.score_command import score
from flows.status_command import status
from flows.weights_commands import weights_app
from stylecore.errors import StylepressError

app = App(
    name="stylepress",
    help="A batch renderer for neural style transfer: one manifest in; pictures, receipts, sheets and a gallery out.",
    help_format="plaintext",
    version=lambda: version("stylepress"),
    version_flags=["--version"],
    default_parameter=Parameter(negative=()),
)
app.command(weights_app)
app.command(check)
app.command(score)
app.command(gallery)
app.command(status)
app.command(heartbeats)


@app.command
def init(folder: Path) -> int:
    """Make a folder with a commented manifest and sample pictures, ready to render.

    Example: stylepress init my-study && stylepress render my-study/manifest.yaml

    Args:
        folder: a new or an empty folder.
    """
    from flows import starter

    manifest = starter.create(folder)
    say(f"made {manifest}; next: stylepress render {manifest}")
    return Exit.OK


@app.command
def render(
    manifest: str,
    *,
    to: To = None,
    set_: Sets = None,
    limit: Limit = None,
    shard: Share = None,
    engine: Literal["local", "dask", "ray"] = "local",
    address: str | None = None,
    workers: Annotated[int | None, Parameter(validator=AT_LEAST_ONE)] = None,
    json_: Json = False,
) -> int:
    """Render what a manifest asks for and its output lacks.

    Run it again at any time: what is finished stays, what was cut short goes on, all else is rendered.

    Example: stylepress render manifest.yaml --set defaults.size=384 --limit 4

    Args:
        manifest: a file or s3:// address.
        engine: worker processes of this machine, or a Dask or Ray cluster.
        address: of a running cluster, such as tcp://scheduler:8786.
        workers: number of workers; by default one for each GPU, or one that uses all cores.
    """
    from flows import advice, batch, engines, local_prefect, report, shards
    from flows.summary import Summary

    shards.parse(shard)
    # what can be known to be wrong without Prefect is said before its server is started
    loaded = batch.read_manifest(manifest, set_)
    batch.open_target(loaded, to).check_writable()
    engines.check(engine, address, workers, loaded.manifest.run.devices)
    complain(*advice.notes(loaded))
    local_prefect.set_defaults()
    answer = local_prefect.run(
        lambda: batch.prepare(manifest, to, set_ or [], limit, shard),
        manifest=manifest,
        to=to,
        overrides=set_,
        limit=limit,
        engine=engine,
        address=address,
        workers=workers,
        shard=shard,
    )
    summary = getattr(answer, "summary", answer)
    if not isinstance(summary, Summary):
        raise answer
    if json_:
        print_json(summary.to_dict())
    else:
        complain(*report.failures_of(summary))
        say(*report.of_run(summary))
    return summary.exit_code


@app.command
def plan(
    manifest: str, *, to: To = None, set_: Sets = None, limit: Limit = None, shard: Share = None, json_: Json = False
) -> int:
    """Show every cell with the reason why it will or will not be rendered, and what that will take.

    Example: stylepress plan manifest.yaml --to s3://studio/coast

    Args:
        manifest: a file or s3:// address.
    """
    from flows import advice, batch, chunks, report, shards
    from flows import plan as planning
    from flows.devices import choose

    part = shards.parse(shard)
    loaded = batch.read_manifest(manifest, set_)
    store = batch.open_target(loaded, to)
    complain(*advice.notes(loaded))
    if store.url.startswith("s3://"):
        store.check_readable()
    planned = planning.make(loaded, store, limit=limit, shard=part)
    workers = len(choose("auto"))
    stock = chunks.stock(planned, loaded.manifest.run.chunk, workers)
    pieces = sum(1 for _ in iter(lambda: stock.cut(workers), ()))
    for line in report.document_of_plan(planned, pieces) if json_ else report.of_plan(planned, pieces):
        say(line)
    return Exit.OK


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
    from flows.inputs import root_of
    from flows.output import last_run, open_output
    from flows.shelf import of_plan

    store, ledger = open_output(out, complain)
    if manifest:
        loaded = batch.read_manifest(manifest)
        failures = last_run(store).get("failures") or []
        shelf = of_plan(planning.make(loaded, store), ledger, failures)
        asked, root = loaded.manifest, root_of(loaded)
        drawn = contact_sheets.build(store, shelf, asked.sheets, asked.name, complain, root)
    else:
        drawn = contact_sheets.rebuild(store, ledger, complain)
    for name in drawn:
        say(store.child(name))
    return Exit.OK


@app.command
def reproduce(
    picture: str,
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
        picture: a picture that stylepress made, on this machine.
        device: auto, cpu or cuda:N.
    """
    from flows import reproduce as again
    from flows.store import open_store

    if "://" in picture:
        raise StylepressError(f"{picture} is not on this machine; download the picture first, then reproduce the file")
    path = Path(picture)
    recipe = again.recipe_of(path)
    data = again.render_again(recipe, path, device)
    if to or not check_:
        name = f"{path.stem}-reproduced{path.suffix}"
        open_store(to or Path.cwd(), confine=False).write(name, data, "application/octet-stream")
        say(str((to or Path()) / name))
    if not check_:
        return Exit.OK
    compared = again.compare(path, data)
    say("the same pixels" if compared.same else f"pixels differ by up to {compared.largest:.0f} of 255")
    return Exit.OK if compared.same else Exit.SOME_FAILED


@app.command
def doctor(*, to: TryTo = None) -> int:
    """Look at devices, weights, storage and Prefect: what works, what does not, how to mend it.

    Example: stylepress doctor --to s3://studio/test
    """
    from flows import doctor as examination

    wrong = 0
    for finding in examination.examine(to):
        wrong += finding.state == "wrong"
        say(f"{finding.state:6} {finding.what:12} {finding.text}")
    return Exit.WRONG_ENVIRONMENT if wrong else Exit.OK


@app.command
def schema() -> int:
    """Print the JSON Schema of the manifest, for editors."""
    from flows.schema import json_schema

    print_json(json_schema())
    return Exit.OK


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    warnings.filterwarnings("ignore", module="PIL")
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        complain(f"{error}\n`stylepress --help` shows what there is.")
        return Exit.WRONG_COMMAND
    except StylepressError as error:
        complain(str(error))
        if "--json" in arguments:
            print_json({"error": {"kind": error.kind, "message": str(error)}})
        return exit_code(error)
    except KeyboardInterrupt:
        complain("interrupted")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # what is left in the buffer has no reader; flushed at exit, it would end the process with 120
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    return code if isinstance(code, int) else Exit.OK


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be valid Unicode
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # wherever a Ctrl-C may come, it may come
    code = run(sys.argv[1:])
    if used := sys.modules.get("flows.local_prefect"):
        used.leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
