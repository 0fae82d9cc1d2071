# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with requests, switched on while the server runs.

[{"kind": "lose_answer", "method": "telephony.externalCall.finish", "times": 3},
 {"kind": "unavailable", "share": 0.05, "times": -1}]
"""

from __future__ import annotations

import dataclasses
import fnmatch
import random
import threading
import typing as t

#: Kind → whether the request is carried out. "slow" and "late" need `seconds`.
KINDS: dict[str, bool] = {
    "lose_answer": True,  # carried out, then the connection is closed without an answer
    "cut": True,  # carried out, then the connection is closed in the middle of the answer
    "gateway_timeout": True,  # carried out, then a web server's page with 504
    "half_batch": True,  # the first half of a batch's commands is carried out, then a web server's page with 504
    "late": True,  # carried out, then the answer waits: a client with a shorter time-out gives up
    "slow": True,  # waits first, then is carried out and answered
    "drop": False,  # the connection is closed before anything is done
    "unavailable": False,  # 503 with a web server's page
    "query_limit": False,  # 503 QUERY_LIMIT_EXCEEDED
    "operation_limit": False,  # 429 OPERATION_TIME_LIMIT
    "overload": False,  # 503 OVERLOAD_LIMIT
    "error": False,  # 500 INTERNAL_SERVER_ERROR
    "error_after": True,  # carried out, then 500 ERROR_UNEXPECTED_ANSWER
    "refuse": False,  # of this one command, in a batch too: 400 ERROR_CORE
    "html": False,  # 200 with a page instead of JSON
    "no_lead": True,  # carried out; a lead that would be created is not: LEAD_CREATION_ERROR, with status 200
}
#: Kinds that a command meets, alone or in a batch; all others are met by requests.
OF_COMMANDS = ("refuse",)
NEEDS_SECONDS = ("slow", "late")


@dataclasses.dataclass
class Fault:
    """One thing that goes wrong with requests of a method (a pattern); `times` requests, -1 means every one.

    A batch is a request of `batch` and of every method in it. `share` is the part of the matching requests that are
    affected, `skip` the number of them that pass first.
    """

    kind: str
    method: str = "*"
    times: int = 1
    share: float = 1.0
    skip: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"fault kind {self.kind!r} is unknown; there are {', '.join(KINDS)}")
        if (self.kind in NEEDS_SECONDS) != (self.seconds > 0):
            raise ValueError(f"fault {self.kind!r}: seconds cannot be {self.seconds}")


class FaultPlan:
    """The faults that are switched on; safe to use from many threads. The choice by `share` repeats with the seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def set(self, faults: t.Iterable[Fault]) -> None:
        """Replace all faults."""
        with self._lock:
            self._faults = [dataclasses.replace(fault) for fault in faults]

    def happen(self, methods: t.Collection[str], *, command: bool = False) -> Fault | None:
        """The first fault that affects this request, or this command; it is counted."""
        with self._lock:
            for fault in self._faults:
                if fault.times == 0 or (fault.kind in OF_COMMANDS) != command:
                    continue
                if not any(fnmatch.fnmatchcase(method, fault.method) for method in methods):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                elif self._random.random() < fault.share:
                    fault.times -= fault.times > 0
                    return fault
        return None
