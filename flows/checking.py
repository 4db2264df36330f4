"""Everything that can be found wrong with a manifest before anything is rendered."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from flows import cells, inputs
from flows.cells import Block, Cell
from flows.filling import check_layers
from flows.keys import Encoders
from flows.manifest import Loaded
from flows.sheets.typefaces import read_font
from flows.source import ManifestError, Place, Problem
from flows.store import StorageError
from stylecore.architectures import smallest_side
from stylecore.errors import StylepressError

_MOST_CHECKED = 10_000


def check(loaded: Loaded) -> tuple[int, list[str]]:
    """Check everything about a manifest short of rendering: cells, weights, headers of pictures.

    Args:
        loaded: the manifest; read leniently, so that what is right about it is looked at too.

    Returns:
        The number of cells, and a line for each picture that cannot be used.

    Raises:
        ManifestError: with every mistake, pictures included.
        WeightsError, StorageError: as `plan.make`.
    """
    found = inputs.find(loaded, inputs.pictures_named(loaded), inputs.output_of(loaded))
    faults = inputs.faulty(found)
    problems: list[Problem] = []
    count = 0
    try:
        blocks = cells.blocks(loaded, found)
        count = sum(map(len, blocks))
        problems += _contradictions(loaded, blocks)
    except ManifestError as error:
        problems += error.problems
    problems += _fonts(loaded)
    if problems:
        raise loaded.error([*problems, *faults])
    return count, [f"{problem.place}: {problem.message}" for problem in faults]


def _fonts(loaded: Loaded) -> Iterator[Problem]:
    """Fonts of contact sheets that are not there, or no fonts."""
    for number, sheet in enumerate(loaded.manifest.sheets):
        try:
            read_font(sheet.font, inputs.root_of(loaded))
        except StorageError:
            raise
        except StylepressError as error:
            yield Problem(str(error), loaded.document.place(("sheets", number, "font")))


def _contradictions(loaded: Loaded, blocks: Iterable[Block]) -> Iterator[Problem]:
    """What is wrong with single cells, as far as a run would make them."""
    encoders = Encoders(loaded.url)
    places = ((block, place) for block in blocks for place in block.places())
    for block, place in itertools.islice(places, _MOST_CHECKED):
        try:
            cell = block.cell(place)
            check_layers(loaded, cell, encoders.source(cell.settings.encoder).layers)
            yield from _unfit(loaded, cell)
        except ManifestError as error:
            yield from error.problems


def _unfit(loaded: Loaded, cell: Cell) -> Iterator[Problem]:
    """A pyramid that starts beyond the picture, or a canvas with no position left at the deepest layer."""
    picture, settings = cell.content or cell.style, cell.settings
    if not (picture and picture.width):
        return
    canvases, scales = settings.canvases(picture.width, picture.height), settings.scales
    longest, least = max(canvases[-1]), smallest_side(settings.layers())
    side = scales[-1] if isinstance(scales, list) else 0
    if side > longest:
        said = f"scales: {side} is larger than {picture.name} at size {settings.size}; expected at most {longest}"
        yield Problem(said, _named_at(loaded, "scales", "size"))
    elif low := next((shape for shape in canvases if min(shape) < least), None):
        said = f"{picture.name} has {low[0]}×{low[1]} pixels at size {max(low)}, too few for the encoder's layers"
        message = f"{said}: both sides need at least {least}; raise size, or set scales: 1"
        yield Problem(message, _named_at(loaded, "scales", "size"))


def _named_at(loaded: Loaded, *settings: str) -> Place:
    """Where the manifest names the first of some settings that it names at all."""
    places = loaded.document.places
    found = (place for name in settings for path, place in places.items() if path[-1:] == (name,) and len(path) > 1)
    return next(found, Place())
