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
from prefect_server import ROOT, SECRET, wait_for

from flows import cli, doctor

ENDLESS = 'overrides=["defaults.steps=1000000"]'
ADHOC, NIGHTLY = "render-batch/adhoc", "render-batch/nightly"

pytestmark = pytest.mark.slow


def begin(prefect, name, *parameters):
    """Start a deployment's run and wait until it renders; returns the flow run."""
    _, run = prefect.deployment(name, *parameters, watch=False)
    wait_for(lambda: any(file.get("workers") for file in run_files(Path(run["parameters"]["to"]))))
    return run


@pytest.fixture
def connected(prefect):
    """Have this process use the server."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: prefect.api, PREFECT_API_AUTH_STRING: f"admin:{SECRET}"}):
        yield


def findings():
    """What the doctor says of the server."""
    return {finding.what: finding for finding in doctor.prefect()}


def run_files(out):
    with suppress(FileNotFoundError, ValueError):
        return [json.loads(path.read_bytes()) for path in sorted(out.glob("runs/*.json"))]
    return []


def final(prefect, run, seconds=240):
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
@pytest.mark.usefixtures("connected")
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
    assert "on PostgreSQL" in findings()["prefect"].text


@pytest.mark.usefixtures("connected")
def test_doctor_says_what_is_missing_and_one_command_mends_it(prefect):
    wait_for(lambda: findings()["pool render-pool"].state == "ok")  # it takes a worker a while to come
    before = findings()
    assert before["prefect"].state == "ok"
    assert "adhoc, nightly, publish" in before["deployments"].text
    assert "1 worker online" in before["pool render-pool"].text
    assert "stylepress heartbeats" in before["heartbeats"].text
    for _ in range(2):
        assert cli.run(["heartbeats"]) == 0
    assert findings()["heartbeats"].state == "ok"
    (automation,) = prefect.ask("automations/filter")
    assert automation["enabled"]
    assert cli.run(["heartbeats", "--within", "20"]) == 0  # shorter than the time between two heartbeats
    assert findings()["heartbeats"].state == "wrong"
    assert cli.run(["heartbeats"]) == 0


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
    assert cli.run(["status", str(out)]) == 1

    waited = final(prefect, scheduled)
    assert (waited["state"]["type"], len(runs.receipts(nightly))) == ("COMPLETED", 4)
    assert time_of(waited, "start_time") >= time_of(ended, "end_time")


@pytest.mark.usefixtures("connected")
def test_a_killed_run_becomes_crashed_by_the_automation(prefect, tmp_path):
    assert cli.run(["heartbeats", "--within", "15"]) == 0
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
        ended = final(prefect, run)
        assert ended["state"]["type"] == "CRASHED"
        assert "No sign of life" in ended["state"]["message"]
    finally:
        assert cli.run(["heartbeats"]) == 0
        prefect.start_worker()


def test_deployments_send_heartbeats_often_enough():
    from flows.heartbeats_command import heartbeats

    within = heartbeats.__kwdefaults__["within"]
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        every = int(deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
        assert every * 3 <= within
