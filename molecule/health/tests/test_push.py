# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The push server as browsers, the portal and strangers meet it. Browsers and strangers are this machine."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.health.push_channel import (
    LongPoll,
    Refused,
    WebSocket,
    new_id,
    signed,
    with_channel,
)
from push_site import DOMAIN, KEY, WORK, address, publish, wait_for_listeners
from testinfra.host import Host

ADDRESSES = {"longpoll": f"https://{DOMAIN}/bitrix/sub/", "websocket": f"wss://{DOMAIN}/bitrix/subws/"}
NAMES = [*(f"sub-{port}" for port in range(8010, 8016)), "pub-9010", "pub-9011"]


def tls(host: Host) -> socket.socket:
    """From this machine to the portal's public port, its certificate proven."""
    context = ssl.create_default_context(cafile=str(WORK / "pki" / "root.pem"))
    return context.wrap_socket(socket.create_connection((address(host), 443), 10), server_hostname=DOMAIN)


def listen(host: Host, way: str, channel: str, more: str = "") -> t.Any:
    kind = LongPoll if way == "longpoll" else WebSocket
    return kind(tls(host), with_channel(ADDRESSES[way], channel) + more)


def ask(host: Host, path: str, method: str = "GET") -> int:
    connection = http.client.HTTPConnection(DOMAIN)
    connection.sock = tls(host)
    connection.request(method, path, headers={"Connection": "close"})
    return connection.getresponse().status


@pytest.mark.parametrize("way", ADDRESSES)
def test_a_message_published_on_the_host_arrives(host: Host, way: str) -> None:
    channel = new_id()
    listener = listen(host, way, signed(channel, KEY))
    wait_for_listeners(host, channel, 1)
    publish(host, channel, '{"command":"hello"}')
    (text,) = listener.arrived(5)
    assert json.loads(text)["text"] == {"command": "hello"}


def test_every_publisher_reaches_every_subscriber(host: Host) -> None:
    channel = new_id()
    web = listen(host, "websocket", signed(channel, KEY))
    wait_for_listeners(host, channel, 1)
    publish(host, channel, '"NUMBER"', times=10)
    got: list[str] = []
    until = time.monotonic() + 30
    while len(got) < 10 and time.monotonic() < until:
        got += [json.loads(text)["text"] for text in web.arrived(1)]
    assert got == [str(number) for number in range(10)]


def test_what_was_missed_comes_again(host: Host) -> None:
    channel = new_id()
    publish(host, channel, '"missed"')
    (text,) = listen(host, "longpoll", signed(channel, KEY), "&mid=" + "0" * 26).arrived(5)
    assert json.loads(text)["text"] == "missed"


@pytest.mark.parametrize("way", ADDRESSES)
@pytest.mark.parametrize("wrong", ["another key", "no signature"])
def test_a_wrong_channel_is_refused(host: Host, way: str, wrong: str) -> None:
    channel = signed(new_id(), "anotherKey") if wrong == "another key" else new_id()
    with pytest.raises(Refused, match="answered 400"):
        listen(host, way, channel).arrived(5)


def test_strangers_cannot_publish(host: Host) -> None:
    for method in ("GET", "POST"):
        assert ask(host, f"/bitrix/pub/?CHANNEL_ID={new_id()}", method) == 404
    assert ask(host, "/bitrix/rest/?CHANNEL_ID=x", "POST") == 400
    assert ask(host, "/server-stat/") in (403, 404)
    for port in (8895, 6379, 8010, 9010):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address(host), port), 5)


def test_the_inner_port_has_nothing_else(host: Host) -> None:
    asked = "import urllib.request as r; r.urlopen('http://127.0.0.1:8895/bitrix/.settings.php')"
    assert "404" in host.run("python3 -c %s", asked).stderr
    secret = hashlib.sha256(f"server-stat{KEY}".encode()).hexdigest()
    states = json.loads(
        host.check_output(
            "python3 -c %s",
            "import urllib.request as r;"
            f"print(r.urlopen('http://127.0.0.1:8895/server-stat/{secret}/').read().decode())",
        )
    )
    assert {state["name"] for state in states} == set(NAMES)


@pytest.mark.parametrize("port", [8895, 9010])
def test_who_is_connected_is_not_for_every_account(host: Host, port: int) -> None:
    asked = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/server-stat/')"
    assert "404" in host.run("runuser -u nobody -- python3 -c %s", asked).stderr


@pytest.mark.parametrize("name", NAMES)
def test_each_process_runs_at_boot_and_has_few_rights(host: Host, name: str) -> None:
    service = host.service(f"push-server@{name}")
    assert service.is_running and service.is_enabled
    properties = host.check_output(
        "systemctl show --property=User,Restart,NoNewPrivileges,ProtectSystem push-server@%s", name
    ).splitlines()
    assert set(properties) == {"User=push", "Restart=always", "NoNewPrivileges=yes", "ProtectSystem=strict"}
    file = host.file(f"/etc/push-server/{name}.json")
    assert (file.user, file.group, file.mode) == ("root", "push", 0o640)
    assert KEY in file.content_string
    assert host.run("runuser -u portal -- cat %s", file.path).rc != 0


def test_no_process_is_too_many(host: Host) -> None:
    listed = host.check_output("systemctl list-units --plain --no-legend 'push-server@*'").splitlines()
    assert {line.split()[0] for line in listed} == {f"push-server@{name}.service" for name in NAMES}
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_the_portal_says_it_in_one_place(host: Host) -> None:
    source = "$s = include '/srv/portal/www/bitrix/.settings.php'; echo json_encode($s['pull']['value']);"
    pull = json.loads(host.check_output("php -r %s", source))
    wanted = {"nginx": "Y", "nginx_version": "4", "signature_key": KEY, "signature_algo": "sha1"}
    assert {name: pull[name] for name in wanted} == wanted
    assert pull["path_to_publish"] == "http://127.0.0.1:8895/bitrix/pub/"
    rows = "SELECT COALESCE(GROUP_CONCAT(NAME), '') FROM {} WHERE MODULE_ID = 'pull' AND NAME IN ('{}')"
    for table in ("b_option", "b_option_site"):
        names = "', '".join([*pull.keys() - {"push"}, "shared_server_key", "registered_on_shared_server"])
        assert host.check_output("mariadb -BN portal -e %s", rows.format(table, names)) == ""
    values = "SELECT CONCAT_WS(' ', NAME, VALUE) FROM b_option WHERE MODULE_ID = 'pull'"
    left = dict(line.split(" ", 1) for line in host.check_output("mariadb -BN portal -e %s", values).splitlines())
    assert (left["server_mode"], left["nginx_error"]) == ("personal", "N")
    assert abs(int(left["config_timestamp"]) - time.time()) < 3600


def test_no_secret_was_printed_or_logged(host: Host) -> None:
    log = (WORK / "ansible.log").read_text()
    assert "TASK [boxlift.portal.push_server : " in log and "+++ after" in log
    assert "CanaryPushKey" in KEY and "CanaryPushKey" not in log
    # An address with a signed channel lets its reader listen.
    assert "/bitrix/sub" not in host.file("/var/log/nginx/access.log").content_string
