# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of all hosts together."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.preflight import verdict


def finding(status: str, host: str = "one", **more: str) -> dict[str, t.Any]:
    usual = {"observed": f"seen {status}", "expected": "good", "remedy": "Mend it.", "owner": "customer"}
    return {"id": "a.b", "status": status, "host": host, **usual, **more}


def test_a_refusal_numbers_every_reason() -> None:
    findings = [
        finding("pass"),
        finding("fail", "controller"),
        finding("fail", remedy=""),
        finding("unknown"),
        finding("warn", owner="contractor"),
        finding("skip"),
    ]
    assert verdict.refused(findings)
    assert verdict.message(findings) == (
        "The portal cannot come yet.\n"
        "1 checks passed, 2 failed, 2 to look at.\n"
        "\n"
        "In the way:\n"
        " 1. controller: seen fail\n"
        "    expected: good\n"
        "    remedy (customer): Mend it.\n"
        " 2. one: seen fail\n"
        "    expected: good\n"
        "\n"
        "To look at:\n"
        " 1. one: seen unknown\n"
        "    expected: good\n"
        "    remedy (customer): Mend it.\n"
        " 2. one: seen warn\n"
        "    expected: good\n"
        "    remedy (contractor): Mend it.\n"
    )


def test_doubts_do_not_refuse() -> None:
    assert not verdict.refused([finding("pass"), finding("unknown"), finding("warn"), finding("skip")])
    assert verdict.message([finding("pass")]) == (
        "Nothing is in the way of the portal.\n1 checks passed, 0 failed, 0 to look at.\n"
    )


def test_what_is_the_same_for_every_host_is_said_once() -> None:
    same, own, other = finding("fail", "controller"), finding("pass", "one"), finding("pass", "two")
    assert verdict.together([[same, own], [dict(same), other]]) == [same, own, other]


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        ("provable", "pass", "key, names, dates and chain are good"),
        ("unprovable", "unknown", "the files cannot be proven here"),
        ("requested", "warn", "there is no certificate yet"),
        ("none", "skip", "this host needs no given certificate"),
    ],
)
def test_the_certificate(state: str, status: str, words: str) -> None:
    said = verdict.certificate(state, "")
    assert (said.status, said.observed.startswith(words)) == (status, True)
    assert bool(said.remedy) == (status in ("unknown", "warn"))


def test_a_certificate_that_the_role_refuses() -> None:
    said = verdict.certificate("provable", "It has expired. Renew it.")
    assert (said.status, said.observed, said.remedy) == ("fail", "It has expired. Renew it.", "")


@pytest.mark.parametrize(("message", "said"), [(" no route \n", "no route"), ("", "no answer")])
def test_a_host_that_could_not_be_asked(message: str, said: str) -> None:
    unasked = verdict.unasked("far", message)
    assert unasked.observed == f"this host could not be asked: {said}"
    assert "'ansible far -m ansible.builtin.ping'" in unasked.remedy
