# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of all hosts as one list, and what is said of them: every reason at once, with its remedy."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding

Data = dict[str, t.Any]


def certificate(state: str, problem: str) -> Finding:
    """The finding on the certificate's files: `problem` is from the role certificate, `state` from the inventory."""
    status, observed, remedy = {
        "provable": ("pass", "key, names, dates and chain are good", ""),
        "unprovable": (
            "unknown",
            "the files cannot be proven here: the key lies on the host, or site_domain is wrong",
            "The role certificate proves them on the host before it installs them.",
        ),
        "requested": (
            "warn",
            "there is no certificate yet: provision makes a signing request and stops",
            "Have the request signed in time, then set certificate_source to files.",
        ),
        "none": ("skip", "this host needs no given certificate, or its files are not there", ""),
    }[state]
    return Finding(
        id="certificate.files",
        area="certificate",
        status="fail" if problem else status,
        observed=problem or observed,
        expected="a certificate for every name, its key, its issuers, valid for weeks",
        remedy="" if problem else remedy,
        owner="customer",
    )


def unasked(host: str, message: str) -> Finding:
    """A host that could not be asked; `message` is Ansible's."""
    return Finding(
        id="host.asked",
        area="host",
        status="fail",
        observed=f"this host could not be asked: {message.strip() or 'no answer'}",
        expected="Ansible reaches the host and runs Python 3 on it",
        remedy=f"Try 'ansible {host} -m ansible.builtin.ping' and correct its address, login or Python.",
    )


def together(hosts: t.Iterable[t.Sequence[Data]]) -> list[Data]:
    """The findings of every host, each once: what the inventory says for all hosts is the same for each of them."""
    unique: list[Data] = []
    for finding in (finding for findings in hosts for finding in findings):
        if finding not in unique:
            unique.append(finding)
    return unique


def refused(findings: t.Sequence[Data]) -> bool:
    return any(finding["status"] == "fail" for finding in findings)


def message(findings: t.Sequence[Data]) -> str:
    """The text that refuses or agrees. Each finding has its `host`."""
    reasons = [finding for finding in findings if finding["status"] == "fail"]
    doubts = [finding for finding in findings if finding["status"] in ("unknown", "warn")]
    passed = sum(finding["status"] == "pass" for finding in findings)
    lines = [
        "The portal cannot come yet." if reasons else "Nothing is in the way of the portal.",
        f"{passed} checks passed, {len(reasons)} failed, {len(doubts)} to look at.",
    ]
    for title, listed in (("In the way", reasons), ("To look at", doubts)):
        lines += ["", f"{title}:"] if listed else []
        for number, finding in enumerate(listed, start=1):
            lines.append(f"{number:2d}. {finding['host']}: {finding['observed']}")
            lines.append(f"    expected: {finding['expected']}")
            if finding["remedy"]:
                lines.append(f"    remedy ({finding['owner']}): {finding['remedy']}")
    return "\n".join(lines) + "\n"
