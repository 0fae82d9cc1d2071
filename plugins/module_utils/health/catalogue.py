# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of this collection: a file for each area, or several that begin with its name."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.checks import (
    agents,
    backup,
    cluster_balancer,
    cluster_cache,
    cluster_database,
    cluster_storage,
    cluster_web,
    content,
    crm,
    database,
    domain,
    environment,
    environment_host,
    identity,
    integrations,
    licence,
    mail,
    modules,
    push,
    search,
    security,
    security_host,
    security_link,
    security_outside,
    security_portal,
    settings,
    web,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import REGISTRY, Registry

# Importing a file has registered its checks.
FILES = (
    *(agents, backup, cluster_balancer, cluster_cache, cluster_database, cluster_storage, cluster_web, content, crm),
    *(database, domain, environment, environment_host, identity, integrations, licence, mail, modules),
    *(push, search, security, security_host, security_link, security_outside),
    *(security_portal, settings, web),
)


def all_checks() -> Registry:
    return REGISTRY
