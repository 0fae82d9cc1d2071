# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import (
    is_secret,
    redact,
    redact_pair,
    secrets_in,
)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True),
        ("DBPassword", True),
        ("proxyPassword", True),
        ("crypto_key", True),
        ("signature_key", True),
        ("signature_algo", False),
        ("service_client_secret", True),
        ("APPLICATION_TOKEN", True),
        ("server_uniq_id", True),
        ("LICENSE_KEY", True),
        ("apiKey", True),
        ("keyring", False),
        ("login", False),
        ("host", False),
        ("nginx_version", False),
        (7, False),
    ],
)
def test_which_names_are_secrets(name: object, secret: bool) -> None:
    assert is_secret(name) is secret


def test_everything_below_a_secret_name_is_masked() -> None:
    data = {"tokens": {"a": "x", "b": ["y", True, None, ""]}, "list": [{"password": "p", "id": 5}], "host": "h"}
    assert redact(data) == {
        "tokens": {"a": "(secret)", "b": ["(secret)", True, None, ""]},
        "list": [{"password": "(secret)", "id": 5}],
        "host": "h",
    }


def test_passwords_in_urls_are_masked_under_any_name() -> None:
    assert redact({"dsn": "amqp://user:geheim@host:5672/x"}) == {"dsn": "amqp://user:(secret)@host:5672/x"}


def test_the_mask_of_the_backup_is_no_secret() -> None:
    assert redact_pair({"password": "******"}, {"password": "p"}) == ({"password": "******"}, {"password": "(secret)"})


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ({"password": "a"}, {"password": "b"}, ({"password": "(secret)"}, {"password": "(secret, changed)"})),
        ({"password": "a"}, {"password": "a"}, ({"password": "(secret)"}, {"password": "(secret)"})),
        ({"password": "a"}, {}, ({"password": "(secret)"}, {})),
        ({}, {"x": {"token": "t"}}, ({}, {"x": {"token": "(secret)"}})),
        ({"x": "a"}, {"x": "b"}, ({"x": "a"}, {"x": "b"})),
    ],
)
def test_pairs(before: t.Any, after: t.Any, shown: t.Any) -> None:
    assert redact_pair(before, after) == shown


def test_secrets_for_the_log_filter() -> None:
    data = {"password": "p1", "a": [{"token": 42}], "nginx": "Y", "keys": {"x": ["p2", ""], "y": True, "z": None}}
    assert secrets_in(data) == {"p1", "42", "p2"}
    assert secrets_in(None) == set()
