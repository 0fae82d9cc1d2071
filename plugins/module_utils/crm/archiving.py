# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed records and old files go into an archive, and then, confirmed and proven, out of the portal.

Two runs do it. The first one (`Archiver.store`) chooses, brings everything into the archive with its children and the
contents of its files, reads it back, and makes a plan, whose SHA-256 stands for exactly these versions. The second one
(`Archiver.remove`) is given that sum. It proves each record in the archive and compares it with the portal once more
before it is deleted; what has changed meanwhile is left. Deleting puts records into the portal's recycle bin.

The archive is a store of its own: nobody prunes it, and a pass that reads some records alone must not stand among
those from which the nightly snapshots go on.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.disk import DRIVE, DiskWalk, drive_content, size_of
from ansible_collections.boxlift.portal.plugins.module_utils.crm.past import CHILDREN, REFERENCES, Key, references
from ansible_collections.boxlift.portal.plugins.module_utils.crm.present import Present, got
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Answer, Command, Rest, RestError
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock

Row = dict[str, t.Any]
DAY = 86400.0
AT_ONCE = 50
#: A record that lives on, by what refers to it: these kinds are asked.
REFERRING = ("lead", "deal", "contact", "company", "quote", "invoice")
#: What is deleted first: what belongs to others before them.
ORDER = ("activity", "invoice", "quote", "deal", "lead", "contact", "company", DRIVE)
BIN = "Deleted records lie in the portal's recycle bin: their space is free when an administrator empties it."
#: Where the portal tells the address of a file's content.
_ADDRESSES = ("urlMachine", "url", "DOWNLOAD_URL", "downloadUrl")


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is to be archived."""

    kinds: t.Sequence[str] = ("deal", "lead", "activity")
    #: Days since anything happened to a closed record.
    older_than: float = 365.0
    #: Days since a file of the drive was changed; only where `kinds` has the drive's files.
    files_older_than: float = 365.0
    #: Ids of the storages whose files are looked at; empty for all.
    storages: t.Sequence[int] = ()
    #: At most so many records in one plan; 0 for all.
    limit: int = 0


@dataclasses.dataclass
class Record:
    """A record of a plan: its hash, those of its children, and the sums of its files."""

    kind: str
    id: int
    hash: str
    children: list[tuple[str, int, str]] = dataclasses.field(default_factory=list)
    files: list[tuple[str, str, int]] = dataclasses.field(default_factory=list)
    title: str = ""

    @property
    def key(self) -> Key:
        return (self.kind, self.id)

    def as_list(self) -> list[t.Any]:
        return [self.kind, self.id, self.hash, sorted(map(list, self.children)), sorted(map(list, self.files))]


@dataclasses.dataclass
class Archived:
    """What a run has found and done."""

    #: The sum that a confirmation repeats; empty in check mode, and without records.
    plan: str = ""
    records: list[Record] = dataclasses.field(default_factory=list)
    #: What is not archived, or not removed, and why.
    left: list[Row] = dataclasses.field(default_factory=list)
    #: Records and files that the archive did not have before.
    stored: int = 0
    removed: list[Key] = dataclasses.field(default_factory=list)
    #: Records that were gone already when their turn came.
    gone: list[Key] = dataclasses.field(default_factory=list)

    def leave(self, key: Key, code: str, reason: str) -> None:
        self.left.append({"kind": key[0], "id": key[1], "code": code, "reason": reason})

    def file_bytes(self) -> int:
        return sum(size for record in self.records for _key, _sum, size in record.files)


def plan_sum(host: str, records: t.Iterable[Record]) -> str:
    """The SHA-256 of a plan: of the portal and of every version in it."""
    text = json.dumps([host, sorted(record.as_list() for record in records)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def archive_path(store: str) -> str:
    """The archive that belongs to a store."""
    return f"{store[: -len('.sqlite')] if store.endswith('.sqlite') else store}-archive.sqlite"


class Archiver:
    """Works on one portal and its archive. `fresh` opens the archive anew, to read back what was written."""

    def __init__(
        self,
        rest: Rest,
        archive: Store | None,
        fresh: t.Callable[[], t.ContextManager[Store]] | None,
        *,
        clock: t.Callable[[], float] = time.time,
        tell: t.Callable[..., None] = lambda **_values: None,
    ) -> None:
        self._rest = rest
        # Whoever only chooses needs no archive.
        self._archive = t.cast(Store, archive)
        self._fresh = t.cast("t.Callable[[], t.ContextManager[Store]]", fresh)
        self._present = Present(rest)
        self._clock, self._tell = clock, tell
        self._smart: list[str] | None = None
        self._done = 0

    # -- choosing ----------------------------------------------------------------------------------------------------

    def choose(self, choice: Choice) -> Archived:
        """What would be archived, and what not, with the reason. Reads the portal alone."""
        found = Archived()
        chosen: dict[Key, Row] = {}
        before = self._moment(choice.older_than)
        for kind in [each for each in choice.kinds if each not in ("activity", "contact", "company", DRIVE)]:
            for row in self._closed(kind, before):
                chosen[(kind, int(row["id"]))] = row
        if "activity" in choice.kinds:
            for row in self._completed(before):
                chosen[("activity", int(row["ID"]))] = row
        self._drop_children_of(chosen)
        for kind in ("contact", "company"):
            if kind in choice.kinds:
                chosen.update(self._left_alone(kind, chosen, before))
        self._leave_used(chosen, found)
        if choice.limit and len(chosen) > choice.limit:
            self._limit(chosen, choice)
            # What the bound has left keeps its own contacts; the next plan has them.
            self._leave_used(chosen, Archived())
        if DRIVE in choice.kinds:
            self._choose_files(choice, chosen, found)
        found.records = [Record(*key, "", title=title_of(key, row)) for key, row in chosen.items()]
        return found

    def _moment(self, days: float) -> str:
        moment = datetime.datetime.fromtimestamp(self._clock() - days * DAY, datetime.timezone.utc)
        return moment.isoformat(timespec="seconds")

    @staticmethod
    def _limit(chosen: dict[Key, Row], choice: Choice) -> None:
        """A deal comes before the lead that it came of, and before its contacts, which stay while it does."""
        for key in sorted(chosen, key=lambda key: rank(key[0]))[choice.limit :]:
            del chosen[key]

    def _closed(self, kind: str, before: str) -> t.Iterator[Row]:
        """Records in a stage that ends, to which nothing has happened since."""
        stages = self._final_stages(kind)
        if not stages:
            return
        condition: Row = {"<=updatedTime": before, "@stageId": sorted(stages)}
        times = ("updatedTime", "movedTime", "lastActivityTime")
        wanted = ("id", "title", "stageId", *times, *REFERENCES)
        described = self._present.fields(kind) or {}
        params: Row = {"entityTypeId": kinds.kind(kind).entity_type, "filter": condition}
        for row in self._rest.rows("crm.item.list", {**params, "select": [n for n in wanted if n in described]}):
            if row.get("stageId") in stages and is_old(row, times, before):
                # All that is kept of each: there may be very many.
                yield {name: row[name] for name in ("id", "title", *REFERENCES) if row.get(name)}

    def _final_stages(self, kind: str) -> set[str]:
        """The stages that end a record's way: success and failure."""
        of = kinds.kind(kind)
        prefixes = {"lead": ("STATUS",), "deal": ("DEAL_STAGE", "DEAL_STAGE_"), "quote": ("QUOTE_STATUS",)}
        names = prefixes.get(kind) or (f"DYNAMIC_{of.entity_type}_STAGE_", "SMART_INVOICE_STAGE_")
        if kind == "invoice":
            names = ("SMART_INVOICE_STAGE_",)
        found = set()
        for row in self._present.statuses():
            entity = str(row["ENTITY_ID"])
            mine = any(entity == name or (name.endswith("_") and entity.startswith(name)) for name in names)
            meaning = str(row.get("SEMANTICS") or (row.get("EXTRA") or {}).get("SEMANTICS") or "")
            if mine and meaning.upper()[:1] in ("S", "F", "A"):  # success, failure, apology
                found.add(str(row["STATUS_ID"]))
        return found

    def _completed(self, before: str) -> t.Iterator[Row]:
        condition = {"COMPLETED": "Y", "<=LAST_UPDATED": before}
        wanted = ["ID", "SUBJECT", "COMPLETED", "LAST_UPDATED", "END_TIME", "OWNER_TYPE_ID", "OWNER_ID"]
        params = {"filter": condition, "select": wanted}
        for row in self._rest.rows("crm.activity.list", params):
            if row.get("COMPLETED") == "Y" and is_old(row, ("LAST_UPDATED", "END_TIME"), before):
                yield row

    def _drop_children_of(self, chosen: dict[Key, Row]) -> None:
        """Activities of records that are chosen themselves go with them."""
        for key in [key for key in chosen if key[0] == "activity"]:
            owner = (int(chosen[key].get("OWNER_TYPE_ID") or 0), int(chosen[key].get("OWNER_ID") or 0))
            if owner[0] and (kinds.of_entity_type(owner[0]).name, owner[1]) in chosen:
                del chosen[key]

    def _left_alone(self, kind: str, chosen: t.Mapping[Key, Row], before: str) -> dict[Key, Row]:
        """Contacts or companies of the chosen records; whether others need them is asked later."""
        wanted = {
            int(number)
            for row in chosen.values()
            for field, of in REFERENCES.items()
            if of == kind and field in row
            for number in (row[field] if isinstance(row[field], list) else [row[field]])
            if number
        }
        there = self._present.items(kind, wanted)
        names = ("updatedTime", "lastActivityTime")
        return {(kind, number): row for number, row in there.items() if is_old(row, names, before)}

    # -- whether others need a record --------------------------------------------------------------------------------

    def _leave_used(self, chosen: dict[Key, Row], found: Archived) -> None:
        """Take out what a record that stays refers to. Each one that stays may keep others."""
        waiting = sorted({key for key in chosen if key[0] != "activity"}, key=lambda key: (rank(key[0]), key[1]))
        while waiting:
            used = self._used(waiting, set(chosen))
            for key, reason in used.items():
                found.leave(key, "in_use", reason)
                del chosen[key]
            # What stays keeps its own contacts and companies.
            waiting = [key for key in waiting if key in chosen] if used else []

    def _used(self, keys: t.Sequence[Key], going: t.Collection[Key]) -> dict[Key, str]:
        """Those of these records that somebody needs who stays, and who that is."""
        used: dict[Key, str] = {}
        for kind in dict.fromkeys(key[0] for key in keys):
            numbers = [key[1] for key in keys if key[0] == kind]
            for row in self._present.open_activities(kinds.kind(kind).entity_type or 0, numbers):
                used.setdefault((kind, int(row["OWNER_ID"])), f"it has the open activity {row['ID']}")
            for other, field in self._referring_fields(kind):
                for row in self._present.referring(other, field, numbers):
                    if (other, int(row["id"])) not in going:
                        for key in references(field, row.get(field)):
                            used.setdefault(key, f"it is needed by {other} {row['id']}")
        return {key: used[key] for key in keys if key in used}

    def _referring_fields(self, kind: str) -> t.Iterator[tuple[str, str]]:
        """Kinds and fields that may refer to a kind, of those that the portal has."""
        parent = f"parentId{kinds.kind(kind).entity_type}"
        for other in (*REFERRING, *self._smart_kinds()):
            described = self._present.fields(other)
            if described is None:
                continue
            names = [name for name, of in REFERENCES.items() if of == kind and name in described]
            # Of a list and its first entry the list is asked.
            names = [name for name in names if f"{name}s" not in names]
            if kind == "lead" and other in ("contact", "company"):
                continue  # they only tell where they came from
            for name in [*names, *([parent] if parent in described else [])]:
                yield other, name

    def _smart_kinds(self) -> list[str]:
        if self._smart is None:
            try:
                rows = self._present.all_rows("crm.type.list", {})
            except RestError:
                rows = []  # a portal without smart processes
            numbers = [int(row["entityTypeId"]) for row in rows]
            self._smart = [f"smart:{number}" for number in numbers if number >= kinds.FIRST_SMART]
        return self._smart

    # -- files of the drive ------------------------------------------------------------------------------------------

    def _choose_files(self, choice: Choice, chosen: dict[Key, Row], found: Archived) -> None:
        before = self._moment(choice.files_older_than)
        walk = DiskWalk(self._rest, choice.storages)
        for row in walk.files():
            if choice.limit and len(chosen) >= choice.limit:
                break
            if is_old(row, ("UPDATE_TIME", "CREATE_TIME"), before):
                chosen[(DRIVE, int(row["ID"]))] = row
        for place in walk.unseen:
            found.leave((DRIVE, 0), "not_shown", place)

    # -- storing -----------------------------------------------------------------------------------------------------

    def store(self, choice: Choice) -> Archived:
        """Choose, bring it all into the archive, read it back and make the plan. Nothing is removed."""
        found = self.choose(choice)
        keys, found.records = [record.key for record in found.records], []
        if not keys:
            return found
        with self._archive.new_pass(self._present.host, full=False) as pass_:
            if not pass_.clock:
                pass_.clock = self._moment(0)
            for at in range(0, len(keys), AT_ONCE):
                part = keys[at : at + AT_ONCE]
                # Read anew, whole and with the children; who is gone by now is left out.
                for key, (row, children) in sorted(self._now(part).items(), key=lambda pair: part.index(pair[0])):
                    record = self._put(key, row, children, found)
                    if record is not None:
                        found.records.append(record)
                    self._told("store")
                pass_.settle()
        with self._fresh() as archive:
            for record in found.records:
                self._prove(archive, record)
        for record in found.records:
            # It is there, whatever was done before: the portal may have been put back since.
            self._archive.set_note(f"archived {record.kind} {record.id}", None)
        if found.records:
            found.plan = plan_sum(self._present.host, found.records)
            # One plan at a time: of two, only the later one is known to be what people have read last.
            self._archive.set_note("plan", self._noted(found))
        return found

    def _noted(self, found: Archived) -> Row:
        # No titles: notes are not sealed.
        records = [record.as_list() for record in found.records]
        return {"sum": found.plan, "host": self._present.host, "at": self._clock(), "records": records}

    def _children(self, keys: t.Sequence[Key]) -> dict[Key, list[tuple[str, int, Row]]]:
        """The children of records as they are in the portal now."""
        owners = {key: (kinds.kind(key[0]).entity_type or 0, key[1]) for key in keys if kinds.kind(key[0]).is_item}
        places = list(owners.values())
        activities = self._present.activities_of(places)
        comments = self._present.comments_of(places)
        rows = self._present.product_rows_of(places)
        return {
            key: [
                *(("activity", int(row["ID"]), row) for row in activities.get(place, [])),
                *(("comment", int(row["ID"]), row) for row in comments.get(place, [])),
                *(("productrow", int(row["id"]), row) for row in rows.get(place, [])),
            ]
            for key, place in owners.items()
        }

    def _put(self, key: Key, row: Row, children: t.Sequence[tuple[str, int, Row]], found: Archived) -> Record | None:
        """Put a record with all that belongs to it into the pass; None where a file of it cannot be had."""
        content = drive_content(row) if key[0] == DRIVE else row
        record = Record(*key, digest(key[0], content), title=title_of(key, row))
        try:
            for kind, _number, each in [(key[0], key[1], row), *children]:
                record.files += self._fetch(kind, each, found)
        except RestError as error:
            found.leave(key, "file_unread", f"a file of it could not be fetched: {error.message}")
            return None
        found.stored += self._archive.put(*key, content) != "same"
        for kind, number, each in children:
            found.stored += self._archive.put(kind, number, each) != "same"
            record.children.append((kind, number, digest(kind, each)))
        if kinds.kind(key[0]).is_item:
            present = {(kind, number) for kind, number, _row in children}
            for kind in CHILDREN:
                former = self._archive.child_ids(kind, kinds.kind(key[0]).entity_type or 0, key[1])
                self._archive.gone(kind, [number for number in former if (kind, number) not in present])
        return record

    def _fetch(self, kind: str, row: Row, found: Archived) -> list[tuple[str, str, int]]:
        """Keys, sums and sizes of the files that a record names, whose contents the archive then has."""
        named = [row] if kind == DRIVE else list(kinds.files_in(row))
        files = []
        for file in named:
            key = kinds.file_key(kind, {"id": file["ID"]} if kind == DRIVE else file)
            kept = self._archive.file(key)
            if kept is None or kind == DRIVE:
                address = next((str(file[name]) for name in _ADDRESSES if file.get(name)), "")
                if not address:
                    raise RestError(f"the portal tells no address of file {key}.", code="NO_ADDRESS")
                if address.startswith("/"):
                    address = f"https://{self._rest.name}{address}"
                former = kept and kept.sha256
                kept = self._archive.put_file(key, str(file.get("name") or file.get("NAME") or ""), self._into(address))
                found.stored += kept.sha256 != former
                if kind == DRIVE and file.get("SIZE") and kept.size != size_of(file):
                    raise RestError(f"{kept.size} bytes came, the portal states {file['SIZE']}.", code="WRONG_SIZE")
            files.append((key, kept.sha256, kept.size))
        return files

    def _into(self, address: str) -> t.Callable[[t.BinaryIO], object]:
        return lambda out: self._rest.fetch_file(address, out)

    # -- proof -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _prove(archive: Store, record: Record) -> None:
        """Read the record, its children and its files back. Raises BoxliftError where one is not as planned."""
        for kind, number, expected in [(record.kind, record.id, record.hash), *record.children]:
            content = archive.record(kind, number)
            if content is None or digest(kind, content) != expected:
                raise BoxliftError(
                    f"The archive {archive.path} does not hold the planned version of {kind} {number}.",
                    "Run again without confirm: it is stored anew, and a new plan is made.",
                    code="not_proven",
                )
        for key, sha256, size in record.files:
            with archive.open_file(sha256) as source:
                if source.seek(0, 2) != size:
                    raise BoxliftError(
                        f"The archive {archive.path} holds file {key} with another size.",
                        "Run again without confirm: it is stored anew, and a new plan is made.",
                        code="not_proven",
                    )

    # -- removing ----------------------------------------------------------------------------------------------------

    def remove(self, plan: str, check: bool = False) -> Archived:
        """Remove what the plan names, as far as it is proven and unchanged; with `check` only say so.

        May be killed at any point and run again with the same plan.
        """
        noted = self._archive.note("plan")
        if noted is None or (noted["sum"], noted["host"]) != (plan, self._present.host):
            raise BoxliftError(
                f"The archive {self._archive.path} has no plan {plan} of {self._present.host}.",
                "Run without confirm, read its plan, and repeat the sum that it returns. Only the last plan counts.",
                code="no_plan",
            )
        records = [
            Record(kind, number, hash_, [tuple(each) for each in children], [tuple(each) for each in files])
            for kind, number, hash_, children, files in noted["records"]
        ]
        if plan_sum(noted["host"], records) != plan:
            raise BoxliftError(
                f"The plan {plan} in {self._archive.path} was altered.", "Run without confirm again.", code="no_plan"
            )
        found = Archived(plan, records)
        going = {record.key for record in records}
        records = sorted(records, key=lambda record: (rank(record.kind), record.id))
        lock = Lock(f"{self._archive.path}.remove.lock", f"What the archive {self._archive.path} plans to remove")
        with lock, self._fresh() as archive:
            # Of each kind by itself: what a kind leaves keeps records of those that follow.
            for kind in dict.fromkeys(record.kind for record in records):
                pending = [record for record in records if record.kind == kind and self._pending(record, found)]
                for at in range(0, len(pending), AT_ONCE):
                    self._remove_some(archive, pending[at : at + AT_ONCE], going, found, check)
        return found

    def _pending(self, record: Record, found: Archived) -> bool:
        noted = self._archive.note(f"archived {record.kind} {record.id}")
        if noted and noted["state"] == "removed":
            found.gone.append(record.key)
            return False
        return True

    def _remove_some(
        self, archive: Store, records: t.Sequence[Record], going: set[Key], found: Archived, check: bool
    ) -> None:
        same = []
        now = self._now([record.key for record in records])
        for record in records:
            reason = self._differs(record, now)
            if reason is None:
                same.append(record)
            elif reason:
                found.leave(record.key, "changed", reason)
                going.discard(record.key)
            else:
                noted = self._archive.note(f"archived {record.kind} {record.id}")
                (found.removed if noted else found.gone).append(record.key)
                if not check:
                    self._note(record, "removed", found.plan)
        items = [record.key for record in same if kinds.kind(record.kind).is_item]
        used = self._used(items, going) if items else {}
        for key, reason in used.items():
            found.leave(key, "in_use", reason)
            going.discard(key)
        same = [record for record in same if record.key not in used]
        for record in same:
            self._prove(archive, record)
        if check:
            found.removed += [record.key for record in same]
            return
        for record in same:
            self._note(record, "removing", found.plan)
        outcomes = self._rest.batch([deletion(record.key) for record in same])
        refused = {record.key: outcome for record, outcome in zip(same, outcomes) if not isinstance(outcome, Answer)}
        there = self._there(list(refused))
        for record in same:
            outcome = refused.get(record.key)
            if outcome is not None and record.key in there:
                if not isinstance(outcome, RestError):
                    raise outcome
                found.leave(record.key, "refused", outcome.message)
                self._archive.set_note(f"archived {record.kind} {record.id}", None)
                going.discard(record.key)
                continue
            self._note(record, "removed", found.plan)
            found.removed.append(record.key)
            self._told("remove")

    def _note(self, record: Record, state: str, plan: str) -> None:
        noted = {"state": state, "plan": plan, "at": self._clock()}
        self._archive.set_note(f"archived {record.kind} {record.id}", noted)

    def _now(self, keys: t.Sequence[Key]) -> dict[Key, tuple[Row, list[tuple[str, int, Row]]]]:
        """What stands in the portal now of records and files, with the children."""
        found: dict[Key, tuple[Row, list[tuple[str, int, Row]]]] = {}
        for kind in dict.fromkeys(key[0] for key in keys):
            numbers = [key[1] for key in keys if key[0] == kind]
            rows = self._files_now(numbers) if kind == DRIVE else self._present.records(kind, numbers)
            children = self._children([(kind, number) for number in rows])
            found.update({(kind, number): (row, children.get((kind, number), [])) for number, row in rows.items()})
        return found

    def _files_now(self, numbers: t.Sequence[int]) -> dict[int, Row]:
        found = {}
        for number, outcome in zip(
            numbers, self._rest.batch([Command("disk.file.get", {"id": each}) for each in numbers])
        ):
            if isinstance(outcome, RestError) and outcome.code.upper() == "ERROR_NOT_FOUND":
                continue
            row = got(outcome).result
            if str(row.get("DELETED_TYPE") or 0) == "0":
                found[number] = row
        return found

    def _there(self, keys: t.Sequence[Key]) -> set[Key]:
        """Those of these records that the portal has."""
        found: set[Key] = set()
        for kind in {key[0] for key in keys}:
            numbers = [key[1] for key in keys if key[0] == kind]
            there = set(self._files_now(numbers)) if kind == DRIVE else self._present.existing(kind, numbers)
            found |= {(kind, number) for number in there}
        return found

    @staticmethod
    def _differs(record: Record, now: t.Mapping[Key, tuple[Row, list[tuple[str, int, Row]]]]) -> str | None:
        """Why the record may not be removed; None where it may, an empty text where it is gone."""
        if record.key not in now:
            return ""
        row, children = now[record.key]
        if digest(record.kind, drive_content(row) if record.kind == DRIVE else row) != record.hash:
            return "it has changed since it was stored"
        then = {(kind, number): hash_ for kind, number, hash_ in record.children}
        for kind, number, each in children:
            if (kind, number) not in then:
                return f"it has a new {kind} ({number}) since it was stored"
            if then.pop((kind, number)) != digest(kind, each):
                return f"its {kind} {number} has changed since it was stored"
        lost = next(iter(then), None)
        return f"its {lost[0]} {lost[1]} is gone since it was stored" if lost else None

    def _told(self, phase: str) -> None:
        self._done += 1
        self._tell(phase=phase, rows=self._done)


def digest(kind: str, content: t.Mapping[str, t.Any]) -> str:
    """The hash by which a record is known again."""
    return kinds.hash_of(kind, kinds.kept(content)).hex()


def rank(kind: str) -> int:
    """What is removed first."""
    return ORDER.index(kind) if kind in ORDER else ORDER.index("deal")


def is_old(row: t.Mapping[str, t.Any], names: t.Sequence[str], before: str) -> bool:
    """Whether every one of these moments is known or absent, and none is later."""
    limit = kinds.instant(before) or 0.0
    moments = [kinds.instant(row[name]) for name in names if row.get(name)]
    return bool(moments) and all(moment is not None and moment <= limit for moment in moments)


def title_of(key: Key, row: t.Mapping[str, t.Any]) -> str:
    """What people know the record by."""
    return str(row.get(kinds.kind(key[0]).title) or row.get("title") or "")[:80]


def deletion(key: Key) -> Command:
    """What removes a record."""
    if key[0] == DRIVE:
        return Command("disk.file.markdeleted", {"id": key[1]})
    if key[0] == "activity":
        return Command("crm.activity.delete", {"id": key[1]})
    return Command("crm.item.delete", {"entityTypeId": kinds.kind(key[0]).entity_type, "id": key[1]})
