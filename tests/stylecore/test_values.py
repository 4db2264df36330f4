"""Kinds of values: what each reads, in which one form it keeps it, what it refuses, and the schema it gives editors."""

from __future__ import annotations

import math
from decimal import Decimal

import jsonschema
import numpy as np
import pytest

from stylecore import weights
from stylecore.values import ENCODERS, Choice, EncoderChoice, Maybe, Number, Scales, Text, Weighted, Whole

FILE = {"arch": "vgg16", "weights": "a.safetensors", "input": "torchvision"}

ACCEPTED = [
    (Choice("max", "average"), "max", "max"),
    (Number(), "1e5", 100_000.0),
    (Number(), " -2.5 ", -2.5),
    (Number(0, 1), 1, 1.0),
    (Number(0), -0.0, 0.0),
    (Number(), np.float32(0.5), 0.5),
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
    (EncoderChoice(), "vgg16-torchvision", "vgg16-torchvision"),
    (EncoderChoice(), {"input": "torchvision", "weights": "a.safetensors", "arch": "vgg16"}, FILE),
    (EncoderChoice(), {**FILE, "sha256": "0" * 64}, {**FILE, "sha256": "0" * 64}),
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
    (Number(), [1], "expected a number"),
    (Number(0), -1, "of at least 0, got -1"),
    (Number(0, 1), 1.01, "from 0 to 1, got 1.01"),
    (Whole(1, 9), 1.5, "expected a whole number from 1 to 9, got 1.5"),
    (Whole(1, 9), "1.5", "expected a whole number"),
    (Whole(1, 9), False, "expected a whole number"),
    (Whole(1, 9), 10, "got 10"),
    (Whole(1, 9), None, "got None"),
    (Whole(1, 9), "1e999", "got '1e999'"),
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
    (Scales(), "many", "expected auto, a number of sizes from 1 to 8, or a list"),
    (Scales(), 9, "from 1 to 8"),
    (Scales(), 0, "from 1 to 8"),
    (Scales(), [], "at least one size"),
    (Scales(), [15], "from 16 to 16384, got 15"),
    (EncoderChoice(), "vgg91", "did you mean 'vgg19'"),
    (EncoderChoice(), {"arch": "vgg16", "weights": "a"}, "'input' is missing"),
    (EncoderChoice(), {**FILE, "arch": "vgg17"}, "expected one of vgg19, vgg16"),
    (EncoderChoice(), {**FILE, "inputs": "caffe"}, "did you mean 'input'"),
    (EncoderChoice(), {**FILE, "weights": ""}, "expected a name or a path"),
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


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (Choice("max"), "min"),
        (Number(0, 1), 2),
        (Number(), "many"),
        (Whole(1, 9), 10),
        (Whole(1, 9), 1.5),
        (Text(), ""),
        (Maybe(Number(0), "auto"), "none"),
        (Weighted("layer"), []),
        (Weighted("layer"), {"relu1_1": -1}),
        (Weighted("statistic", ("gram",)), ["grim"]),
        (Scales(), 9),
        (Scales(), [8]),
        (EncoderChoice(), "vgg20"),
        (EncoderChoice(), {"arch": "vgg16"}),
        (EncoderChoice(), {**FILE, "sha256": "12"}),
    ],
)
def test_schema_refuses(kind, written):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, kind.schema())


def test_encoders_are_the_ones_with_weights():
    assert weights.known() == ENCODERS
