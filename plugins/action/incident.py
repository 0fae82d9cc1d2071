# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.incident: the one entrance for incidents of a portal in operation."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import os
import pathlib
import time
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils import output
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place, process
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import masking
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import tell
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import given, load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import alerts, desk, incident_command, records

Data = dict[str, t.Any]
TEXTS = ("title", "owner", "users", "text", "cause", "cure")


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "action": {"type": "str", "choices": list(desk.ACTIONS), "default": desk.LIST},
        "number": {"type": "int", "default": 0},
        **{name: {"type": "str", "default": ""} for name in TEXTS},
        "class": {"type": "str", "choices": list(inc.CLASSES), "default": inc.CRITICAL},
        "told": {"type": "list", "elements": "str", "default": []},
        "began": {"type": "str", "default": ""},
        "audience": {"type": "list", "elements": "str", "default": []},
        "customer_class": {"type": "str", "choices": list(desk.CUSTOMER_CLASSES), "default": desk.REGULAR},
        "alerts": {"type": "path"},
        "severities": {"type": "list", "elements": "str", "choices": list(alerts.SEVERITIES)},
        "command": {"type": "path"},
        "plan": {"type": "raw"},
        "records": {"type": "path"},
        "operator": {"type": "str"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        path = os.path.abspath(options["records"] or records.beside(place.required(None)))
        return take(path, options, masking(task_vars), self._task.check_mode)


def take(path: str, options: Data, mask: t.Callable[[t.Any], t.Any], check: bool) -> Data:
    """Write what is wished, if it is new, and say how all incidents stand. Raises BoxliftError, OSError."""
    plan = load(given(options["plan"]))
    changed = command(options["command"], check) if options["command"] else False
    writes = options["action"] != desk.LIST or bool(options["alerts"])
    out: Data = {"changed": changed, "records": path}
    with alone(path) if writes and not check else contextlib.nullcontext():
        found = records.whole(path) if writes else records.read(path)
        wish = wished(plan, found, options, mask)
        if wish is not None:
            number, lines = desk.lines_for(found, plan, wish)
            out.update(number=number, changed=changed or bool(lines))
            for kind, fields in [] if check else lines:
                records.add(path, kind, {**fields, **process.operator(options["operator"])})
    now = time.time()
    cadences = tell.cadences(path, now)
    broken = [f"The records prove nothing any more: {found.fault}"] if found.fault else []
    text = desk.overview(plan, cadences, now) or ["No incident is open."]
    return {**out, "text": [*broken, *text], "incidents": [told(*each) for each in cadences]}


@contextlib.contextmanager
def alone(path: str) -> t.Iterator[None]:
    """From reading the records until writing: two incidents of one moment get two numbers, and one is not doubled."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # and unlocks it


def wished(plan: Plan, found: records.Records, options: Data, mask: t.Callable[[t.Any], t.Any]) -> desk.Wish | None:
    """None where nothing is to be written."""
    texts: Data = {name: " ".join(str(mask(options[name])).split()) for name in TEXTS}
    audience = tuple(options["audience"] or desk.AUDIENCES[options["customer_class"]])
    if options["alerts"]:
        content = pathlib.Path(options["alerts"]).read_text(encoding="utf-8", errors="replace")
        severities = options["severities"] or tuple(alerts.SEVERITIES)
        wish = alerts.wish_of(alerts.payload(content), found, texts["owner"], audience, severities)
        return wish and dataclasses.replace(wish, title=str(mask(wish.title)), text=str(mask(wish.text)))
    if options["action"] == desk.LIST:
        return None
    began = moment_of(plan, options["began"]) if options["began"] else None
    return desk.Wish(
        options["action"],
        options["number"],
        kind=options["class"],
        told=tuple(options["told"]),
        began=began,
        audience=audience,
        **texts,
    )


def moment_of(plan: Plan, text: str) -> float:
    """A time of the site's zone, or with a zone of its own. Raises BoxliftError."""
    try:
        found = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise BoxliftError(
            f"incident_began: {text} is no time.", "Write it as '2026-11-30 14:05', in the plan's time zone."
        ) from error
    zone = zoneinfo.ZoneInfo(plan.timezone)
    return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).timestamp()


def told(incident: inc.Incident, kept: t.Any) -> Data:
    """An incident as the task returns it."""
    return {
        "number": incident.number,
        "title": incident.title,
        "class": incident.kind,
        "owner": incident.owner,
        "opened": incident.opened,
        "closed": incident.closed,
        "sent": sum(kept.sent.values()),
        "late": len(kept.late),
        "next": min(kept.next.values(), default=None),
    }


def command(path: str, check: bool) -> bool:
    """Write the short command for people at a telephone; whether it was another one, or none."""
    content = b"#!/usr/bin/env python3\n" + pathlib.Path(incident_command.__file__).read_bytes()
    if output.holds(path, content):
        return False
    if not check:
        output.put(path, content, mode=0o755)
    return True
