# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception family of the libraries; a module turns it into `fail_json` once, in `main()`."""

from __future__ import annotations

import errno
import os
import typing as t


class BoxliftError(Exception):
    """A failure that people can act on.

    `message` names the file, host, option, part, entry or statement; `remedy` says what to do about it;
    `details` are returned by the module beside `msg`.
    """

    def __init__(self, message: str, remedy: str = "", **details: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details

    def as_result(self) -> dict[str, t.Any]:
        """Arguments for `AnsibleModule.fail_json`: `msg`, `remedy` and the details."""
        text = f"{self.message} {self.remedy}".strip()
        return {"msg": text, "remedy": self.remedy, **self.details}


_ROOM = "Make room (df -h {folder}; df -i {folder}), and run again."
# What helps against an error of the disk.
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: "The account has used up its quota (quota -s). " + _ROOM,
    errno.EACCES: "Run as root (become: true), or give the account its rights (namei -l {path} shows who lacks which).",
    errno.EPERM: "Run as root (become: true); lsattr -d {path} shows whether the file may be changed at all.",
    errno.EROFS: "The file system is read-only: see why (dmesg | tail), and run mount -o remount,rw on it.",
    errno.EIO: "The disk does not answer: look at dmesg and smartctl -a, replace the disk, and run again.",
    errno.ENOENT: "Correct the path, or make what is missing (ls -ld {folder}).",
    errno.ENOTDIR: "A file stands where a folder must be (namei -l {path}): move it away, and run again.",
    errno.EISDIR: "A folder stands where a file must be (ls -ld {path}): move it away, and run again.",
    errno.EMFILE: "Raise the number of open files (ulimit -n 65536), and run again.",
    errno.ENFILE: "Raise the number of open files (sysctl -w fs.file-max=2000000), and run again.",
    errno.ENOMEM: "Give the host memory (free -m), and run again.",
    errno.ELOOP: "Links lead in a circle (namei -l {path}): remove one, and run again.",
    errno.ENAMETOOLONG: "Choose a shorter path.",
    errno.ESTALE: "The network file system has lost the file: mount it anew (mount | grep {folder}), and run again.",
}


def from_system(error: OSError, path: str = "") -> BoxliftError:
    """An error of the disk or the system, with the file it names and what helps; `path` where it names none."""
    if isinstance(error.filename, (str, bytes)):
        path = os.fsdecode(error.filename)
    reason = error.strerror or str(error) or type(error).__name__
    remedy = _REMEDIES.get(error.errno or 0, "Look at dmesg and the host's journal (journalctl -xe), and run again.")
    places = {"path": path or "PATH", "folder": os.path.dirname(path) or path or "/"}
    return BoxliftError(f"{path}: {reason}." if path else f"{reason}.", remedy.format(**places), path=path)


def result_of(error: BoxliftError | OSError) -> dict[str, t.Any]:
    """Arguments for `AnsibleModule.fail_json`, for whatever a library raises."""
    return (error if isinstance(error, BoxliftError) else from_system(error)).as_result()
