"""Pictures of a run's cells: each decoded once while it is wanted, those of the next batch beside this one's render."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from stylecore import images
from stylecore.images import Picture

Source = str | Path | bytes | Picture
"""Where a picture comes from: a file, its bytes, or one that is decoded already."""

MOST_BYTES = 2**28
"""Of decoded pictures that are kept for later cells, and of those that are decoded ahead: 22 megapixels."""

_BYTES_OF_A_PIXEL = 12


class Pictures:
    """Decoded pictures of a run, each one object for all cells that hold it at a time.

    Kept for later cells are those used last, up to `MOST_BYTES` with their small copies; a picture that is larger is
    decoded again.
    """

    def __init__(self) -> None:
        self._sizes: dict[Path | bytes, tuple[int, int]] = {}
        self._held: WeakValueDictionary[Path | bytes, Picture] = WeakValueDictionary()
        self._kept: dict[Path | bytes, Picture] = {}

    def size(self, source: Source) -> tuple[int, int]:
        """Width and height of a picture in pixels, upright; none of them is decoded.

        Raises:
            PictureError: as `images.inspect`.
        """
        if isinstance(source, Picture):
            return source.pixels.shape[1], source.pixels.shape[0]
        file = _file(source)
        if file not in self._sizes:
            header = images.inspect(file)
            self._sizes[file] = header.width, header.height
        return self._sizes[file]

    def read(self, source: Source) -> Picture:
        """A picture's pixels.

        Raises:
            PictureError: as `images.read`.
        """
        if isinstance(source, Picture):
            return source
        file = _file(source)
        picture = self._held.get(file)
        if picture is None:
            picture = self._held[file] = images.read(file)
        self._kept.pop(file, None)
        self._kept[file] = picture  # the last one is the one used last
        left = sum(map(_bytes_of, self._kept.values()))
        while left > MOST_BYTES:
            left -= _bytes_of(self._kept.pop(next(iter(self._kept))))
        return picture

    def lacking(self, sources: Sequence[Source]) -> int:
        """Bytes that decoding these pictures would add to what is held already.

        Raises:
            PictureError: as `images.inspect`.
        """
        files = {_file(source) for source in sources if not isinstance(source, Picture)}
        sizes = (self.size(file) for file in files if file not in self._held)
        return sum(width * height * _BYTES_OF_A_PIXEL for width, height in sizes)


Batch = TypeVar("Batch")
Loaded = TypeVar("Loaded")


def ahead(
    batches: Sequence[Batch], load: Callable[[Batch], Loaded], fits: Callable[[Batch], bool]
) -> Generator[Loaded, None, None]:
    """What each batch is loaded to, the next one's on a thread while the caller works on this one's.

    Args:
        batches: in the order of their work.
        load: called for each batch, never for two at a time; what it raises is raised where its result is due.
        fits: whether a batch may be loaded ahead; if not, it is loaded when its turn has come.

    Yields:
        The results in order. Each is let go of before the one after next is loaded.
    """
    with ThreadPoolExecutor(1, "loading") as thread:
        coming: Future[Loaded] | None = None
        for place, batch in enumerate(batches):
            loaded = coming.result() if coming else load(batch)
            following = batches[place + 1 : place + 2]
            coming = thread.submit(load, following[0]) if following and fits(following[0]) else None
            yield loaded
            del loaded


def _file(source: str | Path | bytes) -> Path | bytes:
    return source if isinstance(source, bytes) else Path(source)


def _bytes_of(picture: Picture) -> int:
    alpha = 0 if picture.alpha is None else picture.alpha.nbytes
    # a list first: the copies may grow on another thread
    return picture.pixels.nbytes + alpha + sum(map(_bytes_of, list(picture.copies.values())))
