"""Half precisions: that fp16 holds the gradients, and that what one cannot hold is rendered in fp32."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from reference_vgg import random_pictures
from safetensors.torch import save_file
from small_cells import failure, light, only, results
from torch.nn import functional

from stylecore import weights
from stylecore.constants import Constants
from stylecore.encoder import computing_type, precision_name, warm_encoder
from stylecore.errors import SettingError
from stylecore.objective import Objective, StyleTarget, Targets
from stylecore.settings import Settings

CPU = torch.device("cpu")


def evaluated(dtype, tile=None, **settings):
    """Loss and gradient of a picture of 48 pixels."""
    picture, content, style = (random_pictures(1, 48, 48, seed) for seed in (1, 2, 3))
    settings = Settings(**settings)
    encoder = warm_encoder(weights.resolve("vgg19"), "max", "replicate", dtype, CPU)
    constants = Constants(encoder)
    described = constants.style(style, "style", list(settings.style_layers), list(settings.style_statistic))
    maps = constants.content(content, "content", list(settings.content_layers))
    objective = Objective(encoder, [Targets(maps, (StyleTarget(described),), settings)], (48, 48), tile)
    return objective.evaluate(picture)[:2]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "style_statistic": "gram",
            "style_normalization": "channels",
            "content_normalization": "mean",
            "style_weight": 1e9,
            "content_weight": 1e4,
        },
        {"style_statistic": "wasserstein2", "style_weight": 1e-4, "content_weight": 1e-4},
    ],
    ids=["default", "large losses", "small losses"],
)
def test_fp16_gradient_points_the_same_way_however_large_the_loss(settings):
    layers = {"content_layers": "relu3_1", "style_layers": ["relu1_1", "relu2_1", "relu3_1"], "tv_weight": 0}
    (loss, gradient), (half_loss, half) = (evaluated(d, **layers, **settings) for d in (torch.float32, torch.float16))
    assert float(half_loss) == pytest.approx(float(loss), rel=0.01)
    assert float(functional.cosine_similarity(gradient.flatten(), half.flatten(), dim=0)) > 0.99
    assert float(half.norm() / gradient.norm()) == pytest.approx(1, abs=0.02)


def test_fp16_gradient_by_tiles():
    layers = {"content_layers": "relu2_1", "style_layers": ["relu1_1", "relu2_1"]}
    whole, tiled = (evaluated(torch.float16, tile, **layers)[1].flatten() for tile in (None, 24))
    assert float(functional.cosine_similarity(whole, tiled, dim=0)) > 0.999


def test_balanced_layers_are_refused_in_fp16():
    with pytest.raises(SettingError, match=r"precision: fp16 .* balance: layers .* expected auto, bf16 or fp32"):
        Settings(balance="layers", precision="fp16", optimizer="adam")


def test_fp16_on_a_processor_without_it_is_auto_and_says_so():
    given = precision_name(computing_type("fp16", CPU))
    result = only(light(precision="fp16", steps=1))
    assert result.precision == given
    if given != "fp16":
        assert given == precision_name(computing_type("auto", CPU))
        (note,) = result.notes
        assert "no instructions for fp16" in note
        assert given in note


@pytest.fixture
def beyond_bf16(tmp_path):
    """An encoder with one weight that bf16 rounds to infinity, upon a map that is 0 everywhere: 0 in fp32, else nan."""
    state = {name: tensor.clone() for name, tensor in weights.load(weights.resolve("vgg19")).items()}
    state = {name: tensor for name, tensor in state.items() if int(name.split(".")[1]) <= 5}
    state["features.0.bias"][7] = -1e6
    state["features.2.weight"][3, 7, 1, 1] = torch.finfo(torch.float32).max
    save_file(state, tmp_path / "beyond.safetensors")
    return {"arch": "vgg19", "weights": str(tmp_path / "beyond.safetensors"), "input": "caffe"}


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_what_bf16_cannot_hold_is_rendered_in_fp32(beyond_bf16, optimizer):
    cell = light(encoder=beyond_bf16, precision="bf16", steps=3, optimizer=optimizer)
    result = only(cell)
    assert result.precision == "fp32"
    assert result.notes == ("not finite in bf16: rendered again in fp32",)
    same = only(dataclasses.replace(cell, settings=dataclasses.replace(cell.settings, precision="fp32")))
    assert np.array_equal(result.pixels, same.pixels)
    assert result.curve == same.curve
    assert same.notes == ()


def test_what_fp32_cannot_hold_either_stays_a_failure():
    steps = []
    (found,) = results([light(precision="bf16", style_weight=1e300)], on_step=steps.append)
    assert found.failure.kind == "not-finite"
    assert "precision" not in str(found.failure)
    assert len(steps) == 2, "once in bf16, once in fp32"
    assert failure(light(precision="fp32", style_weight=1e300)).kind == "not-finite"


def test_others_of_the_batch_stay_as_they_are():
    plain, hopeless = light(precision="bf16", seed=1), light(precision="bf16", style_weight=1e300)
    beside = results([hopeless, plain], batch=2)[1]
    undisturbed = results([plain, plain], batch=2)[1]
    assert (beside.precision, beside.notes) == ("bf16", ())
    assert np.array_equal(beside.pixels, undisturbed.pixels)
