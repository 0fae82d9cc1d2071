# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds of real calls, and what is killed meanwhile: connector, exchange, manager interface, portal, or the host."""

from __future__ import annotations

import collections
import concurrent.futures
import random
import subprocess
import time
import typing as t

from office import Office, Row, until

# Of those of one round some are answered, some busy, some missed; they begin over six seconds.
DOES = ["answers", "answers", "leaves", "answers", "busy", "answers", "rings"]
ROUND: list[Row] = [
    {
        "from": f"+790000002{index:02d}",
        "to": f"+749510001{index:02d}",
        "phones": {f"1{index:02d}": DOES[index % len(DOES)]},
        "after": index * 400 - 4000,
        "talk": 3000 + index % 5 * 1500,
    }
    for index in range(10, 24)
] + [{"from": "125", "to": "89000000225", "carrier": "answers", "talk": 6000, "after": 1000}]
FAULTS: list[Row] = [
    {"kind": "lose_answer", "method": "telephony.externalCall.register", "times": 3},
    {"kind": "lose_answer", "method": "telephony.externalCall.finish", "times": 3},
    {"kind": "lose_answer", "method": "upload", "times": 2},
    {"kind": "unavailable", "method": "telephony.externalCall.register", "skip": 2, "times": 2},
    {"kind": "unavailable", "method": "telephony.externalCall.finish", "skip": 2, "times": 2},
]


class Gap(t.NamedTuple):
    """From a kill until the connector hears the exchange again. It took effect between `begin` and `done`."""

    kind: str
    begin: float
    done: float
    end: float  # a little late


class Harm:
    """Does harm to the office in the container, and knows what it did. `chance` says when."""

    def __init__(self, office: Office, container: str, chance: random.Random) -> None:
        self.office, self._container, self._chance = office, container, chance
        self.gaps: list[Gap] = []
        self.happened = collections.Counter[str]()
        self._done = 0.0
        self._kinds: dict[str, t.Callable[[], None]] = {
            "connector": lambda: self._run("systemctl kill --signal=KILL call-connector"),
            "exchange": lambda: self._run("systemctl kill --signal=KILL asterisk"),
            # The exchange closes the connector's connection, and it begins anew.
            "manager interface": lambda: self._run("ss --kill state established sport = :5038"),
            "portal": lambda: self._run("systemctl kill --signal=KILL lab-telephony && systemctl start lab-telephony"),
            "portal dark for 5 s": lambda: self._dark(5),
            "portal dark for 60 s": lambda: self._dark(60),
            "host": self._host,
        }

    def round(self, calls: t.Sequence[Row], kinds: t.Sequence[str]) -> None:
        """Make the calls, and do these harms one after the other meanwhile; returns when all stands again."""
        self.office.lab("set", {"faults": FAULTS})
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            calling = pool.submit(self.office.harmed_call, *calls)
            until(lambda: not self.office.quiet(), "no call begins", 60)
            for kind in kinds:
                time.sleep(self._chance.uniform(0.5, 6.0 / len(kinds)))
                self._do(kind)
            calling.result()
        self._stand()
        until(self.office.quiet, "a channel is still up", 60)

    def _do(self, kind: str) -> None:
        begin, before = time.time(), self._sessions()
        self._kinds[kind]()
        self.happened[kind] += 1
        if not kind.startswith("portal"):
            until(lambda: self._sessions() - before, f"the connector does not hear the exchange after {kind}", 90)
            self.gaps.append(Gap(kind, begin, self._done, time.time()))

    def _run(self, command: str) -> None:
        self.office.host.check_output(command)
        self._done = time.time()

    def _dark(self, seconds: int) -> None:
        self.office.lab("set", {"outage": seconds})

    def _host(self) -> None:
        """As when the power fails, but that what was written stays: nothing in the container runs to its end."""
        subprocess.run(["docker", "kill", self._container], check=True, capture_output=True, timeout=60)
        self._done = time.time()
        subprocess.run(["docker", "start", self._container], check=True, capture_output=True, timeout=60)
        until(self._running, "the host does not start", 90)

    def _running(self) -> bool:
        return self.office.host.run("systemctl is-system-running").stdout.strip() in ("running", "degraded")

    def _sessions(self) -> set[str]:
        """The ports by which the connector hears the exchange."""
        lines = self.office.host.run("ss -Hnt state established sport = :5038").stdout.splitlines()
        return {line.split()[-1] for line in lines}

    def _stand(self) -> None:
        self.office.host.check_output("systemctl is-active asterisk call-connector lab-telephony")
        self.office.host.check_output("asterisk -rx 'core waitfullybooted'")
        until(self._sessions, "the connector does not hear the exchange", 60)
