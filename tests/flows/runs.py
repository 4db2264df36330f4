"""Real runs for tests: small pictures with structure in them, renders in this process and through the command line."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
from PIL import Image

from flows import batch, worker

CONTENTS = ("photos/harbour.png", "photos/tower.png")
STYLES = ("styles/blocks.png",)
MANIFEST = """version: 1
name: two photographs
inputs:
  content: [photos/harbour.png, {path: photos/tower.png, label: 'The <b>"Tower"</b> & [/co]'}]
  style: styles/*.png
defaults: {size: 32, steps: 2}
jobs:
  - grid: {style_weight: [10, 1e3]}
sheets: [{rows: content, cols: style_weight, cell: 64}]
output: {to: out}
"""
LONGER = """version: 1
name: a longer run
inputs: {content: photos/harbour.png, style: styles/blocks.png}
defaults: {size: 64, steps: 25, init: noise}
jobs: [{grid: {seed: {range: [0, 8, 1]}}}]
run: {chunk: 1s}
"""
CELLS = 8  # of it
PATIENCE = 600  # seconds, for machines with other work to do


def draw(path, seed, size=(48, 36), kind="PNG"):
    """Write a picture of coloured blocks and a little noise, the same for the same seed."""
    random = np.random.default_rng(seed)
    width, height = size
    blocks = np.kron(random.integers(40, 216, (height // 4, width // 4, 3)), np.ones((4, 4, 1)))
    pixels = (blocks + random.normal(0, 8, blocks.shape)).clip(0, 255).astype("uint8")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, kind)


def study(folder, text=MANIFEST):
    """A folder with pictures and a manifest; returns the manifest's path."""
    for seed, name in enumerate((*CONTENTS, *STYLES)):
        draw(Path(folder, name), seed)
    manifest = Path(folder, "manifest.yaml")
    manifest.write_text(text, encoding="utf-8")
    return manifest


def prepared(manifest, to=None, sets=(), limit=None):
    """A run that is planned and not carried out yet."""
    return batch.prepare(str(manifest), None if to is None else str(to), list(sets), limit)


def carry(chunks, take, stop):
    """Carry chunks out in this process, one after the other."""
    for chunk in chunks:
        if stop.reason:
            return
        for outcome in worker.render_chunk(chunk):
            take(outcome)


def render(manifest, to=None, sets=(), limit=None):
    """One whole run in this process, on one thread as the command line of these tests has it; returns its summary."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return batch.carry_out(prepared(manifest, to, sets, limit), carry, 1, lambda _: None)
    finally:
        torch.set_num_threads(threads)


def surroundings(home, **more):
    """Environment of a subprocess: nobody's Prefect settings, one thread for the arithmetic."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "STYLEPRESS_"))}
    own = {"PREFECT_HOME": str(home), "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1", "COLUMNS": "200"}
    return kept | own | {name: str(value) for name, value in more.items()}


def arguments_of(*arguments):
    return [sys.executable, "-m", "flows.cli", *map(str, arguments)]


def run_command(home, *arguments, cwd=None, **more):
    """`stylepress ARGUMENTS` as a process of its own."""
    return subprocess.run(
        arguments_of(*arguments),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=surroundings(home, **more),
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def complaints(errors):
    """Lines on stderr, but those on progress that a slow machine is told."""
    return [line for line in errors.splitlines() if " steps/s" not in line]


def whole(out):
    """Receipts of an output by their pictures; each is of its picture, and no picture is there in part."""
    pictures, found = files(out, "renders"), receipts(out)
    assert all(digest(pictures[name]) == receipt["picture"]["sha256"] for name, receipt in found.items())
    return found


class Running:
    """`stylepress render` of a study in a process group of its own."""

    def __init__(self, home, folder, *arguments, text=LONGER, **more):
        self.mark = f"STYLEPRESS_TEST_RUN={uuid4().hex}"
        more |= dict([self.mark.split("=")])
        self.manifest = study(folder, text)
        self.out = Path(folder) / "out/a-longer-run"
        self.process = subprocess.Popen(
            arguments_of("render", self.manifest, *arguments),
            env=surroundings(home, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_receipts(self, count):
        deadline = time.monotonic() + 600
        while len(self.receipts()) < count:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def receipts(self):
        return list(self.out.glob("receipts/*/*.json"))

    def members(self):
        """Command lines of its living processes: of its session, or with its environment, which Ray's write over."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, session = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:4]
                ours = int(session) == self.process.pid or self.mark.encode() in (folder / "environ").read_bytes()
                if ours and state != "Z":
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found

    def workers(self):
        return [pid for pid, line in self.members().items() if "multiprocessing.spawn" in line]

    def servers(self):
        return [pid for pid, line in self.members().items() if "prefect_server.py" in line]

    def assert_nobody_is_left(self):
        deadline = time.monotonic() + 20
        while self.members() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.members() == {}

    def signal(self, number):
        for pid in self.members():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.communicate()


def files(folder, part=""):
    """Bytes of all files below a folder, hidden ones too, by name."""
    found = sorted(path for path in Path(folder, part).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def receipts(folder):
    """Receipts of an output by the name of their picture."""
    found = (json.loads(data) for data in files(folder, "receipts").values())
    return {receipt["picture"]["path"]: receipt for receipt in found}


def digest(data):
    return hashlib.sha256(data).hexdigest()
