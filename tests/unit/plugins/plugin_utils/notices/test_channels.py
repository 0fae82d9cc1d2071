# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The channels of a site, right and wrong, and what preflight says of them."""

from __future__ import annotations

import socket
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.channels import findings, server, webhook
from unit.plugins.plugin_utils.notices.world import PLAN

SMTP = {"host": "mail.example.com", "sender": "move@example.com"}
HOOKS = {"team": {"url": "https://chat.example.com/x"}, "office": {"url": "https://127.0.0.1:8443/x"}}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("https://example.com", "has no url"),
        ({"url": "http://example.com/x"}, "does not begin with https://"),
        ({"url": "http://127.0.0.1.example.com/x"}, "does not begin with https://"),
        ({"url": "https://example.com/x", "method": "GET"}, "a key that means nothing"),
    ],
)
def test_a_webhook_that_cannot_serve_is_refused(given: t.Any, reason: str) -> None:
    with pytest.raises(BoxliftError, match=reason):
        webhook("team", given)
    assert webhook("team", {"url": "http://127.0.0.1:8080/x"})["headers"] == {}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"sender": ""}, "lacks host or sender"),
        ({"tls": "yes"}, "says what means nothing"),
        ({"secure": "try"}, "says what means nothing"),
        ({"secure": "never", "username": "move", "password": "canary"}, "a password without TLS"),
    ],
)
def test_a_mail_server_that_cannot_serve_is_refused(more: dict[str, str], reason: str) -> None:
    with pytest.raises(BoxliftError, match=reason):
        server({**SMTP, **more})
    made = server({**SMTP, "timeout": 5, "password": "canary", "username": "move"})
    assert made is not None and (made.port, made.secure, made.seconds) == (465, "always", 5.0)
    assert "canary" not in repr(made)
    assert server(None) is None


def test_preflight_says_nothing_without_a_plan_or_channels() -> None:
    assert findings(None, SMTP, HOOKS) == []
    assert findings(PLAN, None, {}) == []


def test_preflight_names_whom_nobody_can_tell_and_what_does_not_answer() -> None:
    found = findings(PLAN, SMTP, {"team": HOOKS["team"]}, lambda host, port: "refused" if port == 465 else "")
    told = {finding.id: finding for finding in found}
    assert {name: each.status for name, each in told.items()} == {
        "inventory.notices": "warn", "inventory.notify_smtp": "warn", "inventory.webhook_team": "pass",
    }  # fmt: skip
    assert told["inventory.notices"].observed == (
        "no channel leads to Account manager; people of the plan name the webhook office, which notify_webhooks has not"
    )
    assert told["inventory.notify_smtp"].observed == (
        "mail.example.com:465 of notify_smtp cannot be reached from here: refused"
    )
    whole = {**PLAN, "people": {**PLAN["people"], "commercial_owner": {"email": "sales@example.com"}}}
    assert {each.status for each in findings(whole, SMTP, HOOKS, lambda host, port: "")} == {"pass"}
    (wrong,) = findings({"steps": {"move.fetch": {"colour": "blue"}}}, SMTP, HOOKS)
    assert wrong.status == "fail" and "colour" in wrong.remedy + wrong.observed


def test_preflight_really_knocks() -> None:
    assert [each.status for each in findings(PLAN, {**SMTP, "host": "mail..example.com"}, {})] == ["warn", "warn"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        hooks = {"team": {"url": f"https://127.0.0.1:{port}/x"}}
        assert [each.status for each in findings(PLAN, None, hooks)] == ["warn", "pass"]
    assert [each.status for each in findings(PLAN, None, hooks)] == ["warn", "warn"]
