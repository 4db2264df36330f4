"""The door to torchvision: what its enums publish, and downloads that succeed, bring wrong bytes, or never answer."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import random
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stylecore import torchvision_weights, weights
from stylecore.errors import WeightsError

HASHES = {"vgg19-torchvision": "dcbb9e9d", "vgg16-torchvision": "397923af"}  # docs.pytorch.org/vision, models


def in_new_process(code, **environment):
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=100, check=False
    )


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_torchvision_names_what_is_pinned_here():
    """torchvision imports beside this torch, CPU-only or not, and publishes the files that names stand for."""
    code = (
        "from stylecore.torchvision_weights import url_and_hash\n"
        "for name in ('vgg19-torchvision', 'vgg16-torchvision'): print(*url_and_hash(name))"
    )
    done = in_new_process(code)
    assert done.stderr == ""
    urls, hashes = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert dict(zip(HASHES, hashes, strict=True)) == HASHES
    assert [Path(url).stem for url in urls] == list(weights.PUBLISHED.values())


def test_no_network_says_where_to_put_the_file(tmp_path):
    code = (
        "from stylecore.weights import *; from stylecore.errors import WeightsError\n"
        "try: load(resolve('vgg16-torchvision'))\n"
        "except WeightsError as error: print(error)"
    )
    proxies = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "no_proxy": ""}
    done = in_new_process(
        code, XDG_CACHE_HOME=str(tmp_path), HOME=str(tmp_path), STYLEPRESS_WEIGHTS="", TORCH_HOME="", **proxies
    )
    assert "vgg16-397923af.pth" in done.stdout, done.stderr
    assert str(tmp_path / "stylepress" / "weights") in done.stdout
    assert "STYLEPRESS_WEIGHTS" in done.stdout
    assert done.stderr == ""


class TestDownload:
    @pytest.fixture
    def server(self, tmp_path):
        """A real web server with one file; its address and the file."""
        path = tmp_path / "www" / "vgg19.pth"
        path.parent.mkdir()
        path.write_bytes(random.Random(0).randbytes(300_000))
        handler = functools.partial(QuietHandler, directory=path.parent)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
            threading.Thread(target=served.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{served.server_port}/vgg19.pth", path
            served.shutdown()

    @pytest.fixture(autouse=True)
    def direct(self, monkeypatch):
        monkeypatch.setenv("no_proxy", "127.0.0.1")

    def test_brings_the_file(self, server, tmp_path, capfd):
        url, path = server
        fetched = torchvision_weights.fetch(url, sha256(path)[:8], tmp_path / "new" / "folder")
        assert fetched == tmp_path / "new" / "folder" / "vgg19.pth"
        assert fetched.read_bytes() == path.read_bytes()
        assert capfd.readouterr() == ("", "")

    def test_wrong_bytes_leave_nothing(self, server, tmp_path):
        with pytest.raises(WeightsError, match="invalid hash"):
            torchvision_weights.fetch(server[0], "00000000", tmp_path / "new")
        assert list((tmp_path / "new").iterdir()) == []

    def test_silence_is_given_up(self, tmp_path):
        before = socket.getdefaulttimeout()
        with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, never answers
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/vgg19.pth"
            with pytest.raises(WeightsError, match="could not download"):
                torchvision_weights.fetch(url, "00000000", tmp_path, silence=0.3)
        assert socket.getdefaulttimeout() == before


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
