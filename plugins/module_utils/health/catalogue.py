# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of this collection, a file for each area."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.checks import (
    agents,
    content,
    database,
    domain,
    environment,
    identity,
    integrations,
    licence,
    mail,
    modules,
    push,
    search,
    security,
    settings,
    web,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import REGISTRY, Registry

# Importing a file has registered its checks.
FILES = (
    *(agents, content, database, domain, environment, identity, integrations, licence),
    *(mail, modules, push, search, security, settings, web),
)


def all_checks() -> Registry:
    return REGISTRY
