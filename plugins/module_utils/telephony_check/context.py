# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check of the telephony may look at, all of it passed in; what was not given raises DoesNotApply."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook, DoesNotApply, Verdict
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import Registry
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.console import parameters
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.manager import Connect, ManagerUser
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.served import Look


class NoConsole(CannotLook):
    """Asterisk is installed and its console does not answer."""


@dataclasses.dataclass(frozen=True)
class Record:
    """One call as the exchange wrote it down, from all its records: talk in seconds, times since the epoch."""

    linkedid: str
    direction: str
    line: str
    client: str
    started: float
    talk: float
    disposition: str
    queue: bool
    recording: str
    #: The portal's own CALL_ID, where the portal registered the call itself (a click on a number).
    portal_call_id: str = ""

    @property
    def answered(self) -> bool:
        return self.disposition == "ANSWERED"


Records = t.Callable[[float, float], "list[Record]"]


@dataclasses.dataclass(frozen=True)
class Backlog:
    """What the connector has not delivered: how many calls wait, since when the oldest, and dead letters."""

    waiting: int
    oldest: float | None
    dead: int
    held: bool = False


@dataclasses.dataclass
class TelephonyContext(Context):
    """One exchange and the portal it belongs to, seen from the exchange's host."""

    manager_connect: Connect | None = None
    manager_users: tuple[ManagerUser, ...] = ()
    trunks: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    external_address: str = ""
    #: The exchange's name in its certificate, its TLS ports, and the certificate's file.
    name: str = ""
    tls_ports: tuple[int, ...] = ()
    certificate_file: str = ""
    look: Look | None = None
    rest: tuple[Rest, ...] = ()
    lines: tuple[str, ...] = ()
    outgoing_line: str = ""
    inner_numbers: tuple[str, ...] = ()
    domain: str = ""
    portal_url: str | None = None
    recordings: str = ""
    reserve_bytes: int = 0
    records: Records | None = None
    #: What stands before a Linkedid in the portal's EXTERNAL_CALL_ID.
    external_prefix: str = ""
    backlog: t.Callable[[], Backlog] | None = None
    service: str = ""

    def console(self, command: str) -> str:
        """What the exchange's console prints. Raises CannotLook where it does not answer."""
        if self.run_command is None:
            raise CannotLook("commands cannot be run from here")
        try:
            status, output, problem = self.run_command(("asterisk", "-rx", command))
        except FileNotFoundError:
            raise CannotLook("there is no program asterisk on this host") from None
        if status != 0 or "Unable to connect to remote asterisk" in output + problem:
            raise NoConsole(f"asterisk's console does not answer: {(problem or output).strip()[:160]}")
        return output

    def endpoint(self, name: str) -> dict[str, str]:
        """The parameters of an endpoint, empty if there is none."""
        return self.once(f"endpoint {name}", lambda: parameters(self.console(f"pjsip show endpoint {name}")))

    def need_rest(self) -> Rest:
        """The first credential for the portal."""
        if not self.rest:
            raise DoesNotApply("no credential for the portal was given")
        return self.rest[0]


CHECKS = Registry()
_Check = t.Callable[[TelephonyContext], Verdict]


def check(
    name: str,
    *,
    why: str,
    expected: str,
    remedy: str,
    needs: tuple[str, ...] = (),
    owner: str = "contractor",
    reference: str = "",
    blocks: str = "",
) -> t.Callable[[_Check], _Check]:
    """Decorator that registers a check of the telephony, as Registry.check does for those of the portal."""

    def register(function: _Check) -> _Check:
        def run(context: Context) -> Verdict:
            if not isinstance(context, TelephonyContext):
                raise TypeError(f"{name} needs a TelephonyContext")
            return function(context)

        texts = {"why": why, "expected": expected, "remedy": remedy, "owner": owner, "reference": reference}
        known = CHECKS.check(name, **texts, needs=needs, blocks=blocks)
        known(run)
        return function

    return register
