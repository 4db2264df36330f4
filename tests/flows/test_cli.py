"""The command line as people and scripts meet it: exit codes, documents, messages, and what a render leaves."""

import io
import json
import re
import socket
import subprocess
import sys
from datetime import datetime
from getpass import getuser
from pathlib import Path

import pytest
import runs
import yaml
from PIL import Image

from flows import cli

RUN_KEYS = {
    "run",
    "manifest",
    "to",
    "cells",
    "rendered",
    "skipped",
    "failed",
    "seconds",
    "failures",
    "sheets",
    "gallery",
}
ISO_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


@pytest.fixture
def stylepress(capfd):
    """Runs a command in this process; returns its exit code, stdout and stderr."""

    def run(*arguments):
        capfd.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return run


def test_render_exits_with_0_and_prints_one_document(first):
    assert (first.done.returncode, runs.complaints(first.done.stderr)) == (0, [])
    document = json.loads(first.done.stdout)
    assert set(document) >= RUN_KEYS
    assert [document[name] for name in ("cells", "rendered", "skipped", "failed")] == [4, 4, 0, 0]
    assert document["failures"] == []
    assert document["manifest"]["name"] == "two photographs"


def test_a_run_leaves_pictures_receipts_sheets_gallery_and_one_file_of_its_own(first):
    document = json.loads(first.done.stdout)
    assert len(runs.files(first.out, "renders")) == len(runs.files(first.out, "receipts")) == 4
    assert [Path(name).name for name in runs.files(first.out, "runs")] == [f"{document['run']}.json"]
    assert {*document["sheets"], document["gallery"]} <= set(runs.files(first.out))
    assert document["gallery"] == "gallery/index.html"
    written = json.loads((first.out / "runs" / f"{document['run']}.json").read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", written.pop("updated"))  # of use only beside a run
    assert written == {**document, "to": "."}


def test_nothing_hidden_temporary_or_locked_is_left(first):
    known = re.compile(r"(renders|receipts|sheets|gallery|runs)/[\w.+/-]+\.(png|json|html|css|js|jpg|svg|webp|txt)")
    strange = [name for name in runs.files(first.out) if not known.fullmatch(name) or "/." in name]
    assert strange == []


def test_names_of_pictures_are_safe_everywhere(first):
    for name in runs.files(first.out, "renders"):
        assert re.fullmatch(r"renders/[A-Za-z0-9._+-]{1,180}\.png", name)
    assert any(
        name.startswith("renders/harbour--blocks--style_weight-10--") for name in runs.files(first.out, "renders")
    )


def test_a_receipt_is_of_the_picture_beside_it(first):
    pictures = runs.files(first.out, "renders")
    assert set(runs.receipts(first.out)) == set(pictures)
    for name, receipt in runs.receipts(first.out).items():
        said, data = receipt["picture"], pictures[name]
        assert (said["sha256"], said["bytes"]) == (runs.digest(data), len(data))
        with Image.open(io.BytesIO(data)) as image:
            assert (image.width, image.height, image.format) == (said["width"], said["height"], "PNG")
        assert max(said["width"], said["height"]) == 32
        assert name.endswith(f"--{receipt['key'][:12]}.png")


def test_a_receipt_says_what_the_contract_promises(first):
    inputs = {name: runs.digest(data) for name, data in runs.files(first.folder).items()}
    for receipt in runs.receipts(first.out).values():
        assert set(receipt) >= {"schema", "key", "cell", "picture", "result", "timing", "environment", "attempts"}
        for part in ("content", "style"):
            assert receipt["cell"][part]["sha256"] == inputs[receipt["cell"][part]["name"]]
        assert receipt["cell"]["settings"]["steps"] == 2
        assert set(receipt["timing"]) == {"queued", "load", "render", "score", "encode", "publish"}
        assert {"stylepress", "torch", "device", "precision"} <= set(receipt["environment"])
        assert receipt["result"]["steps"] == len(receipt["result"]["curve"]) == 2
        assert {"total", "content", "style"} <= set(receipt["result"]["losses"])
        assert (receipt["attempts"], receipt["result"]["stop_reason"]) == (1, "steps")
        assert receipt["result"]["resumed_from"] == 0
        assert {name.split("_")[0] for name in receipt["scores"]} == {"style", "content", "health"}


def test_nothing_that_is_published_names_this_machine_its_people_or_its_folders(first):
    private = {str(first.folder), str(Path.home()), str(Path(__file__).parent), "file://"}
    private |= {word for word in (getuser(), socket.gethostname()) if len(word) > 3 and word != "root"}
    for name, data in runs.files(first.out).items():
        for word in private:
            assert word.encode() not in data, f"{name} names {word}"


def test_times_are_utc_and_iso_8601(first):
    times = [receipt["finished"] for receipt in runs.receipts(first.out).values()]
    times.append(json.loads(first.done.stdout)["started"])
    for text in times:
        assert ISO_UTC.fullmatch(text)
        assert abs((datetime.now().astimezone() - datetime.fromisoformat(text)).total_seconds()) < 3600


def test_a_second_run_renders_nothing_and_says_where_everything_is(study, command):
    before = runs.files(study.out)
    again = command("render", study.manifest)
    assert (again.returncode, runs.complaints(again.stderr)) == (0, [])
    assert "0 rendered, 4 already there of 4 cells" in again.stdout
    after = runs.files(study.out)
    assert [name for name in after if name not in before] == [max(runs.files(study.out, "runs"))]
    assert {name: after[name] for name in before} == before
    for word in ("contact sheet", "gallery"):
        said = next(line for line in again.stdout.splitlines() if line.startswith(word))
        assert Path(said.removeprefix(word).strip().partition(" and ")[0]).is_file()


@pytest.fixture(scope="module")
def mixed(command, tmp_path_factory):
    """A run with one truncated, one missing and one good picture, with every option that changes what is rendered."""
    folder = tmp_path_factory.mktemp("mixed") / "study"
    manifest = runs.study(folder)
    data = (folder / "photos/tower.png").read_bytes()
    (folder / "photos/tower.png").write_bytes(data[: len(data) // 2])
    out = folder / "elsewhere"
    wanted = "inputs.content=[photos/gone.png, photos/tower.png, photos/harbour.png]"
    done = command(
        "render",
        manifest,
        "--to",
        out,
        "--set",
        wanted,
        "--set",
        "defaults.steps=1",
        "--limit",
        5,
        "--json",
        cwd=folder,
    )
    return done, out


def test_bad_pictures_cost_their_own_cells_only(mixed):
    done, out = mixed
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["cells"], document["rendered"], document["failed"]) == (5, 1, 4)
    found = [(f["kind"], f["values"]["content"], bool(f["key"])) for f in document["failures"]]
    assert found == [("missing-picture", "gone", False)] * 2 + [("unreadable-picture", "tower", True)] * 2
    assert all("photos/" in f["message"] and str(out.parent) not in f["message"] for f in document["failures"])
    (receipt,) = runs.receipts(out).values()
    assert (receipt["cell"]["content"]["name"], receipt["cell"]["settings"]["steps"]) == ("photos/harbour.png", 1)


def test_failed_cells_are_on_the_contact_sheet_and_in_its_description(mixed):
    document, out = json.loads(mixed[0].stdout), mixed[1]
    (described,) = (json.loads(data) for name, data in runs.files(out, "sheets").items() if name.endswith(".json"))
    states = [cell["state"] for page in described["pages"] for cell in page["cells"]]
    assert sorted(states) == ["done"] + ["failed"] * 4
    assert document["sheets"] == [page["file"] for page in described["pages"]]


INPUTS = "version: 1\ninputs: {content: photos/harbour.png, style: styles/blocks.png}\n"
MISTAKES = {
    "version: [1\nname: x\n": "line 2",
    "version: 1\nname: x\ninputs: {content: a.png}\ndefualts: {size: 3}\n": "line 4.*did you mean 'defaults'",
    f"{INPUTS}defaults: {{siz: 3}}\n": "line 3.*'size'",
    f"{INPUTS}name: a\nname: b\n": "line 4.*duplicate",
    f"{INPUTS}jobs:\n  - grid: {{seed: []}}\n": "line 4",
    "version: 2\ninputs: {content: a.png}\n": "line 1",
    "": "empty",
    "just text\n": "mapping",
}
LATER_MISTAKES = {
    "jobs.0.exclude=[{style_weight: 11}]": "style_weight",
    "inputs.style=nothing/*.png": "nothing/",
    "inputs.style=sample:brush-stroke": "did you mean 'brush-strokes'",
    "inputs.content=../secret.png": r"\.\.",
    "jobs.0.zip.size=[1, 2]": "size",
    "jobs.9.name=x": "index",
    "defaults.steps": "KEY=VALUE",
}


@pytest.mark.parametrize("text", MISTAKES)
@pytest.mark.parametrize("name", ["check", "plan", "render"])
def test_a_wrong_manifest_ends_with_2_and_names_file_and_line(stylepress, tmp_path, text, name):
    manifest = runs.study(tmp_path / "study", text)
    code, out, errors = stylepress(name, manifest)
    assert (code, out) == (2, "")
    assert str(manifest) in errors
    assert re.search(MISTAKES[text], errors)
    assert "Traceback" not in errors
    assert not (tmp_path / "study/out").exists()


@pytest.mark.parametrize("assignment", LATER_MISTAKES)
def test_a_wrong_override_ends_with_2_and_is_named(stylepress, tmp_path, assignment):
    manifest = runs.study(tmp_path)
    code, out, errors = stylepress("plan", manifest, "--set", assignment)
    assert (code, out) == (2, "")
    assert f"--set {assignment}" in errors
    assert re.search(LATER_MISTAKES[assignment], errors)
    assert "Traceback" not in errors


def test_a_manifest_that_is_wrong_only_in_its_cells_ends_a_render_with_2_too(command, tmp_path):
    manifest = runs.study(tmp_path)
    done = command("render", manifest, "--set", "jobs.0.exclude=[{style_weight: 11}]", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["kind"]
    assert len(done.stderr.splitlines()) == 1
    assert "exclude" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["check", "plan", "render"])
def test_no_such_manifest(stylepress, tmp_path, name):
    code, _, errors = stylepress(name, tmp_path / "none.yaml")
    assert code == 2
    assert f"no manifest {tmp_path / 'none.yaml'}" in errors
    assert stylepress(name, tmp_path)[0] == 2
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\0\x80")
    code, _, errors = stylepress(name, tmp_path / "binary.yaml")
    assert (code, "UTF-8" in errors) == (2, True)


def test_a_target_that_cannot_be_written_ends_with_3(stylepress, tmp_path):
    manifest = runs.study(tmp_path)
    (tmp_path / "file").write_text("in the way")
    code, out, errors = stylepress("render", manifest, "--to", tmp_path / "file" / "out")
    assert (code, out) == (3, "")
    assert len(errors.splitlines()) == 1
    assert str(tmp_path / "file") in errors


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong-secret-0123456789"}, "does not accept the credentials"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "does not accept the credentials"),
        ({"to": "s3://no-such-bucket-4711/x"}, "no bucket 'no-such-bucket-4711'"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "nobody answers at http://127.0.0.1:9"),
    ],
)
def test_storage_that_is_not_reached_ends_with_3_in_one_line_without_the_secret(
    stylepress, s3, monkeypatch, tmp_path, change, said
):
    manifest = runs.study(tmp_path)
    to = change.pop("to", f"s3://{s3.bucket}/x")
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    for arguments in (("render", manifest, "--to", to), ("plan", manifest, "--to", to), ("doctor", "--to", to)):
        code, out, errors = stylepress(*arguments)
        assert code == 3
        assert said in out + errors
        assert arguments[0] == "doctor" or len(errors.splitlines()) == 1
        assert s3.secret_key not in out + errors
        assert "wrong-secret" not in out + errors


def test_a_prefect_server_that_does_not_answer_ends_with_3_in_one_line(command, tmp_path):
    manifest = runs.study(tmp_path)
    done = command("render", manifest, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert "http://127.0.0.1:9/api does not answer" in done.stderr


def test_a_prefect_home_that_cannot_be_made_ends_with_3_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = runs.run_command(tmp_path / "file" / "home", "render", runs.study(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert "PREFECT_HOME" in done.stderr


COMMANDS = [
    *("init", "render", "plan", "check", "sheets", "gallery"),
    *("score", "reproduce", "weights", "doctor", "schema"),
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(stylepress, name):
    code, out, errors = stylepress(name, "--help")
    assert (code, errors) == (0, "")
    assert f"Usage: stylepress {name}" in out


def test_the_whole_explains_itself_and_says_its_version(stylepress):
    from importlib.metadata import version

    code, out, _ = stylepress("--help")
    assert code == 0
    assert all(re.search(rf"^│ {name} ", out, re.MULTILINE) for name in COMMANDS)
    assert stylepress("--version")[:2] == (0, f"{version('stylepress')}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["redner", "m.yaml"],
        ["render"],
        ["render", "m.yaml", "--colour", "blue"],
        ["render", "m.yaml", "--limit", "0"],
        ["plan", "m.yaml", "--limit", "-1"],
        ["render", "m.yaml", "--limit", "some"],
        ["render", "m.yaml", "--workers", "0"],
        ["render", "m.yaml", "--engine", "spark"],
        ["weights", "lsit"],
        ["weights", "fetch", "vgg17"],
        ["sheets", "nowhere"],
        ["gallery", "nowhere"],
        ["score", "nowhere"],
        ["reproduce", "nowhere.png"],
    ],
)
def test_wrong_commands_end_with_2_and_a_message(stylepress, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, errors = stylepress(*arguments)
    assert (code, out) == (2, "")
    assert errors.strip()
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_plan_prints_the_document_that_the_contract_promises(stylepress, study):
    (study.folder / "photos/tower.png").unlink()
    code, out, errors = stylepress("plan", study.manifest, "--json", "--set", "defaults.steps=3")
    assert (code, errors) == (0, "")
    document = json.loads(out)
    assert set(document) == {"cells", "to_render", "done", "chunks", "reasons", "estimate", "items"}
    assert [document[name] for name in ("cells", "to_render", "done")] == [4, 2, 0]
    assert len(document["items"]) == 4
    assert all(set(item) == {"key", "name", "reason"} for item in document["items"])
    assert sum("steps 2 → 3" in item["reason"] for item in document["items"]) == 2
    assert sum("tower" in item["reason"] for item in document["items"]) == 2
    assert {"seconds", "memory_bytes", "bytes"} <= set(document["estimate"])


def test_limit_counts_cells_from_the_first(stylepress, study):
    everything = json.loads(stylepress("plan", study.manifest, "--json")[1])
    some = json.loads(stylepress("plan", study.manifest, "--json", "--limit", 3)[1])
    assert [item["key"] for item in some["items"]] == [item["key"] for item in everything["items"]][:3]


def test_set_reaches_any_key(stylepress, study):
    sets = ["inputs.style.0.label=Blocks", "jobs.0.zip={tv_weight: [0, 0.002], seed: [1, 2]}", "defaults.size='48'"]
    assert stylepress("check", study.manifest, "--set", "inputs.style=[styles/blocks.png]", "--set", sets[1])[0] == 0
    arguments = [part for assignment in sets[1:] for part in ("--set", assignment)]
    document = json.loads(stylepress("plan", study.manifest, "--json", *arguments)[1])
    assert document["cells"] == 8
    assert sum("tv_weight-0.002_seed-2" in item["name"] for item in document["items"]) == 4


def test_check_takes_several_and_looks_at_all_of_them(stylepress, study):
    """A glob of the shell, with one wrong manifest among whole ones."""
    wrong = study.manifest.with_name("wrong.yaml")
    wrong.write_text("version: 1\njobz: []\n", "utf-8")
    code, output, errors = stylepress("check", study.manifest, wrong, study.manifest)
    assert code == 2
    assert output.count("no mistakes") == 2
    assert "jobz" in errors
    assert stylepress("check", study.manifest, study.manifest)[0] == 0


def test_check_lists_what_is_wrong_with_pictures_and_ends_with_2(stylepress, study):
    (study.folder / "photos/tower.png").write_text("no picture")
    (study.folder / "photos/harbour.png").unlink()
    code, _, errors = stylepress("check", study.manifest)
    assert code == 2
    assert "photos/tower.png" in errors
    assert "photos/harbour.png" in errors
    assert stylepress("check", study.manifest, "--set", "inputs.content=sample:cat")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["check", "manifest.yaml"], ["plan", "manifest.yaml"], ["sheets", "out"], ["gallery", "out"]],
    ids=lambda arguments: arguments[0],
)
def test_commands_that_render_nothing_load_neither_torch_nor_prefect(study, arguments):
    program = (
        "import sys, time; began = time.perf_counter()\n"
        "from flows import cli\n"
        "code = cli.run(sys.argv[1:])\n"
        "heavy = {'torch', 'torchvision', 'prefect', 'boto3'} | ({'pydantic'} if '--help' in sys.argv else set())\n"
        "heavy &= set(sys.modules)\n"
        "print('REPORT', code, sorted(heavy), time.perf_counter() - began)"
    )
    environment = runs.surroundings(study.folder)
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=study.folder, env=environment
    )
    code, heavy, seconds = re.search(r"REPORT (\d) (\[.*\]) ([\d.]+)", done.stdout).groups()
    assert (code, heavy, done.stderr) == ("0", "[]", "")
    assert float(seconds) < 5  # far above what it takes, for a machine that is busy with other things


def test_schema_is_a_document_for_editors(stylepress):
    code, out, _ = stylepress("schema")
    assert code == 0
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(yaml.safe_load(runs.MANIFEST), json.loads(out))


def test_weights_are_listed_and_verified(stylepress, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code, out, _ = stylepress("weights", "list")
    assert code == 0
    assert re.search(r"^vgg19 +0abe09db5c57\S* +ships with stylepress$", out, re.MULTILINE)
    assert {line.split()[0] for line in out.splitlines()} == {"vgg19", "vgg19-torchvision", "vgg16-torchvision"}
    code, out, _ = stylepress("weights", "verify")
    assert code == 0
    assert "vgg19: ok, 13 convolutions" in out


def test_weights_that_were_altered_are_found_out(stylepress, monkeypatch, tmp_path):
    monkeypatch.setenv("STYLEPRESS_WEIGHTS", str(tmp_path))
    (tmp_path / "vgg16-397923af.pth").write_bytes(b"not what torchvision publishes")
    code, _, errors = stylepress("weights", "verify")
    assert code == 3
    assert "vgg16-397923af.pth" in errors


@pytest.mark.parametrize(("devices", "expected"), [("banana", 2), ("0", 2), ("cuda:99", 3), ("[cuda:0, cpu]", 3)])
def test_a_word_that_names_no_device_is_the_manifests_fault_and_a_gpu_that_is_not_here_the_machines(
    command, tmp_path, devices, expected
):
    manifest = runs.study(tmp_path)
    done = command("render", manifest, "--set", f"run.devices={devices}", CUDA_VISIBLE_DEVICES="")
    assert (done.returncode, done.stdout) == (expected, "")
    assert "devices" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").rglob("*.png"))


def test_output_that_nobody_reads_to_its_end_is_no_mistake(tmp_path):
    manifest = runs.study(tmp_path)
    plan = runs.arguments_of("plan", manifest, "--set", "jobs.0.grid={seed: {range: [0, 4000, 1]}}")
    process = subprocess.Popen(plan, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=runs.surroundings(tmp_path))
    assert process.stdout.readline().startswith(b"renders/")
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == (b"", 0)
    process.stderr.close()


def test_file_names_that_are_no_unicode_can_be_said(tmp_path):
    done = runs.run_command(tmp_path, "check", b"no-such-\xff.yaml".decode(errors="surrogateescape"))
    assert done.returncode == 2
    assert "there is no manifest no-such-" in done.stderr
    assert "Traceback" not in done.stderr
