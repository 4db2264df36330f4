"""What a render starts from, and the size of what it gives."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from small_cells import CAT, COFFEE, failure, flat, light, noise, only, png, results, small

from stylecore import images

MEAN = np.array([123.68, 116.779, 103.939]) / 255  # of the network, RGB


def start_of(cell):
    """The picture that a cell starts from: after one evaluation it is shown as it is."""
    return only(dataclasses.replace(cell, settings=dataclasses.replace(cell.settings, steps=1))).pixels


def test_content():
    np.testing.assert_allclose(start_of(small()), images.fit(images.read(CAT), 64).pixels, atol=1e-6)


def test_style_is_stretched_to_the_canvas():
    halves = png(np.concatenate([np.zeros((40, 20, 3)), np.ones((40, 20, 3))], axis=1))
    start = start_of(small(style=halves, init="style"))
    assert start.shape == images.fit(images.read(CAT), 64).pixels.shape
    assert start[:, :28].max() < 0.05
    assert start[:, 36:].min() > 0.95


@pytest.mark.parametrize(("distribution", "deviation"), [("normal", 0.05), ("uniform", 0.05 / math.sqrt(3))])
def test_noise_lies_around_the_mean_colour(distribution, deviation):
    """Of normal noise the deviation is given, of uniform noise half the width."""
    start = start_of(small(init="noise", noise=0.05, noise_distribution=distribution))
    assert np.allclose(start.mean((0, 1)), MEAN, atol=5 * 0.05 / math.sqrt(start[..., 0].size))
    assert start.std((0, 1)) == pytest.approx([deviation] * 3, rel=0.1)
    if distribution == "uniform":
        assert 0.045 < np.abs(start - MEAN).max() <= 0.0501


def test_seeds_give_other_noise_and_a_seed_the_same_in_all_blends():
    plain = [start_of(light(init="noise", seed=seed)) for seed in (1, 2)]
    assert np.abs(plain[0] - plain[1]).mean() > 0.05
    blend = start_of(light(init={"noise": 1, "grey": 1}, seed=1))
    np.testing.assert_allclose(blend, (plain[0] + 0.5) / 2, atol=1e-6)


def test_grey():
    """Seen beside a little of the content, for one colour alone is no result."""
    assert failure(light(init="grey", steps=1)).kind == "flat-picture"
    content = images.fit(images.read(CAT), 32).pixels
    start = start_of(light(init={"grey": 3, "content": 1}))
    np.testing.assert_allclose(start, 0.5 + (content - 0.5) / 4, atol=1e-5)


def test_a_blend_is_the_weighted_mean():
    """Weights are shares of their sum; Gatys' own start, content and noise."""
    parts = {"content": 2.7, "noise": 0.3}
    expected = sum(weight / 3 * start_of(light(init=name, noise=0.05)) for name, weight in parts.items())
    np.testing.assert_allclose(start_of(light(init=parts, noise=0.05)), expected, atol=1e-5)


def test_a_blend_with_a_style_takes_the_first():
    left, right = flat((1, 0, 0)), flat((0, 0, 1))
    cell = light(style=left, init={"style": 1, "content": 1})
    cell = dataclasses.replace(cell, styles=(left, right))
    content = images.fit(images.read(CAT), 32).pixels
    np.testing.assert_allclose(start_of(cell), (content + np.array([1, 0, 0])) / 2, atol=0.01)


@pytest.mark.parametrize("given", [COFFEE, COFFEE.read_bytes(), None])
def test_a_picture_given_or_named(given):
    start = start_of(small(start=given, init=str(COFFEE)))
    coffee = images.fit(images.read(COFFEE), 64).pixels
    np.testing.assert_allclose(start.mean((0, 1)), coffee.mean((0, 1)), atol=0.02)


def test_one_that_is_not_there_is_named():
    assert "no-such-start.png" in str(failure(small(init="no-such-start.png")))


class TestSizes:
    def test_size_is_the_longest_side(self):
        assert only(light(noise(40, 80), size=64)).pixels.shape == (32, 64, 3)
        assert only(light(noise(80, 40), size=64)).pixels.shape == (64, 32, 3)

    def test_a_picture_of_the_size_asked_for_is_not_resampled(self):
        content = noise(40, 64)
        np.testing.assert_allclose(start_of(light(content, size=64)), images.read(content).pixels, atol=1e-6)

    @pytest.mark.parametrize(("height", "width"), [(32, 48), (64, 32), (30, 30)])
    def test_an_exact_size_cuts_evenly(self, height, width):
        """A gradient from left to right, or from top to bottom, loses as much at either end."""
        content = np.zeros((48, 60, 3))
        content[..., 0], content[..., 1] = np.linspace(0, 1, 60), np.linspace(0, 1, 48)[:, None]
        start = start_of(light(png(content), size=f"{width}x{height}"))
        assert start.shape == (height, width, 3)
        np.testing.assert_allclose(start[..., :2].mean((0, 1)), 0.5, atol=0.01)
        across, down = min(1, 48 * width / height / 60), min(1, 60 * height / width / 48)  # what is left of it
        assert np.ptp(start[..., 0]) == pytest.approx(across, abs=0.05)
        assert np.ptp(start[..., 1]) == pytest.approx(down, abs=0.05)

    @pytest.mark.parametrize(("share", "shape"), [("50%", (30, 40, 3)), ("100%", (60, 80, 3)), ("1%", (16, 16, 3))])
    def test_a_share_of_the_content(self, share, shape):
        content = noise(60, 80) if share != "1%" else noise(50, 50)
        assert only(light(content, size=share)).pixels.shape == shape

    def test_shares_of_pictures_of_different_size_are_not_one_batch(self):
        found = results([light(noise(60, 80), size="50%"), light(noise(40, 80), size="50%")], batch=4)
        assert [result.pixels.shape for result in found] == [(30, 40, 3), (20, 40, 3)]

    def test_panoramas_skip_sizes_that_are_too_low_for_the_encoder(self):
        """12:1 at 224: the coarse size of `scales: auto`, 158, would be 13 pixels high, and relu5_1 needs 16."""
        seen = []
        result = only(small(noise(18, 224), size=224, scales="auto", steps=3), on_step=seen.append)
        assert result.pixels.shape == (18, 224, 3)
        assert {progress.size for progress in seen} == {224}

    def test_style_strips_stay_high_enough_for_the_encoder(self):
        found = results([small(style=noise(8, 200)), small(style=noise(200, 8), style_scale=0.1), small()], batch=3)
        assert all(result.failure is None for result in found)
