"""`stylepress status`: what another terminal tells of a run."""

import json
import signal
import subprocess
import threading
import time

import pytest
import runs
from test_live import stamp, write_run

from flows import cli, live
from flows.store import open_store

WORKER = {
    "worker": "cuda:1", "cell": "harbour--waves", "cells": 3, "step": 12, "steps": 300, "size": 384, "loss": 3.25,
    "steps_per_second": 41.0, "memory_bytes": 2**31,
}  # fmt: skip
FAILURE = {"cell": "renders/a.png", "key": "k", "kind": "unreadable-picture", "message": "photos/a.jpg is no picture"}


def status(capsys, out, *options):
    code = cli.run(["status", str(out), *options])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def out(tmp_path):
    return open_store(tmp_path / "out", confine=False)


def test_a_run_under_way_tells_counts_workers_and_time_left(out, capsys):
    counts = {"rendered": 1, "skipped": 1, "failed": 1, "remaining": 1, "failures": [FAILURE]}
    write_run(out, **counts, workers=[WORKER], left_seconds=125, seconds=61, workers_off={"cpu 2": "lost thrice"})
    code, said, _ = status(capsys, out.root)
    assert code == 0
    for part in ("coast", "running for 1:01", "1 rendered, 1 already there, 1 failed, 1 to do of 4 cells, 2:05 left"):
        assert part in said
    for part in (
        "cuda:1",
        "step 12/300",
        "384 px",
        "loss 3.25",
        "41.0 steps/s",
        "2048 MiB",
        "harbour--waves and 2 more",
    ):
        assert part in said
    assert "cpu 2 was taken off the run: lost thrice" in said
    assert "renders/a.png" in said
    assert FAILURE["message"] in said


def test_a_run_that_was_killed_is_told_dead_and_what_to_do(out, capsys):
    write_run(out, updated=stamp(600), rendered=1, remaining=3, workers=[WORKER])
    code, said, _ = status(capsys, out.root, "--follow")
    assert code == 1
    for part in ("seems dead", "no sign of life for 10:0", "stylepress render", "3 to do"):
        assert part in said
    assert "cuda:1" not in said
    code, said, _ = status(capsys, out.root, "--json")
    assert (code, json.loads(said)["state"]) == (1, "dead")


@pytest.mark.parametrize(("failed", "remaining", "code"), [(0, 0, 0), (1, 0, 1), (0, 2, 1)])
def test_a_run_that_has_ended_ends_it_with_what_became_of_its_cells(out, capsys, failed, remaining, code):
    write_run(out, state="ended", rendered=2, failed=failed, remaining=remaining, seconds=30)
    assert status(capsys, out.root)[0] == code


def test_all_runs_under_way_are_told_and_no_older_one(out, capsys):
    write_run(out, "1", state="ended", cells=9)
    write_run(out, "2", rendered=1)
    write_run(out, "3", rendered=2)
    _, said, _ = status(capsys, out.root)
    assert [line.split()[0] for line in said.splitlines() if "coast" in line] == ["3", "2"]


def test_a_real_run_is_told_and_its_file_given_as_json(study, capsys):
    code, said, _ = status(capsys, study.out, "--json")
    (data,) = runs.files(study.out, "runs").values()
    assert code == 0
    assert json.loads(said).items() >= json.loads(data).items()
    assert "4 rendered, 0 already there of 4 cells" in status(capsys, study.out)[1]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_follow_waits_for_the_end(out, capsys, options):
    write_run(out, rendered=1, remaining=3)
    end = {"state": "ended", "rendered": 4, "remaining": 0, "seconds": 7}
    threading.Timer(0.5, write_run, [out], end).start()
    code, said, progress = status(capsys, out.root, "--follow", *options)
    assert code == 0
    assert "1 rendered" in progress
    assert json.loads(said)["rendered"] == 4 if options else "ended after 0:07" in said


def test_a_bucket_is_followed_too(s3, capsys):
    write_run(open_store(f"s3://{s3.bucket}/x"), rendered=1)
    code, said, _ = status(capsys, f"s3://{s3.bucket}/x")
    assert (code, "1 rendered" in said) == (0, True)


@pytest.mark.usefixtures("s3")
def test_what_holds_no_runs_is_a_wrong_command_and_a_bucket_that_is_not_there_a_wrong_environment(tmp_path, capsys):
    code, _, said = status(capsys, tmp_path / "nowhere")
    assert (code, "holds no runs" in said) == (2, True)
    code, _, said = status(capsys, "s3://not-there-at-all/x")
    assert (code, "not-there-at-all" in said) == (3, True)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"state": "running"}', b'{"cells": "x", "workers": 5}'])
def test_files_of_another_hand_break_nothing(out, capsys, content):
    out.write(live.file_name("1"), content, "application/json")
    assert status(capsys, out.root)[0] in (0, 1, 2)


@pytest.mark.slow
def test_it_starts_without_torch_and_prefect_and_ctrl_c_ends_it(out, prefect_home):
    write_run(out, rendered=1)
    command = [*runs.arguments_of("status", out.root, "--follow")]
    command[1:1] = ["-X", "importtime"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=runs.surroundings(prefect_home),
        # what a shell starts in the background ignores Ctrl-C, and so do all that it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    lines = []
    while "1 rendered" not in (line := process.stderr.readline()):
        lines.append(line)
    loaded = {line.rpartition("|")[2].strip() for line in lines if "|" in line}
    assert loaded.isdisjoint({"torch", "prefect", "boto3"})
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in rest
