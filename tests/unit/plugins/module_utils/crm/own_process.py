# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python programs of tests that run in a process of their own, so that they can be killed."""

from __future__ import annotations

import os
import sys

#: They find the same modules as the tests.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
