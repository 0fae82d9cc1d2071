# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.boxlift.portal.plugins.filter.merge_findings import FilterModule

merge_findings = FilterModule().filters()["merge_findings"]
GOOD = {"id": "web.answers", "status": "pass", "observed": "answered 200"}


def test_merges() -> None:
    (merged,) = merge_findings([GOOD], [{**GOOD, "status": "fail", "observed": "no answer"}])
    assert merged["status"] == "fail" and "answered 200" in merged["observed"]


@pytest.mark.parametrize("wrong", ["text", None, [1], [{"id": "a.b"}], [{"id": "a.b", "status": "fine"}]])
def test_refuses_what_is_no_list_of_findings(wrong: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="Give `findings` of portal_health"):
        merge_findings(wrong, [GOOD])
    with pytest.raises(AnsibleFilterError, match="in its parentheses"):
        merge_findings([GOOD], wrong)
