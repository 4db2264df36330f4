"""Renders that are interrupted, and where they leave their checkpoints, for the tests of going on."""

from __future__ import annotations

import numpy as np

from stylecore import checkpoint, render


class Kept:
    """Checkpoints in memory."""

    def __init__(self, every=1e9):
        self.every, self.data, self.saves = every, {}, 0

    def load(self, index):
        return self.data.get(index)

    def save(self, index, data):
        self.data[index], self.saves = data, self.saves + 1


def interrupted(cells, kept, step, **options):
    """Render until a number of steps is done; what is finished by then."""
    seen = []
    stopped = {"should_stop": lambda: len(seen) >= step, "on_step": seen.append}
    return list(render(cells, device="cpu", scores=False, checkpoints=kept, **stopped, **options))


def assert_same(result, expected):
    assert result.failure is None
    assert np.array_equal(result.pixels, expected.pixels)
    assert result.curve == expected.curve
    assert result.losses == expected.losses
    assert (result.steps, result.stop_reason) == (expected.steps, expected.stop_reason)
    assert [s.step for s in result.snapshots] == [s.step for s in expected.snapshots]
    for one, other in zip(result.snapshots, expected.snapshots, strict=True):
        assert np.array_equal(one.levels, other.levels)


def fingerprint_of(data):
    """The fingerprint that a checkpoint bears."""
    return checkpoint._about(data)["fingerprint"]
