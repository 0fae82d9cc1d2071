#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: database_replication
short_description: Say which role a database host has among several, and give it another one
version_added: 0.3.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - For sites with several database hosts, where one is the primary and the others are its replicas. The role database
    prepares the hosts.
  - What a host is stands in a note of its own and in the live servers, never in the inventory.
  - A server is closed to writes by its configuration. The guard opens that of the primary, and closes it where a peer
    knows of a later primary.
options:
  state:
    description:
      - V(observed) only looks. A server that does not answer is no failure then.
      - V(primary) makes the host's server the primary, once it has applied everything up to O(position).
      - V(demoted) ends the writes of the primary; the module returns what it has written as RV(position). A server that
        does not answer stays closed when it comes back.
      - V(replica) has the server follow O(primary).
    type: str
    choices: [observed, primary, demoted, replica]
    default: observed
  primary:
    description: The database host to follow, as the inventory names it. For V(demoted) the one that takes over.
    type: str
  position:
    description: The GTID position that the server must have applied before it becomes the primary.
    type: str
    default: ""
  unplanned:
    description: >-
      The old primary is gone. All that has arrived from it is applied before this server becomes the primary; a server
      that still receives from it is refused.
    type: bool
    default: false
  gone:
    description: >-
      Peers that are given up, as they cannot be asked. Until each answers again, the guard opens the new primary
      without it. Only for V(primary).
    type: list
    elements: str
    default: []
  above:
    description: The latest term that any other host knows. That of the new primary becomes later. Only for V(primary).
    type: int
    default: 0
  accept_loss:
    description: >-
      Let a replica become the primary that has stopped applying, without what it has received and not applied. Only for
      V(primary).
    type: bool
    default: false
  seed:
    description:
      - Whether a replica's data may be replaced by the primary's, where it cannot follow without.
      - V(never) returns the reason as RV(needs_seed). V(empty) replaces a server's data if it has no table of the
        portal. V(any) replaces them in any case. Its binary logs are kept, see RV(kept).
    type: str
    choices: [never, empty, any]
    default: never
  timeout:
    description: Seconds to wait for a position, for the end of running writes, and for a connection.
    type: int
    default: 30
  settings:
    description: What the role database has written about the host and its peers.
    type: path
    default: /etc/boxlift/database.json
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: It says what would change; whether a replica would have to be seeded shows only when it follows.
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - python3-pymysql and mariadb-backup on the target
seealso:
  - module: boxlift.portal.portal_health
"""

EXAMPLES = r"""
- name: Ask a database host what it is
  boxlift.portal.database_replication:
  register: database

- name: End the writes of the old primary
  boxlift.portal.database_replication:
    state: demoted
    primary: db2
  delegate_to: db1
  register: ended

- name: Make db2 the primary once it has everything
  boxlift.portal.database_replication:
    state: primary
    position: "{{ ended.position }}"
  delegate_to: db2

- name: Have db1 follow it, with data of its own if need be
  boxlift.portal.database_replication:
    state: replica
    primary: db2
    seed: any
  delegate_to: db1
"""

RETURN = r"""
role:
  description: V(primary), V(replica), or empty where nothing was decided yet.
  returned: always
  type: str
  sample: replica
term:
  description: Number of the newest primary that the host knows of, counted from 1.
  returned: always
  type: int
  sample: 3
primary:
  description: Who is the primary, as the host's note says.
  returned: always
  type: str
  sample: db1
writable:
  description: Whether the server takes writes. Null if it does not answer.
  returned: always
  type: bool
  sample: false
position:
  description: GTID position of the server.
  returned: always
  type: str
  sample: 0-1-6342
tables:
  description: How many tables the portal's database has. Null if the server does not answer.
  returned: always
  type: int
  sample: 812
server_id:
  description: The server's number in the replication.
  returned: always
  type: int
  sample: 201326593
version:
  description: The server's version.
  returned: always
  type: str
  sample: 10.11.14-MariaDB-0+deb12u2-log
following:
  description: >-
    How it follows a primary, with C(port), C(receiving), C(applying), C(lag) in seconds, C(received), C(number) and
    C(error). Null if it follows none.
  returned: always
  type: dict
  sample: {port: 3311, receiving: "Yes", applying: "Yes", lag: 0, received: 0-1-6342, number: 0, error: ""}
replicas:
  description: How many replicas fetch from it now.
  returned: always
  type: int
  sample: 1
semi_synchronous:
  description: Whether a commit waits until a replica has it.
  returned: always
  type: bool
  sample: false
problem:
  description: Why the server does not answer; empty if it does.
  returned: always
  type: str
  sample: ""
needs_seed:
  description: Why the replica needs the primary's data anew; empty where it does not.
  returned: always
  type: str
  sample: ""
seeded:
  description: Whether its data were replaced by the primary's.
  returned: always
  type: bool
  sample: false
kept:
  description: Folder with the binary logs that the host had before it was seeded; empty if it was not.
  returned: always
  type: str
  sample: ""
lost:
  description: >-
    Transactions in these logs that the present primary never received, at most 10000, each with C(gtid), C(time)
    (seconds since the epoch) and C(text). A log that cannot be read is among them, without a C(gtid).
  returned: always
  type: list
  elements: dict
  sample:
    - gtid: 0-1-6343
      time: 1796002371
      text: "0-1-6343: 1 x insert portal.b_sale_order"
"""

import dataclasses
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.replication import change, only_here, seed
from ansible_collections.boxlift.portal.plugins.module_utils.replication.server import (
    NoAnswer,
    own_server,
    peer_server,
)
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import (
    PATH,
    REPLICA,
    Peer,
    Settings,
    read_note,
    read_settings,
    write_note,
)
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock

Data = dict[str, t.Any]
_NOTHING: Data = {
    "role": "",
    "term": 0,
    "primary": "",
    "writable": None,
    "position": "",
    "tables": None,
    "server_id": 0,
    "version": "",
    "following": None,
    "replicas": 0,
    "semi_synchronous": False,
    "problem": "",
    "needs_seed": "",
    "seeded": False,
    "kept": "",
    "lost": [],
}
#: A host that the role has not prepared yet may have a server all the same.
_UNPREPARED = Settings("", (), "", "")


def look(settings: Settings) -> Data:
    """What the host is now."""
    note = read_note(settings.note)
    told = {**_NOTHING, "role": note.role, "term": note.term, "primary": note.primary}
    try:
        with own_server(settings) as server:
            state = server.state(settings.database)
    except BoxliftError as error:
        return {**told, "problem": error.message}
    return {
        **told,
        "term": max(note.term, state.term.number),
        "writable": state.writable,
        "position": state.position,
        "tables": state.tables,
        "server_id": state.server_id,
        "version": state.version,
        "following": None if state.following is None else dataclasses.asdict(state.following),
        "replicas": state.replicas,
        "semi_synchronous": state.semi_synchronous,
    }


def promoted(module: AnsibleModule, settings: Settings) -> Data:
    params = module.params
    with own_server(settings) as server:
        if change.is_primary(server, settings, params["above"]):
            return {"changed": False}
        if not module.check_mode:
            how = [params[name] for name in ("position", "timeout", "unplanned", "gone", "above", "accept_loss")]
            change.promote(server, settings, *how)
    return {"changed": True}


def demoted(module: AnsibleModule, settings: Settings) -> Data:
    note, primary = read_note(settings.note), module.params["primary"] or ""
    try:
        with own_server(settings) as server:
            changed = note.role != REPLICA or server.state().writable
            if changed and not module.check_mode:
                change.demote(server, settings, primary, module.params["timeout"])
    except NoAnswer:
        # It begins closed when it comes back, and this keeps it so.
        changed = note.role != REPLICA
        if changed and not module.check_mode:
            write_note(settings.note, note._replace(role=REPLICA, primary=primary))
    return {"changed": changed}


def following(module: AnsibleModule, settings: Settings) -> Data:
    peer, wanted = settings.peer(module.params["primary"] or ""), module.params["seed"]
    begun = os.path.exists(seed.places(settings).progress)
    why = "an earlier run has begun to seed it" if begun else ""
    note = read_note(settings.note)
    if not begun:
        with own_server(settings) as server:
            if change.follows(server, settings, peer):
                return {"changed": False}
            if module.check_mode:
                return {"changed": True}
            tables = server.state(settings.database).tables
            if note.role:
                how = change.follow(server, settings, peer, module.params["timeout"], time.sleep)
                why = change.must_be_seeded(how)
            else:
                why = "it was never a replica"
        if not why:
            return {"changed": True}
        if wanted == "never" or (wanted == "empty" and tables):
            return {"changed": True, "needs_seed": why}
    elif module.check_mode:
        return {"changed": True}
    return {"changed": True, "seeded": True, **_seeded(module, settings, peer)}


def _seeded(module: AnsibleModule, settings: Settings, peer: Peer) -> Data:
    note = read_note(settings.note)
    write_note(settings.note, note._replace(role=REPLICA, primary=peer.name))
    brought = seed.bring(settings, peer, program.run, time.time(), term=note.term)
    with own_server(settings) as server:
        # A run that was killed may have had it follow: then it has gone on from there.
        if server.following() is None:
            server.do("SET GLOBAL gtid_slave_pos = %s", brought.position)
        how = change.follow(server, settings, peer, module.params["timeout"], time.sleep)
        why = change.must_be_seeded(how)
    if why:
        raise BoxliftError(f"It cannot follow with new data either: {why}", "Look at the primary's error log.")
    with peer_server(settings, peer) as server:
        fork = server.term(after=brought.term)
    behind = []
    if brought.term and fork.number:
        behind = only_here.transactions(only_here.logs_in(brought.kept), fork.position)
    seed.done(settings)
    told = [{"gtid": each.gtid, "time": each.time, "text": each.text} for each in behind]
    return {"kept": brought.kept, "lost": told}


_WORK: dict[str, t.Callable[[AnsibleModule, Settings], Data]] = {
    "primary": promoted,
    "demoted": demoted,
    "replica": following,
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["observed", *_WORK], "default": "observed"},
            "primary": {"type": "str"},
            "position": {"type": "str", "default": ""},
            "unplanned": {"type": "bool", "default": False},
            "gone": {"type": "list", "elements": "str", "default": []},
            "above": {"type": "int", "default": 0},
            "accept_loss": {"type": "bool", "default": False},
            "seed": {"type": "str", "choices": ["never", "empty", "any"], "default": "never"},
            "timeout": {"type": "int", "default": 30},
            "settings": {"type": "path", "default": PATH},
        },
        required_if=[("state", "replica", ["primary"])],
        supports_check_mode=True,
    )
    state, path = module.params["state"], module.params["settings"]
    try:
        settings = read_settings(path) if state != "observed" or os.path.exists(path) else _UNPREPARED
        if state == "observed":
            module.exit_json(changed=False, **look(settings))
        if module.check_mode:
            result = _WORK[state](module, settings)
        else:
            with Lock(f"{settings.note}.lock", "change of the database's role"):
                result = _WORK[state](module, settings)
        told = look(settings)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(**{**told, **result})


if __name__ == "__main__":
    main()
