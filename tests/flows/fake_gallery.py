"""Outputs for tests and benchmarks of the gallery: any number of pictures drawn by code, with their receipts."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from flows.previews import preview_name
from stylecore.settings import Settings

CONTENTS = ("harbour", "market hall", "portrait in profile", "winter garden")
STYLES = ("woodcut", "stained glass", "brush strokes", "pointillist", "waves")
LAYERS = ("relu4_2", "relu3_2", "relu2_2")
WEIGHTS = (1.0, 5.0, 20.0, 100.0, 500.0)
SHAPES = ((4, 3), (3, 4), (1, 1), (16, 9))
"""Width to height of the contents, in their order."""


def make(folder, count, longest=320, contents=CONTENTS, styles=STYLES, name="fake pictures"):
    """Write an output of so many pictures, `longest` pixels on their longest side; returns its path.

    They vary in content, style, style weight, content layer and seed, in this order, the last the fastest.
    """
    out = Path(folder)
    seeds = -(-count // (len(contents) * len(styles) * len(WEIGHTS) * len(LAYERS)))
    grid = itertools.product(range(len(contents)), range(len(styles)), WEIGHTS, LAYERS, range(seeds))
    inputs = {kind: [_input(out, label, n) for n, label in enumerate(kind)] for kind in (contents, styles)}
    textures = {(c, s): _textures(c, s, longest) for c in range(len(contents)) for s in range(len(styles))}
    settings = Settings.resolve({"size": longest}).to_dict()
    cells = random.Random(count).sample(list(grid), count)

    def write(cell):
        content, style, weight, layer, seed = cell
        varied = {**settings, "style_weight": weight, "content_layers": {layer: 1.0}, "seed": seed}
        key = hashlib.sha256(repr((contents, styles, cell, longest)).encode()).hexdigest()
        data = _drawn(textures[content, style], weight, seed + LAYERS.index(layer))
        path = f"renders/{content}-{style}-{key[:12]}.jpg"
        _put(out / path, data)
        receipt = _receipt(key, path, data, varied, inputs[contents][content], inputs[styles][style])
        _put(out / f"receipts/{key[:2]}/{key}.json", json.dumps(receipt).encode())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, cells))
    _put(out / "runs/20261121T120000Z-fake.json", json.dumps(_run(name, len(cells))).encode())
    return out


def _put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _input(out, label, number):
    """An input as a receipt has it, its preview written."""
    wide, high = SHAPES[number % len(SHAPES)]
    data = _jpeg(_shape(number, wide * 40, high * 40)[..., None] * np.array([0.9, 0.8, 0.7]))
    digest = hashlib.sha256(data + label.encode()).hexdigest()
    _put(out / preview_name(digest), data)
    return {"name": f"pictures/{number}.jpg", "label": label, "sha256": digest}


def _shape(number, width, height):
    """Some soft forms, brightness in 0..1, the same for the same number."""
    draw = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    forms = np.zeros((height, width))
    for a, b, size in draw.uniform(0.1, 0.9, (7, 3)):
        forms += np.tanh(14 * (size * 0.4 - np.hypot(x - a, y - b))) * draw.choice((-1, 1))
    return (forms - forms.min()) / np.ptp(forms)


def _textures(content, style, longest):
    """A picture's two extremes: its content's forms in flat colour, and with its style's marks over them."""
    wide, high = SHAPES[content % len(SHAPES)]
    scale = longest / max(wide, high)
    width, height = round(wide * scale), round(high * scale)
    draw = np.random.default_rng(100 + style)
    palette = draw.uniform(20, 235, (5, 3))
    palette = palette[np.argsort(palette.sum(axis=1))]
    forms = _shape(content, width, height)
    noise = Image.fromarray(draw.integers(0, 256, (height, width), dtype="uint8"))
    marks = np.asarray(noise.filter(ImageFilter.GaussianBlur(1.5 + style))) / 127.5 - 1
    marks = marks / (np.abs(marks).max() or 1)
    plain = palette[np.clip(forms * 4.99, 0, 4).astype(int)]
    marked = palette[np.clip((forms + marks * 0.9) * 4.99, 0, 4).astype(int)]
    return plain, marked


def _drawn(extremes, weight, seed):
    """One picture between the extremes, the nearer to the marks the more style it has; a seed shifts its marks."""
    plain, marked = extremes
    share = 0.15 + 0.17 * WEIGHTS.index(weight)
    return _jpeg((1 - share) * plain + share * np.roll(marked, 17 * seed, axis=1) + (seed % 7))


def _jpeg(pixels):
    pixels = np.asarray(pixels) * (255 if np.max(pixels) <= 1 else 1)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _receipt(key, path, data, settings, content, style):
    with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
    draw = np.random.default_rng(int(key[:8], 16))
    stylish = (WEIGHTS.index(settings["style_weight"]) + draw.uniform(0, 1.5)) / 6
    scores = {
        "style_gram": round(0.4 * (1 - stylish) ** 2 + 0.02, 6),
        "style_wasserstein2": round(0.3 * (1 - stylish) + 0.02, 6),
        "content_cfsd": round(0.2 + 0.9 * stylish * draw.uniform(0.8, 1.2), 6),
        "content_ssim": round(0.9 - 0.7 * stylish * draw.uniform(0.9, 1.1), 6),
    }
    return {
        "schema": 1,
        "key": key,
        "cell": {
            "content": content,
            "style": style,
            "init": None,
            "settings": settings,
            "labels": {},
            "method": {"name": "gatys", "version": 2},
            "weights": {"architecture": "vgg19", "input": "caffe", "digest": "0" * 64},
            "format": "jpeg",
        },
        "picture": {
            "path": path,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "width": width,
            "height": height,
            "format": "jpeg",
        },
        "result": {
            "losses": {"total": 6.4, "content": 1.3, "style": 5.1},
            "curve": [[step, 90 * step**-0.6 + 1] for step in range(1, 101)],
            "steps": 100,
            "stop_reason": "steps",
        },
        "scores": scores,
        "timing": {"queued": 0.1, "load": 0.01, "render": round(draw.uniform(5, 9), 3), "encode": 0.01},
        "environment": {"stylepress": "0.1.0", "torch": "2.13.0", "device": "a processor", "precision": "bf16"},
        "attempts": 1,
        "finished": "2026-11-21T12:00:00Z",
    }


def _run(name, cells):
    return {
        "run": "20261121T120000Z-fake",
        "manifest": {"version": 1, "name": name},
        "to": ".",
        "cells": cells + 1,
        "rendered": cells,
        "skipped": 0,
        "failed": 1,
        "seconds": 7.5 * cells,
        "started": "2026-11-21T12:00:00Z",
        "stopped": "",
        "failures": [{"cell": "harbour--woodcut", "key": "ab" * 32, "kind": "nan", "message": "the loss is no number"}],
        "sheets": [],
        "axes": {
            "style_weight": ["1", "5", "20", "100", "500"],
            "content_layers": list(LAYERS),
        },
    }
