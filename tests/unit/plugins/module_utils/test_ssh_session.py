# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.ssh_session import Process, Session, parsed, session_of

FROM = {"SSH_CONNECTION": "192.0.2.7 51234 192.0.2.10 2222"}


def session(*chain: tuple[str, dict[str, str]]) -> Session | None:
    """Of the last process, whose parents come before it."""
    table = {number: Process(number - 1, *each) for number, each in enumerate(chain, start=1)}
    return session_of(len(chain), table.__getitem__)


def test_the_process_itself_knows() -> None:
    assert session(("root", {}), ("root", FROM)) == Session("192.0.2.7", 2222, "root")


def test_sudo_has_dropped_it() -> None:
    assert session(("root", {}), ("admin", FROM), ("root", {}), ("root", {})) == Session("192.0.2.7", 2222, "admin")


def test_who_logged_in_counts_though_sudo_keeps_it() -> None:
    found = session(("root", {}), ("admin", FROM), ("root", FROM))
    assert found is not None and found.account == "admin"


@pytest.mark.parametrize("value", ["", "nonsense", "192.0.2.7 1 192.0.2.10 x"])
def test_no_session(value: str) -> None:
    assert session(("root", {}), ("root", {"SSH_CONNECTION": value})) is None


def test_a_link_local_address_has_no_zone() -> None:
    found = session(("root", {"SSH_CONNECTION": "fe80::1%eth0 1 fe80::2%eth0 22"}))
    assert found is not None and found.address == "fe80::1"


def test_what_the_kernel_says() -> None:
    status = b"Name:\tsh\nPPid:\t7\nUid:\t1000\t0\t0\t0\n"
    assert parsed(status, b"A=1\0B=x=y\0broken\0", {1000: "admin"}.__getitem__) == Process(
        7, "admin", {"A": "1", "B": "x=y"}
    )
