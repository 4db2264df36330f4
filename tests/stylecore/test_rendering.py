"""Rendering: batches that are their cells, bytes that repeat, failures that cost one cell, and what results say."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

from flows import samples
from stylecore import Cell, RenderError, Settings, images, render
from stylecore.images import Picture
from stylecore.methods.gatys import shares

CAT, COFFEE, WAVES, GLASS = (samples.path(name) for name in ("cat", "coffee", "waves", "stained-glass"))
SMALL = {"size": 64, "steps": 4, "scales": 1, "precision": "fp32"}
NO_FILE = {"arch": "vgg19", "weights": "/there/is/no/such.safetensors", "input": "caffe"}


def small(content=CAT, style=WAVES, start=None, **settings):
    return Cell(content, (style,), Settings(**{**SMALL, **settings}), start)


def results(cells, **options):
    """Results in the order of the cells, each of which must have exactly one."""
    found = sorted(render(cells, device="cpu", **options), key=lambda result: result.index)
    assert [result.index for result in found] == list(range(len(cells)))
    return found


def only(cell, **options):
    (result,) = results([cell], **options)
    if result.failure:
        raise result.failure
    return result


def failure(cell):
    (result,) = results([cell])
    assert result.pixels is None
    return result.failure


def png(pixels, alpha=None):
    return images.encode(np.asarray(pixels, np.float32), alpha, "png", None)


def flat(value=0.5, height=48, width=64):
    return png(np.full((height, width, 3), value))


def noise(height, width, seed=0):
    return png(np.random.default_rng(seed).random((height, width, 3)))


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
            np.testing.assert_allclose(result.pixels, alone.pixels, atol=2e-4)
            assert result.losses == pytest.approx(alone.losses, rel=1e-3)
            assert [n for n, _ in result.curve] == [n for n, _ in alone.curve]

    def test_hold_only_what_fits_together(self):
        wide = noise(40, 64)
        cells = [small(), small(seed=1), small(wide), small(steps=3), small(pooling="average")]
        batches = []
        results(cells, batch=8, on_step=lambda progress: batches.append(progress.indices))
        assert set(batches) == {(0, 1), (2,), (3,), (4,)}

    def test_are_single_cells_on_the_cpu(self):
        batches = []
        results([small(), small(seed=1)], on_step=lambda progress: batches.append(progress.indices))
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
        among = results([small(style=GLASS), small(), small(steps=2)])[1]
        assert np.array_equal(among.pixels, only(small()).pixels)

    def test_seeds_change_noise_starts_and_nothing_else(self):
        starts = [only(small(init="noise", seed=seed, steps=1)).pixels for seed in (0, 1)]
        assert np.abs(starts[0] - starts[1]).mean() > 0.05
        kept = [only(small(seed=seed)).pixels for seed in (0, 1)]
        assert np.array_equal(*kept)

    def test_a_path_its_bytes_and_its_pixels_are_one_picture(self):
        expected = only(small()).pixels
        for content in (str(CAT), CAT.read_bytes(), images.read(CAT)):
            assert np.array_equal(only(small(content)).pixels, expected)


class TestStarts:
    """After one evaluation the picture is the start."""

    def start(self, cell):
        return only(dataclasses.replace(cell, settings=dataclasses.replace(cell.settings, steps=1))).pixels

    def test_content(self):
        np.testing.assert_allclose(self.start(small()), images.fit(images.read(CAT), 64).pixels, atol=1e-6)

    def test_style_is_stretched_to_the_canvas(self):
        halves = png(np.concatenate([np.zeros((40, 20, 3)), np.ones((40, 20, 3))], axis=1))
        start = self.start(small(style=halves, init="style"))
        assert start.shape == images.fit(images.read(CAT), 64).pixels.shape
        assert start[:, :28].max() < 0.05
        assert start[:, 36:].min() > 0.95

    def test_noise_lies_around_the_mean_colour(self):
        """The network's mean, (123.68, 116.779, 103.939) of 255 in RGB, and the deviation asked for."""
        start = self.start(small(init="noise", noise=0.05))
        count = start[..., 0].size
        means = start.mean((0, 1)) * 255
        assert np.allclose(means, (123.68, 116.779, 103.939), atol=5 * 0.05 * 255 / math.sqrt(count))
        assert start.std((0, 1)) == pytest.approx([0.05] * 3, rel=0.1)

    @pytest.mark.parametrize("given", [COFFEE, COFFEE.read_bytes(), None])
    def test_a_picture_given_or_named(self, given):
        start = self.start(small(start=given, init=str(COFFEE)))
        coffee = images.fit(images.read(COFFEE), 64).pixels
        np.testing.assert_allclose(start.mean((0, 1)), coffee.mean((0, 1)), atol=0.02)

    def test_one_that_is_not_there_is_named(self):
        assert "no-such-start.png" in str(failure(small(init="no-such-start.png")))


class TestFailures:
    @pytest.mark.parametrize("batch", [1, 4])
    def test_an_unreadable_picture_costs_its_own_cell(self, batch, tmp_path):
        broken = CAT.read_bytes()[:2000]
        cells = [small(), small(style=b"no picture"), small(broken), small(tmp_path / "gone.jpg"), small(seed=1)]
        found = results(cells, batch=batch)
        assert [result.failure is None for result in found] == [True, False, False, False, True]
        assert {result.failure.kind for result in found[1:4]} == {"unreadable-picture"}
        with pytest.raises(type(found[1].failure)):
            found[1].save(tmp_path / "out.png")
        assert not (tmp_path / "out.png").exists()

    def test_each_cell_has_one_result_when_its_batch_fails(self):
        found = results([small(style=b"junk", encoder=NO_FILE), small(encoder=NO_FILE), small()], batch=3)
        assert [result.failure and result.failure.kind for result in found] == ["unreadable-picture", "weights", None]

    def test_a_loss_that_is_not_finite(self):
        """A weight beyond float32 makes the first loss infinite."""
        error = failure(small(style_weight=1e300))
        assert error.kind == "not-finite"
        assert "step 1" in str(error)

    def test_a_loss_that_is_not_finite_harms_no_other(self):
        found = results([small(style_weight=1e300), small(style_weight=1e3)], batch=2)
        assert found[0].failure.kind == "not-finite"
        np.testing.assert_allclose(found[1].pixels, only(small(style_weight=1e3)).pixels, atol=2e-4)

    def test_a_flat_picture(self):
        """One grey, only the content term, and nothing that could move it."""
        assert failure(small(flat(), style_weight=0, tv_weight=0)).kind == "flat-picture"

    def test_a_content_too_small_for_the_encoder(self):
        error = failure(small(noise(8, 64)))
        assert error.kind == "setting"
        assert "64×8 pixels" in str(error)

    @pytest.mark.parametrize("styles", [(), (WAVES, GLASS)])
    def test_a_number_of_styles_that_the_method_does_not_take(self, styles):
        (result,) = results([Cell(CAT, styles, Settings(**SMALL))])
        assert result.failure.kind == "setting"
        assert f"got {len(styles)}" in str(result.failure)

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
            "cells = [Cell(sys.argv[1], (sys.argv[2],), Settings(size=size, steps=1, scales=1, precision='fp32'))\n"
            "         for size in (4096, 32)]\n"
            "for result in render(cells, device='cpu'): print(result.failure and result.failure.kind)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(CAT), str(WAVES)], capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == ["out-of-memory", "None"], done.stderr


class TestProgress:
    def test_steps_are_counted_over_all_scales(self):
        seen = []
        result = only(small(steps=7, scales=2), on_step=seen.append)
        assert [progress.step for progress in seen] == list(range(1, 8))
        assert {progress.steps for progress in seen} == {7}
        assert [progress.size for progress in seen] == [32] * 3 + [64] * 4
        assert result.steps == 7
        assert result.curve == tuple((progress.step, progress.losses[0]) for progress in seen)

    @pytest.mark.parametrize(
        ("steps", "scales", "expected"), [(300, 3, [100, 100, 100]), (8, 3, [2, 2, 4]), (2, 3, [0, 0, 2]), (5, 1, [5])]
    )
    def test_every_step_belongs_to_a_scale(self, steps, scales, expected):
        assert shares(steps, scales) == expected

    @pytest.mark.parametrize("steps", [1, 2])
    def test_fewer_steps_than_scales_are_done_at_full_size(self, steps):
        seen = []
        only(small(steps=steps, scales=3, size=128), on_step=seen.append)
        assert [progress.size for progress in seen] == [128] * steps

    def test_curve_is_thinned_and_keeps_the_last(self):
        steps = 1003
        light = {"style_layers": "relu1_1", "content_layers": "relu1_1", "size": 16}
        result = only(small(steps=steps, **light))
        assert len(result.curve) <= 500
        assert result.curve[-1] == (steps, result.losses["total"])

    @pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
    def test_terms_add_up_to_the_loss(self, optimizer):
        """Also after a step that the optimiser takes back: a factor of 30 makes L-BFGS overshoot."""
        for steps in (2, 3, 4):
            losses = only(small(steps=steps, learning_rate=30, optimizer=optimizer)).losses
            assert set(losses) == {"total", "content", "style", "total_variation"}
            assert sum(losses.values()) - losses["total"] == pytest.approx(losses["total"], rel=1e-5)

    def test_says_how_it_was_made(self):
        result = only(small())
        assert (result.stop_reason, result.precision) == ("steps", "fp32")
        assert set(result.seconds) == {"load", "render"}
        assert all(value >= 0 for value in result.seconds.values())


class TestStopping:
    def test_ends_at_once_and_leaves_out_what_is_unfinished(self):
        seen = []
        stopped = render(
            [small(seed=n) for n in range(3)],
            device="cpu",
            on_step=seen.append,
            should_stop=lambda: len(seen) >= SMALL["steps"] + 2,
        )
        assert [result.index for result in stopped] == [0]
        assert len(seen) == SMALL["steps"] + 2

    def test_before_the_first_step(self):
        assert list(render([small()], device="cpu", should_stop=lambda: True)) == []

    def test_a_finished_picture_is_not_thrown_away(self):
        seen = []
        stopped = render(
            [small(), small(seed=1)],
            device="cpu",
            on_step=seen.append,
            should_stop=lambda: len(seen) >= SMALL["steps"],
        )
        assert [result.index for result in stopped] == [0]
        assert len(seen) == SMALL["steps"]


class TestPictures:
    def test_size_is_the_longest_side(self):
        assert only(small(noise(40, 80))).pixels.shape == (32, 64, 3)
        assert only(small(noise(80, 40))).pixels.shape == (64, 32, 3)

    def test_a_picture_of_the_size_asked_for_is_not_resampled(self):
        content = noise(40, 64)
        start = only(small(content, steps=1)).pixels
        np.testing.assert_allclose(start, images.read(content).pixels, atol=1e-6)

    def test_style_comes_nearer_and_content_stays(self):
        """The picture moves, its style loss falls by far, and it still correlates with the photograph."""
        seen = []
        result = only(small(steps=40), on_step=seen.append)
        content = images.fit(images.read(CAT), 64).pixels
        assert result.losses["total"] < 0.1 * seen[0].losses[0]
        assert 0.02 < np.abs(result.pixels - content).mean() < 0.4
        assert np.corrcoef(result.pixels.mean(2).ravel(), content.mean(2).ravel())[0, 1] > 0.5

    def test_colours_of_the_content_are_kept(self):
        """Chrominance, the picture less its luma, is the content's wherever nothing was clipped."""
        luma = np.array([0.299, 0.587, 0.114], np.float32)
        result = only(small(style=GLASS, steps=8, color="content"))
        content = images.fit(images.read(CAT), 64).pixels
        inside = ((result.pixels > 0) & (result.pixels < 1)).all(2)
        kept = (result.pixels - (result.pixels @ luma)[..., None])[inside]
        np.testing.assert_allclose(kept, (content - (content @ luma)[..., None])[inside], atol=1e-4)
        assert inside.mean() > 0.8
        assert np.abs(result.pixels @ luma - content @ luma).mean() > 0.01

    def test_transparency_is_put_back(self):
        alpha = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
        content = Picture(images.read(noise(48, 64)).pixels, alpha, "transparent")
        assert np.array_equal(only(small(content)).alpha, alpha)
        assert only(small()).alpha is None

    def test_panoramas_skip_sizes_that_are_too_low_for_the_encoder(self):
        """10:1 at 224: the coarse size of `scales: auto`, 112, would be 11 pixels high, and relu5_1 needs 16."""
        seen = []
        result = only(small(noise(22, 224), size=224, scales="auto", steps=3), on_step=seen.append)
        assert result.pixels.shape == (22, 224, 3)
        assert {progress.size for progress in seen} == {224}

    def test_style_strips_stay_high_enough_for_the_encoder(self):
        found = results([small(style=noise(8, 200)), small(style=noise(200, 8), style_scale=0.1), small()], batch=3)
        assert all(result.failure is None for result in found)


def test_an_unknown_failure_is_not_swallowed():
    """A fault of a caller's own callback is the caller's."""

    def fails(_progress):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(render([small()], device="cpu", on_step=fails))


def test_a_result_without_a_picture_says_so(tmp_path):
    found = results([small(b"junk")])[0]
    with pytest.raises(Exception, match="can be read"):
        found.save(tmp_path / "x.png")
    with pytest.raises(RenderError):
        dataclasses.replace(found, failure=None).save(tmp_path / "x.png")
