"""Scores measured again: of the pictures that an output holds, against the inputs they were made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from flows.assembly import Described, core_cell
from flows.devices import rest_while_waiting
from flows.measured import measured
from flows.output import runs
from flows.pictures import read_input
from flows.publish import rounded
from flows.receipts import Ledger, encoded, read_receipt, receipt_name
from flows.reproduce import checked, with_weights
from flows.searching import candidates
from flows.store import LocalStore, StorageError, Store, open_store
from stylecore import images
from stylecore.errors import PictureError, StylepressError
from stylecore.score_names import SCORES

_MOST_KEPT = 8  # inputs held in memory: neighbouring cells share theirs


@dataclass(frozen=True)
class Scored:
    """One picture with its scores.

    Attributes:
        key: its cell's key.
        name: its path in the output.
        scores: by name; after a fault those that its receipt held before.
        fault: why they could not be measured again; empty where they were.
        kind: kind of the fault.
    """

    key: str
    name: str
    scores: dict[str, float] = field(default_factory=dict)
    fault: str = ""
    kind: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"key": self.key, "name": self.name, "scores": self.scores}


def recompute(store: Store, ledger: Ledger, device: str) -> Iterator[Scored]:
    """Score an output's pictures and write the scores into their receipts, all else in them as it was.

    Args:
        store: the output.
        ledger: its receipts and pictures.
        device: `cpu`, `cuda:N`, or `auto` for the first GPU, if there is one.

    Yields:
        Each picture, by name. One that is gone or altered, or whose inputs are not to be found, keeps its scores.

    Raises:
        StorageError: a receipt cannot be written.
    """
    rest_while_waiting()
    import torch

    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
    inputs = _Inputs(store)
    for receipt in sorted(ledger.receipts.values(), key=lambda receipt: receipt["picture"]["path"]):
        key, name = receipt["key"], receipt["picture"]["path"]
        known = {score: value for score, value in measured(receipt).items() if score in SCORES}
        try:
            found = _scores_of(receipt, store, ledger, inputs, device)
            whole = read_receipt(store, receipt_name(key)) or receipt
            document = encoded({**whole, "scores": found})
        except StorageError:
            raise
        except StylepressError as error:
            yield Scored(key, name, known, str(error), error.kind)
        except (RuntimeError, MemoryError, ValueError) as error:
            said = (str(error).splitlines() or [type(error).__name__])[0]
            yield Scored(key, name, known, f"cannot be scored: {said}", "device")
        else:
            if found != receipt.get("scores"):
                store.write(receipt_name(key), document, "application/json")
            yield Scored(key, name, found)


def _scores_of(receipt: dict[str, Any], store: Store, ledger: Ledger, inputs: _Inputs, device: str) -> dict[str, float]:
    """Scores of a receipt's picture, as `Publisher` would write them.

    Raises:
        StylepressError: the picture or an input is not what the receipt says, or not to be had.
    """
    from stylecore.rendering import scored

    path = receipt["picture"]["path"]
    data = b""
    with suppress(FileNotFoundError):
        data = store.read(path) if path in ledger.pictures else b""
    if hashlib.sha256(data).hexdigest() != receipt["picture"].get("sha256"):
        raise PictureError(f"{'not as it was published' if data else 'gone'}; `stylepress render` makes it again")
    recipe = checked(receipt, path)
    cell = core_cell(recipe.cell, recipe.settings, inputs.read)
    cell = replace(cell, settings=with_weights(recipe, inputs.near(path)))
    return rounded(scored(cell, images.read(data).pixels, device))


class _Inputs:
    """The inputs of an output's pictures, found by digest as `reproduce` finds them."""

    def __init__(self, output: Store) -> None:
        self._output = output
        self._kept: dict[str, bytes] = {}
        self._missing: set[str] = set()

    def near(self, path: str) -> Path:
        """Where on this machine the files of a picture are looked for first: where it lies, or the current folder."""
        here = self._output.root if isinstance(self._output, LocalStore) else Path.cwd()
        return here / "renders" / PurePosixPath(path).name

    def read(self, what: str, described: Described) -> bytes:
        """Bytes of an input; raises PictureError where it is not to be found."""
        name, digest = described["name"], described["sha256"]
        if digest not in self._kept and digest not in self._missing:
            matching = (data for data in self._candidates(name) if hashlib.sha256(data).hexdigest() == digest)
            if (data := next(matching, None)) is None:
                self._missing.add(digest)
            else:
                self._kept[digest] = data
        if digest in self._missing:
            needed = f"a file with sha256 {digest} is needed below the current folder"
            raise PictureError(f"the {what} picture {name!r} is not to be found; {needed}")
        found = self._kept.pop(digest)
        self._kept = dict([*self._kept.items(), (digest, found)][-_MOST_KEPT:])
        return found

    def _candidates(self, name: str) -> Iterator[bytes]:
        if not isinstance(self._output, LocalStore):
            for root in dict.fromkeys(str(run.get("inputs_root")) for run in runs(self._output)):
                if root.startswith("s3://"):
                    with suppress(StylepressError, FileNotFoundError):
                        yield read_input(name, open_store(root))
        yield from candidates(name, self.near(name))


def heading() -> str:
    """The head of a table of scores."""
    return "  ".join([*(f"{_short(name):>{_width(name)}}" for name in SCORES), "picture"])


def row(one: Scored) -> str:
    """A picture's line in a table of scores, four digits each; a dash where a score has no meaning."""
    said = {name: f"{one.scores[name]:.4g}" if name in one.scores else "–" for name in SCORES}
    return "  ".join([*(f"{said[name]:>{_width(name)}}" for name in SCORES), one.name])


def _short(name: str) -> str:
    return name.split("_", 1)[1]


def _width(name: str) -> int:
    return max(len(_short(name)), len("1.234e-05"))
