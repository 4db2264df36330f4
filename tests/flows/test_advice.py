"""Notes on manifests that are right and hardly meant."""

from __future__ import annotations

import pytest

from flows import advice, manifest
from stylecore.presets import PUBLISHED

HEAD = "version: 1\ninputs: {content: 'sample:cat', style: 'sample:waves'}\n"
FILE = "{arch: vgg19, weights: oxford.safetensors, input: caffe}"


def notes(text):
    return advice.notes(manifest.load(HEAD + text, "m.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        "defaults: {preset: neural-style}",
        "jobs: [{grid: {preset: [none, neural-style]}}]",
        "jobs: [{zip: {preset: [{value: neural-style, label: classic}]}}]",
        "jobs: [{grid: {seed: [1, 2]}, override: [{when: {seed: 1}, set: {preset: neural-style}}]}]",
        "jobs: [{add: [{content: 'sample:cat', style: 'sample:waves', preset: neural-style}]}]",
    ],
)
def test_a_preset_of_another_network_is_noted_once(text):
    (note,) = notes(text)
    assert "preset neural-style was published with the VGG-19 of Oxford" in note
    assert "defaults.encoder" in note


@pytest.mark.parametrize(
    "text",
    [
        "",
        "defaults: {preset: none}",
        "defaults: {preset: gatys-2016}",
        f"defaults: {{preset: neural-style, encoder: {FILE}}}",
        f"defaults: {{preset: neural-style}}\njobs: [{{grid: {{encoder: [{FILE}]}}}}]",
    ],
)
def test_nothing_is_said_where_the_network_is_the_presets_or_named(text):
    assert notes(text) == []


def test_each_preset_that_needs_it_is_noted():
    everything = ", ".join(PUBLISHED)
    assert len(notes(f"jobs: [{{grid: {{preset: [{everything}]}}}}]")) == len(PUBLISHED) - 1
