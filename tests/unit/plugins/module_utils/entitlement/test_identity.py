# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a licence is for this host."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.identity import Identity, of_this_host
from hypothesis import given
from hypothesis import strategies as st

HOST = Identity(
    host_name=("pbx1.example.com", "pbx1"),
    mac=("00:16:3e:aa:bb:cc",),
    machine_id=("4c4c4544-0042-3510-8052-b4c04f4d4d32",),
    domain=("portal.example.com", "портал.пример.рф"),
)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("host_name", "PBX1.Example.com.", True),
        ("host_name", "pbx1", True),
        ("host_name", "*.example.com", True),
        ("host_name", "pbx1.example.org", False),
        ("host_name", "pbx", False),
        ("host_name", "*", False),
        ("mac", "00-16-3E-AA-BB-CC", True),
        ("mac", "0016.3eaa.bbcc", True),
        ("mac", "00163EAABBCD", False),
        ("mac", "", False),
        ("machine_id", "{4C4C4544004235108052B4C04F4D4D32}", True),
        ("machine_id", "4c4c4544", False),
        ("domain", "xn--80awhdgm.xn--e1afmkfd.xn--p1ai", True),
        ("domain", "ПОРТАЛ.пример.рф", True),
        ("domain", "*.EXAMPLE.com", True),
        ("domain", "example.com", False),
        ("domain", "*.ample.com", False),
        ("domain", "*.portal.example.com", False),
    ],
)
def test_matches(kind: str, value: str, expected: bool) -> None:
    assert HOST.matches(kind, ["other", value]) is expected


def test_what_the_host_says_of_itself(tmp_path: Path) -> None:
    for name, address in (("lo", "00:00:00:00:00:00"), ("eth0", "00:16:3e:aa:bb:cc")):
        (tmp_path / "sys/class/net" / name).mkdir(parents=True)
        (tmp_path / "sys/class/net" / name / "address").write_text(f"{address}\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("aa" * 16 + "\n")
    names = (lambda: "pbx1", lambda: "pbx1.example.com")
    assert of_this_host(["portal.example.com"], names, str(tmp_path)) == Identity(
        ("pbx1", "pbx1.example.com"), ("00:16:3e:aa:bb:cc",), ("aa" * 16,), ("portal.example.com",)
    )
    assert of_this_host([], (str,), str(tmp_path / "nowhere")) == Identity()


@given(st.sampled_from(["host_name", "mac", "machine_id", "domain"]), st.lists(st.text(max_size=300), max_size=3))
def test_nothing_raises(kind: str, values: list[str]) -> None:
    assert HOST.matches(kind, values) in (True, False)
