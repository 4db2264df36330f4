"""The command `stylepress check`."""

from __future__ import annotations

from flows.console import Exit, complain, exit_code, say
from flows.options import Sets
from stylecore.errors import StylepressError


def check(manifest: str, *more: str, set_: Sets = None) -> int:  # noqa: D417 - `Sets` explains itself
    """Validate manifests and their pictures' headers, everything short of rendering.

    Example: stylepress check manifests/*.yaml

    Args:
        manifest: a file or s3:// address.
        more: further ones; all are checked, whatever is wrong with one.
    """
    codes = [_checked(one, set_) for one in (manifest, *more)]
    return max(codes)


def _checked(manifest: str, set_: Sets) -> int:
    from flows import advice, batch, checking

    try:
        loaded = batch.read_manifest(manifest, set_, lenient=True)
        count, faults = checking.check(loaded)
    except StylepressError as error:
        complain(str(error))
        return exit_code(error)
    complain(*advice.notes(loaded))
    for fault in faults:
        complain(f"{manifest}: {fault}")
    if faults:
        complain(f"{manifest}: {len(faults)} pictures cannot be used; the other cells would be rendered")
        return Exit.WRONG_COMMAND
    say(f"{manifest}: {count} cells, no mistakes")
    return Exit.OK
