# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both portals answer before the CRM's difference is carried over, and each thing that is in the way."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.preflight import crm

CLOUD, BOX = "https://acme.example/rest/1/canary7/", "https://portal.example.com/rest/1/canary8/"
GOOD: dict[str, t.Any] = {
    "profile": {"ID": "1", "ADMIN": True},
    "scope": ["crm", "user", "telephony", "disk"],
    "method.get": {"isExisting": True, "isAvailable": True},
}


class Answer(t.NamedTuple):
    result: t.Any


class Portal:
    """Answers each method as it is told; an error is raised."""

    def __init__(self, **answers: t.Any) -> None:
        self.answers = {**GOOD, **{name.replace("__", "."): answer for name, answer in answers.items()}}

    def call(self, method: str, params: t.Mapping[str, t.Any] | None = None) -> Answer:
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer)


def found(which: str, portal: Portal, webhook: str = "", domain: str = "portal.example.com") -> dict[str, str]:
    webhook = webhook or {crm.CLOUD: CLOUD, crm.BOX: BOX}[which]
    findings = crm.findings(which, webhook, domain, lambda _webhook: portal)
    assert "canary" not in str(findings)
    assert all(finding.remedy or finding.status == "pass" for finding in findings)
    return {finding.id: finding.status for finding in findings}


def test_both_portals_are_in_order() -> None:
    cloud = found(crm.CLOUD, Portal())
    assert set(cloud) == {f"crm.cloud_{name}" for name in ("portal", "answers", "administrator", "scopes")}
    box = found(crm.BOX, Portal())
    assert set(box.values()) == {"pass"} == set(cloud.values())
    assert "crm.box_import" in box


@pytest.mark.parametrize(
    ("which", "answers", "name", "status"),
    [
        ("cloud", {"profile": {"ID": "1", "ADMIN": False}}, "administrator", "fail"),
        ("box", {"profile": []}, "administrator", "fail"),
        ("cloud", {"scope": ["crm", "telephony"]}, "scopes", "fail"),
        ("cloud", {"scope": ["crm", "user"]}, "scopes", "warn"),
        ("box", {"method__get": {"isExisting": False, "isAvailable": False}}, "import", "fail"),
        ("box", {"method__get": {"isExisting": True, "isAvailable": False}}, "import", "fail"),
        ("box", {"method__get": BoxliftError("The portal did not answer.", "Look at it.")}, "import", "unknown"),
        ("cloud", {"profile": BoxliftError("No answer.", "Look.")}, "answers", "fail"),
        # It may not be restored yet.
        ("box", {"profile": BoxliftError("No answer.")}, "answers", "warn"),
    ],
)
def test_what_is_in_the_way(which: str, answers: dict[str, t.Any], name: str, status: str) -> None:
    others = {key: value for key, value in found(which, Portal(**answers)).items() if key != f"crm.{which}_{name}"}
    assert found(which, Portal(**answers))[f"crm.{which}_{name}"] == status
    assert set(others.values()) == {"pass"}


def test_webhooks_that_were_mixed_up() -> None:
    assert found(crm.CLOUD, Portal(), webhook=BOX)["crm.cloud_portal"] == "fail"
    assert found(crm.BOX, Portal(), webhook=CLOUD)["crm.box_portal"] == "fail"
    # Without a domain nobody can tell.
    assert found(crm.BOX, Portal(), webhook=CLOUD, domain="")["crm.box_portal"] == "pass"
