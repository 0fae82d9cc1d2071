# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks by their ids, and the decorator that adds one. `catalogue` fills the registry of this collection."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    BLOCKS,
    HOST,
    OUTSIDE,
    OWNERS,
    Check,
    Verdict,
)


class Registry:
    """Checks by id, in the order of their registration."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}

    def check(
        self,
        name: str,
        *,
        why: str,
        expected: str,
        remedy: str,
        needs: tuple[str, ...] = (),
        owner: str = "contractor",
        reference: str = "",
        vantage: str = HOST,
        blocks: str = "",
    ) -> t.Callable[[t.Callable[[Context], Verdict]], t.Callable[[Context], Verdict]]:
        """Decorator that registers a function as a check. `blocks` weighs a failure: whom it keeps from working.

        Raises ValueError for an id that is taken or malformed, and for an owner, vantage or weight that is not known.
        """
        if name in self.checks or "." not in name:
            raise ValueError(f"check {name}: the id is taken or has no area")
        if owner not in OWNERS or vantage not in (HOST, ANYWHERE, OUTSIDE) or blocks not in BLOCKS:
            raise ValueError(f"check {name}: owner, vantage or blocks is not known")

        def register(function: t.Callable[[Context], Verdict]) -> t.Callable[[Context], Verdict]:
            self.checks[name] = Check(name, why, expected, remedy, function, needs, owner, reference, vantage, blocks)
            return function

        return register

    @property
    def areas(self) -> list[str]:
        return sorted({check.area for check in self.checks.values()})

    def with_needs(self, name: str) -> list[Check]:
        """The checks that this one needs, each before what needs it, and the check itself last."""
        if name not in self.checks:
            raise ValueError(f"a check needs {name}, which is not registered")
        before = [each for need in self.checks[name].needs for each in self.with_needs(need)]
        return [*before, self.checks[name]]


REGISTRY = Registry()
check = REGISTRY.check
