# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a record of the target says the same as its counterpart in the source, whatever their ids are.

This is the proof's own translation. It looks up what both portals call a value, and never asks the writer's mapping
what it has made of it: what that got wrong would be wrong here too.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import FORWARD
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.mapping import (
    COMMENT_HEAD,
    DERIVED,
    KIND_OF,
    PEOPLE,
    REFERENCES,
    TIMES,
    Field,
    Names,
    entity_type_of,
    id_in_key,
    key_names,
    kind_of,
    number_of,
    yes,
)

Row = t.Mapping[str, t.Any]

#: Why a value cannot be the same. The sentences stand in the list for people.
UPDATED = "The portal sets the time and the author of the last change itself."
MOVED = "A stage that was changed after the record was made has the time of that change in the target."
COMPUTED = "The portal computes this field itself."
ACTIVITY_NATURE = "The portal sets author and times of an activity itself."
DEFAULTS = "The source has nothing there, and the portal fills in its own."
FALLBACK = "The user does not exist in the target; the option fallback_user stands in."
REFERRED_TO = "It refers to a record that was left behind."

SAME = None
DIFFERENT = ""
#: SAME, DIFFERENT, or why it differs.
Verdict = t.Optional[str]

_UPDATES = ("updatedTime", "updatedBy")
_MOVES = ("movedTime", "movedBy")
_ACTIVITY_USERS = ("RESPONSIBLE_ID", "AUTHOR_ID", "EDITOR_ID")
_ACTIVITY_NATURE = frozenset({"CREATED", "LAST_UPDATED", "AUTHOR_ID", "EDITOR_ID", "ASSOCIATED_ENTITY_ID"})
_ACTIVITY_SKIPPED = frozenset({"FILES", "OWNER_TYPE_ID"})
# What the portal gives an activity where nobody has said it; of old ones the source may have nothing.
_ACTIVITY_DEFAULTS = frozenset(
    {
        "PROVIDER_ID",
        "PROVIDER_TYPE_ID",
        "PROVIDER_GROUP_ID",
        "START_TIME",
        "END_TIME",
        "DEADLINE",
        "STATUS",
        "COMPLETED",
    }
    | {"PRIORITY", "DIRECTION", "DESCRIPTION_TYPE", "NOTIFY_TYPE", "NOTIFY_VALUE", "AUTOCOMPLETE_RULE"}
    | {"RESULT_MARK", "RESULT_STATUS", "RESULT_STREAM", "IS_INCOMING_CHANNEL"}
)
_CHILD_KEYS = frozenset({"id", "ID", "ownerId", "ownerType", "ownerTypeId", "xmlId"})
_LONGEST = 200


class Difference(t.NamedTuple):
    field: str
    source: str
    target: str
    explained: str  # empty for a mismatch


class Ids(t.Protocol):
    """The id map, as far as it is asked here. It names kinds as the cloud does."""

    direction: str

    def target_of(self, kind: str, source_id: int) -> int | None: ...

    def maximum(self, kind: str) -> int: ...


class _Plan(t.NamedTuple):
    there: str  # the field's name in the target
    field: Field
    field_there: Field
    plain: bool  # equal values mean the same, whoever has them
    left_out: bool


class Meaning:
    def __init__(self, source: Names, target: Names, ids: Ids, fallback_user: int | None = None) -> None:
        self.source, self.target, self._ids, self._fallback = source, target, ids, fallback_user
        self._emails = {user.email for user in target.users.values() if user.email}
        self._kinds: dict[str, str | None] = {}
        self._plans: dict[str, dict[str, _Plan]] = {}

    # -- kinds

    def target_kind(self, kind: str) -> str | None:
        """The same kind in the target: smart processes may have another number there. None if it has none."""
        if not kind.startswith("smart:"):
            return kind
        if kind not in self._kinds:
            number = entity_type_of(kind)
            title = self.source.types.get(number, (0, ""))[1]
            same = [each for each, (_id, other) in self.target.types.items() if title and other == title]
            found = number if number in same or (number in self.target.types and not same) else None
            found = same[0] if found is None and len(same) == 1 else found
            # Stores of portals that tell nothing of their types: the numbers are all there is.
            found = number if found is None and not self.target.types else found
            self._kinds[kind] = None if found is None else kind_of(found)
        return self._kinds[kind]

    def key(self, kind: str) -> str:
        """What the id map calls a kind of the source."""
        return kind if self._ids.direction == FORWARD else self.target_kind(kind) or kind

    def target_of(self, kind: str, number: int) -> int | None:
        return self._ids.target_of(self.key(kind), number)

    # -- records

    def differences(self, kind: str, source: tuple[int, Row], target: tuple[int, Row]) -> list[Difference]:
        """What is not the same in two records, each with its id. The transfer's own keys are left out."""
        if kind == "activity":
            return self._activity(source, target)
        (source_id, ours), (target_id, theirs) = source, target
        target_kind = self.target_kind(kind) or kind
        plans = self._plans.setdefault(kind, {})
        found = []
        named = set()
        for name in (*ours, *theirs):
            plan = plans.get(name)
            if plan is None:
                plan = plans[name] = self._planned(kind, target_kind, name)
            if plan.there in named:
                continue
            named.add(plan.there)
            if plan.left_out:
                continue
            one, other = ours.get(name), theirs.get(plan.there)
            if plan.plain and one == other:
                continue
            field, field_there = plan.field, plan.field_there
            verdict = self._value(kind, target_kind, field, field_there, one, other, ours, theirs)
            if verdict == DIFFERENT:
                if name in _UPDATES:
                    verdict = UPDATED
                elif name in _MOVES:
                    verdict = MOVED
                elif field.read_only and name not in (*TIMES, *PEOPLE, "id"):
                    verdict = COMPUTED
            if verdict is not SAME:
                found.append(Difference(name, told(one), told(other), verdict))
        return found + self._origin(kind, target_kind, source_id, ours, target_id, theirs)

    def _planned(self, kind: str, target_kind: str, name: str) -> _Plan:
        """How values of a field are compared."""
        there = self._name_there(kind, name)
        field = self.source.fields.get(kind, {}).get(name)
        field_there = self.target.fields.get(target_kind, {}).get(there)
        field = field or field_there or Field(name, "")
        skipped = (kinds.kind(kind).volatile | DERIVED) - {*_UPDATES}
        translated = (
            name in (*PEOPLE, "assignedById", "observers", "stageId", "categoryId")
            or field.type in ("user", "employee", "crm", "crm_category", "crm_status", "enumeration", "file")
            or bool(_refers_to(field))
        )
        field_there = field_there or dataclasses.replace(field, name=there)
        return _Plan(there, field, field_there, not translated, name in skipped or name in key_names(kind))

    def _name_there(self, kind: str, name: str) -> str:
        """Numbers of smart processes are part of some names."""
        parent = re.fullmatch(r"parentId(\d+)", name)
        if parent:
            there = self.target_kind(kind_of(int(parent[1])))
            return f"parentId{entity_type_of(there)}" if there else name
        if kind.startswith("smart:") and name.startswith("UF_CRM_"):
            ours = self.source.types.get(entity_type_of(kind), (0, ""))[0]
            theirs = self.target.types.get(entity_type_of(self.target_kind(kind) or kind), (0, ""))[0]
            if ours and theirs:
                return re.sub(rf"^UF_CRM_{ours}_", f"UF_CRM_{theirs}_", name)
        return name

    def _origin(
        self, kind: str, target_kind: str, source_id: int, ours: Row, target_id: int, theirs: Row
    ) -> list[Difference]:
        """Somebody else's origin must be the same; ours may stand in its place only where there is none."""
        names, names_there = key_names(kind), key_names(target_kind)
        mine = [str(ours.get(name) or "") for name in names]
        other = [str(theirs.get(name) or "") for name in names_there]
        if mine == other or id_in_key(kind, self.target.host, ours) == target_id:
            return []
        if not any(mine) and id_in_key(target_kind, self.source.host, theirs) == source_id:
            return []
        return [Difference(names[-1], told(" ".join(mine).strip()), told(" ".join(other).strip()), DIFFERENT)]

    def _activity(self, source: tuple[int, Row], target: tuple[int, Row]) -> list[Difference]:
        (source_id, ours), (target_id, theirs) = source, target
        skipped = (kinds.kind("activity").volatile | _ACTIVITY_SKIPPED | {"ID"}) - _ACTIVITY_NATURE
        found = []
        for name in sorted(ours.keys() | theirs.keys()):
            if name in skipped or name in key_names("activity"):
                continue
            one, other = ours.get(name), theirs.get(name)
            if name == "OWNER_ID":
                same = self._same_record(_owner(ours), _owner(theirs))
            elif name == "BINDINGS":
                same = _all_same(self._same_record, _bindings(one), _bindings(other))
            elif name == "COMMUNICATIONS":
                same = self._communications(one, other)
            elif name in _ACTIVITY_USERS:
                same = self._user(number_of(one), number_of(other))
            else:
                numeric = name in kinds.kind("activity").numeric
                same = SAME if kinds.same_value(one, other, name, numeric=numeric) else DIFFERENT
            if same == DIFFERENT and name in _ACTIVITY_NATURE:
                same = ACTIVITY_NATURE
            elif same == DIFFERENT and name in _ACTIVITY_DEFAULTS and kinds.is_empty(one):
                same = SAME if other in ("0", "N", 0) else DEFAULTS
            if same is not SAME:
                found.append(Difference(name, told(one), told(other), same))
        return found + self._origin("activity", "activity", source_id, ours, target_id, theirs)

    def _communications(self, one: t.Any, other: t.Any) -> Verdict:
        def parts(value: t.Any) -> list[Row]:
            return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

        def same(a: Row, b: Row) -> Verdict:
            if (a.get("TYPE") or "", a.get("VALUE") or "") != (b.get("TYPE") or "", b.get("VALUE") or ""):
                return DIFFERENT
            return self._same_record(_entity(a), _entity(b))

        return _all_same(same, parts(one), parts(other))

    # -- values

    def _value(
        self, kind: str, target_kind: str, field: Field, there: Field, one: t.Any, other: t.Any, ours: Row, theirs: Row
    ) -> Verdict:
        if kinds.is_empty(one) and kinds.is_empty(other):
            return SAME
        if field.name in kinds.MULTI_FIELDS or field.type == "crm_multifield":
            return SAME if kinds.multi_values(one) == kinds.multi_values(other) else DIFFERENT
        if field.name == "stageId":
            lists = (_stage_list(kind, field, ours), _stage_list(target_kind, there, theirs))
            return self._status(*lists, str(one or ""), str(other or ""))
        if isinstance(one, (list, tuple)) or isinstance(other, (list, tuple)):
            mine = [] if kinds.is_empty(one) else list(one) if isinstance(one, (list, tuple)) else [one]
            found = [] if kinds.is_empty(other) else list(other) if isinstance(other, (list, tuple)) else [other]
            return _all_same(lambda a, b: self._one(kind, target_kind, field, there, a, b), mine, found)
        return self._one(kind, target_kind, field, there, one, other)

    def _one(self, kind: str, target_kind: str, field: Field, there: Field, one: t.Any, other: t.Any) -> Verdict:
        if field.type in ("user", "employee") or field.name in (*PEOPLE, "assignedById", "observers"):
            return self._user(number_of(one), number_of(other))
        refers_to = _refers_to(field)
        if refers_to:
            return self._same_record((refers_to, number_of(one)), (_refers_to(there), number_of(other)))
        if field.type == "crm":
            return self._same_record(_marked(one, field), _marked(other, there))
        if field.type == "crm_category" or field.name == "categoryId":
            return self._category(entity_type_of(kind), number_of(one), entity_type_of(target_kind), number_of(other))
        if field.type == "crm_status":
            lists = [each.status_type or str(each.settings.get("ENTITY_TYPE") or "") for each in (field, there)]
            return self._status(lists[0], lists[1] or lists[0], str(one or ""), str(other or ""))
        if field.type == "enumeration" and field.items:
            texts = field.items.get(str(one), str(one)), there.items.get(str(other), str(other))
            return SAME if texts[0] == texts[1] else DIFFERENT
        if field.type == "file" or kinds.is_file(one) or kinds.is_file(other):
            return self._file(one, other)
        if kinds.same_value(one, other, field.name, field.type, field.name in kinds.ITEM_NUMERIC):
            return SAME
        return DIFFERENT

    def _file(self, one: t.Any, other: t.Any) -> Verdict:
        """By the sums of the contents where both are known; without them, that there is one is all that is known."""
        if kinds.is_empty(one) != kinds.is_empty(other):
            return DIFFERENT
        sums = [each.get("sha256") if isinstance(each, dict) else None for each in (one, other)]
        return SAME if None in sums or sums[0] == sums[1] else DIFFERENT

    def _user(self, one: int, other: int) -> Verdict:
        if one <= 0 or other <= 0:
            return SAME if one == other else DIFFERENT
        mine, found = self.source.users.get(one), self.target.users.get(other)
        if mine and found and mine.email and found.email:
            moved = one == other and one <= self._ids.maximum("user") and mine.email not in self._emails
            # With another name, too, it is somebody else, who got this number in the target.
            if mine.email == found.email or moved and _same_name(mine.name, found.name):
                return SAME
        elif one == other and not (mine and mine.email in self._emails):
            return SAME  # bots, integrators, people who have left
        if other == self._fallback and not (mine and mine.email in self._emails):
            return FALLBACK
        return DIFFERENT

    def _same_record(self, one: tuple[str, int], other: tuple[str, int]) -> Verdict:
        """Whether a reference leads to the counterpart of what it led to."""
        (kind, number), (kind_there, number_there) = one, other
        if not number or not number_there:
            if number and not number_there and self.target_of(kind, number) is None:
                return REFERRED_TO
            return SAME if number == number_there else DIFFERENT
        if not kind or not kind_there:
            return SAME if (kind, number) == (kind_there, number_there) else DIFFERENT
        if self.target_kind(kind) != kind_there:
            return DIFFERENT
        return SAME if self.target_of(kind, number) == number_there else DIFFERENT

    def _category(self, entity_type: int, one: int, type_there: int, other: int) -> Verdict:
        if not one or not other:
            return SAME if one == other else DIFFERENT
        mine = self.source.categories.get(entity_type, {}).get(one)
        found = self.target.categories.get(type_there, {}).get(other)
        if mine is None or found is None:
            return SAME if one == other else DIFFERENT
        same = _same_name(mine.name, found.name) or one == other or (mine.default and found.default)
        return SAME if same else DIFFERENT

    def _status(self, list_: str, list_there: str, one: str, other: str) -> Verdict:
        """By name and meaning; an equal id with an equal meaning is the same one, renamed on one side."""
        mine = self.source.statuses.get(list_, {}).get(one)
        found = self.target.statuses.get(list_there, {}).get(other)
        same_id = _bare(one) == _bare(other)
        if mine is None or found is None:
            return SAME if same_id else DIFFERENT
        same = mine.semantics == found.semantics and (_same_name(mine.name, found.name) or same_id)
        return SAME if same else DIFFERENT


# -- rows that have no id of their own -------------------------------------------------------------------------------


def comment_text(row: Row) -> str:
    """The text without the transfer's first lines, and without what portals do to line ends.

    There are several where a comment has gone through several moves.
    """
    text, found = str(row.get("COMMENT") or ""), 1
    while found:
        text, found = COMMENT_HEAD.subn("", text)
    return re.sub(r"\s+", " ", text).strip()


def row_key(row: Row) -> str:
    """A product row in canonical form, without the ids that differ."""
    content = kinds.compared("productrow", row, _CHILD_KEYS)
    return json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)


def row_differences(one: Row, other: Row) -> list[Difference]:
    """Of two product rows that stand for the same product."""
    numeric = kinds.kind("productrow").numeric
    names = sorted((one.keys() | other.keys()) - _CHILD_KEYS - kinds.kind("productrow").volatile)
    return [
        Difference(name, told(one.get(name)), told(other.get(name)), DIFFERENT)
        for name in names
        if not kinds.same_value(one.get(name), other.get(name), name, numeric=name in numeric)
    ]


# -- small parts -----------------------------------------------------------------------------------------------------


def told(value: t.Any) -> str:
    """A value for people, in one line."""
    if kinds.is_empty(value):
        return ""
    if isinstance(value, list) and value and all(isinstance(each, dict) and "value" in each for each in value):
        text = ", ".join(f"{each.get('value')}" for each in value)
    elif isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _all_same(same: t.Callable[[t.Any, t.Any], Verdict], mine: t.Sequence[t.Any], found: t.Sequence[t.Any]) -> Verdict:
    """Whether each of one list has its own counterpart in the other; the order is the portal's."""
    left = list(found)
    reasons: set[str] = set()
    unmatched = []
    for one in mine:
        verdicts = [same(one, other) for other in left]
        if SAME in verdicts:
            del left[verdicts.index(SAME)]
        else:
            unmatched.append(one)
    for one in unmatched:
        # Another one stands in its place, for a reason; or it has none, for a reason.
        verdicts = [same(one, other) for other in left]
        at = next((at for at, verdict in enumerate(verdicts) if verdict), None)
        if at is not None:
            reasons.add(t.cast(str, verdicts[at]))
            del left[at]
        else:
            reasons.add(same(one, _none_like(one)) or DIFFERENT)
    if left or DIFFERENT in reasons:
        return DIFFERENT
    return min(reasons, default=SAME)


def _none_like(value: t.Any) -> t.Any:
    """Nothing, in the shape of a value: what a reference to a record that was left behind became."""
    if isinstance(value, tuple):
        return ("", 0)
    return {} if isinstance(value, dict) else 0


def _owner(row: Row) -> tuple[str, int]:
    return _kind_named(row.get("OWNER_TYPE_ID")), number_of(row.get("OWNER_ID"))


def _entity(row: Row) -> tuple[str, int]:
    return _kind_named(row.get("ENTITY_TYPE_ID")), number_of(row.get("ENTITY_ID"))


def _bindings(value: t.Any) -> list[tuple[str, int]]:
    return [_owner(each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _kind_named(value: t.Any) -> str:
    number = number_of(value)
    return kind_of(number) if number in KIND_OF or number >= kinds.FIRST_SMART else ""


def _refers_to(field: Field) -> str:
    """The kind that a field's ids are of, by its type or by its name; empty for none."""
    if field.type in REFERENCES:
        return REFERENCES[field.type]
    parent = re.fullmatch(r"parentId(\d+)", field.name)
    if parent:
        return kind_of(int(parent[1]))
    names = {"companyId": "company", "companyIds": "company", "contactId": "contact", "contactIds": "contact"}
    return {**names, "leadId": "lead", "quoteId": "quote", "mycompanyId": "company"}.get(field.name, "")


_MARKS = {"L": "lead", "D": "deal", "C": "contact", "CO": "company", "Q": "quote", "SI": "invoice"}


def _marked(value: t.Any, field: Field) -> tuple[str, int]:
    """Kind and id of a value such as `L_12`, or `12` where the field is for one kind only."""
    mark, _bar, number = str(value or "").rpartition("_")
    if not mark:
        chosen = [name for name, value in field.settings.items() if yes(value)]
        dynamic = re.fullmatch(r"DYNAMIC_(\d+)", chosen[0]) if len(chosen) == 1 else None
        only = kind_of(int(dynamic[1])) if dynamic else chosen[0].lower() if len(chosen) == 1 else ""
        return only, number_of(number)
    smart = re.fullmatch(r"T([0-9a-fA-F]+)", mark)
    return kind_of(int(smart[1], 16)) if smart else _MARKS.get(mark, ""), number_of(number)


def _stage_list(kind: str, field: Field, row: Row) -> str:
    category = number_of(row.get("categoryId"))
    if kind == "lead":
        return "STATUS"
    if kind == "deal":
        return f"DEAL_STAGE_{category}" if category else "DEAL_STAGE"
    if kind.startswith("smart:"):
        return f"DYNAMIC_{entity_type_of(kind)}_STAGE_{category}"
    return field.status_type


def _bare(status: str) -> str:
    """A stage's id without its category."""
    return re.sub(r"^(C\d+|DT\d+_\d+):", "", status)


def _same_name(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
