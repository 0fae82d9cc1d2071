# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The update that a playbook makes, and the way back from any update that left a note."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import notes, packages
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep.notes import Note
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep.packages import Change, Run


class Plan(t.NamedTuple):
    """What an update would change, and what it would not."""

    arguments: list[str]  # of apt-get
    changes: list[Change]
    held: list[str]  # packages that somebody holds
    kept_back: list[str]  # packages that are newer elsewhere, and would need another one removed


def plan(run: Run, security_only: bool, released: t.Sequence[str] = ()) -> Plan:
    """What apt would change, also of the held packages that will be `released`. Nothing is ever removed.

    Raises BoxliftError where apt cannot say.
    """
    arguments = ["upgrade", "--with-new-pkgs"]
    changes = packages.simulate(run, *arguments)
    if released:
        unheld = ["install", "--only-upgrade", "--allow-change-held-packages", "--no-remove", *released]
        free = packages.simulate(run, *unheld)
        changes += [each for each in free if each.name not in {change.name for change in changes}]
    beyond = packages.simulate(run, "dist-upgrade")
    if security_only:
        foreign = [change.name for change in changes if change.origin.split(":")[0] == packages.BUNDLE]
        if foreign:
            raise BoxliftError(
                f"Packages come from a bundle, which does not say which of its {len(foreign)} updates close holes.",
                "Take them all: leave out update_only (only: all).",
            )
        urgent = [f"{change.name}={change.after}" for change in changes if change.security]
        arguments = ["install", "--only-upgrade", "--no-remove", *urgent]
        wanted = {change.name for change in changes}
        changes = packages.simulate(run, *arguments) if urgent else []
        beyond = [change for change in beyond if change.name in wanted or change.security]
        beyond = [change for change in beyond if change.security]
    held = [name for name in packages.holds(run) if name not in released]
    planned = {change.name for change in changes}
    kept = sorted(each.name for each in beyond if each.before and each.name not in planned and each.name not in held)
    return Plan(arguments, changes, held, kept)


def apply(run: Run, planned: Plan, folder: str, clock: t.Callable[[], float]) -> Note:
    """Install what was planned. A note is written before anything changes. Raises BoxliftError with the way back."""
    return _install(run, planned.arguments, notes.begin("playbook", planned.changes, clock()), folder, clock)


class Back(t.NamedTuple):
    """The way back from an update."""

    note: Note
    arguments: list[str]
    changes: list[Change]
    stays: list[str]  # packages that the update brought: nothing needs them, and they stay


def plan_back(run: Run, name: str, folder: str, archives: str = packages.ARCHIVES) -> Back:
    """How to get the versions back that this note has noted. Raises BoxliftError where one is to be had nowhere."""
    note = notes.load(name, folder)
    there = packages.installed(run)
    changes, sources, missing, moved = [], [], [], []
    for change in note.changes:
        now = there.get(change.name, "")
        if not change.before or now == change.before:
            continue
        if now != change.after:
            moved.append(f"{change.name} is at {now or 'no version'}, and the update brought {change.after or 'none'}")
            continue
        file = packages.kept_file(change.name, change.before, archives)
        if change.before in packages.offered(run, change.name):
            sources.append(f"{change.name}={change.before}")
        elif file:
            sources.append(file)
        else:
            missing.append(f"{change.name} {change.before}")
        changes.append(Change(change.name, now, change.before))
    if moved:
        raise BoxliftError(
            f"What update {note.name} brought has changed since: {'; '.join(moved)}.",
            "Take the later update back first: its note has a later time.",
        )
    if missing:
        raise BoxliftError(
            f"These versions are to be had no more, neither by apt nor in {archives}: {', '.join(missing)}.",
            f"Put their files into {archives} (Debian's snapshot archive keeps every version of its packages, a bundle"
            " its own), and run the same command again; or repair what the newer version needs, and stay with it.",
        )
    stays = [each.name for each in note.changes if not each.before and each.name in there]
    arguments = ["install", "--allow-downgrades", "--allow-change-held-packages", "--no-remove", *sources]
    return Back(note, arguments, changes, stays)


def go_back(run: Run, back: Back, folder: str, clock: t.Callable[[], float]) -> Note:
    """Install the versions that were there before, and hold them: the next update would bring the others again."""
    note = notes.begin("back", back.changes, clock(), of=back.note.name)
    try:
        return _install(run, back.arguments, note, folder, clock)
    finally:
        # Also of a way back that failed, or goes on after one: what is back already is no change of the next run.
        there = packages.installed(run)
        names = [each.name for each in back.note.changes if each.before and there.get(each.name) == each.before]
        if names:
            packages.said(run, ["apt-mark", "hold", *names])


def held_by_us(run: Run, folder: str) -> list[str]:
    """Packages that a way back has held, and that are still held."""
    ours = {
        each.name for name in notes.names(folder) if name.endswith("-back") for each in notes.load(name, folder).changes
    }
    return sorted(ours & set(packages.holds(run)))


def _install(run: Run, arguments: t.Sequence[str], note: Note, folder: str, clock: t.Callable[[], float]) -> Note:
    packages.mend(run)
    before = packages.installed(run)
    path = notes.save(note, folder)
    code, out, err = run(["apt-get", *packages.UNASKED, *arguments])
    known = {change.name: change for change in note.changes}
    changes = [
        change._replace(origin=known[change.name].origin, security=known[change.name].security)
        if change.name in known
        else change
        for change in packages.differences(before, packages.installed(run))
    ]
    problems = () if code == 0 else (f"apt-get ended with {code}: {(err.strip() or out.strip())[-1500:]}",)
    ended = note._replace(changes=changes, outcome="done" if code == 0 else "failed", problems=problems)
    notes.save(ended, folder)
    notes.remember(ended, folder, clock())
    if problems:
        raise BoxliftError(
            f"{problems[0]} {len(changes)} packages were changed; {path} has their versions.", way_back(ended)
        )
    return ended


def way_back(note: Note) -> str:
    """What to do where the update has broken something."""
    if note.by == "back":
        return "See /var/log/apt/term.log, and run the same command again."
    if not note.changes:
        return "No package was changed, so nothing is to be taken back: see /var/log/apt/term.log, and journalctl."
    return (
        f"To go back: ansible-playbook boxlift.portal.update -e update_back={note.name} --limit with this host's name."
    )
