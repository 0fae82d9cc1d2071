# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files of a host as they shall be: what differs, and bringing it about."""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd
import re
import shlex
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file

Run = t.Callable[[t.Sequence[str]], "tuple[int, str]"]  # a command -> its exit status and what it said
Side = t.Union[str, "dict[str, str]"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One path as it shall be. `content` and `validate` are for the state `file` alone."""

    path: str
    state: str  # file, directory or absent
    content: bytes = b""
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    validate: str = ""  # a command with %s for the file that is proven before it replaces the present one
    confidential: bool = False  # its content is in no diff


def entry_of(given: t.Mapping[str, t.Any]) -> Entry:
    """An element of a module's option `files`. Raises BoxliftError for a path or mode that is none."""
    path, state = given["path"], given.get("state", "file")
    mode = given["mode"] or ("0755" if state == "directory" else "0644")
    if not path.startswith("/"):
        raise BoxliftError(f"{path} is no absolute path.", "Let it begin with /.")
    if not re.fullmatch("0[0-7]{3}", mode):
        raise BoxliftError(f"The mode of {path} is '{mode}'.", "Write four octal digits in quotes, such as '0644'.")
    return Entry(
        path.rstrip("/"),
        state,
        (given["content"] or "").encode(),
        given.get("owner", "root"),
        given.get("group", "root"),
        int(mode, 8),
        given["validate"],
        given.get("confidential", False),
    )


class Change(t.NamedTuple):
    """What differs at one path."""

    path: str
    before: Side
    after: Side


def result_of_changes(changes: t.Sequence[Change]) -> dict[str, t.Any]:
    """What a module returns of them: `changed`, the paths, and the diff."""
    return {
        "changed": bool(changes),
        "paths": list(dict.fromkeys(change.path for change in changes)),
        "diff": [
            {"before_header": change.path, "after_header": change.path, "before": change.before, "after": change.after}
            for change in changes
        ],
    }


class _Seen(t.NamedTuple):
    """What lies at a path now."""

    kind: str  # file, directory or absent; a link to a directory is a directory, any other link is no file
    content: bytes
    attributes: dict[str, str]


def settle(entry: Entry, run: Run, only_predict: bool) -> list[Change]:
    """Make the path what it shall be; the changes, none where it is so already.

    Raises BoxliftError where something of another kind is in the way, an account is unknown, the folder of a file is
    missing, or `validate` refuses the new content. The file before then stays.
    """
    try:
        return _settle(entry, run, only_predict)
    except OSError as error:
        raise from_system(error, entry.path) from error


def _settle(entry: Entry, run: Run, only_predict: bool) -> list[Change]:
    seen = _look(entry)
    if entry.state == "absent":
        return _remove(entry, seen, only_predict)
    wanted = {"owner": entry.owner, "group": entry.group, "mode": f"{entry.mode:04o}"}
    changes = _contents(entry, seen)
    differing = [name for name in wanted if seen.attributes.get(name) != wanted[name]]
    if differing and seen.kind == entry.state:
        before, after = ({name: side[name] for name in differing} for side in (seen.attributes, wanted))
        changes.append(Change(entry.path, before, after))
    if changes and not only_predict:
        uid, gid = _identity(entry)
        if entry.state == "directory":
            _make_directory(entry, uid, gid)
        elif entry.content != seen.content or seen.kind != "file":
            _write(entry, uid, gid, run)
        else:
            os.chown(entry.path, uid, gid)
            os.chmod(entry.path, entry.mode)
    return changes


def _look(entry: Entry) -> _Seen:
    try:
        found = os.lstat(entry.path)
        if entry.state == "directory":
            found = os.stat(entry.path)
    except (FileNotFoundError, NotADirectoryError):
        return _Seen("absent", b"", {})
    if stat.S_ISDIR(found.st_mode):
        kind = "directory"
    else:
        kind = "file" if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode) else "special file"
    if kind != ("directory" if entry.state == "directory" else "file"):
        raise BoxliftError(f"{entry.path} is a {kind} already.", "Move it away, or name another path.")
    if entry.state == "file" and stat.S_ISLNK(found.st_mode):
        return _Seen("absent", b"", {})  # it is replaced, not followed
    content = b""
    if kind == "file" and entry.state == "file":
        with open(entry.path, "rb") as source:
            content = source.read()
    attributes = {"owner": _user(found.st_uid), "group": _group(found.st_gid), "mode": f"{found.st_mode & 0o7777:04o}"}
    return _Seen(kind, content, attributes)


def _contents(entry: Entry, seen: _Seen) -> list[Change]:
    if seen.kind == entry.state and (entry.state == "directory" or seen.content == entry.content):
        return []
    if entry.state == "directory":
        return [Change(entry.path, {"state": "absent"}, {"state": "directory"})]
    if entry.confidential:
        return [Change(entry.path, {"content": "(confidential)"}, {"content": "(confidential, changed)"})]
    return [Change(entry.path, *(side.decode("utf-8", "replace") for side in (seen.content, entry.content)))]


def _remove(entry: Entry, seen: _Seen, only_predict: bool) -> list[Change]:
    if seen.kind == "absent":
        return []
    if not only_predict:
        os.unlink(entry.path)
    return [Change(entry.path, {"state": "file"}, {"state": "absent"})]


def _make_directory(entry: Entry, uid: int, gid: int) -> None:
    missing = [entry.path]
    while not os.path.isdir(os.path.dirname(missing[-1])):
        missing.append(os.path.dirname(missing[-1]))
    for path in reversed(missing):
        if not os.path.isdir(path):
            os.mkdir(path, 0o700)
        os.chown(path, uid, gid)
        os.chmod(path, entry.mode)


def _write(entry: Entry, uid: int, gid: int, run: Run) -> None:
    folder = os.path.dirname(entry.path)
    if not os.path.isdir(folder):
        raise BoxliftError(f"There is no folder {folder} for {entry.path}.", "Create it first.")

    def prove(path: str) -> None:
        code, said = run(shlex.split(entry.validate % shlex.quote(path)))
        if code != 0:
            raise BoxliftError(
                f"{entry.path} would not be valid: {said.strip() or f'the command ended with {code}'}",
                "Correct what it is made of; the file before stays in place.",
            )

    replace_file(entry.path, entry.content, entry.mode, (uid, gid), prove=prove if entry.validate else None)


def _identity(entry: Entry) -> tuple[int, int]:
    try:
        return pwd.getpwnam(entry.owner).pw_uid, grp.getgrnam(entry.group).gr_gid
    except KeyError as error:
        raise BoxliftError(
            f"{entry.path} cannot be given to {entry.owner}:{entry.group}: {error.args[0]}.",
            "Create the account first.",
        ) from error


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
