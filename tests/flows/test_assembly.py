"""From described cells to the core's: settings of cells that come one after the other are those of each alone."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.assembly import Alike
from stylecore.errors import SettingError
from stylecore.settings import Settings

LAYERS = [{"relu1_1": 1.0, "relu2_1": 2.0}, {"relu2_1": 2.0, "relu1_1": 1.0}, {"relu1_1": 1.0}]
changes = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 3),
        "style_weight": st.sampled_from([1.0, 10.0, 1e4]),
        "style_layers": st.sampled_from(LAYERS),
        "scales": st.sampled_from(["auto", [64, 128], [128]]),
        "size": st.sampled_from([128, 256]),
        "steps": st.sampled_from([10, 20]),
    },
)


def as_told(**values):
    """All settings of a cell as a worker is told them."""
    return json.loads(json.dumps(Settings.resolve({"size": 256, **values}).to_dict()))


@settings(max_examples=50, deadline=None)
@given(st.lists(changes, max_size=6))
def test_whatever_came_before_settings_are_those_that_were_told(cells):
    alike = Alike()
    for values in cells:
        try:
            told = as_told(**values)
        except SettingError:
            continue
        found = alike.settings(told)
        assert found == Settings(**told)
        assert json.dumps(found.to_dict()) == json.dumps(told)  # layers in their order too


def test_a_contradiction_is_found_in_a_later_cell_and_harms_none_after_it():
    alike, told = Alike(), as_told()
    alike.settings(told)
    for wrong in ({"style_layers": {"relu9_9": 1.0}}, {"steps": -1}):
        with pytest.raises(SettingError):
            alike.settings({**told, **wrong})
    assert alike.settings({**told, "seed": 7}) == Settings(**{**told, "seed": 7})


def test_settings_of_another_version_are_refused():
    alike, told = Alike(), as_told()
    alike.settings(told)
    with pytest.raises((SettingError, TypeError)):
        alike.settings({**told, "no such setting": 1})
