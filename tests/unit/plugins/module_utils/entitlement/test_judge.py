# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses against licences: who has to do what until when, and what nobody knows."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement import licence
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.dates import UTC
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.identity import Identity
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.judge import (
    Around,
    Debt,
    Judgement,
    judge,
)
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.uses import Use
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from hypothesis import given
from hypothesis import strategies as st

HOST = Identity(("pbx1",), ("00:16:3e:aa:bb:cc",), ("aa" * 16,), ("portal.example.com",))
VOICE, FAX = Use("voice_library", "Voice library"), Use("fax", owner="customer")
FIELDS = {"features": "F", "expires": "E", "trial": "T", "host_name": "H", "starts": "S", "customer": "C"}
Files = t.Sequence["tuple[str, str, dict[str, t.Any]]"]


def moment(text: str) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def judged(
    uses: t.Sequence[Use],
    *files: str | Exception,
    now: str = "2026-12-05T12:00",
    identity: Identity = HOST,
    declared: bool = True,
    **entry: t.Any,
) -> Judgement:
    """Files are lines F=, E= and so on with semicolons between them; the map names what is there."""
    pairs = []
    for number, text in enumerate(files):
        content = "" if isinstance(text, Exception) else text.replace(";", "\n")
        fields = {name: path for name, path in FIELDS.items() if f"{path}=" in content}
        file = licence.declared({"path": f"/lic/{number}", "fields": fields, **entry}, "Europe/Berlin")

        def load(file: licence.LicenceFile = file, text: str | Exception = text, content: str = content) -> t.Any:
            if isinstance(text, Exception):
                raise text
            return licence.load(file, content.encode())

        pairs.append((file, load))
    return judge(uses, pairs, Around(identity, moment(now)), declared=declared)


def statuses(found: Judgement) -> dict[str, str]:
    return {each.id.partition(".")[2]: each.status for each in found.findings}


CLOSED = PermissionError(13, "Permission denied", "/lic/0")
UNREADABLE = BoxliftError("it is no text in utf-8 at byte 2", "Say in which encoding the file is.")
ABSENT = licence.Absent("it is not there", "Bring it.")


def test_at_midnight_the_licence_lacks_the_voice_library() -> None:
    found = judged([VOICE, FAX], "F=fax,queue;E=2027-12-31;H=pbx1")
    missing = found.findings[0].as_dict()
    assert missing == {
        "id": "entitlement.voice_library",
        "area": "entitlement",
        "status": "fail",
        "observed": "/lic/0 does not grant it",
        "expected": "a valid licence with voice_library, for Voice library",
        "remedy": "Get a licence for Voice library and name its file in site_licence_files, in /lic/0 or beside it.",
        "owner": "sales",
        "reference": "",
        "blocks": "some",
    }
    assert statuses(found) == {"voice_library": "fail", "fax": "pass"} and found.debts == []


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        ((), "fail", "no licence file is named for this host"),
        (("F=voice_library;E=2027-12-31",), "pass", "/lic/0 grants it, valid until 2028-01-01 00:00 Europe/Berlin"),
        (("F=VOICE_LIBRARY;E=never",), "pass", "/lic/0 grants it, valid without an end"),
        (("F=voice_library;E=2026-12-04",), "fail", "it has expired: it was valid until 2026-12-05 00:00"),
        (("F=voice_library;H=pbx2",), "fail", "it is for pbx2, and the host's name is pbx1"),
        (("F=voice_library;S=2026-12-06",), "fail", "it is not valid yet: it begins 2026-12-06 00:00"),
        (
            ("F=voice_library;E=2026-12-04;H=pbx2",),
            "fail",
            "it is for pbx2, and the host's name is pbx1; it has expired",
        ),
        (("F=voice_library;E=2026-12-20",), "warn", "it ends soon: valid until 2026-12-21 00:00"),
        (("F=voice_library;T=yes;E=2027-12-31",), "warn", "it is a trial, valid until 2028-01-01"),
        ((UNREADABLE,), "unknown", "whether a file grants it is not known. /lic/0: it is no text in utf-8 at byte 2"),
        ((UNREADABLE, "F=fax"), "unknown", "is not known"),
        ((CLOSED,), "unknown", "/lic/0: it cannot be read: Permission denied"),
        ((ABSENT,), "fail", "/lic/0 is not there"),
        ((ABSENT, "F=fax", "F=queue"), "fail", "/lic/1, /lic/2 do not grant it; /lic/0 is not there"),
        # The best of several counts.
        (("F=voice_library;E=2026-12-04", "F=voice_library;E=2027-12-31"), "pass", "/lic/1 grants it"),
        (("F=voice_library;T=yes", "F=voice_library;E=2027-12-31"), "pass", "/lic/1 grants it"),
        (("F=voice_library;E=2026-12-10", "F=voice_library;E=2026-12-20"), "warn", "/lic/1: it ends soon"),
        ((UNREADABLE, "F=voice_library;E=2027-12-31"), "pass", "/lic/1 grants it"),
    ],
)
def test_a_use(files: tuple[str | Exception, ...], status: str, words: str) -> None:
    finding = judged([VOICE], *files).findings[0]
    assert (finding.id, finding.status) == ("entitlement.voice_library", status)
    assert words in finding.observed
    assert bool(finding.remedy) == (status != "pass")


@pytest.mark.parametrize(
    ("now", "status"),
    [
        ("2026-12-05T23:59:59+01:00", "warn"),
        ("2026-12-06T00:00:00+01:00", "fail"),
        # The licence's own day counts, wherever the judge stands.
        ("2026-12-05T22:59:59+00:00", "warn"),
        ("2026-12-05T23:00:00+00:00", "fail"),
        ("2026-12-06T07:59:59+09:00", "warn"),
        ("2026-12-06T08:00:00+09:00", "fail"),
    ],
)
def test_the_last_day_ends_at_its_midnight(now: str, status: str) -> None:
    assert judged([VOICE], "F=voice_library;E=2026-12-05", now=now).findings[0].status == status


def test_soon_is_thirty_days() -> None:
    ends = "F=voice_library;E=2027-01-04"
    assert judged([VOICE], ends, now="2026-12-05T23:00").findings[0].status == "pass"
    assert judged([VOICE], ends, now="2026-12-05T23:00:01").findings[0].status == "warn"
    assert judged([VOICE], "F=voice_library;E=9999-12-31").findings[0].status == "pass"
    assert judged([VOICE], "F=voice_library;E=0001-01-01").findings[0].status == "fail"


def test_a_debt_has_its_owner_and_its_day() -> None:
    trial = judged([FAX], "F=fax;T=trial;E=2026-12-20")
    reason = "/lic/0: it is a trial, valid until 2026-12-21 00:00 Europe/Berlin"
    remedy = "Replace it by a full licence. It is for fax, in /lic/0, until 2026-12-20."
    assert trial.debts == [Debt("fax", reason, "customer", "2026-12-20", remedy)]
    assert trial.findings[0].remedy == remedy
    # One without an end is owed from today, or it would never be late; and the site may say another day.
    (endless,) = judged([FAX], "F=fax;T=trial").debts
    assert endless.until == "2026-12-05" and "Say in replace_by until when it may stay." in endless.remedy
    early = judged([FAX], "F=fax;T=trial;E=2027-12-31", replace_by="2026-12-10")
    assert [each.until for each in early.debts] == ["2026-12-10"]
    planned = judged([FAX], "F=fax;E=2027-12-31", replace_by="2026-12-10")
    assert (planned.findings[0].status, planned.debts[0].until) == ("warn", "2026-12-10")
    assert judged([FAX], "F=fax;E=2027-12-31").debts == []


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York", "Etc/UTC"])
def test_the_day_of_a_debt_is_one_of_the_files_zone(zone: str) -> None:
    found = judged([FAX], "F=fax;T=trial;E=2026-12-20", timezone=zone)
    assert found.debts[0].until == "2026-12-20" and f"until 2026-12-21 00:00 {zone}" in found.debts[0].reason


def test_at_the_end_of_time_nothing_breaks() -> None:
    late = "9999-12-31T20:00"
    assert judged([FAX], "F=fax;T=trial", now=late).debts[0].until == "9999-12-31"
    assert judged([FAX], "F=fax;T=trial;E=9999-12-31", now=late, timezone="Pacific/Kiritimati").debts
    assert judged([FAX], "F=fax;E=9999-12-31 10:00", now=late).findings[0].status == "fail"


def test_nothing_declared_is_no_success() -> None:
    nothing = judged([], declared=False).findings[0]
    assert (nothing.id, nothing.status) == ("entitlement.uses", "unknown") and "site_entitlements" in nothing.remedy
    assert statuses(judged([])) == {"uses": "skip"}
    seen = Use("codec_g729a", seen="Asterisk loads codec_g729a")
    assert statuses(judged([seen], declared=False)) == {"uses": "unknown", "codec_g729a": "fail"}


def test_what_may_need_none_only_warns() -> None:
    silk = Use("codec_silk", "codec SILK", seen="Asterisk loads codec_silk", certain=False)
    found = judged([silk], "F=fax").findings[0]
    assert found.status == "warn" and "or say in site_entitlements that it needs none" in found.remedy
    assert "Asterisk loads codec_silk" in found.expected
    free = judged([Use("codec_silk", free="nobody calls with it")]).findings[0]
    assert (free.status, free.observed) == ("skip", "needs no licence: nobody calls with it")


def test_a_file_is_judged_by_itself_if_nothing_that_it_grants_is_used() -> None:
    files = (
        "F=voice_library;E=2027-12-31",
        "F=x;E=2026-12-04",
        "F=y;E=2026-12-20",
        "F=z;E=2027-12-31",
        UNREADABLE,
        ABSENT,
    )
    found = judged([VOICE], *files)
    assert statuses(found) == {
        "voice_library": "pass",
        "file.1": "fail",
        "file.2": "warn",
        "file.3": "pass",
        "file.4": "unknown",
        "file.5": "fail",
    }
    assert "of what it grants (x) nothing is used" in found.findings[1].observed
    assert [(each.feature, each.owner, each.until) for each in found.debts] == [("2", "sales", "2026-12-20")]


def test_a_host_that_is_not_known_is_no_right_host() -> None:
    found = judged([VOICE], "F=voice_library;H=pbx1", identity=Identity()).findings[0]
    assert found.status == "unknown" and "bound to the host's name, which is not known here" in found.observed


def test_a_licence_of_another_customer() -> None:
    found = judged([VOICE], "F=voice_library;C=Other Ltd", customer="Example Ltd").findings[0]
    assert found.status == "fail" and "it is for the customer 'Other Ltd'" in found.observed
    assert judged([VOICE], "F=voice_library;C=EXAMPLE ltd", customer="Example Ltd").findings[0].status == "pass"


def test_a_wrong_day_in_the_inventory_is_not_passed_over() -> None:
    assert judged([VOICE], "F=voice_library", replace_by="soon").findings[0].status == "unknown"


def test_what_stands_in_each_file_is_told() -> None:
    told = judged([VOICE], "F=voice_library;E=2027-12-31;C=Example Ltd", UNREADABLE).as_dict()["files"]
    assert told[0] == {
        "id": "0",
        "path": "/lic/0",
        "status": "pass",
        "reason": "valid until 2028-01-01 00:00 Europe/Berlin",
        "features": ["voice_library"],
        "expires": "2027-12-31T23:00:00+00:00",
        "trial": False,
        "customer": "Example Ltd",
        "proven": False,
    }
    assert (told[1]["status"], told[1]["features"], told[1]["expires"]) == ("unknown", [], "")


LINES = st.text(st.sampled_from("FETHSC=;voice_library,2026-12-05 yes\n"), max_size=60)


@given(
    st.lists(st.one_of(LINES, st.just(UNREADABLE), st.just(ABSENT)), max_size=3),
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from(["", "2026-12-05", "9999-12-31", "0001-01-01"]),
)
def test_every_use_has_one_finding_whatever_stands_there(
    files: list[str | Exception], now: datetime.datetime, replace_by: str
) -> None:
    found = judged([VOICE, FAX], *files, now=now.isoformat(), replace_by=replace_by, any_host=[""], unlimited=[""])
    ids = [each.id for each in found.findings]
    assert ids[:2] == ["entitlement.voice_library", "entitlement.fax"] and len(set(ids)) == len(ids)
    assert {f"entitlement.{each.feature}" for each in found.debts} | {
        f"entitlement.file.{each.feature}" for each in found.debts
    } >= {each.id for each in found.findings if each.status == "warn"}
