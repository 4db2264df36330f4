"""Weights files: their digests, the layers they hold and their tensors, checked before anything in them is believed."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from stylecore.architectures import Architecture, Convolution
from stylecore.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".safetensors", ".pth", ".pt")


def file_digest(path: Path) -> str:
    """Compute a weights file's sha256, once per process for as long as its size and time of change stay the same.

    Returns:
        64 lower-case hexadecimal digits.

    Raises:
        WeightsError: there is no such file, it is not a regular file, or it cannot be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise WeightsError(f"weights file {path}: {error.strerror}; correct the path or put the file there") from error
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise WeightsError(f"weights file {path} is {what}; expected one file that ends in {', '.join(SUFFIXES)}")
    return _digest(path.absolute(), status.st_size, status.st_mtime_ns)


def held_layers(path: Path, architecture: Architecture) -> tuple[str, ...] | None:
    """Name the layers that a safetensors file can compute, from its header alone and without torch.

    Returns:
        `conv1_1`, `relu1_1`, … up to the last convolution in the file; None for a pickle, which only loading can tell.

    Raises:
        WeightsError: the file is damaged, or a layer of the architecture is missing or has another shape.
    """
    if path.suffix.lower() != ".safetensors":
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    convolutions = check_shapes(shapes, architecture, path)
    return tuple(architecture.layers()[: 2 * len(convolutions)])


def read_tensors(path: Path, architecture: Architecture) -> dict[str, Tensor]:
    """Read the convolutions of a network from a safetensors file or from a pickle that holds nothing but tensors.

    Returns:
        `features.N.weight`, shape (out, in, 3, 3), and `features.N.bias`, shape (out,), in float32 on the CPU, from
        conv1_1 to the last convolution in the file. Everything else in the file, such as a classifier, is left out.

    Raises:
        WeightsError: the file is damaged or unsafe, a layer is missing or misshapen, or a value is not finite.
    """
    import torch

    found = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_pickle(path)
    convolutions = check_shapes({key: tuple(tensor.shape) for key, tensor in found.items()}, architecture, path)
    tensors = {}
    for key in (key for convolution in convolutions for key in convolution.keys):
        usable = found[key].is_floating_point() and found[key].layout == torch.strided
        tensors[key] = found[key].detach().float() if usable else torch.tensor(torch.nan)
        if not torch.isfinite(tensors[key]).all():
            raise WeightsError(
                f"weights file {path}: {key} does not hold finite floating-point numbers; get the file anew"
            )
    return tensors


def check_shapes(shapes: Mapping[str, Sequence[int]], architecture: Architecture, path: Path) -> list[Convolution]:
    """List the convolutions that tensors of these shapes make up, without a gap and from conv1_1 upwards.

    Raises:
        WeightsError: there is no convolution at all, one is missing below another, or a shape is not the network's.
    """
    convolutions = architecture.convolutions()
    held = [number for number, convolution in enumerate(convolutions) if set(convolution.keys) & shapes.keys()]
    if not held:
        some = ", ".join(sorted(shapes)[:3]) or "nothing"
        raise WeightsError(
            f"weights file {path} has no layer of {architecture.name}; expected tensors named as in torchvision "
            f"(features.0.weight, features.0.bias, …), found {some}"
        )
    upto = convolutions[: held[-1] + 1]
    for convolution in upto:
        out = convolution.channels_out
        for key, shape in zip(convolution.keys, ((out, convolution.channels_in, 3, 3), (out,)), strict=True):
            if key not in shapes:
                raise WeightsError(
                    f"weights file {path}: {convolution.name} is missing ({key}) although the file goes up to "
                    f"{upto[-1].name}; are these the weights of a {architecture.name}?"
                )
            if tuple(shapes[key]) != shape:
                raise WeightsError(
                    f"weights file {path}: {convolution.name} ({key}) has shape {tuple(shapes[key])}, expected "
                    f"{shape}; are these the weights of a {architecture.name}?"
                )
    return upto


@lru_cache(maxsize=64)
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"weights file {path} cannot be read: {error.strerror}") from error


def _read_safetensors(path: Path) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _read_pickle(path: Path) -> Mapping[str, Tensor]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"weights file {path} is damaged, or holds more than tensors, code for instance; nothing in it was run. "
            "Only a plain state dict is read: save one with torch.save(model.state_dict(), …), or use safetensors"
        ) from error
    except Exception as error:  # what a damaged pickle raises is not documented
        raise _damaged(path, error) from error
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise WeightsError(
            f"weights file {path} holds a {type(found).__name__}; expected a plain state dict of tensors"
        )
    return found


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    size = path.stat().st_size if os.path.lexists(path) else 0
    return WeightsError(f"weights file {path} ({size:,} bytes) is damaged or cut short ({reason}); get the file anew")
