# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's scenarios: each has a budget, and none begins before the image that it starts from is there."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import scenarios


class Process:
    """A scenario that ends after so many looks at it."""

    def __init__(self, looks: int, returncode: int) -> None:
        self._looks = looks
        self._then = returncode
        self.returncode: int | None = None

    def poll(self) -> int | None:
        self._looks -= 1
        if self._looks < 0:
            self.returncode = self._then
        return self.returncode


class Lab:
    """Stands for Molecule and the engine; provision makes the image at its third look, and tests on until its sixth."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, image: bool = False, failing: tuple[str, ...] = ()) -> None:
        self.image = image
        self.failing = failing
        self.begun: list[str] = []
        self.running: dict[str, Process] = {}
        self.most = 0
        self.removed = False
        monkeypatch.setattr(scenarios, "start", self.start)
        monkeypatch.setattr(scenarios, "starts_provisioned", lambda name: name in ("health", "archives"))
        monkeypatch.setattr(scenarios.provisioned, "made", lambda: self.image)
        monkeypatch.setattr(scenarios.provisioned, "tag", lambda release: f"image-{release}")
        monkeypatch.setattr(scenarios.provisioned, "remove", self.remove)
        monkeypatch.setattr(scenarios.time, "sleep", self.sleep)

    def start(self, name: str, logs: Path | None) -> scenarios.Running:
        self.begun.append(name)
        self.running[name] = Process(6 if name == "provision" else 2, int(name in self.failing))
        self.most = max(self.most, sum(process.returncode is None for process in self.running.values()))
        return scenarios.Running(t.cast("t.Any", self.running[name]), None, 0.0)

    def sleep(self, seconds: float) -> None:
        provision = self.running.get("provision")
        if provision is not None and provision._looks == 3 and "provision" not in self.failing:
            self.image = True

    def remove(self, *tags: str) -> None:
        assert tags == ("image-12", "image-13")
        self.image, self.removed = False, True


def test_every_scenario_has_tests_and_a_budget() -> None:
    assert scenarios.problems() == []


def test_what_is_wrong_with_budgets_is_said(tmp_path: Path) -> None:
    for name in ("good", "new", "slow"):
        (tmp_path / name / "tests").mkdir(parents=True)
        (tmp_path / name / "molecule.yml").touch()
        (tmp_path / name / "tests" / "test_it.py").touch()
    (tmp_path / "good" / "tests" / "test_it.py").unlink()
    sequence = "[converge, side_effect, side_effect again.yml, verify]"
    (tmp_path / "new" / "molecule.yml").write_text(f"scenario: {{test_sequence: {sequence}}}")
    assert scenarios.problems(tmp_path, {"good": 360, "slow": 361, "gone": 10}) == [
        "Scenario new has no budget in tests/scenarios.py.",
        "tests/scenarios.py has a budget for gone, which is no scenario.",
        "The budget of scenario slow is 361 s; 360 s is the longest.",
        "molecule/good/tests/ has no test_*.py.",
        "new: ansible.playbooks.side_effect is not set, so no side effect runs.",
        "new: again.yml is not there.",
    ]


def test_more_than_the_budget_is_said_and_fails_nothing() -> None:
    assert scenarios.Report("default", "passed", 90).line == "default              passed    90 s of 90 s"
    assert scenarios.Report("default", "passed", 95).line.endswith("95 s of 90 s  OVER BUDGET by 5 s")


def test_scenarios_wait_for_the_image_and_not_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch)
    reports = scenarios.run(["health", "provision", "move", "archives", "default"], None, at_once=3)
    assert lab.begun == ["provision", "move", "default", "health", "archives"]
    assert [report.verdict for report in reports] == ["passed"] * 5
    assert lab.most == 3
    # The image came before provision ended.
    assert [report.name for report in reports].index("provision") > 1


def test_an_image_that_is_there_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, image=True)
    scenarios.run(["health", "provision"], None, at_once=3)
    assert lab.begun == ["health", "provision"]


def test_nothing_starts_from_what_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, failing=("provision",))
    reports = {report.name: report for report in scenarios.run(["provision", "health", "move"], None, at_once=3)}
    assert lab.begun == ["provision", "move"]
    assert lab.removed
    assert (reports["health"].verdict, reports["health"].reason) == ("failed", "not run: provision has made no image")
    assert reports["move"].verdict == "passed"


def test_the_image_of_an_earlier_run_goes_when_provision_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, image=True, failing=("provision",))
    reports = scenarios.run(["health", "provision"], None, at_once=3)
    assert {report.name: report.verdict for report in reports} == {"health": "passed", "provision": "failed"}
    assert not lab.image


def test_of_a_failed_scenario_the_failure_is_shown() -> None:
    before, after = ["ok: [box12]"] * 500, ["changed: [localhost]"] * 500
    night = f"fatal: [localhost]: FAILED! => {{{'x' * 9000}, does not say: The gate commit is open"
    shown = scenarios.reasons(
        "\n".join([*before, "TASK [Go through the move]", night, *after, "E   assert 1 == 2", "end"])
    )
    assert "TASK [Go through the move]" in shown and "does not say: The gate commit is open" in shown
    assert "E   assert 1 == 2\nend" in shown
    assert len(shown) < 6000


def test_of_a_failed_scenario_that_names_no_failure_the_end_is_shown() -> None:
    assert scenarios.reasons("\n".join([*["ok"] * 100, "Killed"])).endswith("ok\nKilled")


def test_the_summary_names_the_first_failure() -> None:
    full = "\x1b[31m[ERROR]: Task failed: No space left on device\x1b[0m"
    log = "\n".join([*["ok"] * 9, "FAILED - RETRYING: [localhost]: Wait", "ok", "ok", full, "", "TASK x", "E   later"])
    assert scenarios.first_failure(log) == "[ERROR]: Task failed: No space left on device | TASK x"
    assert scenarios.first_failure("ok\nKilled") == "ok | Killed"
    program = "[ERROR]: Task failed: Module failed\n\nfatal: [localhost]: FAILED! =>\n    rc: 3\n    stderr: {}\n"
    several = program.format("|-\n        one\n        the last one") + "    stderr_lines: <omitted>\n    stdout: out"
    first = "[ERROR]: Task failed: Module failed | fatal: [localhost]: FAILED! =>"
    assert scenarios.first_failure(several) == f"{first} | the last one"
    assert scenarios.first_failure(program.format("no such host")) == f"{first} | no such host"
    assert scenarios.first_failure("") == ""
    assert len(scenarios.first_failure(f"fatal: {'x' * 9000} why")) < 420


def test_a_disk_without_room_is_said_before_anything_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = Lab(monkeypatch)
    monkeypatch.setattr(scenarios, "room", lambda: (Path("/engine"), 3 << 30))
    assert scenarios.main(["default"]) == 1
    assert "/engine has 3 GiB left" in capsys.readouterr().err
    assert lab.begun == []
