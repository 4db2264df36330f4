"""Processes in which one of our modules is changed after it was loaded: workers that die, lie or take no time."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

_TEXT = """
import importlib.abc, importlib.util, sys


def change(module):
{change}


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != {module!r}:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda loaded: (load(loaded), change(loaded))
        return spec


sys.meta_path.insert(0, Finder())
"""


def environment(folder: Path, module: str, change: str) -> dict[str, str]:
    """What to add to a process's environment so that it, and whatever it starts, changes a module once it is loaded.

    Args:
        folder: an empty folder.
        module: such as `stylecore.rendering`.
        change: Python; what it changes is called `module`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_TEXT.format(module=module, change=indent(change, "    ")))
    return {"PYTHONPATH": str(folder)}
