# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy: as full as production, and dumb."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
import testinfra

INVENTORY = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "molecule" / "shared" / "inventory.py"
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
DOMAIN = "box13.boxlift.test"
SPEAKING = {
    "b_event": "SUCCESS_EXEC = 'N'",
    "b_mail_mailbox": "ACTIVE = 'Y'",
    "b_pull_push": "1",
    "b_pull_push_queue": "1",
    "b_rest_event": "1",
    "b_rest_ap": "ACTIVE = 'Y'",
    "b_voximplant_sip": "1",
    "b_imconnectors_status": "CONNECTION = 'Y'",
    "b_calendar_push": "1",
    "b_dav_connections": "1",
    "b_bp_scheduler_event": "1",
}


@pytest.fixture(scope="module")
def production() -> t.Any:
    return testinfra.get_host("ansible://box12", ansible_inventory=str(INVENTORY))


def sql(host: t.Any, statement: str) -> str:
    return str(host.check_output("mariadb -BN portal -e %s", statement))


# What a host is answered, as text: status, headers, body.
ASK = """
import http.client, socket, ssl, sys
address, port, name, path = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
connection = http.client.HTTPConnection(name)
connection.sock = socket.create_connection((address, port), timeout=15)
if port == 443:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
connection.request("GET", path)
answer = connection.getresponse()
print(answer.status, answer.headers, answer.read().decode("utf-8", "replace"))
"""


def ask(host: t.Any, path: str, address: str = "127.0.0.1", port: int = 443) -> str:
    command = "runuser -u portal -- python3 -c %s %s %s %s %s"
    return str(host.check_output(command, ASK, address, str(port), DOMAIN, path))


def test_the_copy_answers_and_says_what_it_is(host: t.Any) -> None:
    answer = ask(host, "/")
    assert answer.startswith("200 ")
    assert "x-robots-tag: noindex" in answer.lower()
    assert "x-devsrv-cms: bitrix" in answer.lower()
    assert "Disallow: /" in ask(host, "/robots.txt")


def test_it_has_all_of_production(host: t.Any, production: t.Any) -> None:
    for table in ("b_user", "b_crm_lead", "b_tasks", "b_im_message", "b_file", "b_bp_workflow_instance"):
        statement = f"CHECKSUM TABLE {table}" if table != "b_user" else "SELECT COUNT(*) FROM b_user"
        assert sql(host, statement) == sql(production, statement), table
    listing = "cd /srv/portal/www/upload && find . -type f -printf '%p %s\\n' | sort | sha256sum"
    assert host.check_output(listing) == production.check_output(listing)
    owners = host.check_output("find /srv/portal/www -printf '%u:%g\\n' | sort -u")
    assert owners == "portal:portal"


def test_nothing_in_it_can_speak(host: t.Any, production: t.Any) -> None:
    for table, condition in SPEAKING.items():
        assert sql(host, f"SELECT COUNT(*) FROM {table} WHERE {condition}") == "0", table
        # Production speaks on.
        if table != "b_event":
            assert sql(production, f"SELECT COUNT(*) FROM {table} WHERE {condition}") != "0", table
    dbconn = host.file("/srv/portal/www/bitrix/php_interface/dbconn.php").content_string
    assert "define" in dbconn and "testers@boxlift.test" in dbconn
    assert not host.file("/etc/cron.d/portal-agents").exists
    assert production.file("/etc/cron.d/portal-agents").exists


def test_it_has_numbers_and_a_name_of_its_own(host: t.Any, production: t.Any) -> None:
    for name in ("server_uniq_id", "host_id", "signature_key", "server_name"):
        statement = f"SELECT VALUE FROM b_option WHERE NAME = '{name}' AND MODULE_ID IN ('main', 'pull')"
        assert sql(host, statement) not in ("", sql(production, statement)), name
    assert sql(host, "SELECT DISTINCT SERVER_NAME FROM b_lang WHERE ACTIVE = 'Y'") == DOMAIN
    key = "grep -A1 crypto_key /srv/portal/www/bitrix/.settings.php"
    assert host.check_output(key) == production.check_output(key)


def test_what_it_sends_ends_in_the_sink(host: t.Any, production: t.Any) -> None:
    address = production.backend.get_variables()["lab_names"]["box12"]
    for target, port in ((address, 80), ("198.51.100.7", 8080)):
        assert "X-Sink: pre-production" in ask(host, "/", target, port), target
    caught = host.file("/var/lib/boxlift-sink/caught.jsonl").content_string
    assert f'"to": "{address}:80"' in caught and '"to": "198.51.100.7:8080"' in caught
    question = f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('{address}', 53))"
    assert "PermissionError" in host.run("runuser -u portal -- python3 -c %s", question).stderr
    letter = 'mail("customer@example.com", "A letter to a customer", "x");'
    host.check_output("runuser -u portal -- php -r %s", letter)
    assert "A letter to a customer" in host.check_output("cat /var/lib/boxlift-sink/mail/*.eml")
    assert "packets 0" in host.check_output("nft list counter inet boxlift_egress left")


def test_the_key_can_only_read(host: t.Any, production: t.Any) -> None:
    address = production.backend.get_variables()["lab_names"]["box12"]
    options = "-i /etc/boxlift/copy_key -o BatchMode=yes -o UserKnownHostsFile=/etc/boxlift/copy_known_hosts"
    for command in ("id", "rsync --server . /srv/portal/www", "database; id"):
        answer = host.run(f"ssh {options} portal-copy@{address} %s", command)
        assert answer.rc != 0 and "uid=" not in answer.stdout, command
    answer = production.run("runuser -u portal-copy -- mariadb portal -e %s", "DELETE FROM b_option")
    assert answer.rc != 0 and "denied" in answer.stderr


def test_the_lock_holds_without_the_permission(host: t.Any) -> None:
    permission = "/var/lib/boxlift/preproduction/silent"
    host.check_output("systemctl stop nginx && mv %s %s.away", permission, permission)
    try:
        host.run("systemctl start nginx")
        assert not host.service("nginx").is_running
    finally:
        host.check_output("mv %s.away %s && systemctl start nginx", permission, permission)
    assert host.service("nginx").is_running


def test_a_refresh_brings_what_came_later(host: t.Any, production: t.Any) -> None:
    """After the side effect; before it neither side has it."""
    assert (
        host.file("/srv/portal/www/upload/later.txt").exists
        == production.file("/srv/portal/www/upload/later.txt").exists
    )
    later = "SELECT COUNT(*) FROM b_event WHERE EVENT_NAME = 'LATER'"
    assert sql(host, later) == sql(production, later)
    page = EPHEMERAL / "compare.md"
    if page.exists():
        text = page.read_text()
        assert "main.update\\_devsrv" in text
        # The copy's password and production's, which is the scenario provision's.
        assert "canary-database" not in text and "Canary" not in text
