"""A store in a folder: every file is published whole, and survives a power cut once `write` has returned."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.store.interface import Entry, StorageError, UnsafeNameError, check_name, check_prefix

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
_TICK = 3 * 10**9  # nanoseconds; those of file systems are shorter, except for FAT's 2 s
_YOUNG = 2.0  # seconds; a new temporary file may not carry its writer's lock yet

_DENIED = "permission is denied; change the rights of the folder or choose another one"
_IN_THE_WAY = "a file stands where a folder is needed; move it away or choose another folder"
_ADVICE = {
    errno.ENOENT: "there is no such folder; correct the path or create it",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "the file system is read-only; mount it writable or choose another folder",
    errno.ENOSPC: "no space is left on the device; free some and run again, what is finished stays",
    errno.EDQUOT: "the disk quota is used up; free some space and run again, what is finished stays",
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.EISDIR: "a folder has this name; move it away or choose another folder",
    errno.ENAMETOOLONG: "the name is longer than the file system allows; choose a shorter one",
    errno.ELOOP: "symbolic links lead in a circle; remove one of them",
}
_TRANSIENT = {errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class LocalStore:
    """A folder as a store; it is created by the first write.

    Args:
        url: the folder as the user wrote it, for messages.
        root: its path.
        confine: refuse names that a symbolic link leads out of the folder.
    """

    def __init__(self, url: str, root: str | Path, *, confine: bool = True) -> None:
        self.url = url
        self.root = Path(root).absolute()  # a worker process may have another current folder
        self.confine = confine

    @property
    def address(self) -> str:
        """See `Store.address`."""
        return os.path.realpath(self.root)

    def read(self, name: str) -> bytes:
        """See `Store.read`; never opens a FIFO or a device."""
        clean = check_name(name)
        path = self._inside(clean, self.root / clean)
        with self._translated("read", name, FileNotFoundError):
            if self._status(path, name) is None:
                raise FileNotFoundError(errno.ENOENT, "no such file", self.child(name))
            return path.read_bytes()

    def stat(self, name: str) -> Entry | None:
        """See `Store.stat`."""
        clean = check_name(name)
        path = self._inside(clean, self.root / clean)
        with self._translated("read", name):
            status = self._status(path, name)
        return _entry(clean, status, time.time_ns()) if status else None

    def write(
        self,
        name: str,
        data: bytes,
        content_type: str,  # noqa: ARG002 - files have none
        *,
        exclusive: bool = False,
        caching: str = "",  # noqa: ARG002 - nor this
        lasting: bool = True,
    ) -> Entry:
        """See `Store.write`."""
        clean = check_name(name)
        path = self._place(clean)
        folder = path.parent
        with self._translated("write", name):  # a folder's name that is taken must not look as if the file's were
            _make_folder(folder)
        with self._translated("write", name, FileExistsError):
            with _temporary(folder, data, lasting=lasting) as temporary:
                if exclusive:
                    _publish_first(temporary, path)
                else:
                    os.replace(temporary, path)  # noqa: PTH105 - the other one makes a path of the path
            if lasting:
                _sync_folder(folder)
            return _entry(clean, path.stat(), time.time_ns())

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """See `Store.list`. A link that leads out of the folder is listed, so that reading it says what is wrong."""
        prefix = check_prefix(prefix)
        base = prefix[: prefix.rfind("/") + 1]
        if base.startswith(".") or "/." in base:
            return
        folder = self._inside(base[:-1], self.root / base) if base else self.root
        with self._translated("list", base):
            yield from self._walk(folder, base, prefix, frozenset())

    def delete(self, name: str) -> None:
        """See `Store.delete`; of a symbolic link, the link goes."""
        path = self._place(check_name(name))
        with self._translated("delete", name), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()

    def check_writable(self) -> None:
        """See `Store.check_writable`; where the folder does not exist yet, its nearest parent that does is tried."""
        with self._translated("write"):
            folder = next(path for path in (self.root, *self.root.parents) if os.path.lexists(path))
            with _temporary(folder, bytes(4096)):  # some bytes: a full disk still takes empty files
                pass

    def check_readable(self) -> None:
        """See `Store.check_readable`."""
        with self._translated("read"), os.scandir(self.root):
            pass

    def sweep(self) -> int:
        """See `Store.sweep`; a writer at work holds a lock on its temporary file."""
        removed = 0
        for folder, _, files in os.walk(self.root):
            for leftover in (Path(folder, file) for file in files if _TEMPORARY.fullmatch(file)):
                with suppress(OSError), _locked(leftover):
                    if time.time() - leftover.stat().st_mtime > _YOUNG:
                        leftover.unlink()
                        removed += 1
        return removed

    def child(self, name: str) -> str:
        """See `Store.child`."""
        return f"{self.url.rstrip('/')}/{name}"

    def _inside(self, name: str, path: Path) -> Path:
        """The path; where links are confined with its links followed, refused where that leads out of the root."""
        if not self.confine:
            return path
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(self.root)):
            raise UnsafeNameError(
                f"{self.child(name)} is a symbolic link, or lies behind one, that leads out of {self.url}; "
                "put a copy of the file there instead, or name the other folder as the root"
            )
        return real

    def _place(self, name: str) -> Path:
        """Where a name is written or removed: links in its folder are followed, the last part never."""
        path = self.root / name
        return self._inside(name, path.parent) / path.name if self.confine else path

    def _status(self, path: Path, name: str) -> os.stat_result | None:
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISDIR(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise StorageError(f"cannot read {self.child(name)}: it is a pipe, socket or device; expected a file")
        return status

    def _walk(self, folder: Path, base: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[Entry]:
        """Entries below a folder, sorted; `above` are the folders on the way here, so that links make no circle."""
        try:
            status = folder.stat()
            with os.scandir(folder) as scan:
                links: set[str] = set()
                items = sorted(_with_slash(item, links) for item in scan)
        except (FileNotFoundError, NotADirectoryError):
            return
        identity = (status.st_dev, status.st_ino)
        everything, now = base.startswith(prefix), time.time_ns()
        for item in [] if identity in above else items:
            name, path = base + item, f"{folder}/{item}"
            if item.startswith(".") or not (everything or name.removesuffix("/").startswith(prefix)):
                continue
            outside = self.confine and item in links and not self._leads_inside(path)
            if item.endswith("/"):
                if not outside:
                    yield from self._walk(Path(path), name, prefix, above | {identity})
                continue
            try:
                status = os.stat(path, follow_symlinks=not outside)  # noqa: PTH116 - a million of them
            except (FileNotFoundError, NotADirectoryError):
                continue
            if outside or stat.S_ISREG(status.st_mode):
                yield _entry(name, status, now)

    def _leads_inside(self, path: str) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))

    @contextmanager
    def _translated(self, action: str, name: str = "", *passing: type[OSError]) -> Iterator[None]:
        """Say what the operating system refused, where, and what to do about it; let errors of a `passing` kind be."""
        try:
            yield
        except OSError as error:
            if isinstance(error, passing):
                raise
            where = self.child(name) if name else self.url
            reason = _ADVICE.get(error.errno or 0, error.strerror or type(error).__name__)
            raise StorageError(f"cannot {action} {where}: {reason}", transient=error.errno in _TRANSIENT) from error


def _with_slash(item: os.DirEntry[str], links: set[str]) -> str:
    """A name in a folder, that of a folder with a slash behind it; `links` gets it if it is a symbolic link."""
    name = item.name + "/" * item.is_dir()
    if item.is_symlink():
        links.add(name)
    return name


def _entry(name: str, status: os.stat_result, now: int) -> Entry:
    """An entry; `now` is when one looked, in nanoseconds."""
    # The clock behind a file's times ticks every few milliseconds, and tools can set its mtime back: the inode tells
    # apart two replacements within one tick, ctime cannot be set.
    token = f"{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"
    return Entry(name, status.st_size, token, now - status.st_ctime_ns > _TICK)


@contextmanager
def _temporary(folder: Path, data: bytes, *, lasting: bool = True) -> Iterator[Path]:
    """A file with these bytes, safe on disk if wanted, that is gone afterwards unless it was renamed."""
    path = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(handle, "wb") as file:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(data)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
            yield path
    finally:
        with suppress(OSError):
            path.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock on a temporary file; raises `OSError` while its writer has it."""
    with path.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _publish_first(temporary: Path, path: Path) -> None:
    """Give a file its name unless that is taken; raises `FileExistsError`."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))  # exFAT, SMB: claim the name, then fill it
        temporary.replace(path)


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents so that they survive a power cut too."""
    if folder.is_dir():
        return
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        _sync_folder(path.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(folder))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot sync folders
            raise
    finally:
        os.close(handle)
