# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored portal knows its new place: its pages come, cron runs its agents, and its settings are this site's."""

from __future__ import annotations

import json
import time
import typing as t

import pytest
from portal_site import DOMAIN, ROOT, VARS, Ask
from testinfra.host import Host

Sql = t.Callable[..., t.Any]
CRON_SECONDS = 75
PATIENCE_SECONDS = 150


def test_the_portal_answers_under_its_name(ask: Ask) -> None:
    answer = ask("/")
    assert answer.status in (200, 302, 401)
    assert "x-powered-cms" in answer.headers


def test_cron_runs_the_agents(host: Host, as_portal: Sql) -> None:
    query = "SELECT COALESCE(TIMESTAMPDIFF(SECOND, MAX(LAST_EXEC), NOW()), 9999) FROM b_agent WHERE IS_PERIOD = 'N'"
    until = time.monotonic() + PATIENCE_SECONDS  # on a busy machine a run ends well after the minute has begun
    while (age := int(as_portal(query).stdout)) > CRON_SECONDS and time.monotonic() < until:
        time.sleep(3)
    said = host.run("journalctl --identifier=portal-agents --no-pager --lines=20").stdout
    assert age <= CRON_SECONDS, said


def test_the_cron_line_is_the_portals(host: Host) -> None:
    line = host.file("/etc/cron.d/portal-agents").content_string.splitlines()[-1]
    assert line.startswith("* * * * * portal test -f ")
    assert host.run("runuser -u portal -- sh -c %s", line.split("portal ", 1)[1]).rc == 0


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("main", "server_name", DOMAIN),
        ("main", "mail_link_protocol", "https"),
        ("main", "agents_use_crontab", "Y"),
        ("main", "bx_fast_download", "Y"),
        ("imbot", "portal_url", f"https://{DOMAIN}"),
    ],
)
def test_options_are_the_sites_own(as_portal: Sql, module: str, name: str, value: str) -> None:
    assert (
        as_portal(f"SELECT VALUE FROM b_option WHERE MODULE_ID = '{module}' AND NAME = '{name}'").stdout.strip()
        == value
    )


def test_sites_have_the_portals_names(as_portal: Sql) -> None:
    assert set(as_portal("SELECT SERVER_NAME FROM b_lang WHERE ACTIVE = 'Y'").stdout.split()) == {DOMAIN}
    assert set(as_portal("SELECT DOMAIN FROM b_lang_domain").stdout.split()) == {DOMAIN, *VARS["site_aliases"]}


def test_php_reads_the_settings_as_they_are_meant(host: Host) -> None:
    source = (
        f"$s = include '{ROOT}/bitrix/.settings.php'; include '{ROOT}/bitrix/php_interface/dbconn.php';"
        "$c = $s['connections']['value']['default'];"
        "echo json_encode([$c['host'], $c['database'], $c['login'], $c['password'], $DBPassword,"
        "$s['cache']['value']['type']['class_name'], $s['cache']['value']['redis'],"
        "$s['session']['value']['handlers']['general'],"
        "BX_CRONTAB_SUPPORT, BX_TEMPORARY_FILES_DIRECTORY, defined('BX_CRONTAB')]);"
    )
    redis = {"host": "/run/redis/redis-server.sock", "port": "0"}
    password = VARS["site_database_password"]
    assert json.loads(host.check_output("php -r %s", source)) == [
        "localhost",
        "portal",
        "portal",
        password,
        password,
        "\\Bitrix\\Main\\Data\\CacheEngineRedis",
        redis,
        {"type": "redis", **redis},
        True,
        "/srv/portal/tmp",
        False,
    ]


def test_the_tree_is_for_the_portal_and_the_web_server_alone(host: Host) -> None:
    assert "Permission denied" in host.run("runuser -u nobody -- ls %s", ROOT).stderr
    readable = host.check_output("find %s/bitrix/modules -perm /o=rwx -not -type l", ROOT)
    assert readable == ""
    host.check_output("runuser -u www-data -- test -r %s/bitrix/urlrewrite.php", ROOT)
    written = "echo decoct(BX_FILE_PERMISSIONS), ' ', decoct(BX_DIR_PERMISSIONS);"
    code = f"include '{ROOT}/bitrix/php_interface/dbconn.php'; {written}"
    assert host.check_output("php -r %s", code) == "640 750"


def test_exceptions_go_where_the_portal_may_write(host: Host) -> None:
    host.check_output("runuser -u portal -- sh -c 'touch /var/log/portal/exceptions.log'")
