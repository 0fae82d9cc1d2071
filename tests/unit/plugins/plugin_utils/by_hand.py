# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a site whose people carry the CRM's difference over by hand, in two hours of the night."""

from __future__ import annotations

import typing as t

BY_HAND: dict[str, t.Any] = {
    "move.warm": None,
    "move.warm_again": None,
    "move.delta": {"manual": True, "estimate": {"seconds": 7200, "source": "model"}},
}
