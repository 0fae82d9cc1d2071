# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Molecule scenarios side by side, each on fresh hosts, and say how each went and how long it took.

Scenarios whose boxes start from the image of a provisioned host wait until provision has made it; where provision was
not asked for and the image is absent, provision runs first. tests/molecule.sh is the way to call this.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "molecule" / "shared"))

import provisioned  # noqa: E402 (it lies with the scenarios)

MAKER = "provision"
# Seconds that each scenario may take in `make molecule` on two cores that do nothing else; more is reported, and fails
# nothing, because load decides it. In the order in which they begin: what others wait for first, then the longest, so
# that none runs alone at the end.
BUDGETS = {
    "provision": 360,
    "move": 360,
    "restricted": 360,
    "aftercare": 360,
    "cluster": 360,
    "monitoring": 300,
    "site": 360,
    "take_back": 360,
    "cutover": 360,
    "preproduction": 360,
    "health": 300,
    "hardening": 360,
    "telephony": 360,
    "certificate": 240,
    "secrets": 300,
    "archives": 300,
    "existing": 240,
    "rollback": 360,
    "crm": 360,
    "update": 200,
    "default": 90,
}
LONGEST = 360
# Those that take longer than every change can wait for; `make soak` runs them.
SOAKS = {"web_hosts": 2400}
AT_ONCE = 3
# What names a failure: ansible's, a program's, pytest's.
FAILURE = re.compile(r"fatal: |\[ERROR\]|UNREACHABLE|Traceback|^E  |^FAILED (?!- RETRYING)|^ERROR ")
FOLLOWING, MOST, LINE = 25, 200, 4000
# What a program that a task ran wrote to its standard error, as ansible shows it in YAML: its last line says why.
COMPLAINT = re.compile(r"^stderr: (?!\|)(.*)$|^stderr: \|.*\n((?:.*\n)*?)stderr_lines:", re.MULTILINE)
# A figure that a test prints; it is shown of scenarios that passed, too.
MEASURED = re.compile(r"(?m)^measured: .*$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# With fewer free bytes the hosts of no two scenarios fit; a full disk shows in a dozen other ways.
ROOM = 4 << 30


class Report(t.NamedTuple):
    """How a scenario went."""

    name: str
    verdict: str  # passed or failed
    seconds: int
    reason: str = ""

    @property
    def line(self) -> str:
        budget = {**BUDGETS, **SOAKS}[self.name]
        text = f"{self.name:20} {self.verdict:7} {self.seconds:4} s of {budget} s"
        if self.seconds > budget:
            text += f"  OVER BUDGET by {self.seconds - budget} s"
        return f"{text}  {self.reason}".rstrip()


class Running(t.NamedTuple):
    process: subprocess.Popen[bytes]
    log: Path | None
    began: float


def problems(molecule: Path = ROOT / "molecule", budgets: dict[str, int] | None = None) -> list[str]:
    """What is wrong with the scenarios and their budgets, one sentence each."""
    table = {**BUDGETS, **SOAKS} if budgets is None else budgets
    there = {file.parent.name for file in molecule.glob("*/molecule.yml")}
    return [
        *(f"Scenario {name} has no budget in tests/scenarios.py." for name in sorted(there - table.keys())),
        *(
            f"tests/scenarios.py has a budget for {name}, which is no scenario."
            for name in sorted(table.keys() - there)
        ),
        *(
            f"The budget of scenario {name} is {seconds} s; {LONGEST} s is the longest."
            for name, seconds in table.items()
            if seconds > LONGEST and name not in SOAKS
        ),
        # Molecule passes over a verify step that has no tests.
        *(
            f"molecule/{name}/tests/ has no test_*.py."
            for name in sorted(there)
            if not any((molecule / name / "tests").glob("test_*.py"))
        ),
        # Nor does a step fail whose playbook is not named, or is not there.
        *(f"{name}: {step}" for name in sorted(there) for step in steps_of_nothing(molecule / name)),
    ]


def steps_of_nothing(scenario: Path) -> list[str]:
    """The side effects of a scenario that Molecule would pass over, one sentence each."""
    settings = yaml.safe_load((scenario / "molecule.yml").read_text(encoding="utf-8")) or {}
    named = settings.get("ansible", {}).get("playbooks", {}).get("side_effect", "")
    steps = [step.split() for step in settings.get("scenario", {}).get("test_sequence", [])]
    files = [step[1] if step[1:] else named for step in steps if step[0] == "side_effect"]
    return [
        *(["ansible.playbooks.side_effect is not set, so no side effect runs."] if files and not named else []),
        *(f"{file} is not there." for file in files if file and not (scenario / file).is_file()),
    ]


def starts_provisioned(name: str) -> bool:
    """True if a box of this scenario starts from the image that provision makes."""
    settings = yaml.safe_load((ROOT / "molecule" / name / "molecule.yml").read_text(encoding="utf-8"))
    return bool(settings.get("ansible", {}).get("env", {}).get("LAB_PROVISIONED"))


def start(name: str, logs: Path | None) -> Running:
    command = ["molecule", "test", "--scenario-name", name]
    if logs is None:
        return Running(subprocess.Popen(command, cwd=ROOT), None, time.monotonic())
    log = logs / f"{name}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
    return Running(process, log, time.monotonic())


def reasons(log: str) -> str:
    """What a failed scenario says of its failure: each place that names one, and what follows; its end where none does.

    Whoever reads the whole run's output has to find it there: a scenario prints a thousand lines.
    """
    lines = log.splitlines()
    shown = {
        number
        for place, line in enumerate(lines)
        if FAILURE.search(line)
        for number in range(max(0, place - 3), min(len(lines), place + 1 + FOLLOWING))
    } or set(range(max(0, len(lines) - FOLLOWING), len(lines)))
    return "\n".join(shortened(lines[number]) for number in sorted(shown)[:MOST])


def first_failure(log: str) -> str:
    """The first place of a scenario's output that names a failure, and what follows at once, in one line.

    Of a program that failed also the last line that it wrote: ansible's own words only say that it failed.
    """
    lines = [COLOUR.sub("", line).strip() for line in log.splitlines()]
    found = next((place for place, line in enumerate(lines) if FAILURE.search(line)), max(0, len(lines) - 3))
    said = lines[found : found + 3]
    if complaint := COMPLAINT.search("\n".join(lines[found:])):
        said += (complaint[1] or complaint[2] or "").strip().splitlines()[-1:]
    return shortened(" | ".join(filter(None, said)), 400)


def room() -> tuple[Path, int]:
    """Where the engine keeps its hosts, and how many bytes are free there."""
    command = ["docker", "info", "--format", "{{.DockerRootDir}}"]
    folder = Path(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    return folder, shutil.disk_usage(folder).free


def shortened(line: str, most: int = LINE) -> str:
    """A line without its middle where it is too long: what failed stands at its begin, why at its end."""
    return line if len(line) <= most else f"{line[: most // 4]} […] {line[-most * 3 // 4 :]}"


def run(names: list[str], logs: Path | None, at_once: int) -> list[Report]:
    """Run these scenarios, and return how they went, in the order in which they ended."""
    waiting, running, reports = list(names), dict[str, Running](), list[Report]()
    while waiting or running:
        for name, job in list(running.items()):
            if job.process.poll() is None:
                continue
            del running[name]
            verdict = "failed" if job.process.returncode else "passed"
            if name == MAKER and verdict == "failed":
                # What it has made is not proven.
                provisioned.remove(*map(provisioned.tag, provisioned.RELEASES))
            text = job.log.read_text(encoding="utf-8", errors="replace") if job.log else ""
            reason = first_failure(text) if verdict == "failed" else ""
            reports.append(Report(name, verdict, round(time.monotonic() - job.began), reason))
            if job.log is not None:
                if verdict == "failed":
                    print(reasons(text))
                for line in MEASURED.findall(text):
                    print(line)
                print(f"molecule: {reports[-1].line}", flush=True)
        for name in list(waiting):
            if len(running) >= at_once:
                break
            if starts_provisioned(name) and not provisioned.made():
                if MAKER in waiting or MAKER in running:
                    continue
                reports.append(Report(name, "failed", 0, f"not run: {MAKER} has made no image"))
            else:
                if logs is not None:
                    print(f"molecule: {name} begins", flush=True)
                running[name] = start(name, logs)
            waiting.remove(name)
        time.sleep(0.5)
    return reports


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests/molecule.sh", description="Run Molecule scenarios.")
    parser.add_argument("scenario", nargs="*", choices=[[], *BUDGETS, *SOAKS], help="default: all but those of soak")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="scenarios side by side (default: %(default)s)")
    options = parser.parse_args(arguments)
    if wrong := problems():
        print(*wrong, sep="\n", file=sys.stderr)
        return 1
    folder, free = room()
    if free < ROOM:
        print(
            f"molecule: {folder} has {free >> 30} GiB left, and the hosts need {ROOM >> 30} GiB. Make room there:"
            " docker system df says what the engine keeps.",
            file=sys.stderr,
        )
        return 1
    names = options.scenario or list(BUDGETS)
    if MAKER not in names and any(map(starts_provisioned, names)) and not provisioned.made():
        print(f"molecule: {MAKER} runs first: it makes the hosts that others start from")
        names.insert(0, MAKER)
    with tempfile.TemporaryDirectory() as logs:
        # A single one shows what it does; of several the output is shown where one fails.
        reports = run(names, Path(logs) if len(names) > 1 else None, options.at_once)
    provisioned.remove_outdated()
    print("\nMolecule scenarios:")
    # For tests/run.sh, which counts.
    with open(os.environ.get("BOXLIFT_TEST_RESULTS", os.devnull), "a", encoding="utf-8") as results:
        for report in sorted(reports, key=lambda report: names.index(report.name)):
            print(report.line)
            results.write(f"{report.verdict}\tmolecule {report.name}\t{report.reason}\t{report.seconds}\n")
    failed = [report.name for report in reports if report.verdict == "failed"]
    if failed:
        print(f"molecule: {folder} has {room()[1] >> 30} GiB left; it had {free >> 30} GiB", file=sys.stderr)
        print(f"molecule: failed: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
