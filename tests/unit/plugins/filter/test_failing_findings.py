# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.boxlift.portal.plugins.filter.failing_findings import failing_findings
from ansible_collections.boxlift.portal.plugins.module_utils.finding import STATUSES

FINDINGS = [{"id": f"a.{status}", "status": status} for status in STATUSES]


@pytest.mark.parametrize(
    ("fail_on", "kept"),
    [
        ("never", []),
        ("fail", ["a.fail"]),
        ("unknown", ["a.fail", "a.unknown"]),
        ("warn", ["a.warn", "a.fail", "a.unknown"]),
    ],
)
def test_what_makes_a_run_fail(fail_on: str, kept: list[str]) -> None:
    assert [finding["id"] for finding in failing_findings(FINDINGS, fail_on)] == kept


def test_a_word_that_is_none() -> None:
    with pytest.raises(AnsibleFilterError, match="'always' is none of never, fail, unknown, warn"):
        failing_findings(FINDINGS, "always")
