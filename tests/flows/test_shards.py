"""Shards: however a manifest is divided, each of its cells is in exactly one part, and equal cells in the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import HEAD, ONE, finish, paint, planned, read

from flows import cli
from flows.shards import WHOLE, Shard, parse
from stylecore.errors import StylepressError

GRID = "jobs: [{grid: {seed: {range: [0, 25, 1]}, style_weight: [10, 100]}}]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return paint(tmp_path_factory.mktemp("study"))


def keys(folder, text, out="out", **options):
    return [item.key for item in planned(read(folder, text), folder / out, **options).items]


@given(identity=st.binary(min_size=32, max_size=80), count=st.integers(1, 1000))
def test_everything_is_in_exactly_one_shard(identity, count):
    assert sum(Shard(number, count).has(identity) for number in range(1, count + 1)) == 1
    assert WHOLE.has(identity)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_shards_of_a_manifest_are_a_partition_of_it_in_its_order(folder, count):
    everything = keys(folder, HEAD + GRID)
    parts = [keys(folder, HEAD + GRID, shard=Shard(number, count)) for number in range(1, count + 1)]
    together = [key for part in parts for key in part]
    assert len(together) == len(set(together)) == len(everything)
    assert set(together) == set(everything)
    for part in parts:
        assert part == [key for key in everything if key in part]
    assert all(abs(len(part) - len(everything) / count) < 0.3 * len(everything) for part in parts), "about equal"


def test_a_cell_keeps_its_shard_whatever_else_the_manifest_names(folder):
    second = Shard(2, 3)
    few = keys(folder, ONE + GRID, shard=second)
    many = keys(folder, HEAD + GRID, shard=second)
    assert few == [key for key in many if key in keys(folder, ONE + GRID)]


def test_cells_whose_pictures_are_missing_are_in_one_shard_too(folder):
    text = "version: 1\ninputs: {content: [photos/a.png, photos/y.png, photos/z.png], style: styles/x.png}\n" + GRID
    parts = [planned(read(folder, text), folder / "out", shard=Shard(number, 3)) for number in (1, 2, 3)]
    assert sum(len(part.of_kind("bad input")) for part in parts) == 100
    assert sum(len(part.items) for part in parts) == 150


def test_limit_is_taken_first_so_that_shards_together_are_the_limited_run(folder):
    limited = keys(folder, HEAD + GRID, limit=20)
    parts = [keys(folder, HEAD + GRID, limit=20, shard=Shard(number, 2)) for number in (1, 2)]
    assert sorted(parts[0] + parts[1]) == sorted(limited)


def test_a_shard_counts_its_own_cells_and_knows_all(folder, tmp_path):
    loaded = read(folder, HEAD + GRID)
    finish(planned(loaded, tmp_path, shard=Shard(1, 2)).items, tmp_path)
    first, second = (planned(loaded, tmp_path, shard=Shard(number, 2)) for number in (1, 2))
    assert first.reasons() == {"done": len(first.items)}
    assert set(second.reasons()) == {"new"}
    assert [item.kind for item in second.everything].count("done") == len(first.items)
    assert len(second.everything) == len(first.items) + len(second.items) == 200
    assert len(second.to_render()) == len(second.items)


@pytest.mark.parametrize(
    "text", ["0/4", "5/4", "1/0", "x", "", "1", "1/", "-1/4", "1/4/2", "1.0/4", "¹/4", "1/99999999999"]
)
def test_a_shard_out_of_range_or_malformed_is_one_clear_message(text):
    with pytest.raises(StylepressError, match=r"shard: expected I/N.*such as 2/4") as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shard"), [("1/1", WHOLE), (" 2 / 4 ", Shard(2, 4)), ("4/4", Shard(4, 4)), (None, WHOLE)]
)
def test_how_shards_are_written(text, shard):
    assert parse(text) == shard


@pytest.mark.parametrize("command", ["plan", "render"])
def test_commands_end_with_2_before_anything_else_is_done(folder, capsys, command):
    manifest = read(folder, HEAD + GRID).url
    assert cli.run([command, manifest, "--shard", "5/4"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "shard: expected" in said.err


def test_plans_of_shards_on_the_command_line_are_the_plan(folder, capsys):
    manifest = read(folder, HEAD + GRID + "run: {max_cells: 300}").url

    def items(*arguments):
        assert cli.run(["plan", manifest, "--json", *arguments]) == 0
        return [tuple(item.values()) for item in json.loads(capsys.readouterr().out)["items"]]

    assert sorted(items("--shard", "1/2") + items("--shard", "2/2")) == sorted(items())
