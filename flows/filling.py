"""Fills a plan's spool: goes through a manifest's cells once, and writes down what is known of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from flows import naming
from flows.cells import Block, Cell
from flows.estimate import cost
from flows.holdings import Held
from flows.keymaker import Keymaker
from flows.manifest import Loaded
from flows.shards import Shard
from flows.source import Problem
from flows.spool import Spool
from stylecore.images import EXTENSIONS

_PAGE = 2000
_MOST_KEPT = 100_000  # kinds of batches that are told apart


@dataclass
class Filling:
    """Writes the distinct cells of a manifest into a spool, in order; of equal ones the first.

    Attributes:
        loaded: the manifest.
        blocks: its jobs.
        keymaker: tells keys.
        spool: where to write.
        varying: settings that picture names tell.
        shard: whose cells are this run's.
        held: keys that the output has receipts of; pictures of these have names already.
    """

    loaded: Loaded
    blocks: list[Block]
    keymaker: Keymaker
    spool: Spool
    varying: list[str]
    shard: Shard
    held: Held
    _batches: dict[str, int] = field(default_factory=dict)
    _kinds: dict[str, int] = field(default_factory=dict)
    _fits: dict[bytes, int] = field(default_factory=dict)
    _rows: int = 0
    _numbers: int = 0

    def fill(self, limit: int | None) -> None:
        """Write the cells, or the first so many.

        Raises:
            ManifestError: cells that contradict themselves.
            WeightsError, StorageError: an encoder's weights are not to be had.
        """
        rows, left = self._cells(), limit
        while page := list(islice(rows, _PAGE if left is None else min(_PAGE, left))):
            written = self.spool.fill("cells", page)
            left = None if left is None else left - written

    def _cells(self) -> Iterator[tuple[Any, ...]]:
        for number, block in enumerate(self.blocks):
            for place in block.places():
                cell = block.cell(place)
                key, look = self.keymaker.key(cell), self.keymaker.look(cell)
                identity, shown = bytes.fromhex(key), key
                if look.unread:  # no digest: such cells differ by the pictures' names instead
                    names = (name.encode(errors="surrogatepass") for name in look.unread)
                    identity, shown = b"\0".join([identity, *names]), "0" * 12
                state = "bad input" if look.fault else ""
                name = None if identity in self.held else self._name(cell, shown)
                mine = self.shard.has(identity)
                self._rows += 1
                yield self._rows, identity, name, number, place, self._batch(cell), mine, state, look.fault

    def name_the_rest(self) -> None:
        """Write the names of pictures that are not there, though their receipts are."""
        unnamed = self.spool.rows("name IS NULL AND state <> 'done'")
        cells = ((self.blocks[row.block].cell(row.place), row) for row in unnamed)
        names = ((self._name(cell, row.identity.hex()), row.number) for cell, row in cells)
        self.spool.change("UPDATE cells SET name = ? WHERE number = ?", names)

    def _name(self, cell: Cell, key: str) -> str:
        extension = EXTENSIONS[self.loaded.manifest.output.format]
        return f"renders/{naming.picture_name(cell, key, self.varying, extension)}"

    def _batch(self, cell: Cell) -> int:
        """Number of the cell's batch: of what it shares with all others that cost the same."""
        told = self.keymaker.batch()
        if (known := self._batches.get(told)) is not None:
            return known
        for kept in (self._batches, self._fits):
            if len(kept) >= _MOST_KEPT:
                kept.clear()  # some will be written down twice, and stand apart
        return self._batches.setdefault(told, self._new_batch(cell))

    def _new_batch(self, cell: Cell) -> int:
        settings = cell.settings
        check_layers(self.loaded, cell, self.keymaker.source(settings.encoder).layers)
        encoder = json.dumps(settings.encoder, sort_keys=True)
        kind = self._kinds.setdefault(f"{settings.method} {encoder} {settings.size}", len(self._kinds))
        fit = self._fits.setdefault(hashlib.sha256(self.keymaker.fit(cell).encode()).digest(), len(self._fits))
        each = cost(cell)
        self._numbers += 1
        values = self._numbers, kind, fit, each.operations, each.most, each.memory_bytes, each.bytes, encoder
        self.spool.fill("batches", [values])
        return self._numbers


def check_layers(loaded: Loaded, cell: Cell, layers: tuple[str, ...] | None) -> None:
    """Check that an encoder's weights reach up to the layers that a cell uses.

    Raises:
        ManifestError: they do not.
    """
    used = cell.settings.layers()
    for name in ("content_layers", "style_layers"):
        named = [layer for layer in getattr(cell.settings, name) if layer in used]
        if layers and (missing := [layer for layer in named if layer not in layers]):
            message = f"{name}: the encoder's weights end with {layers[-1]}, so there is no {missing[0]}"
            raise loaded.error([Problem(message, loaded.document.place(("defaults", name)))])
