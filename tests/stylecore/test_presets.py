"""The published set-ups: that each is complete, can be overridden, and says what its source says."""

from __future__ import annotations

import pytest

from stylecore import presets, settings
from stylecore.errors import SettingError
from stylecore.presets import PRESETS
from stylecore.settings import Settings

# Layers beyond relu5_1 are not in the file that ships.
DEEP = {"chollet": "vgg19-torchvision", "google-tutorial": "vgg19-torchvision", "hvass": "vgg16-torchvision"}


GRAM = {"gram": 1.0}


def resolved(name, **values):
    return Settings.resolve({"preset": name, "encoder": DEEP.get(name, "vgg19"), **values})


@pytest.mark.parametrize("name", PRESETS)
def test_resolves_to_what_it_sets(name):
    for setting, value in PRESETS[name].items():
        assert getattr(resolved(name), setting) == settings.parse(setting, value)
    assert resolved(name).preset == name


@pytest.mark.parametrize("name", PRESETS)
def test_leaves_seed_and_encoder_to_the_cell(name):
    assert not {"seed", "encoder", "preset", "precision", "snapshots"} & set(PRESETS[name])


@pytest.mark.parametrize("name", PRESETS)
def test_everything_it_sets_can_be_overridden(name):
    """With the defaults, where these do not contradict what the preset sets else."""
    other = {**Settings().to_dict(), "init": "noise", "balance": "none", "optimizer": "adam", "style_statistic": GRAM}
    for setting in PRESETS[name]:
        assert getattr(resolved(name, **{setting: other[setting]}), setting) == other[setting]


@pytest.mark.parametrize("name", DEEP)
def test_one_that_needs_more_layers_than_ship_says_where_they_are(name):
    with pytest.raises(SettingError, match="choose encoder: vgg19-torchvision"):
        Settings.resolve({"preset": name})


def test_override_wins_whatever_the_order():
    for values in ({"steps": 7, "preset": "neural-style"}, {"preset": "neural-style", "steps": 7}):
        found = Settings.resolve(values)
        assert (found.steps, found.init, found.tv_norm) == (7, "noise", "absolute")


def test_no_preset_is_the_defaults():
    for none in ({}, {"preset": None}, {"preset": "none"}):
        assert Settings.resolve(none) == Settings()


def test_the_name_alone_decides_no_pixels():
    """A cell spelled out in full has the key of the preset it spells out."""
    assert resolved("gatys-2016").deciding() == Settings(**PRESETS["gatys-2016"]).deciding()


def test_an_unknown_one_suggests_the_nearest():
    with pytest.raises(SettingError, match="did you mean 'neural-style'"):
        Settings.resolve({"preset": "neural-stile"})


# What each source says of its optimisation, as it says it; its loss is compared in test_preset_formulas.
GREY = 1 / 255  # one level of a picture in 0–255
PUBLISHED = {
    "gatys-2016": {"pooling": "average", "init": "noise", "size": 512, "optimizer": "lbfgs", "tv_weight": 0},
    "gatys-notebook": {"pooling": "max", "init": "content", "steps": 500, "optimizer": "lbfgs", "history_size": 100},
    "neural-style": {"init": "noise", "noise": 0.001 * GREY, "size": 512, "steps": 1000, "history_size": 100},
    "anishathalye": {
        "init": "noise",
        "noise": 0.256 * GREY,
        "noise_distribution": "normal",
        "optimizer": "adam",
        "steps": 1000,
        "learning_rate": 10 * GREY,
        "adam_betas": [0.9, 0.999],
        "adam_epsilon": 1e-8,
    },
    "pytorch-tutorial": {"init": "content", "steps": 300, "history_size": 100, "optimizer": "lbfgs"},
    # dx = dy / 255 and ∂L/∂x = 255 ∂L/∂y: a rate of 100 on y in 0–255 is 100 / 255² on x in 0–1
    "chollet": {
        "init": "content",
        "optimizer": "sgd",
        "learning_rate": 100 * GREY**2,
        "learning_rate_decay": 0.96,
        "steps": 4000,
        "size": 400,
    },
    "google-tutorial": {
        "init": "content",
        "optimizer": "adam",
        "learning_rate": 0.02,
        "adam_betas": [0.99, 0.999],
        "adam_epsilon": 0.1,
        "steps": 1000,
        "size": 512,
    },
    "hvass": {
        "init": "noise",
        "noise": 0.5 * GREY,
        "noise_distribution": "uniform",
        "optimizer": "normalized-sgd",
        "learning_rate": 10 * GREY,
        "steps": 120,
        "balance": "terms",
    },
    "style-reconstruction-2018": {
        "method": "style-reconstruction",
        "init": "noise",
        "noise": 0.5,
        "noise_distribution": "uniform",
        "optimizer": "adam",
        "learning_rate": 0.1 * GREY,
        "adam_betas": [0.9, 0.999],
        "steps": 10_000,
    },
    "crowsonkb": {
        "init": "content",
        "padding": "replicate",
        "optimizer": "adam",
        "learning_rate": 0.02,
        "average": 0.99,
        "adam_betas": [0.9, 0.99],
        "style_statistic": {"wasserstein2": 1.0},
        "pooling": "max",
    },
}


@pytest.mark.parametrize("name", presets.PUBLISHED)
def test_optimises_as_published(name):
    found = resolved(name)
    for setting, published in PUBLISHED[name].items():
        value = getattr(found, setting)
        assert value == (pytest.approx(published) if isinstance(published, float) else published), setting


@pytest.mark.parametrize("name", presets.PUBLISHED)
def test_is_one_size_but_for_crowsonkb(name):
    """crowsonkb: 128 · √2ⁿ, 1000 steps, then 500 each; the study of 2018: 224 × 224 whatever the picture."""
    found = resolved(name)
    if name == "crowsonkb":
        assert found.canvases(512, 512) == [(128,) * 2, (181,) * 2, (256,) * 2, (362,) * 2, (512,) * 2]
        assert found.shares(5) == [1000, 500, 500, 500, 500]
    elif name == "style-reconstruction-2018":
        assert found.canvases(640, 480) == [(224, 224)]
    else:
        assert found.canvases(600, 600) == [(found.size, found.size)]


def test_standard_is_the_defaults_and_draft_and_fine_differ_in_what_they_take():
    draft, standard, fine = (resolved(name) for name in ("draft", "standard", "fine"))
    assert standard.deciding() == Settings().deciding()
    assert sum(draft.shares(3)) < sum(standard.shares(3)) < sum(fine.shares(3))
    for other in (draft, fine):
        same = {**other.deciding(), "steps": standard.steps, "style_statistic": standard.style_statistic}
        assert same == standard.deciding()
