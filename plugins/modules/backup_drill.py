#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_drill
short_description: Note, compare and take back the recovery of a copy that was made to try it
version_added: 0.2.0
description:
  - The steps of role C(boxlift.portal.drill) between its other tasks. A drill recovers the newest good copy on a
    pre-production host, looks whether it is healthy and whole, and removes it again.
  - What is known of a drill lies in O(folder) on its host until its record is in the repository. So a drill that was
    killed is known to the next run, which takes it back and records that it failed.
  - Refuses a host without the mark of a pre-production host, which production never has.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
attributes:
  check_mode:
    support: none
    details: A drill is measured, not predicted.
  diff_mode:
    support: none
    details: A whole portal is too large for a diff.
  idempotent:
    support: partial
    details: A state that was reached already is reached again without harm; times are those of the first run.
options:
  state:
    description:
      - V(found) only looks whether a drill was begun and has not ended.
      - V(begun) notes what is live and what there is on the host, before anything is brought.
      - V(chosen) reads the repository, and chooses the newest good copy. It refuses too little room and another release
        of MariaDB.
      - V(phase) ends the phase before, and begins O(phase).
      - V(compared) compares the recovered portal with what its copy noted, before anything of it is changed.
      - V(judged) judges O(findings) of the recovered portal's health check.
      - V(failed) notes O(text) as the reason why the drill failed.
      - V(taken_back) makes the portal live that was live before, and removes what was recovered. The web server must
        not run.
      - V(clean) proves that the portal from before is live, and that nothing is left.
      - V(recorded) returns the record for the repository; V(closed) ends the drill when it is there.
    type: str
    required: true
    choices: [found, begun, chosen, phase, compared, judged, failed, taken_back, clean, recorded, closed]
  document_root:
    description: The document root of the drill host's portal.
    type: path
    default: /srv/portal/www
  state_dir:
    description: The directory with the register of generations, as it is given to M(boxlift.portal.portal_rollback).
    type: path
    default: /var/lib/boxlift/restore
  folder:
    description: Where the drill notes what it needs. The folder is removed in the end.
    type: path
    default: /var/lib/boxlift/drill
  mark:
    description: The file that marks a pre-production host.
    type: path
    default: /etc/boxlift/preproduction.json
  confirm_domain:
    description: The domain of the drill host's own portal, which the mark must name too.
    type: str
  settings:
    description: The settings file of the reader of the repository, with O(state=chosen) and O(state=compared).
    type: path
    default: /etc/boxlift-backup/settings.json
  store:
    description: The store whose newest good copy is recovered; the first one if not given.
    type: str
  work_dir:
    description: Where M(boxlift.portal.portal_recover) unpacks the copy.
    type: path
    default: /var/lib/boxlift-recover
  replayed:
    description: Whether binary logs were applied after the copy, with O(state=compared).
    type: bool
    default: false
  phase:
    description: Name of the phase that begins, with O(state=phase).
    type: str
  findings:
    description: Findings of M(boxlift.portal.portal_health), with O(state=judged).
    type: list
    elements: dict
    default: []
  findings_before:
    description: Those of the drill host's own portal before the drill. What failed there too is not the copy's fault.
    type: list
    elements: dict
    default: []
  text:
    description: Why the drill failed, with O(state=failed).
    type: str
seealso:
  - module: boxlift.portal.portal_recover
  - module: boxlift.portal.backup_status
author:
  - boxlift.portal contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See whether a drill was killed
  boxlift.portal.backup_drill:
    state: found
  register: killed

- name: Begin a drill
  boxlift.portal.backup_drill:
    state: begun
    confirm_domain: copy.example.com
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal

- name: Choose the newest good copy
  boxlift.portal.backup_drill:
    state: chosen
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal
"""

RETURN = r"""
found:
  description: Whether a drill was begun and has not ended.
  returned: with O(state=found)
  type: bool
  sample: false
phase:
  description: The phase that the drill is in; empty if in none.
  returned: with O(state=found)
  type: str
  sample: recover
stopped:
  description: Whether the site may have been stopped, so that there is something to take back.
  returned: with O(state=found)
  type: bool
  sample: true
copy:
  description: The copy that is recovered.
  returned: with O(state=chosen)
  type: dict
  contains:
    id:
      description: Its name.
      type: str
    moment:
      description: The moment of its database, in UTC.
      type: str
    bytes:
      description: Bytes of its files and of its database.
      type: int
  sample: {id: 20261130T010000Z-ab12, moment: "2026-11-30T01:04:11Z", bytes: 3221225472}
compared:
  description: What was compared, as the record has it.
  returned: with O(state=compared)
  type: dict
  sample: {tables: 612, rows: 4410233, files: 81234, noted_files: 81234, explained: [], lost: [], missing: []}
healthy:
  description: Whether the recovered portal is healthy.
  returned: with O(state=judged)
  type: bool
  sample: true
done:
  description: What was taken back.
  returned: with O(state=taken_back)
  type: list
  elements: str
  sample: [made generation 1 live, removed generation 2]
left:
  description: What is left on the host, each with its kind. Empty is the proof that nothing is.
  returned: with O(state=clean)
  type: list
  elements: str
  sample: []
drill:
  description: The record of the drill.
  returned: with O(state=recorded)
  type: dict
  contains:
    format:
      description: Version of this form, 1.
      type: int
    copy:
      description: The copy that was recovered; null where none was found.
      type: str
    host:
      description: Where.
      type: str
    began:
      description: When it began, in seconds since 1970; C(ended) likewise.
      type: float
    passed:
      description: Whether no finding is a failure, the portal was healthy and nothing is left.
      type: bool
    phases:
      description: Seconds of each phase.
      type: dict
    rto_seconds:
      description: From the stop of the site to the healthy portal; null if it never was.
      type: float
    rpo_seconds:
      description: How old the last moment was that could be recovered when the drill began; null if not known.
      type: float
    compared:
      description: What was compared.
      type: dict
    findings:
      description: What was found, each with C(code), C(severity), C(text) and C(remedy).
      type: list
      elements: dict
    left:
      description: What is left on the host.
      type: list
      elements: str
  sample:
    format: 1
    copy: 20261130T010000Z-ab12
    host: copy
    began: 1796000000.0
    ended: 1796000700.0
    passed: true
    bytes: 3221225472
    phases: {prepare: 8.1, stop: 2.0, recover: 201.4, compare: 3.3, silence: 20.7, health: 12.9, remove: 31.0}
    rto_seconds: 240.3
    rpo_seconds: 212.0
    compared: {tables: 612, rows: 4410233, files: 81234, noted_files: 81234, explained: [], lost: [], missing: []}
    findings: []
    left: []
text:
  description: The record as sentences.
  returned: with O(state=recorded)
  type: list
  elements: str
  sample:
    - "Copy 20261130T010000Z-ab12 on copy: passed."
    - "Recovered in 4 min; 3 min 32 s would be lost."
    - "Left on copy: nothing."
"""

import os
import socket
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.backup import drill as drills
from ansible_collections.boxlift.portal.plugins.module_utils.backup import leftovers, takeback
from ansible_collections.boxlift.portal.plugins.module_utils.backup.compare import compare, count_files, finding
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import chain, good_copies
from ansible_collections.boxlift.portal.plugins.module_utils.backup.drill import Drill, Moment
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Store, read_settings
from ansible_collections.boxlift.portal.plugins.module_utils.backup.status import status
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.portal.copymark import CopyMark
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.info import disk_modules
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    DATABASE_OPTIONS,
    Login,
    connect,
    quote_name,
    rows,
)

Data = dict[str, t.Any]


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


class Steps:
    """What each state does. All of them raise BoxliftError or OSError."""

    def __init__(self, params: Data) -> None:
        self._params = params
        self._now = Moment.now()

    def found(self) -> Data:
        drill = Drill.found(self._params["folder"])
        if drill is None:
            return {"changed": False, "found": False, "phase": "", "stopped": False}
        return {"changed": False, "found": True, "phase": drill.phase, "stopped": drill.stopped}

    def begun(self) -> Data:
        if Drill.found(self._params["folder"]) is not None:
            raise BoxliftError(
                "A drill was begun on this host and has not ended.",
                "Run the playbook drill, which takes it back first.",
            )
        mark = CopyMark.read(self._params["mark"])
        mark.confirm(self._params["confirm_domain"] or "")
        site = self._site()
        with connect(site.login, site.name) as conn:
            mark.confirm_database(conn, socket.gethostname())
            before = {**takeback.live_now(site), "seen": leftovers.look(conn, self._places(), own=self._own())}
        drill = Drill.begin(self._params["folder"], socket.gethostname(), self._now, before)
        drill.enter("prepare", self._now)
        return {"changed": True}

    def chosen(self) -> Data:
        drill, site, store = self._drill(), self._site(), self._store()
        known = good_copies(Restic(store))
        if not known:
            raise BoxliftError(
                f"Store {store.name} holds no good copy.", "Make one (playbook backup), and drill again."
            )
        copy = ([each for each in known if not each.damaged] or known)[-1]  # as portal_recover takes it for the latest
        files = copy.bytes("files") + copy.bytes("elsewhere")
        database = sum(each.bytes("database") for each in chain(known, copy))
        with connect(site.login) as conn:
            here = rows(conn, "SELECT VERSION() AS v, @@datadir AS d")[0]
        try:
            drills.refuse_release(str(copy.parts["database"].get("server", "")), str(here["v"]), socket.gethostname())
            places = {
                "files": site.trees.parent,
                "database": str(here["d"]),
                "work": os.path.dirname(self._params["work_dir"]),
            }
            rooms = drills.room_needed(files, database, places, lambda path: os.stat(path).st_dev, free_bytes)
            drills.refuse_room(rooms, socket.gethostname())
        except BoxliftError as error:
            raise BoxliftError(error.message, error.remedy, refused=True, **error.details) from error
        said = status(read_settings(self._params["settings"]), self._now.clock)
        mine: Data = next((each for each in said["stores"] if each["name"] == store.name), {})
        drill.choose(copy.id, files + database, mine.get("restorable_until"), self._now)
        moment = drills.utc(copy.ended)
        return {"changed": True, "copy": {"id": copy.id, "moment": moment, "bytes": files + database}}

    def phase(self) -> Data:
        self._drill().enter(self._params["phase"], self._now)
        return {"changed": True}

    def compared(self) -> Data:
        drill, site, store = self._drill(), self._site(), self._store()
        copy = next((each for each in good_copies(Restic(store)) if each.id == drill.content["copy"]), None)
        if copy is None:
            raise BoxliftError(
                f"The copy {drill.content['copy']} is not in store {store.name} any more.", "Drill again."
            )
        version = disk_modules(PortalFiles(site.document_root)).get("main") or ""
        result = compare(
            copy.noted,
            self._count(site),
            count_files(site.document_root),
            version=str(version),
            unread=len(copy.parts["files"].get("unread") or ()),
            replayed=self._params["replayed"],
        )
        drill.compared(result.as_dict())
        drill.add(*result.findings)
        return {"changed": True, "compared": result.as_dict()}

    def judged(self) -> Data:
        drill = self._drill()
        healthy, notes = drills.judged(self._params["findings"], self._params["findings_before"])
        if healthy:
            drill.healthy(self._now)
        drill.add(*notes)
        return {"changed": True, "healthy": healthy}

    def failed(self) -> Data:
        drill = self._drill()
        if self._params["text"]:
            text = f"{drill.phase or 'drill'}: {self._params['text']}"[:1000]
            drill.add(finding("failed", "fail", text, "Mend what is named, and run the playbook drill again."))
        elif drill.content["left"] is None:  # else only its record is missing
            drill.add(drills.interrupted(drill.phase))
        return {"changed": True}

    def taken_back(self) -> Data:
        drill = self._drill()
        drill.enter("remove", self._now)
        done = takeback.take_back(self._site(), drill.before)
        return {"changed": bool(done), "done": done}

    def clean(self) -> Data:
        drill, site = self._drill(), self._site()
        wrong = takeback.same_portal(site, drill.before)
        with connect(site.login) as conn:
            left, gone = leftovers.compared(drill.before["seen"], leftovers.look(conn, self._places(), own=self._own()))
        if wrong:
            text = f"What was live before the drill is not live as it was: {'; '.join(wrong)}."
            drill.add(finding("not_taken_back", "fail", text, "Playbook status shows what is kept; then rollback."))
        if gone:
            text = f"Gone since the drill began: {', '.join(gone[:10])}."
            drill.add(finding("gone", "fail", text, "Look who removed it; role preproduction builds the host anew."))
        drill.left(left)
        drill.leave(self._now)
        return {"changed": True, "left": left}

    def recorded(self) -> Data:
        record = self._drill().record(self._now)
        return {"changed": False, "drill": record, "text": drills.told(record)}

    def closed(self) -> Data:
        drill = Drill.found(self._params["folder"])
        if drill is not None:
            drill.close()
        return {"changed": drill is not None}

    def _drill(self) -> Drill:
        drill = Drill.found(self._params["folder"])
        if drill is None:
            raise BoxliftError("No drill was begun on this host.", "Run the playbook drill.")
        return drill

    def _site(self) -> takeback.Site:
        option = self._params["database"]
        login = Login.from_params(option)
        database = StagedDatabase(login, option["name"])
        return takeback.Site(
            self._params["document_root"],
            self._params["state_dir"],
            self._params["work_dir"],
            login,
            option["name"],
            database,
        )

    def _store(self) -> Store:
        settings = read_settings(self._params["settings"])
        return settings.store(self._params["store"]) if self._params["store"] else settings.stores[0]

    def _places(self) -> list[tuple[str, int]]:
        parent = os.path.dirname(os.path.realpath(self._params["document_root"]))
        return [*leftovers.PLACES, (parent, 1), (self._params["state_dir"], 1)]

    def _own(self) -> list[str]:
        folder = self._params["folder"]
        # The register of generations is written by the first restore of a host, and stays.
        names = [os.path.join(self._params["state_dir"], each) for each in takeback.registers(self._site())]
        return [folder, os.path.join(folder, "drill.json"), self._params["state_dir"], *names]

    @staticmethod
    def _count(site: takeback.Site) -> dict[str, int]:
        with connect(site.login) as conn:
            found = rows(
                conn,
                "SELECT TABLE_NAME AS n FROM information_schema.TABLES "
                "WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE'",
                (site.name,),
            )
            return {
                each["n"]: int(
                    rows(conn, f"SELECT COUNT(*) AS c FROM {quote_name(site.name)}.{quote_name(each['n'])}")[0]["c"]
                )
                for each in found
            }


STATES = (
    *("found", "begun", "chosen", "phase", "compared", "judged"),
    *("failed", "taken_back", "clean", "recorded", "closed"),
)
#: Those that ask the database.
_AT_DATABASE = ("begun", "chosen", "compared", "taken_back", "clean")


def main() -> None:
    module = Module(
        argument_spec={
            "state": {"type": "str", "required": True, "choices": list(STATES)},
            "document_root": {"type": "path", "default": "/srv/portal/www"},
            "state_dir": {"type": "path", "default": "/var/lib/boxlift/restore"},
            "folder": {"type": "path", "default": "/var/lib/boxlift/drill"},
            "mark": {"type": "path", "default": "/etc/boxlift/preproduction.json"},
            "confirm_domain": {"type": "str"},
            **DATABASE_OPTIONS,
            "settings": {"type": "path", "default": "/etc/boxlift-backup/settings.json"},
            "store": {"type": "str"},
            "work_dir": {"type": "path", "default": "/var/lib/boxlift-recover"},
            "replayed": {"type": "bool", "default": False},
            "phase": {"type": "str"},
            "findings": {"type": "list", "elements": "dict", "default": []},
            "findings_before": {"type": "list", "elements": "dict", "default": []},
            "text": {"type": "str"},
        },
        required_if=[("state", state, ("database",)) for state in _AT_DATABASE] + [("state", "phase", ("phase",))],
    )
    try:
        result = getattr(Steps(module.params), module.params["state"])()
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
