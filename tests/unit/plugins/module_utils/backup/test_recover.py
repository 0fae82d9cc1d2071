# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recoveries of a real production: its server writes logs, a server beside comes up over its data, and renames switch.

Only what restic and mariadb-backup do is stood in for: the data of a copy are those of a server that was stopped.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import pathlib
import shutil
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import beside, folder, recover, table
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_events import BinaryLog, gtid
from ansible_collections.boxlift.portal.plugins.module_utils.backup.recover import Recovery, Request
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import rollback, switch
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from lab.recovery import Repository
from unit.conftest import Server, running_server

TABLES = """
CREATE TABLE b_order (ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, NUMBER varchar(20));
CREATE TABLE b_log (TEXT varchar(100));
CREATE VIEW v_order AS SELECT NUMBER FROM b_order;
CREATE TABLE b_parent (ID int PRIMARY KEY);
CREATE TABLE b_child (ID int PRIMARY KEY, PARENT int, CONSTRAINT of_it FOREIGN KEY (PARENT) REFERENCES b_parent (ID));
CREATE TABLE b_guarded (ID int PRIMARY KEY, DOUBLE_OF int);
CREATE TRIGGER doubles BEFORE INSERT ON b_guarded FOR EACH ROW SET NEW.DOUBLE_OF = NEW.ID * 2;
INSERT INTO b_parent VALUES (1); INSERT INTO b_child VALUES (1, 1); INSERT INTO b_guarded (ID) VALUES (1), (2)
"""


class Built(t.NamedTuple):
    """A server with three orders, its data when it was stopped, and where it stood in its logs then."""

    server: Server
    template: pathlib.Path
    begin: dict[str, t.Any]


class Production:
    """A copy of it holds three orders; two came later."""

    def __init__(self, built: Built, folder: pathlib.Path) -> None:
        self.server, self.folder = built.server, folder
        self.root = folder / "srv" / "www"
        (self.root / "upload" / "iblock").mkdir(parents=True)
        (self.root / "index.php").write_text("<?php // first")
        (self.root / "upload" / "iblock" / "picture").write_text("picture")
        self.conn = self.server.connect("portal")
        self.repository = Repository(folder / "repository")
        database = {"bytes": 1000, "server": "", "binlog": built.begin}
        files = {"paths": [str(self.root)], "bytes": 1000, "files": 2}
        self.repository.add_copy("one", time.time(), {"files": files, "database": database})
        self.orders("four", "five")
        (self.root / "index.php").write_text("<?php // second")
        (self.root / "later").write_text("")

    def run(self, *statements: str) -> None:
        for statement in statements:
            if statement.strip():
                execute(self.conn, statement)

    def orders(self, *numbers: str) -> None:
        self.run(*(f"INSERT INTO b_order (NUMBER) VALUES ('{number}')" for number in numbers))

    def ship(self) -> None:
        self.run("FLUSH BINARY LOGS")
        self.repository.add_logs(time.time() + 5, self.logs()[:-1])

    def logs(self) -> list[pathlib.Path]:
        return sorted((self.server.base / "data").glob("log.[0-9]*"))

    def last_gtid(self) -> str:
        """Of the transaction that was written last."""
        return [str(each.gtid) for path in self.logs() for each in BinaryLog(str(path))][-1]

    def numbers(self, database: str = "portal") -> list[str]:
        return [row["NUMBER"] for row in rows(self.conn, f"SELECT NUMBER FROM {database}.b_order ORDER BY ID")]

    def recovery(self, **wish: t.Any) -> Recovery:
        request = Request(
            document_root=str(self.root),
            state_dir=str(self.folder / "state"),
            work_dir=str(self.folder / "work"),
            database="portal",
            user=getpass.getuser(),
        )
        staged = StagedDatabase(self.server.login, "portal", jobs=2)
        return Recovery(dataclasses.replace(request, **wish), self.repository, self.server.login, staged)

    def recover(self, **wish: t.Any) -> dict[str, t.Any]:
        return self.recovery(**wish).run()

    def left(self) -> list[str]:
        names = [row["Database"] for row in rows(self.conn, "SHOW DATABASES")]
        found = [name for name in names if "staging" in name or "wanted" in name]
        hidden = [".www.recover", ".www.staging"]
        found += [name for name in hidden if (self.root.parent / name).exists()]
        return found + ([str(self.folder / "work")] if (self.folder / "work").exists() else [])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Built]:
    own = ("--skip-networking", "--log-bin=log", "--binlog-format=ROW", "--gtid-strict-mode=1", "--server-id=1")
    with running_server(*own) as server:
        conn = server.connect()
        tables = [text for text in TABLES.split(";") if text.strip()]
        orders = [f"INSERT INTO b_order (NUMBER) VALUES ('{number}')" for number in ("one", "two", "three")]
        for statement in ("CREATE DATABASE portal", "USE portal", *tables, *orders, "FLUSH BINARY LOGS"):
            execute(conn, statement)
        found = rows(conn, "SHOW MASTER STATUS")[0]
        position = rows(conn, "SELECT @@gtid_binlog_pos AS g")[0]["g"]
        server.kill()  # as those of mariadb-backup, these data need their redo
        template = tmp_path_factory.mktemp("template") / "data"
        shutil.copytree(server.base / "data", template)
        yield Built(server, template, {"file": found["File"], "position": found["Position"], "gtid": position})


@pytest.fixture
def production(built: Built, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Production]:
    shutil.rmtree(built.server.base / "data")
    shutil.copytree(built.template, built.server.base / "data")
    built.server.start()
    try:
        monkeypatch.setattr(beside, "unpack", lambda _restic, _chain, where, _on_bytes: _unpack(built.template, where))
        monkeypatch.setattr(beside, "prepare", lambda where, _memory, user: beside.give(where.base, user))
        monkeypatch.setattr(beside, "refuse_other_version", lambda _chain: None)
        monkeypatch.setattr(recover, "NEEDED", ())
        yield Production(built, tmp_path)
    finally:
        built.server.kill()


def _unpack(template: pathlib.Path, where: beside.Folder) -> None:
    shutil.rmtree(where.base, ignore_errors=True)
    shutil.copytree(template, where.base)


def test_the_whole_portal_to_a_moment_and_back(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "REQUESTS_SECONDS", 0.0)  # the connection of the test stays in the database
    production.run("DROP TABLE b_order")
    accident = production.last_gtid()
    production.run(
        "INSERT INTO b_log VALUES ('after')", "DROP TRIGGER doubles"
    )  # a switch of all tables refuses triggers
    production.ship()
    plan = production.recovery(before=gtid(accident)).plan()
    assert plan["changed"] and plan["what"] == ["the whole portal"] and not (production.folder / "work").exists()
    done = production.recover(before=gtid(accident))
    assert production.numbers() == ["one", "two", "three", "four", "five"]
    assert (done["replayed"]["next"]["gtid"], done["replayed"]["transactions"]) == (accident, 2)
    assert done["database_as_of"] == done["replayed"]["last"]["time"]  # and not the end of the logs
    assert done["rows"] == 9 and (production.root / "index.php").read_text() == "<?php // first"
    assert not (production.root / "later").exists()
    assert any("1 triggers of the copy" in text for text in done["warnings"])
    assert production.left() == []
    again = production.recover(before=gtid(accident))
    assert (again["changed"], again["rows"], again["database_as_of"]) == (False, 9, done["database_as_of"])
    state, staged = str(production.folder / "state"), StagedDatabase(production.server.login, "portal")
    rollback.Rollback(str(production.root), state, staged).run()
    assert (production.root / "later").exists() and rows(production.conn, "SELECT TEXT FROM portal.b_log")


def test_a_dropped_table_comes_back_and_the_others_stay(production: Production) -> None:
    production.run("DROP TABLE b_order")
    accident = production.last_gtid()
    production.run("INSERT INTO b_log VALUES ('after')")
    production.ship()
    done = production.recover(tables=("b_order",), before=gtid(accident))
    assert production.numbers() == ["one", "two", "three", "four", "five"]
    assert done["tables"] == [{"name": "b_order", "kind": "table", "rows": 5, "replaced": None, "replaced_rows": None}]
    assert rows(production.conn, "SELECT COUNT(*) AS n FROM b_log")[0]["n"] == 1
    assert rows(production.conn, "SELECT * FROM v_order") and done["warnings"] == []
    assert production.left() == []


def test_a_replaced_table_is_kept_and_its_numbers_are_not_given_again(production: Production) -> None:
    production.run("DELETE FROM b_order")
    accident = production.last_gtid()
    production.orders("six")
    production.ship()
    done = production.recover(tables=("b_order",), before=gtid(accident))
    kept = done["tables"][0]["replaced"].partition(".")[0]
    assert production.numbers(kept) == ["six"] and len(production.numbers()) == 5
    production.orders("seven")
    assert rows(production.conn, "SELECT MAX(ID) AS n FROM b_order")[0]["n"] == 7


def test_triggers_come_back_as_they_were(production: Production) -> None:
    production.run("DROP TRIGGER doubles", "DELETE FROM b_guarded")
    production.run("CREATE TRIGGER wrong BEFORE INSERT ON b_guarded FOR EACH ROW SET NEW.DOUBLE_OF = 0")
    done = production.recover(tables=("b_guarded",), copy="one")
    production.run("INSERT INTO b_guarded (ID) VALUES (7)")
    assert [row["DOUBLE_OF"] for row in rows(production.conn, "SELECT DOUBLE_OF FROM b_guarded ORDER BY ID")] == [
        2,
        4,
        14,
    ]
    assert done["warnings"] == ["Triggers that were not there at the moment are gone: wrong."]


def test_tables_that_foreign_keys_bind_come_together_or_not_at_all(production: Production) -> None:
    production.run("DELETE FROM b_child", "DELETE FROM b_parent")
    with pytest.raises(BoxliftError, match="A foreign key binds b_parent to b_child") as caught:
        production.recover(tables=("b_parent",), copy="one")
    assert "recover_tables=b_parent,b_child" in caught.value.remedy
    production.recover(tables=("b_parent", "b_child"), copy="one")
    with pytest.raises(BoxliftError, match="foreign key"):
        production.run("INSERT INTO b_child VALUES (2, 99)")
    production.run("INSERT INTO b_child VALUES (3, 1)")


def test_a_view_comes_back_as_its_definition(production: Production) -> None:
    production.run("CREATE OR REPLACE VIEW v_order AS SELECT 1 AS broken")
    done = production.recover(tables=("v_order",), copy="one")
    assert rows(production.conn, "SELECT * FROM v_order")[0] == {"NUMBER": "one"}
    assert "broken" in done["tables"][0]["replaced"] and production.left() == []


def test_a_table_that_was_not_there_is_refused_with_those_that_are_like_it(production: Production) -> None:
    with pytest.raises(BoxliftError, match="There was no table b_orders in portal") as caught:
        production.recover(tables=("b_orders",), copy="one")
    assert "Is it one of these: b_order" in caught.value.remedy


def test_tables_and_the_portal_come_as_files(production: Production) -> None:
    dest = production.folder / "look"
    production.recover(tables=("b_order",), copy="one", dest=str(dest))
    assert "'three'" in (dest / "b_order.sql").read_text() or "three" in (dest / "b_order.sql").read_text()
    assert len(production.numbers()) == 5
    whole = production.folder / "whole"
    done = production.recover(copy="one", dest=str(whole))
    assert (whole / "www" / "index.php").read_text() == "<?php // first"
    assert [each["path"] for each in done["tables"]] == [str(whole / "portal.sql")]
    assert production.left() == []


def test_a_folder_is_exchanged_and_what_it_replaces_is_kept(production: Production) -> None:
    shutil.rmtree(production.root / "upload" / "iblock")
    (production.root / "upload" / "iblock").mkdir()
    (production.root / "upload" / "iblock" / "new").write_text("new")
    done = production.recover(folders=("upload/iblock",), database=None)
    assert (production.root / "upload" / "iblock" / "picture").read_text() == "picture"
    kept = pathlib.Path(done["folders"][0]["replaced"])
    assert (kept / "new").read_text() == "new" and kept.parent.parent.parent == production.root.parent
    assert (production.root / "later").exists() and production.left() == []


def test_a_folder_comes_back_while_the_database_is_dead(production: Production) -> None:
    production.server.kill()
    production.recover(folders=("upload/iblock",))
    (state,) = (production.folder / "state").glob("*.recover.json")
    assert json.loads(state.read_text())["phase"] == "done"


def test_a_folder_that_is_gone_comes_back_with_those_above_it(production: Production) -> None:
    shutil.rmtree(production.root / "upload")
    done = production.recover(folders=("upload/iblock",), database=None)
    assert (production.root / "upload" / "iblock" / "picture").read_text() == "picture"
    assert done["folders"][0]["replaced"] is None


class Shared(t.NamedTuple):
    """A production whose uploads lie on a share of several web hosts. Copy two holds them, and they changed since."""

    production: Production
    place: pathlib.Path
    live: pathlib.Path

    def recover(self, **wish: t.Any) -> dict[str, t.Any]:
        request = self.production.recovery(**{"copy": "two", "database": None, **wish})._request
        return Recovery(request, self.production.repository, None, None).run()

    def names(self) -> set[str]:
        return {each.name for each in self.place.iterdir() if each.name != switch.MARK}


@pytest.fixture
def shared(production: Production) -> Shared:
    place, upload = production.folder / "share" / "uploads", production.root / "upload"
    place.mkdir(parents=True)
    aside = production.folder / "aside"
    os.rename(upload, aside)
    switch.lead_elsewhere(str(production.root), {"upload": str(place)}, -1, -1, 0o755)
    live = pathlib.Path(os.readlink(upload))
    shutil.copytree(aside, live, dirs_exist_ok=True)
    parts: dict[str, t.Any] = {
        "files": {"paths": [str(production.root)], "bytes": 1000, "files": 3},
        "elsewhere": {"paths": [str(live)], "bytes": 7, "files": 1, "places": {"upload": str(live)}},
    }
    production.repository.add_copy("two", time.time(), parts)
    (live / "iblock" / "picture").unlink()
    (live / "iblock" / "new").write_text("new")
    return Shared(production, place, live)


def test_what_lies_on_a_share_comes_back_beside_what_is_there(shared: Shared) -> None:
    upload = shared.production.root / "upload"
    done = shared.recover(elsewhere={"upload": str(shared.place)})
    brought = pathlib.Path(os.readlink(upload))
    assert brought != shared.live and brought.parent == shared.place
    assert (upload / "iblock" / "picture").read_text() == "picture" and not (upload / "iblock" / "new").exists()
    # What was live is kept as it was, and goes with its generation.
    assert (shared.live / "iblock" / "new").read_text() == "new"
    assert os.readlink(pathlib.Path(done["previous"]) / "upload") == str(shared.live)
    assert shared.names() == {shared.live.name, brought.name} and shared.production.left() == []


def test_where_nothing_is_shared_it_comes_into_the_tree(shared: Shared) -> None:
    """As on the host of a drill."""
    shared.recover()
    upload = shared.production.root / "upload"
    assert not upload.is_symlink() and (upload / "iblock" / "picture").read_text() == "picture"
    assert (shared.live / "iblock" / "new").exists() and shared.names() == {shared.live.name}


def test_a_folder_on_the_share_is_exchanged_there(shared: Shared) -> None:
    done = shared.recover(folders=("upload/iblock",))
    assert (shared.live / "iblock" / "picture").read_text() == "picture"
    kept = pathlib.Path(done["folders"][0]["replaced"])
    assert (kept / "new").read_text() == "new" and kept.parent.parent.parent == shared.place
    assert shared.names() == {shared.live.name, kept.parent.parent.name} and shared.production.left() == []


def test_a_whole_share_is_no_folder_to_exchange_and_comes_as_files(shared: Shared) -> None:
    with pytest.raises(BoxliftError, match="upload is a link to what several web hosts share") as refused:
        shared.recover(folders=("upload",))
    assert "upload/iblock" in refused.value.remedy
    dest = shared.production.folder / "look"
    shared.recover(folders=("upload",), dest=str(dest))
    assert (dest / "upload" / "iblock" / "picture").read_text() == "picture"
    whole = shared.production.folder / "whole"
    shared.recover(dest=str(whole))
    assert (whole / "www" / "upload" / "iblock" / "picture").exists() and (whole / "www" / "index.php").exists()


@pytest.mark.parametrize("call", range(1, 6))
def test_a_kill_leaves_the_live_uploads_alone_and_nothing_behind(
    shared: Shared, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def dying(work: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def step(*arguments: t.Any, **more: t.Any) -> t.Any:
            nonlocal calls
            calls += 1
            if calls == call:
                raise KeyboardInterrupt
            return work(*arguments, **more)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(folder, "own", dying(folder.own))
        patch.setattr(folder.os, "rename", dying(os.rename))
        patch.setattr(shared.production.repository, "restore", dying(shared.production.repository.restore))
        with pytest.raises(KeyboardInterrupt):
            shared.recover(elsewhere={"upload": str(shared.place)})
    assert (shared.live / "iblock" / "new").read_text() == "new"
    # Another wish clears what the killed one has left.
    shared.recover(folders=("upload/iblock",))
    assert (shared.live / "iblock" / "picture").read_text() == "picture"
    assert {name for name in shared.names() if "replaced" not in name} == {shared.live.name}
    shared.recover(elsewhere={"upload": str(shared.place)})
    assert os.readlink(shared.production.root / "upload") != str(shared.live) and shared.production.left() == []


@pytest.mark.parametrize("name", ["../srv", "/etc", ".", "", "upload/../../x"])
def test_folders_outside_are_refused(production: Production, name: str) -> None:
    with pytest.raises(BoxliftError, match="is no folder below the document root"):
        production.recover(folders=(name,), database=None)


def test_a_folder_that_the_copy_does_not_have_is_refused(production: Production) -> None:
    with pytest.raises(BoxliftError, match="The copy has no upload/nothing"):
        production.recover(folders=("upload/nothing",), database=None)


def test_folders_come_to_belong_to_the_portal_s_account_of_this_host(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that was built anew may have given the account of the copy another number."""
    shutil.rmtree(production.root / "upload")
    given: dict[str, tuple[int, int]] = {}

    def chown(path: str, uid: int, gid: int) -> None:
        given[str(path).rpartition("/www/")[2]] = (uid, gid)

    monkeypatch.setattr(folder.os, "lchown", chown)
    monkeypatch.setattr(folder.os, "chown", chown)
    production.recover(folders=("upload/iblock",), database=None, uid=4711, gid=4712)
    assert given == {name: (4711, 4712) for name in ("upload", "upload/iblock", "upload/iblock/picture")}
    given.clear()
    production.recover(folders=("upload/iblock",), database=None)
    assert given == {}


def test_the_same_moment_comes_again_only_where_that_is_wished(production: Production) -> None:
    production.run("DROP TRIGGER doubles")
    production.recover(copy="one")
    first = production.recover(copy="one")
    assert not first["changed"]
    production.orders("six")
    production.run("DROP TABLE b_log")
    left = production.recover(copy="one")
    assert not left["changed"] and production.numbers() == ["one", "two", "three", "six"]
    (warning,) = set(left["warnings"]) - set(first["warnings"])
    assert "Tables that are gone since: b_log." in warning and "recover_again=true" in warning
    done = production.recover(copy="one", again=True)
    assert done["changed"] and not done["resumed"] and done["generations"]["live"]["number"] == 3
    assert production.numbers() == ["one", "two", "three"] and rows(production.conn, "SELECT * FROM b_log") == []
    assert production.recover(copy="one")["warnings"] == first["warnings"] and production.left() == []


def test_a_second_recovery_to_a_moment_that_was_killed_goes_on(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    production.run("DROP TRIGGER doubles")
    production.recover(copy="one")
    production.orders("six")
    real = recover.sync.refresh

    def killed(*_arguments: t.Any, **_more: t.Any) -> t.Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(recover.sync, "refresh", killed)
    with pytest.raises(KeyboardInterrupt):
        production.recover(copy="one", again=True)
    monkeypatch.setattr(recover.sync, "refresh", real)
    assert production.recover(copy="one")["changed"] and production.numbers() == ["one", "two", "three"]


@pytest.mark.parametrize("wish", [{}, {"tables": ("b_order",)}])
def test_there_must_be_room_for_the_binary_logs_too(
    production: Production, monkeypatch: pytest.MonkeyPatch, wish: dict[str, t.Any]
) -> None:
    logs = production.folder / "logs"
    logs.mkdir()
    needed: dict[str, int] = {}

    def refuse(needs: t.Sequence[tuple[str, int]]) -> None:
        for place, count in needs:
            needed[place.rstrip("/")] = needed.get(place.rstrip("/"), 0) + count

    monkeypatch.setattr(recover, "_refuse_small", refuse)
    production.run("DROP TRIGGER doubles")
    production.recover(copy="one", local_logs=str(logs), **wish)
    assert needed[str(logs)] == (1000 if not wish else needed[str(production.server.base / "data")])


def test_too_little_room_is_refused_before_anything_is_written(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover, "free_bytes", lambda _path: 2000)
    production.run("DROP TRIGGER doubles")
    with pytest.raises(BoxliftError, match="1.95 KiB free|2.0 KiB free") as caught:
        production.recover()
    assert caught.value.details["code"] == "room" and production.left() == []


def test_a_portal_in_use_is_not_replaced_unless_it_is_named(production: Production) -> None:
    production.run("DROP TRIGGER doubles", "CREATE TABLE b_user (ID int, LOGIN varchar(9), DATE_REGISTER datetime)")
    production.run("INSERT INTO b_user VALUES (5, 'anna', NOW())")
    with pytest.raises(BoxliftError, match="is in use") as caught:
        production.recover(copy="one")
    assert "recover_confirm_domain=" in caught.value.remedy and production.left() == []
    production.recover(copy="one", confirm_domain=caught.value.details["domain"])
    assert production.numbers() == ["one", "two", "three"]


def test_a_gap_is_refused_before_the_live_portal_is_touched(production: Production) -> None:
    production.ship()
    production.orders("six")
    production.run("FLUSH BINARY LOGS", "SET SESSION gtid_seq_no = 500")
    production.orders("seven")
    production.run("FLUSH BINARY LOGS")
    third, fourth = production.logs()[-3:-1]
    # The fourth takes the third one's place: numbers without a gap, and GTIDs with one.
    (production.folder / third.name).write_bytes(fourth.read_bytes())
    production.repository.add_logs(time.time() + 9, [production.folder / third.name])
    with pytest.raises(BoxliftError, match=f"Transactions are missing before {third.name}"):
        production.recover(tables=("b_order",))
    assert len(production.numbers()) == 7


def test_a_server_that_a_killed_run_has_left_is_ended(production: Production, built: Built) -> None:
    where = beside.Folder(str(production.folder / "work"))
    where.make()
    _unpack(built.template, where)
    with beside.BesideServer(where, getpass.getuser()) as left:
        assert left._process is not None
        production.recover(tables=("b_order",), copy="one")
        assert left._process.wait(60) != 0
    assert production.left() == []


def test_another_wish_after_a_killed_one_gives_back_the_triggers(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, statements = table.execute, []

    def killed(conn: t.Any, sql: str, *more: t.Any) -> int:
        statements.append(sql)
        if sql.startswith("RENAME") and any(text.startswith("DROP TRIGGER `portal`") for text in statements[-4:]):
            if not any(text.startswith("CREATE TABLE IF NOT EXISTS `portal_staging`") for text in statements):
                return real(conn, sql, *more)  # the one on the server beside
            raise KeyboardInterrupt
        return real(conn, sql, *more)

    monkeypatch.setattr(table, "execute", killed)
    with pytest.raises(KeyboardInterrupt):
        production.recover(tables=("b_guarded",), copy="one")
    assert not rows(production.conn, "SHOW TRIGGERS")
    monkeypatch.setattr(table, "execute", real)
    production.recover(tables=("b_log",), copy="one")
    assert [row["Trigger"] for row in rows(production.conn, "SHOW TRIGGERS")] == ["doubles"]
    assert os.listdir(production.root.parent) == ["www"]


def test_the_same_wish_goes_on_with_what_a_killed_one_has_gathered(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = table.sync.refresh

    def killed(*_arguments: t.Any, **_more: t.Any) -> t.Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(table.sync, "refresh", killed)
    with pytest.raises(KeyboardInterrupt):
        production.recover(tables=("b_order", "v_order"), copy="one")
    monkeypatch.setattr(table.sync, "refresh", real)
    done = production.recover(tables=("b_order", "v_order"), copy="one")
    assert done["resumed"] and production.numbers() == ["one", "two", "three"]


def test_the_latest_moment_is_that_of_the_run_that_ends(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = table.sync.refresh

    def killed(*_arguments: t.Any, **_more: t.Any) -> t.Any:
        raise KeyboardInterrupt

    production.ship()
    monkeypatch.setattr(table.sync, "refresh", killed)
    with pytest.raises(KeyboardInterrupt):
        production.recover(tables=("b_order",))
    monkeypatch.setattr(table.sync, "refresh", real)
    production.orders("six")
    production.run("FLUSH BINARY LOGS")
    production.repository.add_logs(time.time() + 10, production.logs()[-2:-1])
    production.recover(tables=("b_order",))
    assert production.numbers() == ["one", "two", "three", "four", "five", "six"]


@pytest.mark.parametrize("seam", ["switch_restored", "commit", "prune"])
def test_a_switch_that_was_killed_is_completed(
    production: Production, monkeypatch: pytest.MonkeyPatch, seam: str
) -> None:
    production.run("DROP TRIGGER doubles")
    real = getattr(recover.Generations, seam)

    def killed(*_arguments: t.Any) -> t.Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(recover.Generations, seam, killed)
    with pytest.raises(KeyboardInterrupt):
        production.recover(copy="one")
    monkeypatch.setattr(recover.Generations, seam, real)
    done = production.recover(copy="one")
    assert (done["changed"], done["resumed"], done["generations"]["live"]["number"]) == (True, True, 2)
    assert production.numbers() == ["one", "two", "three"] and production.left() == []
    assert not production.recover(copy="one")["changed"]


@pytest.mark.parametrize("seam", ["before", "behind"])
def test_tables_that_were_switched_are_not_switched_again(
    production: Production, monkeypatch: pytest.MonkeyPatch, seam: str
) -> None:
    real = table.Work._tidy

    def killed(work: table.Work, live: t.Any) -> t.Any:
        if seam == "behind":
            real(work, live)
        raise KeyboardInterrupt

    monkeypatch.setattr(table.Work, "_tidy", killed)
    with pytest.raises(KeyboardInterrupt):
        production.recover(tables=("b_order", "b_guarded"), folders=("upload",), copy="one")
    monkeypatch.setattr(table.Work, "_tidy", real)
    done = production.recover(tables=("b_order", "b_guarded"), folders=("upload",), copy="one")
    assert production.numbers() == ["one", "two", "three"] and production.left() == []
    kept = done["tables"][0]["replaced"].partition(".")[0]
    assert len(production.numbers(kept)) == 5
    assert [row["Trigger"] for row in rows(production.conn, "SHOW TRIGGERS")] == ["doubles"]
