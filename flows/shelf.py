"""What contact sheets show: the cells of a plan, or of an output's receipts, in order, and what varies between them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from flows import naming
from flows.axes import PICTURES
from flows.measured import measured
from flows.receipts import Ledger

if TYPE_CHECKING:
    from flows.plan import Plan

TO_COME = "not rendered yet"
_GONE = "the picture is gone"


@dataclass(frozen=True)
class Shown:
    """One cell as sheets show it.

    Attributes:
        values: labels of its content, style and settings, by name.
        digests: digests of its content and style picture.
        key: its key.
        picture: path of its picture in the output; empty where there is none.
        sha256: of the picture.
        note: why there is no picture.
        state: `done`, `failed` or `missing`.
        measures: what was measured of it, by the names of `measured.MEASURES`.
        size: width and height of its picture in pixels, where its receipt tells.
        snapshots: step and path of each snapshot that is there.
    """

    values: dict[str, str]
    digests: dict[str, str]
    key: str
    picture: str = ""
    sha256: str = ""
    note: str = ""
    state: str = "missing"
    measures: dict[str, float] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    snapshots: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Shelf:
    """All cells to show, in order, and what varies between them: names with their labels in order.

    Where `complete`, what is at no place of a grid was left out by the manifest; else it may also be still to come.
    """

    cells: list[Shown]
    axes: dict[str, list[str]]
    complete: bool = True

    def follows(self, name: str, others: Sequence[str]) -> bool:
        """Whether the labels along some axes tell a cell's label along another."""
        found = {(tuple(shown.values.get(n, "") for n in others), shown.values.get(name, "")) for shown in self.cells}
        return len(found) == len({along for along, _ in found})

    def moves_with(self, name: str, other: str) -> bool:
        """Whether two axes tell each other's labels, as the axes of a `zip` do."""
        return self.follows(name, [other]) and self.follows(other, [name])


def of_plan(plan: Plan, ledger: Ledger, failures: Iterable[dict[str, Any]]) -> Shelf:
    """The cells of a plan, with what has become of them."""
    reasons = {failure["cell"]: f"{failure['kind']}: {failure['message']}" for failure in failures}
    names = [*PICTURES, *plan.varying]
    cells = []
    for item in plan.everything:
        receipt = ledger.receipts.get(item.key)
        values = {name: naming.label(item.cell, name) for name in names}
        pictures = (("content", item.cell.content), ("style", item.cell.style))
        digests = {kind: picture.digest for kind, picture in pictures if picture}
        shown = Shown(values, digests, item.key)
        if item.name in reasons:
            shown = replace(shown, note=reasons[item.name], state="failed")
        elif receipt and receipt["picture"]["path"] in ledger.pictures:
            shown = _done(shown, receipt, ledger)
        elif receipt:
            shown = replace(shown, note=_GONE)
        cells.append(shown)
    axes = _axes(cells, names)
    rank = {name: {label: place for place, label in enumerate(plan.orders.get(name, []))} for name in axes}
    # labels that stand along no axis, of cells that were added or overridden, come behind

    def place(name: str, label: str) -> int:
        return rank[name].get(label, len(rank[name]))

    return Shelf(cells, {name: sorted(labels, key=lambda label: place(name, label)) for name, labels in axes.items()})


def of_receipts(ledger: Ledger, run: dict[str, Any]) -> Shelf:
    """All finished cells of an output, and of its last run those that failed and those still to come.

    Args:
        ledger: the output's receipts and pictures.
        run: its last run, as `output.last_run` gives it; axes are in its order, values it does not know behind them.
    """
    receipts = list(ledger.receipts.values())
    settings = [receipt["cell"]["settings"] for receipt in receipts]
    failures = [f for f in run.get("failures") or [] if f.get("values") and f.get("key") not in ledger.receipts]
    known = run.get("axes") or {}
    named = dict.fromkeys(name for part in (*settings, *(f["values"] for f in failures)) for name in part)
    differs = {n for n in named if any(s.get(n) != settings[0].get(n) for s in settings)}
    differs |= {n for f in failures for n in f["values"]} | (set(known) if _unfinished(run) else set())
    names = list(dict.fromkeys([*PICTURES, *(n for n in known if n in differs), *(n for n in named if n in differs)]))
    cells = [_of_receipt(receipt, ledger, names) for receipt in receipts]
    cells += [_of_failure(failure) for failure in failures]
    cells, complete = _with_missing(cells, known, run)
    order = {n: dict.fromkeys([*known.get(n, []), *_ordered(n, (s[n] for s in settings if n in s))]) for n in names}
    rank = {name: {label: place for place, label in enumerate(labels)} for name, labels in order.items()}

    def place(name: str, label: str) -> int:
        return rank[name].get(label, len(rank[name]))

    cells.sort(key=lambda shown: ([place(n, shown.values.get(n, "")) for n in names], shown.key))
    axes = _axes(cells, names)
    return Shelf(
        cells, {name: sorted(labels, key=lambda label: place(name, label)) for name, labels in axes.items()}, complete
    )


def _of_receipt(receipt: dict[str, Any], ledger: Ledger, names: list[str]) -> Shown:
    cell = receipt["cell"]
    pictures = {kind: cell[kind] for kind in PICTURES if cell.get(kind)}
    labels = cell.get("labels", {})
    values = {n: str(labels.get(n) or naming.said_of(n, cell["settings"].get(n))) for n in names if n not in PICTURES}
    values |= {kind: str(picture.get("label") or picture.get("name")) for kind, picture in pictures.items()}
    digests = {kind: str(picture.get("sha256", "")) for kind, picture in pictures.items()}
    shown = Shown(values, digests, receipt["key"], note=_GONE)
    return _done(shown, receipt, ledger) if receipt["picture"]["path"] in ledger.pictures else shown


def _unfinished(run: dict[str, Any]) -> bool:
    return run.get("state") == "running" or bool(run.get("remaining"))


def _with_missing(cells: list[Shown], axes: dict[str, Any], run: dict[str, Any]) -> tuple[list[Shown], bool]:
    """The cells, with those that a run which was cut short has not come to, as far as its axes tell which they are.

    They do where its axes multiplied, some of them moving together, make as many cells as it has. Also says whether
    nothing can be missing beyond what is given.
    """
    labels = {name: list(map(str, values)) for name, values in axes.items() if isinstance(values, list) and values}
    if not _unfinished(run) or not labels or not cells:
        return cells, not _unfinished(run)
    ranks = {name: {label: place for place, label in enumerate(along)} for name, along in labels.items()}
    at = {name: [ranks[name].get(cell.values.get(name, "")) for cell in cells] for name in labels}

    def multiplied(groups: list[list[str]]) -> int:
        return math.prod(len(labels[group[0]]) for group in groups)

    def grouped(names: list[str]) -> Iterator[list[list[str]]]:
        """Every way in which axes may move together, as far as the cells that are there allow."""
        for groups in grouped(names[:-1]) if names else ():
            yield [*groups, [names[-1]]]
            for n, group in enumerate(groups):
                if len(labels[group[0]]) == len(labels[names[-1]]) and at[group[0]] == at[names[-1]]:
                    yield [*groups[:n], [*group, names[-1]], *groups[n + 1 :]]
        if not names:
            yield []

    groups = next((found for found in grouped(list(labels)) if multiplied(found) == run.get("cells")), None)
    if groups is None:
        return cells, False
    there = {tuple(cell.values.get(name, "") for name in labels) for cell in cells}
    missing = []
    for places in itertools.product(*(range(len(labels[group[0]])) for group in groups)):
        values = {name: labels[name][place] for group, place in zip(groups, places, strict=True) for name in group}
        if tuple(values[name] for name in labels) not in there:
            key = "missing " + json.dumps(values, sort_keys=True)
            missing.append(Shown({**cells[0].values, **values}, {}, key, note=TO_COME))
    return cells + missing, True


def _of_failure(failure: dict[str, Any]) -> Shown:
    values = {name: str(value) for name, value in failure["values"].items()}
    note = f"{failure.get('kind')}: {failure.get('message')}"
    return Shown(values, {}, str(failure.get("key")), note=note, state="failed")


def _done(shown: Shown, receipt: dict[str, Any], ledger: Ledger) -> Shown:
    picture = receipt["picture"]
    shots = ((shot.get("step"), shot["path"]) for shot in receipt.get("snapshots", []))
    return replace(
        shown,
        picture=picture["path"],
        sha256=picture.get("sha256", ""),
        note="",
        state="done",
        measures=measured(receipt),
        size=_size(picture),
        snapshots=tuple((step, path) for step, path in shots if isinstance(step, int) and path in ledger.snapshots),
    )


def _size(picture: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height as a receipt has them, which may be anybody's."""
    width, height = picture.get("width"), picture.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0 else None


def _ordered(name: str, values: Iterable[Any]) -> list[str]:
    """Labels of values from small to large, numbers before words."""
    distinct = {json.dumps(value, sort_keys=True): value for value in values}.values()
    number = [v for v in distinct if isinstance(v, int | float) and not isinstance(v, bool)]
    rest = [v for v in distinct if v not in number]
    return [naming.said_of(name, v) for v in [*sorted(number), *sorted(rest, key=str)]]


def _axes(cells: list[Shown], names: Iterable[str]) -> dict[str, list[str]]:
    found = {name: list(dict.fromkeys(shown.values.get(name, "") for shown in cells)) for name in names}
    return {name: labels for name, labels in found.items() if len(labels) > 1}
