"""From receipts to what a gallery says of its pictures: their order, what varies, what was measured, what is wrong."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from flows.axes import PICTURES
from flows.gallery.plain import is_count, is_number, numbers, rounded, text
from flows.gallery.sources import Source
from flows.receipts import Ledger, extras_of
from flows.shelf import Shown, of_receipts
from stylecore.score_names import SCORES

GONE = "the picture is gone; the next run renders it again"
ALTERED = "the picture is not the one that was rendered; the next run renders it again"
_BROKEN = "this is no receipt of this version; it is left out"
_HIGHER = {"content_ssim"}
"""Scores of which more is better."""
_LARGEST = 1e15  # a loss beyond is none
_KEY = 12  # digits by which addresses of pages name a picture
_DIGEST = re.compile(r"[0-9a-f]{64}")
WIDTHS = (320, 640)
"""Widths of thumbnails in pixels; a picture that is narrower has one of its own width instead."""


@dataclass(frozen=True)
class Record:
    """A picture that a gallery shows.

    Attributes:
        source: the output it lies in.
        receipt: its receipt, without its curve.
        shown: labels of its content, style and settings, and what was measured of it.
    """

    source: Source
    receipt: dict[str, Any]
    shown: Shown

    @property
    def path(self) -> str:
        """Of the picture in its output."""
        return str(self.receipt["picture"]["path"])

    @property
    def sha256(self) -> str:
        """Of the picture's bytes."""
        return str(self.receipt["picture"]["sha256"])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.receipt["picture"]["width"], self.receipt["picture"]["height"]

    @property
    def widths(self) -> list[int]:
        """Widths of its thumbnails."""
        return sorted({min(width, self.size[0]) for width in WIDTHS})

    @property
    def thumb(self) -> str:
        """Beginning of its thumbnails' names."""
        return f"{self.sha256[:2]}/{self.sha256}"


@dataclass(frozen=True)
class Collection:
    """All pictures of a gallery in order.

    Attributes:
        records: the pictures.
        axes: what varies between them, with its labels in order.
        faults: what is wrong in the outputs: `name` of a thing and `what` about it.
    """

    records: list[Record]
    axes: dict[str, list[str]]
    faults: list[dict[str, str]]


def collect(sources: Sequence[Source]) -> Collection:
    """The pictures of some outputs, each key once; what cannot be shown is among the faults."""
    faults: list[dict[str, str]] = []
    chosen: dict[str, Source] = {}
    twice: Counter[tuple[str, str]] = Counter()
    for source in sources:
        faults += [{"name": source.folder + name, "what": _BROKEN} for name in source.ledger.broken]
        for key, receipt in source.ledger.receipts.items():
            if wrong := _wrong(receipt, source.ledger):
                faults.append({"name": source.folder + receipt["picture"]["path"], "what": wrong})
            elif key in chosen:
                twice[chosen[key].label, source.label] += 1
            else:
                chosen[key] = source
    for (first, second), count in twice.items():
        said = f"{count} pictures lie in both; each is" if count > 1 else "one picture lies in both; it is"
        faults.append({"name": f"{first} and {second}", "what": f"{said} shown once, as {first} has it"})
    receipts = {key: source.ledger.receipts[key] for key, source in chosen.items()}
    pictures = {(r := receipts[key])["picture"]["path"]: _listed(source, r) for key, source in chosen.items()}
    shelf = of_receipts(Ledger(receipts, pictures), {"axes": _axes_of(sources, receipts.values())})
    records = [Record(chosen[shown.key], receipts[shown.key], shown) for shown in shelf.cells]
    return Collection(records, shelf.axes, faults)


def _listed(source: Source, receipt: dict[str, Any]) -> Any:
    return source.ledger.pictures[receipt["picture"]["path"]]


def _wrong(receipt: dict[str, Any], ledger: Ledger) -> str:
    """Why a receipt's picture cannot be shown; empty where it can."""
    picture = receipt["picture"]
    entry = ledger.pictures.get(picture["path"])
    if entry is None:
        return GONE
    if not (
        _DIGEST.fullmatch(text(picture.get("sha256"))) and all(is_count(picture.get(n)) for n in ("width", "height"))
    ):
        return "its receipt does not say which picture it is of; it is left out"
    if entry.size != picture.get("bytes"):
        return ALTERED
    return ""


def _axes_of(sources: Iterable[Source], receipts: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Labels along each axis, as the newest runs have them in order; contents and styles that no run knows by name."""
    axes: dict[str, dict[str, None]] = {}
    unknown: dict[str, set[str]] = {}
    for source in sources:
        known = source.run.get("axes")
        for name, labels in known.items() if isinstance(known, dict) else ():
            if isinstance(labels, list):
                axes.setdefault(str(name), {}).update(dict.fromkeys(map(str, labels)))
    for receipt in receipts:
        for kind in PICTURES:
            if told := receipt["cell"].get(kind):
                unknown.setdefault(kind, set()).add(str(told.get("label") or told.get("name")))
    for kind, labels in unknown.items():
        axes.setdefault(kind, {}).update(dict.fromkeys(sorted(labels)))
    return {name: list(labels) for name, labels in axes.items()}


def facets(collection: Collection, sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Everything that varies, with its labels in order."""
    found = [
        {
            "name": name,
            "label": name.replace("_", " "),
            "kind": "input" if name in PICTURES else "setting",
            "values": [label for label in labels if label],
        }
        for name, labels in collection.axes.items()
    ]
    if len(sources) > 1:
        labels = [source.label for source in sources]
        found.insert(0, {"name": "output", "label": "output", "kind": "output", "values": labels})
    return found


def columns(collection: Collection, wanted: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Where each picture stands along each facet, and its shape; -1 where a facet does not concern it."""
    along: dict[str, list[int]] = {}
    for facet in wanted:
        name, place = facet["name"], {label: n for n, label in enumerate(facet["values"])}
        along[name] = [place.get(_value(record, name), -1) for record in collection.records]
    shapes: dict[tuple[int, int], int] = {}
    of = [shapes.setdefault(record.size, len(shapes)) for record in collection.records]
    return {"facets": along, "shapes": {"values": [list(shape) for shape in shapes], "of": of}}


def _value(record: Record, name: str) -> str:
    return record.source.label if name == "output" else record.shown.values.get(name, "")


def scores(collection: Collection) -> list[dict[str, str]]:
    """Scores that some picture has, and then the loss."""
    there = {name for record in collection.records for name in record.shown.measures}
    return [
        {"name": name, "label": name.replace("_", " "), "better": "higher" if name in _HIGHER else "lower"}
        for name in (*SCORES, "loss")
        if name in there
    ]


def measures(collection: Collection, wanted: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Scores and seconds of every picture; null where there is none."""

    def column(name: str) -> list[float | None]:
        found = (record.shown.measures.get(name) for record in collection.records)
        return [None if value is None else rounded(value, 5) for value in found]

    return {"scores": {score["name"]: column(score["name"]) for score in wanted}, "seconds": column("seconds")}


def keys(collection: Collection) -> dict[str, Any]:
    """The beginnings of all keys, one after the other."""
    return {"length": _KEY, "text": "".join(record.shown.key[:_KEY] for record in collection.records)}


def picture(record: Record, axes: Iterable[str]) -> dict[str, Any]:
    """What the wall says of a picture."""
    values = record.shown.values
    labels = [values.get(kind, "") for kind in PICTURES]
    title = " in the style of ".join(filter(None, labels)) if labels[0] else f"the style of {labels[1]}"
    said = ", ".join(f"{name} {values[name]}" for name in axes if name not in PICTURES and values.get(name))
    width, height = record.size
    return {
        "key": record.shown.key,
        "title": title,
        "alt": f"{title} ({said})" if said else title,
        "path": link(record.source, record.path),
        "w": width,
        "h": height,
        "thumb": record.thumb,
        "widths": record.widths,
        "bytes": record.receipt["picture"]["bytes"],
    }


def link(source: Source, path: str) -> str:
    """Address of an output's file as seen from the gallery's pages."""
    return f"../{quote(source.folder + path, errors='replace')}"


def extras(record: Record) -> dict[str, Any]:
    """Addresses of the snapshots and the animation of a picture that are there."""
    there = [extra for extra in extras_of(record.receipt) if extra["path"] in record.source.ledger.snapshots]
    shots = [{"path": link(record.source, e["path"]), "step": e["step"]} for e in there if is_number(e.get("step"))]
    moving = [link(record.source, e["path"]) for e in there if "step" not in e]
    return {"snapshots": shots, "animation": moving[0] if moving else None}


def curve(receipt: dict[str, Any], most: int = 150) -> list[tuple[int, float]]:
    """At most so many points of a loss curve, the last one among them, to five digits of the lowest loss."""
    result = receipt.get("result")
    found = result.get("curve") if isinstance(result, dict) else None
    listed = found if isinstance(found, list) else []
    stride = max(1, -(-len(listed) // most))
    try:
        points = np.array(listed[(len(listed) - 1) % stride :: stride], np.float64)
        points = points[(np.abs(points) < _LARGEST).all(axis=1)]
        steps, losses = points.T
    except (ValueError, TypeError, OverflowError, IndexError):  # of another hand
        return []
    lowest = np.abs(losses[losses != 0]).min(initial=_LARGEST)
    short = losses.round(4 - math.floor(math.log10(lowest)))
    return list(zip(steps.astype(np.int64).tolist(), short.tolist(), strict=True))


def outcome(receipt: dict[str, Any]) -> dict[str, Any]:
    """How a picture's render went: steps, why it stopped, losses, scores and time."""
    result = receipt.get("result")
    result = result if isinstance(result, dict) else {}
    steps = result.get("steps")
    return {
        "steps": steps if is_number(steps) else None,
        "stop": text(result.get("stop_reason")),
        "terms": numbers(result.get("losses")),
        "scores": numbers(receipt.get("scores")),
        "seconds": numbers(receipt.get("timing"), 4),
        "finished": text(receipt.get("finished")),
    }
