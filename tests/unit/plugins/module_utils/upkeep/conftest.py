# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from unit.plugins.module_utils.upkeep.toy_apt import ToyApt


@pytest.fixture
def apt() -> ToyApt:
    return ToyApt()
