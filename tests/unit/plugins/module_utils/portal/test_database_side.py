# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, sites, caches and login against a real MariaDB and a toy portal."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal import caches, info, login, options, site
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import transaction
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import DOMAIN, PASSWORD

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal


@pytest.fixture
def conn(portal: t.Any) -> t.Iterator[t.Any]:
    connection = portal.connect()
    yield connection
    connection.close()


class TestOptions:
    def test_plans_and_applies_only_what_differs(self, portal: t.Any, conn: t.Any) -> None:
        wanted = {"server_name": DOMAIN, "PARAM_MAX_USERS": 60, "new": "x", "update_devsrv": None, "missing": None}
        changes = options.plan(conn, "main", wanted)
        assert [(each.name, each.before, each.after) for each in changes] == [
            ("PARAM_MAX_USERS", "50", "60"),
            ("new", None, "x"),
            ("update_devsrv", "N", None),
        ]
        options.apply(conn, changes)
        assert options.plan(conn, "main", wanted) == []
        stored = options.read(conn, "main")
        assert stored["param_max_users"] == "60" and stored["new"] == "x" and "update_devsrv" not in stored

    def test_names_are_compared_in_lower_case_and_keep_their_spelling(self, portal: t.Any, conn: t.Any) -> None:
        options.apply(conn, options.plan(conn, "main", {"param_max_users": "70"}))
        names = portal.sql("SELECT NAME, VALUE FROM b_option WHERE NAME = 'PARAM_MAX_USERS' COLLATE utf8mb4_bin")
        assert names == [{"NAME": "PARAM_MAX_USERS", "VALUE": "70"}]

    def test_one_site_has_its_own_rows(self, portal: t.Any, conn: t.Any) -> None:
        options.apply(conn, options.plan(conn, "main", {"email_from": "a@b.c"}, "ex"))
        assert portal.sql("SELECT * FROM b_option_site") == [
            {"MODULE_ID": "main", "NAME": "email_from", "SITE_ID": "ex", "VALUE": "a@b.c"}
        ]
        assert options.plan(conn, "main", {"email_from": "a@b.c"}, "ex") == []
        options.apply(conn, options.plan(conn, "main", {"email_from": "x@b.c"}, "ex"))
        options.apply(conn, options.plan(conn, "main", {"email_from": None}, "ex"))
        assert portal.sql("SELECT * FROM b_option_site") == []

    def test_a_row_with_null_is_not_an_empty_value(self, portal: t.Any, conn: t.Any) -> None:
        portal.sql("UPDATE b_option SET VALUE = NULL WHERE NAME = 'server_name'")
        assert options.plan(conn, "main", {"server_name": ""})[0].before is None
        options.apply(conn, options.plan(conn, "main", {"server_name": None}))
        assert "server_name" not in options.read(conn, "main")

    @pytest.mark.parametrize(
        ("value", "words"), [(True, "main.x is a boolean"), (["a"], "main.x is a list"), ({"a": 1}, "main.x is a dict")]
    )
    def test_only_text_is_stored(self, conn: t.Any, value: t.Any, words: str) -> None:
        with pytest.raises(BoxliftError, match=words):
            options.plan(conn, "main", {"x": value})

    def test_an_unknown_site_is_refused(self, conn: t.Any) -> None:
        with pytest.raises(BoxliftError, match="no site 'zz'"):
            options.plan(conn, "main", {"x": "y"}, "zz")

    def test_a_transaction_is_all_or_nothing(self, portal: t.Any, conn: t.Any) -> None:
        with pytest.raises(RuntimeError), transaction(conn):
            options.apply(conn, options.plan(conn, "main", {"a": "1"}))
            raise RuntimeError
        assert portal.sql("SELECT * FROM b_option WHERE NAME = 'a'") == []


class TestSite:
    def test_a_healthy_portal_needs_nothing(self, conn: t.Any) -> None:
        assert site.plan(conn, site.Address(DOMAIN)) == []
        assert site.leftovers(conn) == []

    def test_sets_every_place(self, portal: t.Any, conn: t.Any) -> None:
        portal.sql("DELETE FROM b_option WHERE NAME = 'mail_link_protocol'")
        portal.sql("UPDATE b_lang SET SERVER_NAME = 'acme.bitrix24.ru', DOC_ROOT = '/x' WHERE LID = 's1'")
        portal.sql("INSERT INTO b_lang (LID, NAME, DIR, LANGUAGE_ID, ACTIVE) VALUES ('of', 'Off', '/', 'ru', 'N')")
        portal.sql("INSERT INTO b_option VALUES ('imconnector', 'uri_client', 'https://acme.bitrix24.ru', NULL, NULL)")
        hosts = "INSERT INTO b_option VALUES ('security', 'restriction_hosts_hosts', 'old.test\n10.0.0.1', NULL, NULL)"
        portal.sql(hosts)
        portal.sql("INSERT INTO b_bitrixcloud_option (NAME, PARAM_VALUE) VALUES ('cdn_config_active', '1')")
        address = site.Address("new.test", ("www.new.test",))
        actions = site.plan(conn, address)
        assert {each.where: (each.before, each.after) for each in actions} == {
            "b_option main.server_name": (DOMAIN, "new.test"),
            "b_option main.mail_link_protocol": ("", "https"),
            "b_option voximplant.portal_url": (f"https://{DOMAIN}", "https://new.test"),
            "b_option imconnector.uri_client": ("https://acme.bitrix24.ru", "https://new.test"),
            "b_lang s1.SERVER_NAME": ("acme.bitrix24.ru", "new.test"),
            "b_lang s1.DOC_ROOT": ("/x", ""),
            "b_lang_domain s1": (DOMAIN, "new.test www.new.test"),
            "b_lang ex.SERVER_NAME": (DOMAIN, "new.test"),
            "b_lang_domain ex": (DOMAIN, "new.test www.new.test"),
            "b_option security.restriction_hosts_hosts": (
                "old.test 10.0.0.1",
                "old.test 10.0.0.1 new.test www.new.test",
            ),
            "b_bitrixcloud_option cdn_config_active": ("1", "0"),
        }
        assert {left.where for left in site.leftovers(conn, {each.where for each in actions})} == set()
        site.apply(conn, actions)
        assert site.plan(conn, address) == []
        assert portal.sql("SELECT SERVER_NAME FROM b_lang WHERE LID = 'of'") == [{"SERVER_NAME": None}]

    def test_http_and_a_port(self, conn: t.Any) -> None:
        actions = site.plan(conn, site.Address("new.test:8080", https=False))
        after = {each.where: each.after for each in actions}
        assert after["b_option voximplant.portal_url"] == "http://new.test:8080"
        assert after["b_option main.server_name"] == "new.test:8080"
        assert after["b_lang_domain s1"] == "new.test"
        assert after["b_option main.mail_link_protocol"] == "http"

    def test_without_an_active_site_nothing_is_guessed(self, portal: t.Any, conn: t.Any) -> None:
        portal.sql("UPDATE b_lang SET ACTIVE = 'N'")
        with pytest.raises(BoxliftError, match="No site in b_lang is active"):
            site.plan(conn, site.Address(DOMAIN))

    @pytest.mark.parametrize(
        "name", ["https://x.test", "x.test/", "X.test", "", "-x.test", "x..test", "x test", "x.test:"]
    )
    def test_only_bare_names(self, name: str) -> None:
        with pytest.raises(BoxliftError, match="is no bare host name"):
            site.Address(name)

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("https://acme.bitrix24.ru/x and b.bitrix24.com.br", ["acme.bitrix24.ru", "b.bitrix24.com.br"]),
            ("https://cdn.bitrix24.com/a.js cloud-messaging.bitrix24.com www.bitrix24.ru", []),
            ("checker.internal.bitrix24.com", []),
            ("transformer-ru-boxes.bitrix24.tech", []),
            ("mybitrix24.ru", []),
            (None, []),
        ],
    )
    def test_cloud_names(self, text: t.Any, names: list[str]) -> None:
        assert site.cloud_names(text) == names

    def test_leftovers_everywhere(self, portal: t.Any, conn: t.Any) -> None:
        portal.sql("INSERT INTO b_option VALUES ('crm', 'x', 'see https://acme.bitrix24.ru/1', NULL, NULL)")
        portal.sql("INSERT INTO b_option_site VALUES ('crm', 'x', 'ex', 'acme.bitrix24.ru')")
        portal.sql("UPDATE b_lang SET EMAIL = 'no@acme.bitrix24.ru' WHERE LID = 'ex'")
        portal.sql("INSERT INTO b_lang_domain VALUES ('ex', 'acme.bitrix24.ru')")
        assert [(left.where, left.value) for left in site.leftovers(conn)] == [
            ("b_lang ex.EMAIL", "acme.bitrix24.ru"),
            ("b_lang_domain ex", "acme.bitrix24.ru"),
            ("b_option crm.x", "acme.bitrix24.ru"),
            ("b_option_site ex crm.x", "acme.bitrix24.ru"),
        ]


class TestCaches:
    def test_clears_the_folders_and_keeps_the_rest(self, portal: t.Any) -> None:
        portal.write("bitrix/cache/s1/a.php", "x")
        portal.write("bitrix/cache/.htaccess", "Deny From All")
        (portal.root / "bitrix/cache/link").symlink_to(portal.root / "upload")
        folders = [str(portal.root / "bitrix" / name) for name in ("managed_cache", "cache")]
        assert [str(path) for path in caches.filled(portal.files)] == folders
        assert caches.clear(portal.files) == folders
        assert os.listdir(portal.root / "bitrix/cache") == [".htaccess"]
        assert os.listdir(portal.root / "bitrix/managed_cache") == []
        assert (portal.root / "upload/disk/a1/x.txt").is_file()
        assert caches.clear(portal.files) == []

    @pytest.mark.parametrize(
        ("section", "engine"),
        [
            ("'cache' => ['value' => ['type' => ['class_name' => '\\\\B\\\\Data\\\\CacheEngineRedis']]],", "redis"),
            ("'cache' => ['value' => ['type' => 'memcache']],", "memcache"),
            ("'cache' => ['value' => ['type' => 'files']],", "files"),
            ("", "files"),
        ],
    )
    def test_knows_where_the_cache_is(self, portal: t.Any, section: str, engine: str) -> None:
        portal.edit("bitrix/.settings.php", "return [", f"return [ {section}")
        assert caches.engine(portal.files) == engine
        assert bool(caches.stale_elsewhere(portal.files)) is (engine in ("redis", "memcache"))

    def test_only_predicts_in_check_mode(self, portal: t.Any) -> None:
        warnings: list[str] = []
        assert caches.settle(portal.files, warnings.append, True) == [str(portal.root / "bitrix/managed_cache")]
        assert (portal.root / "bitrix/managed_cache/MYSQL").is_dir() and warnings == []


class TestLogin:
    def test_reads_the_portals_own(self, portal: t.Any) -> None:
        found, name = login.portal_login(portal.files)
        assert (found.user, found.password, found.unix_socket) == ("toy", PASSWORD, portal.server.login.unix_socket)
        assert name == portal.database
        assert PASSWORD not in repr(found) and PASSWORD not in str(found)

    @pytest.mark.parametrize(
        ("host", "address"),
        [
            ("db.test", ("db.test", 3306, None)),
            ("db.test:3307", ("db.test", 3307, None)),
            ("p:10.0.0.1", ("10.0.0.1", 3306, None)),
            ("[::1]:3308", ("::1", 3308, None)),
            ("localhost:/run/x.sock", ("localhost", 3306, "/run/x.sock")),
            ("localhost", ("localhost", 3306, "/")),
            ("", ("localhost", 3306, "/")),
            ("127.0.0.1", ("127.0.0.1", 3306, None)),
        ],
    )
    def test_notations_of_the_host(self, portal: t.Any, host: str, address: t.Any) -> None:
        portal.edit("bitrix/.settings.php", f"localhost:{portal.login.unix_socket}", host)
        found, _name = login.portal_login(portal.files, sockets=("/does/not/exist", "/"))
        assert (found.host, found.port, found.unix_socket) == address

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            (f"'{PASSWORD}'", "'******'", "connections.default.password still is the mask"),
            (f"'{PASSWORD}'", "getenv('X')", "connections.default.password is not a string written out"),
            ("MysqliConnection", "PgsqlConnection", "uses PostgreSQL"),
            (
                "'default' => [\n",
                "'second' => [\n",
                "has no connections.value.default",
            ),
            ("'host' => 'localhost:", "'host' => 'localhost:x", "is not understood"),
        ],
    )
    def test_refuses_what_is_no_login(self, portal: t.Any, old: str, new: str, words: str) -> None:
        portal.edit("bitrix/.settings.php", old, new)
        with pytest.raises(BoxliftError, match=words) as caught:
            login.portal_login(portal.files)
        assert PASSWORD not in str(caught.value) and caught.value.remedy

    def test_the_option_database_comes_first(self, portal: t.Any) -> None:
        given = {"host": "h", "port": 1, "unix_socket": None, "name": "n", "login_user": "u", "login_password": None}
        assert login.choose_login(given, str(portal.root))[1] == "n"
        assert login.choose_login(None, str(portal.root))[1] == portal.database
        with pytest.raises(BoxliftError, match="Neither database nor document_root"):
            login.choose_login(None, None)


class TestInfo:
    def test_says_what_the_portal_is(self, portal: t.Any, conn: t.Any) -> None:
        portal.sql("DROP TABLE b_crm_deal")
        portal.sql("INSERT INTO b_crm_lead (ID, DATE_CREATE) VALUES (1, '2026-04-13 18:00:00')")
        found = info.gather(portal.files, conn)
        portal.sql("DELETE FROM b_crm_lead")
        assert found["version"] == "26.250.100"
        assert found["modules"]["tasks"] == "26.1.5" and "tasks" in found["registered"]
        assert found["encoding"] == {
            "utf_mode": True,
            "database_charset": "utf8mb4",
            "database_collation": "utf8mb4_unicode_ci",
        }
        assert (found["counts"]["users"], found["counts"]["leads"], found["counts"]["deals"]) == (4, 1, None)
        assert found["newest"]["leads"] == "2026-04-13 18:00:00"
        assert found["newest"]["contacts"] is None and "deals" not in found["newest"]

    def test_the_fingerprint_follows_the_figures(self, portal: t.Any, conn: t.Any) -> None:
        first = info.gather(portal.files, conn)["fingerprint"]
        assert info.gather(portal.files, conn)["fingerprint"] == first
        portal.sql("INSERT INTO b_tasks (ID, TITLE, CREATED_BY, RESPONSIBLE_ID) VALUES (2, 'x', 1, 1)")
        assert info.gather(portal.files, conn)["fingerprint"] != first

    def test_says_null_for_what_it_cannot_see(self, portal: t.Any) -> None:
        found = info.gather(portal.files, None)
        assert found["counts"] == {} and found["version"] == "26.250.100"
