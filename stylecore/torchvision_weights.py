"""The one door to torchvision: what its weight enums publish, and their download."""

from __future__ import annotations

import functools
import http.client
import importlib.util
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stylecore.errors import WeightsError

if TYPE_CHECKING:
    from torch.library import Library

_ENUMS = {"vgg19-torchvision": "VGG19_Weights", "vgg16-torchvision": "VGG16_Weights"}
_SILENCE = 20.0  # seconds without an answer after which a download is given up


def url_and_hash(name: str) -> tuple[str, str]:
    """Ask torchvision's enum (`IMAGENET1K_V1`) where the weights are and how their sha256 begins.

    Args:
        name: `vgg19-torchvision` or `vgg16-torchvision`.

    Raises:
        WeightsError: torchvision is not installed or does not import.
    """
    models, _ = _torchvision_models()
    url = str(getattr(models, _ENUMS[name]).IMAGENET1K_V1.url)
    return url, PurePosixPath(urlsplit(url).path).stem.rpartition("-")[2]


def download(name: str, folder: Path) -> Path:
    """Download the weights that torchvision publishes under a name, unless the folder has them already.

    Progress is shown where stderr is a terminal.

    Args:
        name: `vgg19-torchvision` (548 MB) or `vgg16-torchvision` (528 MB).
        folder: where the file goes; made if missing.

    Returns:
        Path of the file, named as published.

    Raises:
        WeightsError: no torchvision, no network, wrong bytes, or a folder that cannot be written.
    """
    url, digest = url_and_hash(name)
    return fetch(url, digest, folder)


def fetch(url: str, digest: str, folder: Path, silence: float = _SILENCE) -> Path:
    """Download a file whose sha256 begins with `digest`; it appears under its name only when it is whole.

    Args:
        url: where the file is.
        digest: first hexadecimal digits of its sha256.
        folder: where the file goes; made if missing.
        silence: seconds without an answer after which to give up.

    Raises:
        WeightsError: nothing answers, the connection breaks, the bytes are wrong, or the folder cannot be written.
    """
    import torch

    target = folder / PurePosixPath(urlsplit(url).path).name
    if target.is_file():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _socket_timeout(silence):
            torch.hub.download_url_to_file(url, str(target), hash_prefix=digest, progress=sys.stderr.isatty())
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # RuntimeError: wrong hash
        raise WeightsError(
            f"could not download {url}: {error}. Without network, download it elsewhere and put it into {folder}, "
            "or into a folder that STYLEPRESS_WEIGHTS names"
        ) from error
    return target


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    # torch.hub opens its URL without a timeout of its own and would wait for ever on a network that swallows packets.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@functools.cache
def _torchvision_models() -> tuple[ModuleType, Library | None]:
    """Import `torchvision.models`; what stands in for its native operators is kept alive beside it."""
    if importlib.util.find_spec("torchvision") is None:
        raise WeightsError("torchvision is not installed; install it, or use an encoder whose weights are in a file")
    try:
        library = _missing_operators()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its picture reader does not load beside a CPU-only torch; not used here
            import torchvision.models
    except (ImportError, RuntimeError, OSError) as error:
        raise WeightsError(
            f"torchvision does not import ({error}); install the release that belongs to the installed torch, "
            "or use an encoder whose weights are in a file"
        ) from error
    return torchvision.models, library


def _missing_operators() -> Library | None:
    """Define the operators that importing torchvision asks for, where its native library does not load.

    A torchvision that was built for CUDA does not load its library beside a CPU-only torch, and its import then fails
    on `torchvision::nms`. Nothing here calls that operator: it only has to be defined.
    """
    import torch

    spec = importlib.util.find_spec("torchvision")
    if "torchvision" in sys.modules or spec is None or spec.origin is None:
        return None
    natives = [path for path in Path(spec.origin).parent.glob("_C*") if path.suffix in (".so", ".pyd")]
    try:
        for native in natives:
            torch.ops.load_library(native)  # type: ignore[no-untyped-call]
    except OSError:
        natives = []
    if natives:
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    return library
