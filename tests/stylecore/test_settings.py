"""Settings: one typed, documented home; canonical whatever is written; errors that name what was meant."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import jsonschema
import pytest

from stylecore import settings
from stylecore.architectures import ARCHITECTURES
from stylecore.color import COLOR_MATCHES
from stylecore.errors import SettingError
from stylecore.methods import METHODS
from stylecore.settings import Settings
from stylecore.statistics import STATISTICS

# The names that manifests use, from the contract with their writers.
CONTRACT = {
    *("method", "preset", "encoder", "pooling", "padding", "init", "noise", "noise_distribution", "seed", "size"),
    *("style_scale", "steps", "scales", "tolerance", "time_limit", "content_layers", "style_layers", "content_weight"),
    *("style_weight", "style_statistic", "content_normalization", "style_normalization", "balance", "tv_weight"),
    *("tv_norm", "color", "optimizer", "learning_rate", "learning_rate_decay", "adam_betas", "adam_epsilon", "average"),
    *("history_size", "line_search", "spectral_exponent", "bounds", "snapshots", "animation", "precision", "tile"),
}
# For each setting something as people write it, what is kept of it, and something it cannot be.
WRITTEN = {
    "method": ("style-reconstruction", "style-reconstruction", "gatis"),
    "preset": ("none", None, "gatys-2017"),
    "encoder": ("vgg16-torchvision", "vgg16-torchvision", "vgg11"),
    "pooling": ("average", "average", "median"),
    "padding": ("reflect", "reflect", "wrap"),
    "init": ({"grey": "1", "noise": 3}, {"grey": 1.0, "noise": 3.0}, {"gray": 1}),
    "noise": ("0", 0.0, 2),
    "noise_distribution": ("uniform", "uniform", "cauchy"),
    "seed": (7.0, 7, -1),
    "size": ("640 x 480", "640x480", "a metre"),
    "style_scale": (2, 2.0, 0),
    "steps": (["1e2", 50], [100, 50], []),
    "scales": ({"factor": 1.5}, {"from": 128, "factor": 1.5}, {"factor": 0.5}),
    "tolerance": ("1e-3", 0.001, -0.1),
    "time_limit": ("none", None, 0),
    "content_layers": ("relu1_1", {"relu1_1": 1.0}, []),
    "style_layers": ({"relu1_1": "1e-1"}, {"relu1_1": 0.1}, {"relu1_1": "much"}),
    "content_weight": ("5e0", 5.0, -1),
    "style_weight": (0, 0.0, "heavy"),
    "style_statistic": (["gram", "mrf"], {"gram": 1.0, "mrf": 1.0}, "gramm"),
    "content_normalization": ("sum", "sum", "median"),
    "style_normalization": ("paper", "paper", "papers"),
    "balance": ("none", "none", "all"),
    "tv_weight": ("2e-3", 0.002, None),
    "tv_norm": ("nine-point", "nine-point", "ten-point"),
    "color": ("cholesky", "cholesky", "sepia"),
    "optimizer": ("normalized-sgd", "normalized-sgd", "rmsprop"),
    "learning_rate": ("auto", None, 0),
    "learning_rate_decay": ("0.96", 0.96, 1.5),
    "adam_betas": (["0.5", 0.9], [0.5, 0.9], [0.5]),
    "adam_epsilon": ("1e-7", 1e-7, 11),
    "average": ("0.99", 0.99, 1),
    "history_size": ("100", 100, 0),
    "line_search": ("none", "none", "wolfe"),
    "bounds": ("none", "none", "0..1"),
    "spectral_exponent": (0, 0.0, 3),
    "snapshots": ({"every": "10"}, {"every": 10}, {"every": 0}),
    "animation": ("none", None, "mp4"),
    "precision": ("fp16", "fp16", "fp8"),
    "tile": (False, "off", "on"),
}
# Values of every kind that JSON has, to be offered to every setting.
OFFERED = [
    *(None, True, False, 0, 1, 2, 0.5, 3.0, -1, 40, 512, 10**7, 1e40, "", " ", "none", "auto", "content", "relu1_1"),
    *("vgg19", "gram", "gatys", "640x480", "50%", "x", "many", "1e_3", "+", [], [1], [64, 512], [0.9, 0.99], ["gram"]),
    *(["relu1_1", "relu2_1"], [None], [[1]], [""], {}, {"every": 5}, {"factor": 2}, {"from": 64, "factor": 1.4}),
    *({"from": 64}, {"content": 0.9, "noise": 0.1}, {"relu1_1": 1}, {"gram": 2, "mrf": 1}, {"gram": "2"}, {"a": []}),
    *({"arch": "vgg16", "weights": "a.safetensors", "input": "caffe"}, {"arch": "vgg16"}, {"every": "5", "x": 1}),
]


def test_has_the_names_that_manifests_use():
    assert set(settings.names()) == CONTRACT == set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_each_reads_what_people_write(name):
    written, kept, _ = WRITTEN[name]
    parsed = settings.parse(name, written)
    assert (parsed, type(parsed)) == (kept, type(kept))
    assert settings.parse(name, parsed) == parsed
    jsonschema.validate({name: written}, settings.json_schema())


@pytest.mark.parametrize("name", WRITTEN)
def test_each_refuses_with_its_name_and_what_it_got(name):
    refused = WRITTEN[name][2]
    with pytest.raises(SettingError) as caught:
        Settings.resolve({name: refused})
    assert caught.value.setting == name
    assert str(caught.value).startswith(f"{name}: ")
    assert "expected" in str(caught.value) or "there are" in str(caught.value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({name: refused}, settings.json_schema())


@pytest.mark.parametrize("name", WRITTEN)
def test_schema_of_each_accepts_exactly_what_it_reads(name):
    validator = jsonschema.Draft202012Validator(settings.kind_of(name).schema())
    for offered in OFFERED:
        try:
            settings.parse(name, offered)
            read = True
        except SettingError:
            read = False
        assert validator.is_valid(offered) == read, offered


@pytest.mark.parametrize("name", settings.names())
def test_each_is_documented_and_has_a_schema(name):
    described = settings.json_schema()["properties"][name]
    assert described["description"].strip().endswith(".")
    assert len(described["description"]) > 20
    jsonschema.Draft202012Validator.check_schema(described)
    jsonschema.validate(described["default"], described)
    assert settings.parse(name, described["default"]) == getattr(Settings(), name)


def test_schema_accepts_settings_and_refuses_unknown_names():
    schema = settings.json_schema()
    jsonschema.validate(Settings().to_dict(), schema)
    jsonschema.validate({"style_weight": "1e5", "content_layers": "relu4_2", "scales": [64, 512]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"stile_weight": 1}, schema)
    assert json.loads(json.dumps(schema)) == schema


def test_values_as_people_write_them_become_canonical():
    written = Settings(size="256", style_weight="1e5", style_layers=["relu1_1"], seed=3.0, scales="2")
    assert (written.size, written.style_weight, written.seed, written.scales) == (256, 1e5, 3, 2)
    assert written.style_layers == {"relu1_1": 1.0}
    assert written == Settings(size=256, style_weight=100000, style_layers="relu1_1", seed="3", scales=2)


def test_survive_json_and_copying():
    odd = Settings(
        learning_rate=0.5,
        style_layers={"relu2_1": 0.3, "relu1_1": 2},
        scales={"from": 64, "factor": 1.5},
        size="128x96",
        steps=[10, 5],
        init={"content": 0.9, "noise": 0.1},
        snapshots={"every": 5},
        animation="gif",
        encoder={"arch": "vgg16", "weights": "a.safetensors", "input": "caffe"},
    )
    assert Settings(**json.loads(json.dumps(odd.to_dict()))) == odd
    assert dataclasses.replace(odd) == odd


@pytest.mark.parametrize("name", WRITTEN)
def test_each_survives_json(name):
    parsed = settings.parse(name, WRITTEN[name][0])
    assert settings.parse(name, json.loads(json.dumps(parsed))) == parsed


def test_do_not_share_their_defaults():
    Settings().style_layers["relu1_1"] = 7.0
    assert Settings().style_layers["relu1_1"] == 64.0


@pytest.mark.parametrize(
    ("values", "setting", "text"),
    [
        ({"stylewieght": 1}, "stylewieght", "unknown setting 'stylewieght'; did you mean 'style_weight'?"),
        ({"zzz": 1}, "zzz", "unknown setting 'zzz'"),
        ({3: 1}, "3", "unknown setting 3"),
        ({"steps": "lots"}, "steps", "steps: expected a whole number from 1 to 1000000, got 'lots'"),
        ({"size": 8}, "size", "size: expected a whole number from 16"),
        ({"size": "huge"}, "size", "or an exact size such as 640x480, or a share such as 50%"),
        ({"optimizer": "lbgfs"}, "optimizer", "did you mean 'lbfgs'"),
        ({"style_layers": ["relu1_1", "relu4_9"]}, "style_layers", "no layer 'relu4_9'; did you mean"),
        (
            {"content_layers": "relu5_2"},
            "content_layers",
            "choose encoder: vgg19-torchvision (it has conv1_1 … relu5_1)",
        ),
        (
            {"preset": "chollet"},
            "content_layers",
            "choose encoder: vgg19-torchvision (it has conv1_1 … relu5_1) (preset",
        ),
        ({"encoder": "vgg16-torchvision", "content_layers": "relu3_4"}, "content_layers", "no layer 'relu3_4'"),
        ({"size": 128, "scales": [64, 256]}, "scales", "256 is larger than the picture"),
    ],
)
def test_errors_name_the_setting_and_the_nearest(values, setting, text):
    with pytest.raises(SettingError) as caught:
        Settings.resolve(values)
    assert caught.value.setting == setting
    assert text in str(caught.value)


def test_layers_offered_depend_on_the_encoder():
    file = {"arch": "vgg16", "weights": "a.safetensors", "input": "caffe"}
    assert settings.layers_of("vgg19")[-1] == "relu5_1"  # the shipped file ends there
    assert settings.layers_of("vgg19-torchvision")[-1] == "relu5_4"
    assert settings.layers_of("vgg16-torchvision")[-1] == settings.layers_of(file)[-1] == "relu5_3"
    Settings(encoder="vgg19-torchvision", content_layers="relu5_4")


def test_architectures_are_those_of_the_paper():
    """Simonyan, Zisserman 2015, table 1: 16 and 13 convolutions; and torchvision's places of conv5_1."""
    for name, convolutions, conv5_1 in (("vgg19", 16, 28), ("vgg16", 13, 24)):
        listed = ARCHITECTURES[name].convolutions()
        assert len(listed) == convolutions
        assert {c.name: c.index for c in listed}["conv5_1"] == conv5_1
        assert len(ARCHITECTURES[name].layers()) == 2 * convolutions


def test_what_is_written_comes_before_the_preset_and_that_before_the_method():
    """content-reconstruction starts from noise at one scale; gatys-notebook, and the defaults, from the content."""
    method = {"method": "content-reconstruction"}
    assert (Settings().init, Settings().scales) == ("content", "auto")
    assert (Settings.resolve(method).init, Settings.resolve(method).scales) == ("noise", 1)
    preset = Settings.resolve({**method, "preset": "gatys-notebook"})
    assert (preset.init, preset.scales, preset.steps) == ("content", 1, 500)
    written = Settings.resolve({**method, "preset": "gatys-notebook", "init": "grey", "scales": 2})
    assert (written.init, written.scales, written.steps, written.method) == ("grey", 2, 500, "content-reconstruction")


def test_a_preset_may_name_its_method():
    named = Settings.resolve({"preset": "style-reconstruction-2018"})
    assert (named.method, named.init) == ("style-reconstruction", "noise")
    other = Settings.resolve({"preset": "style-reconstruction-2018", "method": "gatys"})
    assert (other.method, other.steps) == ("gatys", 10_000)


def test_the_order_of_what_is_written_does_not_matter():
    values = {"preset": "gatys-notebook", "method": "content-reconstruction", "init": "noise", "steps": 7}
    assert Settings.resolve(values) == Settings.resolve(dict(reversed(values.items())))


def test_names_and_methods_are_those_there_are():
    assert set(settings.STATISTIC_NAMES) == set(STATISTICS)
    assert set(settings.kind_of("method").names) == set(METHODS)
    assert set(settings.kind_of("color").names) == {"style", "content", *COLOR_MATCHES}


def test_deciding_leaves_out_what_changes_no_pixels():
    assert set(settings.names()) - set(Settings().deciding()) == {"preset", "tile"}


def test_need_no_torch():
    code = (
        "import sys; from stylecore import Settings; from stylecore.settings import json_schema; json_schema(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("values", "exponent"),
    [
        ({}, 0.25),
        ({"style_statistic": "gram"}, 0.5),
        ({"style_statistic": {"gram": 1, "mrf": 1}}, 0.25),
        ({"method": "content-reconstruction", "style_statistic": "gram"}, 0.25),
        ({"style_statistic": "gram", "spectral_exponent": 0}, 0.0),
    ],
)
def test_the_spectral_exponent_suits_the_statistic_unless_it_is_set(values, exponent):
    assert Settings.resolve(values).spectral == exponent
