"""How the gallery feels in a browser: time to the first picture, shifts of the layout, long tasks, bytes at first.

    python benchmarks/gallery_page.py                  # 1,000 pictures of 512 px and 10,000 of 256 px; some minutes
    python benchmarks/gallery_page.py --count 1000 --longest 512

A loopback server hands out plain files, uncompressed and never cached; headless Chromium with an empty cache looks at
the first page, 1440 × 900. Each number is the median of some visits. `largest paint` is Chromium's largest contentful
paint; `shift` its cumulative layout shift; `longest task` the longest of the main thread while four choices of
facets are made and undone, and `to the picture` the time from a click to the viewer's first picture.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_CASES = [(1000, 512), (10_000, 256)]
_WATCH = """
window.seen = { paint: 0, shift: 0, tasks: [] };
new PerformanceObserver(list => { for (const e of list.getEntries()) seen.paint = e.startTime; })
  .observe({ type: "largest-contentful-paint", buffered: true });
new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) seen.shift += e.value; })
  .observe({ type: "layout-shift", buffered: true });
new PerformanceObserver(list => { for (const e of list.getEntries()) seen.tasks.push(e.duration); })
  .observe({ type: "longtask", buffered: true });
"""
_HEAD = ["pictures", "px", "built, pictures/s", "first view, kB", "requests", "largest paint, s", "shift"]
_HEAD += ["longest task at start, ms", "longest task in filtering, ms", "to the picture, s"]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def main() -> None:
    """Measure what is asked for and print a row of a table for each gallery."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, help="pictures")
    parser.add_argument("--longest", type=int, default=512, help="pixels of their longest side")
    parser.add_argument("--visits", type=int, default=5)
    asked = parser.parse_args()
    print("| " + " | ".join(_HEAD) + " |\n|" + " ---: |" * len(_HEAD), flush=True)
    for count, longest in [(asked.count, asked.longest)] if asked.count else _CASES:
        with tempfile.TemporaryDirectory() as folder:
            seconds = _built(Path(folder), count, longest)
            visits = list(_visits(Path(folder), asked.visits))
        found = {name: statistics.median(visit[name] for visit in visits) for name in visits[0]}
        row = [
            f"{count:,}",
            longest,
            f"{count / seconds:.0f}",
            f"{found['bytes'] / 1e3:.0f}",
            f"{found['requests']:.0f}",
        ]
        row += [f"{found['paint'] / 1e3:.2f}", f"{found['shift']:.3f}", f"{found['start']:.0f}"]
        row += [f"{found['filtering']:.0f}", f"{found['opening']:.2f}"]
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def _built(folder: Path, count: int, longest: int) -> float:
    """Draw pictures with receipts and build their gallery; seconds that the gallery took."""
    sys.path.insert(0, str(ROOT / "tests" / "flows"))
    import fake_gallery

    from flows import gallery
    from flows.output import open_output

    fake_gallery.make(folder, count, longest)
    began = time.perf_counter()
    store, ledger = open_output(str(folder), print)
    gallery.build(store, ledger, "Figures", [])
    return time.perf_counter() - began


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/gallery/index.html"
    finally:
        server.shutdown()
        server.server_close()


def _visits(folder: Path, number: int) -> Iterator[dict[str, float]]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with _served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for _ in range(number):
            yield _visit(browser, address)
        browser.close()


def _visit(browser: Any, address: str) -> dict[str, float]:
    """One visit with an empty cache: the first view, then choices of facets, then the viewer."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wire, sizes = context.new_cdp_session(page), []
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.add_init_script(_WATCH)
    page.goto(address)
    page.wait_for_selector("#wall img")
    page.wait_for_timeout(2000)
    first = {"bytes": sum(sizes), "requests": len(sizes), **page.evaluate("({paint: seen.paint, shift: seen.shift})")}
    first["start"] = page.evaluate("Math.max(0, ...seen.tasks)")
    page.evaluate("seen.tasks = []")
    for facet in ("style", "style weight"):
        page.locator("summary", has_text=facet).first.click()
        for box in (0, 1, 0, 1):
            page.locator("details[open] input[type=checkbox]").nth(box).click()
            page.wait_for_timeout(200)
        page.keyboard.press("Escape")
    first["filtering"] = page.evaluate("Math.max(0, ...seen.tasks)")
    page.evaluate("scrollTo(0, 0)")
    began = time.perf_counter()
    page.locator("#wall a").first.click()
    page.wait_for_selector("#viewer .pswp__img")
    first["opening"] = time.perf_counter() - began
    context.close()
    return first


if __name__ == "__main__":
    main()
