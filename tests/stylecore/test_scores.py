"""Scores: which layers they look at, what equal pictures score, which of two is worse, and what is left out."""

from __future__ import annotations

import functools
import itertools
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from reference_vgg import caffe_input, layers_of, random_pictures

from stylecore import images, score_features, weights
from stylecore.encoder import warm_encoder
from stylecore.errors import PictureError
from stylecore.presets import PRESETS
from stylecore.scores import SCORES, held_out, score
from stylecore.settings import Settings
from stylecore.settings import layers_of as offered_by
from stylecore.statistics import STATISTICS

ROOT = Path(__file__).parents[2]
STYLE_LAYERS, CONTENT_LAYERS = ["relu1_2", "relu2_2"], ["relu3_3"]
STYLE_SCORES = ["style_gram", "style_wasserstein2", "style_sliced_wasserstein"]
CONTENT_SCORES = ["content_features", "content_cfsd", "content_ssim"]
HEALTH_SCORES = ["health_clipped", "health_total_variation", "health_flatness"]


def encoder():
    return warm_encoder(weights.resolve("vgg19"), "max", "zero", torch.float32, torch.device("cpu"))


@functools.cache
def sample(name, size=64):
    """A picture that ships, scaled to a longest side, shape (1, 3, height, width), rounded to 8 bits."""
    pixels = images.fit(images.read(ROOT / "flows" / "samples" / name), size).pixels
    return eight_bit(torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).contiguous())


def eight_bit(picture):
    return (picture.clamp(0, 1) * 255).round() / 255


def noisy(picture, deviation=0.2):
    return picture + deviation * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))


def blurred(picture):
    return torch.nn.functional.avg_pool2d(torch.nn.functional.pad(picture, (1, 1, 1, 1), "replicate"), 3, 1)


def scored(picture, content=None, styles=(), style_layers=STYLE_LAYERS, content_layers=CONTENT_LAYERS):
    return score(picture, content, styles, encoder(), style_layers, content_layers)


def rules_out(used):
    return {*used, *(layer.replace("conv", "relu") for layer in used)}


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_is_scored_on_its_own_layers(preset):
    settings = Settings.resolve({"preset": preset, "encoder": "vgg19-torchvision"})
    used = [*settings.style_layers, *settings.content_layers]
    style_layers, content_layers = held_out(used, offered_by("vgg19-torchvision"))
    assert style_layers
    assert content_layers
    assert not rules_out(used) & {*style_layers, *content_layers}


def test_no_choice_of_layers_is_scored_on_itself():
    chance = random.Random(0)
    for encoder_name in ("vgg19", "vgg16-torchvision"):
        offered = offered_by(encoder_name)
        for _ in range(200):
            used = chance.sample(offered, chance.randint(0, len(offered)))
            chosen = [*itertools.chain(*held_out(used, offered))]
            assert not rules_out(used) & {*chosen}
            assert {*chosen} <= {*offered}


def test_what_is_scored_on_is_always_the_same_unless_it_was_used():
    offered = offered_by("vgg19")
    usual = held_out(["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1", "relu4_2"], offered)
    assert usual == held_out([], offered) == held_out(["conv4_2", "relu5_1"], offered)
    assert held_out([], offered_by("vgg16-torchvision")) == usual
    assert [layer[:5] for layer in usual[0]] == ["relu1", "relu2", "relu3", "relu4"]
    other = held_out([usual[0][2]], offered)[0]
    assert other[2] != usual[0][2]
    assert other[2].startswith("relu3")
    assert held_out(offered, offered) == ([], [])


def test_a_picture_that_is_its_content_and_its_style_is_perfect():
    picture = sample("coffee.jpg")
    result = scored(picture, picture, [(picture, 1.0)], ["relu1_2", "relu2_2", "relu3_2", "relu4_3"], ["relu4_3"])
    assert list(result) == list(SCORES)
    for name in [*STYLE_SCORES, "content_features", "content_cfsd"]:
        assert result[name] == pytest.approx(0, abs=1e-4), name
    assert result["content_ssim"] == pytest.approx(1)


@pytest.mark.parametrize("content", ["coffee.jpg", "cat.jpg"])
def test_noise_is_farther_from_the_content_than_blur(content):
    content = sample(content)
    sharp, soft, loud = (scored(picture, content) for picture in (content, blurred(content), noisy(content)))
    for name in ("content_features", "content_cfsd"):
        assert sharp[name] < soft[name] < loud[name], name
    assert sharp["content_ssim"] > soft["content_ssim"] > loud["content_ssim"]
    name = "health_total_variation"
    assert soft[name] < sharp[name] < loud[name]


@pytest.mark.parametrize("style", ["brush-strokes.jpg", "pointillist.jpg", "gravel.jpg"])
def test_the_style_itself_upside_down_is_nearer_than_any_photograph(style):
    style = sample(style)
    near, between, far = (
        scored(picture, None, [(style, 1.0)], ["relu1_2", "relu2_2", "relu3_2"])
        for picture in (style.flip(2), noisy(style, 0.1), sample("rocket.jpg"))
    )
    for name in STYLE_SCORES:
        assert near[name] < far[name], name
        assert between[name] < far[name], name


def test_style_gram_is_the_relative_distance_of_gram_matrices():
    picture, style = sample("coffee.jpg", 32), sample("waves.jpg", 48)
    distances = []
    for layer in STYLE_LAYERS:
        drawn, wanted = (
            (maps @ maps.T / maps.shape[1]).double()
            for maps in (layers_of(caffe_input(p))[layer][0].flatten(1) for p in (picture, style))
        )
        distances.append(float((drawn - wanted).square().sum() / wanted.square().sum()))
    result = scored(picture, None, [(style, 2.0)])
    assert result["style_gram"] == pytest.approx(np.mean(distances), rel=1e-3)


def test_content_features_is_measured_on_the_networks_layers():
    picture, content = sample("cat.jpg", 40), sample("cat.jpg", 40).flip(3)
    drawn, wanted = (layers_of(caffe_input(p))["relu3_3"].numpy() for p in (picture, content))
    expected = ((drawn - wanted) ** 2).mean() / wanted.var()
    assert scored(picture, content)["content_features"] == pytest.approx(expected, rel=1e-3)


def test_several_styles_are_blended_where_the_statistic_is_linear():
    picture, one, other = sample("coffee.jpg"), sample("waves.jpg"), sample("gravel.jpg", 48)
    blended = scored(picture, None, [(one, 1.0), (other, 3.0)])
    apart = [scored(picture, None, [(style, 1.0)]) for style in (one, other)]
    name = "style_sliced_wasserstein"
    assert blended[name] == pytest.approx(0.25 * apart[0][name] + 0.75 * apart[1][name], rel=1e-5)
    distances = []
    for layer in STYLE_LAYERS:
        maps = [layers_of(caffe_input(p))[layer][0].flatten(1).double() for p in (picture, one, other)]
        drawn, first, second = (m @ m.T / m.shape[1] for m in maps)
        target = 0.25 * first + 0.75 * second
        distances.append(float((drawn - target).square().sum() / target.square().sum()))
    assert blended["style_gram"] == pytest.approx(np.mean(distances), rel=1e-3)


def test_weights_of_styles_count_by_their_ratio():
    picture, one, other = sample("coffee.jpg"), sample("waves.jpg"), sample("gravel.jpg", 48)
    few, many = (scored(picture, None, [(one, w), (other, 3 * w)]) for w in (0.1, 40.0))
    assert few == pytest.approx(many, rel=1e-4)


def test_scores_of_what_is_not_there_are_left_out():
    picture, style = sample("coffee.jpg"), sample("waves.jpg")
    assert list(scored(picture)) == HEALTH_SCORES
    assert list(scored(picture, picture)) == CONTENT_SCORES + HEALTH_SCORES
    assert list(scored(picture, None, [(style, 1.0)])) == STYLE_SCORES + HEALTH_SCORES
    assert list(scored(picture, picture, [(style, 1.0)], [], [])) == ["content_ssim", *HEALTH_SCORES]


def test_a_picture_scores_as_its_file_does():
    picture, content = noisy(sample("coffee.jpg"), 0.3), sample("coffee.jpg")
    style = [(sample("waves.jpg"), 1.0)]
    assert scored(picture, content, style) == scored(eight_bit(picture), content, style)


@pytest.mark.parametrize("sides", [(1, 20), (3, 64), (16, 16)])
def test_small_pictures_are_scored_on_the_layers_they_have(sides):
    picture, content = random_pictures(2, *sides).split(1)
    layers = [*STYLE_LAYERS, "relu4_3"]
    result = scored(picture, content, [(random_pictures(1, 16, 16), 1.0)], layers, ["relu4_3"])
    assert all(math.isfinite(value) for value in result.values())
    assert ("content_features" in result) == (min(sides) >= 8)
    assert list(result)[:3] == STYLE_SCORES


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_pictures_have_finite_scores(level):
    flat, picture = torch.full((1, 3, 32, 32), level), random_pictures(1, 32, 32)
    for result in (scored(flat, picture, [(picture, 1.0)]), scored(picture, flat, [(flat, 1.0)])):
        assert list(result) == list(SCORES)
        assert all(math.isfinite(value) for value in result.values()), result


def test_sliced_distances_of_large_pictures_are_those_of_all_positions():
    picture, style = sample("coffee.jpg", 160), sample("waves.jpg", 200)  # more than 16384 positions each
    layers = ["relu1_1"]
    statistic = STATISTICS["sliced_wasserstein"]
    drawn, wanted = (encoder().features(p, layers)["relu1_1"] for p in (picture, style))
    target = statistic.describe(wanted)
    everywhere = float(statistic.distance(drawn, target) / statistic.size(target))
    result = scored(picture, None, [(style, 1.0)], layers)["style_sliced_wasserstein"]
    assert result == pytest.approx(everywhere, rel=0.05)
    assert scored(style, None, [(style, 1.0)], layers)["style_sliced_wasserstein"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("styles", [["waves.jpg"], ["waves.jpg", "gravel.jpg"]])
def test_style_scores_are_the_statistics_own_distances(styles):
    """Reckoned another way, with what depends on the styles alone prepared, but the same."""
    picture, wanted = sample("coffee.jpg", 40), [sample(name, 56) for name in styles]
    drawn = encoder().features(picture, STYLE_LAYERS)
    result = scored(picture, None, [(style, 1.0) for style in wanted])
    for name in ("wasserstein2", "sliced_wasserstein"):
        statistic, distances = STATISTICS[name], []
        for layer in STYLE_LAYERS:
            targets = [statistic.describe(encoder().features(style, [layer])[layer]) for style in wanted]
            if statistic.linear:
                targets = [torch.stack(targets).mean(0)]
            relative = [statistic.distance(drawn[layer], target) / statistic.size(target) for target in targets]
            distances.append(float(torch.stack(relative).mean()))
        assert result[f"style_{name}"] == pytest.approx(np.mean(distances), rel=1e-4)


@pytest.mark.parametrize("most", [0, 2_000_000, 2**29])
def test_what_is_known_of_contents_and_styles_changes_no_score(monkeypatch, most):
    monkeypatch.setattr("stylecore.scores._MOST_BYTES", most)
    known, sizes = {}, []
    layers = STYLE_LAYERS, CONTENT_LAYERS
    contents, styles = [sample("coffee.jpg"), sample("coffee.jpg").flip(2)], [sample("waves.jpg"), sample("gravel.jpg")]
    blends = [[(styles[0], 1.0)], [(styles[1], 1.0)], [(styles[0], 1.0), (styles[1], 2.0)]]
    blends += [[(style, n * weight) for n, (style, weight) in enumerate(blends[2], 1)]]
    for content, blend in itertools.product(contents, blends * 2):
        picture = noisy(content, 0.1)
        assert score(picture, content, blend, encoder(), *layers, known) == scored(picture, content, blend)
        sizes.append(len(known))
    asked = len(contents) + len(styles) + len(blends)
    assert max(sizes) == asked if most == 2**29 else max(sizes) < asked
    assert most or not known


def test_pictures_are_left_as_they_are_and_nothing_is_kept_for_a_gradient():
    picture = noisy(sample("coffee.jpg")).requires_grad_()
    before = picture.detach().clone()
    result = scored(picture, sample("coffee.jpg"), [(sample("waves.jpg"), 1.0)])
    assert all(type(value) is float for value in result.values())
    assert torch.equal(picture.detach(), before)


def test_content_of_another_size_is_named():
    with pytest.raises(PictureError, match=r"content is 48×30 pixels and the picture to score is 40×30"):
        scored(random_pictures(1, 30, 40), random_pictures(1, 30, 48))


def test_names_of_scores_need_no_torch():
    program = "import sys, stylecore.score_names; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT).returncode == 0


def test_every_score_is_explained():
    page = (ROOT / "docs" / "scores.md").read_text("utf-8")
    assert [name for name in SCORES if f"`{name}`" not in page] == []


def test_large_pictures_are_scored_by_tiles_to_the_same_scores(monkeypatch):
    pictures = [random_pictures(1, 90, 131, seed) for seed in range(3)]
    arguments = pictures[0], pictures[1], [(pictures[2], 1), (pictures[1], 3)], encoder(), STYLE_LAYERS, CONTENT_LAYERS
    whole = score(*arguments)
    monkeypatch.setattr(score_features, "LARGE", 100)
    monkeypatch.setattr(score_features, "_TILE", 32)
    assert score(*arguments) == pytest.approx(whole, rel=1e-4)
