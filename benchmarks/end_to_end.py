"""Times of the whole way: start-up of commands, the quickstart, its second run, and what orchestration costs.

    python benchmarks/end_to_end.py                 # about 5 minutes on 2 cores
    python benchmarks/end_to_end.py --minutes 10    # the cost of orchestration on a run of about ten minutes

Everything runs through the installed `stylepress` command in a new home and a new folder, as a user's would.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUICKSTART = ROOT / "manifests" / "quickstart.yaml"
STYLEPRESS = Path(sys.executable).with_name("stylepress")


def timed(*arguments: str, home: Path, code: int = 0) -> tuple[float, str]:
    """Run the command line; returns wall seconds and what it printed."""
    environment = {**os.environ, "HOME": str(home), "PREFECT_HOME": str(home / ".prefect")}
    began = time.perf_counter()
    done = subprocess.run([STYLEPRESS, *arguments], capture_output=True, text=True, env=environment, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != code:
        sys.exit(f"stylepress {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return seconds, done.stdout


def row(what: str, value: str, wanted: str = "") -> None:
    """One line of the table."""
    print(f"| {what} | {value} | {wanted} |", flush=True)


def startup(home: Path) -> None:
    """Commands that need neither torch nor Prefect."""
    for arguments, limit in ((("--help",), 0.5), (("check", str(QUICKSTART)), 1.0), (("plan", str(QUICKSTART)), 1.0)):
        times = [timed(*arguments, home=home)[0] for _ in range(7)]
        said = f"{statistics.median(times):.2f} s (median of 7)"
        row(f"`stylepress {arguments[0]}`", said, f"< {limit} s")


def quickstart(home: Path, folder: Path) -> None:
    """The quickstart and its second run."""
    first, said = timed("render", str(QUICKSTART), "--to", str(folder / "out"), "--json", home=home)
    again, said_again = timed("render", str(QUICKSTART), "--to", str(folder / "out"), "--json", home=home)
    row("quickstart, new home", f"{first:.0f} s, {json.loads(said)['rendered']} pictures", "< 240 s")
    row("the same again", f"{again:.1f} s, {json.loads(said_again)['rendered']} rendered", "seconds")
    orchestration(folder / "out", first)


def orchestration(out: Path, wall: float) -> None:
    """Wall time that was not rendering or scoring: start-up, planning, publishing, sheets, Prefect."""
    receipts = [json.loads(path.read_text()) for path in out.glob("receipts/*/*.json")]
    rendering, scoring = (sum(receipt["timing"][part] for receipt in receipts) for part in ("render", "score"))
    overhead = wall - rendering - scoring
    row("rendering within that", f"{rendering:.0f} s")
    row("scoring", f"{scoring:.1f} s")
    row("everything else", f"{overhead:.1f} s, {overhead / wall:.1%} of {wall:.0f} s", "< 5 % of 600 s")


def long_run(home: Path, folder: Path, minutes: float) -> None:
    """A run of about so many minutes, sized by what the quickstart took."""
    receipts = [json.loads(path.read_text()) for path in (folder / "out").glob("receipts/*/*.json")]
    per_cell = statistics.mean(receipt["timing"]["render"] for receipt in receipts)
    seeds = max(1, round(minutes * 60 / per_cell / len(receipts)))
    sets = ["--set", f"jobs.0.grid.seed={list(range(seeds))}"]
    wall, _ = timed("render", str(QUICKSTART), "--to", str(folder / "long"), "--json", *sets, home=home)
    orchestration(folder / "long", wall)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--minutes", type=float, help="also run about so many minutes, to show the cost of orchestration"
    )
    minutes = parser.parse_args().minutes
    folder = Path(tempfile.mkdtemp(prefix="stylepress-benchmark-"))
    try:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(f"{machine}, torch {version('torch')}, prefect {version('prefect')}\n")
        print("| what | measured | wanted |\n| --- | --- | --- |", flush=True)
        startup(folder)
        quickstart(folder, folder)
        if minutes:
            long_run(folder, folder, minutes)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
