# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `boxlift-backup`: takes, proves, keeps and shows the copies of a portal."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import (
    binlogs,
    lend,
    metrics,
    offsite,
    problems,
    retention,
    verify,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import DRILL, good_copies
from ansible_collections.boxlift.portal.plugins.module_utils.backup.night import Night, look_at_mount, work_lock
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import OURS, ProducerFailed, Restic
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import (
    PATH,
    Settings,
    Store,
    read_settings,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.status import status
from ansible_collections.boxlift.portal.plugins.module_utils.command_line import ended, say
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

Work = t.Callable[[Settings, argparse.Namespace], int]
#: Seconds for which locks of other processes are waited for. A prune of a large repository takes an hour.
PATIENCE = 7200.0
#: Of what begins again every five minutes; the unit ends it after an hour.
SHORT_PATIENCE = 2400.0


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Give the exit status; what went wrong is on standard error, with what helps."""
    given = _parser().parse_args(arguments)
    if given.run is None:  # what needs no settings
        return ended(lambda: int(given.alone(given)))
    if given.patience is None:
        given.patience = SHORT_PATIENCE if given.run is _binlogs else PATIENCE
    return ended(lambda: int(given.run(read_settings(given.settings), given)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="boxlift-backup", description="Copies of a portal, taken and proven.")
    parser.add_argument("--settings", default=PATH, help="settings file (%(default)s)")
    parser.add_argument(
        "--patience",
        type=float,
        metavar="SECONDS",
        help=f"how long to wait for processes that lock a repository ({PATIENCE:.0f}; binlogs: {SHORT_PATIENCE:.0f})",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Work, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    def of_store(name: str, run: Work, text: str) -> argparse.ArgumentParser:
        made = command(name, run, text)
        made.add_argument(
            "--store", default="", help="name of the store; without it, the one that copies are taken into"
        )
        return made

    command("check", _check, "read the settings, and say what is wrong in them")
    command("init", _init, "make the repositories that are not there yet")
    now = command("now", _now, "take a copy and prove it; the timer does this every night")
    now.add_argument("--full", action="store_true", help="copy the whole database, not only what changed")
    command("binlogs", _binlogs, "store what the database wrote since the last time")
    command("copy", _copy, "send what is kept to the off-site stores")
    verified = of_store("verify", _verify, "read the slice of the repository that is due, and note what was found")
    slices = verified.add_mutually_exclusive_group()
    slices.add_argument("--slice", type=int, metavar="N", help="this slice, not the one that is due")
    slices.add_argument("--all", action="store_true", help="all slices")
    of_store("repair", _repair, "take pack files out of service that checks found damaged")
    of_store("prune", _prune, "remove the copies that the settings do not keep; where the repository is")
    forgotten = of_store("forget", _forget, "remove these copies, such as damaged ones; where the repository is")
    forgotten.add_argument("copies", nargs="+", metavar="COPY", help="ids, as list shows them")
    command("status", _status, "print what can be restored, and what is wrong, as JSON")
    of_store("list", _list, "print the copies, as a table")
    command("metrics", _metrics, "write the figures for Prometheus")
    of_store("escrow", _escrow, "prove that the password on standard input opens the repository")
    lent = commands.add_parser("lend", help="answer one question of the host that copies, on standard input")
    lent.set_defaults(run=None, alone=_lend)
    lent.add_argument("--data-dir", required=True, help="data directory of the server")
    lent.add_argument("--binlog-dir", required=True, help="folder of its binary logs")
    lent.add_argument("--socket", required=True, help="socket of the server, where root needs no password")
    borrowed = commands.add_parser("borrow", help="write what a database host lends to standard output")
    borrowed.set_defaults(run=None, alone=_borrow)
    borrowed.add_argument("question", help="JSON, as the command itself makes it")
    of_store("drill-note", _drill_note, "store the result of a drill, which is given as JSON on standard input")
    return parser


def _store(settings: Settings, given: argparse.Namespace) -> Store:
    return settings.store(given.store) if given.store else settings.main


def _restic(settings: Settings, store: Store, patience: float) -> Restic:
    def sleep(seconds: float) -> None:
        if not told:
            say(f"Another process has the repository {store.name} for itself: waiting for it.", sys.stderr)
            told.append(True)
        time.sleep(seconds)

    told: list[bool] = []
    return Restic(store, cache=settings.within("cache", store.name), patience=patience, sleep=sleep)


def _check(settings: Settings, _given: argparse.Namespace) -> int:
    for store in settings.stores:
        if not os.access(store.password_file, os.R_OK):
            raise BoxliftError(
                f"The password file {store.password_file} of {store.name} cannot be read.",
                "Bring the escrowed password there, mode 0600.",
            )
    if settings.database is not None and settings.database.lenders:
        lend.server_of(settings.database).incarnation()
    return 0


def _init(settings: Settings, given: argparse.Namespace) -> int:
    for store in settings.stores:
        look_at_mount(store)
        restic = _restic(settings, store, given.patience)
        if not restic.exists():
            restic.init(_restic(settings, settings.main, given.patience) if store.offsite else None)
            say(f"{store.name}: made {store.place}")
    return 0


def _now(settings: Settings, given: argparse.Namespace) -> int:
    with (
        problems.noted(settings, "now", settings.main.name),
        Progress("backup", settings.within("progress.json")) as progress,
    ):
        taken = Night(settings, _restic(settings, settings.main, given.patience), progress=progress).take(given.full)
    say(json.dumps(taken, ensure_ascii=False))
    return 0


def _binlogs(settings: Settings, given: argparse.Namespace) -> int:
    with problems.noted(settings, "binlogs", settings.main.name):
        shipped = binlogs.ship(settings, _restic(settings, settings.main, given.patience), time.time)
    say(json.dumps(shipped._asdict(), ensure_ascii=False))
    return 0


def _copy(settings: Settings, given: argparse.Namespace) -> int:
    failed = 0
    for store in settings.stores:
        if not store.offsite:
            continue
        try:
            with problems.noted(settings, "copy", store.name), work_lock(settings):
                main = _restic(settings, settings.main, given.patience)
                say(
                    json.dumps(offsite.send(main, _restic(settings, store, given.patience), settings.keep, time.time()))
                )
        except BoxliftError as error:  # the other stores get their copies all the same
            say(f"{store.name}: {error.message} {error.remedy}".strip(), sys.stderr)
            failed += 1
    return 1 if failed else 0


def _verify(settings: Settings, given: argparse.Namespace) -> int:
    store, of = _store(settings, given), settings.verify_slices
    broken = 0
    with problems.noted(settings, "verify", store.name), work_lock(settings):
        look_at_mount(store)
        restic = _restic(settings, store, given.patience)
        restic.unlock()
        for number in range(1, of + 1) if given.all else [given.slice]:
            note = verify.verify(restic, of, time.time, number)
            say(json.dumps(note))
            broken += len(note["faults"])
    return 1 if broken else 0


def _repair(settings: Settings, given: argparse.Namespace) -> int:
    store = _store(settings, given)
    _refuse_append_only(store)
    with problems.noted(settings, "repair", store.name), work_lock(settings):
        packs = verify.repair(_restic(settings, store, given.patience), settings.within("damaged"))
    say(json.dumps({"packs": packs, "kept_in": settings.within("damaged")}))
    return 0


def _refuse_append_only(store: Store) -> None:
    """Before the work, so that it is not noted as one that failed."""
    if store.append_only:
        raise BoxliftError(
            f"This host can only add to the repository {store.place} ({store.name}).",
            "Run this on the host where the repository is.",
        )


def _forget(settings: Settings, given: argparse.Namespace) -> int:
    store = _store(settings, given)
    _refuse_append_only(store)
    with work_lock(settings):
        say(json.dumps({"removed": retention.forget(_restic(settings, store, given.patience), given.copies)}))
    return 0


def _prune(settings: Settings, given: argparse.Namespace) -> int:
    store = _store(settings, given)
    _refuse_append_only(store)
    with problems.noted(settings, "prune", store.name), work_lock(settings):
        look_at_mount(store)
        say(json.dumps(retention.prune(_restic(settings, store, given.patience), settings.keep, time.time)))
    return 0


def _status(settings: Settings, _given: argparse.Namespace) -> int:
    say(json.dumps(status(settings, time.time()), indent=2, ensure_ascii=False))
    return 0


def _list(settings: Settings, given: argparse.Namespace) -> int:
    for copy in good_copies(_restic(settings, _store(settings, given), given.patience)):
        ended = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(copy.ended))
        whole = sum(map(copy.bytes, copy.parts))
        said = "; ".join([*(["DAMAGED"] if copy.damaged else []), *copy.warnings])
        say(f"{copy.id}  {ended}  {copy.kind:<11}  {size(whole):>9}  {said}".rstrip())
    return 0


def _metrics(settings: Settings, _given: argparse.Namespace) -> int:
    now = time.time()
    if settings.textfile_dir:
        metrics.write(settings.textfile_dir, status(settings, now), now)
    else:
        say(metrics.text(status(settings, now), now))
    return 0


def _lend(given: argparse.Namespace) -> int:
    lent = lend.Lent(given.data_dir, given.binlog_dir, given.socket)
    return lend.answer(sys.stdin.buffer, sys.stdout.buffer, lent)


def _borrow(given: argparse.Namespace) -> int:
    try:
        said = lend.borrow(given.question, sys.stdout.buffer)
    except ProducerFailed as error:
        say(error.said, sys.stderr)
        raise
    say(said, sys.stderr)
    return 0


def _escrow(settings: Settings, given: argparse.Namespace) -> int:
    store = _store(settings, given)
    # Somebody who types it sees a question, and those who stand behind see nothing.
    asked = getpass.getpass("The password on the paper: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not (password := asked.rstrip("\r\n")):
        raise BoxliftError("There was no password on standard input.", "Type the escrowed password, and Enter.")
    if not _restic(settings, store, given.patience).opened_by(password):
        raise BoxliftError(
            f"This password does not open the repository {store.place} ({store.name}).",
            "Do not rely on that paper: write down the password of "
            f"{store.password_file} anew, and prove the new paper.",
        )
    say(f"This password opens the repository {store.place} ({store.name}).")
    return 0


def _drill_note(settings: Settings, given: argparse.Namespace) -> int:
    try:
        note = json.loads(sys.stdin.read())
        missing = {"copy", "began", "ended", "passed"} - set(note)
    except (ValueError, TypeError) as error:
        raise BoxliftError(
            f"The result of the drill is no JSON: {error}.", "Give the object that the drill made."
        ) from error
    if missing:
        raise BoxliftError(f"The result of the drill lacks {', '.join(sorted(missing))}.", "Give the whole object.")
    say(
        _restic(settings, _store(settings, given), given.patience).save_text(
            "drill.json", json.dumps(note), (OURS, DRILL)
        )
    )
    return 0
