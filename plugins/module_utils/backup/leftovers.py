# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is on a drill host, before a drill and after it: the difference is what the drill has left.

Names only. What is looked at is where a drill could leave something: beside the document root, at the server's
databases and accounts, among processes and units, in caches, folders of settings and temporary folders.
"""

from __future__ import annotations

import collections
import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

Seen = dict[str, list[str]]
#: Programs that a recovery starts.
PROGRAMS = re.compile(r"(mariadbd|mysqld|restic|rclone|mbstream|mariadb-backup|mariabackup|mariadb-binlog|mysqlbinlog)")
#: What others make and remove: Ansible's own, systemd's, PHP's, and the passwd program's spares.
FOREIGN = re.compile(r"\.?ansible.*|systemd-private-.*|sess_.*|.*-|\.pwd\.lock|tmux-.*|ssh-.*|\.(X11|ICE|font)-unix")
#: Folders, and how deep their names are looked at.
PLACES = (
    *(("/etc", 1), ("/etc/boxlift", 2), ("/etc/boxlift-backup", 2), ("/etc/systemd/system", 1)),
    *(("/var/lib", 1), ("/var/lib/boxlift", 3), ("/var/lib/boxlift-backup", 2), ("/var/cache", 1)),
    *(("/usr/local/bin", 1), ("/usr/local/lib/boxlift", 2), ("/root", 1), ("/root/.cache", 2), ("/root/.ssh", 1)),
    *(("/tmp", 1), ("/var/tmp", 1), ("/run/systemd/transient", 1), ("/srv", 1), ("/home", 1)),
)


def look(
    conn: Connection[t.Any], places: t.Sequence[tuple[str, int]], root: str = "/", own: t.Collection[str] = ()
) -> Seen:
    """What is there now. `own` are paths of the drill's own notes, which it removes last. Raises OSError."""
    return {
        "path": sorted({path for place, depth in places for path in _below(root, place, depth)} - set(own)),
        "database": sorted(str(next(iter(row.values()))) for row in rows(conn, "SHOW DATABASES")),
        "database account": sorted(
            f"{row['u']}@{row['h']}" for row in rows(conn, "SELECT User AS u, Host AS h FROM mysql.global_priv")
        ),
        "process": sorted(_processes(root)),
        "account": sorted(_accounts(root)),
        "mount": sorted(_mounts(root)),
    }


def compared(before: Seen, now: Seen) -> tuple[list[str], list[str]]:
    """What is there and was not, and what was there and is gone; each with its kind."""
    left, gone = [], []
    for kind in now:
        had, has = collections.Counter(before.get(kind) or []), collections.Counter(now[kind])
        left += [f"{kind} {name}" for name in (has - had).elements()]
        gone += [f"{kind} {name}" for name in (had - has).elements()]
    return sorted(left), sorted(gone)


def _below(root: str, place: str, depth: int) -> t.Iterator[str]:
    folder = os.path.join(root, place.lstrip("/"))
    try:
        found = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        path = os.path.join(place, entry.name)
        if FOREIGN.fullmatch(entry.name):
            continue
        yield path
        if depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _below(root, path, depth - 1)


def _processes(root: str) -> t.Iterator[str]:
    folder = os.path.join(root, "proc")
    for name in os.listdir(folder):
        if not name.isdigit():
            continue
        try:
            with open(os.path.join(folder, name, "comm"), encoding="utf-8", errors="replace") as source:
                program = source.read().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if PROGRAMS.match(program):
            yield program


def _accounts(root: str) -> t.Iterator[str]:
    with open(os.path.join(root, "etc/passwd"), encoding="utf-8", errors="replace") as source:
        for line in source:
            yield line.split(":")[0]


def _mounts(root: str) -> t.Iterator[str]:
    with open(os.path.join(root, "proc/self/mounts"), encoding="utf-8", errors="replace") as source:
        for line in source:
            place = line.split(" ")[1]
            if not place.startswith(("/proc", "/sys", "/dev", "/run/user", "/run/credentials")):
                yield place
