# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role portal refuses of a site's mail relay."""

from __future__ import annotations

import typing as t

import pytest
from unit.plugins.playbook import REPOSITORY
from unit.roles import rendering


def problems(relay: t.Any) -> list[str]:
    text = "{{ __portal_problems | selectattr('found') | map(attribute='text') | list }}"
    site = {"ansible_check_mode": False, "portal_domain": "x", "portal_push_enabled": False, "portal_mail_relay": relay}
    return list(rendering.rendered(REPOSITORY / "roles" / "portal", text, site))


@pytest.mark.parametrize("relay", ["", "mail.example.com", "192.0.2.25", "2001:db8::25"])
def test_a_name_or_an_address_is_taken(relay: str) -> None:
    assert problems(relay) == []


@pytest.mark.parametrize("relay", ["mail.example.com:25", "smtp://mail.example.com", {"host": "mail.example.com"}])
def test_anything_else_is_named(relay: t.Any) -> None:
    (text,) = problems(relay)
    assert text.startswith("portal_mail_relay is ") and "portal_mail_port" in text
