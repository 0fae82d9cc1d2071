# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moved portal, seen from outside and from within; its database lies on another host."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
import typing as t
from pathlib import Path

import pytest
import testinfra

INVENTORY = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "molecule" / "shared" / "inventory.py"
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
AUTHORITY = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache" / "lab" / "ca" / "ca.pem"


@pytest.fixture
def manifest() -> dict[str, t.Any]:
    content: dict[str, t.Any] = json.loads((EPHEMERAL / "backup" / "manifest.json").read_text())
    return content


@pytest.fixture(scope="module")
def database() -> t.Any:
    """The host of MariaDB and Redis."""
    return testinfra.get_host("ansible://box13", ansible_inventory=str(INVENTORY))


@pytest.fixture
def domain(host: t.Any) -> str:
    return f"{host.backend.host}.boxlift.test"


class Outside:
    """A stranger's requests to the box, by its address, with the certificate verified for its name."""

    def __init__(self, address: str, domain: str) -> None:
        self._address = address
        self._domain = domain

    def status(self, path: str, tls: bool = True) -> int:
        """The status that is answered; a portal whose services were killed may take its time to come back."""
        for _attempt in range(40):
            try:
                status = self._ask(path, tls)
            except OSError:
                status = 503
            if status < 500:
                return status
            time.sleep(1)
        return status

    def _ask(self, path: str, tls: bool) -> int:
        connection = http.client.HTTPConnection(self._domain)
        connection.sock = socket.create_connection((self._address, 443 if tls else 80), timeout=10)
        if tls:
            context = ssl.create_default_context(cafile=str(AUTHORITY))
            connection.sock = context.wrap_socket(connection.sock, server_hostname=self._domain)
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.fixture
def outside(host: t.Any, domain: str) -> Outside:
    return Outside(host.backend.get_variables()["lab_names"][host.backend.host], domain)


def test_the_portal_answers_over_tls(outside: Outside) -> None:
    assert outside.status("/") == 200
    assert outside.status("/", tls=False) == 301


def test_every_row_of_the_dump_arrived(database: t.Any, manifest: dict[str, t.Any]) -> None:
    counted = database.check_output(
        "mariadb -N portal -e %s",
        " UNION ALL ".join(f"SELECT '{table}', COUNT(*) FROM `{table}`" for table in manifest["db"]["tables"]),
    )
    found = dict(line.split("\t") for line in counted.splitlines())
    # Configuring the portal changes its options and sites; a running portal changes its agents and sessions.
    living = {
        "b_option",
        "b_option_site",
        "b_search_content",
        "b_search_content_site",
        "b_search_content_text",
        "b_admin_notify",
        "b_lang_domain",
        "b_agent",
        "b_event",
        "b_user_session",
    }
    for table, facts in manifest["db"]["tables"].items():
        assert table in living or int(found[table]) == facts["rows"], table


def test_the_damaged_part_was_repaired(host: t.Any, manifest: dict[str, t.Any]) -> None:
    for part in manifest["parts"]:
        assert host.file(f"/var/lib/boxlift/backup/{part['name']}").sha256sum == part["sha256"]


def test_masked_credentials_are_replaced(host: t.Any) -> None:
    settings = host.file("/srv/portal/www/bitrix/.settings.php")
    assert "******" not in settings.content_string
    assert settings.user == "portal"
    assert settings.mode & 0o007 == 0, "others must not read the database password"


def test_the_domain_is_everywhere(database: t.Any, domain: str) -> None:
    query = "SELECT VALUE FROM b_option WHERE MODULE_ID='main' AND NAME='server_name'"
    assert database.check_output("mariadb -N portal -e %s", query) == domain
    sites = database.check_output("mariadb -N portal -e %s", "SELECT DISTINCT SERVER_NAME FROM b_lang WHERE ACTIVE='Y'")
    assert sites == domain


@pytest.mark.parametrize(
    "path",
    (
        "/bitrix/.settings.php",
        "/bitrix/php_interface/dbconn.php",
        "/bitrix/backup/",
        "/bitrix/modules/main/include.php",
    ),
)
def test_secrets_are_out_of_reach(outside: Outside, path: str) -> None:
    assert outside.status(path) in (403, 404)


def test_agents_run_on_cron(database: t.Any) -> None:
    """Cron runs every minute; an agent that is due has run within two."""
    query = "SELECT COUNT(*) FROM b_agent WHERE ACTIVE='Y' AND IS_PERIOD='N' AND LAST_EXEC > NOW() - INTERVAL 3 MINUTE"
    for _attempt in range(60):
        answer = database.run("mariadb -N portal -e %s", query)
        if answer.rc == 0 and int(answer.stdout) > 0:
            return
        time.sleep(2)
    pytest.fail("no agent ran for two minutes")


LINK = "/etc/boxlift/link"
MARIADB, REDIS = "/run/mysqld/mysqld.sock", "/run/redis/redis-server.sock"
PORTS = {"database": 3307, "cache": 6380}


def address_of(host: t.Any) -> str:
    """Where the others of the lab reach it."""
    own = host.backend.get_variables()
    return str(own["lab_names"][own["inventory_hostname"]])


def test_database_and_cache_lie_on_their_own_host(host: t.Any, database: t.Any) -> None:
    for package in ("mariadb-server", "redis-server"):
        assert database.package(package).is_installed and not host.package(package).is_installed, package
    assert not database.package("nginx").is_installed
    # The portal keeps its sessions and its cache there.
    assert "/srv/portal/www#" in database.check_output("redis-cli -s %s --scan", REDIS)


def test_nothing_but_the_link_listens_for_other_hosts(database: t.Any) -> None:
    listening = database.check_output("ss --listening --tcp --numeric --no-header").splitlines()
    places = [line.split()[3].rpartition(":") for line in listening]
    beyond = {int(port) for place, _colon, port in places if not place.startswith("127.")}
    assert beyond == {22, *PORTS.values()}


# What a neighbour gets: the kind of the refusal, or what the service says first.
KNOCK = """
import socket, ssl, sys
address, port, hello, *files = sys.argv[1:]
context = ssl.create_default_context(cafile="/etc/boxlift/link/authority.pem")
context.check_hostname = False
if files:
    context.load_cert_chain(*files)
try:
    with socket.create_connection((address, int(port)), 10) as plain, context.wrap_socket(plain) as link:
        link.sendall(hello.encode().decode("unicode-escape").encode())
        print(link.recv(99))
except OSError as error:
    print(getattr(error, "reason", error))
"""


@pytest.mark.parametrize(("service", "hello", "said"), [("database", "", "MariaDB"), ("cache", "PING\\r\\n", "+PONG")])
def test_the_link_lets_in_the_site_s_hosts_alone(
    host: t.Any, database: t.Any, service: str, hello: str, said: str
) -> None:
    place = (KNOCK, address_of(database), str(PORTS[service]))
    own = f"{LINK}/certificate.pem", f"{LINK}/certificate.key"
    assert said in host.check_output("python3 -c %s %s %s %s %s %s", *place, hello, *own)
    # Whoever writes meanwhile may not get to read the reason.
    assert "CERTIFICATE_REQUIRED" in host.check_output("python3 -c %s %s %s %s", *place, "")


def test_a_host_that_is_no_client_is_refused(database: t.Any) -> None:
    """The database's host has a certificate of the same authority, and no business at its own ports."""
    own = f"{LINK}/certificate.pem", f"{LINK}/certificate.key"
    answer = database.check_output("python3 -c %s %s 3307 %s %s %s", KNOCK, address_of(database), "", *own)
    assert "MariaDB" not in answer
    assert "Subject checks failed" in database.check_output("journalctl --unit boxlift-link --no-pager")


def test_the_keys_are_closed(host: t.Any, database: t.Any) -> None:
    for one in (host, database):
        one.check_output("openssl verify -CAfile %s/authority.pem %s/certificate.pem", LINK, LINK)
        assert one.file(f"{LINK}/certificate.key").mode == 0o640
    assert database.file(f"{LINK}/authority.key").mode == 0o600
    assert not host.file(f"{LINK}/authority.key").exists


def test_the_sockets_are_for_the_portal_s_group(host: t.Any) -> None:
    for path in (MARIADB, REDIS):
        assert (host.file(path).group, host.file(path).mode) == ("portal", 0o660), path
    reach = f"import socket; socket.socket(socket.AF_UNIX).connect({MARIADB!r})"
    assert "PermissionError" in host.run("runuser -u nobody -- python3 -c %s", reach).stderr
    assert host.run("runuser -u portal -- python3 -c %s", reach).rc == 0


# PyMySQL is what the modules log in with, and the web host has no other client.
TRY = """
import sys, pymysql
user, password, *statements = sys.argv[1:]
login = {"unix_socket": "/run/mysqld/mysqld.sock", "user": user, "password": password}
with pymysql.connect(**login) as conn, conn.cursor() as cursor:
    for statement in statements:
        cursor.execute(statement)
"""


def test_root_of_the_web_host_is_not_root_of_the_database(host: t.Any) -> None:
    answer = host.run("python3 -c %s root '' 'SELECT 1'", TRY)
    assert "Access denied for user 'root'@'localhost'" in answer.stderr


@pytest.mark.parametrize(
    ("user", "statement", "permitted"),
    [
        ("restore", "DROP DATABASE IF EXISTS portal_staging", True),
        ("restore", "CREATE DATABASE portalXstaging", False),
        ("restore", "SELECT * FROM mysql.global_priv", False),
        ("restore", "CREATE USER other@localhost", False),
        ("database", "SELECT 1 FROM portal.b_user", True),
        ("database", "CREATE DATABASE portal_staging", False),
        ("database", "DROP DATABASE IF EXISTS portal_previous", False),
    ],
)
def test_an_account_may_do_its_work_alone(host: t.Any, user: str, statement: str, permitted: bool) -> None:
    name = {"restore": "portal_restore", "database": "portal"}[user]
    password = f"canary-{user}-password"
    answer = host.run("python3 -c %s %s %s %s", TRY, name, password, statement)
    assert (answer.rc == 0) is permitted, answer.stderr
    assert permitted or "denied" in answer.stderr


def test_nothing_is_left_over(host: t.Any, database: t.Any) -> None:
    assert host.run("ls -d /srv/portal/.www.staging").rc != 0
    assert database.check_output("mariadb -N -e %s", "SHOW DATABASES LIKE 'portal\\_staging'") == ""
    assert host.check_output("find /srv/portal/www -name '*.sql*'") == ""


def test_the_report_tells_it(host: t.Any) -> None:
    report = (EPHEMERAL / "report" / "report.html").read_text()
    content = json.loads((EPHEMERAL / "report" / "report.json").read_text())
    assert host.backend.host in report
    told = report + json.dumps(content) + (EPHEMERAL / "journal.jsonl").read_text()
    for secret in ("database", "restore"):
        assert f"canary-{secret}-password" not in told, secret


# What the server shows.
SHOWN = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))"


def test_renewed_certificates_are_taken_up_at_work(host: t.Any, database: t.Any) -> None:
    """Side effect: both ends and the authority were renewed, and meanwhile a program worked through the link."""
    for one in (host, database):
        for name in ("certificate", "authority"):
            assert one.file(f"{LINK}/{name}.pem").content != one.file(f"/run/{name}-before.pem").content, name
        # The authority is the same one, so that ends which still have the old certificate get through.
        one.check_output("openssl verify -CAfile %s/authority.pem /run/certificate-before.pem", LINK)
        one.check_output("openssl verify -CAfile /run/authority-before.pem %s/certificate.pem", LINK)
    shown = host.check_output("python3 -c %s %s 3307", SHOWN, address_of(database))
    assert shown.strip() == database.file(f"{LINK}/certificate.pem").content_string.strip()
    work = json.loads(host.file("/run/held.json").content_string)
    assert work["problems"] == []
    assert len(work["held"]) == 1
    assert work["opened"] > 100


@pytest.mark.parametrize("check", ["link_certificates", "database_network", "redis", "firewall"])
def test_health_finds_the_links_good(check: str) -> None:
    report = json.loads((EPHEMERAL / "report" / "report.json").read_text())
    (found,) = [finding for finding in report["findings"] if finding["id"] == f"security.{check}"]
    assert found["status"] == "pass", found
