"""What a run asks of a worker and what it answers: orders for cells, chunks of them, and an outcome for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Order:
    """One cell that a worker is asked for.

    Attributes:
        key: its key.
        name: path of its picture in the output.
        cell: the cell as `keys.described` gives it.
        encoder: its encoder as the manifest writes it, which may name a file that `cell` does not.
        again: whether a receipt of it was there when the run was planned, its picture gone or altered.
    """

    key: str
    name: str
    cell: dict[str, Any]
    encoder: str | dict[str, str]
    again: bool = False


@dataclass(frozen=True)
class Chunk:
    """Cells that one worker renders in one go.

    Attributes:
        orders: the cells.
        manifest_url: where relative weights lie.
        root: where the pictures lie.
        to: the output.
        format: of the pictures.
        embed: what they carry.
        checkpoint: seconds between two checkpoints of a cell; None for none.
        submitted: when the chunk was handed out last, in seconds of the epoch.
        begun: when it was handed out first.
        limit: seconds after which no more of its cells are begun; those are given back. None for no limit.
        run: id of the run; where workers have no other line to it, its file in the output tells them to stop.
        shared: whether another run may be rendering the same cells into this output.
        stylepress: version of the package that planned it; no worker of another version may render it.
    """

    orders: tuple[Order, ...]
    manifest_url: str
    root: str
    to: str
    format: str
    embed: str
    checkpoint: float | None = None
    submitted: float = 0.0
    begun: float = 0.0
    limit: float | None = None
    run: str = ""
    shared: bool = False
    stylepress: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain values; those of the cells are the orders' own."""
        return {**vars(self), "orders": [vars(order) for order in self.orders]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Chunk:
        """The chunk that `to_dict` described."""
        return cls(**{**values, "orders": tuple(Order(**order) for order in values["orders"])})


@dataclass(frozen=True)
class Outcome:
    """What became of one cell.

    Attributes:
        key: its key.
        name: path of its picture.
        status: `rendered`, `failed`, or `done` where another run has rendered it meanwhile.
        kind: of a failure.
        message: why it failed, or what was done otherwise than asked.
    """

    key: str
    name: str
    status: str
    kind: str = ""
    message: str = ""


@dataclass(frozen=True)
class Answer:
    """What a worker answers to a chunk.

    Attributes:
        outcomes: of its cells; those that it did not begin, or that a stop left unfinished, have none.
        seconds: that it was at work.
        refused: why it may not render for this run at all; empty where it may.
        storage: why the storage did not let it go on; empty where it did.
        transient: whether that may pass.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    refused: str = ""
    storage: str = ""
    transient: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {**vars(self), "outcomes": [vars(outcome) for outcome in self.outcomes]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Answer:
        """The answer that `to_dict` described."""
        return cls(**{**values, "outcomes": [Outcome(**outcome) for outcome in values["outcomes"]]})
