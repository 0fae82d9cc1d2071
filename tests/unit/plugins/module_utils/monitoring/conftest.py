# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from unit.plugins.module_utils.health import toy_fixtures

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal
authority = toy_fixtures.authority
good_context = toy_fixtures.good_context
world = toy_fixtures.world
