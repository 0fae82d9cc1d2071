# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application of the fixture portal, before and after it is configured for a box."""

from __future__ import annotations

import base64
import hashlib
import pathlib
import re
import subprocess
import typing as t

import pytest
from lab.portal import tree
from lab.portal.data.people import PASSWORD

from .conftest import SMALL, Backup, Browser, Portal, scalar

DATABASE = [("'login' => '******'", "'login' => 'root'"), ("'password' => '******'", "'password' => ''")]
SESSION = ("'type' => 'memcache',\n          'host' => '10.12.0.22'", "'type' => 'file',\n          'host' => ''")


CHANGED = ("b_option", "b_event", "b_agent", "b_user", "b_lang")
Sql = t.Callable[[str], t.Any]


@pytest.fixture
def sql(cursor: t.Any) -> Sql:
    return lambda statement: scalar(cursor, statement)


@pytest.fixture
def configured(portal: Portal, database: str, mariadb: t.Any, sql: Sql) -> t.Iterator[Portal]:
    """On its database; what a test changes there is put back."""
    portal.settings(
        ("'host' => '10.12.0.17'", f"'host' => 'localhost:{mariadb.login.unix_socket}'"),
        ("'database' => '******'", f"'database' => '{database}'"),
        *DATABASE,
        SESSION,
    )
    for table in CHANGED:
        sql(f"CREATE TABLE saved_{table} AS SELECT * FROM {table}")
    yield portal
    for table in CHANGED:
        sql(f"DELETE FROM {table}")
        sql(f"INSERT INTO {table} SELECT * FROM saved_{table}")
        sql(f"DROP TABLE saved_{table}")


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("path", sorted(tree.APP.rglob("*.php")), ids=lambda path: str(path.relative_to(tree.APP)))
def test_every_script_is_signed(path: pathlib.Path) -> None:
    assert path.read_text().splitlines()[2].endswith("GPL-3.0-or-later")


def test_every_script_is_valid(root: pathlib.Path) -> None:
    files = [str(path) for path in (*tree.APP.rglob("*.php"), *(root / "bitrix/php_interface").glob("*.php"))]
    code = "foreach (array_slice($argv, 1) as $f) { token_get_all(file_get_contents($f), TOKEN_PARSE); } echo 'valid';"
    result = subprocess.run(["php", "-r", code, *files], capture_output=True, text=True, check=True)
    assert result.stdout == "valid"


def test_as_it_comes_from_the_cloud_it_has_no_database(portal: Portal) -> None:
    portal.settings(("'host' => '10.12.0.17'", "'host' => 'localhost:/nonexistent/socket'"))
    status, _headers, text = Browser(portal.url).open("/")
    assert status == 500
    assert "The portal cannot reach its database." in text
    assert "/nonexistent" not in text, "details are for the log"


def test_session_storage_of_the_cloud_is_named(configured: Portal) -> None:
    configured.settings(SESSION[::-1])
    status, _headers, text = Browser(configured.url).open("/")
    assert (status, "cannot reach its session storage" in text) == (500, True)


def test_headers_and_login(configured: Portal, backup: Backup) -> None:
    browser = Browser(configured.url)
    status, headers, text = browser.open("/")
    licence = hashlib.md5(b"BITRIXLAB-NL-0000000000000000LICENCE").hexdigest()
    assert status == 200
    assert headers["X-Powered-CMS"] == f"Bitrix Site Manager ({licence})"
    assert "X-DevSrv-CMS" not in headers
    assert any(cookie.startswith("BITRIX_SM_") for cookie in headers.get_all("Set-Cookie"))
    assert 'name="USER_LOGIN"' in text

    assert browser.login("admin", "wrong") == 200
    assert 'name="USER_LOGIN"' in browser.open("/")[2]
    assert browser.login("admin", PASSWORD) == 302
    counts = dict(re.findall(r'data-entity="(\w+)">\w+: (\d+)', browser.open("/")[2]))
    assert counts["leads"] == str(SMALL.leads)
    assert counts["comments"] == str(
        backup.manifest["db"]["tables"]["b_forum_message"]["rows"]
        - backup.manifest["db"]["tables"]["b_forum_topic"]["rows"]
    )
    assert counts["search"] == "0"
    assert 'name="USER_LOGIN"' in Browser(configured.url).open("/")[2], "another browser is nobody"


def test_who_can_log_in(configured: Portal, sql: Sql) -> None:
    browser = Browser(configured.url)
    assert browser.login("user12@company.test", PASSWORD) == 302
    assert browser.login("user24@company.test", PASSWORD) == 200, "blocked"
    assert browser.login("user36@company.test", PASSWORD) == 200, "password expired"
    sql("UPDATE b_user SET PASSWORD = (SELECT PASSWORD FROM saved_b_user WHERE ID = 1) WHERE ID = 5")
    assert browser.login("user5@company.test", PASSWORD) == 200, "the vendor's network would have to say who this is"
    sql("UPDATE b_user SET EXTERNAL_AUTH_ID = NULL WHERE ID = 5")
    assert browser.login("user5@company.test", PASSWORD) == 302
    salted = hashlib.md5(b"saltsaltold").hexdigest()
    sql(f"UPDATE b_user SET PASSWORD = 'saltsalt{salted}' WHERE ID = 5")
    assert browser.login("user5@company.test", "old") == 302
    assert browser.login("user5@company.test", PASSWORD) == 200


def test_a_session_of_another_portal_ends(configured: Portal, sql: Sql) -> None:
    browser = Browser(configured.url)
    browser.login("admin", PASSWORD)
    sql("UPDATE b_option SET VALUE = 'another' WHERE MODULE_ID = 'main' AND NAME = 'server_uniq_id'")
    assert 'name="USER_LOGIN"' in browser.open("/")[2]


def test_mobile_and_calendar_want_a_password(configured: Portal) -> None:
    browser = Browser(configured.url)
    status, headers, _text = browser.open("/mobile/")
    assert (status, headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
    assert browser.open("/mobile/", **basic("admin", "wrong"))[0] == 401
    assert browser.open("/mobile/", **basic("admin", PASSWORD))[0] == 200
    assert Browser(configured.url).open("/bitrix/groupdav.php")[0] == 401


def test_links_carry_the_server_name_of_the_settings(configured: Portal, sql: Sql) -> None:
    browser = Browser(configured.url)
    browser.login("admin", PASSWORD)

    def link() -> str:
        return re.findall(r'<a href="(http[^"]*)/company', browser.open("/")[2])[0]

    port = configured.url.rpartition(":")[2]
    assert link() == f"http://company.bitrix24.ru:{port}"
    sql("UPDATE b_lang SET SERVER_NAME = ''")
    sql("UPDATE b_option SET VALUE = 'portal.boxlift.test' WHERE MODULE_ID = 'main' AND NAME = 'server_name'")
    assert link() == f"http://portal.boxlift.test:{port}"
    sql("UPDATE b_option SET VALUE = '' WHERE MODULE_ID = 'main' AND NAME = 'server_name'")
    assert link() == f"http://127.0.0.1:{port}"
    configured.settings(("'connections' =>", "'https_request' => array('value' => true),\n  'connections' =>"))
    assert link().startswith("https://")


def test_options_stay_cached_until_the_cache_is_cleared(configured: Portal, sql: Sql) -> None:
    configured.settings(
        ("\\\\Bitrix\\\\Main\\\\Data\\\\CacheEngineMemcache", "\\\\Bitrix\\\\Main\\\\Data\\\\CacheEngineFiles")
    )
    browser = Browser(configured.url)
    assert "X-DevSrv-CMS" not in browser.open("/")[1]
    sql("UPDATE b_option SET VALUE = 'Y' WHERE MODULE_ID = 'main' AND NAME = 'update_devsrv'")
    assert "X-DevSrv-CMS" not in browser.open("/")[1]
    for path in (configured.root / "bitrix/managed_cache").rglob("*.php"):
        path.unlink()
    assert browser.open("/")[1]["X-DevSrv-CMS"] == "Bitrix"


def test_files_in_chats_need_the_push_server(configured: Portal, sql: Sql) -> None:
    browser = Browser(configured.url)
    browser.login("admin", PASSWORD)
    assert 'data-push="N" data-files="N"' in browser.open("/online/")[2]
    sql("UPDATE b_option SET VALUE = 'personal' WHERE MODULE_ID = 'pull' AND NAME = 'server_mode'")
    assert 'data-push="N"' in browser.open("/online/")[2], "the stale row beats nginx=Y of .settings.php"
    sql("DELETE FROM b_option WHERE MODULE_ID = 'pull' AND NAME = 'nginx'")
    assert 'data-push="Y" data-files="Y"' in browser.open("/online/")[2]


def test_downloads(configured: Portal, sql: Sql) -> None:
    browser = Browser(configured.url)
    browser.login("admin", PASSWORD)
    status, headers, _text = browser.open("/disk/downloadFile/3/")
    assert (status, int(headers["Content-Length"])) == (200, sql("SELECT SIZE FROM b_disk_object WHERE ID = 3"))
    sql("UPDATE b_option SET VALUE = 'Y' WHERE MODULE_ID = 'main' AND NAME = 'bx_fast_download'")
    status, headers, text = browser.open("/disk/downloadFile/3/")
    assert headers["X-Accel-Redirect"].startswith("/upload/")
    assert text == ""
    assert browser.open("/disk/downloadFile/99999/")[0] == 404
    assert browser.open("/no/such/page/")[0] == 404


def test_agents_and_mail_on_cron(configured: Portal, sql: Sql) -> None:
    cron = str(configured.root / "bitrix/modules/main/tools/cron_events.php")
    dbconn = configured.root / "bitrix/php_interface/dbconn.php"
    dbconn.write_text(dbconn.read_text() + 'define("BX_CRONTAB_SUPPORT", true);\n')
    fresh = "SELECT COUNT(*) FROM b_agent WHERE IS_PERIOD = '%s' AND LAST_EXEC > NOW() - INTERVAL 1 MINUTE"

    Browser(configured.url).open("/")
    assert sql(fresh % "Y") == sql("SELECT COUNT(*) FROM b_agent WHERE IS_PERIOD = 'Y'"), "visits run the periodic ones"
    assert sql(fresh % "N") == 0
    assert sql("SELECT COUNT(*) FROM b_event WHERE SUCCESS_EXEC = 'N'") == 2, "mail waits for cron"

    configured.php(cron)
    orphans = sql("SELECT COUNT(*) FROM b_agent WHERE MODULE_ID = 'bitrix24'")
    assert sql(fresh % "N") == sql("SELECT COUNT(*) FROM b_agent WHERE IS_PERIOD = 'N'") - orphans
    assert sql("SELECT COUNT(*) FROM b_agent WHERE RUNNING = 'Y'") == 0
    assert sql("SELECT COUNT(*) FROM b_event WHERE SUCCESS_EXEC = 'Y'") == 40
    assert configured.mails.read_text().count("http://company.bitrix24.ru/tasks/task/view/") == 2


def test_mail_of_a_copy_goes_to_one_address_only(configured: Portal, sql: Sql) -> None:
    dbconn = configured.root / "bitrix/php_interface/dbconn.php"
    dbconn.write_text(dbconn.read_text() + 'define("ONLY_EMAIL", "trap@company.test");\n')
    cron = str(configured.root / "bitrix/modules/main/tools/cron_events.php")
    configured.php(cron)
    assert sql("SELECT COUNT(*) FROM b_event WHERE SUCCESS_EXEC = 'Y'") == 40
    assert not configured.mails.exists()


def test_check_switches_stop_agents_and_mail(configured: Portal, sql: Sql) -> None:
    sql("UPDATE b_option SET VALUE = 'N' WHERE MODULE_ID = 'main' AND NAME IN ('check_agents', 'check_events')")
    configured.php(str(configured.root / "bitrix/modules/main/tools/cron_events.php"))
    assert sql("SELECT MAX(LAST_EXEC) FROM b_agent") < sql("SELECT NOW() - INTERVAL 1 DAY")
    assert sql("SELECT COUNT(*) FROM b_event WHERE SUCCESS_EXEC = 'N'") == 2


def test_full_reindex(configured: Portal, sql: Sql) -> None:
    script = """
        $_SERVER['DOCUMENT_ROOT'] = $argv[1];
        require "$argv[1]/bitrix/modules/main/include/prolog_before.php";
        CModule::IncludeModule('search') || exit(1);
        echo CSearch::ReIndexAll(true, 0);
    """
    expected = SMALL.tasks + SMALL.leads + SMALL.deals + SMALL.contacts + SMALL.files + 1
    try:
        assert configured.php("-r", script, "--", str(configured.root)) == str(expected)
        assert sql("SELECT COUNT(*) FROM b_search_content") == expected
        assert sql("SELECT COUNT(*) FROM b_search_content_text WHERE SEARCHABLE_CONTENT LIKE '%ДОГОВОР%'") > 0
    finally:
        for table in ("b_search_content", "b_search_content_text", "b_search_content_site"):
            sql(f"TRUNCATE TABLE {table}")
