"""Axes: what people write for a row of values, and what they get."""

import itertools
import math

import pytest

from flows.axes import Axis, AxisValue, combination, count_fulfilled, product, read_axis
from stylecore.errors import SettingError


def values(name, raw):
    return [one.value for one in read_axis(name, raw)]


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("seed", [0, 1, 2], [0, 1, 2]),
        ("seed", [3], [3]),
        ("seed", ["1e3", 1e3, "7"], [1000, 1000, 7]),
        ("style_weight", ["1e5", 1e-3, 0], [1e5, 1e-3, 0.0]),
        ("seed", {"range": [0, 5, 1]}, [0, 1, 2, 3, 4]),
        ("seed", {"range": [0, 5, 2]}, [0, 2, 4]),
        ("seed", {"range": [5, 0, -2]}, [5, 3, 1]),
        ("seed", {"range": [10_000_000_000_001, 10_000_000_000_004, 1]}, [10_000_000_000_001 + n for n in range(3)]),
        ("style_weight", {"range": [0, 0.3, 0.1]}, [0.0, 0.1, 0.2]),
        ("style_weight", {"range": [0, 1, 0.1]}, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        ("style_weight", {"range": ["1e2", "1e3", "3e2"]}, [100.0, 400.0, 700.0]),
        ("style_weight", {"linspace": [0, 1, 5]}, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("style_weight", {"linspace": [1, 0, 3]}, [1.0, 0.5, 0.0]),
        ("style_weight", {"linspace": [7, 9, 1]}, [7.0]),
        ("size", {"linspace": [256, 512, 3]}, [256, 384, 512]),
        ("style_weight", {"logspace": [1e2, 1e5, 4]}, [100.0, 1000.0, 10_000.0, 100_000.0]),
        ("style_weight", {"logspace": ["1e-3", 10, 5]}, [0.001, 0.01, 0.1, 1.0, 10.0]),
        ("style_weight", {"logspace": [8, 1, 4]}, [8.0, 4.0, 2.0, 1.0]),
        ("optimizer", ["adam", "lbfgs"], ["adam", "lbfgs"]),
        ("learning_rate", [None, "auto", 0.1], [None, None, 0.1]),
        ("content_layers", ["relu4_2", ["relu1_1", "relu2_1"], {"relu3_1": 0.5}],
         [{"relu4_2": 1.0}, {"relu1_1": 1.0, "relu2_1": 1.0}, {"relu3_1": 0.5}]),
        ("scales", ["auto", 3, [128, 64]], ["auto", 3, [64, 128]]),
        ("scales", [{"from": 64, "factor": "1.5"}, {"factor": 2}],
         [{"from": 64, "factor": 1.5}, {"from": 128, "factor": 2.0}]),
        ("size", ["640 x 480", "50%", 64], ["640x480", "50%", 64]),
        ("steps", [[10, "2e1"], 30], [[10, 20], 30]),
        ("init", ["grey", {"content": 9, "noise": "1e-1"}, "a.png"], ["grey", {"content": 9.0, "noise": 0.1}, "a.png"]),
        ("snapshots", ["none", None, [5, 1], {"every": 5}], [None, None, [1, 5], {"every": 5}]),
    ],
)  # fmt: skip
def test_values(name, raw, expected):
    assert values(name, raw) == expected


@pytest.mark.parametrize("count", [2, 3, 7, 50])
def test_spacings_end_where_they_say_and_are_even(count):
    linear = values("style_weight", {"linspace": [3, 11, count]})
    assert (linear[0], linear[-1], len(linear)) == (3.0, 11.0, count)
    assert max(abs((b - a) - 8 / (count - 1)) for a, b in itertools.pairwise(linear)) < 1e-9
    logarithmic = values("style_weight", {"logspace": [0.5, 5000, count]})
    assert (logarithmic[0], logarithmic[-1], len(logarithmic)) == (0.5, 5000.0, count)
    assert max(abs(b / a - 1e4 ** (1 / (count - 1))) for a, b in itertools.pairwise(logarithmic)) < 1e-6


def test_labels():
    labelled = read_axis("tv_weight", [0, {"value": "1e-3", "label": "some"}, {"value": 1, "label": 7}, {"value": 2}])
    assert list(labelled) == [AxisValue(0.0), AxisValue(0.001, "some"), AxisValue(1.0, "7"), AxisValue(2.0)]
    mixed = read_axis("init", [{"value": {"content": 9, "noise": 1}, "label": "soft"}, {"value": "grey"}])
    assert list(mixed) == [AxisValue({"content": 9.0, "noise": 1.0}, "soft"), AxisValue("grey")]


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("sed", [1], "unknown setting 'sed'; did you mean 'seed'?"),
        ("seed", [], "empty"),
        ("seed", {"range": [3, 3, 1]}, "empty"),
        ("seed", {"range": [3, 0, 1]}, "empty"),
        ("seed", 5, "write [5]"),
        ("seed", "x", "write [x]"),
        ("seed", None, "an axis is a list"),
        ("seed", {}, "range, linspace, logspace"),
        ("seed", {"rnage": [0, 1, 1]}, "did you mean 'range'?"),
        ("seed", {"range": [0, 1, 1], "linspace": [0, 1, 2]}, "one of range, linspace, logspace"),
        ("seed", {"range": [0, 1]}, "[start, stop, step]"),
        ("seed", {"range": 5}, "[start, stop, step]"),
        ("seed", {"range": [0, 1, 0]}, "cannot be 0"),
        ("seed", {"range": [0, 1, "x"]}, "three numbers"),
        ("seed", {"range": [0, 1, True]}, "three numbers"),
        ("seed", {"range": [0, 1, 0.5]}, "whole number"),
        ("seed", {"range": [-2, 1, 1]}, "whole number from 0"),
        ("seed", {"range": [0, 2_000_000, 1]}, "more than 1,000,000"),
        ("style_weight", {"range": [-1e308, 1e308, 1]}, "three numbers"),
        ("style_weight", {"range": [0, 1e299, 1e-299]}, "more than 1,000,000"),
        ("style_weight", {"linspace": [0, 1, 0]}, "count of at least 1"),
        ("style_weight", {"linspace": [0, 1, 2.5]}, "count of at least 1"),
        ("style_weight", {"linspace": [0, math.nan, 3]}, "three numbers"),
        ("style_weight", {"linspace": [0, 1, "1e300"]}, "more than 1,000,000"),
        ("style_weight", {"logspace": [0, 1, 3]}, "positive"),
        ("style_weight", {"logspace": [1, -1, 3]}, "positive"),
        ("style_weight", {"linspace": [-5, 5, 3]}, "at least 0"),
        ("seed", [1, "two"], "got 'two'"),
        ("tv_weight", [{"value": 1, "lable": "x"}], "unknown key 'lable'; did you mean 'label'?"),
        ("tv_weight", [{"label": "x"}], "'value' is missing"),
        ("tv_weight", [{"value": 1, "label": ["x"]}], "label"),
        ("optimizer", ["adma"], "did you mean 'adam'?"),
    ],
)  # fmt: skip
def test_mistakes(name, raw, said):
    with pytest.raises(SettingError) as caught:
        read_axis(name, raw)
    assert said in str(caught.value)


def test_a_long_spacing_is_not_written_out():
    long = read_axis("seed", {"range": [0, 1_000_000, 1]})
    assert (len(long), long[0].value, long[999_999].value) == (1_000_000, 0, 999_999)
    with pytest.raises(IndexError):
        long[1_000_000]


def axis(**columns):
    return Axis({name: [AxisValue(value) for value in values] for name, values in columns.items()})


def test_product_is_in_order_with_the_last_axis_fastest():
    axes = [axis(a=[1, 2]), axis(b=[3, 4], c=[5, 6]), axis(d=[7, 8, 9])]
    found = [{name: one.value for name, one in choice.items()} for choice in product(axes)]
    assert found == [
        {"a": a, "b": b, "c": c, "d": d} for a in (1, 2) for b, c in ((3, 5), (4, 6)) for d in (7, 8, 9)
    ]  # fmt: skip
    assert [combination(axes, index) for index in range(12)] == list(product(axes))
    assert list(product([])) == [{}]
    assert list(product([axis(a=[1]), axis(b=[])])) == []


def test_counting_agrees_with_multiplying_out():
    axes = [axis(a=[0, 1, 2]), axis(b=[0, 1], c=[1, 0]), axis(d=[0, 1, 1])]
    conditions = [{"a": 1}, {"a": 1, "d": 1}, {"b": 0, "c": 1, "a": 2}, {"e": 5}, {"e": 6}, {"a": 9}]

    def agrees(choice, name, wanted):
        return (choice[name].value if name in choice else 5) == wanted

    found = count_fulfilled(axes, conditions, lambda name: "" if name == "e" else name, agrees)
    expected = {}
    for choice in product(axes):
        met = (all(agrees(choice, name, wanted) for name, wanted in one.items()) for one in conditions)
        bits = sum(yes << number for number, yes in enumerate(met))
        expected[bits] = expected.get(bits, 0) + 1
    assert dict(found) == expected
