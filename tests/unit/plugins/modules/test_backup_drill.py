# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole drill on a real server with a small portal: measured, compared, taken back, also after a kill."""

from __future__ import annotations

import json
import os
import pwd
import socket
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import drill as drills
from ansible_collections.boxlift.portal.plugins.module_utils.backup import leftovers
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import Copy
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import Generations
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect, execute, rows
from ansible_collections.boxlift.portal.plugins.modules import backup_drill
from unit.plugins.module_utils.restore.living import DOMAIN, Site, backup

from .conftest import RunModule

NOTED = {"b_option": [3, 3], "b_user": [2, 2], "b_crm_deal": [1, 1], "b_im_message": [0, 0], "b_agent": [0, 0]}


class Killed(BaseException):
    """As a SIGKILL."""


class DrillHost:
    """A pre-production host with a portal of its own, and a repository with one copy of production."""

    def __init__(self, base: Path, mariadb: t.Any, run: RunModule, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = Site(base, mariadb.login, mariadb.fresh_name("portal"))
        self.base = base
        self._run = run
        self._new = backup(base / "new", "new")
        self.site.restore(backup(base / "old", "old"))
        self.site.order(8)
        with connect(mariadb.login) as conn:
            self.version = str(rows(conn, "SELECT VERSION() AS v")[0]["v"])
            server = str(rows(conn, "SELECT @@hostname AS h")[0]["h"])
        mark = {"domain": DOMAIN, "production_domain": "elsewhere.example.com", "database_server": server}
        (base / "mark.json").write_text(json.dumps(mark))
        store = {"name": "near", "repository": "/srv/backup", "password_file": "/nowhere"}
        (base / "settings.json").write_text(json.dumps({"stores": [store]}))
        self.copies = [self.copy()]
        self.free = 10**12
        self.restorable: float | None = drills.Moment.now().clock - 100
        monkeypatch.setattr(backup_drill, "good_copies", lambda restic: self.copies)
        monkeypatch.setattr(backup_drill, "free_bytes", lambda path: self.free)
        monkeypatch.setattr(
            backup_drill,
            "status",
            lambda settings, now: {"stores": [{"name": "near", "restorable_until": self.restorable}]},
        )
        # The machine that runs the tests is no drill host: others make and remove files there meanwhile.
        monkeypatch.setattr(leftovers, "PLACES", ((str(base), 1), (str(base / "work"), 2)))
        monkeypatch.setattr(leftovers, "_processes", lambda root: [])

    def copy(self, **changes: t.Any) -> Copy:
        given: dict[str, t.Any] = {
            **{"id": "20261130T010000Z-ab12", "began": 1.0, "ended": 2.5, "kind": "full", "base": None},
            **{"host": "prod", "domain": "x", "warnings": (), "manifest_snapshot": "ff"},
            "parts": {
                "files": {"snapshot": "aa", "files": 2, "bytes": 10**6, "unread": []},
                "database": {"snapshot": "bb", "bytes": 10**7, "server": self.version},
            },
            "noted": {"tables": NOTED, "files": 2},
            **changes,
        }
        return Copy(**given)

    def step(self, state: str, **options: t.Any) -> dict[str, t.Any]:
        return self._run(
            backup_drill,
            state=state,
            document_root=str(self.site.tree),
            state_dir=str(self.base / "state"),
            folder=str(self.base / "drill"),
            work_dir=str(self.base / "work"),
            mark=str(self.base / "mark.json"),
            settings=str(self.base / "settings.json"),
            database={
                "unix_socket": self.site.login.unix_socket,
                "login_user": self.site.login.user,
                "name": self.site.name,
            },
            **options,
        )

    def done(self, state: str, **options: t.Any) -> dict[str, t.Any]:
        result = self.step(state, **options)
        assert not result["failed"], result
        return result

    def begin(self) -> None:
        self.done("begun", confirm_domain=DOMAIN)
        self.done("chosen")
        self.done("phase", phase="stop")
        self.done("phase", phase="recover")

    def recover(self) -> None:
        self.site.restore(self._new, confirm_domain=DOMAIN, keep_previous=1000)

    def end(self) -> dict[str, t.Any]:
        self.done("taken_back")
        self.done("clean")
        record: dict[str, t.Any] = self.done("recorded")["drill"]
        self.done("closed")
        return record

    def databases(self) -> list[str]:
        with connect(self.site.login) as conn:
            found = [str(next(iter(row.values()))) for row in rows(conn, "SHOW DATABASES")]
        return [name for name in found if name.startswith(self.site.name)]


@pytest.fixture
def host(tmp_path: Path, mariadb: t.Any, run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> DrillHost:
    return DrillHost(tmp_path, mariadb, run_module, monkeypatch)


def seen(status: str = "pass") -> list[dict[str, t.Any]]:
    return [{"id": "web.answers", "status": status, "observed": "the first page", "blocks": "everybody"}]


def test_a_whole_drill(host: DrillHost) -> None:
    assert not host.done("found")["found"]
    host.begin()
    assert host.done("found")["phase"] == "recover"
    host.recover()
    assert host.site.seen() == ("new", "new")
    host.done("phase", phase="compare")
    compared = host.done("compared")["compared"]
    assert (compared["tables"], compared["files"], compared["lost"], compared["missing"]) == (6, 2, [], [])
    host.done("phase", phase="health")
    assert host.done("judged", findings=seen())["healthy"]
    taken = host.done("taken_back")
    assert taken["done"] == ["made generation 1 live", "removed generation 2"]
    assert not host.done("taken_back")["changed"]
    assert host.site.seen() == ("old", "old") and host.site.deals() == [7, 8]
    assert host.databases() == [host.site.name]
    assert host.done("clean")["left"] == []
    record = host.done("recorded")["drill"]
    assert record["passed"], record
    assert (record["copy"], record["host"]) == ("20261130T010000Z-ab12", socket.gethostname())
    assert record["rto_seconds"] >= 0 and record["rpo_seconds"] >= 100 and list(record["phases"])[0] == "prepare"
    host.done("closed")
    assert not (host.base / "drill").exists()
    assert host.step("phase", phase="stop")["msg"].startswith("No drill was begun")


def test_a_second_drill_takes_the_same_way(host: DrillHost) -> None:
    for number in (2, 3):
        host.begin()
        host.recover()
        host.done("judged", findings=seen())
        assert host.done("taken_back")["done"] == ["made generation 1 live", f"removed generation {number}"]
        assert host.done("clean")["left"] == []
        host.done("closed")


@pytest.mark.parametrize("where", ["begin_restore", "switch_restored", "commit"])
def test_a_recovery_that_was_killed_in_its_switch_is_taken_back(
    host: DrillHost, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    host.begin()
    real = getattr(Generations, where)

    def dies(self: Generations, *given: t.Any) -> None:
        if where != "commit":  # it is announced; then the database is switched in, and the tree is not
            real(self, *given)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Generations, where, dies)
        if where == "switch_restored":
            patched.setattr(Generations, "exchange_trees", lambda *_given: None)
        with pytest.raises(Killed):
            host.recover()
    found = host.done("found")
    assert found["found"] and found["stopped"] and found["phase"] == "recover"
    host.done("failed")
    host.done("taken_back")
    assert host.site.seen() == ("old", "old") and host.site.deals() == [7, 8]
    assert host.databases() == [host.site.name]
    record = host.done("recorded")["drill"]
    assert not record["passed"] and record["findings"][0]["text"].startswith("The drill was interrupted in its phase")


def test_what_an_unfinished_recovery_has_made_is_removed(host: DrillHost) -> None:
    host.begin()
    trees = host.site.tree.parent
    for path in (host.base / "work" / "base", trees / ".www.recover" / "srv", trees / ".www.staging" / "bitrix"):
        path.mkdir(parents=True)
    with connect(host.site.login) as conn:
        execute(conn, f"CREATE DATABASE {host.site.name}_staging")
    name = next(each for each in os.listdir(host.base / "state") if each.endswith(".lock")).removesuffix(".lock")
    (host.base / "state" / f"{name}.recover.json").write_text("{}")
    done = " ".join(host.done("taken_back")["done"])
    for word in ("work", ".www.recover", ".www.staging", "_staging", ".recover.json"):
        assert word in done, done
    assert host.done("clean")["left"] == []
    assert host.databases() == [host.site.name] and host.site.seen() == ("old", "old")


def test_what_is_left_is_named_and_fails_the_drill(host: DrillHost) -> None:
    host.begin()
    (host.base / "password").write_text("x")
    with connect(host.site.login) as conn:
        execute(conn, f"CREATE DATABASE {host.site.name}_other")
        execute(conn, f"CREATE USER {host.site.name}@localhost")
    host.done("judged", findings=seen())
    host.done("taken_back")
    left = host.done("clean")["left"]
    assert f"path {host.base}/password" in left and f"database {host.site.name}_other" in left
    assert f"database account {host.site.name}@localhost" in left and len(left) == 3
    record = host.done("recorded")["drill"]
    assert not record["passed"] and record["left"] == left
    with connect(host.site.login) as conn:
        execute(conn, f"DROP DATABASE {host.site.name}_other")
        execute(conn, f"DROP USER {host.site.name}@localhost")


def test_a_host_whose_own_portal_is_another_one_afterwards(host: DrillHost) -> None:
    host.begin()
    host.site.tree.rename(host.base / "site" / "moved")
    host.site.tree.mkdir()
    (host.site.tree / "index.php").write_text("old")
    host.site.run("DROP TABLE b_agent")
    host.done("clean")
    texts = " ".join(each["text"] for each in host.done("recorded")["drill"]["findings"])
    assert "is another directory than before" in texts and "has 5 tables, and had 6" in texts


def test_rows_that_are_missing_fail_the_drill(host: DrillHost) -> None:
    host.copies = [host.copy(noted={"tables": {**NOTED, "b_crm_deal": [3, 4], "b_gone": [1, 1]}, "files": 3})]
    host.begin()
    host.recover()
    host.done("compared")
    host.done("judged", findings=seen())
    record = host.end()
    codes = [each["code"] for each in record["findings"]]
    assert codes == ["tables_missing", "fewer_rows", "not_noted", "fewer_files"] and not record["passed"]


def test_a_portal_that_does_not_answer(host: DrillHost) -> None:
    host.begin()
    assert not host.done("judged", findings=seen("fail"))["healthy"]
    record = host.end()
    assert record["rto_seconds"] is None and record["findings"][0]["code"] == "does_not_answer"


def test_what_failed_on_this_host_before_is_not_the_copys_fault() -> None:
    known = {"id": "mail.queue", "status": "fail", "observed": "x", "blocks": "some"}
    new = {"id": "push.server", "status": "fail", "observed": "y", "blocks": "some"}
    quiet = {"id": "security.ssh", "status": "fail", "observed": "z", "blocks": "nobody"}
    assert drills.judged([*seen(), known], [known]) == (True, [])
    healthy, notes = drills.judged([*seen(), known, new, quiet], [known])
    assert not healthy and [(each["severity"], each["text"]) for each in notes] == [
        ("fail", "push.server: y"),
        ("warn", "security.ssh: z"),
    ]
    assert drills.judged([], [])[0] is False


def test_too_little_room_is_refused_before_anything_is_stopped(host: DrillHost) -> None:
    host.free = 10**6
    host.done("begun", confirm_domain=DOMAIN)
    result = host.step("chosen")
    assert result["failed"] and result["refused"] and "Nothing was stopped." in result["msg"]
    assert result["needed"] > result["free"] == 10**6
    assert not host.done("found")["stopped"]


def test_the_newest_copy_that_is_not_damaged_is_tried(host: DrillHost) -> None:
    host.copies.append(host.copy(id="20261201T010000Z-cd34", ended=9.0, damaged=True))
    host.done("begun", confirm_domain=DOMAIN)
    assert host.done("chosen")["copy"]["id"] == "20261130T010000Z-ab12"


def test_another_release_of_mariadb_is_refused(host: DrillHost) -> None:
    parts = {**host.copy().parts, "database": {"snapshot": "bb", "bytes": 1, "server": "9.9.1-MariaDB"}}
    host.copies = [host.copy(parts=parts)]
    host.done("begun", confirm_domain=DOMAIN)
    result = host.step("chosen")
    assert result["failed"] and result["refused"] and "of MariaDB 9.9, and" in result["msg"]


def test_a_repository_without_a_copy_is_a_drill_that_failed(host: DrillHost) -> None:
    host.copies = []
    host.done("begun", confirm_domain=DOMAIN)
    result = host.step("chosen")
    assert result["failed"] and "refused" not in result and "holds no good copy" in result["msg"]
    host.done("failed", text=result["msg"])
    record = host.end()
    assert record["copy"] is None and "holds no good copy" in record["findings"][0]["text"]


@pytest.mark.parametrize(("domain", "words"), [("elsewhere.example.com", "which is production"), ("", "not this host")])
def test_only_the_host_of_the_mark_is_drilled_on(host: DrillHost, domain: str, words: str) -> None:
    result = host.step("begun", confirm_domain=domain)
    assert result["failed"] and words in result["msg"]
    (host.base / "mark.json").unlink()
    result = host.step("begun", confirm_domain=DOMAIN)
    assert result["failed"] and "nothing says that the portal here is a copy" in result["msg"]
    assert not (host.base / "drill").exists()


def test_two_drills_do_not_run_at_once(host: DrillHost) -> None:
    host.done("begun", confirm_domain=DOMAIN)
    result = host.step("begun", confirm_domain=DOMAIN)
    assert result["failed"] and "has not ended" in result["msg"]


def test_a_drill_that_lacks_only_its_record_was_not_interrupted(host: DrillHost) -> None:
    host.begin()
    host.done("judged", findings=seen())
    host.done("taken_back")
    host.done("clean")
    host.done("failed")
    assert host.done("recorded")["drill"]["passed"]


def test_processes_accounts_and_mounts_of_a_host(tmp_path: Path) -> None:
    for number, program in ((1, "systemd"), (7, "restic"), (8, "mariadbd"), (9, "mariadbd")):
        (tmp_path / "proc" / str(number)).mkdir(parents=True)
        (tmp_path / "proc" / str(number) / "comm").write_text(f"{program}\n")
    (tmp_path / "proc" / "uptime").write_text("1")
    (tmp_path / "proc" / "10").mkdir()  # it has ended
    (tmp_path / "proc" / "self").mkdir()
    (tmp_path / "proc/self/mounts").write_text("x / ext4 rw 0 0\nproc /proc proc rw 0 0\nx /mnt/store ext4 rw 0 0\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nsnoop:x:1:1::/:/bin/sh\n")
    root = str(tmp_path)
    assert sorted(leftovers._processes(root)) == ["mariadbd", "mariadbd", "restic"]
    assert list(leftovers._accounts(root)) == ["root", "snoop"]
    assert list(leftovers._mounts(root)) == ["/", "/mnt/store"]
    before = {"process": ["mariadbd"], "account": ["root"]}
    now = {"process": ["mariadbd", "mariadbd", "restic"], "account": []}
    assert leftovers.compared(before, now) == (["process mariadbd", "process restic"], ["account root"])


def test_this_process_has_an_account() -> None:
    assert pwd.getpwuid(os.getuid()).pw_name in list(leftovers._accounts("/"))
