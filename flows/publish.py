"""Publishing: snapshots, picture, and then the receipt. A run that dies in between renders that one cell again."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import snapshots
from flows.receipts import SCHEMA, encoded, receipt_name
from flows.snapshots import Extra
from flows.store import Entry, Store
from stylecore import images

if TYPE_CHECKING:
    from stylecore.rendering import Result


@dataclass(frozen=True)
class Publisher:
    """Writes pictures and receipts to an output.

    Attributes:
        store: the output.
        format: `png`, `jpeg`, `webp` or `tiff`.
        embed: what a picture carries about itself: `full` (its cell), `key` or `none`.
        device: name of the device that renders, for receipts.
    """

    store: Store
    format: str
    embed: str
    device: str

    def publish(
        self, key: str, name: str, cell: dict[str, Any], result: Result, *, queued: float, attempts: int
    ) -> dict[str, Any]:
        """Encode a picture and its snapshots, write them, and then their receipt.

        Args:
            key: the cell's key.
            name: the picture's path in the output.
            cell: the cell as `keys.described` gives it.
            result: what `stylecore.render` gave; it must hold pixels.
            queued: seconds the cell waited for a worker.
            attempts: how often its chunk was begun.

        Returns:
            The receipt.

        Raises:
            PictureError: the format cannot hold the picture.
            StorageError: it cannot be written.
        """
        began = time.perf_counter()
        assert result.pixels is not None
        data = images.encode(result.pixels, result.alpha, self.format, carried(key, cell, self.embed))
        shots, animation = self._extras(key, name, cell, result)
        encoded_at = time.perf_counter()
        for extra in (*shots, *filter(None, [animation])):
            self.store.write(extra.entry["path"], extra.data, extra.content_type)
        entry = self.store.write(name, data, images.CONTENT_TYPES[self.format])
        timing = {
            "queued": queued,
            **result.seconds,
            "encode": encoded_at - began,
            "publish": time.perf_counter() - encoded_at,
        }
        receipt = {
            "schema": SCHEMA,
            "key": key,
            "cell": cell,
            "picture": self._described(data, result.pixels.shape, entry),
            **({"snapshots": [shot.entry for shot in shots]} if shots else {}),
            **({"animation": animation.entry} if animation else {}),
            "result": {
                "losses": result.losses,
                "curve": result.curve,
                "steps": result.steps,
                "stop_reason": result.stop_reason,
                "resumed_from": result.resumed_from,
            },
            "scores": rounded(result.scores),
            "timing": {name: round(seconds, 4) for name, seconds in timing.items()},
            "environment": {
                **environment(self.device, result.precision),
                "tile": result.tile or "off",
                **({"notes": list(result.notes)} if result.notes else {}),
            },
            "attempts": attempts,
            "finished": now(),
        }
        self.store.write(receipt_name(key), encoded(receipt), "application/json")
        return receipt

    def _described(self, data: bytes, shape: tuple[int, ...], entry: Entry) -> dict[str, Any]:
        """A picture as its receipt tells of it."""
        height, width = shape[:2]
        return {
            "path": entry.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "width": width,
            "height": height,
            "format": self.format,
            # so that a plan can tell from a listing that an object is unchanged
            **({"etag": entry.token} if self.store.url.startswith("s3://") else {}),
        }

    def _extras(self, key: str, name: str, cell: dict[str, Any], result: Result) -> tuple[list[Extra], Extra | None]:
        """A result's snapshots and its animation, encoded."""
        if not result.snapshots:
            return [], None
        # a snapshot names its cell, but not how to make it: that would make the picture
        said = carried(key, cell, "none" if self.embed == "none" else "key")
        wanted = cell["settings"].get("animation")
        animation = snapshots.animated(result, name, wanted) if wanted else None
        return snapshots.encoded(result, name, self.format, said), animation


@cache
def version(package: str) -> str:
    """Version of an installed package; looking it up takes longer than writing a small picture."""
    return version_of(package)


def carried(key: str, cell: dict[str, Any], embed: str) -> str | None:
    """What a picture carries about itself, as JSON text."""
    if embed == "none":
        return None
    document = {"stylepress": version("stylepress"), "key": key, **({"cell": cell} if embed == "full" else {})}
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def rounded(scores: dict[str, float]) -> dict[str, float]:
    """Scores as receipts hold them: six significant digits, and none that is no number."""
    return {name: float(f"{value:.6g}") for name, value in scores.items() if math.isfinite(value)}


def environment(device: str, precision: str) -> dict[str, str]:
    """Versions and device that a result was computed with; nothing that names a host or a person."""
    return {
        "stylepress": version("stylepress"),
        "torch": version("torch"),
        "python": platform.python_version(),
        "device": device,
        "precision": precision,
    }


def device_name(device: str) -> str:
    """Model of a processor or GPU, such as `NVIDIA H200`."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    try:
        model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        model = None
    return model[1].strip() if model else platform.machine()


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
