# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes entries below one directory, and nowhere else.

Every component of a path is opened from its parent's descriptor, without following links: neither a name nor anything
that lies in the tree leads out of it. Files get the archive's mode and time, without set-id and sticky bits
(docs/archive-format.md, sections 2 and 7).

A file system may take two names for one, by its own rules about case and accents, or not take a name at all. Then the
file gets a derived name (archive/names.py), which is listed; two folders become one.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import errno
import os
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.names import (
    derived_name,
    placed_name,
    portable_name,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.safety import LONGEST_COMPONENT, refusal
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, printable
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.names import spelling

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_GO_ON = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_OPEN = 64
_MOST_RENAMED = 100
_FORBIDDEN_BITS = 0o7000
# With these a file system says that a name is not to its taste: too long, or characters that it does not take.
_NAME_REFUSED = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
STRAYS = ".strays"  # ends the name of the list that a log's writer leaves for remove_strays
NO_ENTRY = Entry(b"", False, 0, 0, 0, 0)


class DiskFull(BoxliftError):
    """The file system of the staging tree is full."""


@dataclasses.dataclass(frozen=True)
class StagingTree:
    """Where the files go, and how: what all its writers have in common."""

    root: str
    uid: int  # -1: whoever runs this
    gid: int  # the same
    raw_names: bool = False  # names keep their bytes
    umask: int = 0  # rights that nothing in the tree gets
    elsewhere: tuple[tuple[str, str], ...] = ()  # names in the root that lead to folders in other places

    def writer(self, log: str, checkpoint: int | None) -> TreeWriter:
        """A writer with a log of its own."""
        return TreeWriter(
            self.root, log, self.uid, self.gid, checkpoint, self.raw_names, self.umask, dict(self.elsewhere)
        )


class TreeWriter:
    """Writes one entry at a time below `root`, each noted in the file `log` before it is created.

    `checkpoint` is a position in that log, None for its end. What is noted behind it is taken back first: the tree is
    as it was at the checkpoint, and a name that exists can only be a second entry of that name, which is refused.
    Only files are taken back. A directory may be in use by other writers; `remove_strays` removes those that are not.

    Names of the root in `elsewhere` are links to these folders, and the only ones that are followed.

    Several writers may write below one root, each with its own log. `uid` and `gid` of -1 leave ownership as it is.
    Names are converted to UTF-8, unless `raw_names`; `renamed` lists those that could not be, `derived` those that the
    file system does not hold, with the names that they got. Methods raise BoxliftError where an entry is refused or
    cannot be written, DiskFull where there is no space.
    """

    def __init__(
        self,
        root: str,
        log: str,
        uid: int = -1,
        gid: int = -1,
        checkpoint: int | None = 0,
        raw_names: bool = False,
        umask: int = 0,
        elsewhere: t.Mapping[str, str] | None = None,
    ) -> None:
        self._uid, self._gid = uid, gid
        self._taken = _FORBIDDEN_BITS | umask
        self._raw_names = raw_names
        self._elsewhere = {os.fsencode(name): folder for name, folder in (elsewhere or {}).items()}
        self._root = os.open(root, _OPEN_DIRECTORY)
        self._directories: dict[bytes, int] = {}
        self._log = os.open(log, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self._end = os.lseek(self._log, 0, os.SEEK_END)
        self._file = -1
        self._file_noted_at = 0
        self._entry = NO_ENTRY
        self.renamed: list[str] = []
        self.derived: list[str] = []
        self._longest = min(LONGEST_COMPONENT, os.fpathconf(self._root, "PC_NAME_MAX"))
        self._strays = f"{log}{STRAYS}"
        if checkpoint is not None:
            self.undo(checkpoint)

    def close(self) -> None:
        self._forget_directories()
        os.close(self._root)
        os.close(self._log)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def position(self) -> int:
        """The checkpoint for a later writer: the log's end, or where the file that is still open is noted."""
        return self._file_noted_at if self._entry is not NO_ENTRY else self._end

    def make_directory(self, entry: Entry) -> None:
        def make(path: bytes) -> None:
            parent, name = self._parent(path)
            self._note(b"D", path, entry)
            if path not in self._elsewhere:
                self._make(parent, name)

        path = self._try_names(entry, make)
        self._name_unconverted(path)

    def begin_file(self, entry: Entry, alone: bool = False) -> bytes:
        """Create the entry's file. Returns the path that it got.

        `alone`: nothing else of the archive has this name, and nothing misled is in the way. So a file that is there
        has a name that the file system takes for this one, and this file gets a derived name.
        """

        def create(path: bytes) -> None:
            self._file = self._create(path, entry)

        try:
            path = self._try_names(entry, create)
        except FileExistsError:
            path = self._target(entry)
            standing = spelling(path, self._listing)
            if not alone or standing == path:
                raise BoxliftError(
                    f"The archive holds two entries named {printable(path)!r}, one of them a file.",
                    "Verify it with backup_verify, which names such entries.",
                ) from None
            folder, slash, name = path.rpartition(b"/")
            aside = folder + slash + derived_name(name, self._longest)
            try:
                create(aside)
            except OSError as error:
                raise _explained(error, entry) from error
            self._name_derived(path, aside, f"the file system takes it for {printable(standing)!r}")
            path = aside
        self._name_unconverted(path)
        self._entry = entry
        return path

    def replace_file(self, entry: Entry, path: bytes) -> None:
        """Create the entry's file at `path`, in the place of what stands there."""
        try:
            parent, name = self._parent(path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
            self._file = self._create(path, entry)
        except OSError as error:
            raise _explained(error, entry) from error
        self._name_unconverted(path)
        self._entry = entry

    def _try_names(self, entry: Entry, use: t.Callable[[bytes], None]) -> bytes:
        """The path under which `use` succeeds: the entry's own, or a derived one. Raises FileExistsError as it is."""
        target = path = self._target(entry)
        try:
            try:
                use(path)
            except OSError as error:
                portable = portable_name(path, self._longest)
                if error.errno not in _NAME_REFUSED or portable == path:
                    raise
                use(portable)
                path = portable
        except FileExistsError:
            raise
        except OSError as error:
            raise _explained(error, entry) from error
        if path != target or max(map(len, entry.path.split(b"/"))) > self._longest:
            self._name_derived(entry.path, path, "the file system holds no such name")
        return path

    def open_file(self, entry: Entry, path: bytes, position: int) -> None:
        """Open a file that another writer began; the next `write` begins at its byte `position`."""
        try:
            parent, name = self._parent(path)
            self._file = os.open(name, _GO_ON, dir_fd=parent)
            os.lseek(self._file, position, os.SEEK_SET)
        except OSError as error:
            raise _explained(error, entry) from error
        self._entry = entry
        self._file_noted_at = self._end

    def write(self, content: memoryview) -> None:
        try:
            while content:
                content = content[os.write(self._file, content) :]
        except OSError as error:
            raise _explained(error, self._entry) from error

    def end_file(self) -> None:
        """Close the open file, with owner, mode and time set."""
        entry, descriptor = self._entry, self._file
        self._entry, self._file = NO_ENTRY, -1
        try:
            if self._uid >= 0 or self._gid >= 0:
                os.fchown(descriptor, self._uid, self._gid)
            os.fchmod(descriptor, entry.mode & ~self._taken)
            os.utime(descriptor, (entry.mtime, entry.mtime))
        except OSError as error:
            raise _explained(error, entry) from error
        finally:
            os.close(descriptor)

    def undo(self, checkpoint: int = 0) -> None:
        """Remove the files that are noted behind `checkpoint`, and list the directories for `remove_strays`."""
        if self._file >= 0:
            os.close(self._file)
            self._entry, self._file = NO_ENTRY, -1
        made = []
        for kind, path, _mode, _mtime in self._records(checkpoint):
            if kind != b"F":
                made.append(path)
                continue
            self._limit_directories()
            try:
                directory, _slash, name = path.rpartition(b"/")
                os.unlink(name, dir_fd=self._open(directory, make=False))
            except FileNotFoundError:
                continue  # a kill came between the note and the file
        if made:
            descriptor = os.open(self._strays, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "wb") as log:
                log.writelines(base64.b64encode(path) + b"\n" for path in made)
        self._cut_log(checkpoint)
        self.renamed.clear()
        self.derived.clear()

    def remove_directory(self, path: bytes) -> None:
        """Remove an empty directory; leave anything else alone."""
        directory, _slash, name = path.rpartition(b"/")
        self._forget_directories()
        try:
            os.rmdir(name, dir_fd=self._open(directory, make=False))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENOTEMPTY):
                raise

    def settle_directories(self, note: t.Callable[[None], None]) -> None:
        """Set modes and times of the archive's directories, once nothing more is created in them.

        `note` is called for each, with None.
        """
        for kind, path, mode, mtime in self._records(0):
            if kind == b"D":
                note(None)
                parent, name = self._parent(path)
                if stat.S_IMODE(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode) != mode | 0o700:
                    os.fchmod(self._open(path), mode | 0o700)
                os.utime(name, (mtime, mtime), dir_fd=parent, follow_symlinks=False)

    def _create(self, path: bytes, entry: Entry) -> int:
        parent, name = self._parent(path)
        noted_at = self._end
        self._note(b"F", path, entry)
        try:
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
        except OSError:
            self._cut_log(noted_at)  # a writer only removes what it created
            raise
        self._file_noted_at = noted_at
        return descriptor

    def _note(self, kind: bytes, path: bytes, entry: Entry) -> None:
        """Add a line to the log. `F`: a file, `D`: a directory of the archive, `M`: one made for what is in it."""
        record = b"%s %s %o %d\n" % (kind, base64.b64encode(path), entry.mode & ~self._taken, entry.mtime)
        self._end += os.write(self._log, record)

    def _cut_log(self, position: int) -> None:
        os.ftruncate(self._log, position)
        self._end = os.lseek(self._log, position, os.SEEK_SET)

    def _records(self, position: int) -> t.Iterator[tuple[bytes, bytes, int, int]]:
        """The lines from `position` on: kind, path, mode, time.

        A last line that a crash cut short does not count: what it was to announce was never created.
        """
        with open(os.dup(self._log), "rb") as log:
            log.seek(position)
            for line in log:
                if line.endswith(b"\n"):
                    kind, path, mode, mtime = line.split()
                    yield kind, base64.b64decode(path), int(mode, 8), int(mtime)

    def _target(self, entry: Entry) -> bytes:
        """The path of the entry below the root."""
        reason = refusal(entry.path)
        if reason:
            raise BoxliftError(
                f"Entry {printable(entry.path)!r} is refused: {reason}.", "The archive is not one of the vendor's."
            )
        if self._raw_names:
            return b"/".join(
                name if len(name) <= self._longest else derived_name(name, self._longest)
                for name in entry.path.split(b"/")
            )
        return placed_name(entry.path, self._longest)

    def _name_derived(self, own: bytes, path: bytes, why: str) -> None:
        """Add a line to `derived`."""
        if len(self.derived) < _MOST_RENAMED:
            self.derived.append(f"{printable(own)!r} is placed as {printable(path)!r}: {why}.")
        elif len(self.derived) == _MOST_RENAMED:
            self.derived.append("And others are placed under other names in the same way.")

    def _name_unconverted(self, path: bytes) -> None:
        """Add the path to `renamed` if its name is not UTF-8."""
        if self._raw_names or path.isascii() or len(self.renamed) > _MOST_RENAMED:
            return
        try:
            path.rpartition(b"/")[2].decode("utf-8")
        except UnicodeDecodeError:
            self.renamed.append(printable(path) if len(self.renamed) < _MOST_RENAMED else "and others")

    def _listing(self, directory: bytes) -> list[bytes]:
        return [os.fsencode(name) for name in os.listdir(self._open(directory))]

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        self._limit_directories()
        directory, _slash, name = path.rpartition(b"/")
        return self._open(directory), name

    def _open(self, path: bytes, make: bool = True) -> int:
        """A descriptor of the directory `path`, which the cache owns. With `make`, missing ones are created."""
        if not path:
            return self._root
        if path not in self._directories:
            if path in self._elsewhere:
                self._directories[path] = os.open(self._elsewhere[path], _OPEN_DIRECTORY)
                return self._directories[path]
            above, _slash, name = path.rpartition(b"/")
            parent = self._open(above, make)
            try:
                descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
            except FileNotFoundError:
                if not make:
                    raise
                self._note(b"M", path, NO_ENTRY)
                self._make(parent, name)
                descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
            self._directories[path] = descriptor
        return self._directories[path]

    def _make(self, parent: int, name: bytes) -> None:
        try:
            os.mkdir(name, 0o755 & ~self._taken, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
            return
        if self._uid >= 0 or self._gid >= 0:
            os.chown(name, self._uid, self._gid, dir_fd=parent, follow_symlinks=False)

    def _limit_directories(self) -> None:
        """Close the cached descriptors if they are many. Only between entries: nobody holds one of them then."""
        if len(self._directories) > _MOST_OPEN:
            self._forget_directories()

    def _forget_directories(self) -> None:
        for descriptor in self._directories.values():
            os.close(descriptor)
        self._directories.clear()


def _explained(error: OSError, entry: Entry) -> BoxliftError:
    name = printable(entry.path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"The disk is full: {name!r} of {entry.size} bytes could not be written.",
            "Make room and run the same task again: it goes on where it stopped. The live portal was not touched.",
        )
    if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EISDIR):
        return BoxliftError(
            f"Entry {name!r} is refused: a file or link stands where its path needs a directory.",
            "Verify it with backup_verify, which names such entries.",
        )
    return BoxliftError(
        f"{name!r} could not be written: {error.strerror}.", "Check the file system of the document root."
    )


def logged_files(log: str) -> t.Iterator[bytes]:
    """The paths of the files that a closed log notes."""
    with open(log, "rb") as lines:
        for line in lines:
            if line.startswith(b"F ") and line.endswith(b"\n"):
                yield base64.b64decode(line.split()[1])


def remove_strays(writer: TreeWriter, logs: str) -> None:
    """Remove strays: empty directories that a writer took back, and that no log in the folder `logs` still notes.

    Only while nothing else writes to the tree.
    """
    strays: set[bytes] = set()
    for name in os.listdir(logs):
        if name.endswith(STRAYS):
            with open(os.path.join(logs, name), "rb") as log:
                strays.update(log)
    if not strays:
        return
    for path in _held(logs):
        strays.discard(path + b"\n")
    # The deepest first, so that a directory is empty by the time its turn comes.
    for path in sorted((base64.b64decode(line) for line in strays), reverse=True):
        writer.remove_directory(path)


def _held(logs: str) -> t.Iterator[bytes]:
    """The directories of the archive, as the logs write them."""
    for name in os.listdir(logs):
        if not name.endswith(STRAYS):
            with open(os.path.join(logs, name), "rb") as log:
                for line in log:
                    if line.startswith(b"D "):
                        yield line.split()[1]
