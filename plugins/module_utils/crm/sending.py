# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes that must not be done twice: an answer that is lost is looked up before the write is sent again."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import (
    Answer,
    Command,
    Outcome,
    Rest,
    RestError,
    Unanswered,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

#: Seconds before each look. Together they are longer than the minute after which a portal ends any request: what has
#: not shown by then was not carried out.
LOOKS = (0.0, 2.0, 8.0, 20.0, 35.0)
ROUNDS = 5
#: Bytes of a command that is not sent in a batch.
HEAVY = 64 * 1024
#: Which of the commands, by their place, were carried out, and what the portal would have answered.
LookUp = t.Callable[[t.Sequence[int]], t.Mapping[int, t.Any]]


def _heavy(command: Command) -> bool:
    # A batch takes no method that uploads, either.
    return command.method.endswith("uploadfile") or len(json.dumps(command.params)) > HEAVY


class Sender:
    """Sends writes; `sleep` waits for a portal that may still be at work."""

    def __init__(self, rest: Rest, sleep: t.Callable[[float], None] = time.sleep) -> None:
        self._rest = rest
        self._sleep = sleep
        #: Answers that were lost, and how many of them were found to be carried out.
        self.lost = 0
        self.found = 0

    def send(self, commands: t.Sequence[Command], look_up: LookUp) -> list[t.Any | RestError]:
        """The result of each command, or the portal's refusal. Raises BoxliftError where it does not answer."""
        results: dict[int, t.Any] = {}
        waiting = list(range(len(commands)))
        for _round in range(ROUNDS):
            lost = []
            for place, outcome in zip(waiting, self._outcomes([commands[each] for each in waiting])):
                if isinstance(outcome, Answer):
                    results[place] = outcome.result
                elif isinstance(outcome, RestError):
                    results[place] = outcome
                else:
                    lost.append(place)
            self.lost += len(lost)
            for pause in LOOKS:
                if lost:
                    if pause:
                        self._sleep(pause)
                    found = look_up(lost)
                    results.update(found)
                    self.found += len(found)
                    lost = [place for place in lost if place not in found]
            waiting = lost
            if not waiting:
                return [results[place] for place in range(len(commands))]
        raise BoxliftError(
            f"The portal {self._rest.name} did not answer {commands[waiting[0]].method} {ROUNDS} times.",
            "Look whether the portal works, and run again: nothing is done twice.",
        )

    def _outcomes(self, commands: t.Sequence[Command]) -> t.Iterator[Outcome]:
        """In order. A command with a file goes alone: a batch would write its content three times as long."""
        together: list[Command] = []
        for command in commands:
            if not _heavy(command):
                together.append(command)
                continue
            yield from self._rest.batch(together, repeat=False) if together else ()
            together = []
            yield self._alone(command)
        yield from self._rest.batch(together, repeat=False) if together else ()

    def _alone(self, command: Command) -> Outcome:
        try:
            return self._rest.call(command.method, command.params, repeat=False)
        except (RestError, Unanswered) as error:
            return error

    def repeat(self, commands: t.Sequence[Command]) -> list[t.Any | RestError]:
        """The same for writes that may be done twice: the client sends them until they are answered."""
        out: list[t.Any | RestError] = []
        for outcome in self._rest.batch(commands):
            if isinstance(outcome, Unanswered):
                raise outcome
            out.append(outcome.result if isinstance(outcome, Answer) else outcome)
        return out
