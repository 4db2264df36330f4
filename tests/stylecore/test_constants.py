"""Constants: computed once for each picture, size, layer and statistic, and no more of them than fit."""

from __future__ import annotations

import torch
from reference_vgg import random_pictures

from stylecore import constants, weights
from stylecore.constants import Constants
from stylecore.encoder import warm_encoder


def fresh():
    return Constants(warm_encoder(weights.resolve("vgg19"), "max", "zero", torch.float32, torch.device("cpu")))


def content_of(known, picture, digest, layer="relu1_1"):
    return known.content(picture, digest, [layer])[layer]


def style_of(known, picture, digest, statistic="gram", mask=None):
    return known.style(picture, digest, ["relu1_1"], [statistic], mask)[statistic]["relu1_1"]


def test_are_computed_once():
    known, picture = fresh(), random_pictures(1, 32, 32)
    assert content_of(known, picture.clone(), "digest") is content_of(known, picture, "digest")
    assert style_of(known, picture.clone(), "digest") is style_of(known, picture, "digest")


def test_one_more_statistic_leaves_the_others_as_they_are():
    known, picture = fresh(), random_pictures(1, 32, 32)
    first = style_of(known, picture, "digest")
    both = known.style(picture, "digest", ["relu1_1"], ["gram", "mean_std"])
    assert both["gram"]["relu1_1"] is first
    assert list(both) == ["gram", "mean_std"]


def test_differ_by_picture_size_layer_and_statistic():
    known, picture, other = fresh(), random_pictures(1, 32, 32), random_pictures(1, 24, 32, seed=1)
    gram = style_of(known, picture, "digest")
    different = [
        style_of(known, other, "digest"),
        style_of(known, random_pictures(1, 32, 32, seed=2), "another"),
        style_of(known, picture, "digest", "centered_gram"),
    ]
    assert not any(torch.equal(gram, tensor) for tensor in different)
    assert set(known.style(picture, "digest", ["relu2_1"], ["gram"])["gram"]) == {"relu2_1"}
    assert content_of(known, other, "digest").shape == (1, 64, 24, 32)


def test_a_mask_takes_a_part_of_the_style():
    known, picture = fresh(), random_pictures(1, 32, 32)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 4:20, 8:28] = 1
    features = content_of(known, picture, "digest")[0, :, 4:20, 8:28].flatten(1)
    masked = style_of(known, picture, "digest mask", mask=mask)
    torch.testing.assert_close(masked[0], features @ features.T / features.shape[1], rtol=1e-4, atol=1e-4)


def test_hold_no_graph():
    assert not content_of(fresh(), random_pictures(1, 16, 16).requires_grad_(), "").requires_grad


def test_the_oldest_make_room(monkeypatch):
    monkeypatch.setattr(constants, "_MOST_BYTES", 3 * 64 * 16 * 16 * 4)
    known, picture = fresh(), random_pictures(1, 16, 16)
    first = content_of(known, picture, "0")
    for digest in "12":
        content_of(known, picture, digest)
    assert content_of(known, picture, "0") is first
    content_of(known, picture, "3")
    again = content_of(known, picture, "0")
    assert again is not first
    assert torch.equal(again, first)


def test_what_is_kept_is_counted_once(monkeypatch):
    """Room for three: asking for one statistic more does not count the first one again."""
    monkeypatch.setattr(constants, "_MOST_BYTES", 3 * 64 * 64 * 4)
    known, picture = fresh(), random_pictures(1, 16, 16)
    first = style_of(known, picture, "digest")
    for statistics in (["gram", "centered_gram"], ["gram", "centered_gram", "mean_std"]):
        known.style(picture, "digest", ["relu1_1"], statistics)
    assert style_of(known, picture, "digest") is first
