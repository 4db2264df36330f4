"""Prefect as people run it: a server on PostgreSQL, schedules, cancelling, runs that are killed, and the doctor."""

import json
import os
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import runs
import yaml
from postgres_server import postgres_binaries
from prefect_server import ROOT, wait_for

ENDLESS = 'overrides=["defaults.steps=1000000"]'
ADHOC, NIGHTLY = "render-batch/adhoc", "render-batch/nightly"

pytestmark = pytest.mark.slow


def begin(prefect, name, *parameters):
    """Start a deployment's run and wait until it renders; returns the flow run."""
    _, run = prefect.deployment(name, *parameters, watch=False)
    wait_for(lambda: any(file.get("workers") for file in run_files(Path(run["parameters"]["to"]))), 180)
    return run


def run_files(out):
    with suppress(FileNotFoundError, ValueError):
        return [json.loads(path.read_bytes()) for path in sorted(out.glob("runs/*.json"))]
    return []


def final(prefect, run, seconds=180):
    ends = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
    return wait_for(lambda: (now := prefect.flow_run(run["id"]))["state"]["type"] in ends and now, seconds)


def members(group):
    """Processes of a group that still live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, owner, *_ = path.read_text().rpartition(")")[2].split()
            found += [path.parent.name] if int(owner) == group and state != "Z" else []
    return found


def time_of(run, name):
    return datetime.fromisoformat(run[name].replace("Z", "+00:00"))


@pytest.mark.skipif(postgres_binaries() is None, reason="there is no PostgreSQL; apt-get install postgresql")
def test_the_server_keeps_its_runs_in_postgresql(prefect):
    import asyncio

    import asyncpg

    async def tables():
        where = {name.lower(): value for name, value in prefect.database.items() if name != "NAME"}
        connection = await asyncpg.connect(**where, database=prefect.database["NAME"])
        try:
            return await connection.fetchval("SELECT count(*) FROM deployment")
        finally:
            await connection.close()

    assert asyncio.run(tables()) == 3
    said = prefect.stylepress("doctor", check=False).stdout
    assert "on PostgreSQL" in said


def test_doctor_says_what_is_missing_and_one_command_mends_it(prefect):
    def lines():
        done = prefect.stylepress("doctor", check=False)
        return {line.split()[1]: line for line in done.stdout.splitlines()}

    before = lines()
    assert before["prefect"].startswith("ok")
    assert "adhoc, nightly, publish" in before["deployments"]
    assert "1 worker online" in before["pool"]
    assert "stylepress heartbeats" in before["heartbeats"]
    for _ in range(2):
        prefect.stylepress("heartbeats")
    assert lines()["heartbeats"].startswith("ok")
    (automation,) = prefect.ask("automations/filter")
    assert automation["enabled"]
    prefect.stylepress("heartbeats", "--within", 20)  # shorter than the time between two heartbeats
    assert lines()["heartbeats"].startswith("wrong")
    prefect.stylepress("heartbeats")


def test_a_scheduled_run_waits_for_the_one_before_and_a_cancelled_one_ends_soon(prefect, tmp_path):
    manifest, out, nightly = runs.study(tmp_path), tmp_path / "there", tmp_path / "nightly"
    run = begin(prefect, NIGHTLY, f"manifest={manifest}", f"to={out}", ENDLESS)
    soon = (datetime.now(UTC) + timedelta(seconds=10)).isoformat()
    prefect.schedule(NIGHTLY, {"interval": 86400, "anchor_date": soon}, {"manifest": str(manifest), "to": str(nightly)})
    scheduled = wait_for(lambda: [r for r in prefect.flow_runs(NIGHTLY) if r["parameters"].get("to") == str(nightly)])
    scheduled = scheduled[-1]
    assert scheduled["auto_scheduled"]
    wait_for(lambda: prefect.flow_run(scheduled["id"])["state"]["name"] == "AwaitingConcurrencySlot")

    group = prefect.process_of(run)
    prefect.run("flow-run", "cancel", run["id"])
    ended = final(prefect, run)
    said = ended["state"]["type"], ended["state"]["message"]
    assert said == ("CANCELLED", "0 rendered, 0 already there, 4 left of 4 cells")
    wait_for(lambda: not members(group))
    (file,) = run_files(out)
    assert (file["state"], file["stopped"], file["remaining"]) == ("ended", "interrupted", 4)
    assert [name for name in runs.files(out) if "/." in name or name.endswith(".tmp")] == []
    assert prefect.stylepress("status", out, check=False).returncode == 1

    waited = final(prefect, scheduled)
    assert (waited["state"]["type"], len(runs.receipts(nightly))) == ("COMPLETED", 4)
    assert time_of(waited, "start_time") >= time_of(ended, "end_time")


def test_a_killed_run_becomes_crashed_by_the_automation(prefect, tmp_path):
    prefect.stylepress("heartbeats", "--within", 15)
    try:
        manifest, out = runs.study(tmp_path), tmp_path / "there"
        _, run = prefect.deployment(ADHOC, f"manifest={manifest}", f"to={out}", ENDLESS, watch=False)
        resource = {"id": [f"prefect.flow-run.{run['id']}"]}
        asked = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": resource}
        wait_for(lambda: prefect.ask("events/filter", filter=asked)["events"])
        group = prefect.process_of(run)
        os.killpg(prefect.worker.pid, signal.SIGKILL)
        os.killpg(group, signal.SIGKILL)
        wait_for(lambda: not members(group))
        assert prefect.flow_run(run["id"])["state"]["type"] == "RUNNING"
        ended = final(prefect, run)
        assert ended["state"]["type"] == "CRASHED"
        assert "No sign of life" in ended["state"]["message"]
    finally:
        prefect.stylepress("heartbeats")
        prefect.start_worker()


def test_deployments_send_heartbeats_often_enough():
    from flows.heartbeats_command import heartbeats

    within = heartbeats.__kwdefaults__["within"]
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        every = int(deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
        assert every * 3 <= within
