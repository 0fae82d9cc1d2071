# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One answer for the journal, which sees Ansible's names, and for the diff of a portal's settings, which sees PHP's."""

from __future__ import annotations

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import is_secret
from ansible_collections.boxlift.portal.plugins.module_utils.secret_names import is_secret_name
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import MASK, Redactor

SECRET = (
    # of a portal's settings
    *("password", "DBPassword", "proxyPassword", "smtppass", "crypto_key", "signature_key", "service_client_secret"),
    *("APPLICATION_TOKEN", "server_uniq_id", "LICENSE_KEY", "apiKey", "key_2026", "salt", "private", "tokens"),
    # of options, variables and headers
    *("database_password", "login_password", "vault_api_key", "api_key_2026", "push_secret", "crm_webhook"),
    *("AUTH_TOKEN", "Authorization", "Proxy-Authorization", "passphrase", "private_key", "credentials"),
    *("site_push_key", "push_server_key", "privatekey_content", "licence_key"),
)
ORDINARY = (
    *("signature_algo", "keyring", "login", "host", "nginx_version", 7),
    *("user", "password_file", "token_path", "update_password", "secret_name", "certificate_key_file", "password_age"),
    *("license_name", "private_key_path", "webhook_user", "private_address", "passed", "bypass", "passive"),
    # of the facts of a host, which are in all variables
    *("ssh_host_key_ed25519_public", "ssh_host_key_ed25519_public_keytype"),
)


@pytest.mark.parametrize("name", SECRET)
def test_secret(name: str) -> None:
    assert is_secret_name(name) and is_secret(name)
    assert Redactor().data({name: "hunter2x"}) == {name: MASK}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary(name: object) -> None:
    assert not is_secret_name(name) and not is_secret(name)
    assert Redactor().data({name: "ordinary"}) == {str(name): "ordinary"}


@pytest.mark.parametrize("name", ["Cookie", "Set-Cookie", "session_cookie", "cookies", "cookies_string"])
def test_a_cookie_is_a_secret_and_a_setting_about_cookies_is_none(name: str) -> None:
    assert is_secret_name(name) and not is_secret(name)
    assert Redactor().data({name: "hunter2x"}) == {name: MASK}
    assert is_secret(f"{name}_secret")


def test_a_key_of_a_dictionary_is_no_secret_in_the_journal() -> None:
    """`loop: "{{ hosts | dict2items }}"` would else make every name in it a secret."""
    redactor = Redactor()
    redactor.learn({"item": {"key": "production", "value": {"password": "hunter2x"}}})
    assert redactor.text("production with hunter2x") == f"production with {MASK}"
    assert is_secret("key")


def test_the_path_of_a_key_may_be_named_in_the_journal() -> None:
    redactor = Redactor()
    redactor.learn({"web_certificate_key": "/etc/letsencrypt/live/portal/privkey.pem", "push_key": "/etc x hunter2x"})
    text = "/etc/letsencrypt/live/portal/privkey.pem holds no key"
    assert redactor.text(text) == text
    assert redactor.data({"web_certificate_key": "/etc/ssl/portal.key"}) == {
        "web_certificate_key": "/etc/ssl/portal.key"
    }
    assert redactor.text("/etc x hunter2x") == MASK
