"""Keys of many cells in a row: whatever the cells before were, each has the key that it has by itself."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from studies import HEAD, ONE, blocks_of, cells_of, paint, planned, png, read

from flows.keymaker import Keymaker, facts_of, value_of
from flows.keys import Encoders, described, facts, key_of
from flows.source import ManifestError
from stylecore.settings import Settings

AXES = {
    "method": ["gatys", "content-reconstruction", "style-reconstruction"],
    "preset": ["none", "gatys-2016", "neural-style", "fine"],
    "encoder": ["vgg19", "vgg19-torchvision"],
    "init": ["content", "noise", "photos/b.png", {"content": 0.5, "noise": 1}, {"value": "grey", "label": "Grey"}],
    "size": [64, "50%", "48x32"],
    "steps": [300, [5, 3], 1],
    "scales": ["auto", 1, [32, 64], {"factor": 2}],
    "style_weight": [0, 1e-7, 1e5, 123456789.125, "1e22", {"value": 3, "label": "three"}],
    "seed": [0, 1, 2**53 + 1],
    "style_layers": ["relu1_1", {"relu2_1": 2, "relu1_1": 0.5}],
    "style_statistic": ["gram", ["mean_std", "gram"]],
    "snapshots": ["none", [1, 2], {"every": 5}],
    "learning_rate": ["auto", 0.5],
    "tile": ["auto", "off", 512],
    "time_limit": [None, 5],
}
INPUTS = """version: 1
inputs:
  content:
    [photos/a.png, {path: photos/b.png, content_mask: white.png}, {path: photos/a.png, label: A, masks: white.png}]
  style: [styles/x.png, {blend: [{path: styles/x.png, weight: 3}, styles/y.png]}, {path: styles/y.png, mask: white.png}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = paint(tmp_path_factory.mktemp("study"))
    (folder / "white.png").write_bytes(png("white"))
    return folder


def written(value):
    """A value as YAML takes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {written(part)}' for name, part in value.items())}}}"
    return "null" if value is None else str(value)


@st.composite
def manifests(draw):
    names = draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=4, unique=True))
    axes = {name: draw(st.lists(st.sampled_from(AXES[name]), min_size=1, max_size=3)) for name in names}
    grid = ", ".join(f"{name}: {written(values)}" for name, values in axes.items())
    override = draw(
        st.sampled_from(["", "    override: [{when: {content: photos/a.png}, set: {tv_weight: 0.5, seed: 7}}]\n"])
    )
    inputs = draw(st.sampled_from([HEAD, INPUTS]))
    if inputs == INPUTS or "content-reconstruction" in grid or "style-reconstruction" in grid:
        override = ""
    return f"{inputs}jobs:\n  - grid: {{{grid}}}\n{override}"


def outcomes(block, places):
    """For each place its cell, or what is wrong with it."""
    for place in places:
        try:
            yield block.cell(place)
        except ManifestError as error:
            yield str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=manifests())
def test_each_cell_and_its_key_are_what_they_are_without_the_cells_before(folder, text):
    loaded = read(folder, text)
    (block,) = blocks_of(loaded)
    places = list(itertools.islice(block.places(), 60))
    keymaker = Keymaker(Encoders(loaded.url), "png")
    for place, cell in zip(places, outcomes(block, places), strict=True):
        (alone,) = outcomes(blocks_of(loaded)[0], [place])
        assert cell == alone
        if isinstance(cell, str):
            continue
        assert Settings(**cell.settings.to_dict()) == cell.settings
        plain = described(cell, Encoders(loaded.url).source(cell.settings.encoder), "png")
        assert keymaker.key(cell) == key_of(plain)
        assert keymaker.described(cell) == plain
        assert {n: f for n, f in keymaker.facts.items() if n != "schema"} == facts_of(plain)
        assert {name: value_of(fact) for name, fact in facts_of(plain).items()} == facts(plain)


def test_cells_that_cost_the_same_are_told_by_more_than_what_may_differ_in_a_batch(folder):
    keymaker = Keymaker(Encoders("m.yaml"), "png")

    def told(text):
        found = []
        for cell in cells_of(read(folder, HEAD + text)):
            keymaker.key(cell)
            found.append((keymaker.batch(), keymaker.fit(cell)))
        return found

    alike = "jobs: [{grid: {seed: [1, 2], style_weight: [1, 2], init: [content, noise], tv_weight: [0, 1]}}]"
    assert len(set(told(alike))) == 1
    for other in ("steps: [1, 2]", "size: [64, 128]", "optimizer: [lbfgs, adam]", "style_layers: [relu1_1, relu2_1]"):
        batches, fits = map(set, zip(*told(f"jobs: [{{grid: {{{other}}}}}]"), strict=True))
        assert (len(batches), len(fits)) == (2, 2), other
    (folder / "photos/b.png").write_bytes(png("green", (48, 32)))
    batches, fits = map(set, zip(*told("defaults: {size: 64, scales: 1}"), strict=True))
    assert (len(batches), len(fits)) == (2, 1), "other pictures, and the same canvas"


def test_pictures_of_all_cells_are_known_once(folder):
    made = planned(read(folder, ONE + "jobs: [{grid: {seed: [0, 1], init: [noise, photos/b.png]}}]"), folder / "out")
    assert [picture.name for picture in made.pictures] == ["photos/a.png", "styles/x.png", "photos/b.png"]
