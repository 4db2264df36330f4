"""The reference page: it is what the code says, and names everything there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import reference
from stylecore import settings
from stylecore.methods import METHODS
from stylecore.presets import NETWORKS, PRESETS, PUBLISHED

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_that_ships_is_up_to_date():
    assert PAGE.read_text("utf-8") == reference.page() + "\n", "python -m flows.reference docs/settings.md"


@pytest.mark.parametrize("name", [*settings.names(), *METHODS, *PRESETS])
def test_names_every_setting_method_and_preset(name):
    assert f"`{name}`" in reference.page()


def test_every_row_of_a_table_has_its_columns():
    rows = [line for line in reference.page().splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5, 3}


def test_every_preset_says_its_network():
    assert set(NETWORKS) == set(PUBLISHED)
