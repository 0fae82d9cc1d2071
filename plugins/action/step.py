# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.step: writes the begin and the end of a step of the plan into the journal."""

from __future__ import annotations

import datetime
import functools
import hashlib
import os
import time
import typing as t

from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.plugins.loader import lookup_loader
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import known, lines, place, process, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import SUPERVISION
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import (
    OUTCOMES,
    Attempt,
    Journal,
    moment,
    read,
)
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import masking
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import forecast, forecast_text
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.course import ROLLBACK
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import SUPERVISED, Moment, Plan, Step
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import confirm, hosts, state
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import (
    is_dictated,
    refuse_a_pause,
    site_of,
)

Data = dict[str, t.Any]
BLOCK = 1024 * 1024
FREE_TEXT = ("message", "waiting_for", "watcher", "operator", "values")


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "id": {"type": "str", "required": True},
        "state": {"type": "str", "required": True, "choices": ["begin", "end", "await"]},
        "stage": {"type": "str", "default": ""},
        "plan": {"type": "raw"},
        "by_people": {"type": "bool", "default": False},
        "await_people": {"type": "bool", "default": False},
        "outcome": {"type": "str", "choices": list(OUTCOMES)},
        "message": {"type": "str", "default": ""},
        "waiting_for": {"type": "str", "default": ""},
        "operator": {"type": "str"},
        "watcher": {"type": "str", "default": ""},
        "values": {"type": "dict", "default": {}},
        "evidence": {"type": "list", "elements": "path", "default": []},
        "journal": {"type": "path"},
        "history": {"type": "list", "elements": "path", "default": []},
    }
    RULES: t.ClassVar[Data] = {"required_if": [("state", "end", ("outcome",)), ("state", "await", ("plan",))]}

    def work(self, options: Data, task_vars: Data) -> Data:
        path = place.required(options["journal"])
        mask, check = masking(task_vars), self._task.check_mode
        if options["state"] == "begin":
            result = begin(path, options, mask, check, functools.partial(self._agree, task_vars))
        else:
            result = {"end": end, "await": await_people}[options["state"]](path, options, mask, check)
        for line in result.pop("_say", []):
            self._display.display(line)
        return result

    def _agree(
        self, task_vars: Data, plan: Plan, step: Step | None, stage: str, earlier: t.Sequence[Attempt]
    ) -> tuple[str, ...]:
        """The watchers who agreed with the step, at the terminal. Raises BoxliftError if one did not."""
        if step is not None:
            where = self._hosts(hosts.patterns_of(step.playbook), task_vars) if step.playbook else []
            for line in confirm.described(plan, step, stage, where, earlier):
                self._display.display(line)
        return confirm.agree(plan, self._ask)

    def _hosts(self, patterns: t.Sequence[str], task_vars: Data) -> list[str]:
        lookup = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        found = [name for pattern in patterns for name in lookup.run([pattern], variables=task_vars)]
        return list(dict.fromkeys(map(str, found)))

    def _ask(self, question: str, seconds: float) -> str | None:
        began = time.monotonic()
        try:
            typed = self._display.prompt_until(question, seconds=int(seconds))
        except AnsiblePromptNoninteractive:
            raise BoxliftError(
                "The plan is in mode supervised, and there is no terminal at which operator and watcher could agree.",
                "Run it at a terminal, in the foreground. Or take `supervision: {mode: supervised}` out of the plan.",
            ) from None
        except AnsiblePromptInterrupt:
            return ""
        # What stands there when the time is over was not finished with Enter.
        return None if time.monotonic() - began >= seconds else typed.decode(errors="replace")


def nobody_agrees(plan: Plan, step: Step | None, stage: str, earlier: t.Sequence[Attempt]) -> tuple[str, ...]:
    """Where nobody can be asked. Raises BoxliftError."""
    raise BoxliftError("Nobody can be asked here.", "Run it at a terminal.")


def begin(
    path: str,
    options: Data,
    mask: t.Callable[[t.Any], t.Any],
    check: bool,
    agree: t.Callable[[Plan, Step | None, str, t.Sequence[Attempt]], tuple[str, ...]] = nobody_agrees,
) -> Data:
    """Write the line before the step; what is known of earlier attempts. Raises BoxliftError, OSError."""
    plan = load(options["plan"]) if options["plan"] else None
    dictated = is_dictated(plan, path)
    if dictated and not check:
        site_of(plan, path, process.parent_process()).leave(options["id"], options["stage"])
    if plan:
        if not dictated:
            refuse_a_pause(plan, path)
        if options["id"] not in (*plan.steps, ROLLBACK):
            return left_out(path, options, check)
        step = plan.steps.get(options["id"])
        if options["by_people"] and step and step.playbook and not options["message"]:
            raise BoxliftError(
                f"Step {step.id} is done by the playbook {step.playbook}.",
                "Run it as a step of the plan. If it was done otherwise, say how: -e done_message='…'.",
            )
        if options["await_people"] and step and step.manual:
            return await_people(path, options, mask, check)
        if is_done(plan, path, options):
            return {"changed": False, "done": True, "journal": path, "_say": [f"{options['id']} was done before."]}
    journal = known.gathered(path, options["history"])
    outlook = outlook_of(plan, journal, path, options["stage"]) if plan else []
    errors = known.known_errors(journal, options["id"])
    earlier = attempts(journal_of(path), options["id"], options["stage"])
    if earlier and is_at_work(earlier[-1]):
        raise BoxliftError(
            f"Step {options['id']} is at work: {earlier[-1].operator or 'somebody'} began it at "
            f"{writer.iso(earlier[-1].start)} with a playbook that still runs.",
            "Wait for its end, or stop that ansible-playbook, and run again.",
        )
    out: Data = {
        "changed": True,
        "done": False,
        "journal": path,
        "attempt": len(earlier) + 1,
        "earlier": [{"outcome": attempt.outcome, "seconds": attempt.seconds} for attempt in earlier],
        "known_errors": errors,
        "text": known.lines(errors),
        "_say": [*outlook, *known.lines(errors)],
    }
    supervised = plan is not None and plan.supervision.mode == SUPERVISED and not dictated
    if check:
        return out
    if supervised and plan:
        done_before = journal.steps.get(options["id"], [])
        watchers = agree(plan, plan.steps.get(options["id"]), options["stage"], done_before)
        options = {**options, "operator": plan.supervision.operator, "watcher": ", ".join(watchers)}
        agreed = {"state": state.CONFIRMED, "plan": plan.sha256, **given(options, "stage", "operator", "watcher")}
        writer.append(path, SUPERVISION, {**agreed, "step": options["id"]})
    fields = {
        "step": options["id"],
        "state": "begin",
        **given(options, "stage", "waiting_for", "watcher"),
        **process.operator(options["operator"]),
        "process": process.parent_process(),
    }
    line = writer.append(path, "step", plain(fields, mask)).seq
    return {**out, "line": line, "recorded": dictated or supervised}


def is_done(plan: Plan, path: str, options: Data) -> bool:
    """Whether the plan's step was done before. Raises BoxliftError with everything that keeps it from beginning."""
    proceedings = Proceedings(plan, path)
    step, stage = options["id"], options["stage"]
    if Moment(step, stage) in proceedings.course.done:
        return True
    obstacles = proceedings.obstacles(step, stage)
    if obstacles:
        raise BoxliftError(
            f"Step {step} of stage {stage} may not begin.",
            "\n".join([*obstacles, f"The move is {proceedings.course.state}."]),
        )
    return False


def outlook_of(plan: Plan, journal: Journal, path: str, stage: str) -> list[str]:
    """When the portal opens, by what is over so far, and what must be decided; nothing in a stage that opens none."""
    if stage not in plan.steps[plan.cutover.last].stages or not journal.steps:
        return []
    what = forecast.forecast(plan, journal, path, stage, time.time(), process.is_running)
    return forecast_text.headline(what, plan.timezone)


def left_out(path: str, options: Data, check: bool) -> Data:
    """A step that the site's plan has taken out: its work is refused nowhere, and done nowhere."""
    earlier = attempts(journal_of(path), options["id"], options["stage"])
    fresh = not earlier or earlier[-1].outcome != "skipped"
    if fresh and not check:
        common = {"step": options["id"], **given(options, "stage")}
        writer.append(path, "step", {**common, "state": "begin", **process.operator(options["operator"])})
        writer.append(path, "step", {**common, "state": "end", "outcome": "skipped", "message": "not in the plan"})
    return {"changed": fresh, "done": True, "journal": path, "_say": [f"The plan has no step {options['id']}."]}


def await_people(path: str, options: Data, mask: t.Callable[[t.Any], t.Any], check: bool) -> Data:
    """Succeeds if a step of people is done. Raises BoxliftError that says whose it is, and how its end is told."""
    plan = load(options["plan"])
    step, stage = plan.steps.get(options["id"]), options["stage"]
    if step is None or is_done(plan, path, options):
        return {"changed": False, "done": True, "journal": path}
    proofs = f"It leaves behind: {', '.join(step.evidence)}." if step.evidence else ""
    told = (f"It is for {plan.organisations[step.owner]} now: {step.title}.", step.not_yet, proofs)
    raise BoxliftError(
        " ".join(text for text in told if text),
        f"When it is done: ansible-playbook boxlift.portal.done -e done_step={step.id} -e migration_stage={stage}. "
        "Then run this again; it goes on behind it.",
    )


def end(path: str, options: Data, mask: t.Callable[[t.Any], t.Any], check: bool) -> Data:
    """Write the line after the step, with its outcome. Raises BoxliftError, OSError."""
    evidence = [proof_of(os.path.abspath(name)) for name in options["evidence"]]
    out: Data = {"changed": True, "journal": path, "outcome": options["outcome"], "evidence": evidence}
    if check:
        return out
    begun = attempts(journal_of(path), options["id"], options["stage"])
    if not begun or begun[-1].end is not None:
        raise BoxliftError(
            f"Step {options['id']} has not begun: the journal {path} has no line before it.",
            f"Put a task boxlift.portal.step with id {options['id']} and state begin before the work, and run again.",
        )
    fields = {
        "step": options["id"],
        "state": "end",
        "outcome": options["outcome"],
        **given(options, "stage", "message", "waiting_for", "watcher", "values"),
        **({"evidence": evidence} if evidence else {}),
    }
    line = writer.append(path, "step", plain(fields, mask))
    now = datetime.datetime.now(tz=datetime.timezone.utc).timestamp()
    told = trouble(path, f"{options['id']}@{options['stage']}", begun[-1].start)
    return {**out, "line": line.seq, "seconds": round(now - begun[-1].start, 3), "_say": told}


def trouble(path: str, matter: str, since: float) -> list[str]:
    """Which notices about the step no channel took, since it began: the run that they belong to says so too."""
    with open(path, "rb") as stream:
        notices = [line for line in lines.events_in(stream.read(), "notice") if line["matter"] == matter]
    reasons = {
        (line["channel"], line.get("reason", ""))
        for line in notices
        if line["outcome"] == "failed" and moment(line["time"]) >= since
    }
    return [f"{matter}: notices failed by {channel}: {reason}" for channel, reason in sorted(reasons)]


def journal_of(path: str) -> Journal:
    return read([path]) if os.path.exists(path) else Journal([], [], [])


def attempts(journal: Journal, step: str, stage: str) -> list[Attempt]:
    return [attempt for attempt in journal.steps.get(step, []) if attempt.stage == stage]


def is_at_work(attempt: Attempt) -> bool:
    """Whether the run that began the step still runs, and is not this one."""
    mine = process.parent_process()
    return attempt.end is None and attempt.process != mine and process.is_running(attempt.process)


def plain(fields: Data, mask: t.Callable[[t.Any], t.Any]) -> Data:
    """The fields, with what people wrote masked."""
    return {key: mask(value) if key in FREE_TEXT else value for key, value in fields.items()}


def given(options: Data, *names: str) -> Data:
    return {name: options[name] for name in names if options[name]}


def proof_of(path: str) -> Data:
    """Path, SHA-256 and bytes of a file. Raises OSError."""
    sums, size = hashlib.sha256(), 0
    with open(path, "rb") as stream:
        while block := stream.read(BLOCK):
            sums.update(block)
            size += len(block)
    return {"path": path, "sha256": sums.hexdigest(), "bytes": size}
