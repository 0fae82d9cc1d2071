# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import io
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import command
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import read_settings
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.module_utils.backup.kept_copies import Portal


@pytest.fixture
def call(portal: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., int]:
    """Runs the command with the portal's settings and the repository in memory."""
    (tmp_path / "password").write_text("secret\n")
    given = dataclasses.asdict(portal.settings)
    (tmp_path / "settings.json").write_text(json.dumps(given))
    monkeypatch.setattr(command, "_restic", lambda *_given: portal.memory)
    monkeypatch.setattr(command.time, "time", lambda: portal.now)

    def run(*arguments: str, typed: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return command.main(["--settings", str(tmp_path / "settings.json"), *arguments])

    return run


def test_the_settings_come_back_as_they_were_written(portal: Portal, tmp_path: Path, call: t.Any) -> None:
    assert call("check") == 0
    found = read_settings(str(tmp_path / "settings.json"))
    assert (found.main.name, found.database, found.keep) == ("local", portal.settings.database, portal.settings.keep)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("no json", "it is no JSON"),
        ("[]", "it holds no object"),
        ("{}", "stores is missing"),
        ('{"stores": [{"name": "a"}]}', "repository"),
        ('{"stores": [{"name": "a", "repository": "/a", "password_file": "/p", "offsite": true}]}', "stores has none"),
        ('{"stores": [], "wrong": 1}', "wrong"),
        (
            '{"stores": [{"name": "a", "repository": "/a", "password_file": "/p"}], "verify_slices": 0}',
            "must be at least 1",
        ),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(BoxliftError, match=text) as failed:
        read_settings(str(tmp_path / "settings.json"))
    assert str(tmp_path / "settings.json") in failed.value.message


def test_a_missing_password_is_named(call: t.Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "password").unlink()
    assert call("check") == 1
    assert "cannot be read. Bring the escrowed password there" in capsys.readouterr().err


def test_the_list_shows_what_each_copy_is(portal: Portal, call: t.Any, capsys: pytest.CaptureFixture[str]) -> None:
    copy = portal.night()
    assert call("list") == 0
    assert capsys.readouterr().out.startswith(f"{copy['id']}  2027-01-15 08:00:00 UTC  full")


def test_a_check_with_faults_fails_and_is_written_down(
    portal: Portal, call: t.Any, capsys: pytest.CaptureFixture[str]
) -> None:
    portal.night()
    assert call("verify", "--all") == 0
    assert len(capsys.readouterr().out.splitlines()) == 7
    portal.memory.faults = [command.verify.Fault("", "error: broken")]
    assert call("verify") == 1
    assert json.loads(capsys.readouterr().out)["faults"][0]["text"] == "error: broken"


def test_an_escrowed_password_is_proven_and_never_shown(
    portal: Portal, call: t.Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portal.memory, "opened_by", lambda password: password == "from the paper")
    assert call("escrow", typed="from the paper\n") == 0
    assert "opens the repository" in capsys.readouterr().out
    assert call("escrow", typed="misread\n") == 1
    assert call("escrow") == 1
    assert "misread" not in capsys.readouterr().err
    # At a terminal it is asked for, and does not appear.
    asked: list[str] = []
    monkeypatch.setattr(command.getpass, "getpass", lambda question: asked.append(question) or "from the paper")
    monkeypatch.setattr(io, "StringIO", type("Terminal", (io.StringIO,), {"isatty": lambda _self: True}))
    assert call("escrow") == 0
    assert asked == ["The password on the paper: "]


def test_a_drill_is_kept_in_the_repository(portal: Portal, call: t.Any, capsys: pytest.CaptureFixture[str]) -> None:
    note = {"format": 1, "copy": "a", "began": 1, "ended": 2, "passed": True}
    assert call("drill-note", typed=json.dumps(note)) == 0
    ((snapshot, files),) = portal.memory.held.values()
    assert snapshot.tags == ("boxlift", "drill")
    assert json.loads(files["/drill.json"]) == note
    assert call("drill-note", typed="{}") == 1
    assert "lacks began, copy, ended, passed" in capsys.readouterr().err
    assert call("drill-note", typed="no") == 1


def test_an_append_only_store_is_refused_and_noted_as_no_failure(
    portal: Portal, call: t.Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (tmp_path / "settings.json").read_text().replace('"append_only": false', '"append_only": true')
    (tmp_path / "settings.json").write_text(text)
    for work in (["prune"], ["repair"], ["forget", "a"]):
        assert call(*work) == 1
        assert "can only add" in capsys.readouterr().err
    assert not (tmp_path / "state" / "problems").exists()


def test_a_failed_work_is_noted_for_the_status(
    portal: Portal, call: t.Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portal.root.rename(tmp_path / "elsewhere")
    portal.server.stopped = None
    assert call("now") == 1
    note = json.loads((tmp_path / "state" / "problems" / "now-local.json").read_text())
    assert note["code"] == "empty"
    assert "empty or not there" in capsys.readouterr().err


def test_who_lists_the_copies_waits_for_a_prune(portal: Portal, call: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patience: list[float] = []
    monkeypatch.setattr(command, "_restic", lambda *given: patience.append(given[2]) or portal.memory)
    assert call("list") == 0
    assert call("--patience", "5", "list") == 0
    assert patience == [command.PATIENCE, 5]
