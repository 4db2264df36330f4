"""Other runs that are under way in the same output: with them a run shares its work."""

from __future__ import annotations

import time

from flows.output import live_runs
from flows.store import StorageError, Store

_LOOK = 15.0  # seconds between two looks


class Others:
    """Runs in an output other than one's own.

    Args:
        store: the output.
        own: id of the run that asks; its file is there already, so that of two runs at least one sees the other.
    """

    def __init__(self, store: Store, own: str) -> None:
        self._store, self._own = store, own
        self._found: list[str] = []
        self._looked = float("-inf")

    def there(self) -> bool:
        """Whether there are any; looked for a few times a minute."""
        return bool(self._ids())

    def earlier(self) -> int:
        """Number of those that began before one's own."""
        return sum(other < self._own for other in self._ids())

    def _ids(self) -> list[str]:
        if time.monotonic() - self._looked > _LOOK:
            self._looked = time.monotonic()
            try:
                self._found = [str(run.get("run")) for run in live_runs(self._store, but=self._own)]
            except StorageError:  # one that is gone ends the run where it publishes
                self._found = []
        return self._found
