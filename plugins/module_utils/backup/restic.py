# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One repository of restic. The code runs with restic 0.14 (Debian 12) and 0.18 (Debian 13)."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system

#: The tag that every snapshot of ours has; what others keep in the same repository is left alone.
OURS = "boxlift"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHUNK = 1 << 20


class ResticFailed(BoxliftError):
    """Why a repository could not be used.

    `code` is wrong_password, no_repository, locked, full, unreachable, damaged or other.
    """

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy, code=code)
        self.code = code


class ProducerFailed(BoxliftError):
    """A program whose output was to be stored failed; nothing of it is kept. `said` is all of its complaints."""

    code = "producer"

    def __init__(self, message: str, remedy: str, said: str = "") -> None:
        super().__init__(message, remedy)
        self.said = said


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """One snapshot: its full id, the time it was begun (epoch), its tags, paths and host."""

    id: str
    time: float
    tags: tuple[str, ...]
    paths: tuple[str, ...]
    host: str
    #: The id that it had in the repository from which it was copied; else empty.
    original: str = ""
    #: Its topmost tree.
    tree: str = ""

    def tagged(self, prefix: str) -> str:
        """What follows `prefix` in the first tag that begins with it; empty without such a tag."""
        return next((tag[len(prefix) :] for tag in self.tags if tag.startswith(prefix)), "")


@dataclasses.dataclass(frozen=True)
class Saved:
    """What one backup has stored: `bytes` were read, `stored` were new to the repository."""

    snapshot: str
    files: int
    bytes: int
    stored: int
    #: Files that are there and could not be read.
    unread: tuple[str, ...] = ()
    #: What the program wrote to standard error, whose output was stored.
    said: str = ""


class Entry(t.NamedTuple):
    """A file, directory or other thing in a snapshot; `modified` is epoch."""

    path: str
    type: str
    size: int
    modified: float


class Fault(t.NamedTuple):
    """What a check found: the pack file or the tree that it names (else empty), and restic's words."""

    pack: str
    text: str
    tree: str = ""


class Ended(t.NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Run(t.Protocol):
    """Runs a command to its end.

    `text` is its standard input. `on_line` is given each line of standard output as it comes, or `out` all of it.
    After `limit` seconds it is ended. It works in `folder`, where one is named.
    """

    def __call__(
        self,
        command: t.Sequence[str],
        env: t.Mapping[str, str],
        *,
        text: str | None = None,
        on_line: t.Callable[[str], None] | None = None,
        out: t.IO[bytes] | None = None,
        limit: float | None = None,
        folder: str | None = None,
    ) -> Ended: ...


OnProgress = t.Callable[["dict[str, t.Any]"], None]
Snapshots = t.List[Snapshot]  # noqa: UP006 - Python 3.9 evaluates it
Faults = t.List[Fault]  # noqa: UP006 - likewise

#: Of a command that a limit has ended, as the program timeout says it.
TIMED_OUT = 124
#: Seconds for questions that a repository answers at once, however slow the line.
QUESTION = 180.0


def run_command(
    command: t.Sequence[str],
    env: t.Mapping[str, str],
    *,
    text: str | None = None,
    on_line: t.Callable[[str], None] | None = None,
    out: t.IO[bytes] | None = None,
    limit: float | None = None,
    folder: str | None = None,
) -> Ended:
    """Run it to its end with this environment alone. Raises BoxliftError where it cannot be started."""
    with tempfile.TemporaryFile() as complaints:
        process = _start(
            command,
            env,
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE if out is None else out,
            stderr=complaints,
            cwd=folder,
        )
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(limit or 0, stop)
        kept = []
        with process:
            try:
                if limit is not None:
                    timer.start()
                if text is not None:
                    _feed(process, text)
                for line in process.stdout or ():
                    said = line.decode("utf-8", "surrogateescape")
                    if on_line is None:
                        kept.append(said)
                    else:
                        on_line(said)
                code = process.wait()
            except BaseException:
                process.kill()
                raise
            finally:
                timer.cancel()
        complaints.seek(0)
        err = complaints.read().decode("utf-8", "replace")
        return Ended(TIMED_OUT if timed_out.is_set() else code, "".join(kept), err)


def _start(command: t.Sequence[str], env: t.Mapping[str, str], **streams: t.Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, env=dict(env), **streams)
    except OSError as error:
        raise BoxliftError(
            f"{command[0]} cannot be started: {error.strerror}.", f"Install it: apt-get install {command[0]}."
        ) from error


def _feed(process: subprocess.Popen[bytes], text: str) -> None:
    stream = t.cast("t.IO[bytes]", process.stdin)
    try:
        stream.write(text.encode())
        stream.close()
    except BrokenPipeError:
        return  # its exit status says why it did not read


class Restic:
    """One repository. Every call builds its own environment; the password stays in its file.

    `cache` is a folder for restic's cache; without it, nothing is left on this host. For `patience` seconds, all calls
    together, locks of other processes are waited for. With `only_asks` it is asked without a lock, so that it answers
    also where another process has it for itself and where its disk is full; nothing may be written then.
    """

    def __init__(
        self,
        store: Store,
        *,
        cache: str = "",
        run: Run = run_command,
        program: str = "restic",
        patience: float = 0,
        sleep: t.Callable[[float], None] = time.sleep,
        only_asks: bool = False,
    ) -> None:
        self.store = store
        self.cache = cache
        self._run = run
        self._program = program
        self._patience = patience
        self._sleep = sleep
        self._waited = 0.0
        self._only_asks = only_asks

    # What it holds

    def snapshots(self, *tags: str) -> Snapshots:
        """Those that have all of these tags, oldest first; without tags, all of ours."""
        said = self._must(["snapshots", "--json", "--tag", ",".join(tags or (OURS,))], limit=QUESTION).out
        return sorted(map(_snapshot, json.loads(said or "[]") or []), key=lambda each: each.time)

    def find(self, prefix: str) -> Snapshot:
        """The snapshot whose id begins so. Raises ResticFailed where there is none."""
        found = json.loads(self._must(["snapshots", "--json", prefix], limit=QUESTION).out or "[]") or []
        if len(found) != 1:
            raise _failure("other", f"it lists no snapshot {prefix}", self.store)
        return _snapshot(found[0])

    def list(self, snapshot: str, folder: str = "") -> t.Iterator[Entry]:
        """What a snapshot holds; with `folder`, what lies below it, too."""
        found: list_[Entry] = []

        def on_line(line: str) -> None:
            node = _json(line)
            if node.get("struct_type") == "node":
                found.append(Entry(node["path"], node["type"], int(node.get("size", 0)), _moment(node["mtime"])))

        command = ["ls", "--json", snapshot] + (["--recursive", folder] if folder else [])
        self._must(command, on_line=on_line)
        return iter(found)

    def sizes(self, snapshot: str) -> tuple[int, int]:
        """How many files and folders a snapshot holds, and their bytes, as the repository lists them."""
        said = json.loads(self._must(["stats", "--json", "--mode", "restore-size", snapshot]).out)
        return int(said["total_file_count"]), int(said["total_size"])

    def read_text(self, snapshot: str, filename: str) -> str:
        """The text of a file at the top of a snapshot."""
        return self._must(["dump", snapshot, f"/{filename.lstrip('/')}"], limit=QUESTION).out

    def dump(self, snapshot: str, filename: str, out: t.IO[bytes]) -> None:
        """Write a file of a snapshot to `out`, which must be a real file or a pipe."""
        self._must(["dump", snapshot, f"/{filename.lstrip('/')}"], out=out)

    def restore(
        self,
        snapshot: str,
        target: str,
        include: t.Sequence[str] = (),
        on_progress: OnProgress | None = None,
        exclude: t.Sequence[str] = (),
    ) -> None:
        """Bring files of a snapshot below `target`, with their whole path. restic 0.14 tells no progress."""
        command = ["restore", "--json", snapshot, "--target", target]
        for pattern in include:
            command += ["--include", pattern]
        for pattern in exclude:
            command += ["--exclude", pattern]
        self._must(command, on_line=_Summary(on_progress).line)

    # What is written to it

    def backup(
        self,
        paths: t.Sequence[str],
        tags: t.Sequence[str],
        exclude: t.Sequence[str] = (),
        on_progress: OnProgress | None = None,
    ) -> Saved:
        """Store files and folders. Files that cannot be read are named, and fail nothing."""
        command = ["backup", "--json", *_tags(tags)]
        for pattern in exclude:
            command += ["--exclude", pattern]
        summary = _Summary(on_progress)
        ended = self._call([*command, "--", *paths], on_line=summary.line)
        if ended.code not in (0, 3):
            raise self._failed(ended)
        saved = summary.saved(self)
        if ended.code == 3 and (named := _named(ended.err)):
            there = {entry.path for entry in self.list(saved.snapshot)}
            saved = dataclasses.replace(saved, unread=tuple(name for name in named if name not in there))
        return saved

    def save_text(self, filename: str, text: str, tags: t.Sequence[str]) -> str:
        """Store a text as a file; the snapshot's full id."""
        summary = _Summary(None)
        command = ["backup", "--json", *_tags(tags), "--stdin", "--stdin-filename", filename]
        self._must(command, text=text, on_line=summary.line)
        return summary.saved(self).snapshot

    def backup_stream(
        self,
        command: t.Sequence[str],
        filename: str,
        tags: t.Sequence[str],
        env: t.Mapping[str, str] | None = None,
        prove: t.Callable[[str], None] | None = None,
        on_bytes: t.Callable[[int], None] | None = None,
    ) -> Saved:
        """Store what `command` writes as the file `filename`.

        restic sees the end of the stream only after the command has ended well and `prove`, which is given what it
        wrote to standard error, has raised nothing: of a killed command nothing is stored. Raises ProducerFailed for
        the command, ResticFailed for the repository.
        """
        while True:
            try:
                return self._stream(command, filename, tags, env, prove, on_bytes)
            except ResticFailed as error:
                if error.code != "locked" or self._waited >= self._patience:
                    raise
            # Only restic's own question waits: the command begins anew once the lock has gone.
            self._wait()
            self._must(["cat", "config"], limit=QUESTION)

    def _stream(
        self,
        command: t.Sequence[str],
        filename: str,
        tags: t.Sequence[str],
        env: t.Mapping[str, str] | None,
        prove: t.Callable[[str], None] | None,
        on_bytes: t.Callable[[int], None] | None,
    ) -> Saved:
        summary = _Summary(None)
        ours = self._command(["backup", "--json", *_tags(tags), "--stdin", "--stdin-filename", filename])
        with tempfile.TemporaryFile() as complaints, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as out:
            taker = _start(ours, self._environment(), stdin=subprocess.PIPE, stdout=out, stderr=complaints)
            with _ended_at_last(taker):
                maker = _start(command, env or _BARE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
                with _ended_at_last(maker):
                    passed, taken = _pass_on(maker, taker, on_bytes)
                    code = maker.wait() if taken else 0
                said.seek(0)
                words = said.read().decode("utf-8", "replace")
                if taken:
                    _prove_stream(command[0], code, passed, words, prove)
                    taken = _close(taker)
                ended = taker.wait()
            out.seek(0)
            for line in out:
                summary.line(line.decode("utf-8", "replace"))
            complaints.seek(0)
            if ended != 0 or not taken:
                raise self._failed(Ended(ended, "", complaints.read().decode("utf-8", "replace")))
        return dataclasses.replace(summary.saved(self), said=words, bytes=passed)

    # Its upkeep

    def check(self, slice_: tuple[int, int] | None = None, lock: bool = True) -> Faults:
        """Prove the repository's structure, and with (n, t) read the n-th of t parts of its data.

        Faults are returned. Raises ResticFailed where the repository cannot be read at all. Without `lock` others may
        write meanwhile; a fault may then only mean that they did.
        """
        command = ["check"] if lock else ["check", "--no-lock"]
        if slice_ is not None:
            command.append(f"--read-data-subset={slice_[0]}/{slice_[1]}")
        ended = self._call(command)
        if ended.code == 0:
            return []
        faults = _faults(self.store.hide(ended.out + ended.err))
        if not faults:
            raise self._failed(ended)
        return faults

    def touched_by(self, fault: Fault) -> t.Collection[str]:
        """The full ids of the snapshots that need what is broken. Of a topmost tree, restic 0.14 finds nothing."""
        what = ["--pack", fault.pack] if fault.pack else ["--tree", fault.tree]
        found = json.loads(self._must(["find", "--json", *what]).out or "[]") or []
        return {str(each["snapshot"]) for each in found if each.get("snapshot")}

    def repair(self, packs: t.Sequence[str], aside: str) -> None:
        """Take damaged pack files out of service, so that the next copy stores again what they held.

        What is still readable in them is kept by restic 0.16 and newer. The older one needs the repository on this
        host; the files are moved to the folder `aside`.
        """
        self._refuse_append_only()
        if self._version() >= (0, 16):
            os.makedirs(aside, mode=0o700, exist_ok=True)
            self._must(["repair", "packs", *packs], folder=aside)
            return
        if not self.store.path:
            raise _failure("other", "this restic can repair only a repository on its own host", self.store)
        os.makedirs(aside, mode=0o700, exist_ok=True)
        for pack in packs:
            path = os.path.join(self.store.path, "data", pack[:2], pack)
            if os.path.exists(path):
                shutil.move(path, os.path.join(aside, pack))
        self._must(["rebuild-index"])

    def _version(self) -> tuple[int, ...]:
        said = self._run([self._program, "version"], _BARE, limit=QUESTION).out
        found = re.search(r"restic (\d+)\.(\d+)", said)
        return tuple(map(int, found.groups())) if found else (0,)

    def forget(self, snapshots: t.Sequence[str]) -> None:
        """Remove these snapshots; `prune` frees the room. restic 0.18 tells of no refusal, so they are looked for."""
        self._refuse_append_only()
        for first in range(0, len(snapshots), _AT_ONCE):
            self._must(["forget", *snapshots[first : first + _AT_ONCE]])
        left = {each.id for each in self.snapshots()} & set(snapshots) if snapshots else set()
        if left:
            raise _failure("other", f"{len(left)} snapshots are still there after they were removed", self.store)

    def prune(self) -> None:
        """Remove the data that no snapshot needs."""
        self._refuse_append_only()
        self._must(["prune"])

    def unlock(self) -> None:
        """Remove the locks of processes that are dead; those of living ones stay."""
        self._must(["unlock"], limit=QUESTION)

    def init(self, chunker_of: Restic | None = None) -> None:
        """Make the repository; cut as `chunker_of` does, so that copies from there are deduplicated."""
        if chunker_of is None:
            self._must(["init"])
        else:
            self._must(["init", "--copy-chunker-params"], also=chunker_of)

    def exists(self) -> bool:
        """Whether there is a repository that the password opens. Raises ResticFailed where that cannot be told."""
        try:
            self._must(["cat", "config"], limit=QUESTION)
        except ResticFailed as error:
            if error.code == "no_repository":
                return False
            raise
        return True

    def copy_from(self, source: Restic, snapshots: t.Sequence[str]) -> None:
        """Copy snapshots of another repository here; those that are here already are left out."""
        for first in range(0, len(snapshots), _AT_ONCE):
            self._must(["copy", *snapshots[first : first + _AT_ONCE]], also=source)

    def opened_by(self, password: str) -> bool:
        """Whether this password opens the repository. It goes through a pipe, and is written nowhere."""
        ended = self._call(["cat", "config"], text=password, password_file="/dev/stdin", limit=QUESTION)
        if ended.code != 0 and _code(ended) != "wrong_password":
            raise self._failed(ended)
        return ended.code == 0

    # How it is called

    def _refuse_append_only(self) -> None:
        if self.store.append_only or self.store.read_only:
            raise BoxliftError(
                f"This host can remove nothing from the repository {self.store.place} ({self.store.name}).",
                "Run this on the host where the repository is.",
            )

    def _must(self, command: t.Sequence[str], **how: t.Any) -> Ended:
        ended = self._call(command, **how)
        if ended.code != 0:
            raise self._failed(ended)
        return ended

    def _call(
        self, command: t.Sequence[str], also: Restic | None = None, password_file: str = "", **how: t.Any
    ) -> Ended:
        env = dict(self._environment(also))
        if password_file:
            env["RESTIC_PASSWORD_FILE"] = password_file
        if self._only_asks:
            ended = self._run(self._command(command, also, lock=False), env, **how)
            if ended.code == 0 or _code(ended) not in ("other", "damaged"):
                return ended
            # A prune may have removed what was read just now; with a lock none can.
        while True:
            ended = self._run(self._command(command, also), env, **how)
            if ended.code == 0 or _code(ended) != "locked":
                return ended
            if self._waited >= self._patience:
                return ended
            self._wait()

    def _wait(self) -> None:
        """A pause before a lock is tried again. What a dead process of another host has left goes meanwhile."""
        pause = 5.0 if self._waited < 60 else 30.0
        self._sleep(pause)
        self._waited += pause
        if self._waited % _UNLOCK == 0:
            self._run(self._command(["unlock"]), self._environment(), limit=QUESTION)

    def _command(self, command: t.Sequence[str], also: Restic | None = None, lock: bool = True) -> t.Sequence[str]:
        options: list_[str] = []
        for store in [self.store] + ([also.store] if also else []):
            if store.program:
                backend = "sftp.command" if store.repository.startswith("sftp:") else "rclone.program"
                options += ["-o", f"{backend}={shlex.join(store.program)}"]
            if store.ca_file:
                options += ["--cacert", store.ca_file]
        if not self.cache:
            options.append("--no-cache")
        if self.store.read_only or not lock:
            options.append("--no-lock")
        return [self._program, *options, *command]

    def _environment(self, also: Restic | None = None) -> t.Mapping[str, str]:
        """Nothing of the caller's: a variable such as AWS_CA_BUNDLE makes rclone fail."""
        env = {
            **_BARE,
            "RESTIC_REPOSITORY": self.store.repository,
            "RESTIC_PASSWORD_FILE": self.store.password_file,
            "RESTIC_PROGRESS_FPS": "1",
        }
        if self.cache:
            env["RESTIC_CACHE_DIR"] = self.cache
        if also:  # an address may hold a password, which everybody sees in a command line
            env["RESTIC_FROM_REPOSITORY"] = also.store.repository
            env["RESTIC_FROM_PASSWORD_FILE"] = also.store.password_file
        for store in ([also.store] if also else []) + [self.store]:
            env.update(_variables(store.environment_file))
        return env

    def _failed(self, ended: Ended) -> ResticFailed:
        return _failure(_code(ended), _reason(ended), self.store)


# Within the class, `list` is a method.
list_ = list
_AT_ONCE = 100
#: So many seconds apart locks of dead processes are removed while one waits; restic takes them for dead after 1800.
_UNLOCK = 600
_BARE = {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"}


class _Summary:
    """Reads what `--json` says while it works, and its last word."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._last: dict[str, t.Any] = {}

    def line(self, line: str) -> None:
        said = _json(line)
        if said.get("message_type") == "summary":
            self._last = said
        elif said.get("message_type") == "status" and self._on_progress is not None:
            done = said.get("bytes_done", said.get("bytes_restored", 0))
            files = said.get("files_done", said.get("files_restored", 0))
            self._on_progress({"done": done, "total": said.get("total_bytes"), "files": files})

    def saved(self, restic: Restic) -> Saved:
        """What was stored. restic 0.14 says only the beginning of the snapshot's id, so it is looked up."""
        named = str(self._last.get("snapshot_id") or "")
        if not named:
            raise _failure("other", "restic named no snapshot", restic.store)
        return Saved(
            snapshot=named if _PACK.fullmatch(named) else restic.find(named).id,
            files=int(self._last["total_files_processed"]),
            bytes=int(self._last["total_bytes_processed"]),
            stored=int(self._last["data_added"]),
        )


@contextlib.contextmanager
def _ended_at_last(process: subprocess.Popen[bytes]) -> t.Iterator[None]:
    """Whatever happens, the process is gone at the end."""
    try:
        yield
    except BaseException:
        process.kill()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def _pass_on(
    maker: subprocess.Popen[bytes], taker: subprocess.Popen[bytes], on_bytes: t.Callable[[int], None] | None
) -> tuple[int, bool]:
    """The bytes that went from one to the other; False where the taker has ended before."""
    source, sink = t.cast("t.IO[bytes]", maker.stdout), t.cast("t.IO[bytes]", taker.stdin)
    passed = 0
    while True:
        piece = source.read(_CHUNK)
        if not piece:
            return passed, True
        try:
            sink.write(piece)
        except BrokenPipeError:
            return passed, False
        passed += len(piece)
        if on_bytes is not None:
            on_bytes(passed)


def _close(taker: subprocess.Popen[bytes]) -> bool:
    try:
        t.cast("t.IO[bytes]", taker.stdin).close()
    except BrokenPipeError:
        return False
    return True


def _prove_stream(program: str, code: int, passed: int, words: str, prove: t.Callable[[str], None] | None) -> None:
    if code != 0:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        last = words.strip().splitlines()[-1:]
        raise ProducerFailed(
            f"{program} {how} after {passed} bytes; nothing of it was kept. "
            f"Its last words: {' '.join(last) or 'none'}.",
            "Cure what it complains of, and take the copy again; the copies before are untouched.",
            words,
        )
    if not passed:
        raise ProducerFailed(
            f"{program} wrote nothing, and said that all is well.", "Run it by hand, and see what it does.", words
        )
    if prove is not None:
        prove(words)


def _tags(tags: t.Sequence[str]) -> t.Sequence[str]:
    return [each for tag in tags for each in ("--tag", tag)]


def _json(line: str) -> dict[str, t.Any]:
    """The object that a line is; empty for other lines."""
    if not line.startswith("{"):
        return {}
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _snapshot(said: t.Mapping[str, t.Any]) -> Snapshot:
    return Snapshot(
        id=said["id"],
        time=_moment(said["time"]),
        tags=tuple(said.get("tags") or ()),
        paths=tuple(said.get("paths") or ()),
        host=said.get("hostname", ""),
        original=said.get("original") or "",
        tree=said.get("tree", ""),
    )


def _moment(text: str) -> float:
    """Epoch of a time as Go writes it, with up to nine digits of a second."""
    match = re.fullmatch(r"(.*?)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if match is None:
        raise BoxliftError(f"restic names the time {text!r}.", "See with which version of restic this was written.")
    whole, fraction, zone = match.groups()
    moment = datetime.datetime.fromisoformat(whole + (zone if zone != "Z" else "+00:00"))
    return moment.timestamp() + float(fraction or 0)


def _named(complaints: str) -> tuple[str, ...]:
    """Files that restic complains of and that are still there; a portal in service removes some while it is read.

    It also complains of files that it had to store again, so whoever asks looks whether they are in the snapshot.
    """
    named = dict.fromkeys(str(_json(line).get("item", "")) for line in complaints.splitlines())
    return tuple(name for name in named if name and os.path.lexists(name))


_PACK = re.compile(r"\b[0-9a-f]{64}\b")
_NO_FAULT = re.compile(r"orphaned|not referenced in any index|non-critical|^restic repair|no errors were found")


def _faults(said: str) -> Faults:
    """What a check names as broken, each pack file and each tree once."""
    found: dict[tuple[str, str, str], Fault] = {}
    for line in map(str.strip, said.splitlines()):
        if _NO_FAULT.search(line) or not _IS_FAULT.search(line):
            continue
        ids = _PACK.findall(line)
        tree = ids[0] if ids and line.startswith("tree ") else ""
        pack = ids[0] if ids and not tree else ""
        found.setdefault((pack, tree, "" if ids else line), Fault(pack, line[:500], tree))
    named = [fault for fault in found.values() if fault.pack or fault.tree]
    return named or list(found.values())


_IS_FAULT = re.compile(
    r"^(pack |error|tree |blob |snapshot |Pack ID|Pack size|Data for|Load\()|does not match|does not exist$"
    r"|ciphertext verification failed|invalid data returned"
)

# In this order; the words are those of restic 0.14 and 0.18, ssh and rclone.
_CODES = (
    ("wrong_password", r"wrong password or no key found"),
    ("locked", r"already locked"),
    (
        "full",
        r"no space left|too big for remaining disk space"
        r"|disk quota exceeded|quota exceeded|insufficient storage|507 |storage full|no free space",
    ),
    (
        "no_repository",
        r"repository does not exist|config file: (stat|open) .*no such file|config file: <config/> does not exist"
        r"|config file: The specified (key|bucket) does not exist|(key|bucket) does not exist",
    ),
    ("damaged", r"ciphertext verification failed|invalid data returned|does not match|repository contains errors"),
    (
        "unreachable",
        r"connection refused|connection reset|no route to host|timed out|timeout|network is unreachable|no such host"
        r"|could not resolve|temporary failure in name|host key|permission denied|exit status 255|unexpected EOF"
        r"|error talking HTTP to rclone|unable to start the sftp session|context canceled|connection closed"
        r"|certificate|Access Denied|forbidden|i/o timeout|broken pipe",
    ),
)
_BY_STATUS = {10: "no_repository", 11: "locked", 12: "wrong_password", TIMED_OUT: "unreachable"}


def _code(ended: Ended) -> str:
    if ended.code in _BY_STATUS:
        return _BY_STATUS[ended.code]
    said = ended.err or ended.out
    return next((code for code, words in _CODES if re.search(words, said, re.IGNORECASE)), "other")


def _reason(ended: Ended) -> str:
    """What restic gives as reason, in one line."""
    lines = []
    for line in (ended.err or ended.out).splitlines():
        said = _json(line)
        text = str(said.get("message") or said.get("error") or "") if said else line
        if text.strip() and " NOTICE: " not in text:  # rclone's, of a file that it does not need
            lines.append(text.strip())
    fatal = [line for line in lines if "Fatal:" in line] or lines[-1:]
    beside = [line for line in lines if line.startswith(("rclone: ", "subprocess ", "unable to create lock"))]
    told = "; ".join(dict.fromkeys([*beside[-2:], *(line.replace("Fatal: ", "").rstrip(":") for line in fatal[:1])]))
    if ended.code == TIMED_OUT:
        return f"it did not answer in time; {told or 'it said nothing'}"
    if ended.code < 0:
        return f"restic was killed by signal {-ended.code}"
    return told[:500] or f"restic ended with {ended.code} and said nothing"


_REMEDIES = {
    "wrong_password": "Put the escrowed password into {password_file}; boxlift-backup escrow proves that it fits.",
    "no_repository": "See that the disk of the repository is mounted. If there never was one, run the playbook that "
    "sets up the copies; it makes a repository.",
    "locked": "Another process works with the repository. Wait until it has ended. Locks of dead processes go by "
    "themselves after 30 minutes; restic list locks shows them.",
    "full": "Make room where the repository is: give the disk more of it, keep fewer copies, and let boxlift-backup "
    "prune run there, which needs some MB for itself.",
    "unreachable": "See that the host of the repository runs, that this host may connect to it and that its key is "
    "known and allowed there.",
    "damaged": "Run boxlift-backup verify, which names the damaged files. Bring them from another store, or follow "
    "the remedy in docs/alerts.md. Take a full copy afterwards: boxlift-backup now --full.",
    "other": "Run the same command by hand and see what it complains of.",
}


def _failure(code: str, reason: str, store: Store) -> ResticFailed:
    remedy = _REMEDIES[code].format(password_file=store.password_file)
    return ResticFailed(code, f"Repository {store.place} ({store.name}): {store.hide(reason).rstrip('.')}.", remedy)


def _variables(path: str) -> dict[str, str]:
    """The variables in an environment file. Raises BoxliftError; values are never shown."""
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as stream:
            lines = [line.strip() for line in stream]
    except OSError as error:
        raise from_system(error, path) from error
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    if any(not re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name, _sign, _value in pairs):
        raise BoxliftError(f"{path} has a line that is not NAME=VALUE.", "Write one variable a line.")
    return {name: value for name, _sign, value in pairs}
