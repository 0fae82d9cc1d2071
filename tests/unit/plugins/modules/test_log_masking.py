# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No module writes a secret of a nested option into the system log of its host, whatever signs the secret has."""

from __future__ import annotations

import importlib
import typing as t
from pathlib import Path
from unittest import mock

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked

MODULES = "ansible_collections.boxlift.portal.plugins.modules"
NAMES = sorted(path.stem for path in (Path(__file__).parents[4] / "plugins" / "modules").glob("*.py"))


class Made(BaseException):
    """Carries a module's class and specification out of its main()."""


def made(name: str) -> tuple[type[AnsibleModule], dict[str, t.Any]] | None:
    """None for a module that is only the documentation of an action."""
    main = getattr(importlib.import_module(f"{MODULES}.{name}"), "main", None)
    if main is None:
        return None

    def given(self: AnsibleModule, argument_spec: dict[str, t.Any], **_more: t.Any) -> None:
        raise Made(type(self), argument_spec)

    with mock.patch.object(AnsibleModule, "__init__", given), pytest.raises(Made) as caught:
        main()
    return t.cast("tuple[type[AnsibleModule], dict[str, t.Any]]", caught.value.args)


def has_secret(options: dict[str, t.Any]) -> bool:
    return any(each.get("no_log") or has_secret(each.get("options", {})) for each in options.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_module_with_a_secret_within_another_option_masks_it(name: str) -> None:
    found = made(name)
    if found is None:
        return
    kind, options = found
    nested = [each["options"] for each in options.values() if each.get("options") and not each.get("no_log")]
    if any(map(has_secret, nested)):
        assert issubclass(kind, NestedSecretsMasked), name


@pytest.mark.parametrize("secret", ["plain", "it's", 'a "word"', "back\\slash", "'\"\\$1 #;%", "tab\tand №", "\x7f"])
def test_the_log_shows_no_sign_of_it(secret: str, run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.boxlift.portal.plugins.modules import portal_info

    logged: list[str] = []
    monkeypatch.setattr(portal_info.Module, "log", lambda _self, text, log_args=None: logged.append(text))
    database = {"name": "portal", "unix_socket": "/nowhere/socket", "login_user": "portal", "login_password": secret}
    run_module(portal_info, document_root="/nowhere", database=database)
    (call,) = [text for text in logged if text.startswith("Invoked")]
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in call or "********" in call, call
    assert repr(secret)[1:-1] not in call and secret not in call
