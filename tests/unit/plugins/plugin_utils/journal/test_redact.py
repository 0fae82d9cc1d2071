# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import MASK, Redactor


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("cannot fetch https://robot:hunter2x@cloud.test/a.tar.gz", "hunter2x"),
        ("POST https://portal.test/rest/17/k3jh4k2jh34kj2h/crm.lead.list failed", "k3jh4k2jh34kj2h"),
        ("GET https://cloud.test/b.enc.gz.7?X-Amz-Signature=0a1b2c3d&Expires=1 gave 403", "0a1b2c3d"),
        ("mysql --user=portal --password=hunter2x", "hunter2x"),
        ('{"login": "portal", "password": "hunter2x"}', "hunter2x"),
        ("'password' => 'hunter2x',", "hunter2x"),
        ("token: hunter2x", "hunter2x"),
        ("sync --access-token hunter2x --all", "hunter2x"),
        ("Authorization: Bearer hunter2x", "hunter2x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----", "MIIEpAIBAAKCAQEA"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA", "MIIEpAIBAAKCAQEA"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, secret: str) -> None:
    masked = Redactor().text(text)
    assert secret not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        "No part of 20260418.enc.gz was found in /srv/backup.",
        "https://portal.boxlift.test:443/bitrix/admin/ answers 200",
        "Give the password of the backup.",
        "5 of 212 users have no password.",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "database_password",
        "login_password",
        "vault_api_key",
        "push_secret",
        "crm_webhook",
        "AUTH_TOKEN",
        "Authorization",
    ],
)
def test_values_are_learnt_by_their_names(name: str) -> None:
    redactor = Redactor()
    redactor.learn({"database": {name: "hunter2x"}, "listed": [{name: ["another1x"]}]})
    assert redactor.text("with hunter2x and another1x") == f"with {MASK} and {MASK}"


@pytest.mark.parametrize("name", ["user", "password_file", "token_path", "update_password", "secret_name"])
def test_other_names_teach_nothing(name: str) -> None:
    redactor = Redactor()
    redactor.learn({name: "ordinary"})
    assert redactor.text("an ordinary word") == "an ordinary word"


def test_templates_and_very_short_values_teach_nothing() -> None:
    redactor = Redactor()
    redactor.learn({"password": "{{ vault_password }}", "token": "abc", "secret": 2026})
    text = "abc {{ vault_password }} in 2026"
    assert redactor.text(text) == text


def test_a_number_can_be_a_password() -> None:
    redactor = Redactor()
    redactor.learn({"sip_password": 84739201})
    assert redactor.text("register 84739201") == f"register {MASK}"


def test_every_line_of_a_long_secret_is_one() -> None:
    redactor = Redactor()
    redactor.learn({"private_key": "first-line-of-key-material\nother-line-of-key-material\n"})
    assert redactor.text("saw other-line-of-key-material") == f"saw {MASK}"


def test_the_longest_value_is_masked_first() -> None:
    redactor = Redactor()
    redactor.learn({"password": "hunter", "token": "hunter-and-more"})
    assert redactor.text("hunter-and-more") == MASK


def test_structures_keep_their_shape() -> None:
    redactor = Redactor()
    redactor.learn({"password": "hunter2x"})
    data = {"a": [1, None, True, 2.5, "hunter2x"], "token": "anything", "sum": {"pass": 3}}
    assert redactor.data(data) == {"a": [1, None, True, 2.5, MASK], "token": MASK, "sum": {"pass": 3}}


def test_a_registered_result_is_no_secret_because_of_its_name() -> None:
    """What it holds has names of its own; else the owner of a secret file would be masked wherever it is named."""
    redactor = Redactor()
    files = [{"path": "/srv/www/.settings.php", "pw_name": "portal"}]
    found = {"changed": False, "files": files, "token": "canary1"}
    redactor.learn({"__portal_secrets": found, "__portal_secret_files": [".settings.php"]})
    said = "the portal reads .settings.php with "
    assert redactor.text(f"{said}canary1") == f"{said}********"
