# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check is and how it answers."""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context

#: Where a check is made: on the portal's host, from elsewhere too, or from elsewhere only.
HOST, ANYWHERE, OUTSIDE = "host", "anywhere", "outside"
OWNERS = ("contractor", "customer", "vendor")
#: Whom a failed check keeps from working with the portal; empty where nobody has weighed it.
BLOCKS = ("everybody", "some", "nobody", "")


class CannotLook(Exception):
    """Raised by a check that cannot see what it judges: the finding is `unknown`, never `pass`."""


class DoesNotApply(Exception):
    """Raised by a check that has nothing to judge on this portal: the finding is `skip`, with the reason."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a check saw. A `remedy` replaces the check's general one; `before` is the baseline's value."""

    status: str
    observed: str
    remedy: str = ""
    before: str = ""


def passed(observed: str) -> Verdict:
    return Verdict("pass", observed)


def warned(observed: str, remedy: str = "") -> Verdict:
    return Verdict("warn", observed, remedy)


def failed(observed: str, remedy: str = "") -> Verdict:
    return Verdict("fail", observed, remedy)


@dataclasses.dataclass(frozen=True)
class Check:
    """One question to the portal. It is only asked if the checks in `needs` passed, warned or did not apply."""

    id: str
    why: str
    expected: str
    remedy: str
    run: t.Callable[[Context], Verdict]
    needs: tuple[str, ...] = ()
    owner: str = "contractor"
    reference: str = ""
    vantage: str = HOST
    blocks: str = ""

    @property
    def area(self) -> str:
        return self.id.partition(".")[0]
