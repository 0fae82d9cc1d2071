# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""box13 watches box12: every alert by promtool, and real faults with what people hear of them."""

from __future__ import annotations

import json
import typing as t

import pytest
import testinfra
from testinfra.host import Host

PATIENCE = 240  # seconds for what takes 20 on a quiet machine
WAIT = """
import json, sys, time
wanted, since, patience = json.loads(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
until = time.monotonic() + patience
while True:
    try:
        lines = [json.loads(line) for line in open("/root/sink.jsonl") if line.endswith("\\n")]
    except FileNotFoundError:
        lines = []
    for line in lines:
        if line["at"] < since or line["name"] != wanted["name"]:
            continue
        if wanted["name"] != "hook":
            if wanted["says"] in line["subject"] + line["text"]:
                print(json.dumps(line)); sys.exit()
            continue
        for alert in line["body"]["alerts"]:
            if alert["status"] != wanted["status"] or alert["labels"].get("alertname") != wanted["alert"]:
                continue
            if wanted.get("store") in (None, alert["labels"].get("store")):
                print(json.dumps(alert)); sys.exit()
    if time.monotonic() > until:
        sys.exit(f"not heard: {wanted}; heard {[(l['name'], l.get('subject')) for l in lines if l['at'] >= since]}")
    time.sleep(0.5)
"""
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"

EXPIRED = """
import datetime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "portal.boxlift.test")])
now = datetime.datetime.utcnow()
made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
made = made.not_valid_before(now - datetime.timedelta(9)).not_valid_after(now - datetime.timedelta(1))
pem = serialization.Encoding.PEM
secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
# Written, not replaced: owner and rights stay.
open("/etc/ssl/portal/fullchain.pem", "wb").write(made.sign(key, hashes.SHA256()).public_bytes(pem))
open("/etc/ssl/portal/privkey.pem", "wb").write(secret)
"""


# By the store that files/faults.py breaks: what people hear.
COPIES = [
    ("StoreFull", "full"),
    ("StoreUnreachable", "far"),
    ("StoreLocked", "locked"),
    ("StorePasswordWrong", "sealed"),
    ("CopyDatabaseStopped", "local"),
    ("BinaryLogGap", "local"),
    ("CopyClockWrong", "ahead"),
    # Fewer rows than noted, and a drill host without room.
    ("DrillFailed", "local"),
    ("DrillFailed", "ahead"),
]
RELAY = "systemd-run --unit=relay python3 /opt/sink.py /root/sink.jsonl mail:2526:alerts"


@pytest.fixture(scope="module")
def watched(host: Host) -> Host:
    backend: t.Any = host.backend
    inventory = backend.ansible_runner.inventory_file
    return testinfra.get_host("ansible://box12", ansible_inventory=inventory)


def now(host: Host) -> float:
    return float(host.check_output("date +%s.%N"))


def heard(watched: Host, since: float, **wanted: str) -> dict[str, t.Any]:
    """What was heard; waits until it is."""
    said = watched.run("python3 -c %s %s %s %s", WAIT, json.dumps(wanted), str(since), str(PATIENCE))
    assert said.rc == 0, said.stderr
    return t.cast("dict[str, t.Any]", json.loads(said.stdout))


def query(host: Host, what: str) -> list[dict[str, t.Any]]:
    url = f"http://127.0.0.1:9090/api/v1/query?query={what}"
    return t.cast(
        "list[dict[str, t.Any]]", json.loads(host.check_output("python3 -c %s %s", ASK, url))["data"]["result"]
    )


def test_every_alert_fires_and_clears(host: Host) -> None:
    said = host.run("cd /root/alerts && promtool test rules *.test.yml")
    assert said.rc == 0, said.stdout + said.stderr
    assert said.stdout.count("SUCCESS") == int(host.check_output("ls /root/alerts/*.test.yml | wc -l")) > 80


def test_the_configuration_is_what_the_tools_call_good(host: Host) -> None:
    host.check_output("promtool check config /etc/boxlift-monitoring/prometheus.yml")
    host.check_output("amtool check-config /etc/boxlift-monitoring/alertmanager.yml")
    # Debian's example, with its password, is read by nobody.
    assert "/etc/prometheus/" not in host.check_output("systemctl cat prometheus-alertmanager | grep ^ExecStart=/")


def test_nothing_listens_for_others(host: Host, watched: Host) -> None:
    for each in (host, watched):
        listening = each.check_output("ss -ltnH | awk '{print $4}'").split()
        ours = [address for address in listening if 9090 <= int(address.rpartition(":")[2]) < 9200]
        assert ours and all(address.startswith("127.0.0.1:") for address in ours), ours
    address = watched.ansible.get_variables()["ansible_host"]
    assert f"{address}:9443" in watched.check_output("ss -ltnH")
    assert ":9443" not in host.check_output("ss -ltnH")


def test_figures_are_for_those_who_show_their_certificate(host: Host, watched: Host) -> None:
    address = watched.ansible.get_variables()["ansible_host"]
    script = (
        "import ssl, sys, urllib.request, urllib.error\n"
        "context = ssl.create_default_context(cafile='/etc/boxlift-monitoring/peers/box12.pem')\n"
        "context.check_hostname = False\n"
        "if sys.argv[2] == 'known':\n"
        "    context.load_cert_chain('/etc/boxlift-monitoring/host.pem', '/etc/boxlift-monitoring/host.key')\n"
        "try:\n"
        "    print(urllib.request.urlopen(sys.argv[1], context=context, timeout=20).status)\n"
        "except urllib.error.HTTPError as error:\n"
        "    print(error.code)\n"
    )
    url = f"https://{address}:9443/metrics/node"
    assert host.check_output("python3 -c %s %s stranger", script, url) == "401"
    assert host.check_output("python3 -c %s %s known", script, url) == "200"


def test_mariadbs_account_may_look_and_nothing_else(watched: Host) -> None:
    grants = watched.check_output("mariadb -NBe %s", "SHOW GRANTS FOR prometheus@localhost")
    assert grants.split(" ON ")[0] == "GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR" and "unix_socket" in grants
    assert watched.run("runuser -u prometheus -- mariadb -e 'SELECT * FROM portal.b_user'").rc != 0
    assert watched.run("redis-cli -s /run/redis/redis-server.sock --user monitoring --pass x GET a").stdout.startswith(
        "NOPERM"
    )


def test_a_dead_database_is_one_alert(host: Host, watched: Host) -> None:
    since = now(watched)
    watched.check_output("systemctl stop mariadb")
    try:
        alert = heard(watched, since, name="hook", status="firing", alert="DatabaseDown")
        assert (
            alert["labels"]["host"] == "box12" and alert["annotations"]["runbook_url"] == "docs/alerts.md#databasedown"
        )
        letter = heard(watched, since, name="alerts", says="DatabaseDown")
        assert letter["subject"] == "CRITICAL MariaDB on box12 is down" and letter["to"] == ["operators@example.com"]
        assert "docs/alerts.md#databasedown" in letter["text"] and "), alert since 20" in letter["text"]
    finally:
        watched.check_output("systemctl start mariadb")
    heard(watched, since, name="hook", status="resolved", alert="DatabaseDown")
    heard(watched, since, name="alerts", says="Over: DatabaseDown, alert from 20")
    lines = [json.loads(line) for line in watched.check_output("cat /root/sink.jsonl").splitlines()]
    told = {
        alert["labels"]["alertname"]
        for line in lines
        if line["at"] >= since and line["name"] == "hook"
        for alert in line["body"]["alerts"]
        if alert["labels"].get("needs") == "database"
    }
    assert told == set()


def test_a_right_that_was_taken_away_is_noticed(host: Host, watched: Host) -> None:
    since = now(watched)
    watched.check_output("mariadb -e 'REVOKE SLAVE MONITOR ON *.* FROM prometheus@localhost'")
    try:
        heard(watched, since, name="hook", status="firing", alert="DatabaseMetricsIncomplete")
    finally:
        watched.check_output("mariadb -e 'GRANT SLAVE MONITOR ON *.* TO prometheus@localhost'")
    heard(watched, since, name="hook", status="resolved", alert="DatabaseMetricsIncomplete")


def test_a_full_disk(host: Host, watched: Host) -> None:
    since = now(watched)
    watched.check_output("mkdir -p /mnt/small && mount -t tmpfs -o size=1M none /mnt/small")
    try:
        watched.check_output("head -c 1000k /dev/zero > /mnt/small/full")
        alert = heard(watched, since, name="hook", status="firing", alert="DiskAlmostFull")
        assert alert["labels"]["mountpoint"] == "/mnt/small"
        watched.check_output("rm /mnt/small/full")
        heard(watched, since, name="hook", status="resolved", alert="DiskAlmostFull")
    finally:
        watched.check_output("umount /mnt/small && rmdir /mnt/small")


def test_an_expired_certificate_does_not_vanish(host: Host, watched: Host) -> None:
    """A server with one that is over; the probe that verifies it has no date to show."""
    since = now(watched)
    watched.check_output("mkdir -p -m 0700 /root/old && cp -n /etc/ssl/portal/*.pem /root/old/")
    watched.check_output("python3 -W ignore -c %s", EXPIRED)
    watched.check_output("systemctl reload nginx")
    try:
        alert = heard(watched, since, name="hook", status="firing", alert="CertificateExpired")
        assert alert["labels"]["instance"] == "https://portal.boxlift.test/"
        assert [each["value"][1] for each in query(host, 'probe_success{job="portal"}')] == ["0"]
    finally:
        for name in ("fullchain.pem", "privkey.pem"):
            watched.check_output(f"cat /root/old/{name} > /etc/ssl/portal/{name}")
        watched.check_output("systemctl reload nginx")
    heard(watched, since, name="hook", status="resolved", alert="CertificateExpired")


def test_rules_that_cannot_be_read_are_noticed(host: Host, watched: Host) -> None:
    since = now(watched)
    host.check_output("chmod 000 /etc/boxlift-monitoring/rules/web.yml && systemctl reload prometheus")
    try:
        heard(watched, since, name="hook", status="firing", alert="ConfigurationRefused")
    finally:
        host.check_output("chmod 644 /etc/boxlift-monitoring/rules/web.yml && systemctl reload prometheus")
    heard(watched, since, name="hook", status="resolved", alert="ConfigurationRefused")


def test_broken_copies_and_a_dead_mail_relay_are_named_until_they_are_cured(host: Host, watched: Host) -> None:
    """What boxlift-backup says of stores that are truly broken; people hear by webhook, since mail is down."""
    watched.check_output("systemctl stop relay")
    since = now(watched)  # a letter of what was before may have come until then
    try:
        watched.check_output("python3 /opt/faults.py break")
        for name, store in COPIES:
            alert = heard(watched, since, name="hook", status="firing", alert=name, store=store)
            assert alert["labels"]["host"] == "box12"
            assert alert["annotations"]["runbook_url"] == f"docs/alerts.md#{name.lower()}"
        undelivered = heard(watched, since, name="hook", status="firing", alert="AlertsNotDelivered")
        assert undelivered["labels"]["integration"] == "email"
        lines = [json.loads(line) for line in watched.check_output("cat /root/sink.jsonl").splitlines()]
        assert [line for line in lines if line["at"] >= since and line["name"] == "alerts"] == []
        cured = now(watched)
        watched.check_output("python3 /opt/faults.py cure")
    finally:
        watched.check_output(RELAY)
    for name, store in COPIES:
        heard(watched, cured, name="hook", status="resolved", alert=name, store=store)
    heard(watched, cured, name="hook", status="resolved", alert="AlertsNotDelivered")
    assert (
        query(host, 'ALERTS{alertstate="firing",alertname=~"Store.*|Copy.*|BinaryLogGap|BackupProblem|DrillFailed"}')
        == []
    )


@pytest.mark.parametrize("unit", ["prometheus", "prometheus-alertmanager"])
def test_the_silence_of_the_alerting_is_noticed(host: Host, watched: Host, unit: str) -> None:
    since = now(watched)
    host.check_output("systemctl stop %s", unit)
    try:
        letter = heard(watched, since, name="second", says="is silent")
        assert letter["to"] == ["second@example.com"] and "docs/alerts.md#watchdog" in letter["text"]
    finally:
        host.check_output("systemctl start %s", unit)
    heard(watched, since, name="second", says="lives again")
