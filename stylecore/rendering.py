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
from stylecore.encoder import Encoder, computing_type, warm_encoder
from stylecore.errors import RenderError, StylepressError
from stylecore.images import Picture
from stylecore.methods import METHODS
from stylecore.methods.batch import Member, Moment
from stylecore.objective import TERMS, Constants
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
        init: the picture to start from where `settings.init` names one; by default the file of that name.
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
    pixels: np.ndarray | None = field(default=None, repr=False)
    alpha: np.ndarray | None = field(default=None, repr=False)
    failure: StylepressError | None = None
    losses: dict[str, float] = field(default_factory=dict)
    curve: tuple[tuple[int, float], ...] = field(default=(), repr=False)
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
        should_stop: asked before every step; when true, `render` ends and what is unfinished gives no result.
        batch: largest number of cells in a batch. By default 1 on the CPU, whose cores one picture fills already and
            where a cell's bytes must not depend on its neighbours, and 16 on a GPU.

    Yields:
        A `Result` for each cell as soon as it is done, in no particular order. A cell that fails (a picture that
        cannot be read, a loss that is not finite, a flat picture, no memory) gives a result with its failure and
        costs no other cell.
    """
    run = _Run(cells, torch.device(device), on_step, should_stop or (lambda: False))
    limit = batch or (1 if run.device.type == "cpu" else 16)
    groups: dict[object, list[int]] = {}
    for index, cell in enumerate(cells):
        try:
            groups.setdefault(_fit_key(cell), []).append(index)
        except StylepressError as error:
            yield Result(index, failure=error)
    for indices in groups.values():
        for first in range(0, len(indices), limit):
            if run.should_stop() or not (yield from _render_batch(run, indices[first : first + limit])):
                return


@dataclass(frozen=True, eq=False)
class _Run:
    """What the batches of one call of `render` share."""

    cells: Sequence[Cell]
    device: torch.device
    on_step: Callable[[Progress], None] | None
    should_stop: Callable[[], bool]
    constants: dict[Encoder, Constants] = field(default_factory=dict)


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


def _render_batch(run: _Run, indices: Sequence[int]) -> Generator[Result, None, bool]:
    """Decode the pictures of a batch and render it; returns False when it was stopped."""
    began = time.perf_counter()
    members: dict[int, Member] = {}
    for index in indices:
        try:
            members[index] = _member(run.cells[index])
        except StylepressError as error:
            yield Result(index, failure=error)
    return not members or (yield from _render_members(run, members, began))


def _render_members(run: _Run, members: dict[int, Member], began: float) -> Generator[Result, None, bool]:
    """Render a batch; returns False when it was stopped. One that fails is halved, down to the cell at fault."""
    try:
        results = _optimise(run, members, began)
    except (StylepressError, MemoryError, RuntimeError) as error:
        failure = _failure(error, next(iter(members.values())).settings)
    else:
        yield from results or []
        return results is not None
    # here the failed attempt's tensors are free; in the handler its traceback would hold them
    if len(members) == 1 or failure.kind in ("weights", "device"):
        yield from (Result(index, failure=failure) for index in members)
        return True
    indices = list(members)
    for half in (indices[: len(indices) // 2], indices[len(indices) // 2 :]):
        began = time.perf_counter()
        if not (yield from _render_members(run, {index: members[index] for index in half}, began)):
            return False
    return True


def _failure(error: Exception, settings: Settings) -> StylepressError:
    """What an error means for the cells of a batch, without the traceback that would keep their tensors alive."""
    if isinstance(error, StylepressError):
        return error.with_traceback(None)
    said = (str(error).splitlines() or [type(error).__name__])[0][:200]
    # on the CPU, torch raises a plain RuntimeError: "DefaultCPUAllocator: can't allocate memory"
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in said:
        message = f"not enough memory for a picture of size {settings.size}: choose a smaller size ({said})"
        return RenderError("out-of-memory", message)
    return RenderError("device", f"the device failed: {said}")


def _optimise(run: _Run, members: dict[int, Member], began: float) -> list[Result] | None:
    """Results of a batch, or None when it was stopped."""
    settings = next(iter(members.values())).settings
    dtype = computing_type(settings.precision, run.device)
    encoder = warm_encoder(weights.resolve(settings.encoder), settings.pooling, settings.padding, dtype, run.device)
    constants = run.constants.setdefault(encoder, Constants(encoder))
    loaded = time.perf_counter()
    method = importlib.import_module(METHODS[settings.method].module)
    curve: list[tuple[float, ...]] = []
    moment: Moment | None = None
    for moment in method.optimise(list(members.values()), constants):
        losses = tuple(moment.losses.tolist())
        curve.append(losses)
        if run.on_step:
            run.on_step(Progress(tuple(members), moment.step, settings.steps, losses, moment.size))
        if not any(math.isfinite(loss) for loss in losses):
            break
        if moment.step < settings.steps and run.should_stop():
            return None
    assert moment is not None
    seconds = {
        "load": (loaded - began) / len(members),
        "render": (time.perf_counter() - loaded) / len(members),
    }
    return [
        _result(index, member, moment, row, [losses[row] for losses in curve], seconds, dtype)
        for row, (index, member) in enumerate(members.items())
    ]


def _member(cell: Cell) -> Member:
    named = cell.init
    if named is None and cell.settings.init not in ("content", "style", "noise"):
        named = cell.settings.init
    return Member(
        content=_picture(cell.content),
        style=_picture(cell.styles[0]),
        init=None if named is None else _picture(named),
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
