"""Where an encoder's weights come from: a name or a file becomes a source with a digest, a source becomes tensors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import unquote

from stylecore.architectures import ARCHITECTURES
from stylecore.errors import SettingError, WeightsError, did_you_mean
from stylecore.weights.files import SUFFIXES, file_digest, held_layers, read_tensors

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED_FILE = Path(__file__).with_name("vgg19_normalised_conv5_1_fp16.safetensors")
SHIPPED_DIGEST = "0abe09db5c57dfd1f65bba4fbf39c07f28d4c26c5f59aaa223978032d5b3d012"
# Name and hash of the files that torchvision publishes: the hash is the start of the file's sha256.
PUBLISHED = {"vgg19-torchvision": "vgg19-dcbb9e9d", "vgg16-torchvision": "vgg16-397923af"}

Input = Literal["caffe", "torchvision"]
_INPUTS = ("caffe", "torchvision")
_KEYS = ("arch", "weights", "input", "sha256")


@dataclass(frozen=True)
class WeightsSource:
    """What an `encoder` setting stands for, before anything is loaded.

    Attributes:
        name: one of `known()`, or `file:` and the file's name.
        architecture: a key of `ARCHITECTURES`.
        input: `caffe` (BGR, 0…255, minus the mean) or `torchvision` (RGB, 0…1, minus the mean, over the deviation).
        path: the file; None where only torchvision's download can bring it.
        digest: identifies the weights in a cell's key. The file's sha256, or `torchvision:` and the published name for
            a file that torchvision publishes, so that downloading it changes no key.
        layers: the layers these weights can compute, from the picture upwards; None where only loading can tell.
    """

    name: str
    architecture: str
    input: Input
    path: Path | None
    digest: str
    layers: tuple[str, ...] | None = None


def known() -> tuple[str, ...]:
    """Names that `resolve` accepts; the first is the default and ships with the package."""
    return ("vgg19", *PUBLISHED)


def resolve(encoder: str | Mapping[str, object]) -> WeightsSource:
    """Find the weights that an `encoder` setting stands for; reads no more than digests and headers, without torch.

    Args:
        encoder: one of `known()`, or a mapping with the keys `arch` (vgg19, vgg16), `weights` (a path or a `file:` URI;
            relative ones count from the current folder), `input` (caffe, torchvision) and, optionally, `sha256`.

    Raises:
        SettingError: an unknown name, key or value.
        WeightsError: a file that is missing, altered, damaged or lacks a layer.
    """
    if isinstance(encoder, Mapping):
        return _resolve_mapping(encoder)
    if encoder == "vgg19":
        return _resolve_shipped()
    if encoder in tuple(PUBLISHED):
        return _resolve_published(encoder)
    raise SettingError(
        "encoder",
        f"unknown encoder {encoder!r}{did_you_mean(encoder, known())} (known: {', '.join(known())}, "
        "or a mapping {arch, weights, input, sha256} for a file of your own)",
    )


def fetch(source: WeightsSource) -> WeightsSource:
    """Bring the weights to this machine where they are not here yet: torchvision's download, into the cache folder.

    Raises:
        WeightsError: the download failed, or brought something else than what the digest promises.
    """
    if source.path is not None:
        return source
    from stylecore.torchvision_weights import download

    fetched = replace(source, path=download(source.name, cache_folder()))
    _check_digest(fetched)
    return fetched


def load(source: WeightsSource) -> dict[str, Tensor]:
    """Load the convolutions' weights and biases, after checking that the file still is what was resolved.

    Returns:
        A state dict named as in torchvision: `features.N.weight`, shape (out, in, 3, 3), and `features.N.bias`, shape
        (out,), float32 on the CPU, from conv1_1 to the last convolution that the file has.

    Raises:
        WeightsError: wrong digest, missing layer, wrong shape, damaged or unsafe file, failed download.
    """
    here = fetch(source)
    _check_digest(here)
    return read_tensors(cast(Path, here.path), ARCHITECTURES[here.architecture])


def cache_folder() -> Path:
    """Folder where downloaded weights are kept: `$XDG_CACHE_HOME/stylepress/weights`, else below `~/.cache`."""
    return _user_cache() / "stylepress" / "weights"


def _resolve_shipped() -> WeightsSource:
    layers = ARCHITECTURES["vgg19"].layers()
    upto = tuple(layers[: layers.index("relu5_1") + 1])
    source = WeightsSource("vgg19", "vgg19", "caffe", SHIPPED_FILE, SHIPPED_DIGEST, upto)
    try:
        _check_digest(source)
    except WeightsError as error:
        raise WeightsError(
            f"{error}. It ships with stylepress: install stylepress again, or run `python -m stylecore.weights.rebuild`"
        ) from error
    return source


def _resolve_published(name: str) -> WeightsSource:
    architecture, published = ARCHITECTURES[name.partition("-")[0]], PUBLISHED[name]
    path = next((path for path in _places(name) if path is not None), None)
    digest, layers = f"torchvision:{published}", tuple(architecture.layers())
    if path is None:
        return WeightsSource(name, architecture.name, "torchvision", None, digest, layers)
    source = WeightsSource(name, architecture.name, "torchvision", path, digest, layers)
    if path.name == f"{published}.pth":
        _check_digest(source)
    elif not _is(source.digest, file_digest(path)):
        source = replace(source, digest=file_digest(path), layers=held_layers(path, architecture))
    return source


def _places(name: str) -> Iterator[Path | None]:
    """Look where the weights of a torchvision name may lie on this machine, nearest to the user's wish first."""
    if asked := os.environ.get("STYLEPRESS_WEIGHTS"):
        folder = Path(asked).expanduser()
        if not folder.is_dir():
            raise WeightsError(f"STYLEPRESS_WEIGHTS names {asked}, which is not a folder; correct it or unset it")
        yield _candidate(folder, name)
    yield _candidate(cache_folder(), name)
    hub = Path(os.environ.get("TORCH_HOME") or _user_cache() / "torch").expanduser() / "hub" / "checkpoints"
    published = hub / f"{PUBLISHED[name]}.pth"
    yield published if published.is_file() else None


def _candidate(folder: Path, name: str) -> Path | None:
    """Pick the file in a folder that belongs to a name, safetensors before pickles."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WeightsError(f"cannot look for weights in {folder}: {error.strerror}") from error
    fits = [path for path in files if path.stem == PUBLISHED[name] or _spelled(path).startswith(name)]
    fits = [path for path in fits if path.suffix.lower() == ".safetensors"] or fits
    if len(fits) > 1 and len({file_digest(path) for path in fits}) > 1:
        raise WeightsError(
            f"{folder} has several different files for encoder {name}: {', '.join(path.name for path in fits)}; "
            "leave one of them there, or name one in full: encoder: {arch, weights, input, sha256}"
        )
    return fits[0] if fits else None


def _spelled(path: Path) -> str:
    return path.stem.lower().replace("_", "-")


def _resolve_mapping(encoder: Mapping[str, object]) -> WeightsSource:
    for key in encoder:
        if key not in _KEYS:
            raise _bad(f"unknown key {key!r}{did_you_mean(key, _KEYS)} (known: {', '.join(_KEYS)})")
    architecture = _choice(encoder, "arch", tuple(ARCHITECTURES))
    convention = cast(Input, _choice(encoder, "input", _INPUTS))
    wanted = encoder.get("sha256")
    if wanted is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", str(wanted)):
        raise _bad(f"sha256 is {wanted!r}; expected 64 hexadecimal digits")
    path = _local_path(encoder.get("weights"))
    digest = file_digest(path)
    source = WeightsSource(f"file:{path.name}", architecture, convention, path, digest)
    if wanted is not None:
        _check_digest(replace(source, digest=str(wanted).lower()))
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(
            f"weights file {path} is of no known kind; expected a name that ends in {', '.join(SUFFIXES)}"
        )
    return replace(source, layers=held_layers(path, ARCHITECTURES[architecture]))


def _choice(encoder: Mapping[str, object], key: str, choices: tuple[str, ...]) -> str:
    value = encoder.get(key)
    if value not in choices:
        what = f"{key} is missing" if value is None else f"{key} is {value!r}{did_you_mean(value, choices)}"
        raise _bad(f"{what} (expected {' or '.join(choices)})")
    return str(value)


def _local_path(weights: object) -> Path:
    if not isinstance(weights, (str, os.PathLike)) or not str(weights) or "\0" in str(weights):
        what = "is missing" if weights is None else f"is {weights!r}"
        raise _bad(f"weights {what}; expected a path or a file: URI")
    text = str(weights)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", text)  # two letters at least: `C:` is a drive
    if scheme is None:
        return Path(text).expanduser()
    if scheme[1].lower() == "s3":
        raise WeightsError(f"weights {text}: stylecore reads local files only; fetch it first and give the file's path")
    if scheme[1].lower() != "file":
        raise _bad(f"weights {text!r} is of a kind that is not read; expected a path or a file: URI")
    rest = text.partition(":")[2]
    if rest.startswith("//"):
        host, slash, below = rest[2:].partition("/")
        rest = slash + below if host in ("", "localhost") else ""
    if not rest:
        raise _bad(f"weights {text!r} names no local file; expected file:///folder/name")
    return Path(unquote(rest))


def _bad(message: str) -> SettingError:
    return SettingError("encoder", f"encoder: {message}")


def _check_digest(source: WeightsSource) -> None:
    path = cast(Path, source.path)
    digest = file_digest(path)
    if not _is(source.digest, digest):
        wanted = source.digest.rpartition("-")[2]
        raise WeightsError(
            f"weights file {path} is not what it should be: its sha256 is {digest}, expected {wanted}"
            f"{'…' if len(wanted) < len(digest) else ''}; it was altered or is incomplete, get it anew"
        )


def _is(promised: str, digest: str) -> bool:
    """Whether a file's sha256 keeps a source's promise, which may be only the start of it."""
    return digest.startswith(promised.rpartition("-")[2])


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
