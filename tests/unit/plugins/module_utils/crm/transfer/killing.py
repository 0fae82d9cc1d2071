# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Program: runs a pass again and again, and kills it at a chosen moment each time, until it may end.

Reads one JSON object from its standard input: the addresses, the folder, the modes, and how often to kill. Prints what
the last attempt of each mode has answered. Every attempt is a process of its own, killed with SIGKILL.
"""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import IdMap
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.options import Options
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.run import Transfer

Row = dict[str, t.Any]


class Countdown:
    """Kills this process at the given event, counted from the first write if there is one."""

    def __init__(self, left: int, writing: bool) -> None:
        self.left, self.counting = left, not writing

    def before_and_after(self, owner: type, name: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def counted(*given: t.Any, **more: t.Any) -> t.Any:
            self.counting = self.counting or name == "begin_writing"
            self.event()
            found = original(*given, **more)
            self.event()
            return found

        setattr(owner, name, counted)

    def event(self) -> None:
        self.left -= self.counting
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def attempt(given: Row, mode: str, after: int, writing: bool) -> Row:
    if after:
        countdown = Countdown(after, writing)
        for owner, names in (
            (Rest, ("ask", "reply")),
            (IdMap, ("begin_writing", "add_pairs", "owe", "set_synced_many")),
        ):
            for name in names:
                countdown.before_and_after(owner, name)

    slept = [0.0]

    def sleep(seconds: float) -> None:
        """A pause is over at once, by the clock of the limits too; where the limits are real, it is one."""
        if given.get("real_time"):
            time.sleep(seconds)
            return
        slept[0] += seconds
        time.sleep(min(seconds, 0.02))

    more = {"ca_file": given["authority"], "proxy": "", "sleep": sleep, "clock": lambda: time.monotonic() + slept[0]}
    portals = [Rest(given[name], timeout=30, **more) for name in ("cloud", "box")]
    stores = [Store(f"{given['folder']}/{name}.sqlite") for name in ("cloud", "box")]
    path = f"{given['folder']}/transfer.sqlite"
    result = Transfer(*portals, *stores, path, Options(**given.get("options", {})), sleep=sleep).run(mode)  # type: ignore[arg-type] # pairs
    proof = result.proof
    return {
        "grade": result.grade,
        "requests": result.requests,
        "phases": result.phases,
        "written": result.written,
        "lost": result.lost_answers,
        "doubles": result.doubles_removed,
        "reasons": (result.delta or {}).get("reasons"),
        "mismatches": [str(each) for each in proof.mismatches[:5]] if proof else [],
    }


def main() -> None:
    given = json.load(sys.stdin)
    chance = random.Random(given["seed"])
    answers: Row = {"kills": 0}
    for mode in given["modes"]:
        kills = given["kills"]
        while True:
            # Two of three during the writes, which take the shorter part of a pass.
            after = chance.randrange(1, given["events"]) if kills else 0
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                with os.fdopen(writing, "w") as out:
                    json.dump(attempt(given, mode, after, kills % 3 > 0), out)
                os._exit(0)
            os.close(writing)
            with os.fdopen(reading) as source:
                text = source.read()
            _child, status = os.waitpid(child, 0)
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                answers["kills"] += 1
                kills -= 1
                continue
            if status:
                sys.exit(f"{mode} failed")
            answers[mode] = json.loads(text)
            break
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
