"""Outputs for tests and figures of the gallery: pictures that are drawn, receipts as runs leave them, no renders."""

from __future__ import annotations

import hashlib
import io
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

from flows.keys import key_of
from flows.previews import preview_name
from stylecore.settings import Settings

WEIGHTS = {"architecture": "vgg19", "input": "caffe", "digest": "0" * 64}
METHOD = {"name": "gatys", "version": 1}


def drawn(seed, size=(96, 64), kind="PNG"):
    """Bytes of a picture of soft waves, another one for each seed."""
    width, height = size
    across, down = np.meshgrid(np.arange(width) / width, np.arange(height) / height)
    tone = [np.sin(9 * across * math.cos(seed + c) + 7 * down * math.sin(seed * 1.7 + c) + c) for c in range(3)]
    pixels = (np.stack(tone, axis=2) * 100 + 128 + seed % 7).clip(0, 255).astype("uint8")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def source_picture(folder, name, label=None, seed=0):
    """An input as described cells have it, its file written below a folder."""
    data = drawn(seed, (60, 40))
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"name": name, "label": label or Path(name).stem, "sha256": hashlib.sha256(data).hexdigest()}


def receipt_of(content, style, settings=None, labels=None, **more):
    """A receipt without its picture, its key as it should be."""
    cell = {
        "content": content,
        "style": style,
        "init": None,
        "settings": Settings.resolve(settings or {}).to_dict(),
        "labels": labels or {},
        "method": METHOD,
        "weights": WEIGHTS,
        "format": "png",
    }
    result = {"losses": {"total": 2.5, "style": 2.0, "content": 0.5}, "steps": 300, "stop_reason": "steps"}
    result["curve"] = [[step, 1000 / step] for step in range(1, 301)]
    environment = {"stylepress": "0", "torch": "2", "python": "3", "device": "a device", "precision": "fp32"}
    return {
        "schema": 1,
        "key": key_of(cell),
        "cell": cell,
        "result": result,
        "scores": {"style_gram": 0.25, "content_ssim": 0.5},
        "timing": {"queued": 0.5, "load": 0.1, "render": 2.0, "encode": 0.1, "publish": 0.1},
        "environment": environment,
        "attempts": 1,
        "finished": "2030-01-02T03:04:05Z",
    } | more


def leave(out, receipt, data, size=(96, 64), name=None):
    """Publish a picture and then its receipt, as a run does; returns the receipt."""
    path = f"renders/{name or receipt['key'][:12]}.png"
    described = {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "format": "png"}
    whole = {**receipt, "picture": {**described, "width": size[0], "height": size[1]}}
    for file, text in (
        (path, data),
        (f"receipts/{receipt['key'][:2]}/{receipt['key']}.json", json.dumps(whole).encode()),
    ):
        place = Path(out, file)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text)
    return whole


def run_file(out, run="20300102T030000Z-abcd", **more):
    """The file of a run that has ended."""
    document = {"run": run, "state": "ended", "manifest": {"name": "waves and dunes"}, "cells": 4, "rendered": 4}
    document |= {"skipped": 0, "failed": 0, "remaining": 0, "seconds": 8.0, "started": "2030-01-02T03:00:00Z"}
    document |= {"stopped": "", "failures": [], "sheets": [], "axes": {}, "updated": "2030-01-02T03:05:00Z"} | more
    place = Path(out, f"runs/{run}.json")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(document))


def output(out, contents=("photos/dune.png", "photos/wave.png"), weights=(10, 1000), size=(96, 64), seed=0, **run):
    """A finished output of contents × style weights; returns its receipts by key. Inputs lie beside it."""
    style = source_picture(Path(out).parent, "styles/ink.png", seed=77)
    receipts = {}
    for n, name in enumerate(contents):
        content = source_picture(Path(out).parent, name, seed=n)
        preview = Path(out, preview_name(content["sha256"]))
        preview.parent.mkdir(parents=True, exist_ok=True)
        preview.write_bytes(drawn(n, (60, 40), "JPEG"))
        for m, weight in enumerate(weights):
            receipt = receipt_of(content, style, {"style_weight": weight, "size": 96})
            data = drawn(seed + 10 * n + m, size)
            receipts[receipt["key"]] = leave(out, receipt, data, size)
    run_file(out, **run)
    return receipts


def many(out, count, size=(96, 64), pictures=50):
    """An output of many cells that share some pictures: four contents × seeds, scored."""
    style = source_picture(Path(out).parent, "styles/ink.png", seed=77)
    contents = [source_picture(Path(out).parent, f"photos/{n}.png", f"photo {n}", seed=n) for n in range(4)]
    data = [drawn(seed, size) for seed in range(min(count, pictures))]
    for n in range(count):
        settings = {"seed": n // 12, "style_weight": [1, 10, 100][n // 4 % 3], "size": 96}
        scores = {"style_gram": 0.1 + n % 97 / 100, "content_ssim": 1 - n % 89 / 100}
        leave(out, receipt_of(contents[n % 4], style, settings, scores=scores), data[n % len(data)], size)
    run_file(out, cells=count, rendered=count)
