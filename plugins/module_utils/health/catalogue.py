# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of this collection."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.checks import (
    agents,
    content,
    database,
    domain,
    environment,
    foundation,
    identity,
    integrations,
    licence,
    modules,
    push,
    search,
    security,
    settings,
    web,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import Registry
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import REGISTRY

# Importing a file registers its checks.
FILES = (
    *(environment, foundation, web, settings, database, domain, push, agents),
    *(identity, search, content, modules, security, licence, integrations),
)


def all_checks() -> Registry:
    return REGISTRY
