# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx of the role web listens on both kinds of addresses, and only on those that the host's kernel has."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "web"


def listens(release: str, inet6: bool) -> list[str]:
    """The directives `listen` of nginx's configuration, in their order."""
    loader = DataLoader()
    variables: dict[str, t.Any] = {}
    for place in ("defaults", "vars"):
        variables |= loader.load_from_file(str(ROLE / place / "main.yml"), trusted_as_template=True)
    variables |= {
        "ansible_facts": {"distribution": "Debian", "distribution_major_version": release, "memtotal_mb": 4096},
        "__web_inet6": {"stat": {"exists": inet6}},
        "web_domain": "portal.example",
        "web_aliases": ["www.portal.example"],
        "web_document_root": "/srv/www",
        "web_certificate": "/c",
        "web_certificate_key": "/k",
        "role_path": str(ROLE),
    }
    text = (ROLE / "templates" / "nginx.conf.j2").read_text()
    rendered = Templar(loader=loader, variables=variables).template(trust_as_template(text))
    return re.findall(r"^ +listen (.*);$", rendered, re.MULTILINE)


@pytest.mark.parametrize(("release", "http2"), (("12", " http2"), ("13", "")))
def test_both_kinds_of_addresses(release: str, http2: str) -> None:
    four = ["80 default_server", f"443 ssl{http2} default_server", "80", f"443 ssl{http2}"]
    assert listens(release, inet6=False) == four
    assert listens(release, inet6=True) == [line for each in four for line in (each, f"[::]:{each}")]
