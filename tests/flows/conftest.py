"""Fixtures of the tests of runs: one finished run for all to copy, and commands with a Prefect home of their own."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace

import pytest
import runs
from postgres_server import postgres_binaries, postgres_server
from prefect_server import Prefect, bare_server


def pytest_collection_modifyitems(items):
    """Where several processes share the tests, those that need one server go to one process."""
    for item in items:
        for server in {"prefect", "scheduler"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(server))


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory):
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def api(prefect_home):
    """Address of a Prefect server for runs that are not about the one they would start themselves."""
    with bare_server(prefect_home) as server:
        yield server.api


@pytest.fixture(scope="session")
def command(prefect_home, api):
    """Runs `stylepress ARGUMENTS` as a process of its own."""
    return partial(runs.run_command, prefect_home, PREFECT_API_URL=api)


@pytest.fixture(scope="session")
def first(prefect_home, tmp_path_factory):
    """The first render of a study, through the command line: `.done` the process, `.folder`, `.manifest`, `.out`."""
    folder = tmp_path_factory.mktemp("first") / "study"
    manifest = runs.study(folder)
    done = runs.run_command(prefect_home, "render", manifest.name, "--json", cwd=folder)
    return SimpleNamespace(done=done, folder=folder, manifest=manifest, out=folder / "out")


@pytest.fixture
def study(first, tmp_path):
    """A copy of the rendered study that a test may do anything with."""
    assert first.done.returncode == 0, first.done.stderr
    folder = tmp_path / "study"
    shutil.copytree(first.folder, folder)
    return SimpleNamespace(folder=folder, manifest=folder / "manifest.yaml", out=folder / "out")


@pytest.fixture
def running(prefect_home, request, tmp_path):
    """Starts `stylepress render` with some arguments; what is left of it at the end of a test is killed.

    It uses the tests' Prefect server, and with `own_server=True` its own.
    """
    started = []

    def start(*arguments, own_server=False, **more):
        if not own_server:
            more = {"PREFECT_API_URL": request.getfixturevalue("api"), **more}
        started.append(runs.Running(prefect_home, tmp_path / "study", *arguments, **more))
        return started[-1]

    yield start
    for run in started:
        run.kill()


@pytest.fixture(scope="session")
def prefect(tmp_path_factory):
    """A Prefect server, on PostgreSQL where that is installed, with the project's deployments and a worker."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres_server()) if postgres_binaries() else None
        server = Prefect(tmp_path_factory.mktemp("prefect-server"), database)
        stack.callback(server.stop)
        server.start()
        yield server
