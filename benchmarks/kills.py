"""A run killed with SIGKILL at random instants, again and again, then left to end: is anything torn, lost or redone?

    python benchmarks/kills.py             # twenty kills; about ten minutes on 2 cores

Each time the run and its workers are killed together (Prefect's own server ends with them), one time in four up to
some seconds after the run began, else after it published a cell. Between two kills every receipt is compared with its
picture, and with what it was before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_MANIFEST = """\
version: 1
name: killed
inputs: {{content: ["sample:coffee"], style: ["sample:brush-strokes"]}}
defaults: {{size: 64, steps: 20}}
jobs: [{{grid: {{seed: {{range: [0, {cells}, 1]}}}}}}]
output: {{to: out}}
run: {{chunk: 2s, checkpoint: 1s}}
"""


class Killed:
    """A manifest that is rendered again and again, and what was found in its output."""

    def __init__(self, folder: Path, cells: int, chance: random.Random) -> None:
        self.folder, self.out, self.chance = folder, folder / "out", chance
        self.manifest = folder / "manifest.yaml"
        self.manifest.write_text(_MANIFEST.format(cells=cells))
        self.seen: dict[str, int] = {}  # receipts by name, and when they were written
        self.torn = self.lost = self.again = 0

    def start(self) -> subprocess.Popen[bytes]:
        """Start the run, in a process group of its own."""
        command = [Path(sys.executable).with_name("stylepress"), "render", self.manifest, "--workers", "2"]
        environment = {**os.environ, "PREFECT_HOME": str(self.folder / "prefect"), "OMP_NUM_THREADS": "1"}
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)

    def kill_once(self, span: float) -> bool:
        """Start the run and kill it; returns whether it was still at work."""
        awaited = "runs/*.json" if self.chance.random() < 0.25 else "receipts/*/*.json"
        before = len(list(self.out.glob(awaited)))
        process = self.start()
        while process.poll() is None and len(list(self.out.glob(awaited))) == before:
            time.sleep(0.02)
        time.sleep(self.chance.uniform(0, span))
        at_work = process.poll() is None
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            at_work = False
        process.wait()
        self.look()
        return at_work

    def look(self) -> None:
        """Compare receipts with their pictures, and with what they were."""
        found = {path.name: path for path in self.out.glob("receipts/*/*.json")}
        self.lost += len(self.seen.keys() - found.keys())
        for name, path in found.items():
            written = path.stat().st_mtime_ns
            self.again += self.seen.get(name, written) != written
            self.seen[name] = written
            picture = json.loads(path.read_text())["picture"]
            data = (self.out / picture["path"]).read_bytes()
            self.torn += hashlib.sha256(data).hexdigest() != picture["sha256"]


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--cells", type=int, default=150)
    parser.add_argument("--span", type=float, default=6.0, help="seconds in which a run is killed after that")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stylepress-benchmark-"))
    try:
        killed = Killed(folder, asked.cells, random.Random(asked.seed))
        at_work = sum(killed.kill_once(asked.span) for _ in range(asked.kills))
        finished = len(killed.seen)
        time.sleep(3)  # a temporary file younger than this might still have a writer
        code = killed.start().wait()
        killed.look()
        files = [path.name for path in killed.out.rglob("*") if path.is_file()]
    finally:
        shutil.rmtree(folder)
    left = sum(name.startswith(".") or name.endswith((".tmp", ".safetensors")) for name in files)
    print(f"{asked.kills} kills, {at_work} of a run at work; {finished} of {asked.cells} cells were finished by then")
    print(f"torn {killed.torn}, lost {killed.lost}, rendered again {killed.again}, temporary files left {left}")
    print(f"the last run ended with {code}; {len(killed.seen)} of {asked.cells} cells are there")
    if killed.torn or killed.lost or killed.again or left or code or len(killed.seen) != asked.cells:
        sys.exit(1)


if __name__ == "__main__":
    main()
