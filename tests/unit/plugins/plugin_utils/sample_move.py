# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a move by its plan, chained as the writer chains it, with the times of a real one: invented."""

from __future__ import annotations

import datetime
import hashlib
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import gate
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from unit.plugins.plugin_utils.by_hand import BY_HAND
from unit.plugins.plugin_utils.sample_journal import FINDINGS, PARTS, TABLES, VOLUMES, Writer

HOUR = 3600.0
PLAN: dict[str, t.Any] = {
    "id": "sample",
    "title": "Move of the company portal",
    "site": "portal.boxlift.test",
    "issued": "2026-03-02",
    "timezone": "Europe/Berlin",
    "cutover": {
        "window_start": "2026-05-09 20:00",
        "window_end": "2026-05-10 06:00",
        "rollback": {"seconds": 1800, "source": "rehearsal"},
    },
    "steps": {
        **BY_HAND,
        "move.preproduction": None,
        "settle.preproduction": None,
        "settle.report": {"depends": ["settle.watch", "settle.backup"]},
    },
    "lead_items": {
        name: {"ordered": "2026-03-05", "arrived": "2026-03-20"}
        for name in ("hosts", "access", "certificate", "mail_relay", "licence", "first_backup", "test_users")
    },
}
VOICE, FAX = "/etc/asterisk/licences/voice.lic", "/etc/asterisk/licences/fax.lic"
TRIAL = f"{FAX}: it is a trial, valid until 2026-06-01 00:00 Europe/Berlin"
PAY = f"Replace it by a full licence. It is for Fax, in {FAX}, until 2026-05-31."
MISSING = "1 fail: entitlement.voice_library"
#: What entitlement_check says where the voice library is not licensed and the fax is on trial.
LICENCES: dict[str, t.Any] = {
    "findings": [
        {
            "id": "entitlement.voice_library",
            "area": "entitlement",
            "status": "fail",
            "observed": f"{VOICE} does not grant it",
            "expected": "a valid licence with voice_library, for Voice library",
            "remedy": f"Get a licence for Voice library and name its file, in {VOICE} or beside it.",
            "owner": "sales",
            "blocks": "some",
        },
        {"id": "entitlement.fax", "area": "entitlement", "status": "warn", "observed": TRIAL, "remedy": PAY},
    ],
    "debts": [{"feature": "fax", "reason": TRIAL, "owner": "sales", "until": "2026-05-31", "remedy": PAY}],
    "files": [
        {"id": "voice.lic", "path": VOICE, "status": "pass", "reason": "valid without an end", "features": ["queue"]}
        | {"expires": "", "trial": False, "customer": "Example Ltd", "proven": True},
        {"id": "fax.lic", "path": FAX, "status": "warn", "reason": TRIAL.partition(": ")[2], "features": ["fax"]}
        | {"expires": "2026-05-31T22:00:00+00:00", "trial": True, "customer": "", "proven": False},
    ],
}
WORSE = [{**each, "status": "fail", "blocks": "some"} if each["id"] == "search.index" else each for each in FINDINGS]


class Move(Writer):
    """Writes steps and gates of the plan, and chains every line."""

    def __init__(self, path: Path, plan: dict[str, t.Any] | None = None) -> None:
        super().__init__(path)
        self.plan = load(plan or PLAN)
        self.last = verify.Link(0, "", hashlib.sha256(b"").hexdigest())
        self.asked: dict[str, t.Any] = {}

    def event(self, event: str, /, **fields: t.Any) -> None:
        self.last, data = writer._line({"event": event, "time": self._stamp(), **fields}, self.last)
        with self.path.open("ab") as stream:
            stream.write(data)

    def at(self, text: str) -> None:
        """Go on at this time, in UTC."""
        self.clock = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)

    @property
    def now(self) -> float:
        return self.clock.timestamp()

    def step(self, name: str, stage: str, seconds: float, outcome: str = "ok", **more: t.Any) -> None:
        """A step that a playbook does; `results` are those of its one task, of module `module`."""
        module, results = more.pop("module", ""), more.pop("results", [])
        self.start(name.partition(".")[2])
        self.begin_play(name)
        self.event("step", step=name, state="begin", stage=stage, operator="operator")
        action = f"boxlift.portal.{module}" if module else "ansible.builtin.command"
        status = "failed" if outcome == "failed" else "changed"
        self.task(f"Do {name}", seconds, status, action=action, results=results, message=more.pop("message", ""))
        self.event("step", step=name, state="end", outcome=outcome, stage=stage, **more)
        self.end()
        self.wait(20)

    def people(self, name: str, stage: str, seconds: float, **more: t.Any) -> None:
        """A step whose end people tell, so long after what came before it."""
        self.wait(seconds)
        self.event("step", step=name, state="begin", stage=stage, operator="executor")
        self.event("step", step=name, state="end", outcome="ok", stage=stage, **more)

    def ask(self, name: str) -> None:
        wanted = self.plan.gates[name]
        inputs = [
            gate.Input(each, False, MISSING) if each == "entitlement" else gate.Input(each, True, "seen")
            for each in wanted.inputs
        ]
        self.asked = gate.request(self.plan, wanted, "operator", "operator@desk", inputs, self.now)
        self.event(gate.REQUEST, **self.asked)

    def sign(self, person: str, seconds: float, **more: t.Any) -> None:
        self.wait(seconds)
        fields = {key: self.asked[key] for key in ("gate", "stage", "plan", "request")}
        fields |= {"person": person, "account": person, "at": self.now, "method": gate.TYPED}
        self.event(more.pop("kind", gate.SIGNATURE), **fields, verdict=gate.APPROVE, **more)

    def waive(self, name: str, what: str, person: str, reason: str, days: float) -> None:
        wanted = self.plan.gates[name]
        fields = {"gate": name, "stage": wanted.stage, "plan": self.plan.sha256, "person": person, "account": person}
        fields |= {"at": self.now, "method": gate.TYPED, "input": what, "reason": reason}
        self.event(gate.WAIVER, **fields, until=self.now + days * 24 * HOUR)

    def heard(self, matter: str, kind: str, since: float, *people: str, outcome: str = "sent") -> None:
        mark = {"matter": matter, "kind": kind, "since": round(since * 1000)}
        self.event("notice", **mark, channel="mail", people=list(people), language="en", outcome=outcome)

    def opened(self, name: str, *signers: tuple[str, float], **more: t.Any) -> None:
        self.ask(name)
        for number, (person, seconds) in enumerate(signers):
            self.sign(person, seconds, **(more if number == 0 else {}))


def restored(extra: int) -> dict[str, t.Any]:
    rows = sum(table["rows"] for table in TABLES) + extra * 400
    return {"files": 57_731 + extra, "bytes": 44_360_121_338 + extra * 900_000, "tables": TABLES, "rows": rows}


def run(out: Move, stage: str, slower: float, findings: list[dict[str, str]]) -> None:
    """Phase 2 up to the report."""
    out.people("move.order_backup", stage, 1200)
    out.wait(3 * 24 * HOUR)
    fetched = {"volumes": VOLUMES, "bytes_fetched": PARTS * 104857600, "bytes_refetched": 0, "repairs": []}
    proof = {"path": "/srv/boxlift/manifest.json", "sha256": "4c" * 32, "bytes": 48_112}
    out.step("move.fetch", stage, 39_600 * slower, module="backup_fetch", results=[fetched], evidence=[proof])
    if stage == "rehearsal":
        out.step("move.restore", stage, 700, "failed", message="prod: /var is full. Free 12 GiB, or give restore_room.")
        out.event("remark", step="move.restore", error=out.last.seq - 2, text="Grew /var by 40 GiB", seconds=1500)
        out.wait(1500)
    extra = 0 if stage == "rehearsal" else 412
    out.step("move.restore", stage, 6600 * slower, module="backup_restore", results=[restored(extra)])
    out.step("move.configure", stage, 1500 * slower)
    out.step("move.telephony", stage, 1260)
    out.step("move.health", stage, 240, module="portal_health", results=[{"findings": findings}])
    out.step("move.entitlement", stage, 8)
    call = {"direction": "in", "line": "+74951000001", "result": "answered", "queue": True, "recorded": True}
    call |= {"talk": 12, "code": "200", "problems": []}
    calls = [{"name": name, "status": "pass", **call} for name in ("to sales", "to support", "to nobody")]
    calls[-1] |= {"status": "pass" if stage == "final" else "fail", "result": "missed"}
    checked = {"findings": [], "calls": calls}
    out.people("move.sales_test", stage, 2.2 * HOUR if stage == "rehearsal" else 1.5 * HOUR)
    out.step("move.test_calls", stage, 900, module="telephony_check", results=[checked])
    out.step("move.report", stage, 4)


def until_the_freeze(out: Move) -> None:
    out.at("2026-03-23T08:00:00")
    out.people("prepare.agree", "prepare", 0)
    out.people("prepare.inventory", "prepare", 5 * HOUR)
    out.step("prepare.preflight", "prepare", 80)
    out.step("prepare.provision", "prepare", 1500)
    out.step("prepare.accept", "prepare", 840)
    remarks = [{"text": "Name the second administrator", "owner": "executor", "due": "2026-04-10"}]
    out.opened("prepared", ("coordinator", 600), ("approver", 19 * HOUR), remarks=remarks)
    out.at("2026-04-13T07:00:00")
    run(out, "rehearsal", 1.0, WORSE)
    out.opened("rehearsed", ("coordinator", 1800), ("approver", 22 * HOUR))
    out.at("2026-05-04T07:00:00")
    run(out, "final", 0.96, FINDINGS)
    out.people("move.tell_users", "final", 600)
    out.step("move.name_ttl", "final", 20)
    out.at("2026-05-09T17:20:00")
    out.waive("go", "entitlement", "approver", "The licence of the voice library comes on 20 May", 30)
    out.opened("go", ("coordinator", 120), ("approver", 1500), ("key_user", 240))


def difference(out: Move) -> None:
    """The step of the night that people wait for, with its notices: the mail server was away for a while."""
    out.event("observed", what="channels", people={"approver": ["mail"], "coordinator": ["mail"]})
    since, people = out.now, ("approver", "coordinator")
    for number in range(5):
        out.wait(1080 if number else 240)
        outcome = "failed" if number == 3 else "sent"
        out.heard("move.delta@final", "waiting", since, *people, outcome=outcome)
    out.people("move.delta", "final", 1200)
    end = out.now
    out.wait(60)
    out.heard("move.delta@final", "ended", end, *people)
    out.event("observed", what="channels", people={})


def write(path: Path) -> Move:
    """A whole move up to the commit; the acceptance is asked for and not signed yet."""
    out = Move(path)
    until_the_freeze(out)
    out.people("move.freeze", "final", 900)
    difference(out)
    out.people("move.switch_domain", "final", 1440)  # 1500 s after it could begin
    out.step("move.name", "final", 380)
    out.step("move.last_health", "final", 180, module="portal_health", results=[{"findings": FINDINGS}])
    out.people("move.open", "final", 420)
    out.step("move.calls", "final", 40)
    remarks = [{"text": "Send the 14 users without a password their letter", "owner": "customer", "due": "2026-05-12"}]
    out.opened("commit", ("coordinator", 300), ("approver", 1300), remarks=remarks)
    return out
