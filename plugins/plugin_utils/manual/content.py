# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages of the manual say: a plan and its items as plain values, in the plan's language."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual import room, steps, wrapped
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.room import GAP, HEADING, LINE, Sheet, fitting
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.words import Words
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import graph
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Sample, expected
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.graph import Node
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Gate, Plan, Step
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import schedule
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, digits, screen, site
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.codes import Entry
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.numbers import GATE, PLAYBOOK, Item, items
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.numbers import PEOPLE as BY_PEOPLE
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.state import Ended

#: Samples by stage and step, as `forecast.samples_of` finds them in the journals of rehearsals.
Measured = t.Mapping[str, t.Mapping[str, t.Sequence[Sample]]]
FRONT = 3  # pages before the contents: title, how it works, for the officer
ROWS = 30  # of the contents on a page
PEOPLE_ROWS = 12  # on the title page; who is more stands on a page of the same kind behind it
#: Longer texts of the plan are cut off here, so that a page stays a page. The plan has them in full.
LONGEST = {"title": 110, "purpose": 160, "text": 240, "name": 40, "evidence": 90}

#: Dots in place of a read-back: nobody takes them for the real one.
DIGITS = " ".join(["•" * (digits.GROUP + 1)] * codes.GROUPS)
FRONT_ROOM = 265.0  # mm of the title page above its footer
ROOM = 250.0  # mm of an item's page, between its running head and what stands at its foot
MOST = 4  # names of one kind in a line


@dataclasses.dataclass(frozen=True)
class Signer:
    """`count` of the people must sign; each is an id, which he types, and a name."""

    count: int
    role: str
    org: str
    people: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a screen ends: `kind` is `good`, `waits` or `bad`."""

    kind: str
    screen: str


@dataclasses.dataclass(frozen=True)
class Duration:
    """`p80` is empty where a gate is meant, which is valid for so long."""

    p50: str
    p80: str
    measured: bool


@dataclasses.dataclass(frozen=True)
class Page:
    """One item. `after` are the numbers that must be done before; `page` is the number of its page."""

    number: str
    kind: str
    stage: str
    id: str
    title: str
    purpose: str
    org: str
    people: tuple[str, ...]
    takes: Duration
    planned: str
    after: tuple[str, ...]
    todo: str
    evidence: tuple[str, ...]
    signers: tuple[Signer, ...]
    inputs: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    undo: str
    undo_by_machine: bool
    undo_command: str
    files: tuple[wrapped.File, ...]
    page: int
    scale: float  # below 1 where the page is set smaller, so that all of it fits


@dataclasses.dataclass(frozen=True)
class Someone:
    name: str
    org: str
    roles: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Manual:
    title: str
    site: str
    plan: str
    sha256: str
    spoken: str  # the same in digits, as both sides read them to each other
    timezone: str
    window: tuple[str, str] | None
    no_return: str
    operator: str
    watchers: tuple[str, ...]
    people: tuple[tuple[Someone, ...], ...]  # by page
    front_scale: float
    contents: tuple[tuple[Page, ...], ...]  # by page
    pages: tuple[Page, ...]
    common: tuple[wrapped.File, ...]
    mig: str  # the whole script
    count: int  # of all pages


#: What every short command runs beside the playbook of its item.
COMMON = ("supervise", "steps.nothing", "ask", "sign", "stop", "read_back_show", "take_back")


def content(plan: Plan, words: Words, measured: Measured) -> Manual:
    """Raises BoxliftError for an item that no page could hold."""
    return _Content(plan, words, measured).whole()


class _Content:
    def __init__(self, plan: Plan, words: Words, measured: Measured) -> None:
        self.plan, self.words, self.measured = plan, words, measured
        self.cutover = plan.steps[plan.cutover.first].stages[-1]
        self.zone = zoneinfo.ZoneInfo(plan.timezone)
        self.items = items(plan)
        self.nodes = {self.node(item): item.number for item in self.items}
        self.before = graph.build(plan).before
        self.schedule = schedule(plan)
        self.slots = {slot.node: slot for slot in self.schedule.slots}

    def whole(self) -> Manual:
        plan, mig = self.plan, steps.command()
        people = _split([self.someone(name) for name in plan.people], PEOPLE_ROWS)
        rows = _split(self.items, ROWS)
        first = FRONT + len(people) - 1 + len(rows) + 1
        pages = tuple(self.page(item, number) for number, item in enumerate(self.items, first))
        cutover = plan.cutover
        window = None
        if cutover.window_start is not None and cutover.window_end is not None:
            window = (self.moment(cutover.window_start), self.moment(cutover.window_end))
        return Manual(
            title=self.text(plan.title, "title"),
            site=self.text(plan.site, "title"),
            plan=plan.id,
            sha256=plan.sha256,
            spoken=codes.spoken(plan.sha256),
            timezone=plan.timezone,
            window=window,
            no_return=self.moment(cutover.point_of_no_return) if cutover.point_of_no_return else "",
            operator=self.named(plan.supervision.operator),
            watchers=tuple(map(self.named, plan.supervision.watchers)),
            people=tuple(people),
            front_scale=min(
                fitting(functools.partial(self.front_height, group), FRONT_ROOM) or 0.5 for group in people
            ),
            contents=tuple(_split(pages, ROWS)),
            pages=pages,
            common=(
                wrapped.File("mig", hashlib.sha256(mig).hexdigest()),
                *dict.fromkeys(file for name in COMMON for file in wrapped.files_of(name)),
            ),
            mig=mig.decode(),
            count=first - 1 + len(pages),
        )

    def front_height(self, group: t.Sequence[Someone], sheet: Sheet) -> float:
        """Of the title page, in mm."""
        rows = [max((one.name, one.org, ", ".join(one.roles)), key=room.width) for one in group]
        return 110 + sheet.text(self.text(self.plan.title, "title"), 56, 7) + sheet.rows(rows, 20, 8.4)

    def node(self, item: Item) -> Node:
        if item.kind == GATE:
            return graph.gate_node(self.plan, item.id)
        return graph.step_node(self.plan, item.id, item.stage)

    def named(self, person: str) -> str:
        return self.text(self.plan.people[person].name, "name") if person else ""

    def outcomes(self, item: Item) -> tuple[Outcome, ...]:
        """What the operator sees, by the very code that shows it; dots stand for the digits."""
        kinds = {
            PLAYBOOK: {"good": codes.OK, "bad": codes.FAILED},
            BY_PEOPLE: {"good": codes.OK},
            GATE: {"waits": codes.WAITING},
        }[item.kind]
        title = site.title(self.plan, {item.number: item}, item.number)
        in_cutover = site.in_cutover(self.plan, item)
        found = []
        for kind, outcome in kinds.items():
            ended = Ended(Entry(item.number, 1, outcome, 0), DIGITS, DIGITS, 0.0)
            shown = [line for line in screen.block(title, ended, in_cutover) if line != screen.RULE]
            shown = [line.partition(", about")[0] if line.startswith("  Result") else line for line in shown]
            found.append(Outcome(kind, "\n".join(line[2:] for line in shown)))
        return tuple(found)

    def someone(self, name: str) -> Someone:
        one = self.plan.people[name]
        roles = tuple(self.words.known("role", role) for role in one.roles)
        return Someone(self.text(one.name, "name"), self.org(one.org), _shortened(roles))

    def org(self, name: str) -> str:
        return self.text(self.plan.organisations[name], "name")

    def moment(self, moment: datetime.datetime) -> str:
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def text(self, text: str, kind: str) -> str:
        """A text of the plan in the manual's language, no longer than its place on the page."""
        known = self.words.of_plan(text)
        return known if len(known) <= LONGEST[kind] else known[: LONGEST[kind] - 1].rstrip() + "…"

    def page(self, item: Item, number: int) -> Page:
        node = self.node(item)
        slot = self.slots.get(node)
        # What only has to lie some days back, as a whole rehearsal before the night, is no step before this one.
        after = [self.nodes[one] for one, lag in self.before[node].items() if one in self.nodes and not lag]
        made = self.gate(self.plan.gates[item.id]) if item.kind == GATE else self.step(item, self.plan.steps[item.id])
        page = Page(
            number=item.number,
            kind=item.kind,
            stage=self.text(self.plan.stages[item.stage].title, "name"),
            id=item.id,
            planned=self.moment(slot.begin) if slot and self.schedule.dated else "",
            after=tuple(sorted(after, key=_order)),
            outcomes=self.outcomes(item),
            files=wrapped.files_of(item.playbook) if item.playbook else (),
            page=number,
            scale=1.0,
            **made,
        )
        scale = fitting(lambda sheet: self.height(page, sheet), ROOM)
        if not scale:
            raise BoxliftError(
                f"What the plan says of {item.id} ({item.number}) does not fit onto one page.",
                "Shorten its texts, name less evidence, or let fewer people sign.",
            )
        return dataclasses.replace(page, scale=scale)

    def height(self, page: Page, sheet: Sheet) -> float:
        """What the page's texts take, in mm; the order is that of manual.html.j2."""
        say = self.words.plain
        title = sheet.text(page.title, 40, 7.7) + (sheet.text(page.purpose, 66, 5.6) if page.purpose else 0)
        who = sheet.lines(f"{page.org}: {', '.join(page.people)}", 26)
        takes = 1 + sheet.lines(f"{say('at_most')} {page.takes.p80} ({say('estimated')})", 32)
        high = max(23.0, title) + GAP + 8 + max(who, takes, sheet.lines(", ".join(page.after), 16)) * LINE + GAP
        if page.signers:
            names = [f"1: {name} ({one.org}, {one.role})" for one in page.signers for _id, name in one.people]
            high += 6 + sheet.rows(names, 36, 9.5) + GAP
        if page.inputs:
            high += HEADING + sum(sheet.text(text, 40) + 1.4 for text in page.inputs) / 2 + GAP + 3
        high += HEADING + 28 + GAP
        if page.kind == BY_PEOPLE:
            noted = [f"{say('note_down')}: {text}" for text in page.evidence]
            high += sheet.text(f"{say('do_first')}: {page.todo or page.title}", 92) + GAP
            high += sheet.rows(noted, 34, 11) + 18 + 2 * GAP
        elif page.todo:
            high += sheet.text(page.todo, 92) + GAP
        high += HEADING + sum(self.outcome_height(each, sheet) for each in page.outcomes)
        if page.kind != PLAYBOOK:
            high += self.reactions(92 if page.kind == BY_PEOPLE else 52, sheet) + 9 + GAP
        if page.undo:
            high += sheet.text(f"{say('undo')}: {page.undo}", 92) + GAP
        high += 42 + GAP
        if page.kind == PLAYBOOK:
            high += max(15.0, sheet.text(f"{say('evidence')}: {'; '.join(page.evidence)}", 88) + 8) + GAP
        return high + len(page.files) * 3.3

    def reactions(self, letters: float, sheet: Sheet) -> float:
        """Height of what is allowed after a bad end."""
        return sum(sheet.text(self.words.plain(f"bad_{number}"), letters) + 1 for number in range(1, 5))

    def outcome_height(self, of: Outcome, sheet: Sheet) -> float:
        beside = self.reactions(31, sheet) if of.kind == "bad" else sheet.text(self.words.plain(f"{of.kind}_text"), 33)
        return max(of.screen.count("\n") * 3.2 + 8, beside + 9) + GAP

    def step(self, item: Item, step: Step) -> dict[str, t.Any]:
        samples = self.measured.get(item.stage, {}).get(step.id, ())
        takes = expected(step.estimate, step.scale, samples, {})
        people = tuple(self.text(one.name, "name") for one in self.plan.people.values() if one.org == step.owner)
        return {
            "title": self.text(step.title, "title"),
            "purpose": self.text(step.purpose, "purpose"),
            "org": self.org(step.owner),
            "people": _shortened(people),
            "takes": Duration(
                self.words.duration(takes.p50),
                self.words.duration(takes.p80),
                bool(samples) or step.estimate.source == "rehearsal",
            ),
            "todo": self.text(step.not_yet, "text"),
            "evidence": tuple(self.text(one, "evidence") for one in step.evidence),
            "signers": (),
            "inputs": (),
            "undo": self.text(step.undo.reason, "purpose"),
            "undo_by_machine": step.undo.playbook is not None,
            # What `mig rollback` takes back is the cutover.
            "undo_command": "mig rollback" if item.stage == self.cutover else "",
        }

    def gate(self, gate: Gate) -> dict[str, t.Any]:
        signers = []
        for need in gate.needs:
            able = [one for one in self.plan.people.values() if one.org == need.org and need.role in one.roles]
            names = tuple((one.id, self.text(one.name, "name")) for one in able)
            signers.append(Signer(need.count, self.words.known("role", need.role), self.org(need.org), names))
        who = tuple(dict.fromkeys(name for signer in signers for _id, name in signer.people))
        return {
            "title": self.text(gate.title, "title"),
            "purpose": "",
            "org": self.words.plain("kind_gate"),
            "people": _shortened(who),
            "takes": Duration(self.words.duration(gate.timeout_minutes * 60), "", False),
            "todo": "",
            "evidence": (),
            "signers": tuple(signers),
            "inputs": tuple(self.words.known("input", name) for name in gate.inputs),
            "undo": "",
            "undo_by_machine": False,
            "undo_command": "",
        }


Row = t.TypeVar("Row")


def _split(entries: t.Sequence[Row], count: int) -> list[tuple[Row, ...]]:
    return [tuple(entries[at : at + count]) for at in range(0, len(entries), count)]


def _shortened(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) <= MOST else (*names[:MOST], "…")


def _order(number: str) -> list[int]:
    return [int(part) for part in number.split(".")]
