"""One batch from decoded pictures to results: its steps, then what becomes of each of its pictures."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from stylecore import images, weights
from stylecore.batch_log import Found, Log
from stylecore.constants import Constants
from stylecore.encoder import computing_type, precision_name, warm_encoder
from stylecore.errors import RenderError
from stylecore.images import Picture
from stylecore.methods import METHODS
from stylecore.methods.batch import Member, Moment, tensor_of
from stylecore.objective import TERMS
from stylecore.results import Result, fault_of, finished, is_flat, rendering, thinned
from stylecore.run import Run
from stylecore.scores import held_out, score
from stylecore.settings import Settings, layers_of


def render_batch(run: Run, members: dict[int, Member], found: Found, began: float) -> list[Result] | None:
    """Results of a batch whose members stand at the same position, or None when it was stopped.

    Args:
        run: what batches share.
        members: by the places of their cells.
        found: a checkpoint of each member, or none; it is emptied.
        began: when their pictures began to be decoded, on the clock of `time.perf_counter`.

    Raises:
        BatchFailure: the batch could not be rendered. Errors of the caller's own functions pass as they are.
    """
    settings = next(iter(members.values())).settings
    with rendering(settings):
        encoder = run.encoder(settings)
        constants = run.constants.setdefault(encoder, Constants(encoder))
        log = Log(run, members, found)
        method = importlib.import_module(METHODS[settings.method].module)
        moments = method.optimise(list(members.values()), constants, log.resumed)
        log.resumed = None  # it belongs to the method, which lets go of it
    loaded = time.perf_counter()
    moment: Moment | None = None
    for moment in _guarded(moments, settings):
        log.take(moment)
        if log.hopeless():
            break
        if run.should_stop() and not log.over(moment):
            log.keep(moment)
            return None
    assert moment is not None
    moment = replace(moment, state=dict)  # the optimiser's history need not be held any longer
    render_seconds = time.perf_counter() - loaded + log.earlier
    results = []
    for row, (index, member) in enumerate(members.items()):
        seconds = {"load": (loaded - began) / len(members), "render": render_seconds / len(members)}
        with rendering(settings):
            results.append(_result(run, log, index, member, moment, row, seconds))
    return results


def _guarded(moments: Iterator[Moment], settings: Settings) -> Iterator[Moment]:
    """Moments, whose errors are the batch's own: not those of what is called between them."""
    while True:
        with rendering(settings):
            moment = next(moments, None)
        if moment is None:
            return
        yield moment


def _result(
    run: Run, log: Log, index: int, member: Member, moment: Moment, row: int, seconds: dict[str, float]
) -> Result:
    """The result of one row of a batch, or its failure."""
    curve = log.curves[row]
    if fault := fault_of(moment.pictures[row], curve):
        return Result(index, failure=fault)
    pixels, alpha = finished(moment.pictures[row], member)
    if is_flat(pixels):
        return Result(index, failure=RenderError("flat-picture", "the result has one colour only and is not published"))
    began = time.perf_counter()
    scores = scores_of(member, pixels, run) if run.scores else {}
    terms = {name: float(value) for name, value in zip(TERMS, moment.terms[:, row].tolist(), strict=True)}
    precision, notes = precision_name(computing_type(member.settings.precision, run.device)), member.notes
    if member.settings.precision == "fp16" and precision != "fp16":
        notes = (*notes, f"this device has no instructions for fp16: rendered in {precision}")
    return Result(
        index,
        pixels=pixels,
        alpha=alpha,
        losses={"total": curve[-1], **terms},
        curve=thinned(curve),
        steps=moment.position.done[row],
        stop_reason=moment.position.stopped[row] or "steps",
        seconds={**seconds, "score": time.perf_counter() - began},
        precision=precision,
        snapshots=tuple(log.snapshots[row]),
        scores=scores,
        resumed_from=log.resumed_from[row],
        tile=moment.tile,
        notes=notes,
    )


MOST_SCORED = 1024
"""Longest side, in pixels, at which a picture is scored; larger ones are scaled down to it first."""


def scores_of(member: Member, pixels: np.ndarray, run: Run) -> dict[str, float]:
    """Scores of a finished picture (height, width, 3) in 0..1, on layers that its render did not optimise.

    A picture of more than 1024 pixels on its longest side is scored at 1024 pixels, as its style is.
    """
    settings = member.settings
    # always the shipped network, so that renders by different encoders compare; VGG-16 has used none of it
    used = settings.layers() if weights.resolve(settings.encoder).architecture == "vgg19" else []
    style_layers, content_layers = held_out(used, layers_of("vgg19"))
    encoder = warm_encoder(weights.resolve("vgg19"), "max", "zero", torch.float32, run.device)
    if max(pixels.shape[:2]) > MOST_SCORED:
        pixels = images.fit(Picture(pixels, None, ""), MOST_SCORED).pixels
    height, width = pixels.shape[:2]
    content = None
    if member.content is not None:
        content = tensor_of(images.fill(member.content, width, height), run.device)
    longest = max(16, round(max(width, height) * settings.style_scale))
    styles = [(tensor_of(images.fit(s.picture, longest), run.device), s.weight) for s in member.styles]
    picture = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).to(run.device)
    return score(picture, content, styles, encoder, style_layers, content_layers, run.scored)
