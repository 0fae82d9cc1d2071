# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `call-connector`: the service itself, and what people do with its store."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import signal
import socket
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import become_owner, ended, say
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr_file import CdrFile
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.logs import Log, shortened
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.metrics import Metrics
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.rest import (
    AIOHTTP_IMPORT_ERROR,
    RestTransport,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.service import Connector
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.settings import Settings, read_settings
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.web import listening

SETTINGS = "/etc/call-connector/settings.json"
WATCHDOG_SECONDS = 20.0


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Give the exit status; what went wrong is on standard error, with what helps."""
    given = _parser().parse_args(arguments)
    return ended(lambda: _work(given))


def _work(given: argparse.Namespace) -> int:
    settings = read_settings(given.settings)
    if given.run is not _check:
        become_owner(os.path.dirname(settings.store))
    return int(given.run(settings, given))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="call-connector", description="Tells the portal of the exchange's calls.")
    parser.add_argument("--settings", default=SETTINGS, help="settings file (%(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: t.Callable[[Settings, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    command("run", _run, "work until told to stop; the service does this")
    command("check", _check, "read the settings, and say what is wrong in them and what Python lacks")
    command("status", _status, "print what waits, what is held, and the dead letters, as JSON")
    command("hold", lambda settings, _given: _hold(settings, True), "store calls and send none, until release")
    command("release", lambda settings, _given: _hold(settings, False), "send what was held, with its true times")
    replay = command("replay", _replay, "send dead letters again")
    replay.add_argument("calls", nargs="*", metavar="ID", help="as status names them; all of them if none is given")
    compare = command("reconcile", _reconcile, "compare a day's records with the portal's statistics")
    compare.add_argument("--day", help="YYYY-MM-DD; yesterday if not given")
    compare.add_argument("--only-compare", action="store_true", help="send nothing again")
    return parser


def _check(_settings: Settings, _given: argparse.Namespace) -> int:
    Metrics()
    if AIOHTTP_IMPORT_ERROR is not None:
        raise BoxliftError("Python has no aiohttp.", "apt-get install python3-aiohttp")
    return 0


def _status(settings: Settings, _given: argparse.Namespace) -> int:
    store = Store(settings.store, time.time)
    oldest = store.oldest_unsent()
    letters = [
        {
            "id": letter.external_id,
            "number": letter.fact.number if settings.show_numbers else shortened(letter.fact.number),
            "started": datetime.datetime.fromtimestamp(letter.fact.started).astimezone().isoformat(),
            "reason": letter.reason,
        }
        for letter in store.dead_letters()
    ]
    state = {
        "held": store.held,
        "calls": store.counts(),
        "oldest_unsent_seconds": None if oldest is None else round(time.time() - oldest),
        "dead_letters": letters,
    }
    say(json.dumps(state, indent=2, ensure_ascii=False))
    return 0


def _hold(settings: Settings, held: bool) -> int:
    store = Store(settings.store, time.time)
    say("unchanged" if store.held == held else "changed")
    store.hold(held)
    return 0


def _replay(settings: Settings, given: argparse.Namespace) -> int:
    number = Store(settings.store, time.time).replay(given.calls or None)
    say(str(number))
    if number < len(given.calls):
        raise BoxliftError("Not all of these are dead letters.", "call-connector status lists them.")
    return 0


def _reconcile(settings: Settings, given: argparse.Namespace) -> int:
    day = datetime.date.fromisoformat(given.day) if given.day else datetime.date.today() - datetime.timedelta(days=1)
    begin = datetime.datetime.combine(day, datetime.time()).timestamp()

    async def compare() -> int:
        store = Store(settings.store, time.time)
        transport = RestTransport(settings.portal, store, time.monotonic)
        try:
            connector = _connector(settings, store, transport, sys.stderr)
            found = await connector.reconcile(begin, resend=not given.only_compare)
        finally:
            await transport.close()
        if found is None:
            return 1
        say(json.dumps(vars(found), indent=2))
        return 2 if found.count else 0

    return asyncio.run(compare())


def _connector(settings: Settings, store: Store, transport: RestTransport, stream: t.TextIO) -> Connector:
    log = Log(lambda line: say(line, stream), time.time, settings.show_numbers)
    return Connector(settings, store, transport, CdrFile(settings.cdr), log, Metrics(), time.time)


def _run(settings: Settings, given: argparse.Namespace) -> int:
    return asyncio.run(_serve(settings, given.settings))


async def _serve(settings: Settings, path: str) -> int:
    store = Store(settings.store, time.time, grouped=True)
    transports = [RestTransport(settings.portal, store, time.monotonic)]
    connector = _connector(settings, store, transports[0], sys.stdout)
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(connector.run())
    loop.add_signal_handler(signal.SIGTERM, work.cancel)
    loop.add_signal_handler(signal.SIGINT, work.cancel)

    def reload() -> None:
        _notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            fresh = read_settings(path)
            if _place(fresh) != _place(connector.settings):
                work.cancel()  # systemd starts it again, with other listeners or another store
                return
            transports.append(RestTransport(fresh.portal, store, time.monotonic))
            connector.reload(fresh, transports[-1])
        except BoxliftError as error:
            connector.say("error", "not reloaded", error)
        _notify("READY=1")

    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        async with listening(connector):
            _notify("READY=1")
            while not work.done():
                await asyncio.wait({work}, timeout=WATCHDOG_SECONDS)
                _notify("WATCHDOG=1")
    finally:
        _notify("STOPPING=1")
        work.cancel()
        outcome = (await asyncio.gather(work, return_exceptions=True))[0]
        for transport in transports:
            await transport.close()
        await store.settled()
        store.close()
    if isinstance(outcome, asyncio.CancelledError):
        return 0
    raise outcome if isinstance(outcome, BaseException) else RuntimeError("the connector ended by itself")


def _place(settings: Settings) -> tuple[object, ...]:
    """What cannot change while the process runs."""
    clicks = settings.clicks
    listeners = (
        (clicks.address, clicks.port, clicks.certificate, clicks.key, clicks.poll_seconds) if clicks is not None else ()
    )
    return settings.store, settings.cdr, settings.metrics_address, settings.metrics_port, listeners


def _notify(state: str) -> None:
    """Tell systemd, where it has started us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
