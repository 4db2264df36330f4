"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

AT_LEAST_ONE = Number(gte=1)
Sets = Annotated[
    list[str] | None,
    Parameter(name="--set", help="Change any key of the manifest: --set defaults.steps=50 (repeatable)."),
]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document on stdout and nothing else.")]
To = Annotated[str | None, Parameter(name="--to", help="Folder or s3://bucket/prefix, instead of the manifest's.")]
CopyTo = Annotated[
    str | None,
    Parameter(
        name="--to",
        help="Also copy gallery, pictures, snapshots and sheets, as far as changed, to this folder or s3://.",
    ),
]
Prune = Annotated[
    bool, Parameter(name="--prune", help="Remove from there what the gallery no longer shows; else it is listed.")
]
TryTo = Annotated[str | None, Parameter(name="--to", help="An output to try to write to; nothing is left there.")]
Limit = Annotated[int | None, Parameter(name="--limit", validator=AT_LEAST_ONE, help="The first so many cells only.")]
Share = Annotated[
    str | None,
    Parameter(name="--shard", help="2/4: the second of four shares of the cells (of --limit N, if given)."),
]
