# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.notify and its playbook, with a real mail server and a real webhook."""

from __future__ import annotations

import json
import os
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process, verify, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import tell
from unit.plugins.playbook import run_playbook, start_playbook
from unit.plugins.plugin_utils.notices.servers import MailServer, Webhook, certificate, serving
from unit.plugins.plugin_utils.notices.world import PLAN

NOTIFY = """
- import_playbook: boxlift.portal.notify
"""
LANGUAGES = {"coordinator": "ru", "operator": "zh", "approver": "de", "executor": "hi", "key_user": "ar"}


@pytest.fixture
def mails(tmp_path: Path) -> t.Iterator[MailServer]:
    (tmp_path / "mail").mkdir()
    with serving(MailServer(certificate(tmp_path / "mail"))) as server:
        yield server


@pytest.fixture
def posts(tmp_path: Path) -> t.Iterator[Webhook]:
    (tmp_path / "hook").mkdir()
    with serving(Webhook(certificate(tmp_path / "hook"))) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, mails: MailServer, posts: Webhook) -> Path:
    """A final run that fetches in this very process, and a site with both channels."""
    people = {**PLAN["people"], "commercial_owner": {"email": "sales@example.com"}}
    steps = {"move.fetch": {"notice": {"audience": ["contractor", "customer", "sales"]}}}
    (tmp_path / "plan.yml").write_text(yaml.safe_dump({**PLAN, "people": people, "steps": steps}), "utf-8")
    hook = {
        "url": f"https://127.0.0.1:{posts.port}/hooks/CANARY-address",
        "headers": {"Authorization": "Bearer CANARY-token"},
        "ca_path": str(tmp_path / "hook/127.0.0.1.pem"),
    }
    smtp = {
        "host": "127.0.0.1", "port": mails.port, "sender": "move@example.com", "username": "move",
        "password": "CANARY-password", "ca_path": str(tmp_path / "mail/127.0.0.1.pem"),
    }  # fmt: skip
    variables = {
        "migration_plan": str(tmp_path / "plan.yml"), "notify_smtp": smtp,
        "notify_webhooks": {"team": hook, "office": hook},
    }  # fmt: skip
    (tmp_path / "vars.json").write_text(json.dumps(variables), "utf-8")
    writer.append(str(tmp_path / "journal/move.jsonl"), "step", begun())
    return tmp_path


def begun(**more: t.Any) -> dict[str, t.Any]:
    step = {"step": "move.fetch", "stage": "final", "state": "begin", "operator": "anna"}
    return {**step, "process": process.token(os.getpid()), **more}


def notify(site: Path, *more: str, code: int = 0) -> str:
    done = run_playbook(
        site, NOTIFY, "--extra-vars=@vars.json", *more, BOXLIFT_JOURNAL=str(site / "journal/move.jsonl")
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "CANARY" not in said
    return said


def lines(site: Path) -> list[dict[str, t.Any]]:
    path = site / "journal/move.jsonl"
    assert verify.verify(path.read_bytes()).code == verify.WHOLE
    assert b"CANARY" not in path.read_bytes()
    return [line for line in map(json.loads, path.read_text("utf-8").splitlines()) if line["event"] == "notice"]


@pytest.mark.slow
def test_everybody_hears_once_in_his_language(site: Path, mails: MailServer, posts: Webhook) -> None:
    said = notify(site, "-vvv")
    assert {mail["To"] for mail in mails.mails} == {
        "olga@contractor.example", "anna@example.com", "it@example.com", "sales@example.com",
    }  # fmt: skip
    assert sorted(post["language"] for post in posts.posts) == ["hi", "ru", "zh"]
    assert all(
        post["matter"] == "move.fetch@final" and post["text"].startswith(post["subject"]) for post in posts.posts
    )
    assert all(headers["Authorization"] == "Bearer CANARY-token" for headers in posts.headers)
    assert {headers["Idempotency-Key"] for headers in posts.headers} == {post["id"] for post in posts.posts}
    spoken = {line["language"] for line in lines(site)}
    assert spoken == {"ar", "de", "en", "hi", "ru", "zh"}
    assert "8 sent, 0 late, 0 attempts of a channel failed" in said
    # At the next look nothing is due.
    notify(site)
    assert (len(mails.mails), len(posts.posts), len(lines(site))) == (5, 3, 8)


@pytest.mark.slow
def test_a_failing_channel_is_told_and_counted_and_stops_nobody(site: Path, mails: MailServer, posts: Webhook) -> None:
    mails.refuse, posts.status = "451 try later", 503
    said = notify(site)  # nobody is late yet
    assert "mail fails: 127.0.0.1:" in said and "451 try later" in said
    assert {(line["outcome"], line["channel"]) for line in lines(site)} == {("failed", "mail"), ("failed", "webhook")}
    assert all("451 try later" in line["reason"] or "503" in line["reason"] for line in lines(site))
    posts.status = 200
    notify(site)
    assert sorted(post["language"] for post in posts.posts) == ["hi", "ru", "zh"]
    assert mails.mails == []


@pytest.mark.slow
def test_whoever_hears_by_no_channel_in_time_is_named(
    site: Path, mails: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step began half an hour ago, and so long mail has failed."""
    (site / "journal/move.jsonl").unlink()
    now = time.time()
    monkeypatch.setattr(writer.time, "time", lambda: now - 1800)
    known = {name: ["mail"] for name in ("approver", "key_user")}
    writer.append(str(site / "journal/move.jsonl"), "observed", {"what": "channels", "people": known})
    writer.append(str(site / "journal/move.jsonl"), "step", begun())
    mails.refuse = "550 gone"
    said = notify(site, code=2)
    assert "Anna Schmidt, Fatima Haddad should have heard by now, and no channel has worked." in said
    assert "Anna Schmidt: 1 late, and one is overdue now." in said


@pytest.mark.slow
def test_without_channels_and_in_check_mode_nothing_is_sent(site: Path, mails: MailServer, posts: Webhook) -> None:
    said = notify(site, "--check")
    assert (mails.mails, posts.posts) == ([], [])
    assert "Would tell approver by mail: move.fetch@final" in said
    said = notify(site, "--extra-vars={notify_smtp: null, notify_webhooks: null}")
    assert "Nobody of the plan has a channel." in said
    with tell.alone(str(site / "journal/move.jsonl")):
        assert "Another run sends the notices." in notify(site)
    assert lines(site) == [] and b'"event":"observed"' not in (site / "journal/move.jsonl").read_bytes()


@pytest.mark.slow
def test_it_goes_on_for_as_long_as_it_was_told_to(site: Path, mails: MailServer) -> None:
    mails.refuse = "451 try later"
    play = NOTIFY + "  vars: {notify_minutes: 0.05, notify_every: 1}\n"
    done = run_playbook(site, play, "--extra-vars=@vars.json", BOXLIFT_JOURNAL=str(site / "journal/move.jsonl"))
    assert done.returncode == 0, done.stdout
    failed = [line for line in lines(site) if line["outcome"] == "failed" and line["people"] == ["approver"]]
    assert len(failed) >= 2


@pytest.mark.slow
def test_its_worker_ends_with_the_playbook(site: Path, mails: MailServer) -> None:
    """A killed ansible-playbook leaves nobody behind who sends on, unseen."""
    journal = str(site / "journal/move.jsonl")
    play = NOTIFY + "  vars: {notify_minutes: 60}\n"
    with start_playbook(site, play, "--extra-vars=@vars.json", BOXLIFT_JOURNAL=journal) as running:
        wait_for(lambda: len(lines(site)) == 8)
        with tell.alone(journal) as free:
            assert not free
        running.kill()

    def is_free() -> bool:
        with tell.alone(journal) as free:
            return free

    wait_for(is_free)
    notify(site)
    assert len(lines(site)) == 8  # it goes on where the other one was


def wait_for(condition: t.Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
