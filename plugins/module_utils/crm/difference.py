# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two snapshots, of one store or of two: records added, changed field by field, deleted."""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import KindCount, Snapshot, Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

ADDED, CHANGED, DELETED = "added", "changed", "deleted"
LONGEST_TITLE, LONGEST_VALUE = 80, 300


class FieldChange(t.NamedTuple):
    """`title` is what people call the field; the names are those of users, stages and choices that the values mean."""

    field: str
    title: str
    before: t.Any
    after: t.Any
    before_name: str = ""
    after_name: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """As JSON has it, names only where there are any."""
        return {name: value for name, value in self._asdict().items() if value or not name.endswith("_name")}


@dataclasses.dataclass(frozen=True)
class RecordChange:
    """`when` and `who` are what the record says of its last change; of a deleted one they say nothing of its end."""

    kind: str
    id: int
    what: str
    title: str
    fields: tuple[FieldChange, ...] = ()
    when: str = ""
    who: str = ""


@dataclasses.dataclass(frozen=True)
class KindDifference:
    """Of one kind: records before and after, and how many of each sort there are between them."""

    kind: str
    before: int
    after: int
    added: int
    changed: int
    deleted: int
    #: Field → in how many records it changed.
    fields: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    title: str = ""  # what people call the kind


@dataclasses.dataclass(frozen=True)
class Threshold:
    """In percent of the records before. Fewer than `least` records raise no alert, unless they were all of a kind."""

    changed: float = 25.0
    deleted: float = 5.0
    least: int = 20


ALL_LEAST = 5  # of a kind that has no record any more

#: Kinds that hardly ever change, or of which one record is much.
THRESHOLDS: t.Mapping[str, Threshold] = {
    "type": Threshold(20.0, 1.0, 1),
    "status": Threshold(20.0, 5.0, 3),
    "category": Threshold(20.0, 1.0, 1),
    "field": Threshold(50.0, 1.0, 1),
    "user": Threshold(25.0, 5.0, 3),
}


@dataclasses.dataclass(frozen=True)
class Alert:
    """A kind changed or shrank more than its threshold."""

    kind: str
    what: str
    records: int
    of: int
    percent: float
    threshold: float

    @property
    def text(self) -> str:
        return (
            f"{self.records} of {self.of} {self.kind} records were {self.what}"
            f" ({self.percent:.1f} %, more than {self.threshold:g} %)"
        )


class Side(t.NamedTuple):
    """One of the two snapshots."""

    portal: str
    snapshot: int
    began: float
    ended: float
    clock: str


@dataclasses.dataclass
class Difference:
    """From `before` to `after`. `records` may be fewer than `kinds` count, where a limit was set."""

    before: Side
    after: Side
    kinds: list[KindDifference]
    records: list[RecordChange]
    alerts: list[Alert]
    seconds: float = 0.0
    left_out: int = 0

    @property
    def same(self) -> bool:
        return not any(each.added or each.changed or each.deleted for each in self.kinds)

    def as_dict(self) -> dict[str, t.Any]:
        """As JSON has it."""
        return {
            "before": self.before._asdict(),
            "after": self.after._asdict(),
            "same": self.same,
            "kinds": [{**dataclasses.asdict(each), "fields": dict(each.fields)} for each in self.kinds],
            "alerts": [{**dataclasses.asdict(each), "text": each.text} for each in self.alerts],
            "records": [
                {**dataclasses.asdict(each), "fields": [change.as_dict() for change in each.fields]}
                for each in self.records
            ],
            "left_out": self.left_out,
            "seconds": round(self.seconds, 3),
        }


def difference(
    before: Store,
    before_at: int | None,
    after: Store,
    after_at: int | None,
    *,
    names: t.Collection[str] | None = None,
    thresholds: t.Mapping[str, Threshold] | None = None,
    limit: int | None = None,
    clock: t.Callable[[], float] = time.monotonic,
) -> Difference:
    """None as a number means the newest snapshot. `limit` is how many records of each kind are told one by one.

    `thresholds` come before `THRESHOLDS`; the name "other" stands for all other kinds. Raises BoxliftError.
    """
    begun = clock()
    one, other = _snapshot(before, before_at), _snapshot(after, after_at)
    wanted = {*before.kind_names(one.number), *after.kind_names(other.number)}
    if names is not None:
        wanted = {name for name in wanted if name in names or ("smart" in names and name.startswith("smart:"))}
    found: list[KindDifference] = []
    records: list[RecordChange] = []
    left_out = 0
    called = Names(after, other.number)
    for name in sorted(wanted, key=kinds.order_of):
        comparison = _Comparison(name, before, one.number, after, other.number, limit, called)
        found.append(comparison.run())
        records += comparison.records
        left_out += comparison.left_out
    alerts = [alert for each in found for alert in alerts_of(each, thresholds or {})]
    return Difference(_side(one), _side(other), found, records, alerts, clock() - begun, left_out)


def alerts_of(each: KindDifference, given: t.Mapping[str, Threshold]) -> t.Iterator[Alert]:
    """What is odd about the difference of a kind."""
    family = "smart" if each.kind.startswith("smart:") else each.kind
    limits = given.get(each.kind) or given.get(family) or given.get(OTHER)
    limits = limits or THRESHOLDS.get(each.kind) or Threshold()
    for what, number, most in ((CHANGED, each.changed, limits.changed), (DELETED, each.deleted, limits.deleted)):
        percent = 100.0 * number / each.before if each.before else 0.0
        all_gone = what == DELETED and not each.after and number >= min(ALL_LEAST, limits.least)
        if (number >= limits.least or all_gone) and percent > most:
            yield Alert(each.kind, what, number, each.before, round(percent, 2), most)


OTHER = "other"


def thresholds(given: t.Mapping[str, t.Any]) -> dict[str, Threshold]:
    """Those that people gave, by kind. Raises BoxliftError for what is none."""
    found = {}
    for name, values in given.items():
        if name not in (OTHER, "smart"):
            kinds.kind(name)
        default = THRESHOLDS.get(name) or Threshold()
        known = {field.name: getattr(default, field.name) for field in dataclasses.fields(Threshold)}
        if not isinstance(values, dict) or not set(values) <= set(known):
            raise BoxliftError(
                f"The threshold of {name} is not of the form {{changed: 25, deleted: 5, least: 20}}.",
                "Give one or several of these three.",
            )
        try:
            numbers = {key: float(value) for key, value in values.items()}
        except (TypeError, ValueError):
            raise BoxliftError(f"The threshold of {name} is not a number.", "Give percents and a count.") from None
        known.update(numbers)
        found[name] = Threshold(known["changed"], known["deleted"], int(known["least"]))
    return found


def as_diff(found: Difference) -> dict[str, str]:
    """For Ansible's diff: a line for each field of each record, before and after."""
    sides: tuple[list[str], list[str]] = ([], [])
    for each in found.records:
        what = f"{each.kind} {each.id}"
        if each.what == CHANGED:
            for change in each.fields:
                sides[0].append(f"{what} {change.field}: {change.before}")
                sides[1].append(f"{what} {change.field}: {change.after}")
        else:
            sides[each.what == ADDED].append(f"{what} {each.title}")
    headers = [f"{side.portal}, snapshot {side.snapshot}" for side in (found.before, found.after)]
    before, after = ("".join(f"{line}\n" for line in lines) for lines in sides)
    return {"before_header": headers[0], "after_header": headers[1], "before": before, "after": after}


def alerts_of_pass(counts: t.Mapping[str, KindCount]) -> list[Alert]:
    """What is odd about what a pass found, measured against the records before it."""
    found: list[Alert] = []
    for name, each in counts.items():
        before = each.records - each.added + each.deleted
        found += alerts_of(KindDifference(name, before, each.records, each.added, each.changed, each.deleted), {})
    return found


#: Fields that crm.item.fields does not describe.
FIELD_TITLES = {"fm": "Phones, e-mail and links"}


def changed_fields(
    of: str | kinds.Kind,
    before: t.Mapping[str, t.Any],
    after: t.Mapping[str, t.Any],
    types: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
) -> list[FieldChange]:
    """The fields in which two versions differ by value. `types` are the fields as crm.item.fields describes them."""
    which = kinds.kind(of)
    known = types or {}
    if which.name == "field":
        # A record of this kind is all fields of an entity type: tell them one by one.
        before, after = before.get("fields") or {}, after.get("fields") or {}
    found = []
    for name in sorted({*before, *after} - which.volatile):
        one, other = before.get(name), after.get(name)
        described = known.get(name) or {}
        if not kinds.same_value(one, other, name, str(described.get("type") or ""), name in which.numeric):
            found.append(FieldChange(name, FIELD_TITLES.get(name) or str(described.get("title") or name), one, other))
    return found


_TITLES = {
    "type": "Types of smart processes",
    "status": "Statuses and stages",
    "category": "Pipelines",
    "field": "Fields",
    "productrow": "Product rows",
    "activity": "Activities",
    "company": "Companies",
}


def kind_title(name: str, store: Store, at: int | None) -> str:
    """What people call the kind: `Leads`, or a smart process by its own title."""
    if name.startswith("smart:"):
        types = (content for _number, content in store.records("type", at))
        title = next((each.get("title") for each in types if str(each.get("entityTypeId")) == name[6:]), None)
        return str(title or f"Smart process {name[6:]}")
    return _TITLES.get(name) or f"{name.capitalize()}s"


def title_of(of: str | kinds.Kind, content: t.Mapping[str, t.Any]) -> str:
    """What people know a record by."""
    which = kinds.kind(of)
    names = {"contact": ("lastName", "name"), "user": ("LAST_NAME", "NAME", "EMAIL")}.get(which.name, (which.title,))
    words = [str(content[name]) for name in names if name and content.get(name)]
    text = " ".join(" ".join(words).split())
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1] + "…"


class Names:
    """What users, stages and choices of lists are called, as a snapshot has them."""

    def __init__(self, store: Store, at: int | None) -> None:
        self._store, self._at = store, at
        self._users: dict[str, str] = {}
        self._statuses: dict[tuple[str, str], str] | None = None

    def user(self, number: t.Any) -> str:
        """`Anna Ivanova (7)`, or the number where the name is not known."""
        text = str(number or "")
        if text not in self._users:
            user = self._store.record("user", int(text), self._at) if text.isdecimal() else None
            words = " ".join(str(user[name]) for name in ("NAME", "LAST_NAME") if user.get(name)) if user else ""
            self._users[text] = f"{words} ({text})" if words else text
        return self._users[text]

    def told(self, change: FieldChange, described: t.Mapping[str, t.Any]) -> FieldChange:
        """The change with the names of its values."""
        return change._replace(
            before_name=self._name(change.before, described), after_name=self._name(change.after, described)
        )

    def _name(self, value: t.Any, described: t.Mapping[str, t.Any]) -> str:
        type_ = described.get("type")
        values = [each for each in (value if isinstance(value, list) else [value]) if not kinds.is_empty(each)]
        if type_ == "user":
            return ", ".join(map(self.user, values))
        if type_ == "crm_status":
            return ", ".join(self._status(str(described.get("statusType") or ""), str(each)) for each in values)
        if type_ == "enumeration" and isinstance(described.get("items"), list):
            choices = {str(each.get("ID")): str(each.get("VALUE")) for each in described["items"]}
            return ", ".join(choices.get(str(each), str(each)) for each in values)
        return ""

    def _status(self, of: str, code: str) -> str:
        if self._statuses is None:
            rows = (content for _number, content in self._store.records("status", self._at))
            self._statuses = {
                (str(row.get("ENTITY_ID")), str(row.get("STATUS_ID"))): str(row.get("NAME")) for row in rows
            }
        exact = self._statuses.get((of, code))
        # A stage of another pipeline is in another list, but its code is its own.
        return exact or next((name for (_of, own), name in self._statuses.items() if own == code), code)


@dataclasses.dataclass(frozen=True)
class Event:
    """A version of one record, told by what it changed. `seen` is when the pass began that found it, in Unix time."""

    snapshot: int
    seen: float
    what: str
    when: str = ""
    who: str = ""
    fields: tuple[FieldChange, ...] = ()

    def as_dict(self) -> dict[str, t.Any]:
        return {**dataclasses.asdict(self), "fields": [change.as_dict() for change in self.fields]}


def history(store: Store, kind: str | kinds.Kind, number: int) -> list[Event]:
    """What happened to a record, oldest first, as far as snapshots saw it. Raises BoxliftError for an unknown one."""
    which = kinds.kind(kind)
    versions = store.history(which, number)
    if not versions:
        raise BoxliftError(f"No snapshot in {store.path} has a {which.name} {number}.", "Correct its kind or number.")
    names = Names(store, None)
    described = store.record("field", which.entity_type) if which.entity_type is not None else None
    types = (described or {}).get("fields") or {}
    events: list[Event] = []
    former: kinds.Content | None = None
    for version in versions:
        if version.content is None:
            events.append(Event(version.since, version.seen, DELETED))
        elif former is None:
            by = names.user(version.changed_by)
            events.append(Event(version.since, version.seen, ADDED, version.changed_at, by))
        else:
            changes = changed_fields(which, former, version.content, types)
            fields = tuple(names.told(each, types.get(each.field) or {}) for each in changes)
            by = names.user(version.changed_by)
            events.append(Event(version.since, version.seen, CHANGED, version.changed_at, by, fields))
        former = version.content
    return events


def find_snapshot(store: Store, wanted: str) -> int:
    """The snapshot that people mean: a number, `newest`, `previous`, `first`, or a moment, which the newest one before
    it stands for; a moment without an offset is UTC. Raises BoxliftError."""
    known = store.snapshots()
    if not known:
        return _snapshot(store, None).number
    if wanted.isdecimal():
        return _snapshot(store, int(wanted)).number
    place = {"newest": -1, "previous": -2, "first": 0}.get(wanted)
    if place is not None:
        if len(known) < -place:
            raise BoxliftError(f"The store {store.path} has one snapshot only.", "Take another one, then compare.")
        return known[place].number
    try:
        moment = datetime.datetime.fromisoformat(wanted.replace("Z", "+00:00"))
    except ValueError:
        raise BoxliftError(
            f"{wanted!r} names no snapshot.", "Give a number, newest, previous, first, or a moment: 2026-11-28T22:00Z."
        ) from None
    at = (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()
    earlier = [each.number for each in known if each.began <= at]
    if not earlier:
        oldest = datetime.datetime.fromtimestamp(known[0].began, datetime.timezone.utc).isoformat(timespec="minutes")
        raise BoxliftError(f"The store {store.path} has no snapshot before {wanted}.", f"Its oldest is of {oldest}.")
    return earlier[-1]


def trend(store: Store, most: int = 60) -> list[dict[str, t.Any]]:
    """Of the last passes: when, and how many records there were, were added, changed and deleted."""
    found = []
    for each in store.passes()[-most:]:
        counts = each.kinds.values()
        sums = {name: sum(getattr(count, name) for count in counts) for name in ("records", ADDED, CHANGED, DELETED)}
        found.append({"snapshot": each.number, "began": each.began, "full": each.full, **sums})
    return found


class _Comparison:
    """One kind of two snapshots."""

    def __init__(
        self, name: str, before: Store, at: int, after: Store, other_at: int, limit: int | None, names: Names
    ) -> None:
        self._kind = kinds.kind(name)
        self._before, self._at, self._after, self._other_at, self._limit = before, at, after, other_at, limit
        self._types = self._field_types()
        self._names = names
        self.records: list[RecordChange] = []
        self.left_out = 0
        self._counts = dict.fromkeys((ADDED, CHANGED, DELETED), 0)
        self._fields: dict[str, int] = {}

    def run(self) -> KindDifference:
        name = self._kind.name
        if self._before is self._after:
            pairs = self._before.differing(name, self._at, self._other_at)
        else:
            pairs = _merged(self._before.hashes(name, self._at), self._after.hashes(name, self._other_at))
        for number, there_before, there_after in pairs:
            self._judge(number, there_before, there_after)
        return KindDifference(
            name,
            self._before.count(name, self._at),
            self._after.count(name, self._other_at),
            self._counts[ADDED],
            self._counts[CHANGED],
            self._counts[DELETED],
            dict(sorted(self._fields.items(), key=lambda item: (-item[1], item[0]))),
            kind_title(name, self._after, self._other_at),
        )

    def _judge(self, number: int, there_before: bool, there_after: bool) -> None:
        one = self._before.record(self._kind, number, self._at) if there_before else None
        other = self._after.record(self._kind, number, self._other_at) if there_after else None
        fields: list[FieldChange] = []
        if one is not None and other is not None:
            fields = self._real(changed_fields(self._kind, one, other, self._types))
            if not fields:
                return
            what = CHANGED
        else:
            what = ADDED if one is None else DELETED
        self._counts[what] += 1
        for change in fields:
            self._fields[change.title] = self._fields.get(change.title, 0) + 1
        if self._limit is not None and len(self.records) >= self._limit:
            self.left_out += 1
            return
        latest = other if other is not None else one or {}
        self.records.append(
            RecordChange(
                self._kind.name,
                number,
                what,
                title_of(self._kind, latest),
                tuple(self._names.told(each, self._types.get(each.field) or {}) for each in fields),
                str(latest.get(self._kind.updated) or latest.get(self._kind.created) or ""),
                self._names.user(latest.get(self._kind.updated_by)),
            )
        )

    def _real(self, fields: list[FieldChange]) -> list[FieldChange]:
        """Without files that have other ids in two portals but the same content."""
        if self._before is self._after:
            return fields
        return [each for each in fields if not self._same_files(each.before, each.after)]

    def _same_files(self, one: t.Any, other: t.Any) -> bool:
        ones = one if isinstance(one, list) else [one]
        others = other if isinstance(other, list) else [other]
        if len(ones) != len(others) or not all(map(kinds.is_file, [*ones, *others])):
            return False
        sums = [self._sum(self._before, each) for each in ones]
        return None not in sums and sums == [self._sum(self._after, each) for each in others]

    def _sum(self, store: Store, file: t.Mapping[str, t.Any]) -> str | None:
        kept = store.file(kinds.file_key(self._kind, file))
        return None if kept is None else kept.sha256

    def _field_types(self) -> t.Mapping[str, t.Mapping[str, t.Any]]:
        number = self._kind.entity_type
        if number is None:
            return {}
        described = self._after.record("field", number, self._other_at) or self._before.record(
            "field", number, self._at
        )
        return (described or {}).get("fields") or {}


def _merged(
    ones: t.Iterator[tuple[int, bytes]], others: t.Iterator[tuple[int, bytes]]
) -> t.Iterator[tuple[int, bool, bool]]:
    """Ids whose hashes differ, with where they are; both sides come by id."""
    one, other = next(ones, None), next(others, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            yield t.cast("tuple[int, bytes]", one)[0], True, False
            one = next(ones, None)
        elif one is None or other[0] < one[0]:
            yield other[0], False, True
            other = next(others, None)
        else:
            if one[1] != other[1]:
                yield one[0], True, True
            one, other = next(ones, None), next(others, None)


def _snapshot(store: Store, number: int | None) -> Snapshot:
    known = store.snapshots()
    found = known[-1:] if number is None else [each for each in known if each.number == number]
    if not found:
        what = "no snapshot" if number is None else f"no snapshot {number}"
        numbers = ", ".join(str(each.number) for each in known)
        raise BoxliftError(
            f"The store {store.path} has {what}.", f"It has: {numbers}." if numbers else "Take a snapshot first."
        )
    return found[0]


def _side(each: Snapshot) -> Side:
    return Side(each.portal, each.number, each.began, each.ended, each.clock)
