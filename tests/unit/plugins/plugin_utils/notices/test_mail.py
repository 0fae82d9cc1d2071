# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail over a real SMTP server on this machine."""

from __future__ import annotations

import dataclasses
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.mail import Server, send
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.text import LANGUAGES, Message, texts
from unit.plugins.plugin_utils.notices.servers import MailServer, certificate, serving


@pytest.fixture
def pki(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path)


@pytest.fixture
def smtp(pki: tuple[Path, Path]) -> t.Iterator[MailServer]:
    with serving(MailServer(pki)) as server:
        yield server


def server_of(smtp: MailServer, **more: t.Any) -> Server:
    ca_path = str(smtp.tls[0]) if smtp.tls else ""
    return Server("127.0.0.1", "Move <move@example.com>", smtp.port, ca_path=ca_path, **more)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_arrives_as_it_was_written(language: str, smtp: MailServer) -> None:
    words = texts()[language]
    message = Message(words["decision"], f"{words['in_hand']}\n.\n..\n{words['last']}\n")
    send(server_of(smtp, username="move", password="canary"), "anna@example.com", message, "abc123")
    (mail,) = smtp.mails
    assert mail["Subject"] == message.subject
    assert mail.get_content().replace("\r\n", "\n") == message.body
    assert (mail["From"], mail["To"]) == ("Move <move@example.com>", "anna@example.com")
    assert (mail["Message-ID"], mail["Auto-Submitted"]) == ("<abc123@example.com>", "auto-generated")
    assert any(command.startswith("AUTH ") for command in smtp.commands)


def test_a_certificate_of_nobody_is_not_trusted(smtp: MailServer) -> None:
    stranger = dataclasses.replace(server_of(smtp, username="move", password="canary"), ca_path="")
    with pytest.raises(BoxliftError, match="certificate verify failed"):
        send(stranger, "anna@example.com", Message("s", "b"), "abc")
    assert smtp.commands == [] and smtp.mails == []


def test_a_server_without_tls_gets_no_password(pki: tuple[Path, Path]) -> None:
    with serving(MailServer(None)) as plain:
        for secure, reason in (("always", "did not take the mail"), ("starttls", "STARTTLS extension not supported")):
            with pytest.raises(BoxliftError, match=reason):
                options = server_of(plain, secure=secure, username="move", password="canary", seconds=2.0)
                send(options, "anna@example.com", Message("s", "b"), "abc")
        assert not any("AUTH" in command for command in plain.commands)
        send(server_of(plain, secure="never"), "anna@example.com", Message("s", "b"), "abc")
        assert len(plain.mails) == 1


def test_a_refusal_is_told_in_the_servers_words(smtp: MailServer) -> None:
    smtp.refuse = "550 no such user"
    with pytest.raises(BoxliftError, match="did not take the mail: 550 no such user"):
        send(server_of(smtp), "nobody@example.com", Message("s", "b"), "abc")
    assert smtp.mails == []


@pytest.mark.parametrize("how", ["silent", "endless"])
def test_a_server_that_does_not_come_to_an_end_is_left_in_time(how: str, smtp: MailServer) -> None:
    setattr(smtp, how, True)
    begun = time.monotonic()
    with pytest.raises(BoxliftError):
        send(server_of(smtp, seconds=0.6), "anna@example.com", Message("s", "b"), "abc")
    assert time.monotonic() - begun < 3


def test_nobody_listens(smtp: MailServer) -> None:
    with pytest.raises(BoxliftError, match="did not take the mail: "):
        nowhere = dataclasses.replace(server_of(smtp), host="mail..example.com")
        send(nowhere, "anna@example.com", Message("s", "b"), "abc")
    smtp.shutdown()
    smtp.server_close()
    with pytest.raises(BoxliftError, match="did not take the mail: .*refused"):
        send(server_of(smtp), "anna@example.com", Message("s", "b"), "abc")
