# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests are this machine's own, and use the collection's library."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(os.environ["MOLECULE_PROJECT_DIRECTORY"], ".cache", "collections")))
