"""Receipts: the JSON beside the pictures that says what was rendered, from what and how. They are the truth."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, TypeVar

from flows.remembered import Remembered, unchanged
from flows.store import Entry, Store

Thing = TypeVar("Thing")
Answer = TypeVar("Answer")
SCHEMA = 1
_READERS = 16
_LARGEST = 2**63 - 1  # bytes
_on_one_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def receipt_name(key: str) -> str:
    """Name of a cell's receipt in the output."""
    return f"receipts/{key[:2]}/{key}.json"


def encoded(document: dict[str, Any]) -> bytes:
    """A JSON document as it is stored: members on lines of their own, and theirs too; what is below, on one line."""
    return f"{_laid_out(document, 2)}\n".encode()


def _laid_out(value: Any, levels: int, margin: str = "\n") -> str:
    """JSON with so many levels of lines; the encoder's own indentation takes ten times as long, of each receipt."""
    if not (levels and value and isinstance(value, dict | list)):
        return _on_one_line(value)
    inner = f"{margin} "
    if isinstance(value, dict):
        parts = [f"{_on_one_line(str(n))}: {_laid_out(part, levels - 1, inner)}" for n, part in value.items()]
        return f"{{{inner}{f',{inner}'.join(parts)}{margin}}}"
    return f"[{inner}{f',{inner}'.join(_laid_out(part, levels - 1, inner) for part in value)}{margin}]"


@dataclass(frozen=True)
class Ledger:
    """What an output holds: receipts by key and pictures by name, read once.

    Attributes:
        receipts: readable receipts whose name is their key, without the curves of their losses.
        pictures: what lies in `renders/`.
        broken: names of receipts that cannot be read as one.
        snapshots: what lies in `snapshots/`.
    """

    receipts: dict[str, dict[str, Any]]
    pictures: dict[str, Entry]
    broken: tuple[str, ...] = ()
    snapshots: dict[str, Entry] = field(default_factory=dict)


def read_ledger(store: Store) -> Ledger:
    """Read all receipts of an output and list its pictures.

    Raises:
        StorageError: the storage cannot be reached.
    """
    entries = [entry for entry in store.list("receipts/") if entry.name.endswith(".json")]
    good: dict[str, dict[str, Any]] = {}
    parts: dict[str, Any] = {}
    known, broken = [], []
    with ThreadPoolExecutor(_READERS) as pool:
        answers = side_by_side(pool, lambda entry: read_listed(store, entry), entries)
        for entry, (receipt, safe) in zip(entries, answers, strict=True):  # whole receipts are held for a moment only
            if safe:
                known.append((entry, short(receipt)))
            if receipt:
                good[receipt["key"]] = _shared(receipt, parts)
            else:
                broken.append(entry.name)
    with Remembered() as memory:
        memory.keep("receipt", store, known)
    pictures, snapshots = ({entry.name: entry for entry in store.list(part)} for part in ("renders/", "snapshots/"))
    return Ledger(good, pictures, tuple(broken), snapshots)


def _shared(receipt: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """A receipt without its curve, which is most of it, and with what many have in common held once."""
    if isinstance(result := receipt.get("result"), dict):
        result.pop("curve", None)
    settings = receipt["cell"]["settings"]
    receipt["cell"]["settings"] = {
        sys.intern(name): parts.setdefault(repr(value), value) for name, value in settings.items()
    }
    return receipt


def read_receipt(store: Store, name: str) -> dict[str, Any] | None:
    """One receipt, or None where there is none that can be trusted."""
    try:
        return parsed(store.read(name), name)
    except FileNotFoundError:
        return None


def read_many(store: Store, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Receipts of these names that can be trusted, read side by side and no further than they are asked for."""
    waiting = iter(names)
    with ThreadPoolExecutor(_READERS) as pool:
        while page := list(islice(waiting, 4 * _READERS)):
            yield from filter(None, side_by_side(pool, lambda name: read_receipt(store, name), page, 1))


def side_by_side(
    pool: ThreadPoolExecutor, do: Callable[[Thing], Answer], things: Sequence[Thing], at_a_time: int = 20
) -> Iterator[Answer]:
    """What is done with each of some things, by the threads of a pool, so many things at a time.

    Threads that change with every small file cost more than they save.
    """
    some = [things[first : first + at_a_time] for first in range(0, len(things), at_a_time)]
    return chain.from_iterable(pool.map(lambda part: [do(thing) for thing in part], some))


def read_listed(store: Store, entry: Entry) -> tuple[dict[str, Any] | None, bool]:
    """A receipt as `read_receipt` gives it, and whether it is the one that was listed."""
    try:
        data = store.read(entry.name)
    except FileNotFoundError:
        return None, False
    return parsed(data, entry.name), unchanged(store, entry, data)


def short(receipt: dict[str, Any] | None) -> str:
    """What a plan must know of a receipt, as JSON text: its picture's path, digest, size and tag, and its snapshots.

    A receipt may be anybody's: what is no path, digest or size becomes one that nothing has. Empty where there is none.
    """
    if receipt is None:
        return ""
    picture, extras = receipt["picture"], extras_of(receipt)
    described = json.dumps([[extra["path"], _size(extra)] for extra in extras]) if extras else None
    words = _text(picture["path"]), _text(picture.get("sha256"))
    return json.dumps([*words, _size(picture), _text(picture.get("etag")), described])


def _size(described: dict[str, Any]) -> int:
    size = described.get("bytes")
    return size if isinstance(size, int) and 0 <= size <= _LARGEST else -1


def _text(value: Any) -> str:
    """A text that is one in UTF-8 too; empty for all else."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def parsed(data: bytes, name: str) -> dict[str, Any] | None:
    """The receipt in a file of that name, or None where there is none that can be trusted."""
    try:
        receipt = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return receipt if _is_receipt(receipt, name) else None


def _is_receipt(receipt: Any, name: str) -> bool:
    """Whether a document has the parts that others rely on, of the types they rely on."""
    if not isinstance(receipt, dict) or receipt.get("schema") != SCHEMA:
        return False
    key, cell, picture = receipt.get("key"), receipt.get("cell"), receipt.get("picture")
    if not isinstance(key, str) or receipt_name(key) != name or not isinstance(cell, dict):
        return False
    pictures = all(cell.get(part) is None or isinstance(cell[part], dict) for part in ("content", "style", "init"))
    settings = isinstance(cell.get("settings"), dict) and isinstance(cell.get("labels", {}), dict)
    shots, animation = receipt.get("snapshots", []), receipt.get("animation", {"path": ""})
    files = isinstance(shots, list) and all(map(_is_file, [picture, *shots, animation]))
    return pictures and settings and files


def _is_file(described: Any) -> bool:
    return isinstance(described, dict) and isinstance(described.get("path"), str)


def extras_of(receipt: dict[str, Any]) -> list[dict[str, Any]]:
    """Entries of a receipt's snapshots, in the order of their steps, and then of its animation."""
    return [*receipt.get("snapshots", []), *([receipt["animation"]] if "animation" in receipt else [])]


def fault_of(receipt: dict[str, Any], ledger: Ledger, store: Store) -> str:
    """What is wrong with a receipt's picture, or else with its snapshots and animation.

    Returns:
        Empty, or `picture missing`, `picture altered`, `snapshot missing`, `snapshot altered`. Snapshots are compared
        by their size: there may be hundreds, and none of them is made into anything else.
    """
    if fault := _fault_of_picture(receipt["picture"], ledger, store):
        return fault
    found = [(extra, ledger.snapshots.get(extra["path"])) for extra in extras_of(receipt)]
    if any(entry is None for _, entry in found):
        return "snapshot missing"
    return "snapshot altered" if any(e and e.size != extra.get("bytes") for extra, e in found) else ""


def _fault_of_picture(picture: dict[str, Any], ledger: Ledger, store: Store) -> str:
    entry = ledger.pictures.get(picture["path"])
    if entry is None:
        return "picture missing"
    if entry.size != picture.get("bytes"):
        return "picture altered"
    if picture.get("etag") and entry.token == picture["etag"]:
        return ""
    try:
        data = store.read(picture["path"])
    except FileNotFoundError:
        return "picture missing"
    return "" if hashlib.sha256(data).hexdigest() == picture.get("sha256") else "picture altered"


def faults(receipts: Iterable[dict[str, Any]], ledger: Ledger, store: Store) -> Iterator[tuple[str, str]]:
    """Key and fault of each receipt, looked at side by side."""
    wanted = list(receipts)
    with ThreadPoolExecutor(_READERS) as pool:
        yield from zip((r["key"] for r in wanted), pool.map(lambda r: fault_of(r, ledger, store), wanted), strict=True)
