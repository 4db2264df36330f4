"""The flows as deployments run them, on a real server: states, messages, artifacts, logs."""

import json
import os
import re

import pytest
import runs
from prefect_server import ROOT, SECRET


@pytest.mark.slow
def test_a_deployment_renders_a_manifest_and_tells_of_it(prefect, tmp_path):
    manifest, out = runs.study(tmp_path), tmp_path / "there"
    code, run = prefect.deployment("render-batch/adhoc", f"manifest={manifest}", f"to={out}", "limit=2")
    assert (code, run["state"]["type"]) == (0, "COMPLETED"), prefect.log.read_text()
    assert run["state"]["message"] == "2 rendered, 0 already there of 2 cells"
    assert len(runs.receipts(out)) == 2
    assert len(runs.files(out, "runs")) == 1

    assert run["name"] == f"render two photographs to {out}"
    assert {"stylepress", "manifest:two photographs", f"output:{out}"} <= set(run["tags"])
    artifacts = prefect.artifacts(run)
    assert "2 rendered" in artifacts["render-summary"]["data"]
    assert artifacts["render-progress"]["data"] == 100
    assert "render-failures" not in artifacts
    assert (out / "gallery/index.html").as_uri() in artifacts["gallery"]["data"]
    tasks = prefect.ask("task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
    assert {task["state"]["type"] for task in tasks} == {"COMPLETED"}

    code, run = prefect.deployment("build-gallery/publish", f"out={out}", f"to={tmp_path / 'copy'}")
    assert (code, run["state"]["type"]) == (0, "COMPLETED"), prefect.log.read_text()
    assert (tmp_path / "copy/gallery/index.html").read_bytes() == (out / "gallery/index.html").read_bytes()
    assert runs.files(tmp_path / "copy", "renders") == runs.files(out, "renders")


@pytest.mark.slow
def test_a_manifest_that_does_not_validate_fails_with_its_message_and_no_traceback(prefect, tmp_path):
    manifest = runs.study(tmp_path, runs.MANIFEST.replace("steps: 2", "stepz: 2"))
    begins = len(prefect.log.read_text())
    code, run = prefect.deployment("render-batch/adhoc", f"manifest={manifest}", f"to={tmp_path / 'there'}")
    assert code != 0
    assert run["state"]["type"] == "FAILED"
    assert "line 6" in run["state"]["message"]
    assert "did you mean 'steps'?" in run["state"]["message"]
    log = prefect.log.read_text()[begins:]
    assert "did you mean 'steps'?" in log
    assert "Traceback" not in log
    assert not (tmp_path / "there").exists()


@pytest.mark.slow
def test_failed_cells_fail_a_flow_run_and_are_in_its_summary(prefect, tmp_path):
    manifest, out = runs.study(tmp_path), tmp_path / "there"
    (tmp_path / "photos/tower.png").write_text("no picture")
    begins = len(prefect.log.read_text())
    overrides = json.dumps(["jobs.0.grid={}"])
    code, run = prefect.deployment("render-batch/adhoc", f"manifest={manifest}", f"to={out}", f"overrides={overrides}")
    assert code != 0
    assert (run["state"]["type"], len(runs.receipts(out))) == ("FAILED", 1)
    assert run["state"]["message"] == "1 rendered, 0 already there, 1 failed of 2 cells"
    artifacts = prefect.artifacts(run)
    assert "1 failed" in artifacts["render-summary"]["data"]
    (row,) = json.loads(artifacts["render-failures"]["data"])
    assert row["cell"].startswith("renders/The-b-Tower-b-co--blocks")
    assert "photos/tower.png" in row["message"]
    assert "Traceback" not in prefect.log.read_text()[begins:]


@pytest.mark.slow
def test_no_log_of_a_failing_run_shows_a_secret(prefect, tmp_path, s3):
    manifest, secret = runs.study(tmp_path), "never-shown-0123456789"
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environment |= {"AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL": s3.endpoint.replace("//", f"//me:{secret}@")}
    variables = f"env={json.dumps(environment)}"
    prefect.run(
        *("deployment", "run", "render-batch/adhoc", "-p", f"manifest={manifest}", "-p", f"to=s3://{s3.bucket}/x"),
        *("--job-variable", variables, "--watch"), check=False,
    )  # fmt: skip
    run = prefect.flow_runs("render-batch/adhoc")[0]
    assert (run["state"]["type"], s3.bucket in run["state"]["message"]) == ("FAILED", True)
    logs = prefect.ask("logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}})
    said = json.dumps([logs, run["state"], list(prefect.artifacts(run).values())]) + prefect.log.read_text()
    assert s3.bucket in json.dumps(logs)
    for hidden in (secret, s3.secret_key, SECRET, *([prefect.password] if prefect.password else [])):
        assert hidden not in said


def test_deployments_are_those_of_the_contract():
    import yaml

    deployments = {d["name"]: d for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
    entrypoints = {name: re.split("[:.]", d["entrypoint"])[-1] for name, d in deployments.items()}
    assert entrypoints == {"adhoc": "render_batch", "nightly": "render_batch", "publish": "build_gallery"}
    assert deployments["nightly"]["schedules"][0]["cron"]
    for name in ("adhoc", "nightly"):
        assert (ROOT / deployments[name]["parameters"]["manifest"]).is_file()
