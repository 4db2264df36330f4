"""Devices by name, on machines with GPUs and without, told from what the system says."""

import os
import stat
import time

import pytest

from flows import devices
from flows.devices import DeviceError, choose, visible_gpus


@pytest.fixture
def gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3,GPU-8f1c")


@pytest.fixture
def none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize(
    ("said", "workers", "expected"),
    [
        ("auto", None, ["0", "3", "GPU-8f1c"]),
        ("cuda", None, ["0", "3", "GPU-8f1c"]),
        ("cpu", None, ["cpu"]),
        ("cpu", 3, ["cpu", "cpu", "cpu"]),
        (2, None, ["0", "3"]),
        ("2", None, ["0", "3"]),
        (["cuda:1"], None, ["3"]),
        ("cuda:2", None, ["GPU-8f1c"]),
        (["2", "cpu"], None, ["GPU-8f1c", "cpu"]),
        ("auto", 2, ["0", "3"]),
        ("auto", 5, ["0", "3", "GPU-8f1c", "0", "3"]),
    ],
)
@pytest.mark.usefixtures("gpus")
def test_with_three_gpus(said, workers, expected):
    assert choose(said, workers) == expected


@pytest.mark.parametrize(("said", "workers", "expected"), [("auto", None, ["cpu"]), ("auto", 2, ["cpu", "cpu"])])
@pytest.mark.usefixtures("none")
def test_without_gpus(said, workers, expected):
    assert choose(said, workers) == expected


@pytest.mark.parametrize("said", [4, 0, "9", "cuda:3", ["cuda:-1"], "tpu", ["cuda:x"], [""]])
@pytest.mark.usefixtures("gpus")
def test_devices_that_are_not_there(said):
    with pytest.raises(DeviceError, match=r"run\.devices: .*3 "):
        choose(said)


@pytest.mark.usefixtures("none")
def test_a_gpu_where_there_is_none():
    with pytest.raises(DeviceError, match="auto or cpu"):
        choose("cuda")


@pytest.mark.parametrize(
    ("said", "expected"), [("", []), ("-1", []), ("0", ["0"]), (" 1, 2", ["1", "2"]), ("1,-1,2", ["1"])]
)
def test_the_variable_is_read_as_cuda_reads_it(monkeypatch, said, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert visible_gpus() == expected


def program(folder, text):
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.skipif(os.path.exists("/proc/driver/nvidia/gpus"), reason="this machine has GPUs of its own")  # noqa: PTH110
def test_gpus_are_counted_by_nvidia_smi(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    program(tmp_path, "echo 'GPU 0: NVIDIA (UUID: GPU-1)'; echo 'GPU 1: NVIDIA (UUID: GPU-2)'")
    assert visible_gpus() == ["0", "1"]
    program(tmp_path, "echo 'NVIDIA-SMI has failed'; exit 9")
    assert visible_gpus() == []
    program(tmp_path, "exec sleep 60")
    monkeypatch.setattr(devices, "_PATIENCE", 0.3)
    began = time.monotonic()
    assert visible_gpus() == []
    assert time.monotonic() - began < 10
