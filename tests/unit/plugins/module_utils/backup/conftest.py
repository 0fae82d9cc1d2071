# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from unit.plugins.module_utils.backup.kept_copies import Portal


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path)
