"""Calls made aside of the work: on a few threads, with no more waiting than memory allows, and none of them lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event
from types import TracebackType
from typing import Generic, Self, TypeVar

Answer = TypeVar("Answer")

THREADS = 8
"""Calls at a time: storage far away answers late, and while it does nothing is computed."""
MOST_CALLS = 2 * THREADS
"""Calls that are made and not finished."""
MOST_BYTES = 2**28
"""Of memory that they hold, unless one alone holds more: a picture of 4096² with its transparency."""


class Aside(Generic[Answer]):
    """Makes calls aside of the work in its `with` block; the block's end waits for them.

    Once a call has raised an error, those that have not begun are dropped: the work had better end too.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "aside")
        self._calls: list[Future[Answer]] = []
        self._busy: dict[Future[Answer], int] = {}
        self._trouble = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._threads.shutdown(wait=True, cancel_futures=self.failed())

    def call(self, function: Callable[[], Answer], held: int) -> None:
        """Make a call as soon as a thread is free; first wait while others hold too much.

        Args:
            function: what to call.
            held: bytes that it keeps in memory until it has finished.
        """
        self._busy = {call: size for call, size in self._busy.items() if not call.done()}
        while len(self._busy) >= MOST_CALLS or (self._busy and sum(self._busy.values()) + held > MOST_BYTES):
            for finished in wait(self._busy, return_when=FIRST_COMPLETED).done:
                del self._busy[finished]
        call = self._threads.submit(self._noting, function)
        self._calls.append(call)
        self._busy[call] = held

    def failed(self) -> bool:
        """Whether a call has raised an error."""
        return self._trouble.is_set()

    def answers(self) -> list[Answer]:
        """What the calls have returned, in the order they were made; to be asked for after the block's end.

        Raises:
            BaseException: the first error that a call has raised.
        """
        finished = [call for call in self._calls if not call.cancelled()]
        return [call.result() for call in finished]

    def _noting(self, function: Callable[[], Answer]) -> Answer:
        try:
            return function()
        except BaseException:
            self._trouble.set()
            raise
