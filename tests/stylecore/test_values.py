"""Kinds of values: what each reads, in which one form it keeps it, what it refuses, and the schema it gives editors."""

from __future__ import annotations

import math
import re
from decimal import Decimal

import jsonschema
import numpy as np
import pytest

from stylecore import weights
from stylecore.schedule import Scales, Size, Snapshots, Steps
from stylecore.values import ENCODERS, Choice, EncoderChoice, Maybe, Number, Pair, Start, Text, Weighted, Whole

FILE = {"arch": "vgg16", "weights": "a.safetensors", "input": "torchvision"}

ACCEPTED = [
    (Choice("max", "average"), "max", "max"),
    (Number(), "1e5", 100_000.0),
    (Number(), " -2.5 ", -2.5),
    (Number(0, 1), 1, 1.0),
    (Number(0), -0.0, 0.0),
    (Number(), np.float32(0.5), 0.5),
    (Number(), "1.", 1.0),
    (Number(), ".5E+2", 50.0),
    (Whole(0, 5000), "1e3", 1000),
    (Whole(0, 5000), "007", 7),
    (Whole(0, 5000), 12.0, 12),
    (Whole(0, 2**63 - 1), str(2**63 - 1), 2**63 - 1),
    (Whole(0, 5000), np.int64(3), 3),
    (Text(), "a path/with spaces.jpg", "a path/with spaces.jpg"),
    (Maybe(Number(0), "auto"), None, None),
    (Maybe(Number(0), "auto"), "auto", None),
    (Maybe(Number(0), "auto"), "0.5", 0.5),
    (Weighted("layer"), "relu1_1", {"relu1_1": 1.0}),
    (Weighted("layer"), ["relu1_1", "relu2_1"], {"relu1_1": 1.0, "relu2_1": 1.0}),
    (Weighted("layer"), {"relu1_1": "1e-1", "relu2_1": 0}, {"relu1_1": 0.1, "relu2_1": 0.0}),
    (Weighted("statistic", ("gram",)), "gram", {"gram": 1.0}),
    (Scales(), "auto", "auto"),
    (Scales(), "3", 3),
    (Scales(), [256, "64"], [64, 256]),
    (Scales(), [64, 256, 64.0], [64, 256]),
    (Scales(), {"factor": "1.5", "from": "64"}, {"from": 64, "factor": 1.5}),
    (Scales(), {"factor": 2}, {"from": 128, "factor": 2.0}),
    (Size(), "512", 512),
    (Size(), 512.0, 512),
    (Size(), "640x480", "640x480"),
    (Size(), " 640 × 0480 ", "640x480"),
    (Size(), "50%", "50%"),
    (Size(), "012.50 %", "12.5%"),
    (Steps(), "1e3", 1000),
    (Steps(), ["1e3", 500], [1000, 500]),
    (Steps(), [500, 1000, 500], [500, 1000, 500]),
    (Snapshots(), [50, "10", 50], [10, 50]),
    (Snapshots(), {"every": "5"}, {"every": 5}),
    (Start(), "noise", "noise"),
    (Start(), "some picture.png", "some picture.png"),
    (Start(), {"content": "0.9", "noise": 1}, {"content": 0.9, "noise": 1.0}),
    (Pair(Number(0, 1)), ("0.9", 1), [0.9, 1.0]),
    (EncoderChoice(), "vgg16-torchvision", "vgg16-torchvision"),
    (EncoderChoice(), {"input": "torchvision", "weights": "a.safetensors", "arch": "vgg16"}, FILE),
    (EncoderChoice(), {**FILE, "sha256": "0aF9" * 16}, {**FILE, "sha256": "0aF9" * 16}),
]

REFUSED = [
    (Choice("max", "average"), "avarage", "did you mean 'average'"),
    (Choice("max", "average"), None, "expected one of max, average"),
    (Choice("max", "average"), ["max"], "expected one of"),
    (Number(), "many", "expected a number, got 'many'"),
    (Number(), True, "expected a number"),
    (Number(), None, "expected a number"),
    (Number(), math.nan, "expected a number"),
    (Number(), "inf", "expected a number"),
    (Number(), 10**400, "expected a number"),
    (Number(), "1e999", "expected a number"),
    (Number(), "1_000", "expected a number"),
    (Number(), "+", "expected a number"),
    (Number(), "", "expected a number"),
    (Number(), [1], "expected a number"),
    (Number(0), -1, "of at least 0, got -1"),
    (Number(0, 1), 1.01, "from 0 to 1, got 1.01"),
    (Whole(1, 9), 1.5, "expected a whole number from 1 to 9, got 1.5"),
    (Whole(1, 9), "1.5", "expected a whole number"),
    (Whole(1, 9), False, "expected a whole number"),
    (Whole(1, 9), 10, "got 10"),
    (Whole(1, 9), None, "got None"),
    (Whole(1, 9), "1e999", "got '1e999'"),
    (Whole(1, 9), "1_0", "got '1_0'"),
    (Whole(1, 9), math.inf, "got inf"),
    (Whole(1, 9), Decimal("NaN"), "expected a whole number"),
    (Text(), "  ", "expected a name or a path"),
    (Text(), 3, "expected a name or a path"),
    (Weighted("layer"), [], "expected a layer, a list of them"),
    (Weighted("layer"), {}, "expected a layer"),
    (Weighted("layer"), {"relu1_1": 0}, "expected a layer"),
    (Weighted("layer"), {"relu1_1": -1}, "of at least 0, got -1"),
    (Weighted("layer"), {"relu1_1": None}, "expected a number"),
    (Weighted("layer"), [4], "expected the name of a layer, got 4"),
    (Weighted("layer"), 4, "expected a layer"),
    (Weighted("statistic", ("gram", "centered_gram")), "centred_gram", "did you mean 'centered_gram'"),
    (Scales(), "many", "expected auto, a number of sizes from 1 to 8, a list, or {from: 128, factor: 1.414}"),
    (Scales(), True, "expected auto"),
    (Scales(), {"from": 64}, "expected {from: 128, factor: 1.414}"),
    (Scales(), {"from": 64, "factor": 2, "to": 128}, "expected {from: 128, factor: 1.414}"),
    (Scales(), {"factor": 1}, "from 1.05 to 8, got 1"),
    (Scales(), {"from": 8, "factor": 2}, "from 16 to 16384, got 8"),
    (Size(), "large", "or an exact size such as 640x480, or a share such as 50%"),
    (Size(), 8, "from 16 to 16384, got 8"),
    (Size(), True, "from 16 to 16384"),
    (Size(), "640x8", "from 16 to 16384, got '8'"),
    (Size(), "640x", "got '640x'"),
    (Size(), "-50%", "got '-50%'"),
    (Size(), "0%", "from 1 to 1600, got '0'"),
    (Steps(), [], "expected at least one number of steps"),
    (Steps(), 0, "from 1 to 1000000, got 0"),
    (Steps(), [10, 0], "from 1 to 1000000, got 0"),
    (Steps(), {"every": 5}, "expected a whole number"),
    (Snapshots(), [], "expected none, a list of steps such as [10, 50], or {every: 50}"),
    (Snapshots(), 5, "expected none, a list of steps"),
    (Snapshots(), {"each": 5}, "expected none, a list of steps"),
    (Snapshots(), {"every": 0}, "from 1 to 1000000, got 0"),
    (Snapshots(), [0], "from 1 to 1000000, got 0"),
    (Start(), "", "expected a name or a path"),
    (Start(), ["content"], "expected a name or a path"),
    (Start(), {"contnet": 1}, "unknown start 'contnet'; did you mean 'content'?"),
    (Start(), {"a picture.png": 1}, "there are content, style, noise, grey"),
    (Start(), {"content": 0}, "expected a start"),
    (Start(), {"content": -1}, "of at least 0, got -1"),
    (Pair(Number(0, 1)), [0.9], "expected two numbers such as [0.9, 0.999], got [0.9]"),
    (Pair(Number(0, 1)), 0.9, "expected two numbers"),
    (Pair(Number(0, 1)), "99", "expected two numbers"),
    (Pair(Number(0, 1)), [0.9, 2], "from 0 to 1, got 2"),
    (Scales(), 9, "from 1 to 8"),
    (Scales(), 0, "from 1 to 8"),
    (Scales(), [], "at least one size"),
    (Scales(), [15], "from 16 to 16384, got 15"),
    (EncoderChoice(), "vgg91", "did you mean 'vgg19'"),
    (EncoderChoice(), {"arch": "vgg16", "weights": "a"}, "'input' is missing"),
    (EncoderChoice(), {**FILE, "arch": "vgg17"}, "expected one of vgg19, vgg16"),
    (EncoderChoice(), {**FILE, "inputs": "caffe"}, "did you mean 'input'"),
    (EncoderChoice(), {**FILE, "weights": ""}, "expected a name or a path"),
    (EncoderChoice(), {**FILE, "sha256": "12"}, "sha256 is '12'; expected 64 hexadecimal digits"),
]


@pytest.mark.parametrize(("kind", "written", "kept"), ACCEPTED)
def test_reads_into_one_canonical_form(kind, written, kept):
    parsed = kind.parse(written)
    assert parsed == kept
    assert type(parsed) is type(kept)
    assert kind.parse(parsed) == parsed  # what is canonical stays as it is


@pytest.mark.parametrize(("kind", "written", "text"), REFUSED)
def test_refuses_with_what_was_expected(kind, written, text):
    with pytest.raises(ValueError) as caught:
        kind.parse(written)
    assert text in str(caught.value)


def test_zero_has_one_form():
    """A key is made of the JSON of values, in which -0.0 and 0.0 differ."""
    assert math.copysign(1, Number().parse("-0.0")) == 1


def test_weights_keep_the_order_written():
    assert list(Weighted("layer").parse(["relu3_1", "relu1_1"])) == ["relu3_1", "relu1_1"]


@pytest.mark.parametrize(("kind", "kept"), [(kind, kept) for kind, _, kept in ACCEPTED])
def test_schema_is_valid_and_accepts_the_canonical_form(kind, kept):
    jsonschema.Draft202012Validator.check_schema(kind.schema())
    jsonschema.validate(kept, kind.schema())


def beyond_a_schema(written):
    """What a schema cannot tell: bounds of numbers in texts, and that weights are not all zero."""
    if isinstance(written, dict):
        return bool(written) and not any(written.values())
    return isinstance(written, str) and re.search("[0-9]", written)


def is_json(written):
    """Whether JSON can say it: no NaN, no infinity, nothing beyond a double."""
    plain = isinstance(written, str | list | dict | None)
    return plain or (isinstance(written, int | float) and abs(written) < 1e308)


@pytest.mark.parametrize(("kind", "written"), [(k, w) for k, w, _ in ACCEPTED if is_json(w)])
def test_schema_accepts_what_is_read(kind, written):
    jsonschema.validate(written, kind.schema())


@pytest.mark.parametrize(
    ("kind", "written"),
    [(k, w) for k, w, _ in REFUSED if is_json(w) and not beyond_a_schema(w)],
)
def test_schema_refuses_what_is_refused(kind, written):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, kind.schema())


def test_encoders_are_the_ones_with_weights():
    assert weights.known() == ENCODERS
