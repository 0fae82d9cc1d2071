# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.sign: one person's word for or against a gate, or for going on without one of its inputs."""

from __future__ import annotations

import datetime
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place, process
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import gate, ssh_signature
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Gate
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings

Data = dict[str, t.Any]
WAIVE = "waive"
VERBS = {gate.APPROVE: "approves", gate.REJECT: "rejects", WAIVE: "waives"}


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "gate": {"type": "str", "required": True},
        "person": {"type": "str", "required": True},
        "verdict": {"type": "str", "choices": list(VERBS), "default": gate.APPROVE},
        "remarks": {"type": "list", "elements": "dict", "default": []},
        "input": {"type": "str", "default": ""},
        "reason": {"type": "str", "default": ""},
        "days": {"type": "float"},
        "text": {"type": "str"},
        "signature": {"type": "path"},
        "code": {"type": "str", "no_log": True},
        "write": {"type": "path"},
        "plan": {"type": "raw"},
        "journal": {"type": "path"},
    }
    RULES: t.ClassVar[Data] = {
        "required_if": [("verdict", WAIVE, ("input", "reason", "days"))],
        "mutually_exclusive": [("text", "signature", "code", "write")],
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        plan = load(options["plan"])
        proceedings = Proceedings(plan, place.required(options["journal"]))
        wanted = proceedings.gate_of(options["gate"])
        found = proceedings.decision(wanted)
        asked = found.request
        waives = options["verdict"] == WAIVE
        if not asked and not waives:
            raise BoxliftError(
                f"Nobody has asked for the gate {wanted.id}.", "Ask for it with boxlift.portal.gate; then sign."
            )
        line = line_of(proceedings, wanted, options, "" if waives else asked)
        more = {key: line[key] for key in ("input", "reason", "until")} if waives else line["remarks"]
        text = gate.statement(plan, wanted, line.get("request", ""), line["person"], options["verdict"], more)
        if options["write"]:
            return self._written(options["write"], text)
        if options["verdict"] == gate.APPROVE and options["person"] in found.signers and not more:
            # A run that was killed behind its line; the same word twice is one.
            return {"changed": False, "gate": wanted.id, "decision": found.state, "statement": text}
        line.update(proof_of(proceedings, wanted, options, text, asked))
        kind = gate.WAIVER if waives else gate.SIGNATURE
        added = [{"event": kind, **line}]
        after = proceedings.decision(wanted, added)
        if waives:
            # It may be there before the gate is asked for, and after a request has expired.
            known, ignored = proceedings.waivers(wanted)[1], proceedings.waivers(wanted, added)[1]
        else:
            known, ignored = found.ignored, after.ignored
        fresh = [reason for reason in ignored if reason not in known and "does not count" in reason]
        if fresh:
            raise BoxliftError(" ".join(fresh), "Nothing was written. Put right what it says, and sign again.")
        if not self._task.check_mode:
            proceedings.write(kind, line)
        return {"changed": True, "gate": wanted.id, "decision": after.state, "statement": text}

    def _written(self, path: str, text: str) -> Data:
        """The statement as a file, to be signed with a key elsewhere."""
        file = pathlib.Path(path)
        changed = not file.is_file() or file.read_text(encoding="utf-8") != text
        if changed and not self._task.check_mode:
            file.write_text(text, encoding="utf-8")
        return {"changed": changed, "statement": text, "msg": f"Sign it: {ssh_signature.command('KEY', path)}"}


def line_of(proceedings: Proceedings, wanted: Gate, options: Data, request: str) -> Data:
    """What is signed, without its proof."""
    line: Data = {
        "gate": wanted.id,
        "stage": wanted.stage,
        "plan": proceedings.plan.sha256,
        "person": options["person"],
        "account": process.operator(None)["operator"],
        "at": proceedings.now,
    }
    if options["verdict"] == WAIVE:
        # Whole days, so that a statement that was written to be signed elsewhere is the same when it is back.
        today = datetime.datetime.fromtimestamp(proceedings.now, tz=datetime.timezone.utc).date()
        end = datetime.datetime.combine(today, datetime.time(), datetime.timezone.utc)
        until = end + datetime.timedelta(days=options["days"] + 1)
        return {**line, "input": options["input"], "reason": options["reason"], "until": until.timestamp()}
    remarks = [{key: str(each.get(key) or "") for key in ("text", "owner", "due")} for each in options["remarks"]]
    for each in remarks:
        if not all(each.values()):
            raise BoxliftError(
                f"The remark '{each['text']}' lacks its owner or its day.", "Give text, owner and due (2027-01-31)."
            )
    return {**line, "request": request, "verdict": options["verdict"], "remarks": remarks}


def proof_of(proceedings: Proceedings, wanted: Gate, options: Data, text: str, asked: str) -> Data:
    """How the person proves who he is. Raises BoxliftError for a proof that is none."""
    person = proceedings.plan.people.get(options["person"])
    if options["signature"]:
        return {"method": gate.SSH, "signature": pathlib.Path(options["signature"]).read_text(encoding="utf-8")}
    if options["code"]:
        known = gate.code_of(person, options["code"]) if person else None
        if known is None:
            raise BoxliftError(
                f"The plan has no such code of {options['person']}.", "Read the code again, digit by digit."
            )
        return {"method": gate.CODE, "code": known}
    what = options["input"] if options["verdict"] == WAIVE else asked
    wording = f"{options['person']} {VERBS[options['verdict']]} {wanted.id} {what}"
    if (options["text"] or "").split() != wording.split():
        raise BoxliftError(f"Nothing was signed:\n{text}", f"Whoever agrees to this types exactly: {wording}")
    return {"method": gate.TYPED}
