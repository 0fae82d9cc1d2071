# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole move as its people type it: each command from somebody's account, with what it must say.

Notes in WORK/night.json what portal, database and files were at each point; the tests compare.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SCENARIO, MOLECULE = HERE.parent, HERE.parents[1]
#: What the live portal is: the sum of its tree without what PHP writes on its own, then each table with its checksum.
LOOK = r"""
cd /srv/portal/www && find . -type f ! -path './bitrix/cache/*' ! -path './bitrix/managed_cache/*' \
  ! -path './bitrix/stack_cache/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum
mariadb -N portal -e "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'" | cut -f1 | sed 's/.*/`&`/' \
  | paste -sd, | sed 's/^/CHECKSUM TABLE /' | mariadb -N portal
"""


#: The figures of a container say nothing.
ACCEPTANCE = tuple(f"--extra-vars=acceptance_{each}" for each in ("seconds=1", "disk_mb=16", "fail_on=never"))


class Night:
    def __init__(self, work: pathlib.Path) -> None:
        self.work, self.noted = work, {}
        self.journal = work / "move.jsonl"
        shutil.copy(HERE / "plan.yml", work / "plan.yml")

    def play(
        self, name: str, *more: str, says: str = "", account: str = "olga", code: int = 0, stage: str = "rehearsal"
    ) -> str:
        """Run a playbook; what it said. Ends everything if it does not say what it must."""
        start = time.monotonic()
        command = [
            "ansible-playbook", f"--inventory={MOLECULE}/shared/inventory.py",
            f"--extra-vars=@{MOLECULE}/provision/vars/site.yml", f"--extra-vars=@{SCENARIO}/vars/site.yml",
            f"--extra-vars=migration_stage={stage}", f"boxlift.portal.{name}", *more,
        ]  # fmt: skip
        settings = {
            "BOXLIFT_JOURNAL": str(self.journal),
            "ANSIBLE_CALLBACKS_ENABLED": "boxlift.portal.journal",
            "SUDO_USER": account,
            "ANSIBLE_FORCE_COLOR": "false",
            "ANSIBLE_NOCOLOR": "true",
        }
        done = subprocess.run(
            command,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = done.stdout + done.stderr
        print(f"{time.monotonic() - start:6.1f} s  {name} {' '.join(more)}", flush=True)
        if done.returncode != code or says not in said:
            sys.exit(f"{said}\n{name} ended with {done.returncode} instead of {code}, or does not say: {says}")
        return said

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
            ["docker", "exec", "-i", f"boxlift-{SCENARIO.name}-box12", "sh", "-ec", LOOK],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.noted[name] = done.stdout.splitlines()
        (self.work / "night.json").write_text(json.dumps(self.noted), encoding="utf-8")


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
    cutover(night, "move.sales_test@final is not done yet")
    night.look("second")
    night.done("move.sales_test", "final")
    said = cutover(night, "entitlement is not met")
    waiver = json.dumps(
        {
            "gate": "go", "sign_person": "approver", "waive_input": "entitlement", "waive_reason": "seen by hand",
            "waive_days": 7, "sign_text": "approver waives go entitlement",
        }
    )  # fmt: skip
    night.play("waive", f"--extra-vars={waiver}", account="approver", stage="final")
    said = cutover(night, "must sign")
    night.sign("go", request_of(said, "go"), "approver", "coordinator", "key_user")
    for step, title in (
        ("move.freeze", "Stop work in the cloud portal"),
        ("move.delta", "Bring over the leads"),
        ("move.switch_domain", "Lead the portal's name"),
        ("move.open", "Open the new portal"),
    ):
        cutover(night, f"now: {title}")
        night.done(step, "final")


def main(work: str) -> None:
    night = Night(pathlib.Path(work))
    for step in ("prepare.agree", "prepare.inventory"):
        night.done(step, "prepare")
    night.play("prepare", *ACCEPTANCE, stage="prepare")
    night.play("rehearse", code=2, says="The gate prepared is closed")
    night.decide("prepared", "approver", "coordinator")
    night.done("move.order_backup", "rehearsal")
    night.play("rehearse", code=2, says="move.sales_test@rehearsal is not done yet")
    night.look("rehearsed")
    night.done("move.sales_test", "rehearsal")
    night.play("rehearse")
    # Nothing of the night before the rehearsal was accepted.
    cutover(night, "The gate rehearsed is closed")
    night.decide("rehearsed", "approver", "coordinator")
    final(night)
    cutover(night, "must sign")
    night.look("open")
    night.play("take_back", stage="final")
    night.look("taken_back")


if __name__ == "__main__":
    main(sys.argv[1])
