"""YAML as plain data: where everything stands, what is refused, and what `--set` does to it."""

import time

import pytest

from flows.source import ManifestError, Place, assign, read_yaml


def data_of(text):
    document = read_yaml(text, "m.yaml")
    assert document.problems == []
    return document.data


def wrong(text):
    """What is said about a text that is refused, or about its mistakes."""
    try:
        document = read_yaml(text, "m.yaml")
    except ManifestError as error:
        return error.problems
    return document.problems


def test_every_key_and_item_has_its_place():
    document = read_yaml("a: 1\nb:\n  - x\n  - {c: 2,\n     d: [3]}\n", "m.yaml")
    places = {path: (place.line, place.column) for path, place in document.places.items()}
    assert places == {
        (): (1, 1),
        ("a",): (1, 1),
        ("b",): (2, 1),
        ("b", 0): (3, 5),
        ("b", 1): (4, 5),
        ("b", 1, "c"): (4, 6),
        ("b", 1, "d"): (5, 6),
        ("b", 1, "d", 0): (5, 10),
    }
    assert document.place(("b", 1, "d", 0, "deeper", 7)) == Place(5, 10)
    assert str(document.place(("b", 1, "d"))) == "line 5, column 6"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("1.5", 1.5),
        ("0.5", 0.5),
        ("0x10", 16),
        ("010", "010"),
        ("007", "007"),
        ("12:30:00", "12:30:00"),
        ("2020-01-01", "2020-01-01"),
        ("1e5", "1e5"),
        ("1.0e+5", 1e5),
        (".inf", float("inf")),
        ("'12'", "12"),
        ("=", "="),
        ("äöü 日本", "äöü 日本"),
    ],
)
def test_scalars_are_what_people_mean(text, value):
    read = data_of(f"k: {text}")["k"]
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("key", ["no", "on", "1", "true", "1.5", "2020-01-01"])
def test_keys_are_text(key):
    assert data_of(f"{key}: 1") == {key: 1}


def test_aliases_are_written_out():
    assert data_of("a: &x {b: [1]}\nc: *x") == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_a_byte_order_mark_is_no_part_of_the_text():
    assert data_of("\ufeffa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, 1, "empty"),
        ("# only a comment\n", 1, 1, "empty"),
        ("a: 1\nb: [1, 2\nc: 3", 3, 2, "not YAML"),
        ("a: 1\n\tb: 2", 2, 1, "not YAML"),
        ("a: 'open", 1, 9, "not YAML"),
        ("a: *nobody", 1, 4, "undefined alias"),
        ("a: [*.jpg]", 1, 6, "in quotes: '*.jpg'"),
        ("a: 1\n---\nb: 2", 2, 1, "another document"),
        ("a: 1\nb: 2\na: 3", 3, 1, "duplicate key 'a'; it stands already in line 1"),
        ("a: {b: 1, c: 2, b: 3}", 1, 17, "duplicate key 'b'"),
        ("? [1, 2]\n: 3", 1, 3, "key"),
        ("~: 3", 1, 1, "key"),
        ("a: {<<: {b: 1}}", 1, 5, "<<"),
        ("a: !!python/object/apply:os.system ['exit 3']", 1, 4, "os.system"),
        ("a: !!python/name:os.system ''", 1, 4, "os.system"),
        ("a: !mine {b: 1}", 1, 4, "!mine"),
        ("a: !!set {b}", 1, 4, "set"),
        ("a: !!binary aGk=", 1, 4, "binary"),
        ("a: &x [*x]", 1, 4, "nested too deeply"),
    ],
)
def test_what_is_refused_is_said_at_its_place(text, line, column, said):
    problem = wrong(text)[0]
    assert said in problem.message
    assert (problem.place.line, problem.place.column) == (line, column)


def test_a_tag_for_code_runs_no_code(tmp_path):
    mark = tmp_path / "ran"
    assert wrong(f"a: !!python/object/apply:os.mkdir ['{mark}']")
    assert not mark.exists()


def test_all_mistakes_of_a_text_are_found():
    assert [problem.place.line for problem in wrong("a: 1\na: 2\nb: !x 3\nc: {d: 1, d: 2}")] == [2, 3, 4]


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "a: " + "{b: " * 200_000,
        "a: " + "[" * 90 + "]" * 90,
        "\n".join(" " * depth + "a:" for depth in range(3000)),
        "- &0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"- &{n + 1} [{', '.join([f'*{n}'] * 10)}]\n" for n in range(20)),
        "x" * (9 * 2**20),
    ],
    ids=["open", "open mappings", "closed", "indented", "aliases that multiply", "huge"],
)
def test_hostile_texts_are_refused_at_once(text):
    began = time.monotonic()
    with pytest.raises(ManifestError):
        read_yaml(text, "m.yaml")
    assert time.monotonic() - began < 5


def test_leaving_out_keeps_the_places_of_the_rest():
    document = read_yaml("a: [1, 2, 3]\nb: {c: 4, d: 5}\n", "m.yaml")
    rest = document.without({("a", 1), ("b", "c")})
    assert rest.data == {"a": [1, 3], "b": {"d": 5}}
    assert rest.place(("a", 1)) == document.place(("a", 2))
    assert rest.place(("b", "d")) == document.place(("b", "d"))
    assert document.data == {"a": [1, 2, 3], "b": {"c": 4, "d": 5}}


def test_messages_name_file_and_place_in_order_once_each():
    error = ManifestError("m.yaml", [*wrong("a: 1\nb: !x 3\nb: 4"), *wrong("a: 1\nb: !x 3\nb: 4")])
    first, second = str(error).splitlines()
    assert first.startswith("m.yaml, line 2, column 4: ")
    assert second.startswith("m.yaml, line 3, column 1: ")


def test_a_message_never_repeats_a_whole_file():
    assert len(str(ManifestError("m.yaml", wrong("? 'k'\n: 1\n" + "k" * 100_000 + ": &x [*x]")))) < 1000


# --set


def applied(text, *assignments):
    document = read_yaml(text, "m.yaml")
    for assignment in assignments:
        assign(document, assignment)
    return document


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("a=2", {"a": 2, "b": [{"c": 1}, 2]}),
        ("a = 2", {"a": 2, "b": [{"c": 1}, 2]}),
        ("b.0.c=[0, 0.002]", {"a": 1, "b": [{"c": [0, 0.002]}, 2]}),
        ("b.1={d: x}", {"a": 1, "b": [{"c": 1}, {"d": "x"}]}),
        ("b.0.e.f.g=1", {"a": 1, "b": [{"c": 1, "e": {"f": {"g": 1}}}, 2]}),
        ("new.deep=no", {"a": 1, "b": [{"c": 1}, 2], "new": {"deep": "no"}}),
        ("jobs.0.grid.seed=[1]", {"a": 1, "b": [{"c": 1}, 2], "jobs": [{"grid": {"seed": [1]}}]}),
        ("a=", {"a": None, "b": [{"c": 1}, 2]}),
        ("a=#5", {"a": "#5", "b": [{"c": 1}, 2]}),
        ("a=x=y", {"a": "x=y", "b": [{"c": 1}, 2]}),
    ],
)
def test_set_reaches_every_kind_of_path(assignment, expected):
    assert applied("a: 1\nb: [{c: 1}, 2]", assignment).data == expected


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("a", "KEY=VALUE"),
        ("=3", "KEY=VALUE"),
        ("b.2=3", "index from 0 to 1, got '2'"),
        ("b.-1=3", "index from 0 to 1"),
        ("b.x=3", "index from 0 to 1, got 'x'"),
        ("b.²=3", "index from 0 to 1"),
        ("e.0=3", "this list is empty"),
        ("a.c=3", "a is 1 and has no keys"),
        ("a={x: ", "not YAML"),
    ],
)
def test_a_set_that_leads_nowhere_is_said_with_the_option(assignment, said):
    with pytest.raises(ManifestError) as caught:
        applied("a: 1\nb: [{c: 1}, 2]\ne: []", assignment)
    assert said in str(caught.value)
    assert f"--set {assignment}" in str(caught.value)


def test_what_was_set_stands_at_its_option():
    document = applied("a: 1\nb: [{c: 1}, 2]", "b.0.c={d: 5}", "x.y=1")
    assert str(document.place(("b", 0, "c", "d"))) == "--set b.0.c={d: 5}"
    assert str(document.place(("x",))) == "--set x.y=1"
    assert document.place(("b", 1)) == Place(2, 13)


def test_mistakes_in_a_set_value_are_kept():
    assert "duplicate key 'd'" in applied("a: 1", "a={d: 1, d: 2}").problems[0].message
