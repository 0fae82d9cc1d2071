# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program boxlift-web with a portal's files and a real database."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web import agents, code, command, lease, share
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.code import Brought
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

PORTAL = """<?php return array('connections' => array('value' => array('default' => array(
  'host' => '%s', 'database' => '%s', 'login' => 'root', 'password' => ''))),
  'session' => array('value' => array('handlers' => array('general' => array('type' => 'redis'))))); """


class Host:
    """A web host of two, its portal, and a database that both have."""

    def __init__(self, folder: Path, mariadb: t.Any) -> None:
        self.folder, self.root = folder, folder / "www"
        self.database = mariadb.fresh_database("web")
        # As PHP's driver names a socket.
        self.server = f"localhost:{mariadb.login.unix_socket}"
        (self.root / "bitrix/php_interface").mkdir(parents=True)
        (self.root / "bitrix/php_interface/dbconn.php").write_text("<?php")
        tools = self.root / "bitrix/modules/main/tools"
        tools.mkdir(parents=True)
        (tools / "cron_events.php").write_text("<?php")
        self.path = folder / "settings.json"
        self.write()

    def write(self, host: str = "web2", **changes: t.Any) -> None:
        (self.root / "bitrix/.settings.php").write_text(PORTAL % (self.server, self.database))
        settings = {
            "host": host,
            "hosts": ["web1", "web2"],
            "lead": "web1",
            "lead_address": "192.0.2.1",
            "lead_port": 22,
            "document_root": str(self.root),
            "database_host": self.server,
            "share": str(self.folder / "share"),
            "folder": str(self.folder),
            **changes,
        }
        self.path.write_text(json.dumps(settings))

    def run(self, *arguments: str) -> int:
        return command.main(["--settings", str(self.path), *arguments])


@pytest.fixture
def host(tmp_path: Path, mariadb: t.Any, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(command, "ASIDE", str(tmp_path / "aside"))
    monkeypatch.setattr(command, "_apart", lambda told: (1, "", "no share here"))
    monkeypatch.setattr(lease, "_server", lambda conn: ("1 db", 86400))
    return Host(tmp_path, mariadb)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The programs that run agents, and would have been begun."""
    found: list[list[str]] = []

    class Child:
        def __init__(self, told: t.Sequence[str]) -> None:
            found.append(list(told))

        def wait(self, seconds: float) -> int:
            return 7

    monkeypatch.setattr(agents, "Process", Child)
    monkeypatch.setattr(agents, "turn", lambda ask: 1.0 if ask().mine else None)
    return found


def test_agents_run_where_the_lease_is(host: Host, begun: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.run("agents") == 0 and begun == []  # nobody has it at first
    monkeypatch.setattr(lease, "ask", lambda conn, name: lease.Standing(True, name, 75))
    assert host.run("agents") == 7
    assert begun == [["php", "-f", str(host.root / command.AGENTS_FILE)]]


def test_agents_do_not_run_where_they_must_not(
    host: Host, begun: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "ask", lambda conn, name: lease.Standing(True, name, 75))
    aside = Path(command.ASIDE)
    aside.touch()
    assert host.run("agents") == 0 and begun == []
    aside.unlink()
    # Restored and not configured: the settings name the cloud's database.
    host.write(database_host="localhost")
    assert host.run("agents") == 0 and begun == []
    host.write()
    (host.root / command.AGENTS_FILE).unlink()
    assert host.run("agents") == 0 and begun == []


def test_a_portal_whose_settings_cannot_be_read_runs_none(host: Host, begun: list[list[str]]) -> None:
    (host.root / "bitrix/.settings.php").write_text("<?php return array(")
    assert host.run("agents") == 0 and begun == []


def test_what_a_host_says_of_itself(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert host.run("tell") == 0
    host.run("agents")
    capsys.readouterr()
    assert host.run("status") == 0
    said = json.loads(capsys.readouterr().out)
    facts = said["hosts"]["web2"]
    assert (facts["lead"], facts["aside"], facts["sessions"]["type"]) == ("web1", False, "redis")
    assert facts["share"] == {"problem": "no share here"} and facts["code"] == {"problem": "it was never brought"}
    assert abs(facts["clock"]) < 3600 and said["agents"]["holder"] == ""


def test_a_portal_that_is_not_configured_is_told_nothing_of(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.write(database_host="localhost")
    assert host.run("tell") == 0
    assert host.run("status") == 1


def test_how_bringing_the_code_went_is_kept(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_arguments: t.Any, **_more: t.Any) -> t.NoReturn:
        raise BoxliftError("The lead is gone.", "Start it.")

    state = host.folder / "code.json"
    monkeypatch.setattr(code, "bring", lambda *_arguments, **_more: Brought(3, 1, ("a", "b")))
    assert host.run("code") == 0 and "3 files came from web1, 1 of them removals" in capsys.readouterr().out
    first = json.loads(state.read_text())
    assert (first["problem"], first["changed"]) == ("", 3)
    monkeypatch.setattr(code, "bring", refused)
    assert host.run("code") == 1 and "The lead is gone. Start it." in capsys.readouterr().err
    # When it last went well stays known.
    assert json.loads(state.read_text()) == {**first, "problem": "The lead is gone."}


def test_the_lead_brings_nothing(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.write(host="web1")
    assert host.run("code") == 0 and not (host.folder / "code.json").exists()
    assert host.run("differences") == 0
    assert json.loads(capsys.readouterr().out) == {"files": 0, "removed": 0, "names": []}


def test_what_differs_is_said(host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(code, "bring", lambda *_arguments, look_only: Brought(2, 1, ("a",)) if look_only else None)
    assert host.run("differences") == 0
    assert json.loads(capsys.readouterr().out) == {"files": 2, "removed": 1, "names": ["a"]}


def test_a_share_is_looked_at_in_a_process_of_its_own(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert host.run("share") == 1
    assert "is no mount point: the share is not there" in capsys.readouterr().err


def test_a_share_that_never_answers_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(share, "ANSWER_SECONDS", 0)
    assert command._apart([sys.executable, "-c", "import signal; signal.pause()"]) is None


def test_what_was_asked_apart_is_heard() -> None:
    assert command._apart([sys.executable, "-c", "print('x')"]) == (0, "x\n", "")
