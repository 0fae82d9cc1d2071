# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate from the authority is the one in use, and will be renewed without a controller."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

DOMAIN, ALIAS = "portal.boxlift.test", "intranet.boxlift.test"
SHOWN = "openssl s_client -connect %s:443 -servername %s </dev/null 2>/dev/null | openssl x509 -noout %s"


@pytest.mark.parametrize("name", [DOMAIN, ALIAS])
def test_what_is_shown_is_what_certbot_holds(host: Host, name: str) -> None:
    held = host.check_output("openssl x509 -in /etc/letsencrypt/live/portal/cert.pem -noout -fingerprint -sha256")
    assert host.check_output(f"{SHOWN} -sha256", name, name, "-fingerprint") == held
    assert "Pebble" in host.check_output(SHOWN, name, name, "-issuer")


@pytest.mark.parametrize("name", [DOMAIN, ALIAS])
def test_the_host_trusts_it_with_its_chain(host: Host, name: str) -> None:
    said = host.check_output(
        "openssl s_client -connect %s:443 -verify_hostname %s -verify_return_error -brief </dev/null 2>&1", name, name
    )
    assert "Verification: OK" in said


@pytest.mark.parametrize("name", [DOMAIN, ALIAS, "stranger.boxlift.test"])
def test_challenges_are_shown_over_plain_http_and_the_rest_is_led_to_tls(host: Host, name: str) -> None:
    program = (
        "import http.client, json, sys\n"
        "for path in ('/.well-known/acme-challenge/boxlift', '/.well-known/acme-challenge/none', '/x'):\n"
        "    c = http.client.HTTPConnection('127.0.0.1', 80)\n"
        "    c.request('GET', path, headers={'Host': sys.argv[1]})\n"
        "    a = c.getresponse()\n"
        "    print(json.dumps([a.status, a.getheader('Location'), a.read().decode()[:40]]))\n"
    )
    probe, none, other = map(json.loads, host.check_output("python3 -c %s %s", program, name).splitlines())
    assert probe[0] == 200 and probe[2].startswith("This host answers")
    assert none[0] == 404
    assert other[:2] == [301, f"https://{name if name == ALIAS else DOMAIN}/x"]


def test_it_is_renewed_by_the_hosts_own_timer(host: Host) -> None:
    timer = host.service("certbot.timer")
    assert timer.is_running
    assert timer.is_enabled
    starts = host.check_output("systemctl show certbot.service --property=ExecStart").splitlines()
    assert [start.split("path=")[1].split(" ")[0] for start in starts] == [
        "/usr/bin/certbot",
        "/usr/local/sbin/portal-certificate",
    ]
    assert host.run("systemctl start certbot.service").rc == 0
    assert host.check_output("/usr/local/sbin/portal-certificate") == "The certificate is in use already."


def test_keys_are_roots_alone(host: Host) -> None:
    folders = "/etc/letsencrypt/accounts /etc/letsencrypt/live /etc/ssl/portal"
    keys = host.check_output(f"find -L {folders} -type f -name 'priv*' -printf '%u %m %p\\n'").splitlines()
    assert len(keys) >= 3
    assert [key for key in keys if key.split()[:2] not in (["root", "600"], ["root", "400"])] == []


def test_the_server_of_the_first_order_is_gone(host: Host) -> None:
    assert host.run("systemctl is-active portal-acme-first.service").stdout.strip() != "active"
    assert {"nginx"} == set(host.check_output("ss -ltnpH 'sport = :80' | grep -o '\"[a-z0-9]*\"' | tr -d '\"'").split())
