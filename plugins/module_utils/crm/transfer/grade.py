# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the proof of a transfer means: a grade with sentences for managers, and the results that others read.

| grade | meaning | gate |
|---|---|---|
| `perfect` | everything was looked at; counts and contents are equal on both sides | met |
| `good` | nothing is lost or doubled; what differs is listed, each with the reason why it must | met |
| `investigate` | few values differ without a reason, or records were left behind that people expect | not met |
| `poor` | records are lost, doubled or superfluous, or more than one in a hundred differs | not met |

`delta-result`, the small one, goes into the journal, and a gate reads it. Everything else is in a file on the host.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import planning
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.former import Adoption
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import Conflict, Skipped
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.verify import MOST, KindResult, Verification
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration

FORMAT = 1
PERFECT, GOOD, INVESTIGATE, POOR = GRADES = ("perfect", "good", "investigate", "poor")
#: With these a gate is met.
OPEN = (PERFECT, GOOD)
#: Of the records that were compared, in which a difference is still for people to look into.
FEW = 0.01
#: A whole record that stays behind for such a reason is not what anybody wanted.
_UNWANTED = frozenset({planning.REFUSED, planning.OWNER_MISSING})

# One, and several, for sentences.
NAMES = {
    "company": ("company", "companies"),
    "contact": ("contact", "contacts"),
    "lead": ("lead", "leads"),
    "deal": ("deal", "deals"),
    "quote": ("quote", "quotes"),
    "invoice": ("invoice", "invoices"),
    "activity": ("activity", "activities"),
    "comment": ("comment", "comments"),
    "productrow": ("product row", "product rows"),
    "call": ("call", "calls"),
}

Data = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Changes:
    """What the pass wrote of one kind."""

    created: int = 0
    updated: int = 0
    deleted: int = 0


@dataclasses.dataclass(frozen=True)
class Course:
    """How the pass went. Times are seconds since 1970 by the host's clock, `phases` are seconds each took."""

    mode: str
    began: float
    ended: float
    frozen: float | None = None  # when the source was frozen, where somebody has said so
    phases: t.Mapping[str, float] = dataclasses.field(default_factory=dict)
    changes: t.Mapping[str, Changes] = dataclasses.field(default_factory=dict)
    #: Host to requests, refused by the limits, seconds waited for them.
    limits: t.Mapping[str, tuple[int, int, float]] = dataclasses.field(default_factory=dict)


def _grouped(number: int) -> str:
    """Thousands separated by a narrow space, which nobody takes for a decimal sign."""
    return f"{number:,}".replace(",", "\u202f")


def named(kind: str, number: int) -> str:
    """A number of records of a kind, in words."""
    one, several = NAMES.get(kind, (f"record of {kind}", f"records of {kind}"))
    return f"{_grouped(number)} {one if number == 1 else several}"


def counted(counts: t.Mapping[str, int], most: int = 4) -> str:
    """Records of several kinds, the most numerous ones first."""
    some = sorted(((number, kind) for kind, number in counts.items() if number), reverse=True)
    told = [named(kind, number) for number, kind in some[:most]]
    if len(some) > most:
        rest = sum(number for number, _kind in some[most:])
        told.append(f"{_grouped(rest)} other{'' if rest == 1 else 's'}")
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}" if told else "nothing"


def grade_of(proof: Verification, skipped: t.Sequence[Skipped] = ()) -> tuple[str, list[str]]:
    """The grade, and its reasons as sentences: the worst first."""
    lost = sum(each.lost for each in proof.kinds)
    different = sum(each.different for each in proof.kinds)
    compared = sum(each.compared for each in proof.kinds)
    reasons: list[tuple[str, str]] = []
    if not proof.kinds:
        reasons.append((POOR, "Nothing was compared: no kind of record could be looked at."))
    if lost:
        reasons.append((POOR, f"{_records(lost)} missing, doubled or superfluous in {proof.target}."))
    records = min(_different_records(proof), max(compared, 1))
    if different:
        grade = POOR if records > max(1, FEW * compared) else INVESTIGATE
        values = "1 value differs" if different == 1 else f"{_grouped(different)} values differ"
        where = f"{_grouped(records)} of {_grouped(compared)} compared records"
        reasons.append((grade, f"{values} without a reason, in {where}."))
    for kind, why in proof.unread.items():
        reasons.append((INVESTIGATE, f"{named(kind, 2).split(' ', 1)[1].capitalize()} could not be looked at: {why}"))
    unwanted = collections.Counter(each.kind for each in skipped if not each.fields and each.code in _UNWANTED)
    if unwanted:
        whole = sum(unwanted.values())
        was = "was" if whole == 1 else "were"
        reasons.append(
            (INVESTIGATE, f"{counted(unwanted).capitalize()} {was} left behind, because {proof.target} refused.")
        )
    meant = [each for each in skipped if each.code not in _UNWANTED]
    if proof.explained_count:
        number = proof.explained_count
        values = "1 difference is" if number == 1 else f"{_grouped(number)} differences are"
        reasons.append((GOOD, f"{values} listed, with the reason why it must be so."))
    if meant:
        left = "1 entry of" if len(meant) == 1 else f"{_grouped(len(meant))} entries of"
        reasons.append((GOOD, f"{left} what stays behind, as the options and the portals demand."))
    reasons.sort(key=lambda reason: -GRADES.index(reason[0]))
    return (reasons[0][0] if reasons else PERFECT), [text for _grade, text in reasons]


def _records(number: int) -> str:
    return "1 record is" if number == 1 else f"{_grouped(number)} records are"


def _different_records(proof: Verification) -> int:
    """Records with an unexplained difference; of those beyond the list, each value counts as one."""
    seen = {(each.kind, each.source_id) for each in proof.mismatches if each.what == "field"}
    beyond = sum(each.different for each in proof.kinds) - sum(each.what == "field" for each in proof.mismatches)
    return len(seen) + max(0, beyond)


def headline(grade: str, proof: Verification, course: Course) -> str:
    """One sentence for those who decide."""
    carried = counted({each.kind: each.new for each in proof.kinds})
    changed = sum(each.changed for each in proof.kinds)
    # What was already there and changed since.
    brought = f"{carried} brought over" + (f", {_grouped(changed)} brought up to date" if changed else "")
    brought = brought if carried != "nothing" else f"{_grouped(changed)} records brought up to date" if changed else ""
    if grade == PERFECT:
        rest = f": {brought}" if brought else ": nothing had arrived since the backup"
        return f"{proof.target} has everything that {proof.source} has{rest}, and every value agrees."
    if grade == GOOD:
        rest = f": {brought}" if brought else ""
        return f"{proof.target} has everything that {proof.source} has{rest}. What differs is listed, with the reason."
    if grade == INVESTIGATE:
        seen = "nothing is lost as far as was seen, but not all is as it should be"
        return f"Look before you open {proof.target}: {seen}."
    return f"Do not open {proof.target} yet: its records are not those of {proof.source}."


def skipped_list(skipped: t.Iterable[Skipped]) -> bytes:
    """What was left behind and why, one JSON object a line, in an order that does not depend on the run."""
    rows = sorted((each.kind, each.id, each.code, each.text, list(each.fields)) for each in skipped)
    names = ("kind", "id", "code", "text", "fields")
    lines = (json.dumps(dict(zip(names, row)), ensure_ascii=False, separators=(",", ":")) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def delta_result(
    proof: Verification, course: Course, skipped: t.Sequence[Skipped], conflicts: t.Sequence[Conflict] = ()
) -> Data:
    """The small result. Its `skipped_sha256` seals the list: the journal's chain holds it, and a gate shows it."""
    grade, reasons = grade_of(proof, skipped)
    left = collections.Counter(each.kind for each in skipped)
    return {
        "format": FORMAT,
        "grade": grade,
        "text": headline(grade, proof, course),
        "reasons": reasons,
        "mode": course.mode,
        "source": proof.source,
        "target": proof.target,
        "began": course.began,
        "ended": course.ended,
        "seconds": round(course.ended - course.began, 3),
        # From the freeze to the end of the proof: how long nobody could work.
        "frozen_seconds": None if course.frozen is None else round(course.ended - course.frozen, 3),
        "everything": proof.everything,
        "counts": {each.kind: _counts(each, course.changes.get(each.kind), left[each.kind]) for each in proof.kinds},
        "mismatches": proof.mismatch_count,
        "explained": proof.explained_count,
        "unread": sorted(proof.unread),
        "conflicts": len(conflicts),
        "skipped": len(skipped),
        "skipped_sha256": hashlib.sha256(skipped_list(skipped)).hexdigest(),
    }


def _counts(each: KindResult, changes: Changes | None, skipped: int) -> Data:
    written = dataclasses.asdict(changes or Changes())
    return {**dataclasses.asdict(each), **written, "skipped": skipped}


def full_result(
    proof: Verification,
    course: Course,
    skipped: t.Sequence[Skipped],
    conflicts: t.Sequence[Conflict] = (),
    adoption: Adoption | None = None,
) -> Data:
    """All of it, from which the page is made. Long lists are cut; their numbers are in `delta`."""
    return {
        "format": FORMAT,
        "delta": delta_result(proof, course, skipped, conflicts),
        "mismatches": [dataclasses.asdict(each) for each in proof.mismatches],
        "explained": [dataclasses.asdict(each) for each in proof.explained],
        "explained_reasons": proof.reasons,
        "unread": proof.unread,
        "skipped": [dataclasses.asdict(each) for each in _first(skipped)],
        "conflicts": [dataclasses.asdict(each) for each in conflicts[:MOST]],
        "phases": dict(course.phases),
        "limits": {
            host: {"requests": requests, "refused": refused, "waited": waited}
            for host, (requests, refused, waited) in course.limits.items()
        },
        "proof": {"requests": proof.requests, "seconds": proof.seconds},
        "former": None
        if adoption is None
        else {
            "counts": adoption.counts,
            "adopted": len(adoption.entries),
            "lines": [dataclasses.asdict(each) for each in adoption.for_people[:MOST]],
        },
    }


def _first(skipped: t.Sequence[Skipped]) -> list[Skipped]:
    return sorted(skipped, key=lambda each: (each.code not in _UNWANTED, each.code, each.kind, each.id))[:MOST]


def write_result(folder: str, result: Data, skipped: t.Sequence[Skipped]) -> dict[str, str]:
    """Write `MODE-result.json` and `MODE-skipped.jsonl` into the folder, mode 0600; their paths. Raises OSError."""
    mode = result["delta"]["mode"]
    paths = {name: f"{folder}/{mode}-{file}" for name, file in (("result", "result.json"), ("list", "skipped.jsonl"))}
    # The list first: a result that names a list is never without it.
    replace_file(paths["list"], skipped_list(skipped))
    replace_file(paths["result"], (json.dumps(result, ensure_ascii=False, indent=1) + "\n").encode())
    return paths


def check_list(path: str, sha256: str) -> None:
    """Raise BoxliftError if the list of what was left behind is not the one that a result has sealed."""
    with open(path, "rb") as stream:
        found = hashlib.sha256(stream.read()).hexdigest()
    if found != sha256:
        raise BoxliftError(
            f"{path} is not the list that was sealed: its SHA-256 is {found}, not {sha256}.",
            "Take the list from the host again, or run the pass again, which writes a new list and a new result.",
        )


def gate_input(delta: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
    """Whether a gate may rest on a `delta-result`, and what was seen, in one line."""
    if delta is None:
        return False, "nobody has looked in this stage"
    grade = str(delta.get("grade", ""))
    if grade not in GRADES or delta.get("format") != FORMAT:
        return False, "the result is of another version of this collection"
    seconds = delta.get("frozen_seconds")
    after = f", verified {duration(seconds)} after the freeze" if isinstance(seconds, (int, float)) else ""
    numbers = ", ".join(
        f"{delta.get(name) or 0} {word}"
        for name, word in (("mismatches", "mismatches"), ("explained", "explained"), ("skipped", "left behind"))
    )
    sealed = re.sub(r"[^0-9a-f]", "", str(delta.get("skipped_sha256", "")))[:12]
    final = delta.get("mode") in ("final", "reverse")
    seen = f"{grade}: {numbers} (list {sealed}){after}"
    return (
        grade in OPEN and final,
        seen if final else f"{seen}; but that was a {delta.get('mode')} pass, not the final one",
    )
