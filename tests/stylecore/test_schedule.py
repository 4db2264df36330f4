"""Sizes and steps: what they come to for pictures of many shapes, in tables reckoned by hand."""

from __future__ import annotations

import pytest

from stylecore import schedule
from stylecore.settings import Settings

ROOT = {"from": 128, "factor": 2**0.5}


@pytest.mark.parametrize(
    ("width", "height", "longest", "expected"),
    [
        (800, 600, 512, (512, 384)),
        (600, 800, 512, (384, 512)),
        (640, 640, 100, (100, 100)),
        (1000, 333, 500, (500, 167)),  # 166.5, half up
        (3, 2, 512, (512, 341)),  # enlarged; 341.33
        (10_000, 10, 512, (512, 1)),  # 0.512
        (10_000, 3, 512, (512, 1)),  # 0.15, but never nothing
    ],
)
def test_a_picture_is_scaled_to_its_longest_side(width, height, longest, expected):
    assert schedule.canvas(width, height, longest) == expected


def test_no_canvas_is_empty():
    with pytest.raises(ValueError, match="expected at least 1"):
        schedule.canvas(10, 10, 0)


@pytest.mark.parametrize(
    ("size", "scales", "picture", "expected"),
    [
        (512, 1, (800, 600), [(512, 384)]),
        (512, 3, (800, 600), [(128, 96), (256, 192), (512, 384)]),
        (32, 4, (64, 64), [(16, 16), (32, 32)]),  # never below 16
        (100, 2, (300, 100), [(50, 17), (100, 33)]),
        # auto: 1/√2 while at least 128 remain
        (512, "auto", (600, 800), [(96, 128), (136, 181), (192, 256), (272, 362), (384, 512)]),
        (256, "auto", (64, 64), [(128, 128), (181, 181), (256, 256)]),
        (254, "auto", (64, 64), [(180, 180), (254, 254)]),
        (180, "auto", (64, 64), [(180, 180)]),
        (64, "auto", (64, 64), [(64, 64)]),
        # lists end with the size, whatever they say
        (300, [64, 150], (2, 1), [(64, 32), (150, 75), (300, 150)]),
        (300, [300, 64], (2, 1), [(64, 32), (300, 150)]),
        (300, [64, 64], (2, 1), [(64, 32), (300, 150)]),
        # crowsonkb: 512 / √2ⁿ down to 128
        (512, ROOT, (1, 1), [(128, 128), (181, 181), (256, 256), (362, 362), (512, 512)]),
        (512, {"from": 128, "factor": 1.414}, (1, 1), [(128,) * 2, (181,) * 2, (256,) * 2, (362,) * 2, (512,) * 2]),
        (512, {"from": 129, "factor": 2**0.5}, (1, 1), [(181, 181), (256, 256), (362, 362), (512, 512)]),
        (128, ROOT, (1, 1), [(128, 128)]),
        (512, {"factor": 4}, (1, 1), [(128, 128), (512, 512)]),  # from 128, as for auto
        # an exact size: the picture's shape does not matter
        ("640x480", 1, (100, 900), [(640, 480)]),
        ("640x480", 2, (100, 900), [(320, 240), (640, 480)]),
        ("224x224", 1, (1920, 1080), [(224, 224)]),
        ("480x640", [120], (1, 1), [(90, 120), (480, 640)]),
        # a share of the picture
        ("50%", 1, (800, 600), [(400, 300)]),
        ("200%", 1, (100, 75), [(200, 150)]),
        ("12.5%", 1, (800, 600), [(100, 75)]),
        ("1%", 1, (800, 600), [(16, 12)]),  # never below 16
        ("50%", [100, 900], (800, 600), [(100, 75), (400, 300)]),
    ],
)
def test_canvases_go_from_coarse_to_the_size_asked_for(size, scales, picture, expected):
    low = {"style_layers": "relu1_1", "content_layers": "relu1_1"}
    assert Settings(size=size, scales=scales, **low).canvases(*picture) == expected


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("relu5_1", [(362, 18), (512, 26)]),  # 256×13 has no position at relu5_1, which needs 16 pixels
        ("relu4_1", [(181, 9), (256, 13), (362, 18), (512, 26)]),
        ("relu1_1", [(128, 6), (181, 9), (256, 13), (362, 18), (512, 26)]),
    ],
)
def test_auto_leaves_out_what_is_too_low_for_the_layers(layers, expected):
    panorama = Settings(size=512, scales="auto", style_layers=layers, content_layers="relu1_1")
    assert panorama.canvases(2000, 100) == expected


def test_only_layers_of_the_method_count():
    values = {"size": 512, "style_layers": "relu1_1", "content_layers": "relu5_1"}
    both, style = Settings.resolve(values), Settings.resolve({**values, "method": "style-reconstruction"})
    content = Settings.resolve({**values, "method": "content-reconstruction", "scales": "auto"})
    assert (both.layers(), style.layers(), content.layers()) == (["relu5_1", "relu1_1"], ["relu1_1"], ["relu5_1"])
    assert [len(settings.canvases(2000, 100)) for settings in (both, style, content)] == [2, 5, 2]


def test_the_size_asked_for_stays_even_where_it_is_too_low():
    assert Settings(size=128, scales="auto").canvases(2000, 100) == [(128, 6)]


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [
        (300, 1, [300]),
        (300, 3, [100, 100, 100]),
        (200, 3, [66, 66, 68]),
        (2, 3, [0, 0, 2]),
        ([1000, 500], 5, [1000, 500, 500, 500, 500]),
        ([1000, 500], 1, [1000]),
        ([10, 20, 30], 3, [10, 20, 30]),
        ([7], 2, [7, 7]),
    ],
)
def test_steps_of_each_scale(steps, count, expected):
    assert Settings(steps=steps).shares(count) == expected


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("steps", [1, 6, 7, 301])
def test_shares_add_up(steps, count):
    assert sum(schedule.shares(steps, count)) == steps


@pytest.mark.parametrize(
    ("snapshots", "kept"),
    [(None, []), ([2, 5], [2, 5]), ({"every": 3}, [3, 6, 9]), ({"every": 20}, [])],
)
def test_snapshots_are_kept_of_the_steps_named(snapshots, kept):
    assert [step for step in range(1, 11) if schedule.wanted(snapshots, step)] == kept


@pytest.mark.parametrize(("size", "longest"), [(512, 512), ("640x480", 640), ("48x1024", 1024), ("50%", None)])
def test_longest_side(size, longest):
    assert schedule.longest_side(size) == longest
