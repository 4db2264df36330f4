"""What `stylepress doctor` finds, here and on machines where something is wrong."""

import pytest

from flows import cli, doctor


@pytest.fixture(autouse=True)
def _no_server(tmp_path):
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    with temporary_settings({PREFECT_HOME: tmp_path / "home"}, restore_defaults={PREFECT_API_URL}):
        yield


def findings(to=None):
    return {finding.what: finding for finding in doctor.examine(to)}


def test_it_ends_with_0_here_and_names_everything_it_looked_at(capsys):
    assert cli.run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    looked_at = ["versions", "devices", "weights", "torchvision", "storage", "disk", "prefect"]
    assert [line.split()[1] for line in lines] == looked_at
    assert {line.split()[0] for line in lines} <= {"ok", "note"}


def test_storage_is_tried_and_nothing_is_left_there(tmp_path, s3):
    assert findings(str(tmp_path / "out"))["storage"].state == "ok"
    assert not (tmp_path / "out").exists()
    assert findings(f"s3://{s3.bucket}/x")["storage"].state == "ok"
    assert "Contents" not in s3.client().list_objects_v2(Bucket=s3.bucket)


def test_wrong_storage_is_found_and_the_rest_is_looked_at_all_the_same(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert cli.run(["doctor", "--to", str(tmp_path / "file")]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("wrong")] == ["storage"]
    assert len(lines) == 7


def test_a_server_that_does_not_answer_is_found():
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        found = findings()["prefect"]
    assert found.state == "wrong"
    assert "http://127.0.0.1:9/api" in found.text


def test_a_home_for_prefect_that_cannot_be_made_is_found(tmp_path):
    from prefect.settings import PREFECT_HOME, temporary_settings

    (tmp_path / "file").touch()
    with temporary_settings({PREFECT_HOME: tmp_path / "file" / "home"}):
        found = findings()["prefect"]
    assert (found.state, "PREFECT_HOME" in found.text) == ("wrong", True)


def test_a_weights_folder_that_is_none_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("STYLEPRESS_WEIGHTS", str(tmp_path / "none"))
    assert findings()["weights"].state == "wrong"


def test_heartbeats_want_a_server_and_say_how_to_have_one(capsys):
    assert cli.run(["heartbeats"]) == 3
    said = capsys.readouterr().err
    assert "prefect server start" in said
    assert "PREFECT_API_URL" in said


def test_no_message_shows_the_password_of_an_address():
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://me:never-shown@127.0.0.1:9/api"}):
        found = findings()["prefect"]
    assert "127.0.0.1:9" in found.text
    assert "never-shown" not in found.text
