"""What orchestration costs: runs of many tiny cells through the flow, less the rendering and scoring within them."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.end_to_end import STYLEPRESS, timed
from benchmarks.report import Report, table
from benchmarks.scene import Scene
from stylecore.errors import StylepressError

_MANIFEST = """\
version: 1
name: tiny
inputs: {{content: ["sample:coffee"], style: ["sample:brush-strokes"]}}
defaults: {{size: 16x16, steps: 1, scales: 1, content_layers: [relu1_1], style_layers: [relu1_1]}}
jobs: [{{name: tiny, grid: {{style_weight: {{linspace: [1, 100, {cells}]}}}}}}]
output: {{to: out}}
"""
_WORK, _OUTPUT = ("load", "render", "score"), ("encode", "publish")


def run(scene: Scene) -> Report:
    """One table, a row for each number of cells."""
    if not STYLEPRESS.exists():
        raise StylepressError("overhead: there is no command `stylepress` beside this Python: pip install -e '.[test]'")
    folder = Path(tempfile.mkdtemp(prefix="stylepress-benchmark-"))
    try:
        _row(folder, 1)  # makes Prefect's home
        rows = [_row(folder, cells) for cells in ((3, 10) if scene.quick else (10, 100, 1000))]
    finally:
        shutil.rmtree(folder)
    said = (
        "`stylepress render` of cells of 16×16 pixels and one step: 16 px because the flow has no renders that are not "
        "real. Loading, rendering and scoring are sums over the receipts, and the rest is the wall time without them: "
        "start-up, planning, Prefect, encoding and publishing as far as they are waited for, sheets and gallery. The "
        "run once more finds every cell done."
    )
    head = ["cells", "s", *_WORK, "the rest, s", "a cell, ms", *_OUTPUT, "once more, s"]
    return Report("Overhead", said + "\n\n" + table(head, rows))


def _row(folder: Path, cells: int) -> list[str]:
    manifest, out = folder / f"{cells}.yaml", folder / f"out-{cells}"
    manifest.write_text(_MANIFEST.format(cells=cells))
    arguments = ("render", str(manifest), "--to", str(out), "--json")
    wall, said = timed(*arguments, home=folder)
    again, _ = timed(*arguments, home=folder)
    receipts: list[dict[str, Any]] = [json.loads(path.read_text()) for path in out.glob("receipts/*/*.json")]
    assert len(receipts) == cells == json.loads(said)["rendered"]
    work, output = ([sum(r["timing"].get(part, 0.0) for r in receipts) for part in parts] for parts in (_WORK, _OUTPUT))
    rest = wall - sum(work)
    told = [f"{seconds:.1f}" for seconds in (wall, *work, rest)]
    return [str(cells), *told, f"{1000 * rest / cells:.0f}", *(f"{seconds:.1f}" for seconds in (*output, again))]
