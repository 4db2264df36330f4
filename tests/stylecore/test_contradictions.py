"""Contradictions: each is found, names the setting to change, and says what would be accepted."""

from __future__ import annotations

import pytest

from stylecore.contradictions import MATRICES
from stylecore.errors import SettingError
from stylecore.settings import Settings
from stylecore.statistics import STATISTICS

FOUND = [
    (
        {"method": "style-reconstruction", "init": "content"},
        "init",
        "style-reconstruction uses no content picture to start from; expected noise, grey, style or a picture",
    ),
    (
        {"method": "content-reconstruction", "init": {"style": 1, "noise": 1}},
        "init",
        "content-reconstruction uses no style picture to start from; expected noise, grey, content or a picture",
    ),
    ({"size": 128, "scales": [64, 256]}, "scales", "256 is larger than the picture (size: 128); expected at most 128"),
    ({"size": "100x128", "scales": [129]}, "scales", "129 is larger than the picture (size: 100x128)"),
    (
        {"style_statistic": ["gram", "wasserstein2"], "style_normalization": "paper"},
        "style_normalization",
        "defined for gram and centered_gram only, and style_statistic is wasserstein2; expected target or mean",
    ),
    ({"balance": "terms"}, "balance", "expected balance: none, or optimizer: adam, sgd or normalized-sgd"),
    ({"balance": "layers"}, "balance", "L-BFGS"),
    (
        {"balance": "terms", "optimizer": "adam", "tolerance": 0.01},
        "tolerance",
        "expected tolerance: 0, or balance: none or layers",
    ),
    (
        {"method": "style-reconstruction", "color": "content"},
        "color",
        "content needs a content picture, and style-reconstruction uses none; expected style",
    ),
    (
        {"method": "content-reconstruction", "color": "pca"},
        "color",
        "pca needs a style picture, and content-reconstruction uses none; expected style or content",
    ),
    ({"animation": "webp"}, "animation", "webp shows snapshots, and there are none; set snapshots too"),
    (
        {"tile": 47},
        "tile",
        "47 pixels are too few for layers down to relu5_1, which see far beyond such a tile; expected "
        "at least 48, auto or off",
    ),
    (
        {"tile": 23, "style_layers": "relu3_1"},
        "tile",
        "down to relu4_2, which see far beyond such a tile; expected at least 24",
    ),
    ({"tile": 256, "balance": "layers", "optimizer": "adam"}, "tile", "256 does not go with balance: layers"),
]

TOGETHER = [
    {"tile": 48},
    {"tile": 4, "style_layers": "relu1_2", "content_layers": "relu1_1"},
    {"tile": "auto", "balance": "layers", "optimizer": "adam"},
    {"method": "style-reconstruction", "init": "style"},
    {"method": "style-reconstruction", "init": {"style": 1, "noise": 1}},
    {"method": "style-reconstruction", "init": "a picture.png"},
    {"method": "content-reconstruction", "init": "content", "color": "content"},
    {"init": {"content": 0.5, "style": 0.5, "grey": 1}},
    {"size": 128, "scales": [64, 128]},
    {"size": "100x128", "scales": [128]},
    {"size": 128, "scales": {"from": 128, "factor": 2}},
    {"size": 64, "scales": {"from": 128, "factor": 2}},
    {"size": 16, "scales": 8},
    {"size": "50%", "scales": [1024]},  # known once there is a picture
    {"style_statistic": ["gram", "centered_gram"], "style_normalization": "channels"},
    {"style_statistic": list(STATISTICS), "style_normalization": "mean"},
    {"style_statistic": list(STATISTICS), "style_normalization": "target"},
    {"method": "content-reconstruction", "style_statistic": "mrf", "style_normalization": "paper"},  # no style
    {"balance": "layers", "optimizer": "sgd", "tolerance": 0.01},
    {"balance": "terms", "optimizer": "normalized-sgd"},
    {"tolerance": 0.01},
    {"animation": "gif", "snapshots": {"every": 5}},
]


@pytest.mark.parametrize(("values", "setting", "text"), FOUND)
def test_is_found_and_says_what_would_do(values, setting, text):
    with pytest.raises(SettingError) as caught:
        Settings.resolve(values)
    assert caught.value.setting == setting
    assert str(caught.value).startswith(f"{setting}: ")
    assert text in str(caught.value)


@pytest.mark.parametrize("values", TOGETHER)
def test_what_goes_together_is_left_alone(values):
    Settings.resolve(values)


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"preset": "gatys-notebook", "method": "style-reconstruction"}, "init"),
        ({"preset": "crowsonkb", "size": 100, "scales": [128]}, "scales"),
        ({"preset": "gatys-2016", "style_statistic": "histogram"}, "style_normalization"),
        ({"preset": "hvass", "encoder": "vgg16-torchvision", "optimizer": "lbfgs"}, "balance"),
        ({"preset": "style-reconstruction-2018", "init": "content"}, "init"),
    ],
)
def test_names_the_preset_that_something_contradicts(values, setting):
    with pytest.raises(SettingError, match=rf"\(preset {values['preset']}\)$") as caught:
        Settings.resolve(values)
    assert caught.value.setting == setting


def test_matrices_are_the_statistics_that_are_matrices():
    """The table that is read without torch, against the statistics themselves."""
    assert set(MATRICES) == {name for name, statistic in STATISTICS.items() if statistic.matrix}
