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
from stylecore.errors import SettingError
from stylecore.settings import Settings

# The names that manifests use, from the contract with their writers.
CONTRACT = {
    *("method", "preset", "encoder", "pooling", "init", "seed", "size", "steps", "scales", "color", "precision"),
    *("content_layers", "style_layers", "content_weight", "style_weight", "style_statistic", "tv_weight"),
    *("optimizer", "learning_rate", "history_size"),
}


def test_has_the_names_that_manifests_use():
    assert set(settings.names()) >= CONTRACT


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
    odd = Settings(learning_rate=0.5, style_layers={"relu2_1": 0.3, "relu1_1": 2}, scales=[64], size=128)
    assert Settings(**json.loads(json.dumps(odd.to_dict()))) == odd
    assert dataclasses.replace(odd) == odd


def test_do_not_share_their_defaults():
    Settings().style_layers["relu1_1"] = 7.0
    assert Settings().style_layers["relu1_1"] == 1.0


@pytest.mark.parametrize(
    ("values", "setting", "text"),
    [
        ({"stylewieght": 1}, "stylewieght", "unknown setting 'stylewieght'; did you mean 'style_weight'?"),
        ({"zzz": 1}, "zzz", "unknown setting 'zzz'"),
        ({3: 1}, "3", "unknown setting 3"),
        ({"steps": "lots"}, "steps", "steps: expected a whole number from 1 to 1000000, got 'lots'"),
        ({"size": 8}, "size", "size: expected a whole number from 16"),
        ({"optimizer": "lbgfs"}, "optimizer", "did you mean 'lbfgs'"),
        ({"style_layers": ["relu1_1", "relu4_9"]}, "style_layers", "no layer 'relu4_9'; did you mean"),
        ({"content_layers": "relu5_2"}, "content_layers", "it has conv1_1 … relu5_1"),
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


@pytest.mark.parametrize(
    ("size", "scales", "sizes"),
    [
        (512, 1, [512]),
        (512, 3, [128, 256, 512]),
        (512, "auto", [128, 256, 512]),
        (256, "auto", [128, 256]),
        (100, "auto", [100]),
        (4096, "auto", [1024, 2048, 4096]),
        (300, [64, 150], [64, 150, 300]),
        (300, [300, 64], [64, 300]),
        (32, 4, [16, 32]),
    ],
)
def test_sizes_go_from_coarse_to_the_size_asked_for(size, scales, sizes):
    assert Settings(size=size, scales=scales).sizes() == sizes


def test_deciding_leaves_out_the_preset_only():
    assert set(settings.names()) - set(Settings().deciding()) == {"preset"}


def test_need_no_torch():
    code = (
        "import sys; from stylecore import Settings; from stylecore.settings import json_schema; json_schema(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
