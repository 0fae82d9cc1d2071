# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses against licences: a finding for each, and the debts that stay until they are paid."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.entitlement import dates
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.identity import WORDS, Identity
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.licence import Absent, Licence, LicenceFile
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.uses import Use
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding

AREA = "entitlement"
USES = f"{AREA}.uses"
#: The best first.
_BEST = ("pass", "warn", "unknown", "fail")


@dataclasses.dataclass(frozen=True)
class Debt:
    """What works today and must be replaced: by whom, and until which day."""

    feature: str
    reason: str
    owner: str
    until: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Standing:
    """What one file is worth at a moment. `until` is the day by which something must replace it, if that is known."""

    file: LicenceFile
    status: str
    reason: str
    remedy: str = ""
    until: datetime.date | None = None
    licence: Licence | None = None

    def as_dict(self) -> dict[str, t.Any]:
        said = self.licence
        return {
            "id": self.file.id,
            "path": self.file.path,
            "status": self.status,
            "reason": self.reason,
            "features": sorted(said.features) if said else [],
            "expires": said.expires.isoformat() if said and said.expires else "",
            "trial": bool(said and said.trial),
            "customer": said.customer if said else "",
            "proven": bool(said and said.proven),
        }


@dataclasses.dataclass(frozen=True)
class Judgement:
    findings: list[Finding]
    debts: list[Debt]
    standings: list[Standing]

    def as_dict(self) -> dict[str, t.Any]:
        """`findings`, `debts` and `files`, as the module returns them."""
        return {
            "findings": [each.as_dict() for each in self.findings],
            "debts": [dataclasses.asdict(each) for each in self.debts],
            "files": [each.as_dict() for each in self.standings],
        }


@dataclasses.dataclass(frozen=True)
class Around:
    """For whom and when it is judged; a licence that ends within `soon` is a debt."""

    identity: Identity
    now: datetime.datetime
    soon: datetime.timedelta = datetime.timedelta(days=30)


def judge(
    uses: t.Sequence[Use],
    files: t.Sequence[tuple[LicenceFile, t.Callable[[], Licence]]],
    around: Around,
    blind: t.Sequence[Finding] = (),
    declared: bool = True,
) -> Judgement:
    """`declared` is false where nobody has said what is used. `blind` are findings on what could not be looked at."""
    standings = [_standing(file, load, around) for file, load in files]
    findings, debts = [*blind], list[Debt]()
    if not declared:
        findings.append(
            Finding(
                USES,
                AREA,
                "unknown",
                "nobody has said which features this site uses",
                "a list of the features that need a licence",
                "Set site_entitlements in the inventory: id and title of each feature; [] says that there is none.",
            )
        )
    elif not uses:
        findings.append(Finding(USES, AREA, "skip", "no feature that needs a licence is declared for this host"))
    for use in uses:
        finding, debt = _use(use, standings)
        findings.append(finding)
        debts += [debt] if debt else []
    used = {use.feature for use in uses if not use.free}
    for standing in standings:
        # A file that grants what is used has been judged by that.
        if standing.licence is None or not used & standing.licence.features:
            finding, debt = _of_file(standing)
            findings.append(finding)
            debts += [debt] if debt else []
    return Judgement(findings, debts, standings)


# -- one file


def _standing(file: LicenceFile, load: t.Callable[[], Licence], around: Around) -> Standing:
    try:
        licence = load()
        replace_by = dates.start_of(file.replace_by, dates.ISO, dates.UTC).date() if file.replace_by else None
    except Absent as error:
        return Standing(file, "fail", error.message, error.remedy)
    except BoxliftError as error:
        return Standing(file, "unknown", error.message.rstrip("."), error.remedy)
    except OSError as error:
        seen = f"it cannot be read: {error.strerror or error}"
        return Standing(file, "unknown", seen, from_system(error, file.path).remedy)
    wrong = list(_wrong(file, licence, around))
    if wrong:
        reasons, remedies = zip(*wrong)
        return Standing(file, "fail", "; ".join(reasons), " ".join(dict.fromkeys(remedies)), licence=licence)
    unseen = [kind for kind in licence.bound if not around.identity.of(kind)]
    if unseen:
        reason = f"it is bound to {', '.join(WORDS[kind] for kind in unseen)}, which is not known here"
        return Standing(file, "unknown", reason, "Give it in the option identity, or run as root.", licence=licence)
    return _limits(file, licence, around, replace_by)


def _wrong(file: LicenceFile, licence: Licence, around: Around) -> t.Iterator[tuple[str, str]]:
    """What makes it worthless: a reason and a remedy each."""
    for kind, values in licence.bound.items():
        mine = around.identity.of(kind)
        if mine and not around.identity.matches(kind, values):
            shown = ", ".join(values)[:120]
            yield (
                f"it is for {shown}, and {WORDS[kind]} is {', '.join(mine)[:200]}",
                f"Have it issued for {mine[0]}, or put it on the host that it is for.",
            )
    if licence.expires is not None and licence.expires <= around.now:
        yield f"it has expired: it was valid until {_shown(licence.expires, file)}", "Have it renewed."
    if licence.starts is not None and licence.starts > around.now:
        yield f"it is not valid yet: it begins {_shown(licence.starts, file)}", "Have it issued for an earlier day."
    if file.customer and file.customer.casefold() != licence.customer.casefold():
        yield f"it is for the customer {licence.customer[:80]!r}", f"Have it issued for {file.customer}."


def _shown(moment: datetime.datetime, file: LicenceFile) -> str:
    if moment.year in (datetime.MINYEAR, datetime.MAXYEAR):
        return moment.date().isoformat()
    return f"{moment.astimezone(dates.zone_of(file.timezone)):%Y-%m-%d %H:%M} {file.timezone}"


def _last_day(ends: datetime.datetime, file: LicenceFile) -> datetime.date:
    """As the file's own zone counts days."""
    last = ends - datetime.timedelta(seconds=1)
    return (last if ends.year == datetime.MAXYEAR else last.astimezone(dates.zone_of(file.timezone))).date()


def _limits(file: LicenceFile, licence: Licence, around: Around, replace_by: datetime.date | None) -> Standing:
    ends = licence.expires
    told = f"valid until {_shown(ends, file)}" if ends else "valid without an end"
    soon = ends is not None and ends - around.now < around.soon
    last = min((each for each in (replace_by, ends and _last_day(ends, file)) if each), default=None)
    if licence.trial:
        remedy = "Replace it by a full licence."
        if last is None:
            # Owed from today, or it would never be late.
            last, remedy = around.now.date(), f"{remedy} Say in replace_by until when it may stay."
        return Standing(file, "warn", f"it is a trial, {told}", remedy, last, licence)
    if soon or replace_by:
        reason = f"it ends soon: {told}" if soon else f"it is to be replaced by {replace_by}; {told}"
        return Standing(file, "warn", reason, "Have it renewed.", last, licence)
    return Standing(file, "pass", told, licence=licence)


def _of_file(standing: Standing) -> tuple[Finding, Debt | None]:
    """Of a file that nobody can read, or that grants nothing which the site uses."""
    file, licence, remedy = standing.file, standing.licence, standing.remedy
    granted = f"; of what it grants ({_listed(licence)}) nothing is used" if licence else ""
    if licence is not None and standing.status in ("fail", "warn"):
        remedy += " Or take it out of site_licence_files, if it is not needed."
    finding = Finding(
        f"{AREA}.file.{file.id}",
        AREA,
        standing.status,
        f"{file.path}: {standing.reason}{granted}",
        "a licence that is valid for this host",
        remedy,
        file.owner,
    )
    return finding, _debt(file.id, file.owner, standing, remedy) if standing.status == "warn" else None


def _listed(licence: Licence) -> str:
    return ", ".join(sorted(licence.features))[:300] or "no feature"


def _debt(feature: str, owner: str, standing: Standing, remedy: str) -> Debt:
    until = standing.until.isoformat() if standing.until else ""
    return Debt(feature, f"{standing.file.path}: {standing.reason}", owner, until, remedy)


# -- one use


def _use(use: Use, standings: t.Sequence[Standing]) -> tuple[Finding, Debt | None]:
    seen = f" ({use.seen})" if use.seen else ""
    expected = f"a valid licence with {use.feature}, for {use.name}{seen}"

    def said(status: str, observed: str, remedy: str = "") -> Finding:
        blocks = "some" if status == "fail" else "nobody"  # whoever uses it cannot
        return Finding(f"{AREA}.{use.feature}", AREA, status, observed, expected, remedy, use.owner, blocks=blocks)

    if use.free:
        return said("skip", f"needs no licence: {use.free}"), None
    mine = [each for each in standings if each.licence is not None and use.feature in each.licence.features]
    mine.sort(key=lambda each: (_BEST.index(each.status), -_end(each).timestamp()))
    if mine and mine[0].status == "pass":
        return said("pass", f"{mine[0].file.path} grants it, {mine[0].reason}"), None
    if mine and mine[0].status == "warn":
        best = mine[0]
        until = best.until.isoformat() if best.until else ""
        remedy = f"{best.remedy} It is for {use.name}, in {best.file.path}" + (f", until {until}." if until else ".")
        return said("warn", f"{best.file.path}: {best.reason}", remedy), _debt(use.feature, use.owner, best, remedy)
    if mine:
        reason = "; ".join(f"{each.file.path}: {each.reason}" for each in mine)
        return said(mine[0].status, reason, " ".join(dict.fromkeys(each.remedy for each in mine))), None
    return _ungranted(use, standings, said), None


def _end(standing: Standing) -> datetime.datetime:
    return (standing.licence.expires if standing.licence else None) or dates.FAR


def _ungranted(use: Use, standings: t.Sequence[Standing], said: t.Callable[..., Finding]) -> Finding:
    blind = [each for each in standings if each.status == "unknown" and each.licence is None]
    status = "fail" if use.certain else "warn"
    order = f"Get a licence for {use.name} and name its file in site_licence_files"
    if not use.certain:
        order += "; or say in site_entitlements that it needs none (feature, free)"
    if not standings:
        return said(status, "no licence file is named for this host", f"{order}.")
    if blind:
        reason = "; ".join(f"{each.file.path}: {each.reason}" for each in blind)
        remedies = " ".join(dict.fromkeys(each.remedy for each in blind))
        return said("unknown", f"whether a file grants it is not known. {reason}", remedies)
    absent = [each.file.path for each in standings if each.licence is None]
    there = [each.file.path for each in standings if each.licence is not None]
    parts = [f"{', '.join(there)} {'do' if len(there) > 1 else 'does'} not grant it"] if there else []
    parts += [f"{', '.join(absent)} {'are' if len(absent) > 1 else 'is'} not there"] if absent else []
    return said(status, "; ".join(parts), f"{order}, in {', '.join(there or absent)} or beside it.")
