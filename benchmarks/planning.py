"""What planning takes: seconds and memory of `stylepress plan`, with nothing finished and with everything."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Report, table
from benchmarks.scene import Scene

_MANIFEST = """\
version: 1
name: many
inputs: {{content: ["sample:coffee", "sample:cat"], style: ["sample:brush-strokes", "sample:waves"]}}
jobs: [{{grid: {{style_weight: {{logspace: [1, 1.0e6, {weights}]}}, seed: {{range: [0, 10, 1]}}}}}}]
output: {{to: out}}
run: {{max_cells: 100000000}}
"""
# what getrusage tells of a process's peak holds that of the process that started it
_COMMAND = """
import re, sys
from flows import cli
code = cli.run(sys.argv[1:])
print(re.search(r"VmHWM:\\s*([0-9]+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
sys.exit(code)
"""
_SIZES = (10_000, 100_000, 1_000_000)
_MOST_FINISHED = 100_000  # receipts and pictures are two files a cell
_SETTLED = 4.0  # seconds after which a file counts as one that is no longer written


@dataclass(frozen=True)
class _Taken:
    """Wall seconds and peak memory in MB of a command."""

    seconds: float
    megabytes: float


def run(scene: Scene) -> Report:
    """One table, a row for each number of cells."""
    rows = []
    for cells in (1000,) if scene.quick else _SIZES:
        folder = Path(tempfile.mkdtemp(prefix="stylepress-benchmark-"))
        try:
            rows.append(_row(folder, cells))
        finally:
            shutil.rmtree(folder)
    said = (
        "`stylepress plan`, start-up and the count of chunks among it: 2 contents × 2 styles × a grid of two settings. "
        "First nothing is finished. Then every cell has a receipt (60 points of loss, 4 kB) and a small file for its "
        "picture, made by the benchmark; the first plan of that reads all of them and the next ones what a listing "
        "tells. Memory is the process's peak."
    )
    head = ["cells", "nothing finished, s", "MB", "all finished, first look, s", "MB", "again, s", "MB", "× the first"]
    return Report("Planning", said + "\n\n" + table(head, rows))


def _row(folder: Path, cells: int) -> list[str]:
    manifest = folder / "many.yaml"
    manifest.write_text(_MANIFEST.format(weights=cells // 40))
    first = _plan(folder)
    told = [f"{cells:,}", *_said(first)]
    if cells > _MOST_FINISHED:
        return [*told, *["–"] * 5]
    _finish(manifest, folder / "out")
    time.sleep(_SETTLED)
    look, again = _plan(folder), min((_plan(folder) for _ in range(2)), key=lambda taken: taken.seconds)
    return [*told, *_said(look), *_said(again), f"{again.seconds / first.seconds:.2f}"]


def _said(taken: _Taken) -> list[str]:
    return [f"{taken.seconds:.1f}", f"{taken.megabytes:.0f}"]


def _plan(folder: Path) -> _Taken:
    environment = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    began = time.perf_counter()
    command = [sys.executable, "-c", _COMMAND, "plan", str(folder / "many.yaml")]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"stylepress plan failed:\n{done.stderr}")
    return _Taken(seconds, int(done.stderr.split()[-1]) / 1024)


def _finish(manifest: Path, out: Path) -> None:
    """Leave for each cell of a manifest a receipt and a small file as its picture."""
    from flows import batch, plan
    from flows.receipts import receipt_name
    from flows.store import open_store

    (out / "renders").mkdir(parents=True)
    for number in range(256):
        (out / "receipts" / f"{number:02x}").mkdir(parents=True)
    curve = [[step, 1 / step] for step in range(1, 61)]
    result = {"losses": {"total": 1.0}, "curve": curve, "steps": 300, "stop_reason": "steps"}
    alike = json.dumps({"schema": 1, "result": result, "timing": {"render": 2.0}, "attempts": 1})
    for item in plan.make(batch.read_manifest(str(manifest)), open_store(out / "none")).items:
        data = item.name.encode()
        _write(f"{out}/{item.name}", data)
        picture = {"path": item.name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "format": "png"}
        own = {"key": item.key, "cell": item.described, "picture": {**picture, "width": 512, "height": 512}}
        _write(f"{out}/{receipt_name(item.key)}", f"{alike[:-1]}, {json.dumps(own)[1:]}".encode())


def _write(path: str, data: bytes) -> None:
    """A new file; there are very many."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(handle, data)
    os.close(handle)
