# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.boxlift.portal.plugins.filter.new_findings import new_findings


def finding(name: str, status: str) -> dict[str, t.Any]:
    return {"id": name, "status": status, "observed": f"{name} {status}"}


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("pass", "pass", False),
        ("pass", "warn", True),
        ("pass", "skip", False),
        ("pass", "unknown", True),
        ("warn", "warn", False),
        ("warn", "fail", True),
        ("fail", "fail", False),
        ("fail", "unknown", False),
        ("unknown", "fail", True),
        ("skip", "fail", True),
        ("fail", "pass", False),
    ],
)
def test_only_what_is_worse_is_new(before: str, after: str, new: bool) -> None:
    found = new_findings([finding("a", after)], [finding("a", before)])
    assert [each["id"] for each in found] == (["a"] if new else [])


def test_what_was_not_looked_at_before_is_new() -> None:
    found = new_findings([finding("a", "warn"), finding("b", "fail"), finding("c", "pass")], [])
    assert [each["id"] for each in found] == ["a", "b"]


@pytest.mark.parametrize(("after", "before"), [("text", []), ([], None), ([{"id": "a"}], [])])
def test_what_is_no_finding_is_refused(after: t.Any, before: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="are no findings"):
        new_findings(after, before)
