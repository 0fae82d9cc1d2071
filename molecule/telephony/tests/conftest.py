# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from testinfra.host import Host

sys.path.insert(0, str(Path(__file__).parent))

from office import Office


@pytest.fixture(scope="module")
def office(host: Host) -> Office:
    return Office(host)
