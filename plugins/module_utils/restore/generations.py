# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was live of a portal, kept under numbers, each with a note of what it is.

A number belongs to a portal's state from the day on which it becomes live, whether it is live now or kept. So whoever
names a number always means the same tree and database, and to name what is live already changes nothing.

The register is one file. A switch is announced in it before the first rename and taken off after the last one; so a
killed switch is known, and only one is ever half done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal import life
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import (
    Trees,
    filled,
    put_in,
    remove_tree,
    take_out,
)
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json

if t.TYPE_CHECKING:
    from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase

KEEP = 2  # generations beside the live one
CONFIRM = "-e restore_confirm_domain={domain} (option confirm_domain of backup_restore)"
Note = dict[str, t.Any]


def name_of(live: str) -> str:
    """The name by which files in the state directory belong to this document root."""
    return f"restore-{hashlib.sha256(live.encode()).hexdigest()[:12]}"


class Generations:
    """The register of one document root. Whoever changes it holds the lock of its restores."""

    def __init__(self, trees: Trees, state_dir: str, database: StagedDatabase | None) -> None:
        self._trees = trees
        self._database = database
        self._path = os.path.join(state_dir, f"{name_of(trees.live)}.generations.json")
        empty: dict[str, t.Any] = {"document_root": trees.live, "last": 0, "live": None, "kept": {}, "switch": None}
        self._content = read_json(self._path) or empty

    @property
    def switch(self) -> dict[str, t.Any] | None:
        """The switch that was begun and has not ended: its `kind` (restore or rollback), `incoming` and `outgoing`."""
        found: dict[str, t.Any] | None = self._content["switch"]
        return found

    @property
    def live(self) -> Note | None:
        """The note of what is live, with its `number`; None where nothing of ours is."""
        found: Note | None = self._content["live"]
        return found

    @property
    def kept(self) -> list[Note]:
        """The notes of what can be brought back, the one that was live last first."""
        return [note for note in self._all_kept() if not note.get("removed")]

    def _all_kept(self) -> list[Note]:
        return sorted(self._content["kept"].values(), key=lambda note: (note["until"], note["number"]), reverse=True)

    def listing(self) -> dict[str, t.Any]:
        """For results and people: the number that is live, and the notes without what only this file needs."""
        live = self.live
        return {
            "live": _shown(live) if live else None,
            "kept": [_shown(note) for note in self.kept],
        }

    def recognise(self) -> None:
        """Enter what is kept and not in the register: by earlier versions, or where the register was lost."""
        trees = self._trees.generations()
        databases = self._database.generations() if self._database else []
        live = self.live["number"] if self.live else None
        for number in sorted({*trees, *databases} - {int(key) for key in self._content["kept"]} - {live}):
            tree = self._trees.generation(number)
            until = os.stat(tree).st_ctime if number in trees else 0.0
            self._content["kept"][str(number)] = {
                "number": number,
                "since": None,
                "until": until,
                "why": "kept by an earlier version of this collection, or noted nowhere",
                "tree": number in trees,
                "database": number in databases,
            }
            self._content["last"] = max(self._content["last"], number)
        if live is None and self._anything_live():
            self._content["last"] += 1
            self._content["live"] = {
                "number": self._content["last"],
                "since": None,
                "source": "",
                "why": "was there before the first restore that numbers what it keeps",
            }

    def _anything_live(self) -> bool:
        return filled(self._trees.live) or (self._database is not None and self._database.look("live", None).filled)

    def slot(self) -> int:
        """The number under which the next restore keeps what is live; its own where nothing is."""
        live = self.live
        return int(live["number"]) if live else int(self._content["last"]) + 1

    def signs(self) -> tuple[str, list[life.Sign]]:
        """The live portal's name, and what people have done with it since it became live here.

        Of a portal that no restore of ours put here, whatever people ever did. This host's name stands for a portal
        that states none.
        """
        known = self.live or {}
        signs: list[life.Sign] = []
        domain = ""
        if self._database is not None:
            seen = self._database.look("live", known.get("marks"))
            domain, signs = seen.domain, seen.signs
        if known.get("moment"):
            signs += life.signs_of_files(self._trees.live, known["moment"])
        elif not signs and self._database is None and _is_portal(self._trees.live):
            signs = [life.Sign("portal that no restore of this collection has put there", 1)]
        return domain or os.uname().nodename.lower(), signs

    def refuse_living(self, confirmed: str | None, source: str, how: str = CONFIRM) -> None:
        """Raise BoxliftError if people use the portal that is live, unless `confirmed` is its domain.

        `how` says by which variable and option it is named, with {domain} in it.
        """
        domain, signs = self.signs()
        if not signs:
            return
        if confirmed and confirmed.lower() == domain:
            return
        live = self.live or {}
        known = bool(live.get("marks") or live.get("moment"))
        since = f"since it came here ({life.clock(live['since'])})" if known else "and no restore has put it there"
        wrong = f" confirm_domain is {confirmed}, which is not this portal." if confirmed else ""
        raise BoxliftError(
            f"The portal {domain} in {self._trees.live} is in use, {since}: {life.told(signs)}. "
            f"To restore {source} would take it out of service.{wrong}",
            "Nothing was changed. Check on which host this runs. To replace this portal all the same, name it: "
            f"{how.format(domain=domain)}. What is live is then kept, and playbook boxlift.portal.rollback brings it "
            "back.",
            domain=domain,
            in_use=[dataclasses.asdict(sign) for sign in signs],
        )

    def begin_restore(self, source: str, with_database: bool, result: dict[str, t.Any]) -> None:
        """Announce that what is staged becomes live. Nothing is done where a killed run has done it."""
        if self.switch is not None:
            return
        number = self._content["last"] + 1
        staged = self._database.look("staging", None) if with_database and self._database else None
        now = time.time()
        live = self.live
        note = {
            "number": number,
            "since": now,
            "moment": now,
            "marks": staged.marks if staged else (live or {}).get("marks"),
            "source": source,
            "why": f"restored from {source}",
            "replaced": live["number"] if live else None,
            "files": result["files"],
            "rows": result["rows"],
        }
        self._content["last"] = number
        self._announce("restore", note, f"replaced by a restore of {source}", with_database)

    def begin_rollback(self, number: int) -> None:
        """Announce that this generation becomes live again."""
        note = dict(self._content["kept"][str(number)])
        self._announce("rollback", note, f"replaced by a rollback to generation {number}", note["database"])

    def _announce(self, kind: str, incoming: Note, why: str, with_database: bool) -> None:
        live = self.live
        outgoing = {**live, **self._described(with_database), "why_kept": why} if live else None
        self._content["switch"] = {
            "kind": kind,
            "incoming": incoming,
            "database": with_database,
            "outgoing": outgoing,
        }
        self._write()

    def _described(self, with_database: bool) -> dict[str, t.Any]:
        """What is live, as portal_info says it; what cannot be read of a broken portal is left out."""
        found: dict[str, t.Any] = {"tree": filled(self._trees.live), "database": False}
        try:
            look = self._database.look("live", None) if self._database is not None else None
            if self._database is None or look is None or not look.filled:
                return found
            found["database"], found["domain"] = with_database, look.domain or os.uname().nodename.lower()
            files = PortalFiles(self._trees.live) if found["tree"] and _is_portal(self._trees.live) else None
            told = self._database.describe(files)
            found.update({name: told[name] for name in ("version", "counts", "newest")})
        except BoxliftError as error:
            found["unread"] = error.message
        return found

    def exchange_trees(self) -> None:
        """The staged tree becomes live. Each step looks at what exists."""
        if os.path.isdir(self._trees.staging):
            take_out(self._trees, self._outgoing_number())
            put_in(self._trees, self._trees.staging)

    def _outgoing_number(self) -> int:
        switch = self.switch
        if switch is None:
            raise RuntimeError("a switch was not announced")
        return int((switch["outgoing"] or switch["incoming"])["number"])

    def switch_restored(self) -> None:
        """Do what `begin_restore` announced: the database, then the tree."""
        switch = self.switch
        if switch is not None and switch["database"] and self._database is not None:
            self._database.switch_in(self._outgoing_number())
        self.exchange_trees()

    def commit(self) -> None:
        """The switch is done: note what is live now, and what is kept."""
        switch = self.switch
        if switch is None:
            return
        incoming, outgoing = switch["incoming"], switch["outgoing"]
        self._content["kept"].pop(str(incoming["number"]), None)
        self._content["live"] = {key: value for key, value in incoming.items() if key not in _OF_KEPT}
        if outgoing is not None and (outgoing["tree"] or outgoing["database"]):
            self._content["kept"][str(outgoing["number"])] = {**outgoing, "until": time.time()}
        elif switch["database"] and self._database is not None:
            self._database.drop_generation(self._outgoing_number())  # it holds only the plan of the switch
        self._content["switch"] = None
        self._write()

    def prune(self, keep: int) -> list[int]:
        """Remove all but the last `keep` generations; their numbers."""
        return self._remove(note["number"] for note in self._all_kept()[keep:])

    def drop(self, *numbers: int) -> list[int]:
        """Remove these generations, of those that are kept, and what a killed call has begun to remove."""
        return self._remove(numbers)

    def _remove(self, numbers: t.Iterable[int]) -> list[int]:
        for number in set(numbers) & {int(key) for key in self._content["kept"]}:
            self._content["kept"][str(number)]["removed"] = True
        gone = [note for note in self._all_kept() if note.get("removed")]
        if gone:
            self._write()  # what is being removed is no way back any more
        for note in gone:
            if self._database is not None:
                self._database.drop_generation(note["number"])
            remove_tree(self._trees.generation(note["number"]))
            del self._content["kept"][str(note["number"])]
            self._write()
        return [note["number"] for note in gone]

    def find(self, number: int) -> Note:
        """The note of a generation that can be brought back. Raises BoxliftError where there is none."""
        for note in self.kept:
            if note["number"] == number:
                return note
        shown = ", ".join(str(note["number"]) for note in self.kept) or "none"
        raise BoxliftError(
            f"There is no generation {number} of {self._trees.live}. Kept: {shown}.",
            "Playbook boxlift.portal.status lists what is kept.",
        )

    def drop_switch(self) -> None:
        """The announced switch will not be made: everything is as it was."""
        self._content["switch"] = None
        self._write()

    def _write(self) -> None:
        write_json(self._path, self._content)


# What a note says only while its generation is kept.
_OF_KEPT = ("until", "why_kept", "tree", "database", "version", "counts", "newest", "domain", "unread")
_HIDDEN = ("marks", "moment", "removed")


def _shown(note: Note) -> Note:
    shown = {key: value for key, value in note.items() if key not in _HIDDEN}
    for key in ("since", "until"):
        if shown.get(key):
            shown[key] = life.clock(shown[key])
    return shown


def _is_portal(tree: str) -> bool:
    return any(os.path.isdir(os.path.join(tree, name)) for name in ("bitrix", "local"))
