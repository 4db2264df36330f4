"""The published set-ups: that each is complete, can be overridden, and says what its source says."""

from __future__ import annotations

import pytest

from stylecore import settings
from stylecore.errors import SettingError
from stylecore.presets import PRESETS
from stylecore.settings import Settings


@pytest.mark.parametrize("name", PRESETS)
def test_resolves_to_what_it_sets(name):
    resolved = Settings.resolve({"preset": name})
    assert resolved.preset == name
    for setting, value in PRESETS[name].items():
        assert getattr(resolved, setting) == settings.parse(setting, value)


@pytest.mark.parametrize("name", PRESETS)
def test_leaves_seed_and_encoder_to_the_cell(name):
    assert not {"seed", "encoder", "method", "preset"} & set(PRESETS[name])


@pytest.mark.parametrize("name", PRESETS)
def test_everything_it_sets_can_be_overridden(name):
    other = Settings().to_dict()
    for setting in PRESETS[name]:
        assert getattr(Settings.resolve({"preset": name, setting: other[setting]}), setting) == other[setting]


def test_override_wins_whatever_the_order():
    for values in ({"steps": 7, "preset": "neural-style"}, {"preset": "neural-style", "steps": 7}):
        resolved = Settings.resolve(values)
        assert (resolved.steps, resolved.init, resolved.tv_norm) == (7, "noise", "absolute")


def test_no_preset_is_the_defaults():
    for none in ({}, {"preset": None}, {"preset": "none"}):
        assert Settings.resolve(none) == Settings()


def test_the_name_alone_decides_no_pixels():
    """A cell spelled out in full has the key of the preset it spells out."""
    resolved = Settings.resolve({"preset": "gatys-2016"})
    assert resolved.deciding() == Settings(**PRESETS["gatys-2016"]).deciding()


def test_an_unknown_one_suggests_the_nearest():
    with pytest.raises(SettingError, match="did you mean 'neural-style'"):
        Settings.resolve({"preset": "neural-stile"})


def test_neural_style_is_neural_style_pts_defaults():
    """Options of neural_style.py: content 5, style 1e2, tv 1e-3, 1000 iterations, 512 px, random start, max pooling."""
    s = Settings.resolve({"preset": "neural-style"})
    assert (s.content_weight, s.style_weight, s.tv_weight) == (5.0, 100.0, 1e-3)
    assert (s.steps, s.size, s.init, s.pooling, s.optimizer, s.sizes()) == (1000, 512, "noise", "max", "lbfgs", [512])
    assert s.content_layers == {"relu4_2": 1.0}
    assert list(s.style_layers) == ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    assert s.noise * 255 == pytest.approx(0.001)


def test_gatys_2016_is_the_papers():
    """Section 2.3 and figure 2: conv4_2; conv1_1 … conv5_1 with w = 1/5; α/β = 1e-3; average pooling; white noise."""
    s = Settings.resolve({"preset": "gatys-2016"})
    assert s.content_weight / s.style_weight == pytest.approx(1e-3)
    assert s.content_layers == {"conv4_2": 1.0}
    assert s.style_layers == {f"conv{n}_1": 0.2 for n in (1, 2, 3, 4, 5)}
    assert (s.pooling, s.init, s.tv_weight, s.size) == ("average", "noise", 0.0, 512)
