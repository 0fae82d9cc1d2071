# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in a portal now, asked for chosen records: by id, by owner, by origin. Nothing here writes."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import (
    Answer,
    Command,
    Denied,
    Rest,
    RestError,
)

Row = dict[str, t.Any]
#: Rows in one page, which no method lets anybody change.
PAGE = 50
ORIGINATOR = "boxlift:"
#: As snapshots read them, so that hashes are equal.
ACTIVITY_SELECT = ["*", "COMMUNICATIONS"]


class Present:
    """Reads from one portal. What does not change during a run is asked once."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self.host = rest.name
        self._fields: dict[str, dict[str, Row] | None] = {}
        self._statuses: list[Row] | None = None
        self._users: dict[int, Row | None] = {}

    @property
    def originator(self) -> str:
        """Marks records that a restore has made from others of this very portal."""
        return ORIGINATOR + self.host

    # -- records -----------------------------------------------------------------------------------------------------

    def items(self, kind: str, ids: t.Iterable[int], select: t.Sequence[str] = ("*",)) -> dict[int, Row]:
        """The records of these ids that exist. A kind that the portal does not have gives none."""
        of = kinds.kind(kind)
        if not of.is_item:
            raise ValueError(f"{kind} is no item")
        params = {"entityTypeId": of.entity_type, "select": list(select), "useOriginalUfNames": "Y"}
        found: dict[int, Row] = {}
        for rows in self._by_ids("crm.item.list", params, "@id", ids):
            found.update({int(row["id"]): row for row in rows})
        return found

    def activities(self, ids: t.Iterable[int]) -> dict[int, Row]:
        """The activities of these ids that exist."""
        found: dict[int, Row] = {}
        for rows in self._by_ids("crm.activity.list", {"select": ACTIVITY_SELECT}, "@ID", ids):
            found.update({int(row["ID"]): row for row in rows})
        return found

    def records(self, kind: str, ids: t.Iterable[int]) -> dict[int, Row]:
        """`items` or `activities`, as the kind demands."""
        return self.activities(ids) if kind == "activity" else self.items(kind, ids)

    def existing(self, kind: str, ids: t.Iterable[int]) -> set[int]:
        """Those of these ids that exist."""
        if kind != "activity":
            return set(self.items(kind, ids, ("id",)))
        pages = self._by_ids("crm.activity.list", {"select": ["ID"]}, "@ID", ids)
        return {int(row["ID"]) for page in pages for row in page}

    def by_origin(self, kind: str, ids: t.Collection[int]) -> dict[int, int]:
        """Of records that a restore has made: the id in the snapshot, and the one now."""
        if kind == "activity":
            select = ["ID", "ORIGIN_ID", "ORIGINATOR_ID"]
            fixed: Row = {"ORIGINATOR_ID": self.originator}
            pages = self._by_ids("crm.activity.list", {"select": select}, "@ORIGIN_ID", ids, fixed)
            rows = [(row["ORIGINATOR_ID"], row["ORIGIN_ID"], row["ID"]) for page in pages for row in page]
        else:
            names = ["id", "originatorId", "originId"]
            params = {"entityTypeId": kinds.kind(kind).entity_type, "select": names}
            pages = self._by_ids("crm.item.list", params, "@originId", ids, {"originatorId": self.originator})
            rows = [(row.get("originatorId"), row.get("originId"), row["id"]) for page in pages for row in page]
        found: dict[int, int] = {}
        for originator, origin, number in rows:
            # A portal ignores a filter that it does not know, and would then answer with all records.
            if originator == self.originator and str(origin).isdecimal() and int(origin) in ids:
                found[int(origin)] = min(int(number), found.get(int(origin), int(number)))
        return found

    def newest(self, kind: str) -> tuple[int, str]:
        """Id and createdTime of the record with the highest id: nothing older can be imported with its date."""
        params: Row = {"entityTypeId": kinds.kind(kind).entity_type, "order": {"id": "DESC"}, "start": -1}
        answer = self.rest.call("crm.item.list", {**params, "select": ["id", "createdTime"]})
        rows = rows_of(answer.result)
        return (int(rows[0]["id"]), str(rows[0]["createdTime"])) if rows else (0, "")

    def _by_ids(
        self, method: str, params: Row, name: str, ids: t.Iterable[int], fixed: Row | None = None
    ) -> t.Iterator[list[Row]]:
        wanted = sorted({int(each) for each in ids})
        parts = [wanted[at : at + PAGE] for at in range(0, len(wanted), PAGE)]
        values = [[str(each) for each in part] if fixed is not None else part for part in parts]
        commands = [Command(method, {**params, "filter": {**(fixed or {}), name: value}}) for value in values]
        for outcome in self.rest.batch(commands):
            yield rows_of(got(outcome).result)

    # -- children ----------------------------------------------------------------------------------------------------

    def activities_of(self, owners: t.Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[Row]]:
        """The activities of owners, each a pair of entity type and id; one command for many owners of a type."""
        parts = []
        for type_ in dict.fromkeys(pair[0] for pair in owners):
            numbers = [number for of, number in owners if of == type_]
            parts += [(type_, numbers[at : at + PAGE]) for at in range(0, len(numbers), PAGE)]
        params: Row = {"order": {"ID": "ASC"}, "select": ACTIVITY_SELECT}
        commands = [
            Command("crm.activity.list", {**params, "filter": {"OWNER_TYPE_ID": type_, "@OWNER_ID": part}})
            for type_, part in parts
        ]
        found: dict[tuple[int, int], list[Row]] = {pair: [] for pair in owners}
        for rows in self._all_pages(commands):
            for row in rows:
                # A portal ignores a filter that it does not know, and would then answer with all rows.
                pair = (int(row.get("OWNER_TYPE_ID") or 0), int(row.get("OWNER_ID") or 0))
                if pair in found:
                    found[pair].append(row)
        return found

    def bindings_of(self, activities: t.Sequence[int]) -> dict[int, set[tuple[int, int]]]:
        """Of activities: entity types and ids of all that they belong to."""
        commands = [Command("crm.activity.binding.list", {"activityId": number}) for number in activities]
        answers = self.rest.batch(commands) if commands else []
        return {
            number: {(int(row["entityTypeId"]), int(row["entityId"])) for row in rows_of(got(answer).result)}
            for number, answer in zip(activities, answers)
        }

    def comments_of(self, owners: t.Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[Row]]:
        """The comments on owners, each a pair of entity type and id."""
        commands = [
            Command(
                "crm.timeline.comment.list",
                {
                    "order": {"ID": "ASC"},
                    "filter": {"ENTITY_TYPE": kinds.of_entity_type(type_).timeline_name, "ENTITY_ID": number},
                    "select": ["ID", "ENTITY_ID", "ENTITY_TYPE", "CREATED", "AUTHOR_ID", "COMMENT", "FILES"],
                },
            )
            for type_, number in owners
        ]
        return dict(zip(owners, self._all_pages(commands)))

    def product_rows_of(self, owners: t.Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[Row]]:
        """The product rows of owners, each a pair of entity type and id; kinds that have none are left out.

        The method demands exactly one owner.
        """
        asked = [each for each in owners if has_rows(each[0])]
        commands = [
            Command(
                "crm.item.productrow.list",
                {
                    "order": {"id": "ASC"},
                    "filter": {"=ownerType": kinds.of_entity_type(type_).owner_code, "=ownerId": number},
                },
            )
            for type_, number in asked
        ]
        return dict(zip(asked, self._all_pages(commands)))

    def referring(self, kind: str, field: str, numbers: t.Sequence[int]) -> list[Row]:
        """Id and field of all records of a kind that refer to one of these numbers by this field."""
        params: Row = {"entityTypeId": kinds.kind(kind).entity_type, "select": ["id", field], "order": {"id": "ASC"}}
        parts = [list(numbers[at : at + PAGE]) for at in range(0, len(numbers), PAGE)]
        commands = [Command("crm.item.list", {**params, "filter": {f"@{field}": part}}) for part in parts]
        return [row for rows in self._all_pages(commands) for row in rows]

    def open_activities(self, entity_type: int, numbers: t.Sequence[int]) -> list[Row]:
        """ID and OWNER_ID of the activities of these records that are not completed."""
        parts = [list(numbers[at : at + PAGE]) for at in range(0, len(numbers), PAGE)]
        fixed = {"OWNER_TYPE_ID": entity_type, "COMPLETED": "N"}
        params: Row = {"select": ["ID", "OWNER_ID", "COMPLETED"], "order": {"ID": "ASC"}}
        commands = [Command("crm.activity.list", {**params, "filter": {**fixed, "@OWNER_ID": part}}) for part in parts]
        return [row for rows in self._all_pages(commands) for row in rows if row.get("COMPLETED") == "N"]

    def _all_pages(self, commands: t.Sequence[Command]) -> list[list[Row]]:
        """The rows of each command, over all its pages."""
        found: list[list[Row]] = [[] for _each in commands]
        waiting = list(enumerate(commands))
        while waiting:
            following = []
            for (place, command), outcome in zip(waiting, self.rest.batch([command for _place, command in waiting])):
                answer = got(outcome)
                found[place] += rows_of(answer.result)
                if answer.next is not None:
                    following.append((place, Command(command.method, {**command.params, "start": answer.next})))
            waiting = following
        return found

    def all_rows(self, method: str, params: Row) -> list[Row]:
        """Every row of a short list."""
        return self._all_pages([Command(method, params)])[0]

    # -- what the portal knows ---------------------------------------------------------------------------------------

    def fields(self, kind: str) -> dict[str, Row] | None:
        """The fields of a kind by their names; None where the portal does not have the kind."""
        if kind not in self._fields:
            params = {"entityTypeId": kinds.kind(kind).entity_type, "useOriginalUfNames": "Y"}
            try:
                found = self.rest.call("crm.item.fields", params).result
            except RestError as error:
                if error.code.upper() not in ("NOT_FOUND", "ENTITY_TYPE_NOT_SUPPORTED"):
                    raise
                found = None
            described = (found or {}).get("fields", found)
            # With original names, what crm.item.fields calls ufCrm… has that name as upperName.
            self._fields[kind] = described and {
                (str(row.get("upperName") or name) if name.startswith("uf") else name): row
                for name, row in described.items()
            }
        return self._fields[kind]

    def statuses(self) -> list[Row]:
        """All statuses and stages."""
        if self._statuses is None:
            self._statuses = self.all_rows("crm.status.list", {"order": {"ID": "ASC"}})
        return self._statuses

    def status_ids(self, entity: str) -> set[str]:
        """The ids that a list of statuses has."""
        return {str(row["STATUS_ID"]) for row in self.statuses() if row["ENTITY_ID"] == entity}

    def users(self, ids: t.Iterable[int]) -> set[int]:
        """Those of these users that the portal knows, at work or dismissed."""
        wanted = {int(each) for each in ids}
        asked = sorted(wanted - set(self._users))
        parts = [asked[at : at + PAGE] for at in range(0, len(asked), PAGE)]
        for part, outcome in zip(parts, self.rest.batch([Command("user.get", {"FILTER": {"ID": p}}) for p in parts])):
            known = {int(row["ID"]): row for row in rows_of(got(outcome).result)}
            self._users.update({number: known.get(number) for number in part})
        return {number for number in wanted if self._users[number] is not None}

    def products(self, ids: t.Iterable[int]) -> set[int]:
        """Those of these products that the catalogue does not lack; all where the portal does not tell."""
        wanted = sorted({int(each) for each in ids})
        found = set()
        for number, outcome in zip(
            wanted, self.rest.batch([Command("crm.product.get", {"id": each}) for each in wanted])
        ):
            # Only a plain refusal says that there is none: a right or a method that is missing says nothing.
            if not isinstance(outcome, RestError) or isinstance(outcome, Denied) or "METHOD" in outcome.code.upper():
                found.add(number)
        return found

    def administrator(self) -> bool:
        """Whether the webhook's account may import: only an administrator may."""
        return bool(self.rest.call("user.admin").result)

    def imports(self, kind: str) -> bool:
        """Whether the portal has crm.item.import. Without fields it does nothing; `method.get` does not know."""
        try:
            self.rest.call("crm.item.import", {"entityTypeId": kinds.kind(kind).entity_type}, repeat=True)
        except RestError as error:
            return error.code.upper() not in ("ERROR_METHOD_NOT_FOUND", "METHOD_NOT_FOUND")
        return True


def got(outcome: t.Any) -> Answer:
    """The answer; raises what stands in its place."""
    if isinstance(outcome, Answer):
        return outcome
    raise outcome


def rows_of(result: t.Any) -> list[Row]:
    """The rows of a list's result, in whichever envelope the method puts them."""
    if isinstance(result, dict):
        inner = [each for name, each in result.items() if name in ("items", "productRows", "categories", "types")]
        return rows_of(inner[0]) if inner else []
    return [row for row in result or [] if isinstance(row, dict)]


def has_rows(entity_type: int) -> bool:
    """Whether records of this type may have product rows."""
    owners = kinds.KINDS["productrow"].owners
    return entity_type >= kinds.FIRST_SMART or kinds.of_entity_type(entity_type).name in owners
