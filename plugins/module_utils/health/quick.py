# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that are cheap enough for every five minutes, and that an account without any right but reading can make.

Each takes a few requests, small queries or connections. What starts programs, walks over files or reads whole tables is
made at night.
"""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.model import Check
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import Registry

QUICK = (
    "agents.configuration",
    "agents.cron",
    "agents.messenger_queue",
    "agents.stuck",
    "agents.switched_off",
    "database.clock",
    "database.login",
    "database.reachable",
    "identity.session_storage",
    "licence.header",
    "licence.key",
    "licence.support",
    "licence.users",
    "mail.mailboxes",
    "mail.queue",
    "push.enabled",
    "push.publish_private",
    "push.roundtrip_longpoll",
    "push.roundtrip_websocket",
    "push.server",
    "search.engine",
    "settings.cache_server",
    "settings.credentials",
    "settings.readable",
    "settings.session_server",
    "web.answers",
    "web.certificate",
    "web.mobile",
    "web.reaches_itself",
    "web.redirect",
)


def quick_checks(registry: Registry) -> list[Check]:
    """The quick checks, each after those that it needs."""
    return list({each.id: each for name in QUICK for each in registry.with_needs(name)}.values())
