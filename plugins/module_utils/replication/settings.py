# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database host knows of its peers, as role database writes it, and its own note of what it is."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import state as state_file
from ansible_collections.boxlift.portal.plugins.module_utils.command_line import object_of
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

PATH = "/etc/boxlift/database.json"
PRIMARY, REPLICA = "primary", "replica"


class Peer(t.NamedTuple):
    """Another database host: the port of this host that leads to its server, and where it gives its data away."""

    name: str
    port: int
    seed_address: str
    seed_port: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """This host, its server and its peers; `user` may follow and ask each of them."""

    host: str
    peers: tuple[Peer, ...]
    user: str
    password: str = dataclasses.field(repr=False)
    socket: str = "/run/mysqld/mysqld.sock"
    service: str = "mariadb.service"
    data: str = "/var/lib/mysql"
    binary_logs: str = "/var/lib/mysql-binlog"
    database: str = "portal"
    semi_synchronous: bool = False
    note: str = "/var/lib/boxlift/database.json"
    seen: str = "/run/boxlift-database/guard.json"
    link: str = "/etc/boxlift/link"

    def peer(self, name: str) -> Peer:
        """Raises BoxliftError where no peer has this name."""
        for each in self.peers:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.peers) or "none"
        raise BoxliftError(f"{self.host} knows no database host {name}, but {known}.", "Run the playbook provision.")


def read_settings(path: str = PATH) -> Settings:
    """Raises BoxliftError where the file is wrong, and OSError where there is none."""
    given = object_of(path, _wrong)
    try:
        peers = tuple(Peer(**each) for each in given.pop("peers"))
        return Settings(peers=peers, **given)
    except (KeyError, TypeError) as error:
        raise _wrong(path, str(error)) from error


def _wrong(path: str, what: str) -> BoxliftError:
    return BoxliftError(f"{path} is wrong: {what}.", "Run the playbook provision: role database writes it.")


class Note(t.NamedTuple):
    """What this host is; it outlasts the server. `role` is empty where nothing was decided.

    `gone` are peers that a person has given up when this host became the primary; each until it answers again.
    """

    role: str = ""
    term: int = 0
    primary: str = ""
    gone: tuple[str, ...] = ()


def read_note(path: str) -> Note:
    """Raises BoxliftError where it cannot be read."""
    given = state_file.read_json(path) or {}
    return Note(
        str(given.get("role", "")),
        int(given.get("term", 0)),
        str(given.get("primary", "")),
        tuple(given.get("gone", ())),
    )


def write_note(path: str, note: Note) -> None:
    state_file.write_json(path, note._asdict())
