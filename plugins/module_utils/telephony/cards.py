# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On whose screens the card of a call is: of everybody whose phone rings, then only of the one who talks.

A card that is late is of no use, so a failure here is never tried again.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import CallFact


@dataclasses.dataclass(frozen=True)
class Change:
    """What the portal is to be asked for."""

    call_id: str
    show: list[int]
    hide: list[int]


class Cards:
    """The cards of the calls that go on. `begin` when a call was registered, `change` whenever its fact changes."""

    def __init__(self, users: t.Callable[[], t.Mapping[str, int]]) -> None:
        self._users = users
        self._shown: dict[str, tuple[str, set[int]]] = {}

    def begin(self, external_id: str, call_id: str, registered_for: int) -> None:
        """The registration has shown the card to one user."""
        self._shown[external_id] = (call_id, {registered_for})

    def change(self, fact: CallFact) -> Change | None:
        """What to show and hide now; None if nothing. The portal itself closes the cards of a call that has ended."""
        if fact.ended:
            self._shown.pop(fact.external_id, None)
            return None
        known = self._shown.get(fact.external_id)
        if known is None:
            return None
        users = self._users()
        wanted = {users[inner] for inner in fact.ringing if inner in users}
        call_id, shown = known
        if not wanted or wanted == shown:
            return None
        self._shown[fact.external_id] = (call_id, wanted)
        return Change(call_id, sorted(wanted - shown), sorted(shown - wanted))
