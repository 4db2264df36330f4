"""Checkpoints: the state of one cell in the middle of its render, as bytes that a later run goes on from."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from stylecore.methods.batch import Position
from stylecore.optimize import below

_VERSION = 1


class Checkpoints(Protocol):
    """Where checkpoints are kept while cells are rendered."""

    every: float
    """Seconds of rendering between two checkpoints."""

    def load(self, index: int) -> bytes | None:
        """The checkpoint of the cell at this place among the cells given to `render`, or None."""

    def save(self, index: int, data: bytes) -> None:
        """Keep a checkpoint instead of the one before."""


@dataclass(frozen=True)
class Checkpoint:
    """One cell in the middle of its render.

    Attributes:
        fingerprint: of all that must be the same for the cell to go on: settings, pictures, weights, versions, device.
        position: how far it has come, one entry in `done` and `stopped`.
        seconds: how long it has rendered.
        losses: the loss after each step.
        state: tensors of the method, each with a first dimension of 1.
        snapshots: pictures kept on the way, (step, uint8 levels of shape (height, width, 3)).
    """

    fingerprint: str
    position: Position
    seconds: float
    losses: Sequence[float]
    state: Mapping[str, Tensor]
    snapshots: Sequence[tuple[int, np.ndarray]] = ()


def packed(checkpoint: Checkpoint) -> bytes:
    """A checkpoint as a safetensors document."""
    position = checkpoint.position
    about = {
        "version": _VERSION,
        "fingerprint": checkpoint.fingerprint,
        "position": [position.scale, position.step, position.stopped[0]],
        "seconds": checkpoint.seconds,
    }
    tensors = {f"state.{name}": tensor.detach().cpu().contiguous() for name, tensor in checkpoint.state.items()}
    tensors |= {f"snapshot.{step}": torch.from_numpy(pixels) for step, pixels in checkpoint.snapshots}
    tensors["losses"] = torch.tensor(list(checkpoint.losses), dtype=torch.float64)
    about["checksum"] = _checksum(about, tensors)
    copies = {name: tensor.clone() for name, tensor in tensors.items()}  # safetensors refuses tensors that share memory
    return save(copies, {"stylepress": json.dumps(about)})


def unpacked(data: bytes, fingerprint: str) -> Checkpoint | None:
    """The checkpoint that bytes hold; None where they are damaged, of another version or of another cell."""
    try:
        about = _about(data)
        checksum = about.pop("checksum")
        if about["version"] != _VERSION or about["fingerprint"] != fingerprint:
            return None
        tensors = load(data)
        if checksum != _checksum(about, tensors):
            return None
        scale, step, stopped = about["position"]
        losses = [float(loss) for loss in tensors["losses"].tolist()]
        position = Position(int(scale), int(step), (len(losses),), (str(stopped),))
        state, shown = below(tensors, "state."), below(tensors, "snapshot.")
        if any(levels.dtype != torch.uint8 or levels.shape[2:] != (3,) for levels in shown.values()):
            return None
        snapshots = sorted(((int(step), levels.numpy()) for step, levels in shown.items()), key=lambda s: s[0])
        return Checkpoint(fingerprint, position, float(about["seconds"]), losses, state, snapshots)
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError, RecursionError):
        return None


def _about(data: bytes) -> dict[str, Any]:
    """What a safetensors document says of itself: its header is JSON after eight bytes of length."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    about = json.loads(header["__metadata__"]["stylepress"])
    if not isinstance(about, dict):
        raise ValueError("it says nothing of itself")
    return about


def _checksum(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> int:
    """Of all that a checkpoint says: a damaged one could go on to other pixels without anyone's notice."""
    checksum = zlib.crc32(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        checksum = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), checksum)
        checksum = zlib.crc32(tensor.numpy().data, checksum)
    return checksum
