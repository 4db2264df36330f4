"""Checkpoints: an interrupted render goes on to the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
from interruptions import Kept, assert_same, interrupted
from small_cells import COFFEE, GLASS, WAVES, box, light, results

from stylecore import Cell, StylepressError, render

LONG = {"steps": 9, "scales": 2, "size": 48, "snapshots": {"every": 2}}
"""Four steps at 24 pixels and five at 48."""


OPTIMIZERS = [
    {"optimizer": "lbfgs", "history_size": 3},
    {"optimizer": "lbfgs", "line_search": "none", "spectral_exponent": 0},
    {"optimizer": "adam"},
    {"optimizer": "adam", "average": 0.9, "learning_rate_decay": 0.1},
    {"optimizer": "sgd", "learning_rate": 1e-4},
    {"optimizer": "normalized-sgd", "balance": "terms"},
    {"optimizer": "adam", "style_statistic": "sliced_wasserstein"},
]


@pytest.mark.parametrize("settings", OPTIMIZERS)
def test_goes_on_to_the_same_pixels_from_any_step(settings):
    """The first, in the middle, the last of a size (4) and the one before the end; one after the other."""
    cell = light(**LONG, **settings, seed=1, init={"content": 1, "noise": 1})
    (expected,) = results([cell])
    for step in (1, 3, 4, 8):
        kept = Kept()
        assert interrupted([cell], kept, step) == []
        (result,) = results([cell], checkpoints=kept)
        assert result.resumed_from == step
        assert_same(result, expected)


def test_goes_on_from_interruption_to_interruption():
    cell, kept = light(**LONG), Kept()
    for _ in range(8):
        assert interrupted([cell], kept, 1) == []
    (result,) = results([cell], checkpoints=kept)
    assert result.resumed_from == 8
    assert_same(result, results([cell])[0])


def test_checkpoints_are_kept_while_a_cell_is_rendered_and_not_at_its_end():
    """As often as asked for, but for what keeping one takes; the last steps' state is of no use to anyone."""
    kept, steps = Kept(every=0), []
    cell = light(steps=60)
    (expected,) = results([cell], checkpoints=kept, on_step=lambda progress: steps.append(progress.step))
    assert 1 <= kept.saves < 60
    (result,) = results([cell], checkpoints=kept)
    assert 0 < result.resumed_from < 60
    assert_same(result, expected)
    kept = Kept(every=0)
    results([light(steps=1)], checkpoints=kept)
    assert kept.saves == 0


def test_time_of_earlier_runs_counts():
    cell, kept = light(steps=4000, time_limit=0.4), Kept()
    while not interrupted([cell], kept, 8):
        assert kept.saves < 1000
    (result,) = results([light(steps=4000, time_limit=0.4)], checkpoints=kept)
    assert result.stop_reason == "time"
    assert result.seconds["render"] >= 0.4


class TestBatches:
    CELLS = (
        light(**LONG, seed=1, init="noise"),
        light(**LONG, style=GLASS, content_weight=2),
        light(**LONG, style_weight=0.5),
        light(**LONG, color="content"),
    )

    def test_go_on_as_batches(self):
        expected, kept, sizes = results(self.CELLS, batch=4), Kept(), set()
        assert interrupted(self.CELLS, kept, 3, batch=4) == []
        again = results(self.CELLS, batch=4, checkpoints=kept, on_step=lambda p: sizes.add(p.indices))
        assert sizes == {(0, 1, 2, 3)}
        for result, whole in zip(again, expected, strict=True):
            assert result.resumed_from == 3
            assert_same(result, whole)

    def test_members_at_different_steps_go_on_apart(self):
        expected, kept, sizes = results(self.CELLS, batch=4), Kept(), set()
        for index, step in ((0, 6), (2, 6), (3, 2)):
            alone = Kept()
            interrupted([self.CELLS[index]], alone, step)
            kept.data[index] = alone.data[0]
        again = results(self.CELLS, batch=4, checkpoints=kept, on_step=lambda p: sizes.add(p.indices))
        assert sizes == {(0, 2), (1,), (3,)}
        assert [result.resumed_from for result in again] == [6, 0, 6, 2]
        for result, whole in zip(again, expected, strict=True):
            np.testing.assert_allclose(result.pixels, whole.pixels, atol=1 / 255)
            assert [n for n, _ in result.curve] == list(range(1, 10))

    def test_rows_that_have_stopped_stay_where_they_are(self):
        """One has reached its tolerance when the batch is interrupted; it goes on with the others, or alone."""
        settings = {"steps": 80, "scales": 1, "tolerance": 0.3, "optimizer": "adam", "snapshots": {"every": 7}}
        cells = [light(**settings, style_weight=weight, init="noise") for weight in (0.01, 20, 1e4)]
        expected = results(cells, batch=3)
        steps = sorted(result.steps for result in expected)
        assert steps[0] < steps[2] - 1
        kept = Kept()
        assert interrupted(cells, kept, steps[0] + 1, batch=3) == []
        for result, whole in zip(results(cells, batch=3, checkpoints=kept), expected, strict=True):
            assert_same(result, whole)
        first = min(expected, key=lambda result: result.steps)
        alone = Kept()
        alone.data[0] = kept.data[first.index]
        (result,) = results([cells[first.index]], checkpoints=alone)
        assert np.array_equal(result.pixels, first.pixels)
        assert (result.steps, result.stop_reason) == (first.steps, "tolerance")

    def test_one_that_fails_leaves_the_others_checkpoints_alone(self):
        mask = box(40, 60, slice(None), slice(None))
        cells = [Cell(COFFEE, (WAVES,), light(**LONG).settings, masks=(mask,)) for _ in range(2)]
        expected, kept = results(cells, batch=2), Kept()
        interrupted(cells, kept, 3, batch=2)
        black = Cell(COFFEE, (WAVES,), light(**LONG).settings, masks=(box(40, 60, slice(0), slice(0)),))
        found = results([*cells, black], batch=3, checkpoints=kept)
        assert [result.failure and result.failure.kind for result in found] == [None, None, "mask"]
        for result, whole in zip(found, expected, strict=False):
            assert result.resumed_from == 3
            assert_same(result, whole)


@pytest.mark.parametrize("error", [StylepressError, OSError, RuntimeError])
@pytest.mark.parametrize("name", ["save", "load"])
def test_a_store_that_fails_is_the_callers_matter(error, name):
    """It is no failure of a cell, and no cell is rendered twice for it."""
    kept, seen = Kept(every=0), []

    def fails(*_):
        raise error("gone")

    setattr(kept, name, fails)
    with pytest.raises(error, match="gone"):
        list(render([light(), light(seed=1)], device="cpu", batch=2, checkpoints=kept, on_step=seen.append))
    assert len(seen) <= 1
