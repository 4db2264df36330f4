"""What a render tells of its way: steps, curves, snapshots, early ends and scores."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from small_cells import GLASS, light, noise, only, results, small

from stylecore.scores import SCORES

RESTLESS = {"tolerance": 0.02, "steps": 90, "scales": 2, "size": 64, "style_statistic": "gram", "tv_weight": 2e-3}
"""Two sizes, each of which ends early."""


def test_steps_are_counted_over_all_scales():
    seen = []
    result = only(light(steps=7, scales=2, size=64), on_step=seen.append)
    assert [progress.step for progress in seen] == list(range(1, 8))
    assert {progress.steps for progress in seen} == {7}
    assert [progress.size for progress in seen] == [32] * 3 + [64] * 4
    assert result.steps == 7
    assert result.curve == tuple((progress.step, progress.losses[0]) for progress in seen)


@pytest.mark.parametrize(("steps", "expected"), [([2, 5], [16] * 2 + [32] * 5 + [64] * 5), ([1], [16, 32, 64])])
def test_a_list_names_the_steps_of_each_scale(steps, expected):
    seen = []
    result = only(light(size=64, steps=steps, scales=3), on_step=seen.append)
    assert [progress.size for progress in seen] == expected
    assert {progress.steps for progress in seen} == {result.steps} == {len(expected)}


@pytest.mark.parametrize("steps", [1, 2])
def test_fewer_steps_than_scales_are_done_at_full_size(steps):
    seen = []
    only(light(steps=steps, scales=3, size=128), on_step=seen.append)
    assert [progress.size for progress in seen] == [128] * steps


def test_curve_is_thinned_and_keeps_the_last():
    steps = 1003
    tiny = {"style_layers": "relu1_1", "content_layers": "relu1_1", "size": 16}
    result = only(small(steps=steps, **tiny))
    assert len(result.curve) <= 500
    assert result.curve[-1] == (steps, result.losses["total"])
    assert [n for n, _ in result.curve] == sorted({n for n, _ in result.curve})


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "sgd", "normalized-sgd"])
def test_terms_add_up_to_the_loss(optimizer):
    """Also after a step that the optimiser takes back: a factor of 30 makes L-BFGS overshoot."""
    rate = 1e-4 if optimizer == "sgd" else 30
    for steps in (2, 3, 4):
        losses = only(light(steps=steps, learning_rate=rate, optimizer=optimizer)).losses
        assert set(losses) == {"total", "content", "style", "total_variation"}
        assert sum(losses.values()) - losses["total"] == pytest.approx(losses["total"], rel=1e-5)


def test_says_how_it_was_made():
    result = only(light())
    assert (result.stop_reason, result.precision, result.resumed_from) == ("steps", "fp32", 0)
    assert set(result.seconds) == {"load", "render", "score"}
    assert all(value >= 0 for value in result.seconds.values())


@pytest.mark.parametrize("scores", [True, False])
def test_scores_are_there_where_they_are_asked_for(scores):
    found = only(small(), scores=scores).scores
    assert list(found) == (list(SCORES) if scores else [])
    assert all(math.isfinite(value) for value in found.values())


class TestSnapshots:
    def test_are_the_pictures_after_their_steps(self):
        """A render that ends at a step gives what a longer one shows there, once it has 8 bits."""
        result = only(light(steps=9, snapshots=[1, 4, 9, 70]))
        assert [snapshot.step for snapshot in result.snapshots] == [1, 4, 9]
        for snapshot in result.snapshots:
            expected = only(light(steps=snapshot.step)).pixels
            np.testing.assert_allclose(snapshot.pixels, expected, atol=0.501 / 255)
            assert snapshot.levels.dtype == np.uint8

    def test_come_at_regular_steps_of_all_sizes(self):
        result = only(light(steps=7, scales=2, size=64, snapshots={"every": 2}))
        assert [s.step for s in result.snapshots] == [2, 4, 6]
        assert [max(s.pixels.shape) for s in result.snapshots] == [32, 64, 64]
        assert only(light()).snapshots == ()

    def test_are_finished_as_the_result_is(self):
        result = only(light(style=GLASS, color="content", snapshots=[4]))
        np.testing.assert_allclose(result.snapshots[0].pixels, result.pixels, atol=0.501 / 255)

    @pytest.mark.filterwarnings("error")
    def test_of_a_hopeless_member_harm_no_other(self):
        """Its pixels are no numbers, and have no levels."""
        cells = [light(optimizer="adam", snapshots=[1, 3], style_weight=weight) for weight in (1e300, 20)]
        found = results(cells, batch=2)
        assert found[0].failure.kind == "not-finite"
        assert [snapshot.step for snapshot in found[1].snapshots] == [1, 3]


class TestTolerance:
    def test_ends_a_scale_where_twenty_steps_gain_little(self):
        """The loss of the last ten steps against the ten before: half of what twenty would gain."""
        seen = []
        result = only(light(**RESTLESS, style_weight=20, spectral_exponent=0.25), on_step=seen.append)
        assert result.stop_reason == "tolerance"
        assert result.pixels.shape[1] == 64
        assert result.steps == len(seen) < 90
        for size in (32, 64):
            losses = [progress.losses[0] for progress in seen if progress.size == size]
            gains = [1 - sum(losses[n - 10 : n]) / sum(losses[n - 20 : n - 10]) for n in range(20, len(losses) + 1)]
            assert all(gain >= 0.01 for gain in gains[:-1])
            assert len(losses) == 45 or gains[-1] < 0.01

    def test_stops_each_of_a_batch_on_its_own(self):
        """Steps, curves, pictures and snapshots are those of a cell alone, although others of its batch go on."""
        settings = {**RESTLESS, "optimizer": "adam", "tolerance": 0.3, "snapshots": {"every": 10}, "init": "noise"}
        cells = [light(**settings, learning_rate=0.05, style_weight=weight) for weight in (0.01, 20, 1e4)]
        sizes = []
        together = results(cells, batch=3, on_step=lambda progress: sizes.append(len(progress.indices)))
        alone = [only(cell) for cell in cells]
        assert set(sizes) == {3}
        assert len({result.steps for result in alone}) > 1  # or this would have tested nothing
        for one, other in zip(together, alone, strict=True):
            assert (one.steps, one.stop_reason) == (other.steps, other.stop_reason)
            assert [n for n, _ in one.curve] == list(range(1, one.steps + 1))
            assert [loss for _, loss in one.curve] == pytest.approx([loss for _, loss in other.curve], rel=1e-2)
            assert [s.step for s in one.snapshots] == [s.step for s in other.snapshots]
            assert [s.levels.shape for s in one.snapshots] == [s.levels.shape for s in other.snapshots]
            assert np.abs(one.pixels - other.pixels).mean() < 1e-2

    @pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
    def test_shows_the_picture_at_which_it_stopped(self, optimizer):
        settings = {**RESTLESS, "optimizer": optimizer, "scales": 1, "size": 32, "snapshots": {"every": 1}}
        found = results([light(**settings, style_weight=weight) for weight in (0.01, 1e4)], batch=2)
        assert len({result.steps for result in found}) == 2
        for result in found:
            last = result.snapshots[-1]
            assert last.step == result.steps
            np.testing.assert_allclose(last.pixels, result.pixels, atol=0.501 / 255)

    def test_averages_that_go_on_to_the_next_scale_are_single_cells(self):
        cells = [light(**RESTLESS, optimizer="adam", average=0.5, seed=seed) for seed in (0, 1)]
        sizes = []
        results(cells, batch=2, on_step=lambda progress: sizes.append(len(progress.indices)))
        assert set(sizes) == {1}


class TestTimeLimit:
    def test_ends_at_full_size(self):
        """What is left of the coarse size is left out, and each finer one is seen once."""
        seen = []
        cell = small(noise(64, 64), size=64, scales=3, steps=30_000, time_limit=0.3)
        result = only(cell, on_step=seen.append)
        assert result.stop_reason == "time"
        assert result.pixels.shape == (64, 64, 3)
        assert result.steps == len(seen) < 30_000
        assert [progress.size for progress in seen[-2:]] == [32, 64]
        assert result.seconds["render"] >= 0.3

    def test_changes_nothing_of_a_render_that_keeps_it(self):
        cell = light()
        hurried = only(dataclasses.replace(cell, settings=dataclasses.replace(cell.settings, time_limit=1000.0)))
        assert np.array_equal(hurried.pixels, only(cell).pixels)
        assert hurried.stop_reason == "steps"
