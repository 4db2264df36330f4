"""Renders by tiles: the same pictures, and a way out where memory runs out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from small_cells import CAT, COFFEE, GLASS, WAVES, box, only, results, small

from stylecore import Cell, Settings

LOW = {"style_layers": ["relu1_1", "relu2_1"], "content_layers": "relu2_2", "size": 77}


@pytest.mark.parametrize(
    ("settings", "tile"),
    [
        ({"size": 100, "steps": 2}, 64),
        ({**LOW, "optimizer": "adam", "scales": 2, "padding": "zero", "style_statistic": ["gram", "histogram"]}, 16),
        ({**LOW, "color": "content", "style_scale": 1.7, "init": "noise"}, 40),
    ],
)
def test_gives_the_picture_of_the_whole(settings, tile):
    whole, tiled = (only(small(**settings, tile=side)) for side in ("off", tile))
    assert (whole.tile, tiled.tile) == (None, tile)
    assert not tiled.notes
    np.testing.assert_allclose(tiled.pixels, whole.pixels, atol=1 / 255)
    assert tiled.losses == pytest.approx(whole.losses, rel=1e-3)


def test_masks_and_blends_in_a_batch():
    layers = {**LOW, "steps": 3}
    halves = box(40, 60, slice(None), slice(30)), box(40, 60, slice(None), slice(30, None))

    def cells(tile):
        common = Settings.resolve({**layers, "precision": "fp32", "scales": 1, "tile": tile})
        return [
            Cell(COFFEE, (WAVES, GLASS), common, masks=halves, content_mask=halves[0]),
            Cell(CAT, (GLASS, WAVES), common, masks=halves[::-1], content_mask=halves[1]),
        ]

    for whole, tiled in zip(results(cells("off"), batch=2), results(cells(32), batch=2), strict=True):
        assert (whole.tile, tiled.tile) == (None, 32)
        np.testing.assert_allclose(tiled.pixels, whole.pixels, atol=1 / 255)


def test_a_picture_that_is_no_larger_than_a_tile_is_not_cut():
    assert only(small(tile=64)).tile is None


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import torch
from stylecore import Cell, Settings, render
from flows import samples
torch.set_num_threads(1)
same = {"steps": 1, "scales": 1, "precision": "fp32", "style_layers": "relu2_1", "content_layers": "relu2_1"}
cell = Cell(samples.path("cat"), (samples.path("waves"),), Settings(size=%d, style_scale=0.2, tile=%r, **same))
small = Cell(samples.path("cat"), (samples.path("waves"),), Settings(size=64, **same))
next(render([small], device="cpu", scores=False))
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + %d * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for result in render([cell, small], device="cpu", scores=False):
    print(result.index, result.tile, result.failure and result.failure.kind, result.notes)
"""


def short_of_memory(size, tile, megabytes):
    script = SHORT_OF_MEMORY % (size, tile, megabytes)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_goes_on_by_tiles_where_memory_runs_out():
    first, second = short_of_memory(1024, "auto", 450)
    tile = int(first.split()[1])
    assert 128 <= tile <= 512
    assert first == f"0 {tile} None ('memory ran out: rendered by tiles of {tile} pixels',)"
    assert second == "1 None None ()"


def test_a_picture_that_no_memory_can_hold_fails_alone():
    assert short_of_memory(640, "off", 60) == ["0 None out-of-memory ()", "1 None None ()"]
