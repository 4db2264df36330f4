"""Fixtures of the tests of runs: one finished run for all to copy, and commands with a Prefect home of their own."""

from __future__ import annotations

import shutil
from functools import partial
from types import SimpleNamespace

import pytest
import runs


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory):
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def command(prefect_home):
    """Runs `stylepress ARGUMENTS` as a process of its own."""
    return partial(runs.run_command, prefect_home)


@pytest.fixture(scope="session")
def first(command, tmp_path_factory):
    """The first render of a study, through the command line: `.done` the process, `.folder`, `.manifest`, `.out`."""
    folder = tmp_path_factory.mktemp("first") / "study"
    manifest = runs.study(folder)
    done = command("render", manifest.name, "--json", cwd=folder)
    return SimpleNamespace(done=done, folder=folder, manifest=manifest, out=folder / "out")


@pytest.fixture
def study(first, tmp_path):
    """A copy of the rendered study that a test may do anything with."""
    assert first.done.returncode == 0, first.done.stderr
    folder = tmp_path / "study"
    shutil.copytree(first.folder, folder)
    return SimpleNamespace(folder=folder, manifest=folder / "manifest.yaml", out=folder / "out")
