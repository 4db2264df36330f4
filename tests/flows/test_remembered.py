"""What is remembered of files: it spares reading them, and never hides that one was changed."""

import json
import multiprocessing
import os
import sqlite3
import time

import pytest
from studies import HEAD, finish, paint, planned, png, read, receipt_file

from flows import holdings, remembered
from flows.remembered import Remembered
from flows.store import Entry, LocalStore, open_store
from flows.store import local as local_store

TICK = 0.03  # seconds; longer than those of the clocks behind files here


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test's own; files count as settled as soon as the clock has ticked."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(local_store, "_TICK", TICK * 1e9 / 2)
    return remembered.default_path()


@pytest.fixture
def study(tmp_path):
    """Eight finished cells: the manifest and its output."""
    loaded = read(paint(tmp_path / "study"), HEAD + "jobs: [{grid: {seed: [0, 1]}}]\n")
    out = tmp_path / "out"
    finish(planned(loaded, out).items, out)
    time.sleep(TICK)
    return loaded, out


def kinds(study):
    return [item.kind for item in planned(*study).items]


def reads(monkeypatch):
    """Names of the files that are read from now on."""
    names = []
    read = LocalStore.read

    def noting(self, name):
        names.append(name)
        return read(self, name)

    monkeypatch.setattr(LocalStore, "read", noting)
    return names


def test_a_second_plan_reads_no_picture_no_receipt_and_no_input(study, monkeypatch):
    assert kinds(study) == ["done"] * 8
    names = reads(monkeypatch)
    planned(*study)
    assert {name.partition("/")[0] for name in names} <= {"receipts"}
    first = planned(*study)
    # those that tell how fast rendering was are read whole, a hundred of them at most
    assert first.estimate.basis == "measured"
    assert len([name for name in names if not name.startswith("receipts/")]) == 0


def test_what_a_run_has_published_is_read_once_at_its_end(study, monkeypatch):
    store = open_store(study[1], confine=False)
    names = reads(monkeypatch)
    holdings.remember(store)
    assert len([name for name in names if name.startswith("renders/")]) == 8
    assert kinds(study) == ["done"] * 8
    assert len([name for name in names if name.startswith("renders/")]) == 8


@pytest.mark.parametrize("in_place", [True, False])
def test_an_altered_picture_of_the_same_size_and_time_is_noticed(study, in_place):
    assert kinds(study) == ["done"] * 8
    picture = study[1] / planned(*study).items[3].name
    status = picture.stat()
    data = bytearray(picture.read_bytes())
    data[len(data) // 2] ^= 1
    if in_place:
        picture.write_bytes(data)
    else:
        other = picture.with_suffix(".other")
        other.write_bytes(data)
        other.replace(picture)
    os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns))
    expected = ["done"] * 3 + ["picture altered"] + ["done"] * 4
    assert kinds(study) == expected
    time.sleep(TICK)
    assert kinds(study) == expected
    assert kinds(study) == expected, "and it stays so once that is remembered"


def test_an_altered_input_of_the_same_size_and_time_is_noticed(study):
    path = study[1].parent / "study/photos/a.png"
    path.write_bytes(png("red", kind="TIFF"))
    time.sleep(TICK)
    before = [item.key for item in planned(*study).items]
    status = path.stat()
    path.write_bytes(png("gold", kind="TIFF"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    after = [item.key for item in planned(*study).items]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False] * 4 + [True] * 4


def test_what_is_put_back_is_known_again(study):
    assert kinds(study) == ["done"] * 8
    picture = study[1] / planned(*study).items[0].name
    data = picture.read_bytes()
    picture.unlink()
    assert kinds(study)[0] == "picture missing"
    picture.write_bytes(data)
    assert kinds(study) == ["done"] * 8


def test_a_receipt_that_is_removed_or_replaced_is_noticed(study):
    assert kinds(study) == ["done"] * 8
    items = planned(*study).items
    gone, other = receipt_file(study[1], items[0].key), receipt_file(study[1], items[1].key)
    gone.unlink()
    receipt = json.loads(other.read_text())
    receipt["picture"]["sha256"] = "0" * 64
    status = other.stat()
    other.write_text(json.dumps(receipt))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert other.stat().st_size == status.st_size
    assert kinds(study) == ["new", "picture altered", *["done"] * 6]
    other.write_text("{}")
    assert kinds(study) == ["new", "new", *["done"] * 6]


@pytest.mark.parametrize(
    "stray", ["renders/\udcff.png", "receipts/\udcff.json", "receipts/zz/\udcff.json", "receipts/x.json"]
)
def test_files_of_others_in_an_output_disturb_nobody(study, stray):
    path = study[1] / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    assert [kinds(study) for _ in range(2)] == [["done"] * 8] * 2


DAMAGE = {
    "no database": lambda path: path.write_bytes(b"nothing of the kind" * 1000),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "garbage in its pages": lambda path: path.write_bytes(
        path.read_bytes()[:5000] + os.urandom(8000) + path.read_bytes()[13000:]
    ),
    "other tables": lambda path: _instead(path, "CREATE TABLE files (x)"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "gone": lambda path: path.unlink(),
}


def _instead(path, statement):
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute(statement)
    other.close()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_costs_nothing_but_time(study, cache, damage):
    assert kinds(study) == ["done"] * 8
    DAMAGE[damage](cache)
    picture = study[1] / planned(*study).items[2].name
    picture.write_bytes(picture.read_bytes()[:-1] + b"x")
    expected = ["done", "done", "picture altered", *["done"] * 5]
    assert [kinds(study) for _ in range(3)] == [expected] * 3


def test_a_damaged_cache_is_made_anew(study, cache, monkeypatch):
    kinds(study)
    DAMAGE["no database"](cache)
    kinds(study), kinds(study)
    names = reads(monkeypatch)
    kinds(study)
    assert not [name for name in names if name.startswith("renders/")]


def test_a_cache_that_cannot_be_written_is_read(study, cache, monkeypatch):
    kinds(study)
    with sqlite3.connect(f"file:{cache}?mode=ro", uri=True) as held:
        held.execute("SELECT * FROM files").fetchone()
        assert kinds(study) == ["done"] * 8
    held.close()
    monkeypatch.setattr(remembered, "_TABLES", "DROP TABLE nothing_of_that_name")  # every attempt to write fails
    assert kinds(study) == ["done"] * 8


def test_a_cache_without_a_folder_to_be_in(study, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file/x"))
    assert kinds(study) == ["done"] * 8


def test_a_user_without_a_home(study, monkeypatch):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(remembered, "default_path", none)
    assert kinds(study) == ["done"] * 8


def test_a_locked_cache_is_not_waited_for_long(study, cache, monkeypatch):
    monkeypatch.setattr(remembered, "_WAIT", 0.05)
    kinds(study)
    other = sqlite3.connect(cache, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert kinds(study) == ["done"] * 8
    finally:
        other.execute("ROLLBACK")
        other.close()


def _plan(manifest, out, answers):
    from flows import batch

    loaded = batch.read_manifest(manifest)
    answers.put([planned(loaded, out).reasons() for _ in range(5)])


def test_processes_share_a_cache(study):
    """Each of them plans what the others plan, while pictures come and go."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    workers = [context.Process(target=_plan, args=(study[0].url, study[1], answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert [answers.get(timeout=120) for _ in workers] == [[{"done": 8}] * 5] * 2
    for worker in workers:
        worker.join()
    assert kinds(study) == ["done"] * 8


def entry(name, token="t", size=1, settled=True):
    return Entry(name, size, token, settled)


def test_only_what_is_listed_alike_is_recalled(tmp_path, cache):
    one, two = open_store(tmp_path / "one"), open_store(tmp_path / "two")
    with Remembered() as memory:
        memory.keep("picture", one, [(entry("a"), "A"), (entry("b", "new", settled=False), "B"), (entry("c"), "C")])
        asked = [entry("a"), entry("a", "other"), entry("a", size=2), entry("b", "new"), entry("c"), entry("d")]
        assert [known for _, known in memory.recall("picture", one, asked)] == ["A", None, None, None, "C", None]
        assert [known for _, known in memory.recall("input", one, asked)] == [None] * 6
        assert [known for _, known in memory.recall("picture", two, asked)] == [None] * 6
        memory.keep("picture", one, [(entry("a", "other"), "changed")])
        assert [known for _, known in memory.recall("picture", one, asked)][:2] == [None, "changed"]
        odd = entry("\udcff.png")
        memory.keep("picture", one, [(odd, "x"), (entry("é.png"), "y")])
        assert [known for _, known in memory.recall("picture", one, [odd])] == [None]
        assert [known for _, known in memory.recall("picture", one, [entry("é.png")])] == ["y"]
    assert cache.exists()


def test_what_was_not_asked_for_the_longest_time_goes_first(tmp_path, monkeypatch):
    stores = [open_store(tmp_path / name) for name in "abc"]
    rows = [(entry(f"{number:06}"), "x" * 100) for number in range(2000)]
    now = time.time()
    with Remembered() as memory:
        for day, store in enumerate(stores[:2]):
            monkeypatch.setattr(time, "time", lambda day=day: now + 86400 * day)
            memory.keep("picture", store, rows)
        monkeypatch.setattr(remembered, "LARGEST", 500_000)
        monkeypatch.setattr(time, "time", lambda: now + 86400 * 2)
        memory.keep("picture", stores[2], rows)

        def known(store):
            return sum(1 for _, text in memory.recall("picture", store, (e for e, _ in rows)) if text)

        assert known(stores[0]) == 0
        assert known(stores[2]) == 2000
        for _ in range(3):
            more = [(entry(f"{number:06}"), "x" * 100) for number in range(2000, 6000)]
            memory.keep("picture", stores[2], more)
        assert memory.path.stat().st_size < 3_000_000, "it is full, and nothing more is kept"
        assert known(stores[2]) == 2000


def test_a_bucket_is_known_by_its_tags(s3, tmp_path):
    loaded = read(paint(tmp_path / "study"), HEAD)
    finish(planned(loaded, tmp_path / "out").items, tmp_path / "out")
    client = s3.client()
    for path in (tmp_path / "out").rglob("*.*"):
        client.put_object(Bucket=s3.bucket, Key=str(path.relative_to(tmp_path / "out")), Body=path.read_bytes())
    where = f"s3://{s3.bucket}"
    assert [planned(loaded, where).reasons() for _ in range(2)] == [{"done": 4}] * 2
    names = [item.name for item in planned(loaded, where).items]
    data = (tmp_path / "out" / names[1]).read_bytes()
    client.delete_object(Bucket=s3.bucket, Key=names[0])
    client.put_object(Bucket=s3.bucket, Key=names[1], Body=data[:-1] + b"x")
    assert [item.kind for item in planned(loaded, where).items] == [
        "picture missing",
        "picture altered",
        "done",
        "done",
    ]
