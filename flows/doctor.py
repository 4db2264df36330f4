"""What works on this machine, what does not, and how to mend it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from flows.devices import visible_gpus
from flows.findings import Finding
from flows.publish import device_name
from flows.store import open_store
from stylecore import weights
from stylecore.errors import StylepressError


def examine(to: str | None = None) -> Iterator[Finding]:
    """Look at versions, devices, weights, storage and Prefect.

    Args:
        to: an output to try to write to; nothing is left there.
    """
    checks: list[tuple[str, Callable[[], Finding | Iterator[Finding]]]] = [
        ("versions", _versions),
        ("devices", _devices),
        ("weights", _weights),
        ("torchvision", _torchvision),
        ("storage", lambda: _storage(to)),
        ("disk", _disk),
        ("prefect", prefect),
    ]
    for name, check in checks:
        try:
            found = check()
            yield from [found] if isinstance(found, Finding) else found
        except StylepressError as error:
            yield Finding(name, "wrong", str(error))
        except Exception as error:  # noqa: BLE001 - a doctor names what is broken, whatever it is
            yield Finding(name, "wrong", f"{type(error).__name__}: {error}")


def _versions() -> Finding:
    names = ("stylepress", "torch", "torchvision", "prefect", "pillow", "boto3")
    said = ", ".join(f"{name} {version(name)}" for name in names)
    return Finding("versions", "ok", f"Python {platform.python_version()}, {said}")


def _devices() -> Finding:
    import torch

    from stylecore.encoder import computing_type, precision_name

    gpus = visible_gpus()
    if gpus and not torch.cuda.is_available():
        return Finding(
            "devices", "wrong", f"{len(gpus)} GPUs are here, but this torch has no CUDA: install another build"
        )
    devices = [f"cuda:{n}" for n in range(len(gpus))] or ["cpu"]
    kinds = [precision_name(computing_type(asked, torch.device(devices[0]))) for asked in ("auto", "fp16")]
    names = ", ".join(device_name(device) for device in devices)
    threads = f", {torch.get_num_threads()} threads" if devices == ["cpu"] else ""
    return Finding("devices", "ok", f"{names}{threads}; convolutions in {' or '.join(dict.fromkeys(kinds))}")


def _weights() -> Finding:
    state = weights.load(weights.resolve("vgg19"))
    here = [name for name in weights.known() if weights.resolve(name).path]
    return Finding(
        "weights", "ok", f"vgg19: {len(state) // 2} convolutions, digest as published; here: {', '.join(here)}"
    )


def _torchvision() -> Finding:
    from stylecore import torchvision_weights

    for name in weights.PUBLISHED:
        torchvision_weights.url_and_hash(name)
    return Finding(
        "torchvision", "ok", f"knows {', '.join(weights.PUBLISHED)}; `stylepress weights fetch NAME` loads one"
    )


def _storage(to: str | None) -> Finding:
    if to:
        open_store(to, confine=False).check_writable()
        return Finding("storage", "ok", f"{to} can be written")
    configured = [n for n in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL") if os.environ.get(n)]
    said = f"S3 is configured by {', '.join(configured)}" if configured else "S3 is configured by no variable"
    return Finding("storage", "note", f"{said}; try one with `stylepress doctor --to s3://bucket/prefix`")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    state = "ok" if free > 1 else "wrong"
    return Finding("disk", state, f"{free:.0f} GiB free in the current folder")


def prefect() -> Iterator[Finding]:
    """Look at the server that is configured, if one is.

    Raises:
        PrefectError: it does not answer.
    """
    from flows import local_prefect

    local_prefect.set_defaults()
    from prefect.settings import PREFECT_HOME

    if address := local_prefect.server():
        from flows import prefect_checks

        yield from prefect_checks.examine(local_prefect.without_credentials(address))
        return
    home = PREFECT_HOME.value()
    yield Finding("prefect", "ok", f"no server is configured: each run starts its own, kept in {home}")
