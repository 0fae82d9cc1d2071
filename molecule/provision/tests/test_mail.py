# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the portal hands to sendmail arrives at the relay: over verified TLS, with the account and the right sender."""

from __future__ import annotations

import json
import typing as t

import pytest
from portal_site import DOMAIN, VARS
from testinfra.host import Host

# A relay for one message: no mail before STARTTLS, none without the account. Then one message is sent as PHP does it.
RELAY = r"""
import base64, json, socket, ssl, subprocess, sys
certificate, key, port = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("127.0.0.1", int(port)))
listener.settimeout(30)
sender = subprocess.Popen(["runuser", "-u", "portal", "--", "/usr/sbin/sendmail", "-t", "-i"], stdin=subprocess.PIPE,
                          stderr=subprocess.PIPE)
sender.stdin.write(b"To: someone@example.com\nSubject: canary\n\nHello from the portal\n")
sender.stdin.close()
seen = {"tls": False, "account": "", "from": "", "message": ""}
connection = listener.accept()[0]
connection.settimeout(30)
stream = connection.makefile("rwb")
def say(line):
    stream.write(line + b"\r\n")
    stream.flush()
say(b"220 relay")
try:
    while True:
        line = stream.readline().strip()
        verb = line[:4].upper()
        if verb == b"EHLO":
            say(b"250-relay\r\n250-AUTH PLAIN\r\n250 STARTTLS" if not seen["tls"] else b"250-relay\r\n250 AUTH PLAIN")
        elif verb == b"STAR":
            say(b"220 go on")
            connection = context.wrap_socket(connection, server_side=True)
            stream = connection.makefile("rwb")
            seen["tls"] = True
        elif verb == b"AUTH":
            seen["account"] = base64.b64decode(line.split()[2]).decode().strip("\0").replace("\0", " ")
            say(b"235 good")
        elif verb == b"MAIL" and not (seen["tls"] and seen["account"]):
            say(b"530 not like this")
        elif verb == b"MAIL":
            seen["from"] = line.decode()
            say(b"250 good")
        elif verb == b"DATA":
            say(b"354 go on")
            while (part := stream.readline()).strip() != b".":
                seen["message"] += part.decode()
            say(b"250 taken")
        elif verb == b"QUIT" or not line:
            say(b"221 bye")
            break
        else:
            say(b"250 good")
except (OSError, ssl.SSLError) as error:
    seen["error"] = str(error)
seen["status"] = sender.wait(30)
seen["said"] = sender.stderr.read().decode()
print(json.dumps(seen))
"""


@pytest.fixture
def sent(host: Host) -> t.Callable[[str, str], dict[str, t.Any]]:
    """What the relay with this certificate and key saw."""

    def send(certificate: str, key: str) -> dict[str, t.Any]:
        output = host.check_output("python3 -c %s %s %s %s", RELAY, certificate, key, str(VARS["portal_mail_port"]))
        seen: dict[str, t.Any] = json.loads(output)
        return seen

    return send


def test_a_message_arrives(sent: t.Callable[[str, str], dict[str, t.Any]]) -> None:
    seen = sent("/etc/ssl/portal/fullchain.pem", "/etc/ssl/portal/privkey.pem")
    assert (seen["status"], seen["tls"]) == (0, True), seen
    assert seen["account"] == f"{VARS['portal_mail_user']} {VARS['portal_mail_password']}"
    assert seen["from"].startswith(f"MAIL FROM:<portal@{DOMAIN}>")
    assert "Subject: canary" in seen["message"] and "Hello from the portal" in seen["message"]


def test_a_relay_that_is_somebody_else_gets_nothing(host: Host, sent: t.Callable[[str, str], dict[str, t.Any]]) -> None:
    host.check_output(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=%s "
        "-addext subjectAltName=DNS:%s -keyout /run/other.key -out /run/other.pem",
        DOMAIN,
        DOMAIN,
    )
    seen = sent("/run/other.pem", "/run/other.key")
    assert seen["status"] != 0 and "certificate" in seen["said"], seen
    assert (seen["account"], seen["message"]) == ("", "")


def test_the_password_is_for_the_portal_alone(host: Host) -> None:
    file = host.file("/etc/msmtprc")
    assert (file.user, file.group, file.mode) == ("root", "portal", 0o640)
