# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.notify: tells the people of the plan what goes on, over mail and webhooks."""

from __future__ import annotations

import os
import time
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place, process, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import masking
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import channels, mail, tell
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.due import MAIL, Due, ways
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.text import Message
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import desk
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import records as service_records

Data = dict[str, t.Any]
#: A webhook that takes longer than this has not answered.
WEBHOOK_SECONDS = 15


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "plan": {"type": "raw", "required": True},
        "smtp": {
            "type": "dict",
            "options": {
                "host": {"type": "str", "required": True},
                "port": {"type": "int", "default": 465},
                "secure": {"type": "str", "choices": list(mail.SECURE), "default": "always"},
                "username": {"type": "str", "default": ""},
                "password": {"type": "str", "no_log": True, "default": ""},
                "sender": {"type": "str", "required": True},
                "ca_path": {"type": "path", "default": ""},
                "timeout": {"type": "int", "default": 20},
            },
        },
        "webhooks": {"type": "dict", "default": {}},
        "minutes": {"type": "float", "default": 0},
        "every": {"type": "int", "default": 60},
        "sizes": {"type": "dict", "default": {}},
        "journal": {"type": "path"},
        "records": {"type": "path"},
        "history": {"type": "list", "elements": "path", "default": []},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        self._vars = task_vars
        path, plan = place.required(options["journal"]), load(options["plan"])
        records = os.path.abspath(options["records"] or service_records.beside(path))
        self._smtp = channels.server(options["smtp"])
        self._webhooks = {
            str(name): channels.webhook(name, given) for name, given in (options["webhooks"] or {}).items()
        }
        known = ways(plan, self._smtp is not None, self._webhooks)
        if not any(known.values()):
            text = ["Nobody of the plan has a channel.", *self._incidents(plan, records)]
            return {"changed": False, "sent": [], "failures": [], "text": text}
        mask = self._masking(task_vars)
        teller = tell.Teller(
            plan, path, known, self._send, options["every"], options["history"], numbers(options["sizes"]), mask,
            records=records,
        )  # fmt: skip
        with tell.alone(path) as mine:
            if not mine:
                return {"changed": False, "sent": [], "failures": [], "text": ["Another run sends the notices."]}
            result = self._follow(teller, options)
        counts = tell.count(plan, path, time.time(), process.is_running)
        now = time.time()
        cadences = tell.cadences(records, now)
        silent = [plan.people[name].name for name, its in known.items() if not its]
        due = result["sent"]
        would = [f"Would tell {', '.join(each['people'])} by {each['channel']}: {each['matter']}" for each in due]
        result["text"] = (would if self._task.check_mode else tell.summary(plan, counts)) + desk.overview(
            plan, cadences, now
        ) or ["Nothing is to be told."]
        if silent:
            result["text"].append(f"Without a channel: {', '.join(silent)}.")
        result["late"] = sum(each.late for each in counts) + sum(len(kept.late) for _incident, kept in cadences)
        late = [each.person for each in counts if each.overdue]
        # Whom no channel reaches is named in the text; somebody calls him, and no next look would change that.
        late += [
            person
            for _incident, kept in cadences
            for person, until in kept.next.items()
            if until < now and known.get(person)
        ]
        overdue = [plan.people[each].name for each in dict.fromkeys(late) if each in plan.people]
        if overdue and not self._task.check_mode:
            raise BoxliftError(
                f"{', '.join(overdue)} should have heard by now, and no channel has worked. {' '.join(result['text'])}",
                "Tell them by telephone, and put a channel in order: notify_smtp, notify_webhooks. What was told of an "
                "incident is noted with incident_action=note and incident_told.",
            )
        return result

    def _incidents(self, plan: Plan, records: str) -> list[str]:
        now = time.time()
        return desk.overview(plan, tell.cadences(records, now), now)

    def _follow(self, teller: tell.Teller, options: Data) -> Data:
        """One look, or looks until the minutes are over. A look that fails is told, and the next one tries again."""
        end = time.monotonic() + 60 * options["minutes"]
        sent: list[Data] = []
        failures: list[Data] = []
        warnings: dict[str, None] = {}  # each once, in their order
        while True:
            begun = time.monotonic()
            last = begun + options["every"] > end
            try:
                look = teller.look(time.time, self._task.check_mode)
            except (BoxliftError, OSError) as error:
                if last:
                    raise
                self._display.warning(f"Nobody could be told: {getattr(error, 'message', None) or error}")
            else:
                sent += [told(each) for each in look.sent or look.waiting]
                failures += [{**told(each), "reason": reason} for each, reason in look.failed]
                warnings.update(dict.fromkeys([look.blind] if look.blind else []))
                warnings.update(dict.fromkeys(f"{each.way.channel} fails: {reason}" for each, reason in look.failed))
                for each in look.sent:
                    self._display.display(f"told {', '.join(each.people)} by {each.way.channel}: {each.matter.id}")
            if last or not self._wait(begun + options["every"]):
                break
        more = {"warnings": list(warnings)} if warnings else {}
        return {"changed": bool(sent), "sent": sent, "failures": failures, **more}

    def _wait(self, until: float) -> bool:
        """Whether ansible-playbook is still there then: without it, this worker would go on unseen."""
        while time.monotonic() < until:
            if process.is_orphan():
                return False
            time.sleep(min(1.0, max(until - time.monotonic(), 0)))
        return True

    def _masking(self, task_vars: Data) -> t.Callable[[t.Any], t.Any]:
        """Masks secrets of the inventory, and the addresses of webhooks: who knows one can write there."""
        mask = masking(task_vars)
        secrets = {each["url"]: f"webhook {name}" for name, each in self._webhooks.items()}

        def masked(value: t.Any) -> t.Any:
            value = mask(value)
            for url, name in secrets.items():
                value = value.replace(url, name) if isinstance(value, str) else value
            return value

        return masked

    def _send(self, each: Due, message: Message) -> None:
        if each.way.channel == MAIL and self._smtp is not None:
            mail.send(self._smtp, each.way.target, message, each.id)
        else:
            self._post(each, message)

    def _post(self, each: Due, message: Message) -> None:
        given = self._webhooks[each.way.target]
        arguments = {
            "url": given["url"],
            "method": "POST",
            "body_format": "json",
            "body": payload(each, message),
            "headers": {**given["headers"], "Idempotency-Key": each.id},
            "status_code": [200, 201, 202, 204],
            "follow_redirects": "none",
            "timeout": WEBHOOK_SECONDS,
            **({"ca_path": given["ca_path"]} if given["ca_path"] else {}),
        }
        try:
            done = self._execute_module(
                module_name="ansible.builtin.uri", module_args=arguments, task_vars=self._vars, wrap_async=False
            )
        except AnsibleError as error:
            done = {"failed": True, "msg": str(error)}
        if done.get("failed"):
            raise BoxliftError(
                str(done.get("msg") or "It did not answer."), "Look at notify_webhooks, and at the service behind it."
            )


def payload(each: Due, message: Message) -> Data:
    """What a webhook gets. Chats show `text`."""
    return {
        "id": each.id,
        "text": f"{message.subject}\n\n{message.body}",
        "subject": message.subject,
        "body": message.body,
        "language": each.language,
        "people": list(each.people),
        "matter": each.matter.id,
        "kind": each.span.kind,
        "stage": each.matter.stage,
        "since": writer.iso(each.span.since),
    }


def told(each: Due) -> Data:
    return {
        "matter": each.matter.id,
        "kind": each.span.kind,
        "channel": each.way.channel,
        "people": list(each.people),
        "language": each.language,
    }


def numbers(sizes: Data) -> dict[str, int]:
    return {str(name): int(size) for name, size in sizes.items()}
