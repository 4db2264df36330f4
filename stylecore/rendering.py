"""From cells to pictures: groups cells that fit together, renders them as batches, and says what became of each."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylecore import images, weights
from stylecore.color import with_luminance
from stylecore.encoder import computing_type, warm_encoder
from stylecore.errors import RenderError, StylepressError
from stylecore.images import Picture
from stylecore.methods import METHODS
from stylecore.methods.batch import Member, Moment
from stylecore.objective import TERMS
from stylecore.settings import Settings

Source = str | Path | bytes | Picture
"""Where a picture comes from: a file, its bytes, or one that is decoded already."""


@dataclass(frozen=True)
class Cell:
    """One render: pictures and settings.

    Attributes:
        content: the picture whose content is kept.
        styles: the pictures whose style is taken; the methods so far take exactly one.
        settings: everything else.
        init: the picture to start from where `settings.init` names one.
    """

    content: Source
    styles: tuple[Source, ...]
    settings: Settings = field(default_factory=Settings)
    init: Source | None = None


@dataclass(frozen=True)
class Progress:
    """A batch after one step.

    Attributes:
        indices: places of the batch's cells among the cells given to `render`.
        step: evaluations so far, from 1.
        steps: evaluations that the cells ask for.
        losses: current loss of each cell.
        size: longest side being rendered, in pixels.
    """

    indices: tuple[int, ...]
    step: int
    steps: int
    losses: tuple[float, ...]
    size: int


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
        stop_reason: `steps`: all that were asked for.
        seconds: time for `load` (decoding and the encoder) and `render`; a batch's time is shared among its cells.
        precision: what the convolutions computed in: `fp32` or `bf16`.
    """

    index: int
    pixels: np.ndarray | None = None
    alpha: np.ndarray | None = None
    failure: StylepressError | None = None
    losses: dict[str, float] = field(default_factory=dict)
    curve: tuple[tuple[int, float], ...] = ()
    steps: int = 0
    stop_reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    precision: str = ""

    def save(self, path: str | Path, format: str = "png") -> None:  # noqa: A002 - the word that Pillow uses
        """Write the picture; raises the failure where there is none."""
        if self.pixels is None:
            raise self.failure or RenderError("no-picture", "this result holds no picture")
        Path(path).write_bytes(images.encode(self.pixels, self.alpha, format, None))


def render(
    cells: Sequence[Cell],
    *,
    device: str | torch.device,
    on_step: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    batch: int | None = None,
) -> Iterator[Result]:
    """Render cells, those that fit together (method, encoder, canvas, schedule) as one batch.

    Args:
        cells: what to render.
        device: such as `cpu` or `cuda:0`.
        on_step: called after every step of a batch.
        should_stop: asked after every step; when true, `render` ends and what is unfinished gives no result.
        batch: largest number of cells in a batch. By default 1 on the CPU, whose cores one picture fills already and
            where a cell's bytes must not depend on its neighbours, and 16 on a GPU.

    Yields:
        A `Result` for each cell as soon as it is done, in no particular order. A cell that fails (a picture that
        cannot be read, a loss that is not finite, a flat picture, no memory) gives a result with its failure and
        costs no other cell.
    """
    device = torch.device(device)
    limit = batch or (1 if device.type == "cpu" else 16)
    groups: dict[object, list[int]] = {}
    for index, cell in enumerate(cells):
        try:
            groups.setdefault(_fit_key(cell), []).append(index)
        except StylepressError as error:
            yield Result(index, failure=error)
    for indices in groups.values():
        for first in range(0, len(indices), limit):
            part = indices[first : first + limit]
            finished = yield from _render_batch(cells, part, device, on_step, should_stop or (lambda: False))
            if not finished:
                return


# Settings that may differ within a batch: each is a number of its own cell's objective or start.
_FREE = {"preset", "seed", "noise", "init", "style_scale", "content_weight", "style_weight", "tv_weight", "color"}


def _fit_key(cell: Cell) -> object:
    """Equal for cells that can share a batch."""
    settings = cell.settings
    if len(cell.styles) != 1:
        raise RenderError("setting", f"{settings.method} takes exactly one style picture, got {len(cell.styles)}")
    if not isinstance(cell.content, Picture):
        header = images.inspect(_file(cell.content))
        width, height = header.width, header.height
    else:
        height, width = cell.content.pixels.shape[:2]
    canvases = tuple(images.canvas(width, height, size) for size in settings.sizes())
    return canvases, repr({name: value for name, value in settings.to_dict().items() if name not in _FREE})


def _render_batch(
    cells: Sequence[Cell],
    indices: list[int],
    device: torch.device,
    on_step: Callable[[Progress], None] | None,
    should_stop: Callable[[], bool],
) -> Generator[Result, None, bool]:
    """Render one batch; returns False when it was stopped. Out of memory halves the batch, down to one cell."""
    try:
        results = yield from _optimise(cells, indices, device, on_step, should_stop)
    except (torch.OutOfMemoryError, MemoryError) as error:
        if len(indices) == 1:
            message = (
                f"not enough memory for a picture of size {cells[indices[0]].settings.size}: choose a smaller size"
            )
            yield Result(indices[0], failure=RenderError("out-of-memory", f"{message} ({type(error).__name__})"))
            return True
        half = len(indices) // 2
        finished = yield from _render_batch(cells, indices[:half], device, on_step, should_stop)
        return finished and (yield from _render_batch(cells, indices[half:], device, on_step, should_stop))
    except StylepressError as error:
        yield from (Result(index, failure=error) for index in indices)
        return True
    except RuntimeError as error:  # torch's word for a device that failed
        said = RenderError("device", f"the device failed: {str(error).splitlines()[0][:200]}")
        yield from (Result(index, failure=said) for index in indices)
        return True
    return results


def _optimise(
    cells: Sequence[Cell],
    indices: list[int],
    device: torch.device,
    on_step: Callable[[Progress], None] | None,
    should_stop: Callable[[], bool],
) -> Generator[Result, None, bool]:
    began = time.perf_counter()
    members: list[Member] = []
    kept: list[int] = []
    for index in indices:
        try:
            members.append(_member(cells[index]))
            kept.append(index)
        except StylepressError as error:
            yield Result(index, failure=error)
    if not members:
        return True
    settings = members[0].settings
    dtype = computing_type(settings.precision, device)
    encoder = warm_encoder(weights.resolve(settings.encoder), settings.pooling, settings.padding, dtype, device)
    loaded = time.perf_counter()
    method = importlib.import_module(METHODS[settings.method].module)
    curve: list[tuple[float, ...]] = []
    moment: Moment | None = None
    for moment in method.optimise(members, encoder):
        losses = tuple(moment.losses.tolist())
        curve.append(losses)
        if on_step:
            on_step(Progress(tuple(kept), moment.step, settings.steps, losses, moment.size))
        if should_stop():
            return False
        if not any(math.isfinite(loss) for loss in losses):
            break
    assert moment is not None
    seconds = {
        "load": (loaded - began) / len(kept),
        "render": (time.perf_counter() - loaded) / len(kept),
    }
    for row, index in enumerate(kept):
        yield _result(index, members[row], moment, row, [losses[row] for losses in curve], seconds, dtype)
    return True


def _member(cell: Cell) -> Member:
    return Member(
        content=_picture(cell.content),
        style=_picture(cell.styles[0]),
        init=None if cell.init is None else _picture(cell.init),
        settings=cell.settings,
    )


def _file(source: str | Path | bytes) -> Path | bytes:
    return source if isinstance(source, bytes) else Path(source)


def _picture(source: Source) -> Picture:
    return source if isinstance(source, Picture) else images.read(_file(source))


def _result(
    index: int,
    member: Member,
    moment: Moment,
    row: int,
    curve: list[float],
    seconds: dict[str, float],
    dtype: torch.dtype,
) -> Result:
    """The result of one row of a batch, or its failure."""
    picture = moment.pictures[row]
    if not (math.isfinite(curve[-1]) and bool(torch.isfinite(picture).all())):
        step = next((n for n, loss in enumerate(curve, 1) if not math.isfinite(loss)), len(curve))
        message = f"the loss is not finite at step {step}: lower the weights or learning_rate, or set precision: fp32"
        return Result(index, failure=RenderError("not-finite", message))
    pixels, alpha = _finished(picture, member)
    levels = np.rint(pixels * 255)
    if bool((levels == levels[0, 0]).all()):
        return Result(index, failure=RenderError("flat-picture", "the result has one colour only and is not published"))
    terms = {name: float(value) for name, value in zip(TERMS, moment.terms[:, row].tolist(), strict=True)}
    return Result(
        index,
        pixels=pixels,
        alpha=alpha,
        losses={"total": curve[-1], **terms},
        curve=_thinned(curve),
        steps=moment.step,
        stop_reason="steps",
        seconds=dict(seconds),
        precision={torch.float32: "fp32", torch.bfloat16: "bf16"}[dtype],
    )


def _finished(picture: Tensor, member: Member) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels (height, width, 3) clamped to 0..1, with the content's transparency and, if asked, its colours."""
    content = images.fit(member.content, member.settings.size)
    pixels = picture.clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    if member.settings.color == "content":
        pixels = with_luminance(content.pixels, pixels)
    return np.ascontiguousarray(pixels), content.alpha


def _thinned(curve: list[float], most: int = 500) -> tuple[tuple[int, float], ...]:
    """At most `most` points of a loss curve, evenly spread, the last one among them."""
    stride = math.ceil(len(curve) / most)
    return tuple((n, loss) for n, loss in enumerate(curve, 1) if (len(curve) - n) % stride == 0)
