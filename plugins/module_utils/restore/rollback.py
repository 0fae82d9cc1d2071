# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback: what is live and a kept generation change places, tree and database together.

The live tree goes first and the other one comes last, so that nobody works on a portal whose tree and database do not
belong together: between the two the site has no document root. What was live keeps its number, with everything that
people wrote. Each step looks at what exists: a killed run is completed by the next.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal import life
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import Generations, Note, name_of
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import Trees, filled, put_in, take_out
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock

if t.TYPE_CHECKING:
    from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase

# For so long a closed site waits for what its visitors began. PHP that keeps its connections open never ends.
REQUESTS_SECONDS = 10.0


class Rollback:
    """One rollback. `generation` is the number that shall be live; None takes the last restore back.

    Without a `database` only trees are exchanged. `run` does what is not done yet, `would_change` says whether there is
    anything. Both raise BoxliftError.
    """

    def __init__(
        self, document_root: str, state_dir: str, database: StagedDatabase | None, generation: int | None = None
    ) -> None:
        self._trees = Trees.of(document_root)
        self._state_dir = state_dir
        self._database = database
        self._generation = generation

    def would_change(self) -> dict[str, t.Any]:
        """For check mode: the result of `run`, with nothing done."""
        generations = self._opened()
        target = self._target(generations)
        if target is not None:
            self._refuse(generations, target)
        pending = generations.switch is not None
        return {"changed": pending or target is not None, "resumed": pending, "generations": generations.listing()}

    def run(self) -> dict[str, t.Any]:
        """Make the generation live."""
        if not os.path.isdir(self._state_dir):
            return self.would_change()  # nothing was ever restored here
        name = os.path.join(self._state_dir, name_of(self._trees.live))
        with Lock(f"{name}.lock", f"The portal in {self._trees.live}"):
            generations = self._opened()
            resumed = generations.switch is not None
            target = self._target(generations)
            if resumed:
                self._complete(generations)
            if target is not None:
                self._refuse(generations, target)
                self._refuse_early(generations, target)
                generations.begin_rollback(target["number"])
                self._complete(generations)
            changed = resumed or target is not None
            return {"changed": changed, "resumed": resumed, "generations": generations.listing()}

    def _opened(self) -> Generations:
        generations = Generations(self._trees, self._state_dir, self._database)
        switch = generations.switch
        if switch is None:
            generations.recognise()
        elif switch["kind"] == "restore":
            raise BoxliftError(
                f"A restore of {switch['incoming']['source']} into {self._trees.live} is half switched in.",
                "Run playbook boxlift.portal.restore again as it was, which completes it; then roll back.",
            )
        return generations

    def _target(self, generations: Generations) -> Note | None:
        """What shall become live; None where it is live, or will be when the rollback that was killed is completed."""
        number, switch = self._generation, generations.switch
        if switch is not None:
            coming = switch["incoming"]["number"]
            return None if number in (None, coming) else generations.find(number or 0)
        if number is None:
            number = self._before_last_restore(generations)
        return None if number == (generations.live or {}).get("number") else generations.find(number)

    def _before_last_restore(self, generations: Generations) -> int:
        """What the newest restore has replaced, whether that restore is live or was rolled back already."""
        live = generations.live
        known = [*([live] if live else []), *generations.kept]
        restored = max((note for note in known if "replaced" in note), key=lambda note: note["number"], default=None)
        if restored is not None and restored["replaced"] is not None:
            return int(restored["replaced"])
        if generations.kept:
            return int(generations.kept[0]["number"])
        raise BoxliftError(
            f"Nothing is kept of what was live in {self._trees.live} before: there is no way back.",
            "Restore from a backup instead (playbook boxlift.portal.restore). With restore_keep_previous above 0 a "
            "restore keeps what it replaces.",
        )

    def _refuse(self, generations: Generations, target: Note) -> None:
        """Raise BoxliftError for what speaks against this generation. Nothing is written."""
        number, live = target["number"], generations.live or {}
        tree = self._trees.generation(number)
        if target["tree"] and not filled(tree):
            raise BoxliftError(f"The tree of generation {number} is gone: {tree}.", "Name another generation.")
        if target["database"] and self._database is None:
            raise BoxliftError(
                f"Generation {number} has a database, and the option database is missing.", "Set it as for the restore."
            )
        lacks = [part for part in ("tree", "database") if not target[part] and (part == "tree" or self._database)]
        together = number == live.get("replaced") or live.get("number") == target.get("replaced")
        if lacks and not together:
            raise BoxliftError(
                f"Generation {number} has no {lacks[0]} of its own, and what it shared with its neighbour is not live.",
                "Name a generation that has both, or the neighbour first. Playbook boxlift.portal.status lists them.",
            )
        known = live.get("marks") or live.get("moment")
        if self._generation is not None or not known:
            return
        domain, signs = generations.signs()
        if signs:
            raise BoxliftError(
                f"The portal {domain} in {self._trees.live} is in use since generation {live['number']} became live: "
                f"{life.told(signs)}.",
                "Nothing was changed. To roll back all the same, name the generation: -e "
                f"rollback_generation={number} (option generation of portal_rollback). What people wrote stays in "
                f"generation {live['number']}, and naming that one brings it back.",
                domain=domain,
                in_use=[dataclasses.asdict(sign) for sign in signs],
            )

    def _refuse_early(self, generations: Generations, target: Note) -> None:
        """Raise BoxliftError where the databases could not be exchanged, while the site is still open."""
        if target["database"] and self._database is not None:
            self._database.refuse_exchange(target["number"], generations.slot())

    def _complete(self, generations: Generations) -> None:
        """Do what is announced, from wherever a killed run left it."""
        switch = generations.switch
        if switch is None:
            raise RuntimeError("a rollback was not announced")
        incoming, outgoing = switch["incoming"]["number"], (switch["outgoing"] or switch["incoming"])["number"]
        tree = self._trees.generation(incoming)
        if switch["incoming"]["tree"] and os.path.isdir(tree) and outgoing != incoming:
            take_out(self._trees, outgoing)
        if switch["database"] and self._database is not None:
            self._exchange_databases(generations, self._database, incoming, outgoing)
        if switch["incoming"]["tree"]:
            put_in(self._trees, tree)
        generations.commit()

    def _exchange_databases(
        self, generations: Generations, database: StagedDatabase, incoming: int, outgoing: int
    ) -> None:
        """Exchange them while the site is closed; where that fails before anything is renamed, open the site again."""
        try:
            if not database.exchanged(incoming):
                database.make_ready(incoming)
                database.wait_for_requests(REQUESTS_SECONDS)
            database.exchange(incoming, outgoing)
        except BoxliftError:
            if not database.exchanged(incoming):  # raises where the server is gone: the next run knows more
                if outgoing != incoming:
                    put_in(self._trees, self._trees.generation(outgoing))
                generations.drop_switch()
            raise
