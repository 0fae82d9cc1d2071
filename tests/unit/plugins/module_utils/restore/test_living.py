# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A portal that people use is not replaced unless it is named, and what was live can come back."""

from __future__ import annotations

import json
import os
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import generations as generations_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import restore as restore_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import rollback as rollback_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import room
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect, execute

from .living import DOMAIN, Site, backup


@pytest.fixture
def site(tmp_path: Path, mariadb: t.Any) -> Site:
    return Site(tmp_path, mariadb.login, mariadb.fresh_name("portal"))


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return backup(tmp_path / "one", "one")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return backup(tmp_path / "two", "two")


def upload(site: Site) -> None:
    (site.tree / "upload" / "iblock" / "new.jpg").write_text("new")


SIGNS: dict[str, tuple[t.Callable[[Site], None], str]] = {
    "order": (lambda site: site.order(8), r"1 deals \(newest: number 8, 2026-11-29 09:12:44\)"),
    "message": (
        lambda site: site.run("INSERT INTO b_im_message VALUES (3, 1, '2026-11-29 09:00:00')"),
        r"1 messages \(newest: number 3, 2026-11-29 09:00:00\)",
    ),
    "login": (
        lambda site: site.run("UPDATE b_user SET LAST_LOGIN = '2026-11-29 08:00:00' WHERE ID = 1"),
        r"1 people logged in or at work \(newest: 2026-11-29 08:00:00\)",
    ),
    # The source's clock was ahead of this host's.
    "login_that_seems_older": (
        lambda site: site.run("UPDATE b_user SET LAST_LOGIN = '2026-04-13 11:10:00' WHERE ID = 1"),
        r"1 people logged in or at work",
    ),
    "user": (lambda site: site.run("INSERT INTO b_user (ID) VALUES (3)"), r"1 users \(newest: number 3\)"),
    "file": (upload, r"1 new files \(newest: upload/iblock/new.jpg, 20\d\d-.* UTC\)"),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_a_portal_in_use_is_not_replaced(site: Site, one: Path, two: Path, sign: str) -> None:
    site.restore(one)
    work, said = SIGNS[sign]
    work(site)
    # Nothing of it is read: it is no backup.
    two.write_bytes(b"no backup")
    with pytest.raises(BoxliftError) as caught:
        site.restore(two)
    assert re.search(
        rf"The portal {DOMAIN} in {site.tree} is in use, since it came here \(20.*UTC\): {said}", str(caught.value)
    )
    assert f"-e restore_confirm_domain={DOMAIN} (option confirm_domain of backup_restore)" in caught.value.remedy
    assert site.seen() == ("one", "one")
    assert not site.tree.with_name(".www.staging").exists()
    with pytest.raises(BoxliftError, match=r"confirm_domain is other.example.com, which is not this portal\."):
        site.restore(two, confirm_domain="other.example.com")
    assert not site.restore(one)["changed"], "what is live already is not refused"
    with pytest.raises(BoxliftError, match="no good part|not intact|no backup|gzip"):
        site.restore(two, confirm_domain=DOMAIN)


def test_what_was_carried_over_from_another_portal_is_no_use(site: Site, one: Path, two: Path) -> None:
    site.restore(one)
    site.run("ALTER TABLE b_crm_deal ADD ORIGINATOR_ID varchar(255)")
    site.run("INSERT INTO b_crm_deal VALUES (9, 'carried over', '2026-11-29 09:12:44', 'boxlift:cloud.example.com')")
    site.run("INSERT INTO b_crm_deal VALUES (8, 'theirs', '2026-11-29 09:12:44', 'shop')")
    with pytest.raises(BoxliftError, match=r"1 deals \(newest: number 8"):
        site.restore(two)
    site.run("DELETE FROM b_crm_deal WHERE ID = 8")
    site.restore(two)
    assert site.seen() == ("two", "two")


def test_what_the_portal_itself_writes_is_no_use(site: Site, one: Path, two: Path) -> None:
    site.restore(one)
    site.run(
        "INSERT INTO b_agent VALUES (1, NOW())",
        "INSERT INTO b_im_message VALUES (9, 0, NOW())",
        "UPDATE b_user SET LAST_ACTIVITY_DATE = NOW() WHERE ID = 2",
        "UPDATE b_option SET VALUE = 'x' WHERE MODULE_ID = 'search'",
        "CREATE TABLE b_session (ID int)",
        "INSERT INTO b_session VALUES (1)",
    )
    for folder in ("upload/resize_cache/iblock", "bitrix/cache", "upload/tmp"):
        (site.tree / folder).mkdir(parents=True)
        (site.tree / folder / "made").write_text("by the portal")
    site.restore(two)
    assert site.seen() == ("two", "two")


def test_a_portal_that_no_restore_has_put_there(site: Site, one: Path) -> None:
    with connect(site.login) as conn:
        execute(conn, f"CREATE DATABASE {site.name}")
    site.run("CREATE TABLE b_user (ID int PRIMARY KEY)")
    site.tree.mkdir(parents=True)
    (site.tree / "index.php").write_text("theirs")
    site.run("INSERT INTO b_user VALUES (1)")
    host = os.uname().nodename.lower()
    with pytest.raises(BoxliftError, match=f"The portal {host} .* no restore has put it there: 1 users"):
        site.restore(one)
    site.restore(one, confirm_domain=host)
    assert site.seen() == ("one", "one")
    site.rollback()
    assert (site.tree / "index.php").read_text() == "theirs"


def test_people_who_come_while_a_restore_runs(
    site: Site, one: Path, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a day passes between the first look and the switch. What is staged is kept for the answer."""
    site.restore(one)
    stage = restore_module.Restore._stage

    def staged(self: t.Any, state: t.Any) -> None:
        stage(self, state)
        site.order(9)

    with monkeypatch.context() as patch:
        patch.setattr(restore_module.Restore, "_stage", staged)
        with pytest.raises(BoxliftError, match="1 deals .newest: number 9"):
            site.restore(two)
    assert site.seen() == ("one", "one")
    result = site.restore(two, confirm_domain=DOMAIN)
    assert result["resumed"]
    assert (site.seen(), site.deals(f"{site.name}_previous_1")) == (("two", "two"), [7, 9])


def test_there_and_back_and_there_again(site: Site, one: Path, two: Path) -> None:
    site.restore(one)
    for number in (8, 9, 10):
        site.order(number)
    upload(site)
    result = site.restore(two, confirm_domain=DOMAIN)
    assert [note["number"] for note in result["generations"]["kept"]] == [1]
    back = site.rollback()
    assert back["changed"] and not back["resumed"]
    assert (site.seen(), site.deals()) == (("one", "one"), [7, 8, 9, 10])
    assert (site.tree / "upload" / "iblock" / "new.jpg").exists()
    assert back["generations"]["live"]["number"] == 1
    kept = back["generations"]["kept"][0]
    assert (kept["number"], kept["domain"], kept["source"]) == (2, DOMAIN, two.name)
    assert kept["why_kept"] == "replaced by a rollback to generation 1"
    assert kept["counts"]["deals"] == 1
    for generation in (None, 1):
        assert not site.rollback(generation)["changed"]
    with pytest.raises(BoxliftError, match="is in use, since it came here"):
        site.restore(backup(site.base / "three", "three"))
    site.order(11)
    assert site.rollback(2)["changed"]
    assert (site.seen(), site.deals()) == (("two", "two"), [7])
    assert not site.rollback(2)["changed"]
    assert site.deals(f"{site.name}_previous_1") == [7, 8, 9, 10, 11]
    register = next((site.base / "state").glob("*.generations.json"))
    assert register.stat().st_mode & 0o777 == 0o600
    assert json.loads(register.read_text())["switch"] is None
    with connect(site.login) as conn:
        names = [name for name in (f"{site.name}_staging", f"{site.name}_previous_2") if schema.exists(conn, name)]
    assert names == []


def test_a_rollback_of_a_portal_in_use_names_the_generation(site: Site, one: Path, two: Path) -> None:
    site.restore(one)
    site.restore(two)
    site.order(20)
    with pytest.raises(BoxliftError, match="since generation 2 became live: 1 deals") as caught:
        site.rollback()
    assert "-e rollback_generation=1 (option generation of portal_rollback)" in caught.value.remedy
    site.rollback(1)
    assert (site.seen(), site.deals(f"{site.name}_previous_2")) == (("one", "one"), [7, 20])


def test_search_and_push_are_made_anew(site: Site, one: Path, two: Path) -> None:
    """Sphinx holds the texts of what was live. Role portal builds its index where this row is missing."""
    site.restore(one)
    site.restore(two)
    site.rollback(1)
    with connect(site.login, site.name) as conn:
        found = {row[0]: row[1] for row in _pairs(conn)}
    assert "full_text_engine" not in found
    assert int(found["config_timestamp"]) > 1_700_000_000


def _pairs(conn: t.Any) -> t.Iterable[tuple[str, str]]:
    with conn.cursor() as cursor:
        cursor.execute("SELECT NAME, VALUE FROM b_option")
        return list(cursor.fetchall())


def test_only_so_many_generations_are_kept(site: Site, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        result = site.restore(backup(tmp_path / name, name), keep_previous=2)
    assert [note["number"] for note in result["generations"]["kept"]] == [3, 2]
    assert sorted(path.name for path in site.tree.parent.iterdir()) == [".www.previous-2", ".www.previous-3", "www"]
    with connect(site.login) as conn:
        assert not schema.exists(conn, f"{site.name}_previous_1")
    with pytest.raises(BoxliftError, match=r"There is no generation 1 of .*\. Kept: 3, 2\."):
        site.rollback(1)
    site.rollback(2)
    assert site.seen() == ("b", "b")


def test_what_an_earlier_version_kept_is_generation_0(site: Site, one: Path, two: Path) -> None:
    site.restore(one)
    site.restore(two)
    os.rename(site.tree.with_name(".www.previous-1"), site.tree.with_name(".www.previous"))
    with connect(site.login) as conn:
        execute(conn, f"CREATE DATABASE {site.name}_previous")
        for table in schema.tables(conn, f"{site.name}_previous_1"):
            execute(conn, f"RENAME TABLE {site.name}_previous_1.{table} TO {site.name}_previous.{table}")
        schema.drop(conn, f"{site.name}_previous_1")
    next((site.base / "state").glob("*.generations.json")).unlink()
    assert site.rollback()["generations"]["live"]["number"] == 0
    assert site.seen() == ("one", "one")
    assert site.rollback(1)["changed"]
    assert site.seen() == ("two", "two")


def test_a_rollback_that_cannot_be(site: Site, one: Path, two: Path) -> None:
    with pytest.raises(BoxliftError, match="there is no way back"):
        site.rollback()
    site.restore(one)
    site.restore(two)
    site.run("CREATE TRIGGER watch AFTER INSERT ON b_crm_deal FOR EACH ROW SET @seen = NEW.ID")
    with pytest.raises(BoxliftError, match="1 triggers hang on them"):
        site.rollback()
    assert site.seen() == ("two", "two")


class Killed(BaseException):
    """Stands for the process's end."""


def die(*_arguments: t.Any) -> None:
    raise Killed


def test_one_switch_at_a_time(site: Site, one: Path, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is half done is completed by what began it, and nothing else begins before."""
    site.restore(one)
    with monkeypatch.context() as patch:
        patch.setattr(generations_module, "put_in", die)
        with pytest.raises(Killed):
            site.restore(two)
    with pytest.raises(BoxliftError, match=rf"A restore of {two.name} into .* is half switched in\."):
        site.rollback()
    with pytest.raises(BoxliftError, match="is half switched in, and this task has other options"):
        site.restore(two, raw_names=True)
    two.unlink()  # nothing of the backup is needed any more
    assert site.restore(two)["resumed"]
    assert site.seen() == ("two", "two")
    site.order(40)
    with monkeypatch.context() as patch:
        patch.setattr(rollback_module, "put_in", die)
        with pytest.raises(Killed):
            site.rollback(1)
    with pytest.raises(BoxliftError, match=r"A rollback of .* to generation 1 is half done\."):
        site.restore(one)
    assert site.rollback()["resumed"]
    assert site.seen() == ("one", "one")
    assert site.deals(f"{site.name}_previous_2") == [7, 40]


def test_databases_that_cannot_be_exchanged_open_the_site_again(
    site: Site, one: Path, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.restore(one)
    site.restore(two)

    def held(*_arguments: t.Any) -> None:
        raise BoxliftError("The tables are held.", "End the session.")

    with monkeypatch.context() as patch:
        patch.setattr(StagedDatabase, "exchange", held)
        with pytest.raises(BoxliftError, match="The tables are held"):
            site.rollback()
    assert site.seen() == ("two", "two")
    assert site.rollback()["changed"]
    assert site.seen() == ("one", "one")


def test_room_for_the_database(one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {str(tmp_path): 10**9, "/dev": 1000}
    monkeypatch.setattr(room, "free_bytes", lambda place: free[place])
    with pytest.raises(BoxliftError, match=r"/dev has .* free, and the backup needs"):
        room.check_room(str(tmp_path), str(one), None, True, "/dev")
    free["/dev"] = 10**9
    room.check_room(str(tmp_path), str(one), None, True, "/dev")
