"""What a render gives: finished pictures, snapshots on the way, and failures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylecore import images
from stylecore.color import with_luminance
from stylecore.errors import RenderError, StylepressError
from stylecore.methods.batch import Member
from stylecore.settings import Settings


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A picture on the way.

    Attributes:
        step: the step it was kept after, from 1.
        levels: shape (height, width, 3), uint8 sRGB; smaller than the result at coarse scales.
    """

    step: int
    levels: np.ndarray = field(repr=False)

    @property
    def pixels(self) -> np.ndarray:
        """The same as float32 in 0..1."""
        return self.levels.astype(np.float32) / 255


@dataclass(frozen=True, eq=False)
class Result:
    """What became of a cell: a picture, or a failure.

    Attributes:
        index: place of the cell among the cells given to `render`.
        pixels: shape (height, width, 3), float32 sRGB in 0..1; None after a failure.
        alpha: transparency of the content at the result's size, shape (height, width), or None.
        failure: why there is no picture.
        losses: final weighted terms by name, and `total`.
        curve: (step, loss) pairs, at most 500 of them.
        steps: evaluations done.
        stop_reason: why the last scale ended: `steps` (all that were asked for), `tolerance` or `time`.
        seconds: time for `load` (decoding and the encoder), `render` and `score`; a batch's time is shared among its
            cells.
        precision: what the convolutions computed in: `fp32`, `bf16` or `fp16`.
        snapshots: pictures on the way that the settings ask for.
        scores: of the finished picture, by name; see `scores`.
        resumed_from: steps that an earlier run had done, taken from its checkpoint; 0 where there was none.
        tile: side in pixels of the tiles that it was rendered by at full size; None where it was as a whole.
        notes: what was done otherwise than the settings ask for, for want of memory for example.
    """

    index: int
    pixels: np.ndarray | None = field(default=None, repr=False)
    alpha: np.ndarray | None = field(default=None, repr=False)
    failure: StylepressError | None = None
    losses: dict[str, float] = field(default_factory=dict)
    curve: tuple[tuple[int, float], ...] = field(default=(), repr=False)
    steps: int = 0
    stop_reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    precision: str = ""
    snapshots: tuple[Snapshot, ...] = field(default=(), repr=False)
    scores: dict[str, float] = field(default_factory=dict)
    resumed_from: int = 0
    tile: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Memory that its pictures take."""
        arrays = [self.pixels, self.alpha, *(snapshot.levels for snapshot in self.snapshots)]
        return sum(array.nbytes for array in arrays if array is not None)

    def save(self, path: str | Path, format: str = "png") -> None:  # noqa: A002 - the word that Pillow uses
        """Write the picture; raises the failure where there is none."""
        if self.pixels is None:
            raise self.failure or RenderError("no-picture", "this result holds no picture")
        Path(path).write_bytes(images.encode(self.pixels, self.alpha, format, None))


class BatchFailure(Exception):  # noqa: N818 - it is what befell a batch, and reaches no user
    """A batch could not be rendered.

    Attributes:
        failure: what that means for its cells.
    """

    def __init__(self, failure: StylepressError) -> None:
        super().__init__(str(failure))
        self.failure = failure


@contextmanager
def rendering(settings: Settings) -> Iterator[None]:
    """Make what goes wrong inside a `BatchFailure`; what a caller's own function raises outside of it stays apart."""
    try:
        yield
    except (StylepressError, MemoryError, RuntimeError) as error:
        raise BatchFailure(_failure(error, settings)) from None


def fault_of(picture: Tensor, curve: Sequence[float]) -> RenderError | None:
    """Why a picture of shape (3, height, width) with such losses cannot be finished; None where it can."""
    if math.isfinite(curve[-1]) and bool(picture.isfinite().all()):
        return None
    step = next((n for n, loss in enumerate(curve, 1) if not math.isfinite(loss)), len(curve))
    message = f"the loss is not finite at step {step}: lower the weights or learning_rate"
    return RenderError("not-finite", message)


def finished(picture: Tensor, member: Member) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels (height, width, 3) clamped to 0..1, with the content's transparency and, if asked, its colours."""
    pixels = picture.clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    if member.content is None:
        return np.ascontiguousarray(pixels), None
    content = images.fill(member.content, pixels.shape[1], pixels.shape[0])
    if member.settings.color == "content":
        pixels = with_luminance(content.pixels, pixels)
    return np.ascontiguousarray(pixels), content.alpha


def is_flat(pixels: np.ndarray) -> bool:
    """Whether a picture has one colour only, once it has 8 bits."""
    levels = np.rint(pixels * 255)
    return bool((levels == levels[0, 0]).all())


def thinned(curve: Sequence[float], most: int = 500) -> tuple[tuple[int, float], ...]:
    """At most `most` points of a loss curve, evenly spread, the last one among them."""
    stride = math.ceil(len(curve) / most)
    return tuple((n, loss) for n, loss in enumerate(curve, 1) if (len(curve) - n) % stride == 0)


def _failure(error: Exception, settings: Settings) -> StylepressError:
    """What an error means for the cells of a batch, without the traceback that would keep their tensors alive."""
    if isinstance(error, StylepressError):
        return error.with_traceback(None)
    said = (str(error).splitlines() or [type(error).__name__])[0][:200]
    # on the CPU, plain RuntimeErrors: "DefaultCPUAllocator: can't allocate memory", and oneDNN's of what it cannot hold
    scarce = "allocate memory" in said or said == "could not create a primitive"
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or scarce:
        message = f"not enough memory for a picture of size {settings.size}: choose a smaller size or tile ({said})"
        return RenderError("out-of-memory", message)
    return RenderError("device", f"the device failed: {said}")
