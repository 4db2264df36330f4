"""What a store promises, shown on a folder and on a real S3 server."""

from __future__ import annotations

import http.server
import itertools
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.store import LocalStore, S3Store, StorageError, UnsafeNameError, open_store
from stylecore.errors import StylepressError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=["local", "s3"])
def store(request, tmp_path):
    """An empty store; the page size makes short S3 listings span several pages."""
    if request.param == "local":
        return open_store(tmp_path / "not there yet" / "out")
    return S3Store(f"s3://{request.getfixturevalue('bucket')}/some/pre fix", page_size=7)


# Promises of every store


def test_what_is_written_is_read_and_described(store):
    data = os.urandom(70_000)
    entry = store.write("renders/Überraschung & co #1.png", data, "image/png")
    assert store.read("renders/Überraschung & co #1.png") == data
    assert store.read("./renders/./Überraschung & co #1.png") == data
    assert entry == store.stat("renders/Überraschung & co #1.png") == next(store.list())
    assert (entry.name, entry.size) == ("renders/Überraschung & co #1.png", 70_000)


def test_writing_again_replaces_and_changes_the_token(store):
    tokens = [store.write("a", bytes([number]) * 9, "text/plain").token for number in range(20)]
    assert store.read("a") == bytes([19]) * 9
    assert all(before != after for before, after in itertools.pairwise(tokens))
    store.write("empty", b"", "text/plain")
    assert store.read("empty") == b""


def test_missing_names(store):
    store.write("folder/a", b"1", "text/plain")
    for name in ("b", "folder", "folder/a/b", "folder/b"):
        with pytest.raises(FileNotFoundError, match=name):
            store.read(name)
        assert store.stat(name) is None
    store.delete("b")
    assert [entry.name for entry in store.list()] == ["folder/a"]


def test_listing_is_complete_sorted_and_by_prefix(store):
    names = [f"receipts/{number % 3}/{number:03}.json" for number in range(25)]
    names += ["receipts.txt", "receipts-0", "a/b.txt", "a.txt", "a/ü", "a/b/c"]  # '-' < '.' < '/'
    for name in reversed(names):
        store.write(name, name.encode(), "text/plain")
    for hidden in (".hidden", "a/.hidden", ".git/config"):
        store.write(hidden, b"1", "text/plain")
    assert [entry.name for entry in store.list()] == sorted(names)
    assert all(entry.size == len(entry.name.encode()) for entry in store.list())
    for prefix in ("receipts", "receipts/", "receipts/1/", "receipts/1/01", "a", "a/b", "a/b/", "zz", "zz/y", "a.txt/"):
        assert [entry.name for entry in store.list(prefix)] == [n for n in sorted(names) if n.startswith(prefix)]


def test_listing_an_empty_store(store):
    assert list(store.list()) == []


def test_delete(store):
    store.write("a/b", b"1", "text/plain")
    store.write("a/c", b"1", "text/plain")
    store.delete("a/b")
    store.delete("a/b")
    assert store.stat("a/b") is None
    assert [entry.name for entry in store.list()] == ["a/c"]


def test_of_many_exclusive_writers_one_wins_and_its_bytes_stay(store):
    for attempt in range(20 if isinstance(store, LocalStore) else 2):  # SeaweedFS lets losers wait for seconds
        barrier = threading.Barrier(8)

        def write(number, name=f"runs/{attempt}.json", barrier=barrier):
            barrier.wait()
            try:
                store.write(name, bytes([number]) * 1000, "application/json", exclusive=True)
            except FileExistsError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(write, range(8)))
        assert sum(won) == 1
        assert store.read(f"runs/{attempt}.json") == bytes([won.index(True)]) * 1000


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/../../b", "a/..", "/etc/passwd", "a//b", "a/", "a\\b", "..\\a", "a\0b"]
)
def test_names_that_escape_are_refused(store, name):
    actions = [store.read, store.stat, store.delete, lambda name: store.write(name, b"1", "text/plain")]
    for action in actions:
        with pytest.raises(UnsafeNameError, match="cannot be used as a name"):
            action(name)


def test_a_prefix_that_escapes_is_refused(store):
    with pytest.raises(UnsafeNameError):
        list(store.list("../"))


def test_checks_pass_and_leave_nothing(store, tmp_path, request):
    store.check_writable()
    if isinstance(store, S3Store):
        client = request.getfixturevalue("s3").client()
        assert "Contents" not in client.list_objects_v2(Bucket=store.bucket)
        assert "Uploads" not in client.list_multipart_uploads(Bucket=store.bucket)
    else:
        assert list(tmp_path.iterdir()) == []
    store.write("a", b"1", "text/plain")
    store.check_readable()
    store.check_writable()
    assert store.sweep() == 0
    assert [entry.name for entry in store.list()] == ["a"]


def test_a_store_pickles_also_after_use(store):
    store.write("a", b"1", "text/plain")
    twin = pickle.loads(pickle.dumps(store))
    assert (twin.url, twin.read("a")) == (store.url, b"1")


def test_child_is_an_address_that_opens(store):
    store.write("a/b", b"1", "text/plain")
    assert open_store(store.child("a")).read("b") == b"1"


# Addresses


def test_addresses_of_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    open_store("out ü").write("a", b"1", "text/plain")
    for url in (tmp_path / "out ü", "out ü/", "~/out ü", f"file://{tmp_path}/out%20%C3%BC", f"file:{tmp_path}/out ü"):
        assert open_store(url).read("a") == b"1"
    store = open_store("out ü")
    monkeypatch.chdir("/")
    assert pickle.loads(pickle.dumps(store)).read("a") == b"1"
    assert store.url == "out ü"


@pytest.mark.parametrize(
    "url", ["gs://bucket/a", "https://host/a", "", "s3://", "s3:///a", "s3:bucket/a", "s3://a b/c", "file://host/a"]
)
def test_addresses_that_are_none_say_what_is_accepted(url):
    with pytest.raises(StylepressError, match=r"expected .*(s3|file)://"):
        open_store(url)


def test_credentials_in_an_address_are_refused_and_not_repeated():
    with pytest.raises(StylepressError, match="AWS_ACCESS_KEY_ID") as caught:
        open_store("s3://me:hush-hush@bucket/prefix")
    assert "hush" not in str(caught.value)


# S3


def test_objects_have_their_content_type_and_a_checksum(s3):
    store = S3Store(f"s3://{s3.bucket}", multipart_threshold=8 * 2**20)
    for name, size in (("small.png", 10), ("large.png", 21 * 2**20)):
        data = os.urandom(size)
        store.write(name, data, "image/png")
        head = s3.client().head_object(Bucket=s3.bucket, Key=name, ChecksumMode="ENABLED")
        assert (head["ContentType"], head["ContentLength"]) == ("image/png", size)
        assert head["ChecksumSHA256"]
        assert store.read(name) == data
    assert head["ETag"].endswith('-3"')  # the large one really went in parts of 8 MiB


def test_an_exclusive_write_of_any_size_respects_what_is_there(s3):
    store = S3Store(f"s3://{s3.bucket}", multipart_threshold=2**20)
    store.write("a", b"first", "text/plain")
    with pytest.raises(FileExistsError):
        store.write("a", bytes(2**21), "text/plain", exclusive=True)
    assert store.read("a") == b"first"


def _actions(store):
    return [
        store.check_writable,
        store.check_readable,
        lambda: store.write("a", b"1", "text/plain"),
        lambda: store.read("a"),
        lambda: list(store.list()),
    ]


def _assert_refused(action, expected, secret):
    begin = time.monotonic()
    with pytest.raises(StorageError, match=expected) as caught:
        action()
    assert time.monotonic() - begin < 30
    message = str(caught.value)
    assert "\n" not in message
    assert secret not in message
    assert not caught.value.transient
    assert caught.value.__cause__ is None
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


def test_a_wrong_secret_is_one_line_without_it(s3, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    store = open_store(f"s3://{s3.bucket}/a")
    for action in _actions(store):
        _assert_refused(action, f"{s3.endpoint} does not accept.*{s3.bucket}.*AWS_SECRET_ACCESS_KEY", "hush")
    _assert_refused(lambda: store.stat("a"), f"{s3.endpoint} denies.*{s3.bucket}.*AWS_SECRET_ACCESS_KEY", "hush")


def test_a_bucket_that_is_not_there(s3):
    for action in _actions(open_store("s3://never-made/a")):
        _assert_refused(action, f"no bucket 'never-made' at {s3.endpoint}; create", s3.secret_key)
    assert "never-made" not in [bucket["Name"] for bucket in s3.client().list_buckets()["Buckets"]]


def test_nobody_listening(s3, monkeypatch):
    with socket.socket() as closed:  # bound, not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:hush-hush@{address}")
        for action in _actions(open_store(f"s3://{s3.bucket}/a"))[:2]:
            _assert_refused(action, f"nobody answers at http://{address}; check AWS_ENDPOINT_URL", "hush")


def test_one_who_may_only_read(s3, monkeypatch):
    open_store(f"s3://{s3.bucket}").write("a", b"1", "text/plain")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.reader_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.reader_secret)
    store = open_store(f"s3://{s3.bucket}")
    store.check_readable()
    assert store.read("a") == b"1"
    for action in (store.check_writable, lambda: store.write("a", b"2", "text/plain"), lambda: store.delete("a")):
        _assert_refused(action, "denies access", s3.reader_secret)
    assert store.read("a") == b"1"


def test_wrong_surroundings(s3, monkeypatch):
    for name, value, expected in (
        ("AWS_ENDPOINT_URL", "hush-hush:9000", "AWS_ENDPOINT_URL is not a URL"),
        ("AWS_PROFILE", "hush-hush", "AWS_PROFILE"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(StorageError, match=expected) as caught:
                open_store(f"s3://{s3.bucket}").check_writable()
            assert "hush" not in str(caught.value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match=r"no credentials .*AWS_ACCESS_KEY_ID"):
        open_store(f"s3://{s3.bucket}").check_readable()


def test_a_server_in_trouble_may_recover(s3, monkeypatch):
    class Busy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(503)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(StorageError, match="try again later") as caught:
            open_store(f"s3://{s3.bucket}").read("a")
        server.shutdown()
    assert caught.value.transient


# Folders


def test_new_files_and_folders_have_the_usual_rights(tmp_path):
    before = os.umask(0o027)
    try:
        open_store(tmp_path / "out").write("a/b", b"1", "text/plain")
        open_store(tmp_path / "out").write("a/c", b"1", "text/plain", exclusive=True)
    finally:
        os.umask(before)
    modes = [(tmp_path / "out" / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/c")]
    assert modes == [0o750, 0o640, 0o640]
    assert sorted(path.name for path in (tmp_path / "out/a").iterdir()) == ["b", "c"]


def test_a_file_system_without_hard_links_still_knows_the_first_writer(tmp_path, monkeypatch):
    def refuse(*_args):
        raise PermissionError(1, "Operation not permitted")  # what exFAT says

    monkeypatch.setattr(os, "link", refuse)
    store = open_store(tmp_path)
    store.write("a", b"1", "text/plain", exclusive=True)
    with pytest.raises(FileExistsError):
        store.write("a", b"2", "text/plain", exclusive=True)
    assert store.read("a") == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_token_notices_a_change_that_hides_its_time(tmp_path):
    store = open_store(tmp_path)
    before = store.write("a", b"1", "text/plain")
    times = (tmp_path / "a").stat()
    (tmp_path / "a").write_bytes(b"2")
    os.utime(tmp_path / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store.stat("a").token != before.token


def test_a_file_where_a_folder_is_needed(tmp_path):
    (tmp_path / "out").write_text("in the way")
    (tmp_path / "fine").mkdir()
    (tmp_path / "fine/renders").write_text("in the way")
    store, fine = open_store(tmp_path / "out"), open_store(tmp_path / "fine")
    for action in (
        store.check_writable,
        store.check_readable,
        lambda: store.write("a", b"1", "text/plain"),
        lambda: fine.write("renders/a", b"1", "text/plain", exclusive=True),
    ):
        with pytest.raises(StorageError, match="a file stands where a folder is needed"):
            action()
    (tmp_path / "fine/deep").mkdir()
    with pytest.raises(StorageError, match=r"fine/deep: a folder has this name"):
        fine.write("deep", b"1", "text/plain")
    assert sorted(path.name for path in (tmp_path / "fine").iterdir()) == ["deep", "renders"]


def test_a_folder_that_is_not_there_cannot_be_read(tmp_path):
    with pytest.raises(StorageError, match=r"nowhere: there is no such folder"):
        open_store(tmp_path / "nowhere").check_readable()


REPORT = """
import sys
from flows.store import StorageError, open_store
store = open_store(sys.argv[1])
for action in (store.check_writable, lambda: store.write("a/b", bytes(2**20), "image/png")):
    try:
        action()
        print("done")
    except StorageError as error:
        print(error)
"""


def _report(folder, *before):
    command = [*before, sys.executable, "-c", REPORT, str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_rights_are_missing(tmp_path):
    before = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write anywhere, and there is no setpriv to take that right away")
        before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    tmp_path.chmod(0o555)
    try:
        lines = _report(tmp_path, *before)
    finally:
        tmp_path.chmod(0o755)
    assert len(lines) == 2
    assert all("permission is denied; change the rights" in line and str(tmp_path) in line for line in lines)


def _own_mount(options, folder):
    """A command prefix that sees a small file system at `folder`, which nobody else sees."""
    mount = 'mount -t tmpfs -o "$0" tmpfs "$1" && shift && exec "$@"'
    for unshare in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        prefix = [*unshare, "sh", "-c", mount, options, str(folder)]
        if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    return pytest.skip("this user may not mount a file system")


def test_disk_full(tmp_path):
    lines = _report(tmp_path, *_own_mount("size=64k", tmp_path))
    assert lines[0] == "done"
    assert lines[1] == (
        f"cannot write {tmp_path}/a/b: no space is left on the device; free some and run again, what is finished stays"
    )


def test_read_only_file_system(tmp_path):
    lines = _report(tmp_path, *_own_mount("ro,size=64k", tmp_path))
    assert len(lines) == 2
    assert all("the file system is read-only; mount it writable" in line for line in lines)


def test_links_out_of_the_folder_are_refused(tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (root / "real").mkdir(parents=True)
    (outside / "secret.png").write_bytes(b"secret")
    (root / "real/a.png").write_bytes(b"1")
    (root / "link.png").symlink_to(outside / "secret.png")
    (root / "folder").symlink_to(outside)
    (root / "inside.png").symlink_to("real/a.png")
    (root / "circle").symlink_to(root)
    store = open_store(root)
    for name in ("link.png", "folder/secret.png", "circle/link.png"):
        for action in (store.read, store.stat):
            with pytest.raises(UnsafeNameError, match=f"{name} is a symbolic link, or lies behind one, that leads out"):
                action(name)
    with pytest.raises(UnsafeNameError):
        store.write("folder/new.png", b"1", "image/png")
    with pytest.raises(UnsafeNameError):
        list(store.list("folder/"))
    assert [entry.name for entry in store.list()] == ["inside.png", "link.png", "real/a.png"]
    assert store.read("inside.png") == b"1"
    store.write("link.png", b"mine", "image/png")  # replaces the link, not what it points to
    assert (outside / "secret.png").read_bytes() == b"secret"
    assert open_store(root, confine=False).read("folder/secret.png") == b"secret"


def test_a_root_may_itself_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store = open_store(tmp_path / "link")
    store.write("a", b"1", "text/plain")
    assert store.read("a") == b"1"
    assert store.child("a") == f"{tmp_path}/link/a"


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    store = open_store(tmp_path)
    for action in (store.read, store.stat):
        with pytest.raises(StorageError, match="pipe, socket or device"):
            action("pipe.png")
    assert list(store.list()) == []


def test_an_interrupted_write_leaves_the_old_bytes_and_nothing_else(tmp_path, monkeypatch):
    store = open_store(tmp_path)
    store.write("a", b"old", "text/plain")

    def interrupt(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.write("a", b"new", "text/plain")
    assert store.read("a") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


WRITER = """
import itertools, sys
from flows.store import open_store
store = open_store(sys.argv[1])
for number in itertools.count():
    store.write("picture.png", bytes([number % 251]) * 2**25, "image/png")
"""


def _stopped_in_the_middle(folder):
    """A writer that was stopped while its temporary file is there."""
    deadline = time.monotonic() + 60
    while True:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], cwd=REPOSITORY)
        while not (folder / "picture.png").exists() or not list(folder.glob(".*.tmp")):
            assert writer.poll() is None
            assert time.monotonic() < deadline, "no temporary file was ever seen"
            time.sleep(0.001)
        writer.send_signal(signal.SIGSTOP)
        os.waitpid(writer.pid, os.WUNTRACED)
        if any(path.stat().st_size for path in folder.glob(".*.tmp")):  # it locks the file before it writes to it
            return writer
        writer.kill()
        writer.wait()
        for leftover in folder.glob(".*.tmp"):  # or it would be taken for the next one's
            leftover.unlink()


def test_a_writer_that_is_killed_leaves_no_torn_file_and_its_rest_is_swept(tmp_path):
    store = LocalStore("out", tmp_path)
    for _ in range(3):
        writer = _stopped_in_the_middle(tmp_path)
        try:
            (leftover,) = tmp_path.glob(".*.tmp")
            os.utime(leftover, (0, 0))
            assert store.sweep() == 0  # its writer is still there
        finally:
            writer.kill()
            writer.wait()
        picture = store.read("picture.png")
        assert picture == picture[:1] * 2**25
        assert [entry.name for entry in store.list()] == ["picture.png"]
        assert store.sweep() == 1
        assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_opening_a_folder_does_not_import_boto3():
    code = "import sys, flows.store as s; s.open_store('.').check_readable(); print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
