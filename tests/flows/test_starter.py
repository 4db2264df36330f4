"""The folder that `stylepress init` makes."""

import pytest
import runs

from flows import batch, checking, cli, starter
from stylecore.errors import StylepressError


def test_its_manifest_passes_check_and_is_commented(tmp_path, capsys):
    assert cli.run(["init", str(tmp_path / "new/study")]) == 0
    manifest = tmp_path / "new/study/manifest.yaml"
    assert str(manifest) in capsys.readouterr().out
    assert cli.run(["check", str(manifest)]) == 0
    count, faults = checking.check(batch.read_manifest(str(manifest)))
    assert (count >= 8, faults) == (True, [])
    assert sum(line.lstrip().startswith("#") for line in manifest.read_text().splitlines()) >= 5


def test_what_its_comments_offer_is_accepted(tmp_path):
    """Every commented key of the job can be switched on as it stands."""
    manifest = starter.create(tmp_path)
    lines = manifest.read_text().splitlines()
    offered = [
        line.strip().removeprefix("# ").split("  #")[0].strip() for line in lines if line.strip().startswith("# ")
    ]
    keys = [line for line in offered if line.split(":")[0] in ("zip", "exclude", "override", "add")]
    assert len(keys) == 4
    for line in keys:
        name, _, value = line.partition(": ")
        assert checking.check(batch.read_manifest(str(manifest), [f"jobs.0.{name}={value}"]))[1] == []


def test_it_renders(tmp_path):
    manifest = starter.create(tmp_path)
    summary = runs.render(manifest, sets=["defaults.size=32", "defaults.steps=1"], limit=2)
    assert (summary.rendered, summary.exit_code) == (2, 0)


@pytest.mark.parametrize("name", ["manifest.yaml", "photos/cat.jpg"])
def test_nothing_is_overwritten(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(StylepressError, match="nothing is overwritten"):
        starter.create(tmp_path)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]
