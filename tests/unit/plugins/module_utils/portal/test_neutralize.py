# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A loud toy portal is copied and silenced: every row of the list, against a real MariaDB."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal import neutralize, silence
from ansible_collections.boxlift.portal.plugins.module_utils.portal.copymark import CopyMark
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import to_python
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import CRYPTO_KEY, DOMAIN
from unit.plugins.module_utils.portal import loud

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal
WANTED = neutralize.Wanted("copy.test", "trap@sink.test")


@pytest.fixture
def conn(portal: t.Any) -> t.Iterator[t.Any]:
    loud.fill(portal)
    connection = portal.connect()
    yield connection
    connection.close()
    loud.clear(portal)


def by_id(plan: neutralize.Plan) -> dict[str, neutralize.Action]:
    found = {action.id: action for action in plan.actions}
    assert len(found) == len(plan.actions), "two actions have one name"
    return found


class TestTables:
    def test_every_rule_finds_what_speaks_and_silences_it(self, portal: t.Any, conn: t.Any) -> None:
        rules = [rule.id for rule in (*silence.RULES, *silence.DETACH_BUCKETS)]
        before = by_id(neutralize.plan(conn, portal.files, WANTED))
        assert [name for name in rules if before[name].missing or not before[name].before["rows"] > 0] == []
        neutralize.apply(conn, neutralize.plan(conn, portal.files, WANTED))
        after = by_id(neutralize.plan(conn, portal.files, WANTED))
        assert [name for name in rules if after[name].before != {"rows": 0} or after[name].changed] == []

    def test_rows_that_are_history_stay(self, portal: t.Any, conn: t.Any) -> None:
        sent = portal.sql("SELECT * FROM b_event WHERE SUCCESS_EXEC IN ('Y', 'F')")
        passwords = portal.sql("SELECT PASSWORD FROM b_mail_mailbox")
        neutralize.apply(conn, neutralize.plan(conn, portal.files, WANTED))
        assert len(sent) == 2
        assert portal.sql("SELECT * FROM b_event WHERE SUCCESS_EXEC = 'F'") == [
            row for row in sent if row["SUCCESS_EXEC"] == "F"
        ]
        assert portal.sql("SELECT PASSWORD FROM b_mail_mailbox") == passwords
        assert portal.sql("SELECT COUNT(*) n FROM b_bp_workflow_instance") == [{"n": 1}]
        assert portal.sql("SELECT STATUS FROM b_sender_mailing_chain ORDER BY ID") == [{"STATUS": "P"}, {"STATUS": "Y"}]

    def test_a_table_that_is_not_there_is_said_and_no_error(self, portal: t.Any, conn: t.Any) -> None:
        portal.sql("DROP TABLE b_voximplant_sip")
        action = by_id(neutralize.plan(conn, portal.files, WANTED))["telephony_sip"]
        assert (action.missing, action.changed, action.before) == ("b_voximplant_sip", False, {})
        neutralize.apply(conn, neutralize.plan(conn, portal.files, WANTED))

    def test_a_column_of_another_version_is_named(self, portal: t.Any, conn: t.Any) -> None:
        portal.sql("ALTER TABLE b_mail_mailbox DROP COLUMN ACTIVE")
        action = by_id(neutralize.plan(conn, portal.files, WANTED))["mail_mailboxes"]
        assert (action.missing, action.changed) == ("b_mail_mailbox.ACTIVE", False)

    def test_cloud_files_may_stay_readable(self, portal: t.Any, conn: t.Any) -> None:
        wanted = neutralize.Wanted("copy.test", "trap@sink.test", detach_buckets=False)
        neutralize.apply(conn, neutralize.plan(conn, portal.files, wanted))
        assert portal.sql("SELECT ACTIVE, READ_ONLY FROM b_clouds_file_bucket") == [{"ACTIVE": "Y", "READ_ONLY": "Y"}]

    def test_an_area_changes_as_a_whole_or_not_at_all(self, portal: t.Any, conn: t.Any) -> None:
        planned = neutralize.plan(conn, portal.files, WANTED)
        broken = [
            neutralize.Action("bad", "rest", "", {}, {}, True, statements=(("DELETE FROM b_no_such", ()),)),
        ]
        with pytest.raises(DatabaseFailed):
            neutralize.apply(conn, neutralize.Plan(planned.files, [*planned.actions, *broken]))
        assert portal.sql("SELECT COUNT(*) n FROM b_rest_event")[0]["n"] > 0
        assert portal.sql("SELECT COUNT(*) n FROM b_pull_push") == [{"n": 0}]


class TestOptions:
    def test_what_is_set_and_what_is_removed(self, portal: t.Any, conn: t.Any) -> None:
        neutralize.apply(conn, neutralize.plan(conn, portal.files, WANTED))
        stored = {f"{row['MODULE_ID']}.{row['NAME']}": row["VALUE"] for row in portal.sql("SELECT * FROM b_option")}
        expected = {
            "main.update_devsrv": "Y",
            "main.check_events": "N",
            "main.check_agents": "N",
            "messageservice.queue_stopped": "Y",
            "pull.push": "N",
            "pull.nginx": "N",
            "pull.server_mode": "personal",
        }
        assert {name: stored[name] for name in expected} == expected
        assert not [name for name in stored if "shared_server" in name or "service_client" in name]
        for name, old in loud.IDENTITY.items():
            assert stored[name] != old and len(stored[name]) == 32

    def test_a_sites_own_row_does_not_outrank_it(self, portal: t.Any, conn: t.Any) -> None:
        portal.sql("INSERT INTO b_option_site VALUES ('main', 'CHECK_EVENTS', 's1', 'Y')")
        portal.sql("INSERT INTO b_option_site VALUES ('main', 'other', 's1', 'Y')")
        action = by_id(neutralize.plan(conn, portal.files, WANTED))["mail_events"]
        assert action.before == {"check_events": "Y", "s1.check_events": "Y"}
        neutralize.apply(conn, neutralize.plan(conn, portal.files, WANTED))
        assert [row["NAME"] for row in portal.sql("SELECT NAME FROM b_option_site")] == ["other"]

    def test_with_a_push_server_of_its_own(self, portal: t.Any, conn: t.Any) -> None:
        wanted = neutralize.Wanted("copy.test", "trap@sink.test", push_key="the-copys-own-key")
        actions = by_id(neutralize.plan(conn, portal.files, wanted))
        assert "push_server" not in actions
        neutralize.apply(conn, neutralize.plan(conn, portal.files, wanted))
        values = portal.sql("SELECT NAME, VALUE FROM b_option WHERE NAME IN ('signature_key', 'nginx') ORDER BY NAME")
        assert [row["VALUE"] for row in values] == ["Y", "the-copys-own-key"]

    def test_each_copy_has_numbers_of_its_own(self, portal: t.Any, conn: t.Any) -> None:
        one, other = (neutralize.Identity(portal.files, name) for name in ("copy.test", "second.test"))
        values = {one.derive("host_id"), one.derive("server_uniq_id"), other.derive("host_id")}
        assert len(values) == 3 and one.derive("host_id") in values

    def test_without_a_crypto_key_nothing_can_be_derived(self, portal: t.Any, conn: t.Any) -> None:
        portal.edit("bitrix/.settings.php", f"'{CRYPTO_KEY}'", "''")
        with pytest.raises(BoxliftError, match="has no crypto.crypto_key") as caught:
            neutralize.plan(conn, portal.files, WANTED)
        assert caught.value.remedy


class TestFiles:
    def test_constants_and_the_mail_server(self, portal: t.Any, conn: t.Any) -> None:
        portal.edit("bitrix/.settings.php", "return [", "return [ 'smtp' => ['value' => ['enabled' => true]],")
        neutralize.apply(conn, neutralize.plan(conn, portal.files, WANTED))
        constants = {name: to_python(value) for name, value in portal.files.dbconn().constants.items()}
        expected = {"ONLY_EMAIL": "trap@sink.test", "NO_AGENT_CHECK": True, "DisableEventsCheck": True}
        assert {name: constants[name] for name in expected} == expected
        assert portal.files.sections()["smtp"] == {"enabled": False}

    def test_the_crypto_key_stays(self, portal: t.Any, conn: t.Any) -> None:
        neutralize.apply(conn, neutralize.plan(conn, portal.files, WANTED))
        assert portal.files.sections()["crypto"] == {"crypto_key": CRYPTO_KEY}

    def test_another_mailbox_is_a_change(self, portal: t.Any, conn: t.Any) -> None:
        neutralize.apply(conn, neutralize.plan(conn, portal.files, WANTED))
        planned = neutralize.plan(conn, portal.files, neutralize.Wanted("copy.test", "other@sink.test"))
        assert [action.id for action in planned.actions if action.changed] == ["mail_only_email"]

    @pytest.mark.parametrize("address", ["", "nobody", "@host", "a@", "a b@host"])
    def test_mail_must_have_a_place_to_go(self, address: str) -> None:
        with pytest.raises(BoxliftError, match="no address"):
            neutralize.Wanted("copy.test", address)


def test_the_second_run_changes_nothing(portal: t.Any, conn: t.Any) -> None:
    first = neutralize.plan(conn, portal.files, WANTED)
    assert first.changed and first.files
    neutralize.apply(conn, first)
    second = neutralize.plan(conn, portal.files, WANTED)
    assert (second.changed, second.files) == (False, [])
    assert [action.id for action in second.actions] == [action.id for action in first.actions]


def test_no_secret_is_shown(portal: t.Any, conn: t.Any) -> None:
    planned = neutralize.plan(conn, portal.files, WANTED)
    text = json.dumps([action.shown() for action in planned.actions])
    assert "canary" not in text
    assert neutralize.Identity(portal.files, "copy.test").derive("signature_key") not in text
    assert by_id(planned)["push_signature"].shown()["after"] == {"signature_key": "(secret, changed)"}


class TestMark:
    """Only what is certainly the copy may be changed."""

    @pytest.fixture
    def mark(self, tmp_path: pathlib.Path) -> t.Callable[..., CopyMark]:
        def write(**content: t.Any) -> CopyMark:
            path = tmp_path / "mark.json"
            path.write_text(json.dumps({"domain": "copy.test", "production_domain": DOMAIN, **content}))
            return CopyMark.read(str(path))

        return write

    def test_says_what_it_saw(self, mark: t.Any) -> None:
        mark().confirm("Copy.Test")
        with pytest.raises(BoxliftError, match=f"confirm_domain is {DOMAIN}, which is production") as caught:
            mark().confirm(DOMAIN)
        assert "copy.test" in caught.value.message and caught.value.remedy
        with pytest.raises(BoxliftError, match=r"is third.test, which is not this host's copy"):
            mark().confirm("third.test")
        with pytest.raises(BoxliftError, match="are both portal.boxlift.test"):
            mark(domain=DOMAIN.upper()).confirm(DOMAIN)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"domain": "a"}', '{"domain": "", "production_domain": "b"}'])
    def test_refuses_a_broken_mark(self, tmp_path: pathlib.Path, content: str) -> None:
        path = tmp_path / "mark.json"
        path.write_text(content)
        with pytest.raises(BoxliftError) as caught:
            CopyMark.read(str(path))
        assert str(path) in caught.value.message and caught.value.remedy

    def test_refuses_a_host_without_a_mark(self, tmp_path: pathlib.Path) -> None:
        with pytest.raises(BoxliftError, match="nothing says that the portal here is a copy"):
            CopyMark.read(str(tmp_path / "none"))

    def test_refuses_a_database_of_elsewhere(self, portal: t.Any, conn: t.Any, mark: t.Any) -> None:
        here = portal.sql("SELECT @@hostname n")[0]["n"]
        mark().confirm_database(conn, here)
        with pytest.raises(BoxliftError, match="this may be production's"):
            mark().confirm_database(conn, "another-host")
        mark(database_server=here).confirm_database(conn, "another-host")

    def test_refuses_the_database_of_another_portal(self, portal: t.Any, conn: t.Any, mark: t.Any) -> None:
        here = portal.sql("SELECT @@hostname n")[0]["n"]
        for name in ("copy.test", DOMAIN, f"{DOMAIN}:8443", ""):
            portal.sql("UPDATE b_option SET VALUE = %s WHERE NAME = 'server_name'", name)
            mark().confirm_database(conn, here)
        portal.sql("UPDATE b_option SET VALUE = 'stranger.test' WHERE NAME = 'server_name'")
        with pytest.raises(BoxliftError, match="that of stranger.test"):
            mark().confirm_database(conn, here)
