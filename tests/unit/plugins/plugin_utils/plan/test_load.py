# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The default plan, sites' files over it, and what is said of a plan that cannot be used."""

from __future__ import annotations

import datetime
import textwrap
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import check, schema
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import default, load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.source import PlanError, from_mapping
from unit.plugins.plugin_utils.by_hand import BY_HAND

NIGHT = {"window_start": "2026-11-28 22:00", "window_end": "2026-11-29 06:00"}


def refused(folder: Path, text: str) -> list[str]:
    """What is said of a site's file, each problem as people read it, without the folder."""
    file = folder / "plan.yml"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        load(str(file))
    lines = str(caught.value).splitlines()
    problems = [str(problem) for problem in caught.value.problems]
    assert lines[1:] == problems
    return [problem.replace(f"{folder}/", "") for problem in problems]


class TestDefault:
    def test_every_step_has_an_owner_an_estimate_and_a_way_back(self) -> None:
        plan = load()
        for step in plan.steps.values():
            assert step.owner in plan.organisations
            assert step.estimate.seconds > 0
            assert bool(step.undo.playbook) != bool(step.undo.reason)
            assert step.notice.first_minutes <= 5
            assert 20 <= step.notice.every_minutes <= 30
            assert step.evidence

    def test_every_named_playbook_is_there(self) -> None:
        """The loader refuses others; this one does not rely on it."""
        steps = load().steps.values()
        named = {name for step in steps for name in (step.playbook, step.undo.playbook) if name}
        assert named >= {"preflight", "provision", "accept", "fetch", "restore", "configure", "telephony", "health"}
        assert [name for name in named if not (check.PLAYBOOKS / f"{name}.yml").is_file()] == []

    def test_nothing_is_told_to_be_missing(self) -> None:
        assert [step.id for step in load().steps.values() if step.not_yet] == []

    def test_ids_stay(self) -> None:
        """Journals and signatures name them. An id may be added; one that is gone breaks plans of sites."""
        assert set(load().steps) >= {
            *("prepare.agree", "prepare.inventory", "prepare.preflight", "prepare.provision", "prepare.accept"),
            *("move.order_backup", "move.tell_users", "move.fetch", "move.restore", "move.configure"),
            *("move.telephony", "move.health", "move.test_calls", "move.sales_test", "move.report"),
            *("move.preproduction", "move.freeze", "move.delta", "move.switch_domain", "move.last_health"),
            *("move.open", "settle.watch", "settle.backup", "settle.preproduction", "settle.report"),
            *("settle.hand_over", "move.warm", "move.warm_again"),
        }
        assert set(load().gates) >= {"prepared", "rehearsed", "go", "commit", "accepted"}

    def test_phase_two_is_done_twice_with_the_same_steps(self) -> None:
        plan = load()
        rehearsal = {step.id for step in plan.occurrences("rehearsal")}
        final = {step.id for step in plan.occurrences("final")}
        assert {"move.fetch", "move.restore", "move.configure", "move.health"} <= rehearsal & final
        assert rehearsal - final == {"move.preproduction"}

    def test_the_window_is_left_to_the_site(self) -> None:
        cutover = load().cutover
        assert (cutover.window_start, cutover.window_end, cutover.point_of_no_return) == (None, None, None)
        assert (cutover.commit_minutes, cutover.policy) == (60, "propose_rollback")


class TestSite:
    def test_overrides_only_what_differs(self) -> None:
        plan = load(
            {
                "timezone": "Europe/Moscow",
                "cutover": NIGHT,
                "people": {"approver": {"name": "Anna Schmidt", "language": "de"}},
                "steps": {"move.fetch": {"estimate": {"seconds": 50000, "source": "rehearsal"}}},
            }
        )
        usual = load()
        assert plan.people["approver"].name == "Anna Schmidt"
        assert plan.people["approver"].roles == usual.people["approver"].roles
        assert plan.steps["move.fetch"].estimate.seconds == 50000
        assert plan.steps["move.fetch"].title == usual.steps["move.fetch"].title
        assert list(plan.steps) == list(usual.steps)
        assert plan.cutover.window_start == datetime.datetime.fromisoformat("2026-11-28T22:00+03:00")

    def test_the_point_of_no_return_leaves_time_for_the_rollback(self) -> None:
        plan = load({"cutover": {**NIGHT, "rollback": {"seconds": 5400}}})
        assert plan.cutover.point_of_no_return == datetime.datetime.fromisoformat("2026-11-29T04:30+00:00")
        given = load({"cutover": {**NIGHT, "point_of_no_return": "2026-11-29 03:00"}})
        assert given.cutover.point_of_no_return == datetime.datetime.fromisoformat("2026-11-29T03:00+00:00")

    def test_takes_the_telephony_out(self) -> None:
        plan = load({"steps": {"move.telephony": None, "move.test_calls": None}, "lead_items": {"numbers": None}})
        assert "move.telephony" not in plan.steps
        assert plan.steps["move.entitlement"].depends == ("move.warm",)
        after = ("move.health", "move.entitlement", "move.warm", "move.sales_test")
        assert plan.steps["move.report"].depends == after

    def test_adds_a_step_and_a_playbook_of_its_own(self) -> None:
        step = {
            "title": "Bring the archive of the old exchange",
            "phase": "move",
            "stages": ["final"],
            "owner": "customer",
            "playbook": "playbooks/archive.yml",
            "depends": ["move.restore"],
            "estimate": {"seconds": 600, "source": "model"},
            "undo": {"reason": "It only adds files."},
        }
        plan = load({"steps": {"site.archive": step, "move.delta": {"playbook": "site.own.delta"}}})
        assert plan.steps["site.archive"].stages == ("final",)
        assert plan.steps["site.archive"].urgency == "high"
        assert plan.steps["move.delta"].playbook == "site.own.delta"

    def test_people_carry_the_difference_over(self) -> None:
        plan = load({"steps": BY_HAND})
        assert (plan.steps["move.delta"].manual, plan.steps["move.delta"].vars) == (True, {})
        assert plan.steps["move.freeze"].depends == ("move.name_ttl", "move.tell_users")
        assert plan.gates["go"].after == ("move.name_ttl",)

    def test_a_file_and_the_mapping_read_from_it_are_the_same_plan(self, tmp_path: Path) -> None:
        file = tmp_path / "plan.yml"
        file.write_text("issued: 2026-10-01\ncutover: {window_start: 2026-11-28 22:00, window_end: 2026-11-29 06:00}\n")
        inventory = {
            "issued": datetime.date(2026, 10, 1),  # as an inventory's own YAML gives it
            "cutover": {"window_start": datetime.datetime(2026, 11, 28, 22), "window_end": "2026-11-29 06:00"},
        }
        assert load(str(file)) == load(inventory)

    def test_what_a_merge_key_names_may_be_overridden(self, tmp_path: Path) -> None:
        file = tmp_path / "plan.yml"
        file.write_text("""\
people:
  approver: &of_ours {name: Anna, language: de}
  executor: {<<: *of_ours, name: Boris}
""")
        people = load(str(file)).people
        assert (people["executor"].name, people["executor"].language) == ("Boris", "de")

    def test_what_happened_is_no_part_of_what_was_agreed(self) -> None:
        usual = load()
        done = load(
            {
                "done": {"prepare.agree": "2026-10-02", "move.fetch@rehearsal": "2026-10-20"},
                "lead_items": {"hosts": {"ordered": "2026-10-01", "arrived": "2026-10-09"}},
            }
        )
        assert done.done[Moment("move.fetch", "rehearsal")] == datetime.date(2026, 10, 20)
        assert done.done[Moment("prepare.agree", "prepare")] == datetime.date(2026, 10, 2)
        assert (done.lead_items["hosts"].state, done.lead_items["licence"].state) == ("arrived", "open")
        assert done.sha256 == usual.sha256
        for change in (
            {"gates": {"go": {"timeout_minutes": 61}}},
            {"people": {"operator": {"name": "B"}}},
            {"lead_items": {"hosts": {"lead_days": 11}}},
            {"cutover": NIGHT},
        ):
            assert load(t.cast("dict[str, t.Any]", change)).sha256 != usual.sha256


class TestRefusals:
    def test_everything_at_once_with_line_path_and_remedy(self, tmp_path: Path) -> None:
        assert refused(
            tmp_path,
            """\
            cutover:
              window_start: 2026-11-28 22:00
              policy: rollback
            people:
              approver:
                roles: [aprover]
                key: my secret
            steps:
              move.fetsh:
                owner: customer
              move.restore:
                depends: [move.fetch, move.verify]
                estimate: {seconds: soon}
                playbook: restor
              move.report: {notice: {every_minutes: 45}}
            lead_items:
              gone: null
              hosts: {need_by: prepare.prefligth}
            timezone: Europe/Moskow
            """,
        ) == [
            "plan.yml:1: cutover: The window is not complete. Give window_start and window_end, both or "
            "neither; without them there is no point of no return.",
            'plan.yml:3: cutover > policy: "rollback" is not possible here. Expected: What is proposed when '
            "nobody has decided in time: propose_rollback, propose_commit or none.",
            "plan.yml:7: people > approver > key: This value is not possible here. Expected: The public SSH key"
            " for signatures, one line as in id_ed25519.pub. Never the private one.",
            "plan.yml:9: steps > move.fetsh: title, phase, estimate and undo are missing. Did you mean "
            "move.fetch? If it is new, write all of it. Expected: A step with title, phase, owner, estimate, "
            "undo, and either playbook or `manual: true`.",
            'plan.yml:13: steps > move.restore > estimate > seconds: "soon" is not possible here. Expected: A '
            "whole number of seconds, at least 1.",
            "plan.yml:15: steps > move.report > notice > every_minutes: 45 is not possible here. Expected: A "
            "whole number from 5 to 30: nobody waits longer for the next notice.",
            "plan.yml:17: lead_items > gone: There is nothing of this id to take out. Take the line out, or "
            "correct the id.",
            "plan.yml:18: lead_items > hosts > need_by: There is no prepare.prefligth among steps. Did you mean"
            " prepare.preflight?",
            "plan.yml:19: timezone: There is no time zone 'Europe/Moskow'. timedatectl list-timezones names them all.",
        ]

    def test_references_that_lead_nowhere(self, tmp_path: Path) -> None:
        assert refused(
            tmp_path,
            """\
            people:
              approver: {roles: [apprower]}
            steps:
              move.restore:
                depends: [move.fetch, move.verify]
                playbook: restor
              move.health: {stages: [rehearsal, prepare]}
              prepare.accept: {depends: [move.fetch]}
              move.freeze: {owner: custommer, gates: []}
              prepare.inventory: {manual: false}
              move.telephony: null
            lead_items:
              hosts: {need_by: move.fetch}
              licence: {ordered: 2026-10-05, arrived: 2026-10-04}
              numbers: {need_by: move.freeze@finale}
            done: {move.restore@prepare: 2026-10-01}
            gates:
              prepared: null
            cutover:
              last: prepare.accept
              window_start: 2026-11-28 22:00
              window_end: 2026-11-28 21:00
            """,
        ) == [
            "plan.yml:1: people: 1 of customer must sign as approver (gates: rehearsed, go, commit, accepted), "
            "and 0 can. Give somebody under `people` that role, or ask for fewer.",
            "plan.yml:4: steps > move.restore: This collection has no playbook restor. Did you mean restore?",
            "plan.yml:5: steps > move.restore > depends[1]: There is no move.verify among steps. Possible are "
            "prepare.agree, prepare.inventory, prepare.preflight, prepare.provision, prepare.accept, "
            "move.order_backup, move.tell_users, move.fetch, move.restore, move.configure, move.warm, move.health, "
            "move.entitlement, move.test_calls, move.sales_test, move.report, move.preproduction, move.name_ttl, "
            "move.warm_again, move.freeze, move.delta, move.switch_domain, move.name, move.last_health, "
            "move.open, move.calls, settle.watch, settle.backup, settle.preproduction, settle.report, "
            "settle.hand_over.",
            "plan.yml:7: steps > move.health > depends[0]: move.configure is done only after stage prepare, in "
            "which move.health waits for it. Take it out of `depends`, or narrow the step's `stages`.",
            "plan.yml:7: steps > move.health > stages: Stage prepare is no part of phase move. Name stages of "
            "the step's own phase.",
            "plan.yml:8: steps > prepare.accept > depends[0]: move.fetch is done only after stage prepare, in "
            "which prepare.accept waits for it. Take it out of `depends`, or narrow the step's `stages`.",
            "plan.yml:9: steps > move.freeze > gates: Nothing waits for gate go, so that it stops nobody. Name "
            "it in the `gates` of a step, or take the gate out as well.",
            "plan.yml:9: steps > move.freeze > owner: There is no custommer among organisations. Did you mean "
            "customer?",
            "plan.yml:10: steps > prepare.inventory: A playbook does this step, or people do. Write either "
            "playbook or `manual: true`.",
            "plan.yml:13: lead_items > hosts > need_by: The stage is missing. Write move.fetch@rehearsal or "
            "move.fetch@final.",
            "plan.yml:14: lead_items > licence > arrived: It arrived before it was ordered. Correct one of the "
            "two days.",
            "plan.yml:15: lead_items > numbers > need_by: move.freeze is not done in a stage finale. Write "
            "move.freeze@final.",
            "plan.yml:16: done > move.restore@prepare: move.restore is not done in a stage prepare. Write "
            "move.restore@rehearsal or move.restore@final.",
            "plan.yml:18: gates > prepared: It is taken out, but stages > rehearsal > gate still names it. Keep"
            " it, or give stages > rehearsal > gate another value in this file.",
            "plan.yml:20: cutover > last: move.freeze and prepare.accept are not in the same stage. Name two "
            "steps of the final run.",
            "plan.yml:22: cutover > window_end: The window ends before it begins. Give a later end.",
        ]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a: [", "plan.yml:1: This is no YAML: expected the node content, but found '<stream end>'."),
            ("- a\n", "plan.yml:1: A plan is a mapping."),
            (
                "title: a\nsite: b\ntitle: c\n",
                "plan.yml:3: title: title stands here a second time; the first one is in ",
            ),
            (
                "cutover: {policy: none, policy: none}\n",
                "plan.yml:1: cutover > policy: policy stands here a second time",
            ),
            ("title: !vault a\n", "plan.yml:1: title: YAML's tag !vault has no meaning in a plan."),
            ("holidays: &a [*a]\n", "plan.yml:1: holidays[0]: An alias stands within what it names."),
            ("issued: 2026-02-30\n", 'plan.yml:1: issued: "2026-02-30" is not possible here. Expected: A day as'),
            ("timezone: Europe/Moskow\n", "plan.yml:1: timezone: There is no time zone 'Europe/Moskow'."),
            ("pepole: {}\n", "plan.yml:1: pepole: There is no such key. Did you mean people?"),
            ("steps: {Move.Fetch: {title: a}}\n", "plan.yml:1: steps > Move.Fetch: This is no id. Small letters,"),
            ("steps: 5\n", "plan.yml:1: steps: 5 is not possible here. Expected: Entries by their ids:"),
        ],
    )
    def test_one_thing(self, text: str, problem: str, tmp_path: Path) -> None:
        said = refused(tmp_path, text)
        assert any(line.startswith(problem) for line in said), said

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(BoxliftError, match=r"absent.yml: No such file or directory."):
            load(str(tmp_path / "absent.yml"))

    def test_not_utf_8(self, tmp_path: Path) -> None:
        (tmp_path / "plan.yml").write_bytes(b"site: a\ntitle: \xe4\n")
        with pytest.raises(PlanError, match=r"plan.yml:2: This is not UTF-8. Save the file as UTF-8."):
            load(str(tmp_path / "plan.yml"))

    def test_without_jsonschema(self, monkeypatch: pytest.MonkeyPatch) -> None:
        schema.validator.cache_clear()
        monkeypatch.setattr(schema, "ABSENT", ImportError("No module named 'jsonschema'"))
        with pytest.raises(BoxliftError, match="No module named 'jsonschema'") as caught:
            load()
        assert "pip install -r requirements.txt" in caught.value.remedy
        schema.validator.cache_clear()


def test_the_default_plan_says_nothing_of_a_site() -> None:
    data = default().data
    assert not {"site", "issued"} & data.keys()
    assert data["done"] == {}
    assert from_mapping(data).data == data
