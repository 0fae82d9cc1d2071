# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people and a telephone: the operator at the desk inside the site, and the supervisor outside.

python telephone.py WORK

The operator sees his screen and has the printed manual. He types what both say, and nothing else, through tmux. The
supervisor has his own machine and journal. Only digits go between them, and one message in five is misheard.
WORK/calls.json holds what was typed, said and seen; the tests read it.
"""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / ".cache" / "collections"))

from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.digits import check_digit

DESK = f"boxlift-{os.environ['MOLECULE_SCENARIO_NAME']}-desk"
BOX = f"boxlift-{os.environ['MOLECULE_SCENARIO_NAME']}-box12"
LOUD = "boxlift-site ansible-playbook -vvv boxlift.portal.preflight > /root/loud.txt 2>&1"
PROMPT = "desk$"
#: Looks into every process of a host, many times a second, as long as the move lasts.
WATCH = """
import os, time
seen = set()
with open("/root/processes.txt", "w", buffering=1) as found:
    found.write("watching\\n")
    while not os.path.exists("/root/enough"):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for kind in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{pid}/{kind}", "rb") as opened:
                        shown = b"Cana" b"ry0" in opened.read()
                except OSError:
                    continue
                if shown and (pid, kind) not in seen:
                    seen.add((pid, kind))
                    found.write(f"{kind} of {os.readlink(f'/proc/{pid}/exe')}\\n")
        time.sleep(0.1)
"""
SHELL = f"env PS1='{PROMPT} ' ANSIBLE_VAULT_PASSWORD_FILE=/root/vault-password bash --norc --noprofile"
#: Seconds in which each command has to end; building a host takes longest.
PATIENCE = 600
#: One message in so many is misheard.
MISHEARD = 5
#: The stages that are gone through here: preparation and rehearsal.
STAGES = ("1.", "2.")
#: While this step is at work, the operator's terminal dies.
KILLED = "prepare.provision"


class Manual:
    """What is printed: the command of each page, and what people type on it."""

    def __init__(self, path: Path) -> None:
        pages = re.findall(
            r'<section class="page item" id="item-([\d.]+)">(.*?)</section>', path.read_text("utf-8"), re.DOTALL
        )
        self.pages = {number: html.unescape(page) for number, page in pages}

    def command(self, number: str) -> str:
        return self._one(number, rf'<div class="command"><code>(mig {re.escape(number)})</code>')

    def good(self, number: str) -> str:
        return self._one(number, rf"<code>(mig {re.escape(number)} ok)</code>")

    def signatures(self, number: str) -> dict[str, str]:
        """The command of each person who signs."""
        found = re.findall(rf"<code>(mig sign {re.escape(number)} (\w+))</code>", self.pages[number])
        return {person: command for command, person in found}

    def _one(self, number: str, pattern: str) -> str:
        found = re.search(pattern, self.pages[number])
        if found is None:
            sys.exit(f"Page {number} of the manual has no {pattern}")
        return found[1]


class Operator:
    """The terminal at the desk. What the operator sees is what tmux shows."""

    def __init__(self) -> None:
        self.typed: list[str] = []
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "desk", "-x", "120", "-y", "50", SHELL)
        self.await_screen(lambda lines: lines[-1] == PROMPT, "the prompt")

    def type(self, line: str, code: str = "") -> str:
        """Type a line, and a code where it is asked for; the screen when the command has ended."""
        self.begin(line)
        if code:
            self.await_screen(lambda lines: lines[-1].endswith(":"), "the question for a code")
            self._keys(code)
        return self.end()

    def begin(self, line: str) -> None:
        # Each command on an empty screen: whatever is seen is its own.
        self._tmux("send-keys", "-t", "desk", "-R")
        self._tmux("clear-history", "-t", "desk")
        self.typed.append(line)
        self._keys(line)

    def end(self) -> str:
        return "\n".join(self.await_screen(lambda lines: lines[-1] == PROMPT, "the end of the command"))

    def await_screen(self, wanted: t.Callable[[list[str]], bool], what: str) -> list[str]:
        end = time.monotonic() + PATIENCE
        while True:
            shown = self._tmux("capture-pane", "-t", "desk", "-p", "-J", "-S", "-")
            lines = [line.rstrip() for line in shown.rstrip().splitlines()] or [""]
            if wanted(lines):
                return lines
            if time.monotonic() > end:
                sys.exit("\n".join([*lines, f"The screen does not show {what}."]))
            time.sleep(0.2)

    def _keys(self, text: str) -> None:
        self._tmux("send-keys", "-t", "desk", "-l", text)
        self._tmux("send-keys", "-t", "desk", "Enter")

    def _tmux(self, *command: str) -> str:
        return run("docker", "exec", DESK, "tmux", *command)


class Supervisor:
    """His machine, with the same plan and key, and a journal of its own."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.heard: list[str] = []

    def take(self, said: str, **more: str) -> str:
        """What his screen shows when he has put in what he heard."""
        self.heard.append(said)
        command = ["ansible-playbook", "boxlift.portal.read_back"]
        given = f"--extra-vars={json.dumps({'read_back': said, **more})}"
        settings = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE")},
            "ANSIBLE_CONFIG": str(self.site / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(Path(__file__).resolve().parents[3] / ".cache" / "collections"),
            "ANSIBLE_NOCOLOR": "true",
        }
        done = subprocess.run(
            [*command, given], cwd=self.site, env=settings, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def next(self, said: str, **more: str) -> tuple[str, str]:
        """Number and code of what comes next."""
        shown = self.take(said, **more)
        found = re.search(r"^ +mig ([\d.]+|stop|rollback|resume) ([\d ]+)$", shown, re.MULTILINE)
        if found is None:
            sys.exit(f"{shown}\nThe supervisor has no code to give.")
        return found[1], found[2]


class Move:
    """The whole of it, from the first code to the comparison of both heads."""

    def __init__(self, work: Path) -> None:
        self.work = work
        folder = work / "site" / "boxlift-manual"
        self.manual = Manual(folder / "manual.html")
        self.steps = {path.stem: json.loads(path.read_text("utf-8")) for path in (folder / "steps").iterdir()}
        self.papers: dict[str, list[str]] = json.loads((work / "people.json").read_text("utf-8"))
        envelopes = json.loads((work / "site" / "pages.json").read_text("utf-8"))["envelopes"]
        self.envelopes = {each["purpose"]: each["code"] for each in envelopes}
        self.operator, self.supervisor = Operator(), Supervisor(work / "site")
        self.seen: dict[str, str] = {}
        self.messages = 0

    def go(self) -> None:
        for host in (DESK, BOX):
            run("docker", "exec", "--detach", host, "python3", "-c", WATCH)
        number, code = self.supervisor.next("")
        number, code = self.refused(number, code)
        while number.startswith(STAGES):
            number, code = self.call(self.item(number, code))
        self.stopped()
        self.compare()
        # What a run says that is to find an error.
        run("docker", "exec", "--env=ANSIBLE_VAULT_PASSWORD_FILE=/root/vault-password", DESK, "sh", "-c", LOUD)
        for host in (DESK, BOX):
            run("docker", "exec", host, "touch", "/root/enough")

    def refused(self, number: str, code: str) -> tuple[str, str]:
        """What must not begin: another step with this code, this step with another code, or twice with the same."""
        other = next(each for each in self.steps if each not in (number, "stop"))
        for name, line, says in (
            ("out of order", f"{self.manual.command(other)} {code}", f"the code is of step {number}"),
            ("another bundle's", f"{self.manual.command(number)} {another(code)}", "the code fits nothing here"),
        ):
            self.expect(name, self.operator.type(line), says)
        digits = self.item(number, code)
        again = self.operator.type(f"{self.manual.command(number)} {code}")
        self.expect("twice", again, "Say on the telephone")
        return self.call(digits)

    def item(self, number: str, code: str) -> str:
        """Do what a page says; the digits that are read out."""
        began = time.monotonic()
        step = self.steps[number]
        line = f"{self.manual.command(number)} {code}"
        if step["supervise_step"] == KILLED and KILLED not in self.seen:
            return self.killed(line)
        screen = self.show(number, self.operator.type(line))
        if step["supervise_kind"] == "people":
            screen = self.show(number, self.operator.type(self.manual.good(number)))
        if "WAITS FOR SIGNATURES" in screen:
            for person, command in self.manual.signatures(number).items():
                if person in self.papers:
                    self.show(f"{number} {person}", self.operator.type(command, self.papers[person].pop()))
        else:
            self.expect(number, screen, "Result: OK")
        print(f"{time.monotonic() - began:6.1f} s  {number} {step['supervise_step']}", flush=True)
        return digits_of(screen)

    def killed(self, line: str) -> str:
        """The operator's terminal dies while the host is being built; he looks what is left, and reads that out."""
        self.operator.begin(line)
        self.operator.await_screen(lambda lines: any("portal.database :" in each for each in lines), "the database")
        run("docker", "exec", DESK, "pkill", "-KILL", "-f", "ansible-playbook")
        self.show(KILLED, self.operator.end())
        return digits_of(self.expect("killed", self.operator.type("mig"), "BROKEN OFF"))

    def stopped(self) -> None:
        """The line is dead, and something is wrong: the envelopes are opened. Then the line is there again."""
        screen = self.operator.type(f"mig stop {self.envelopes['stop']}")
        stop = digits_of(self.expect("stop", screen, "Result: OK"))
        screen = self.operator.type(f"mig resume {self.envelopes['resume']}")
        resumed = digits_of(self.expect("resume", screen, "Result: OK"))
        self.supervisor.next(stop, read_back_next="resume")
        self.supervisor.next(resumed)

    def compare(self) -> None:
        screen = self.show("state", self.operator.type("mig"))
        head = re.search(r"The chain is at ([\d ]+)\.", screen)
        if head is None or "Both sides have the same head" not in self.supervisor.take("", read_back_head=head[1]):
            sys.exit(f"{screen}\nThe heads differ.")

    def call(self, digits: str) -> tuple[str, str]:
        """Say digits on the telephone. Now and then one is misheard: that is noticed, and they are said again."""
        self.messages += 1
        if self.messages % MISHEARD == 0:
            wrong = digits[:8] + str((int(digits[8]) + 1) % 10) + digits[9:]
            said = self.supervisor.take(wrong)
            if "Group 2 does not fit its check digit" not in said:
                sys.exit(f"{said}\nA misheard digit was not noticed.")
        return self.supervisor.next(digits)

    def expect(self, name: str, screen: str, says: str) -> str:
        self.show(name, screen)
        if says not in screen:
            sys.exit(f"{screen}\n{name}: the screen does not say: {says}")
        return screen

    def show(self, name: str, screen: str) -> str:
        """Keep it for the tests, whatever happens next."""
        self.seen[name] = screen
        kept = {"typed": self.operator.typed, "heard": self.supervisor.heard, "screens": self.seen}
        (self.work / "calls.json").write_text(json.dumps(kept), encoding="utf-8")
        return screen


def another(code: str) -> str:
    """Digits that fit their check digit, and are no code of this site: the code of another bundle."""
    plain = f"{(int(code.replace(' ', '')[:6]) + 1) % 10**6:06d}"
    return plain + check_digit(plain)


def digits_of(screen: str) -> str:
    """The last groups on the screen, as they are read out."""
    found = re.findall(r"^ +((?:\d ){4}\d(?: +(?:\d ){4}\d){2})$", screen, re.MULTILINE)
    if not found:
        sys.exit(f"{screen}\nThe screen has no digits to be read out.")
    return " ".join(group.replace(" ", "") for group in re.split(r" {2,}", found[-1]))


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\n{' '.join(command)} ended with {done.returncode}.")
    return done.stdout


if __name__ == "__main__":
    Move(Path(sys.argv[1])).go()
