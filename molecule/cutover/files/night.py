# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole move as its people type it: each command from somebody's account, with what it must say.

usage: night.py WORK commit|take_back KILLS

How the night ends, and about how often the controller is killed in the final run: any command at any moment, then it is
run again. WORK/night.json holds what portal, database and files were at each point; the tests compare.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests" / "lab"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".cache" / "collections"))

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process, reader
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Range, forecast
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from name_server import NameServer

HERE = pathlib.Path(__file__).resolve().parent
MOLECULE = HERE.parents[1]
BOX = f"boxlift-{os.environ['MOLECULE_SCENARIO_NAME']}-box12"
DOMAIN, CLOUD = "portal.boxlift.test", "192.0.2.80"
CLOUD_CRM = "cloud.boxlift.test:8443"
#: What the live portal is: the sum of its tree without what PHP writes on its own, then each table with its checksum.
LOOK = r"""
cd /srv/portal/www && find . -type f ! -path './bitrix/cache/*' ! -path './bitrix/managed_cache/*' \
  ! -path './bitrix/stack_cache/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum
mariadb -N portal -e "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'" | cut -f1 | sed 's/.*/`&`/' \
  | paste -sd, | sed 's/^/CHECKSUM TABLE /' | mariadb -N portal
"""


OFFICE = MOLECULE / "crm" / "files" / "office.py"
#: Of each kind, how many records the box's tables hold, and how many the cloud says it has.
COUNT = r"""
import json, os, ssl, subprocess, urllib.request
tls = ssl.create_default_context(cafile=os.environ["AUTHORITY"])
for kind, table in ({kind: kind for kind in ("lead", "deal", "contact", "company")} | {"activity": "act"}).items():
    query = f"SELECT COUNT(*) FROM b_crm_{table}"
    box = subprocess.check_output(["mariadb", "-N", "portal", "-e", query], text=True).strip()
    with urllib.request.urlopen(f"https://cloud.boxlift.test:8443/_lab/rows/{kind}", context=tls) as answer:
        cloud = len(json.load(answer))
    print(kind, box, cloud)
"""

#: The figures of a container say nothing.
ACCEPTANCE = tuple(f"--extra-vars=acceptance_{each}" for each in ("seconds=1", "disk_mb=16", "fail_on=never"))
#: Of all kills, the share that meets a run with most of its work before it, and any other command.
SHARE_AT_WORK, SHARE = 0.4, 0.03
AT_WORK = 15.0  # seconds from its start in which such a run is killed; others within the time they need
#: Of the voice products, but without the library that the site uses.
LICENCE = "Customer = Lab\nModules = queue, fax\nValid-Until = 31.12.2099\nDomain = portal.boxlift.test\n"
#: The night with the commit is of a site whose people carry the CRM's difference over by hand.
BY_HAND = """
  move.warm: null
  move.warm_again: null
  move.delta: {manual: true}
"""
STOOD = "done:\n" + "".join(
    f"  prepare.{step}: 2026-01-01\n" for step in ("agree", "inventory", "preflight", "provision", "accept")
)


class Night:
    def __init__(self, work: pathlib.Path) -> None:
        self.work = work
        self.noted: dict[str, list[str]] = {}
        self.journal = work / "move.jsonl"
        self.kills, self.killed = 0, 0
        seed = int(os.environ.get("BOXLIFT_SEED") or time.time())
        print(f"seed {seed} (BOXLIFT_SEED)", flush=True)
        self.chance = random.Random(seed)
        self.took: dict[str, float] = {}
        self.posts: list[dict[str, t.Any]] = []
        self.by_hand = True
        #: Leads to the cloud, with a TTL that is too long, until somebody changes that.
        self.names = NameServer(DOMAIN, CLOUD, 3600)

    def play(
        self, name: str, *more: str, says: str = "", account: str = "olga", code: int = 0, stage: str = "rehearsal"
    ) -> str:
        """Run a playbook; what it said. Ends everything if it does not say what it must."""
        command, environment = self.command(name, *more, stage=stage), self.settings(account)
        self.kill_often(name, command, environment)
        start = time.monotonic()
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        said = done.stdout + done.stderr
        self.took[name] = time.monotonic() - start
        print(f"{self.took[name]:6.1f} s  {name} {' '.join(more)}", flush=True)
        if done.returncode != code or says not in said:
            sys.exit(f"{said}\n{name} ended with {done.returncode} instead of {code}, or does not say: {says}")
        return said

    def kill_often(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Begin it, and kill the controller's processes at a random moment; what runs on the host runs on there."""
        at_work = name == "take_back" or (name == "cutover" and "second" not in self.noted)
        wanted = self.kills * (SHARE_AT_WORK if at_work else SHARE)
        longest = AT_WORK if at_work else self.took.get(name, 1.5)
        for _kill in range(int(wanted + self.chance.random())):
            after = self.chance.uniform(0.2, longest)
            running = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                running.wait(after)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
                self.killed += 1
                print(f"{after:6.1f} s  {name} killed", flush=True)

    def command(self, name: str, *more: str, stage: str) -> list[str]:
        return [
            "ansible-playbook", f"--inventory={MOLECULE}/shared/inventory.py",
            f"--extra-vars=@{MOLECULE}/provision/vars/site.yml", f"--extra-vars=@{MOLECULE}/cutover/vars/site.yml",
            *(() if self.by_hand else (f"--extra-vars=@{MOLECULE}/take_back/vars/crm.yml",)),
            f"--extra-vars=migration_stage={stage}", f"--extra-vars=name_resolvers={self.names}",
            f"boxlift.portal.{name}", *more,
        ]  # fmt: skip

    def settings(self, account: str, callbacks: str = "boxlift.portal.journal") -> dict[str, str]:
        return {
            **os.environ,
            "BOXLIFT_JOURNAL": str(self.journal),
            "ANSIBLE_CALLBACKS_ENABLED": callbacks,
            "SUDO_USER": account,
            "ANSIBLE_FORCE_COLOR": "false",
            "ANSIBLE_NOCOLOR": "true",
        }

    @contextlib.contextmanager
    def told(self) -> t.Iterator[None]:
        """Meanwhile people are told what goes on, by a webhook that keeps it in WORK/posts.json."""
        server = Webhook()
        self.posts = server.posts
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hooks = {"notify_webhooks": {"team": {"url": f"http://127.0.0.1:{server.server_port}/team"}}}
        (self.work / "webhooks.json").write_text(json.dumps(hooks), encoding="utf-8")
        minutes = ("--extra-vars=notify_minutes=600", "--extra-vars=notify_every=1")
        hooks_given = f"--extra-vars=@{self.work}/webhooks.json"
        command = self.command("notify", *minutes, hooks_given, stage="final")
        with (self.work / "notify.log").open("w", encoding="utf-8") as log:
            follower = subprocess.Popen(
                command,
                env=self.settings("olga", "boxlift.portal.once"),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        try:
            yield
            # Whoever is killed loses nothing: the next look sends what was due.
            follower.terminate()
            follower.wait()
            self.play("notify", hooks_given, says="sent, 0 late, 0 attempts of a channel failed", stage="final")
        finally:
            follower.kill()
            server.shutdown()
            (self.work / "posts.json").write_text(json.dumps(server.posts), encoding="utf-8")

    def heard(self, matter: str, kind: str) -> None:
        """Go on when people were told of it: what is over at once is not told of, and nobody here is slow."""
        end = time.monotonic() + 180
        while not any((post["matter"], post["kind"]) == (matter, kind) for post in self.posts):
            if time.monotonic() > end:
                log = (self.work / "notify.log").read_text(encoding="utf-8")
                sys.exit(f"{log}\n{self.posts}\nNobody was told of {matter}, {kind}.")
            time.sleep(0.1)

    def done(self, step: str, stage: str) -> None:
        self.play("done", f"--extra-vars=done_step={step}", stage=stage)

    def decide(self, gate: str, *people: str) -> None:
        """Ask for a gate, and let everybody sign from an account of his own."""
        asked = ("--extra-vars=ask_by=operator", f"--extra-vars=gate={gate}")
        said = self.play("ask", *asked, code=2, says="must sign")
        self.sign(gate, request_of(said, gate), *people)
        self.play("ask", *asked, says=f"The gate {gate} is open")

    def sign(self, gate: str, request: str, *people: str) -> None:
        for person in people:
            text = json.dumps({"gate": gate, "sign_person": person, "sign_text": f"{person} approves {gate} {request}"})
            self.play("sign", f"--extra-vars={text}", account=person)

    def look(self, name: str) -> None:
        """Note what the portal is now."""
        done = subprocess.run(
            ["docker", "exec", "-i", BOX, "sh", "-ec", LOOK],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.note(name, done.stdout.splitlines())

    def note(self, name: str, lines: list[str]) -> None:
        self.noted[name] = lines
        (self.work / "night.json").write_text(json.dumps({"kills": self.killed, **self.noted}), encoding="utf-8")

    def work_in(self, portal: str, word: str) -> None:
        """People work in one of the portals, and begin what they write with the word."""
        if not self.by_hand:
            webhook = f"https://{portal}/rest/1/hook0123456789ab/"
            self.note(f"work {word}", [self.in_the_box(OFFICE.read_text(encoding="utf-8"), webhook, word)])

    def count(self, name: str) -> None:
        """Count the records of both portals, each where it keeps them."""
        if not self.by_hand:
            self.note(f"counts {name}", self.in_the_box(COUNT).splitlines())

    def in_the_box(self, program: str, webhook: str = "", *arguments: str) -> str:
        """What a Python program says that runs on the box, which knows the names of both portals."""
        authority = (self.work / "portals-ca.pem").read_text(encoding="utf-8")
        into = ["docker", "exec", "-i", "--env", f"WEBHOOK={webhook}", "--env", "AUTHORITY=/tmp/portals-ca.pem", BOX]
        steps = ((("sh", "-c", "cat > /tmp/portals-ca.pem"), authority), (("python3", "-", *arguments), program))
        for command, sent in steps:
            done = subprocess.run([*into, *command], input=sent, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{done.stdout}{done.stderr}\n{command[0]} on the box ended with {done.returncode}.")
        return done.stdout

    def second_cloud(self) -> None:
        """The cloud has become what the second backup holds."""
        *options, _playbook = self.command("", stage="final")
        manifest = f"--extra-vars=lab_crm_manifest={self.work}/backup-2/manifest.json"
        playbook = str(MOLECULE.parent / "tests" / "lab" / "crm.yml")
        subprocess.run([*options, manifest, playbook], env=self.settings("olga"), check=True)


def address_of_the_box() -> str:
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    done = subprocess.run(
        ["docker", "inspect", "--format", template, BOX], capture_output=True, text=True, check=True
    )  # fmt: skip
    return done.stdout.strip()


class Webhook(http.server.ThreadingHTTPServer):
    """Takes notices on this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Post)
        self.posts: list[dict[str, t.Any]] = []


class Post(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        self.server.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: t.Any) -> None:
        """The output is that of the playbooks."""


def request_of(said: str, gate: str) -> str:
    found = re.search(rf"NAME approves {gate} ([0-9a-f]{{8}})", said)
    if found is None:
        sys.exit(f"{said}\nThe gate {gate} does not say its request.")
    return found[1]


def cutover(night: Night, says: str, code: int = 2, *more: str) -> str:
    return night.play("cutover", "--extra-vars=ask_by=operator", *more, says=says, code=code, stage="final")


def final(night: Night) -> None:
    """From the second backup to the open portal."""
    for step in ("move.order_backup", "move.tell_users"):
        night.done(step, "final")
    if not night.by_hand:
        night.second_cloud()
    night.work_in(CLOUD_CRM, "before")
    cutover(night, "move.sales_test@final is not done yet")
    night.look("second")
    night.done("move.sales_test", "final")
    cutover(night, "name_ttl is not met (1 fail: name.ttl)")
    night.names.ttl = 300
    # A look by hand is enough.
    night.play("name", says="has set 300 s", stage="final")
    cutover(night, "entitlement is not met (1 fail: entitlement.voice_library)")
    waiver = json.dumps(
        {
            "gate": "go", "sign_person": "approver", "waive_input": "entitlement", "waive_reason": "it comes on Monday",
            "waive_days": 7, "sign_text": "approver waives go entitlement",
        }
    )  # fmt: skip
    night.play("waive", f"--extra-vars={waiver}", account="approver", stage="final")
    said = cutover(night, "must sign")
    night.heard("gate go@final", "asked")
    night.sign("go", request_of(said, "go"), "approver", "coordinator", "key_user")
    for step, title in (
        ("move.freeze", "Stop work in the cloud portal"),
        ("move.delta", "Carry over the last of the CRM"),
        ("move.switch_domain", "Lead the portal's name"),
        ("move.open", "Open the new portal"),
    ):
        if step == "move.delta" and not night.by_hand:
            continue
        cutover(night, f"now: {title}")
        if step == "move.freeze":
            night.heard("move.freeze@final", "waiting")
            night.work_in(CLOUD_CRM, "evening")
        night.done(step, "final")
        if step == "move.switch_domain":
            night.count("moved")
            cutover(night, f"{night.names} still leads {DOMAIN} to {CLOUD}", 2, "--extra-vars=name_wait_minutes=0")
            night.names.address = address_of_the_box()


def prepare(night: Night) -> None:
    """From the agreement to hosts that may be moved to."""
    for step in ("prepare.agree", "prepare.inventory"):
        night.done(step, "prepare")
    night.play("prepare", *ACCEPTANCE, stage="prepare")
    night.play("rehearse", code=2, says="The gate prepared is closed")


def rehearse(night: Night) -> None:
    night.play("codes", "--extra-vars=codes_count=2", says="ID OF THE PERSON")
    night.decide("prepared", "approver", "coordinator")
    night.done("move.order_backup", "rehearsal")
    night.work_in(CLOUD_CRM, "rehearsal")
    night.play("rehearse", code=2, says="move.sales_test@rehearsal is not done yet")
    night.look("rehearsed")
    night.count("rehearsed")
    night.done("move.sales_test", "rehearsal")
    night.play("rehearse")
    # Nothing of the night before the rehearsal was accepted.
    night.play("cutover", "--extra-vars=ask_by=operator", says="The gate rehearsed is closed", code=2, stage="final")
    night.decide("rehearsed", "approver", "coordinator")


def commit(night: Night) -> None:
    night.sign("commit", request_of(cutover(night, "must sign"), "commit"), "approver", "coordinator")
    cutover(night, "The gate commit is open", 0)
    night.kills = 0
    night.look("committed")
    night.play("take_back", says="The move is committed: there is no cutover", code=2)
    night.look("still_committed")


def take_back(night: Night) -> None:
    night.work_in(DOMAIN, "opened")
    night.count("opened")
    # People have worked with the portal, so it says which number must be given.
    said = night.play(
        *("take_back", "--extra-vars=crm_carry_back=false"),
        says="is in use since generation 2 became live", code=2, stage="final",
    )  # fmt: skip
    if "rollback_generation=1 " not in said:
        sys.exit(f"{said}\nIt does not say which generation was live before.")
    night.play("take_back", "--extra-vars=rollback_generation=1", stage="final")
    night.look("taken_back")
    night.count("taken_back")
    # Nobody's word of this night opens anything for the next one.
    night.kills = 0
    cutover(night, "The gate rehearsed is closed")


def foreseen(night: Night) -> dict[str, Range]:
    """How long each step of the final run takes, by the rehearsal."""
    plan, journal = load(str(night.work / "plan.yml")), str(night.journal)
    what = forecast(plan, reader.read([journal]), journal, "final", time.time(), process.is_running)
    return {each.id: each.seconds for each in what.steps if each.seconds and each.kind == "step"}


def compare(night: Night, expected: dict[str, Range]) -> None:
    """Say how good the forecast was, of the steps that a playbook does."""
    plan = load(str(night.work / "plan.yml"))
    for name, attempts in reader.read([str(night.journal)]).steps.items():
        took = [each.seconds for each in attempts if each.stage == "final" and each.seconds is not None]
        if name in expected and took and plan.steps[name].playbook:
            p50, p80, basis = expected[name].p50, expected[name].p80, expected[name].basis
            print(f"{took[-1]:6.1f} s  {name}: P50 {p50:.1f}, P80 {p80:.1f} ({basis}); {took[-1] / p50 - 1:+.0%}")


def main(work: str, end: str, kills: str) -> None:
    night = Night(pathlib.Path(work))
    plan = (HERE / "plan.yml").read_text(encoding="utf-8")
    # The night that is taken back is of a site whose hosts stood before its plan began.
    night.by_hand = end == "commit"
    plan = plan + STOOD if end == "take_back" else plan.replace("steps:\n", f"steps:{BY_HAND}", 1)
    (night.work / "plan.yml").write_text(plan, encoding="utf-8")
    (night.work / "voice.lic").write_text(LICENCE, encoding="utf-8-sig")
    with night.told():
        move(night, end, int(kills))


def move(night: Night, end: str, kills: int) -> None:
    if end == "commit":
        prepare(night)
    rehearse(night)
    expected = foreseen(night)
    night.kills = kills
    final(night)
    cutover(night, "must sign")
    night.look("open")
    night.play("status", says="closed for", stage="final")
    {"commit": commit, "take_back": take_back}[end](night)
    night.kills = 0
    compare(night, expected)


if __name__ == "__main__":
    main(*sys.argv[1:])
