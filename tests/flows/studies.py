"""A small study on disk for tests: pictures, manifests beside them, and finished cells as the contract has them."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

from PIL import Image

from flows import batch, cells, inputs, plan
from flows.store import open_store

COLOURS = {"photos/a.png": "red", "photos/b.png": "green", "styles/x.png": "blue", "styles/y.png": "gold"}
HEAD = """version: 1
inputs: {content: [photos/a.png, photos/b.png], style: [styles/x.png, styles/y.png]}
"""
ONE = "version: 1\ninputs: {content: photos/a.png, style: styles/x.png}\n"


def png(colour, size=(24, 16), kind="PNG"):
    """The bytes of a picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format=kind)
    return buffer.getvalue()


def paint(folder, pictures=COLOURS):
    """Write pictures below a folder; returns it."""
    for name, colour in pictures.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(colour))
    return Path(folder)


def read(folder, text, sets=None, **options):
    """The manifest of that text, as a file in the folder."""
    path = Path(folder, "manifest.yaml")
    path.write_text(text, encoding="utf-8")
    return batch.read_manifest(str(path), sets, **options)


def blocks_of(loaded):
    return cells.blocks(loaded, inputs.find(loaded, inputs.pictures_named(loaded)))


def cells_of(loaded):
    return [cell for block in blocks_of(loaded) for cell in block]


def planned(loaded, out, **options):
    """The plan of a manifest against what a folder holds."""
    store = open_store(out, confine=False)
    return plan.make(loaded, store, **options)


def finish(items, out, *, seconds=2.0):
    """Leave for each item the picture and the receipt that a run leaves."""
    for number, item in enumerate(items):
        data = png((number % 256, 90, 30), (32, 20))
        picture = Path(out, item.name)
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(data)
        receipt = {
            "schema": 1,
            "key": item.key,
            "cell": item.described,
            "picture": {
                "path": item.name,
                "sha256": hashlib.sha256(data).hexdigest(),
                "bytes": len(data),
                "width": 32,
                "height": 20,
                "format": "png",
            },
            "result": {"losses": {"total": 1.0}, "curve": [[1, 1.0]], "steps": 300, "stop_reason": "steps"},
            "timing": {"queued": 0, "load": 0.1, "render": seconds, "encode": 0.1, "publish": 0.1},
            "environment": {"stylepress": "0", "torch": "0", "device": "cpu", "precision": "fp32"},
            "attempts": 1,
            "finished": "2030-01-02T03:04:05Z",
        }
        receipt_file(out, item.key).parent.mkdir(parents=True, exist_ok=True)
        receipt_file(out, item.key).write_text(json.dumps(receipt), encoding="utf-8")


def receipt_file(out, key):
    return Path(out, "receipts", key[:2], f"{key}.json")
