"""How fast cells pass through everything but their rendering: planning, Prefect, publishing, sheets and gallery.

    python benchmarks/throughput.py --cells 10000     # on a quiet machine; about a minute on 2 cores

The renderer takes no time: in the processes of the run it is replaced by one picture of 64×48 pixels, given again and
again. All else is the real thing: `stylepress render` with Prefect's own server, to a local folder, fsync and all.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_RENDERER = """
import importlib.abc, importlib.util, sys


def change(module):
    import numpy as np

    pixels = np.random.default_rng(0).random((48, 64, 3), dtype=np.float32)
    said = dict(losses={"total": 1.0}, curve=((1, 1.0),), steps=1, stop_reason="steps", precision="fp32")

    def render(cells, *, wanted=None, **_):
        for index in range(len(cells)):
            if wanted is None or wanted(index):
                yield module.Result(index, pixels=pixels, seconds={"load": 0.0, "render": 0.0, "score": 0.0}, **said)

    module.render = render


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "stylecore.rendering":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda loaded: (load(loaded), change(loaded))
        return spec


sys.meta_path.insert(0, Finder())
"""
_MANIFEST = """\
version: 1
name: nothing to render
inputs: {{content: ["sample:coffee"], style: ["sample:brush-strokes"]}}
defaults: {{size: 64}}
jobs: [{{grid: {{seed: {{range: [0, {cells}, 1]}}}}}}]
sheets: [{{rows: content, cols: seed, cell: 64}}]
output: {{to: out}}
run: {{max_cells: {cells}, chunk: 1h}}
"""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to render to, and leave everything; else a temporary one")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="stylepress-benchmark-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _measure(folder, asked.cells, asked.workers)
    finally:
        if not asked.folder:
            shutil.rmtree(folder)


def _measure(folder: Path, cells: int, workers: int) -> None:
    (folder / "sitecustomize.py").write_text(_RENDERER)
    (folder / "manifest.yaml").write_text(_MANIFEST.format(cells=cells))
    environment = {**os.environ, "PYTHONPATH": str(folder), "PREFECT_HOME": str(folder / "prefect")}
    command = [str(Path(sys.executable).with_name("stylepress")), "render", str(folder / "manifest.yaml")]
    began = time.time()
    done = subprocess.run(
        [*command, "--json", "--workers", str(workers)], capture_output=True, text=True, env=environment, check=False
    )
    ended = time.time()
    if done.returncode:
        sys.exit(done.stderr)
    assert json.loads(done.stdout)["rendered"] == cells
    written = sorted(path.stat().st_mtime for path in (folder / "out").glob("receipts/*/*.json"))
    assert len(written) == cells
    rows = {
        "start, planning, first worker": written[0] - began,
        "chunks": written[-1] - written[0],
        "sheets, gallery, end": ended - written[-1],
        "all of it": ended - began,
    }
    print("| of it | s | cells/s |\n| --- | ---: | ---: |")
    for what, seconds in rows.items():
        print(f"| {what} | {seconds:.1f} | {cells / seconds:.0f} |")


if __name__ == "__main__":
    main()
