# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that the portal shows, and who may read its key."""

from __future__ import annotations

import typing as t

from portal_site import DOMAIN, VARS
from testinfra.host import Host

DIRECTORY = "/etc/ssl/portal"


def test_the_host_trusts_what_the_portal_shows_under_each_name(ask_all: t.Callable[..., t.Any]) -> None:
    for answer in ask_all([{"path": "/", "host": name} for name in [DOMAIN, *VARS["site_aliases"]]]):
        assert answer.status in (200, 302, 401, 403)


def test_the_certificates_of_the_issuers_are_shown_too(host: Host) -> None:
    shown = host.check_output("openssl s_client -connect %s:443 -showcerts </dev/null 2>/dev/null", DOMAIN)
    assert shown.count("BEGIN CERTIFICATE") == (1 if host.check_output("hostname") == "box12" else 2)


def test_old_protocols_are_refused(host: Host) -> None:
    connect = "openssl s_client -connect %s:443 -cipher DEFAULT@SECLEVEL=0 %s </dev/null"
    assert host.run(connect, DOMAIN, "-tls1_2").rc == 0
    assert host.run(connect, DOMAIN, "-tls1_1").rc != 0


def test_the_key_is_roots_alone(host: Host) -> None:
    key = host.file(f"{DIRECTORY}/privkey.pem")
    assert (key.user, key.group, key.mode) == ("root", "root", 0o600)
    assert "PRIVATE" not in host.file(f"{DIRECTORY}/fullchain.pem").content_string
