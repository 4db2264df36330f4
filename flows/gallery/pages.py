"""The gallery's pages: HTML made from records by templates that escape every text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
_PARTS = (
    "dom",
    "theme",
    "data",
    "address",
    "facets",
    "panel",
    "manifest",
    "picks",
    "wall",
    "grid",
    "plot",
    "viewer",
    "compare",
)
"""Scripts of the gallery in the order in which they build on each other; the data stand between these and the last."""
PER_PAGE = 200
"""Pictures on a page of the plain list."""
_MOST_FAILURES = 500  # of a run, on its page
_SHOWN = (".png", ".jpg", ".webp")  # sheets that a browser draws


@dataclass(frozen=True)
class Site:
    """What the pages of a gallery are made from.

    Attributes:
        index: as the data file of that name has it.
        index_file: path of that file below the gallery.
        pictures: records of all pictures, in their order.
        assets: path of each static file below the gallery, by its plain name.
        extras: snapshots and animation of the pictures that have some, by their position.
        runs: documents of the runs, the newest first.
        faults: what is wrong in the output: `name` of a thing and `what` about it.
        environments: each `environment` of the receipts, and the `count` of pictures made there.
    """

    index: Mapping[str, Any]
    index_file: str
    pictures: Sequence[Mapping[str, Any]]
    assets: Mapping[str, str]
    extras: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    runs: Sequence[Mapping[str, Any]] = ()
    faults: Sequence[Mapping[str, Any]] = ()
    environments: Sequence[Mapping[str, Any]] = ()


def render(site: Site) -> Iterator[tuple[str, str]]:
    """The pages of a gallery.

    Args:
        site: what they show.

    Returns:
        Path below the gallery and HTML of each page, in the order to publish them: `index.html` comes last.
    """
    pages = max(1, -(-len(site.pictures) // PER_PAGE))
    for number in range(2, pages + 1):
        first = (number - 1) * PER_PAGE
        shown = _listed(site, first)
        told = {"first": first + 1, "last": first + len(shown), "pictures": shown, "number": number, "pages": pages}
        yield f"pictures-{number}.html", _page("pictures.html", site, f"Pictures, page {number}", **told)
    runs, environments = [_run(run) for run in site.runs], _environments(site.environments)
    yield "run.html", _page("run.html", site, "Runs", runs=runs, environments=environments, faults=site.faults)
    yield "index.html", _page("index.html", site, "", **_front(site, pages))


def _front(site: Site, pages: int) -> dict[str, Any]:
    """What only the first page needs: its list, and scripts and data in the order in which they are to run."""
    index = site.index
    if not index["count"]:
        return {"pictures": [], "pages": 1, "scripts": [site.assets["theme.js"]], "runs": site.runs}
    data = [site.index_file, index["columns"], index["pictures"][0]]
    scripts = [*(site.assets[f"{name}.js"] for name in _PARTS), *data, site.assets["gallery.js"]]
    return {"pictures": _listed(site, 0), "pages": pages, "scripts": scripts, "index_file": site.index_file}


def _page(template: str, site: Site, part: str, **told: Any) -> str:
    index = site.index
    sheets = [{**sheet, "shown": str(sheet["path"]).lower().endswith(_SHOWN)} for sheet in index.get("sheets", [])]
    count = f"{index['count']:,} picture{'' if index['count'] == 1 else 's'}"
    said = {
        "index": {**index, "sheets": sheets},
        "assets": site.assets,
        "page_title": f"{part}: {index['title']}" if part else index["title"],
        "description": f"{index['title']}: {count} made by neural style transfer with stylepress",
    }
    return _templates().get_template(template).render(**said, **told) + "\n"


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader

    return Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def _listed(site: Site, first: int) -> list[dict[str, Any]]:
    """Pictures of the plain list: a link to the original, a small image where there is one, and the files beside it."""
    listed = []
    for position, picture in enumerate(site.pictures[first : first + PER_PAGE], first):
        small = [(f"thumbs/{picture['thumb']}-{width}.webp", width) for width in picture["widths"]]
        listed.append(
            {
                **picture,
                "image": small[0][0] if small else picture["path"],
                "srcset": ", ".join(f"{path} {width}w" for path, width in small) if len(small) > 1 else "",
                "said": _beside_the_title(picture),
                **site.extras.get(position, {}),
            }
        )
    return listed


def _beside_the_title(picture: Mapping[str, Any]) -> str:
    """What a picture's alternative text says beyond its title: the values that vary."""
    title, alt = str(picture["title"]), str(picture["alt"])
    return alt.removeprefix(title).strip().removeprefix("(").removesuffix(")") if alt.startswith(title) else ""


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run's document as its page tells it; a document may lack any part."""
    listed = run.get("failures")
    failures = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    figures = [(name, f"{run[name]:,}") for name in ("cells", "rendered", "skipped", "failed") if _is_count(run, name)]
    if isinstance(seconds := run.get("seconds"), int | float):
        figures.append(("time", _duration(seconds)))
        if _is_count(run, "rendered") and run["rendered"]:
            figures.append(("per picture", _duration(seconds / run["rendered"])))
    manifest = run.get("manifest")
    return {
        "id": run.get("run", ""),
        "when": str(run.get("started", "an unknown time")).replace("T", " ").replace("Z", " UTC"),
        "output": run.get("output", ""),
        "figures": figures,
        "stopped": f"It ended early: {run['stopped']}." if run.get("stopped") else "",
        "failures": failures[:_MOST_FAILURES],
        "more_failures": max(0, len(failures) - _MOST_FAILURES),
        "manifest": json.dumps(manifest, indent=1, ensure_ascii=False) if isinstance(manifest, dict) else "",
    }


def _is_count(run: Mapping[str, Any], name: str) -> bool:
    return isinstance(run.get(name), int)


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _environments(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a table: the same columns for all, empty where an environment does not say."""
    names = list(dict.fromkeys(name for entry in given for name in entry["environment"]))
    return [
        {
            "names": names,
            "values_said": [str(entry["environment"].get(name, "")) for name in names],
            "count": entry["count"],
        }
        for entry in given
    ]
