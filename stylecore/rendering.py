"""From cells to pictures: groups cells that fit together, renders them as batches, and says what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from stylecore.batch_log import Found, grouped
from stylecore.batch_rendering import render_batch, scores_of
from stylecore.checkpoint import Checkpoints as Checkpoints
from stylecore.encoder import computing_type, precision_name
from stylecore.errors import RenderError, StylepressError
from stylecore.free_memory import free_memory
from stylecore.images import Picture
from stylecore.loading import MOST_BYTES, Pictures, Source, ahead
from stylecore.memory import smaller_tile
from stylecore.methods import METHODS
from stylecore.methods.batch import Member, MemberStyle
from stylecore.results import BatchFailure
from stylecore.results import Result as Result
from stylecore.results import Snapshot as Snapshot
from stylecore.run import Progress as Progress
from stylecore.run import Run
from stylecore.settings import FREE_IN_A_BATCH, Settings
from stylecore.statistics import STATISTICS
from stylecore.values import STARTS


@dataclass(frozen=True)
class Style:
    """One of a cell's styles.

    Attributes:
        picture: the style picture.
        weight: its share of the blend; shares are divided by their sum.
        mask: the part of the style picture that is taken, white; None for all of it.
    """

    picture: Source
    weight: float = 1.0
    mask: Source | None = None


@dataclass(frozen=True)
class Cell:
    """One render: pictures and settings.

    Attributes:
        content: the picture whose content is kept; not looked at by methods that use none.
        styles: the pictures whose style is taken, one or a blend of several; not looked at by methods that use none.
        settings: everything else.
        init: the picture to start from where `settings.init` names one; by default the file of that name.
        masks: where in the result each style applies, white, one for each style; empty for everywhere.
        content_mask: where the content term counts, white; None for everywhere.
    """

    content: Source | None
    styles: tuple[Source | Style, ...]
    settings: Settings = field(default_factory=Settings)
    init: Source | None = None
    masks: tuple[Source, ...] = ()
    content_mask: Source | None = None


def render(
    cells: Sequence[Cell],
    *,
    device: str | torch.device,
    on_step: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    wanted: Callable[[int], bool] | None = None,
    batch: int | None = None,
    checkpoints: Checkpoints | None = None,
    scores: bool = True,
) -> Iterator[Result]:
    """Render cells, those that fit together (method, encoder, canvas, schedule) as one batch.

    Args:
        cells: what to render.
        device: such as `cpu` or `cuda:0`.
        on_step: called after every step of a batch.
        should_stop: asked before every step; when true, `render` ends and what is unfinished gives no result.
        wanted: asked for each cell, by its place, when its batch is about to begin; one that is no longer wanted gives
            no result.
        batch: largest number of cells in a batch. By default 1 on the CPU, whose cores one picture fills already and
            where a cell's bytes must not depend on its neighbours, and 16 on a GPU.
        checkpoints: keeps the state of unfinished cells; a cell that has one goes on from there, to the same pixels.
        scores: whether finished pictures are scored.

    Yields:
        A `Result` for each cell as soon as it is done, in no particular order. A cell that fails (a picture that
        cannot be read, a loss that is not finite, a flat picture, no memory) gives a result with its failure and
        costs no other cell.
    """
    run = Run(torch.device(device), on_step, should_stop or (lambda: False), checkpoints, scores)
    limit = batch or (1 if run.device.type == "cpu" else 16)
    groups: dict[object, list[int]] = {}
    for index, cell in enumerate(cells):
        try:
            groups.setdefault(_fit_key(cell, run.pictures), []).append(index)
        except StylepressError as error:
            yield Result(index, failure=error)
    batches = [indices[first : first + limit] for indices in groups.values() for first in range(0, len(indices), limit)]
    with closing(ahead(batches, partial(_load, run, cells), partial(_fits, run, cells))) as loads:
        while not run.should_stop() and (loaded := next(loads, None)):
            if wanted:
                loaded = replace(loaded, members={n: member for n, member in loaded.members.items() if wanted(n)})
            if not (yield from _render(run, loaded)):
                return
            del loaded  # before the next is loaded


def scored(cell: Cell, pixels: np.ndarray, device: str | torch.device) -> dict[str, float]:
    """Scores of a finished picture of a cell, as `Result.scores` has them.

    Args:
        cell: what it was rendered from.
        pixels: shape (height, width, 3), float32 sRGB in 0..1.
        device: where to compute.

    Raises:
        StylepressError: a picture cannot be read, or the weights are not to be had.
    """
    run = Run(torch.device(device), None, lambda: False, None, scores=True)
    return scores_of(_member(cell, run.pictures), pixels, run)


def _fit_key(cell: Cell, pictures: Pictures) -> object:
    """Equal for cells that can share a batch.

    Raises:
        StylepressError: a picture that the method needs is missing or cannot be read.
    """
    settings, method = cell.settings, METHODS[cell.settings.method]
    styles = [_as_style(style) for style in cell.styles] if method.needs_style else []
    for needed, given in (("content", cell.content is not None), ("style", bool(styles))):
        if getattr(method, f"needs_{needed}") and not given:
            raise RenderError("setting", f"{settings.method} needs a {needed} picture, and none is given")
    shapes = [pictures.size(style.picture) for style in styles]
    width, height = pictures.size(cell.content) if method.needs_content and cell.content is not None else shapes[0]
    # targets that are samples of the style, not moments, can be stacked only where they are as many
    moments = all(STATISTICS[name].linear for name in settings.style_statistic)
    masked = (len(cell.masks), cell.content_mask is None, [style.mask is None for style in styles])
    free = FREE_IN_A_BATCH | ({"style_scale"} if moments else set())
    rest = {name: value for name, value in settings.to_dict().items() if name not in free}
    # Adam's moments go on to the next scale, and must not have gone on after their picture has stopped
    alone = id(cell) if settings.average and settings.tolerance else None
    return repr((settings.canvases(width, height), masked, None if moments else shapes, rest, alone))


@dataclass(frozen=True)
class _Loaded:
    """A batch with its pictures decoded.

    Attributes:
        members: by the places of their cells.
        failures: of the cells whose pictures cannot be decoded.
        seconds: that it took, for each member.
    """

    members: dict[int, Member]
    failures: list[Result]
    seconds: float


def _load(run: Run, cells: Sequence[Cell], indices: Sequence[int]) -> _Loaded:
    """Decode the pictures of a batch."""
    began = time.perf_counter()
    members: dict[int, Member] = {}
    failures = []
    for index in indices:
        try:
            members[index] = _member(cells[index], run.pictures)
        except StylepressError as error:
            failures.append(Result(index, failure=error))
    return _Loaded(members, failures, (time.perf_counter() - began) / max(1, len(members)))


def _fits(run: Run, cells: Sequence[Cell], indices: Sequence[int]) -> bool:
    """Whether there is memory for a batch's pictures beside those of the batch being rendered."""
    sources: list[Source | None] = []
    for cell in (cells[index] for index in indices):
        sources += [cell.content, cell.content_mask, _start(cell), *cell.masks]
        sources += [source for style in map(_as_style, cell.styles) for source in (style.picture, style.mask)]
    try:
        return run.pictures.lacking([source for source in sources if source is not None]) <= MOST_BYTES
    except StylepressError:
        return False  # a failure of its cell, once its turn has come


def _render(run: Run, loaded: _Loaded) -> Generator[Result, None, bool]:
    """Render a batch; returns False when it was stopped."""
    yield from loaded.failures
    return (yield from _render_groups(run, loaded.members, loaded.seconds))


def _render_groups(run: Run, members: dict[int, Member], load: float) -> Generator[Result, None, bool]:
    """Render members, those at one position together; `load` is the seconds that each took to decode."""
    for group, found in grouped(run, members):
        if not (yield from _render_members(run, group, found, load)):
            return False
    return True


def _render_members(run: Run, members: dict[int, Member], found: Found, load: float) -> Generator[Result, None, bool]:
    """Render a batch; returns False when it was stopped. One that fails is halved, down to the cell at fault."""
    try:
        results = render_batch(run, members, found, time.perf_counter() - load * len(members))
    except BatchFailure as caught:
        failure = caught.failure.with_traceback(None)
    else:
        again = {}
        for result in results or []:
            if wider := _in_fp32(run, members[result.index], result):
                again[result.index] = wider
            else:
                yield result
        return results is not None and (yield from _render_groups(run, again, load))
    # here the failed attempt's tensors are free; in the handler its traceback would hold them
    if len(members) == 1 and failure.kind == "out-of-memory" and (tiled := _by_smaller_tiles(run, members)):
        return (yield from _render_groups(run, tiled, load))
    if len(members) == 1 or failure.kind in ("weights", "device"):
        yield from (Result(index, failure=failure) for index in members)
        return True
    indices = list(members)
    for half in (indices[: len(indices) // 2], indices[len(indices) // 2 :]):
        if not (yield from _render_groups(run, {index: members[index] for index in half}, load)):
            return False
    return True


def _in_fp32(run: Run, member: Member, result: Result) -> Member | None:
    """A member whose numbers no half precision may hold, to be rendered in fp32; None where that is not at fault."""
    half = precision_name(computing_type(member.settings.precision, run.device))
    if result.failure is None or result.failure.kind != "not-finite" or half == "fp32":
        return None
    note = f"not finite in {half}: rendered again in fp32"
    return replace(member, settings=replace(member.settings, precision="fp32"), notes=(*member.notes, note))


def _by_smaller_tiles(run: Run, members: dict[int, Member]) -> dict[int, Member] | None:
    """One member that memory ran out for, to be rendered by tiles, or smaller ones; None where that is no way out."""
    ((index, member),) = members.items()
    free = free_memory(run.device)
    tile = smaller_tile(member.settings, member.canvases()[-1], run.encoder(member.settings), free)
    if tile is None:
        return None
    note = f"memory ran out: rendered by tiles of {tile} pixels"
    return {index: replace(member, settings=replace(member.settings, tile=tile), notes=(note,))}


def _member(cell: Cell, pictures: Pictures) -> Member:
    """A cell with the pictures that its method uses decoded."""
    method, read = METHODS[cell.settings.method], pictures.read

    def maybe(source: Source | None) -> Picture | None:
        return None if source is None else read(source)

    styles = [_as_style(style) for style in cell.styles] if method.needs_style else []
    return Member(
        content=maybe(cell.content) if method.needs_content else None,
        styles=tuple(MemberStyle(read(s.picture), s.weight, maybe(s.mask)) for s in styles),
        init=maybe(_start(cell)),
        settings=cell.settings,
        masks=tuple(read(mask) for mask in cell.masks) if method.needs_style else (),
        content_mask=maybe(cell.content_mask) if method.needs_content else None,
    )


def _start(cell: Cell) -> Source | None:
    """The picture that a cell starts from, if it is one of its own."""
    named = cell.settings.init
    return named if cell.init is None and isinstance(named, str) and named not in STARTS else cell.init


def _as_style(style: Source | Style) -> Style:
    return style if isinstance(style, Style) else Style(style)
