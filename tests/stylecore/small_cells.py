"""Small cells and what they come to, for the tests of rendering."""

from __future__ import annotations

import numpy as np

from flows import samples
from stylecore import Cell, Settings, images, render

CAT, COFFEE, WAVES, GLASS = (samples.path(name) for name in ("cat", "coffee", "waves", "stained-glass"))
SMALL = {"size": 64, "steps": 4, "scales": 1, "precision": "fp32"}
LIGHT = {"size": 32, "style_layers": "relu2_1", "content_layers": "relu2_1", "scales": 1, "precision": "fp32"}
"""Fast: what does not depend on the layers can be tested with it."""


def small(content=CAT, style=WAVES, start=None, **settings):
    """A cell of one content and one style that renders in a moment."""
    return Cell(content, (style,), Settings.resolve({**SMALL, **settings}), start)


def light(content=CAT, style=WAVES, **settings):
    """A cell that renders faster still."""
    return small(content, style, **{**LIGHT, **settings})


def results(cells, **options):
    """Results in the order of the cells, each of which must have exactly one."""
    found = sorted(render(cells, device="cpu", **{"scores": False, **options}), key=lambda result: result.index)
    assert [result.index for result in found] == list(range(len(cells)))
    return found


def only(cell, **options):
    """The result of a cell that must not fail."""
    (result,) = results([cell], **options)
    if result.failure:
        raise result.failure
    return result


def failure(cell):
    """The failure of a cell that must fail."""
    (result,) = results([cell])
    assert result.pixels is None
    return result.failure


def png(pixels, alpha=None):
    """Pixels as a file's bytes."""
    return images.encode(np.asarray(pixels, np.float32), alpha, "png", None)


def flat(value=0.5, height=48, width=64):
    """A picture of one colour."""
    return png(np.broadcast_to(np.asarray(value, np.float32), (height, width, 3)))


def noise(height, width, seed=0):
    """A picture of uniform noise."""
    return png(np.random.default_rng(seed).random((height, width, 3)))


def box(height, width, rows, columns):
    """A mask: white in some rows and columns, black elsewhere."""
    mask = np.zeros((height, width, 3))
    mask[rows, columns] = 1
    return png(mask)
