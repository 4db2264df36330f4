"""Receipts as the truth: what counts as one, and when its picture still is what it says."""

import copy
import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import ONE, finish, paint, planned, png, read, receipt_file

from flows.receipts import encoded, fault_of, read_ledger, receipt_name
from flows.store import open_store


@pytest.fixture
def out(tmp_path):
    folder = paint(tmp_path / "study")
    loaded = read(folder, ONE)
    finish(planned(loaded, tmp_path / "out").items, tmp_path / "out")
    return tmp_path / "out"


def ledger_of(out):
    return read_ledger(open_store(out, confine=False))


def only(out):
    (receipt,) = ledger_of(out).receipts.values()
    return receipt


def fault(out):
    return fault_of(only(out), ledger_of(out), open_store(out, confine=False))


def test_names_are_those_of_the_contract():
    assert receipt_name("ab" * 32) == f"receipts/ab/{'ab' * 32}.json"


def test_an_output_that_is_not_there_is_empty(tmp_path):
    ledger = ledger_of(tmp_path / "none")
    assert (ledger.receipts, ledger.pictures, ledger.broken) == ({}, {}, ())


def test_a_receipt_is_read_as_it_was_written(out):
    receipt = only(out)
    assert json.loads(encoded(receipt)) == receipt
    assert list(ledger_of(out).pictures) == [receipt["picture"]["path"]]
    assert fault(out) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_a_document_is_stored_as_the_json_of_what_it_says(document):
    assert json.loads(encoded(document)) == document
    assert encoded(document).endswith(b"}\n")


def test_a_document_is_laid_out_for_people_but_for_its_long_parts():
    document = {"key": "ab", "cell": {"settings": {"steps": 3, "seed": 0}, "init": None}, "pages": [[1, 2], [3]]}
    assert encoded(document).decode().splitlines() == [
        "{",
        ' "key": "ab",',
        ' "cell": {',
        '  "settings": {"steps": 3, "seed": 0},',
        '  "init": null',
        " },",
        ' "pages": [',
        "  [1, 2],",
        "  [3]",
        " ]",
        "}",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [[float("nan")]]}])
def test_what_json_cannot_say_is_not_stored(value):
    with pytest.raises(ValueError, match="JSON"):
        encoded({"loss": value})


BROKEN = {
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
    "not JSON": lambda _: "hello",
    "not an object": lambda _: "[1, 2]",
    "another schema": lambda text: text.replace('"schema": 1', '"schema": 99'),
    "another key": lambda text: text.replace('"key": "', '"key": "00'),
    "no cell": lambda text: text.replace('"cell"', '"sell"'),
    "no picture": lambda text: text.replace('"picture"', '"pictures"'),
    "nested without end": lambda _: "[" * 200_000,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_receipt_is_set_aside(out, how):
    path = receipt_file(out, only(out)["key"])
    path.write_text(BROKEN[how](path.read_text()))
    ledger = ledger_of(out)
    assert ledger.receipts == {}
    assert ledger.broken == (str(path.relative_to(out)),)


def test_bytes_that_are_no_text_are_set_aside(out):
    path = receipt_file(out, only(out)["key"])
    path.write_bytes(b"\xff\xfe\x00{")
    assert len(ledger_of(out).broken) == 1


def test_a_picture_that_is_gone(out):
    (out / only(out)["picture"]["path"]).unlink()
    assert fault(out) == "picture missing"


def test_a_picture_cut_short(out):
    path = out / only(out)["picture"]["path"]
    path.write_bytes(path.read_bytes()[:-1])
    assert fault(out) == "picture altered"


def test_one_flipped_byte_is_noticed_though_size_and_times_are_the_same(out):
    path = out / only(out)["picture"]["path"]
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fault(out) == "picture altered"


def with_extras(out, **entries):
    """The only receipt of an output, with entries of a snapshot and an animation that are there."""
    receipt = copy.deepcopy(only(out))
    Path(out, "snapshots/x").mkdir(parents=True, exist_ok=True)
    for name in ("snapshots/x/000001.png", "snapshots/x.gif"):
        Path(out, name).write_bytes(b"12345")
    receipt["snapshots"] = [{"path": "snapshots/x/000001.png", "step": 1, "bytes": 5}]
    receipt["animation"] = {"path": "snapshots/x.gif", "bytes": 5, "frames": 2}
    receipt |= entries
    receipt_file(out, receipt["key"]).write_text(json.dumps(receipt))


@pytest.mark.parametrize("name", ["snapshots/x/000001.png", "snapshots/x.gif"])
def test_a_snapshot_or_animation_that_is_gone_or_cut_short(out, name):
    with_extras(out)
    assert fault(out) == ""
    (out / name).write_bytes(b"123")
    assert fault(out) == "snapshot altered"
    (out / name).unlink()
    assert fault(out) == "snapshot missing"
    (out / only(out)["picture"]["path"]).unlink()
    assert fault(out) == "picture missing", "what matters most is said first"


@pytest.mark.parametrize("path", ["../study/photos/a.png", "/etc/hostname", "snapshots/../../x.png", ""])
def test_a_snapshot_never_leads_outside_its_output(out, path):
    with_extras(out, snapshots=[{"path": path, "step": 1, "bytes": 5}])
    assert fault(out) == "snapshot missing"


@pytest.mark.parametrize("value", [None, 1, {}, ["x"], [{"step": 1}], [{"path": 5}]])
def test_a_receipt_whose_snapshots_are_no_list_of_files_is_set_aside(out, value):
    with_extras(out, snapshots=value)
    assert ledger_of(out).receipts == {}


@pytest.mark.parametrize("value", [None, 1, [], {"frames": 2}, {"path": 5}])
def test_a_receipt_whose_animation_is_no_file_is_set_aside(out, value):
    with_extras(out, animation=value)
    assert ledger_of(out).receipts == {}


def test_a_touched_picture_is_the_same(out):
    os.utime(out / only(out)["picture"]["path"], (1, 1))
    assert fault(out) == ""


@pytest.mark.parametrize("path", ["../study/photos/a.png", "/etc/hostname", "renders/../../x.png", ""])
def test_a_receipt_never_leads_outside_its_output(out, path):
    receipt = copy.deepcopy(only(out))
    receipt["picture"]["path"] = path
    receipt_file(out, receipt["key"]).write_text(json.dumps(receipt))
    assert fault(out) == "picture missing"


def test_no_damage_to_a_receipt_stops_a_plan(out):
    """Any value of a receipt replaced by any other: the plan may not trust it, and must not fall over it."""
    loaded = read(out.parent / "study", ONE + "jobs: [{grid: {seed: [0, 1]}}]")
    original = only(out)
    rng = random.Random(5)

    def paths(value, at=()):
        yield at
        for name, part in value.items() if isinstance(value, dict) else ():
            yield from paths(part, (*at, name))

    everything = [at for at in paths(original) if at]
    for _ in range(300):
        receipt = copy.deepcopy(original)
        for at in rng.sample(everything, rng.randint(1, 3)):
            part = receipt
            for name in at[:-1]:
                part = part.get(name) if isinstance(part, dict) else None
            if isinstance(part, dict):
                part[at[-1]] = rng.choice(
                    [None, 0, -1, 1.5, True, "", "x", [], [1], {}, {"a": "b"}, 1e400, float("nan")]
                )
        receipt_file(out, original["key"]).write_text(json.dumps(receipt))
        kinds = [item.kind for item in planned(loaded, out).items]
        assert len(kinds) == 2
        assert kinds[1] in ("new", "changed")


def test_an_etag_spares_reading_an_object_in_a_bucket(s3, out):
    client = s3.client()
    receipt = copy.deepcopy(only(out))
    name = receipt["picture"]["path"]
    client.put_object(Bucket=s3.bucket, Key=name, Body=(out / name).read_bytes())
    store = open_store(f"s3://{s3.bucket}")
    receipt["picture"]["etag"] = store.stat(name).token
    assert fault_of(receipt, read_ledger(store), store) == ""
    data = bytearray((out / name).read_bytes())
    data[-1] ^= 1
    client.put_object(Bucket=s3.bucket, Key=name, Body=bytes(data))
    assert fault_of(receipt, read_ledger(store), store) == "picture altered"
    client.delete_object(Bucket=s3.bucket, Key=name)
    assert fault_of(receipt, read_ledger(store), store) == "picture missing"
    client.put_object(Bucket=s3.bucket, Key=name, Body=png("red"))
    assert fault_of(receipt, read_ledger(store), store) == "picture altered"
