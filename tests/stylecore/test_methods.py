"""The methods: what each makes of its pictures, what it asks for, and what it does not look at."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_cells import CAT, COFFEE, GLASS, WAVES, box, failure, flat, light, noise, only, png, small

from stylecore import Cell, Settings, images
from stylecore.images import Picture

RECONSTRUCTED = {"method": "content-reconstruction", "size": 48, "content_layers": "relu1_1", "tv_weight": 0}
TEXTURE = {"method": "style-reconstruction", "size": 64, "scales": 1, "precision": "fp32"}


def content_only(content=CAT, **settings):
    return Cell(content, (), Settings.resolve({**RECONSTRUCTED, "precision": "fp32", **settings}))


def texture(style=WAVES, **settings):
    return Cell(None, (style,), Settings.resolve({**TEXTURE, **settings}))


def psnr(pixels, expected):
    """Peak signal-to-noise ratio in dB."""
    return -10 * np.log10(np.square(pixels - expected).mean())


class TestStyleTransfer:
    def test_style_comes_nearer_and_content_stays(self):
        """The picture moves, its style loss falls by far, and it still correlates with the photograph."""
        seen = []
        result = only(small(steps=30), on_step=seen.append)
        content = images.fit(images.read(CAT), 64).pixels
        assert result.losses["total"] < 0.15 * seen[0].losses[0]
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

    @pytest.mark.parametrize("color", ["histogram", "cholesky", "pca", "symmetric"])
    def test_a_style_can_be_given_the_contents_colours_first(self, color):
        """A blue style for a grey photograph: no blue comes into the picture."""
        grey = np.repeat(images.fit(images.read(CAT), 32).pixels.mean(2, keepdims=True), 3, axis=2)
        waves = images.read(WAVES).pixels * (0.2, 0.3, 1)
        blueness = {}
        for name in ("style", color):
            pixels = only(light(png(grey), png(waves), steps=10, color=name, style_weight=1e3)).pixels
            blueness[name] = (pixels[..., 2] - pixels[..., 0]).mean()
        assert blueness["style"] > 0.05  # or there was nothing to take away
        assert abs(blueness[color]) < 0.02

    def test_transparency_is_put_back(self):
        alpha = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
        content = Picture(images.read(noise(48, 64)).pixels, alpha, "transparent")
        assert np.array_equal(only(small(content)).alpha, alpha)
        assert only(small()).alpha is None


class TestContentReconstruction:
    def test_recovers_the_picture_from_a_low_layer(self):
        """From noise, better with every evaluation; Gatys et al. 2016, figure 1: nearly perfect from low layers."""
        content = images.fit(images.read(CAT), 48).pixels
        ratios = [psnr(only(content_only(steps=steps)).pixels, content) for steps in (1, 8, 40)]
        assert ratios[0] < 16
        assert ratios[0] + 3 < ratios[1] < ratios[2] - 3
        assert ratios[2] > 25

    def test_a_higher_layer_keeps_less(self):
        content = images.fit(images.read(CAT), 48).pixels
        low, high = (
            psnr(only(content_only(steps=20, content_layers=layer)).pixels, content) for layer in ("relu1_1", "relu3_1")
        )
        assert high < low - 3

    def test_looks_at_no_style(self):
        """Not even at whether it can be read; its loss has no such term."""
        cell = content_only(steps=2)
        result = only(cell)
        assert result.losses["style"] == 0
        with_style = dataclasses.replace(cell, styles=(b"no picture",), masks=(b"none either",))
        assert np.array_equal(only(with_style).pixels, result.pixels)

    def test_the_content_counts_where_its_mask_is_white(self):
        content = images.fit(images.read(COFFEE), 48).pixels
        cell = dataclasses.replace(content_only(COFFEE, steps=25), content_mask=box(40, 60, slice(None), slice(30)))
        pixels = only(cell).pixels
        assert psnr(pixels[:, :20], content[:, :20]) > 20
        assert psnr(pixels[:, 28:], content[:, 28:]) < 13

    def test_scores_know_no_style(self):
        scores = only(content_only(steps=2), scores=True).scores
        assert scores
        assert not any(name.startswith("style") for name in scores)


class TestStyleReconstruction:
    def test_makes_a_picture_of_the_styles_statistics(self):
        seen = []
        result = only(texture(GLASS, steps=25, size=48), on_step=seen.append)
        assert result.losses["total"] < 0.3 * seen[0].losses[0]
        assert result.losses["content"] == 0
        glass = images.fit(images.read(GLASS), 48).pixels
        np.testing.assert_allclose(result.pixels.mean((0, 1)), glass.mean((0, 1)), atol=0.1)

    @pytest.mark.parametrize(("size", "shape"), [("48x32", (32, 48, 3)), (64, (48, 64, 3)), ("5%", (38, 51, 3))])
    def test_its_canvas_has_the_size_asked_for_or_the_styles_shape(self, size, shape):
        layers = {"style_layers": "relu1_1"}
        assert only(texture(size=size, steps=2, **layers)).pixels.shape == shape

    def test_looks_at_no_content(self):
        cell = texture(steps=2, style_layers="relu2_1")
        expected = only(cell).pixels
        for content in (CAT, b"no picture"):
            given = dataclasses.replace(cell, content=content, content_mask=b"none either")
            assert np.array_equal(only(given).pixels, expected)

    def test_scores_know_no_content(self):
        scores = only(texture(steps=2), scores=True).scores
        assert scores
        assert not any(name.startswith("content") for name in scores)


class TestWhatIsNeeded:
    @pytest.mark.parametrize(
        ("cell", "missing"),
        [
            (Cell(None, (WAVES,), light().settings), "content"),
            (Cell(CAT, (), light().settings), "style"),
            (dataclasses.replace(content_only(), content=None), "content"),
            (dataclasses.replace(texture(), styles=()), "style"),
        ],
    )
    def test_is_said_where_it_is_missing(self, cell, missing):
        error = failure(cell)
        assert error.kind == "setting"
        assert f"{cell.settings.method} needs a {missing} picture" in str(error)

    def test_a_flat_result_is_none(self):
        assert failure(content_only(flat(), init="content", steps=1)).kind == "flat-picture"
