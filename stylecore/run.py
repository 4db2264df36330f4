"""What the batches of one call of `render` share, and what it tells its caller on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from stylecore import weights
from stylecore.checkpoint import Checkpoints
from stylecore.constants import Constants
from stylecore.encoder import Encoder, computing_type, warm_encoder
from stylecore.loading import Pictures
from stylecore.scores import Known
from stylecore.settings import Settings


@dataclass(frozen=True)
class Progress:
    """A batch after one step.

    Attributes:
        indices: places of the batch's cells among the cells given to `render`.
        step: evaluations so far, from 1; where cells have stopped early, of the one that has done most.
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
class Run:
    """What the batches of one call of `render` share.

    Attributes:
        device: where.
        on_step: takes progress.
        should_stop: asked before every step.
        checkpoints: keeps unfinished cells.
        scores: whether pictures are scored.
        constants: of each encoder.
        scored: what contents and styles come to for scores.
        pictures: those that are decoded.
    """

    device: torch.device
    on_step: Callable[[Progress], None] | None
    should_stop: Callable[[], bool]
    checkpoints: Checkpoints | None
    scores: bool
    constants: dict[Encoder, Constants] = field(default_factory=dict)
    scored: Known = field(default_factory=dict)
    pictures: Pictures = field(default_factory=Pictures)

    def encoder(self, settings: Settings) -> Encoder:
        """The encoder that renders cells of such settings."""
        dtype = computing_type(settings.precision, self.device)
        source = weights.resolve(settings.encoder)
        return warm_encoder(source, settings.pooling, settings.padding, dtype, self.device)
