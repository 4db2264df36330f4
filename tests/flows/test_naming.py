"""Names of files and values: safe everywhere, bounded, unique, and as people write them."""

import random
import re

import pytest

from flows.cells import Cell
from flows.naming import label, picture_name, said
from flows.pictures import Input
from stylecore.settings import Settings


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (1, "1"),
        (1.0, "1"),
        (300, "300"),
        (1000.0, "1000"),
        (9999, "9999"),
        (10_000, "1e4"),
        (1e4, "1e4"),
        (10_000.000001, "1e4"),
        (1e5, "1e5"),
        (1.5e5, "1.5e5"),
        (5e5, "5e5"),
        (12_345, "12345"),
        (123_456_789, "123456789"),
        (123_456_788, "123456788"),
        (2**63 - 1, "9223372036854775807"),
        (1e20, "1e20"),
        (0.1, "0.1"),
        (0.001, "0.001"),
        (1e-4, "0.0001"),
        (1e-5, "1e-5"),
        (2.5e-6, "2.5e-6"),
        (1 / 3, "0.333333"),
        (-1e5, "-1e5"),
        (-0.25, "-0.25"),
        (float("nan"), "nan"),
        (None, "none"),
        (True, "true"),
        ("lbfgs", "lbfgs"),
        ({"relu4_2": 1.0}, "relu4_2"),
        ({"relu4_2": 0.5}, "0.5·relu4_2"),
        ({"relu1_1": 1.0, "relu2_1": 1.0}, "relu1_1 + relu2_1"),
        ({"conv1_1": 0.2, "conv2_1": 0.2}, "0.2·(conv1_1 + conv2_1)"),
        ({"gram": 1.0, "centered_gram": 0.5}, "gram + 0.5·centered_gram"),
        ([64, 128], "64, 128"),
        ("640x480", "640x480"),
        ({"content": 0.9, "noise": 0.1}, "0.9·content + 0.1·noise"),
        ({"from": 128, "factor": 1.414}, "from 128 by 1.414"),
        ({"every": 50}, "every 50"),
        ({"arch": "vgg19", "weights": "file:/models/mine.safetensors", "input": "caffe"}, "vgg19 mine.safetensors"),
    ],
)
def test_values_as_people_write_them(value, text):
    assert said(value) == text


def test_numbers_said_alike_are_alike():
    rng = random.Random(1)
    for _ in range(3000):
        number = float(f"{rng.uniform(1, 10):.{rng.randint(0, 5)}f}") * 10.0 ** rng.randint(-9, 9)
        assert float(said(number)) == pytest.approx(number, rel=1e-5)
        whole = rng.randrange(10 ** rng.randint(1, 18))
        assert int(float(said(whole))) == whole if "e" in said(whole) else int(said(whole)) == whole


def cell(content="c", style="s", labels=None, **settings):
    pictures = [Input(f"{text}.png", text) if text is not None else None for text in (content, style)]
    return Cell(*pictures, None, Settings(**settings), labels or {})


def test_labels():
    one = cell("Harbour", "Waves", {"tv_weight": "smooth"}, tv_weight=1, style_weight=1e5)
    assert [label(one, name) for name in ("content", "style", "tv_weight", "style_weight")] == [
        *("Harbour", "Waves", "smooth", "1e5")
    ]
    assert label(cell(content=None), "content") == ""


def test_a_readable_name():
    name = picture_name(cell("My Cat", "Waves", seed=3, style_weight=1e5), "ab" * 32, ["seed", "style_weight"], ".png")
    assert name == "My-Cat--Waves--seed-3_style_weight-1e5--abababababab.png"
    assert picture_name(cell(), "ab" * 32, [], ".jpg") == "c--s--abababababab.jpg"
    assert picture_name(cell("Überraschung", "日本"), "0" * 64, [], ".png") == "Uberraschung--picture--000000000000.png"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": "640x480"}, "size-640x480"),
        ({"size": "50%"}, "size-50pct"),
        ({"size": "12.5%"}, "size-12.5pct"),
        ({"init": {"content": 0.9, "noise": 0.1}}, "init-0.9-content+0.1-noise"),
        ({"init": "grey"}, "init-grey"),
        ({"steps": [10, 20]}, "steps-10-20"),
        ({"scales": {"from": 64, "factor": 1.414}}, "scales-from-64-by-1.414"),
        ({"scales": [64, 128]}, "scales-64-128"),
        ({"snapshots": {"every": 50}}, "snapshots-every-50"),
        ({"snapshots": [1, 10]}, "snapshots-1-10"),
        ({"snapshots": None}, "snapshots-none"),
        ({"style_layers": ["relu1_1", "relu2_1"]}, "style_layers-relu1_1+relu2_1"),
    ],
)
def test_values_in_names(settings, said):
    name = picture_name(cell(**settings), "ab" * 32, settings, ".png")
    assert name == f"c--s--{said}--abababababab.png"


def test_names_of_blends_and_of_what_is_not_there():
    assert picture_name(cell("c", "0.7·a + 0.3·waves"), "ab" * 32, [], ".png") == "c--0.7-a+0.3-waves--abababababab.png"
    assert picture_name(cell("c", None), "ab" * 32, ["seed"], ".png") == "c--seed-0--abababababab.png"
    assert picture_name(cell(None, "s"), "ab" * 32, [], ".png") == "s--abababababab.png"
    assert label(cell("c", None), "style") == ""


WICKED = [
    *("..", ".", "", " ", "../../etc/passwd", ".hidden", "-rf", "--", "a/b\\c", "a\0b", "a\nb", "con", "nul."),
    *('a:b*c?d"e<f>g|h', "%2e%2e", "~root", "$HOME", "`id`", "&;#'", "\u202eevil", "e\u0301" * 400, "🐈", "x" * 5000),
]


def test_names_are_safe_bounded_and_unique_whatever_the_labels():
    rng = random.Random(2)
    alphabet = "".join(chr(n) for n in range(1, 300)) + "日本🐈"
    for number in range(2000):
        texts = [
            rng.choice(WICKED) if rng.random() < 0.5 else "".join(rng.choices(alphabet, k=rng.randint(0, 60)))
            for _ in range(3)
        ]
        one = cell(texts[0], texts[1], {"tv_weight": texts[2]}, tv_weight=1, style_layers="relu1_1")
        key = f"{number:064x}"[::-1]
        name = picture_name(one, key, ["tv_weight", "style_layers", "seed"], ".png")
        assert re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*\.png", name), name
        assert len(name) <= 200
        assert key[:12] in name
