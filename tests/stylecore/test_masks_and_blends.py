"""Several styles in one picture: blended everywhere, or each in its place; and masks that cannot be used."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_cells import CAT, COFFEE, GLASS, LIGHT, WAVES, box, failure, flat, noise, only, png, results

from stylecore import Cell, Settings, Style, images

LEFT, RIGHT = box(40, 60, slice(None), slice(30)), box(40, 60, slice(None), slice(30, None))
ALL = box(40, 60, slice(None), slice(None))
PAINTED = {"size": 64, "scales": 1, "steps": 20, "precision": "fp32", "content_weight": 0.05, "style_weight": 100}
"""On the five layers of the shipped network, and far towards the style."""
RED, BLUE, GREY = (0.8, 0.15, 0.1), (0.1, 0.2, 0.8), (0.45, 0.45, 0.45)
STILL = {"spectral_exponent": 0, "tv_weight": 0, "style_layers": "relu1_1", "content_layers": "relu1_1", "steps": 12}
"""Pixels that no gradient reaches stay where they are."""


def cell(*styles, content=COFFEE, masks=(), content_mask=None, **settings):
    return Cell(
        content,
        styles,
        Settings.resolve({**LIGHT, "steps": 4, **settings}),
        None,
        masks,
        content_mask,
    )


def speckled(color, seed=0, shape=(48, 48)):
    """A picture of one colour, but for a little grain."""
    grain = np.random.default_rng(seed).normal(0, 0.03, (*shape, 1))
    return png(np.clip(np.asarray(color) + grain, 0, 1))


def redness(pixels):
    """Mean of red less blue."""
    return float((pixels[..., 0] - pixels[..., 2]).mean())


class TestPlaces:
    def test_each_half_takes_its_own_colours(self):
        """Of a grey content; the middle, which the highest layers see as both, is left out."""
        styles, settings = (speckled(RED), speckled(BLUE, 1)), Settings.resolve(PAINTED)
        for masks, sign in (((LEFT, RIGHT), 1), ((RIGHT, LEFT), -1)):
            pixels = only(Cell(speckled(GREY, shape=(40, 60)), styles, settings, masks=masks)).pixels
            red, blue = (redness(half) for half in (pixels[:, :22], pixels[:, -22:])[::sign])
            assert red > blue + 0.2

    def test_what_no_mask_covers_is_left_to_the_content(self):
        """Away from the border of what is covered."""
        pixels = only(cell(GLASS, masks=(LEFT,), **STILL, size=48)).pixels
        content = images.fit(images.read(COFFEE), 48).pixels
        assert np.abs(pixels[:, :20] - content[:, :20]).mean() > 0.02
        np.testing.assert_allclose(pixels[:, 28:], content[:, 28:], atol=1e-3)

    def test_a_mask_that_is_white_everywhere_is_none(self):
        np.testing.assert_allclose(only(cell(GLASS, masks=(ALL,))).pixels, only(cell(GLASS)).pixels, atol=1e-4)

    def test_masks_are_scaled_and_cut_as_the_content_is(self):
        """An exact size of a quarter of the width: only the middle of the mask is left, half of it white."""
        pixels = only(cell(GLASS, masks=(LEFT,), **STILL, size="32x64")).pixels
        content = images.fill(images.read(COFFEE), 32, 64).pixels
        assert np.abs(pixels[:, :13] - content[:, :13]).mean() > 0.02
        np.testing.assert_allclose(pixels[:, 24:], content[:, 24:], atol=1e-3)

    def test_a_mask_may_have_another_resolution(self):
        fine = box(400, 600, slice(None), slice(300))
        np.testing.assert_allclose(
            only(cell(GLASS, masks=(fine,))).pixels, only(cell(GLASS, masks=(LEFT,))).pixels, atol=0.02
        )


class TestPartsOfStyles:
    def test_only_the_white_part_is_taken(self):
        """Of a style that is red on the left and blue on the right."""
        both = np.concatenate([np.broadcast_to(RED, (48, 24, 3)), np.broadcast_to(BLUE, (48, 24, 3))], axis=1)
        style = png(np.clip(both + np.random.default_rng(0).normal(0, 0.02, (48, 48, 1)), 0, 1))
        halves = box(48, 48, slice(None), slice(22)), box(48, 48, slice(None), slice(26, None))
        left, right = (
            redness(only(cell(Style(style, mask=half), steps=15, style_weight=1e4)).pixels) for half in halves
        )
        assert left > right + 0.3

    def test_all_of_it_is_the_style(self):
        white = box(48, 48, slice(None), slice(None))
        masked = only(cell(Style(GLASS, mask=white))).pixels
        np.testing.assert_allclose(masked, only(cell(GLASS)).pixels, atol=1e-4)


class TestBlends:
    @pytest.mark.parametrize("statistic", ["gram", "sliced_wasserstein"])
    def test_weights_are_shares_of_their_sum(self, statistic):
        settings = {"style_statistic": statistic}
        blends = [
            only(cell(Style(WAVES, a), Style(GLASS, b), **settings)).pixels for a, b in ((1, 3), (20, 60), (3, 1))
        ]
        np.testing.assert_allclose(blends[0], blends[1], atol=1e-4)
        assert np.abs(blends[0] - blends[2]).mean() > 1e-3

    @pytest.mark.parametrize("statistic", ["gram", "mrf"])
    def test_a_style_twice_or_beside_one_of_no_weight_is_the_style(self, statistic):
        alone = only(cell(GLASS, style_statistic=statistic)).pixels
        for styles in ((Style(GLASS, 2), Style(GLASS, 1)), (Style(GLASS, 1), Style(WAVES, 0))):
            np.testing.assert_allclose(only(cell(*styles, style_statistic=statistic)).pixels, alone, atol=1e-3)

    @pytest.mark.parametrize("statistic", ["gram", "wasserstein2", "histogram"])
    def test_lies_between_its_styles(self, statistic):
        settings = {"style_statistic": statistic, "steps": 15, "style_weight": 1e4}
        red, both, blue = (
            redness(only(cell(Style(speckled(RED), 1 - share), Style(speckled(BLUE), share), **settings)).pixels)
            for share in (0, 0.5, 1)
        )
        assert blue + 0.05 < both < red - 0.05


class TestWhatCannotBeUsed:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"masks": (box(40, 40, slice(9), slice(9)),)}, "mask 1 has 40×40 pixels and its picture 600×400"),
            ({"masks": (box(40, 60, slice(0), slice(0)),)}, "mask 1 is all black"),
            ({"masks": (LEFT, RIGHT)}, "2 masks for 1 styles; expected one for each style"),
            ({"content_mask": box(60, 40, slice(9), slice(9))}, "content_mask has 40×60 pixels"),
            ({"content_mask": box(40, 60, slice(0), slice(0))}, "content_mask is all black"),
            ({"styles": (Style(WAVES, mask=LEFT),)}, "mask of the style has 60×40 pixels"),
            ({"styles": (Style(WAVES, mask=box(36, 48, slice(0), slice(0))),)}, "mask of the style is all black"),
        ],
    )
    def test_masks(self, change, said):
        error = failure(dataclasses.replace(cell(WAVES), **change))
        assert error.kind == "mask"
        assert said in str(error)
        assert "expected" in str(error)

    def test_a_part_of_a_style_that_no_layer_sees(self):
        """At 33 pixels the last column is beyond all positions of relu2_1."""
        style = Style(noise(25, 33), mask=box(25, 33, slice(None), slice(32, None)))
        error = failure(cell(style, style_scale=33 / 32))
        assert error.kind == "mask"
        assert "nothing of it is left at relu2_1" in str(error)

    @pytest.mark.parametrize("weights", [(0, 0), (1, -1), (2, -1), (1, float("nan")), (1, float("inf"))])
    def test_weights(self, weights):
        error = failure(cell(Style(WAVES, weights[0]), Style(GLASS, weights[1])))
        assert error.kind == "setting"
        assert "expected numbers of at least 0, one of them above" in str(error)

    def test_an_unreadable_mask_costs_its_own_cell(self):
        broken = dataclasses.replace(cell(WAVES), masks=(b"no picture",))
        found = results([cell(WAVES), broken, cell(WAVES, content=CAT)], batch=3)
        assert [result.failure and result.failure.kind for result in found] == [None, "unreadable-picture", None]


def test_flat_styles_paint_too():
    """A style of one colour has no variance, and no statistic may divide by it."""
    for statistic in ("gram", "centered_gram", "mean_std", "wasserstein2", "sliced_wasserstein", "histogram", "mrf"):
        assert np.isfinite(only(cell(flat(RED), style_statistic=statistic, steps=3)).pixels).all()
