# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.name_info: asks name servers for a name, from the controller."""

from __future__ import annotations

import dataclasses
import time
import typing as t
from concurrent import futures

from ansible_collections.boxlift.portal.plugins.plugin_utils import name_service
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction

Data = dict[str, t.Any]
ASK_EVERY, SAY_EVERY = 5.0, 60.0  # seconds


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "name": {"type": "str", "required": True},
        "resolvers": {"type": "list", "elements": "str", "default": []},
        "most_ttl": {"type": "int", "default": 300},
        "expected": {"type": "list", "elements": "str", "default": []},
        "wait_minutes": {"type": "float", "default": 0},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        name_service.demand_dnspython()
        name = options["name"]
        through = [name_service.server_of(each) for each in options["resolvers"]]
        through = through or name_service.resolvers_of_this_host()
        servers = list(dict.fromkeys([*through, *name_service.servers_of_the_zone(name, through)]))
        end, said = time.monotonic() + 60 * options["wait_minutes"], time.monotonic()
        with futures.ThreadPoolExecutor(len(servers)) as pool:
            while True:
                answers = list(pool.map(lambda server: name_service.ask(name, server), servers))
                findings = name_service.judge(name, answers, options["most_ttl"], options["expected"])
                place = next((each for each in findings if each.id == name_service.ADDRESS), None)
                if place is None or place.status == "pass" or time.monotonic() >= end:
                    break
                if time.monotonic() - said >= SAY_EVERY:
                    said = time.monotonic()
                    self._display.display(place.observed)
                time.sleep(min(ASK_EVERY, max(end - time.monotonic(), 0)))
        return {
            "changed": False,
            "findings": [each.as_dict() for each in findings],
            "answers": [{**dataclasses.asdict(each), "server": str(each.server)} for each in answers],
            "msg": " ".join(f"{each.id}: {each.status} ({each.observed})." for each in findings),
        }
