# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.manual: writes the printed manual of a plan, and the short command, on the controller."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils import output
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import lines, place, reader, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual import content, envelopes, page, steps
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.words import Words
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import samples_of
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import given, load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan

Data = dict[str, t.Any]
EVENT = "manual"
SECRET = "(codes are not shown)\n"


class ActionModule(ControllerAction):
    _supports_diff = True

    SPEC: t.ClassVar[Data] = {
        "plan": {"type": "raw"},
        "dest": {"type": "path", "required": True},
        "envelopes": {"type": "path"},
        "history": {"type": "list", "elements": "path", "default": []},
        "journal": {"type": "path"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        journal = options["journal"] or place.configured()
        made = make(
            load(given(options["plan"])),
            os.path.abspath(options["dest"]),
            options["envelopes"],
            options["history"],
            os.path.abspath(os.path.expanduser(journal)) if journal else "",
            self._task.check_mode,
        )
        if not self._task.diff:
            made.pop("diff")
        return made


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a file is to hold; None where there must be none."""

    content: bytes | None
    mode: int = 0o600
    secret: bool = False


def make(plan: Plan, dest: str, sealed: str | None, history: t.Sequence[str], journal: str, check: bool) -> Data:
    """Write the files to `dest` where they differ; the module's result, with the differences."""
    words = Words(plan.language)
    past = reader.read(history) if history else reader.Journal([], [], [])
    measured = {stage: samples_of(past, journal, stage) for stage in plan.stages}
    of = content.content(plan, words, measured)
    manual, manual_id = page.manual(of, words)
    found = envelopes.read(sealed, plan) if sealed else []
    files = {
        "manual.html": Wanted(manual.encode()),
        "codes.html": Wanted(page.codes(of, words, manual_id).encode()),
        "envelopes.html": Wanted(page.envelopes(found, of, words, manual_id).encode() if found else None, secret=True),
        "mig": Wanted(of.mig.encode(), mode=0o700),
        **{os.path.join(steps.FOLDER, name): Wanted(each) for name, each in steps.files(plan).items()},
    }
    files.update({name: Wanted(None) for name in stale(dest) if name not in files})
    changed = [name for name, wanted in files.items() if not is_so(os.path.join(dest, name), wanted)]
    diff = [difference(os.path.join(dest, name), files[name]) for name in changed]
    if not check:
        for name in changed:
            # Codes are for nobody else, so the folder is not either.
            output.put(os.path.join(dest, name), files[name].content, files[name].mode, folder_mode=0o700)
    sums = {"manual.html": hashlib.sha256(manual.encode()).hexdigest(), "mig": of.common[0].sha256}
    noted = bool(journal) and note(journal, {"plan": plan.sha256, "id": manual_id, "files": sums}, check)
    return {
        "changed": bool(changed) or noted,
        "manual": os.path.join(dest, "manual.html"),
        "sheet": os.path.join(dest, "codes.html"),
        "envelopes": os.path.join(dest, "envelopes.html") if found else "",
        "command": os.path.join(dest, "mig"),
        "sha256": sums["manual.html"],
        "id": manual_id,
        "plan_sha256": plan.sha256,
        "language": plan.language,
        "pages": of.count,
        "item_count": len(of.pages),
        "journal": journal,
        "diff": diff,
    }


def stale(dest: str) -> list[str]:
    """The items' files that are there already: a number of an earlier plan must not be typed."""
    folder = pathlib.Path(dest, steps.FOLDER)
    return [os.path.join(steps.FOLDER, path.name) for path in sorted(folder.glob("*.json"))]


def is_so(path: str, wanted: Wanted) -> bool:
    return output.holds(path, wanted.content, wanted.mode)


def difference(path: str, wanted: Wanted) -> Data:
    before = pathlib.Path(path).read_bytes() if os.path.exists(path) else b""
    texts = [(each or b"").decode(errors="replace") for each in (before, wanted.content)]
    if wanted.secret:
        texts = [text and SECRET for text in texts]
    return {"before_header": path, "after_header": path, "before": texts[0], "after": texts[1]}


def note(journal: str, said: Data, check: bool) -> bool:
    """Write into the journal which manual is valid now, unless that is what it says last."""
    content = pathlib.Path(journal).read_bytes() if os.path.exists(journal) else b""
    last: Data = ([{}, *lines.events_in(content, EVENT)])[-1]
    if all(last.get(key) == value for key, value in said.items()):
        return False
    if not check:
        writer.append(journal, EVENT, said)
    return True
