"""Rendering: batches that are their cells, bytes that repeat, failures that cost one cell."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from small_cells import (
    CAT,
    COFFEE,
    GLASS,
    LIGHT,
    SMALL,
    WAVES,
    box,
    failure,
    flat,
    light,
    noise,
    only,
    png,
    results,
    small,
)

from stylecore import Cell, RenderError, Settings, Style, StylepressError, images, render

NO_FILE = {"arch": "vgg19", "weights": "/there/is/no/such.safetensors", "input": "caffe"}


class TestBatches:
    def test_give_what_single_renders_give(self):
        """Other contents of the same canvas, styles, starts, seeds and weights; all in one batch."""
        other = png(images.fit(images.read(CAT), 300).pixels[:, ::-1] ** 2)
        cells = [
            small(style_weight=1e3),
            small(other, GLASS, COFFEE, init="another.jpg", tv_weight=0),
            small(style=GLASS, content_weight=3, style_scale=0.5),
            small(init="noise", seed=5),
        ]
        batches = []
        together = results(cells, batch=4, on_step=lambda progress: batches.append(progress.indices))
        assert set(batches) == {(0, 1, 2, 3)}
        for cell, result in zip(cells, together, strict=True):
            alone = only(cell)
            np.testing.assert_allclose(result.pixels, alone.pixels, atol=0.5 / 255)
            assert result.losses == pytest.approx(alone.losses, rel=1e-3)
            assert [n for n, _ in result.curve] == [n for n, _ in alone.curve]

    @pytest.mark.parametrize("statistic", ["gram", "wasserstein2", "sliced_wasserstein", "mrf"])
    def test_of_blends_and_masks_give_what_single_renders_give(self, statistic):
        """Each cell has its own weights, masks and parts of styles, of different extent."""
        halves = box(40, 60, slice(None), slice(30)), box(40, 60, slice(None), slice(30, None))
        corner = box(40, 60, slice(20), slice(15))
        settings = Settings.resolve({**LIGHT, "steps": 3, "style_statistic": statistic})
        inside = [
            Style(WAVES, 2, box(36, 48, slice(12), slice(None))),
            Style(WAVES, 1, box(36, 48, slice(30), slice(9))),
        ]
        cells = [
            Cell(COFFEE, (inside[0], GLASS), settings, masks=halves),
            Cell(COFFEE, (inside[1], GLASS), settings, masks=(corner, halves[1])),
            Cell(COFFEE, (inside[0], Style(GLASS, 0.1)), settings, masks=halves[::-1]),
        ]
        sizes = []
        together = results(cells, batch=4, on_step=lambda progress: sizes.append(len(progress.indices)))
        assert set(sizes) == {3}
        for cell, result in zip(cells, together, strict=True):
            # roots of covariances of few positions blow up differences in the last place
            atol = 0.02 if statistic == "wasserstein2" else 2e-4
            np.testing.assert_allclose(result.pixels, only(cell).pixels, atol=atol)
        assert np.abs(together[0].pixels - together[1].pixels).max() > 0.05

    def test_hold_only_what_fits_together(self):
        wide = noise(40, 64)
        cells = [light(), light(seed=1), light(wide), light(steps=3), light(pooling="average")]
        batches = []
        results(cells, batch=8, on_step=lambda progress: batches.append(progress.indices))
        assert set(batches) == {(0, 1), (2,), (3,), (4,)}

    def test_are_single_cells_on_the_cpu(self):
        batches = []
        results([light(), light(seed=1)], on_step=lambda progress: batches.append(progress.indices))
        assert set(batches) == {(0,), (1,)}


class TestDeterminism:
    @pytest.mark.parametrize(
        "settings", [{}, {"precision": "bf16"}, {"init": "noise", "scales": 2, "optimizer": "adam"}]
    )
    def test_same_cell_same_bytes(self, settings, tmp_path):
        for name in ("first.png", "second.png"):
            only(small(**settings)).save(tmp_path / name)
        assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()

    def test_neighbours_on_the_cpu_change_no_byte(self):
        among = results([light(style=GLASS), light(), light(steps=2)])[1]
        assert np.array_equal(among.pixels, only(light()).pixels)

    def test_seeds_change_noise_starts_and_nothing_else(self):
        starts = [only(light(init="noise", seed=seed, steps=1)).pixels for seed in (0, 1)]
        assert np.abs(starts[0] - starts[1]).mean() > 0.05
        kept = [only(light(seed=seed)).pixels for seed in (0, 1)]
        assert np.array_equal(*kept)

    def test_a_path_its_bytes_and_its_pixels_are_one_picture(self):
        expected = only(light()).pixels
        for content in (str(CAT), CAT.read_bytes(), images.read(CAT)):
            assert np.array_equal(only(light(content)).pixels, expected)


class TestFailures:
    @pytest.mark.parametrize("batch", [1, 4])
    def test_an_unreadable_picture_costs_its_own_cell(self, batch, tmp_path):
        broken = CAT.read_bytes()[:2000]
        cells = [light(), light(style=b"no picture"), light(broken), light(tmp_path / "gone.jpg"), light(seed=1)]
        found = results(cells, batch=batch)
        assert [result.failure is None for result in found] == [True, False, False, False, True]
        assert {result.failure.kind for result in found[1:4]} == {"unreadable-picture"}
        with pytest.raises(type(found[1].failure)):
            found[1].save(tmp_path / "out.png")
        assert not (tmp_path / "out.png").exists()

    def test_each_cell_has_one_result_when_its_batch_fails(self):
        found = results([light(style=b"junk", encoder=NO_FILE), light(encoder=NO_FILE), light()], batch=3)
        assert [result.failure and result.failure.kind for result in found] == ["unreadable-picture", "weights", None]

    def test_a_loss_that_is_not_finite(self):
        """A weight beyond float32 makes the first loss infinite."""
        error = failure(small(style_weight=1e300))
        assert error.kind == "not-finite"
        assert "step 1" in str(error)

    def test_a_loss_that_is_not_finite_harms_no_other(self):
        found = results([small(style_weight=1e300), small(style_weight=1e3)], batch=2)
        assert found[0].failure.kind == "not-finite"
        np.testing.assert_allclose(found[1].pixels, only(small(style_weight=1e3)).pixels, atol=1 / 255)

    def test_a_flat_picture(self):
        """One grey, only the content term, and nothing that could move it."""
        assert failure(small(flat(), style_weight=0, tv_weight=0)).kind == "flat-picture"

    def test_a_content_too_small_for_the_encoder(self):
        error = failure(small(noise(8, 64)))
        assert error.kind == "setting"
        assert "64×8 pixels" in str(error)

    def test_each_of_a_batch_that_cannot_be_rendered_costs_itself(self):
        """A black mask is found in the middle of a batch, which is rendered again without it."""
        masks = [box(40, 60, slice(height), slice(None)) for height in (40, 0, 20, 0, 10)]
        cells = [Cell(COFFEE, (WAVES,), light().settings, masks=(mask,)) for mask in masks]
        found = results(cells, batch=8)
        assert [result.failure and result.failure.kind for result in found] == [None, "mask", None, "mask", None]
        np.testing.assert_allclose(found[2].pixels, only(cells[2]).pixels, atol=2e-4)

    def test_save_writes_what_it_says(self, tmp_path):
        result = only(small())
        result.save(tmp_path / "picture.png")
        saved = images.read(tmp_path / "picture.png")
        np.testing.assert_allclose(saved.pixels, result.pixels, atol=0.51 / 255)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
    def test_no_memory_costs_only_what_does_not_fit(self):
        code = (
            "import resource, sys; from stylecore import Cell, Settings, render, rendering\n"
            "held = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
            "resource.setrlimit(resource.RLIMIT_AS, (held + 2 * 2**30,) * 2)\n"
            "values = dict(steps=1, scales=1, precision='fp32', tile='off')\n"
            "cells = [Cell(sys.argv[1], (sys.argv[2],), Settings(size=size, **values)) for size in (4096, 32)]\n"
            "for result in render(cells, device='cpu', scores=False): print(result.failure and result.failure.kind)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(CAT), str(WAVES)], capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == ["out-of-memory", "None"], done.stderr


class TestStopping:
    def test_ends_at_once_and_leaves_out_what_is_unfinished(self):
        seen = []
        stopped = render(
            [light(seed=n) for n in range(3)],
            device="cpu",
            on_step=seen.append,
            should_stop=lambda: len(seen) >= SMALL["steps"] + 2,
        )
        assert [result.index for result in stopped] == [0]
        assert len(seen) == SMALL["steps"] + 2

    def test_before_the_first_step(self):
        assert list(render([light()], device="cpu", should_stop=lambda: True)) == []

    def test_a_finished_picture_is_not_thrown_away(self):
        seen = []
        stopped = render(
            [light(), light(seed=1)],
            device="cpu",
            on_step=seen.append,
            should_stop=lambda: len(seen) >= SMALL["steps"],
        )
        assert [result.index for result in stopped] == [0]
        assert len(seen) == SMALL["steps"]


@pytest.mark.parametrize("batch", [1, 3])
def test_cells_that_are_not_wanted_when_their_turn_comes_are_left_out(batch):
    cells = [light(seed=n) for n in range(3)]
    kept = render(cells, device="cpu", batch=batch, wanted=lambda index: index != 1)
    assert [result.index for result in kept] == [0, 2]


@pytest.mark.parametrize("error", [KeyError, RuntimeError, MemoryError, StylepressError])
@pytest.mark.parametrize("callback", ["on_step", "should_stop"])
def test_a_fault_of_a_callers_own_function_is_the_callers(error, callback):
    """It is no failure of a cell, whatever its type."""

    def fails(*_progress):
        raise error("mine")

    with pytest.raises(error, match="mine"):
        list(render([light()], device="cpu", **{callback: fails}))


def test_a_result_without_a_picture_says_so(tmp_path):
    found = results([light(b"junk")])[0]
    with pytest.raises(Exception, match="can be read"):
        found.save(tmp_path / "x.png")
    with pytest.raises(RenderError):
        dataclasses.replace(found, failure=None).save(tmp_path / "x.png")
