# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of a host as they shall be, by systemd; and the proof that they answer."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Run = t.Callable[[t.Sequence[str]], "tuple[int, str]"]  # a command -> its exit status and what it said
Connects = t.Callable[[str, int], bool]  # whether a TCP port of an address takes a connection

_PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
# `activating` is a start that is under way, or a pause before the next attempt: the proof of the port tells.
_RUNNING = ("active", "activating", "reloading")
# What systemctl is-enabled takes for enabled.
_AT_BOOT = ("alias", "enabled", "enabled-runtime", "generated", "indirect", "static")
_SYSTEMCTL = "systemctl"


class Unit(t.NamedTuple):
    name: str
    known: bool  # systemd has found and read it
    stale: bool  # its files are newer than what systemd has read
    running: bool
    at_boot: bool


class Plan(t.NamedTuple):
    """What is needed so that all run, now and at boot. A unit that is still unknown is in both."""

    enable: list[str]
    start: list[str]

    @property
    def commands(self) -> list[list[str]]:
        return [[_SYSTEMCTL, verb, *names] for verb, names in (("enable", self.enable), ("start", self.start)) if names]


def read(names: t.Sequence[str], run: Run) -> list[Unit]:
    """What systemd says of the units, in their order. Raises BoxliftError where it does not answer."""
    code, said = run([_SYSTEMCTL, "show", f"--property={','.join(_PROPERTIES)}", "--", *names])
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in said.strip().split("\n\n")]
    if code != 0 or len(blocks) != len(names) or any(set(block) != set(_PROPERTIES) for block in blocks):
        raise BoxliftError(f"systemd does not say how {', '.join(names)} are: {said.strip() or code}.")
    return [
        Unit(
            name,
            block["LoadState"] == "loaded",
            block["NeedDaemonReload"] == "yes",
            block["ActiveState"] in _RUNNING,
            block["UnitFileState"] in _AT_BOOT,
        )
        for name, block in zip(names, blocks)
    ]


def settle(names: t.Sequence[str], run: Run, only_predict: bool) -> Plan:
    """Start the services and enable them; what was needed. Raises BoxliftError where systemd cannot."""
    units = read(names, run)
    # systemd learns of files that were added since it last read them by a reload alone.
    if not only_predict and any(unit.stale or not unit.known for unit in units):
        _must(run, [_SYSTEMCTL, "daemon-reload"])
        units = read(names, run)
    unknown = [unit.name for unit in units if not unit.known]
    if unknown and not only_predict:
        raise BoxliftError(
            f"systemd cannot load {', '.join(unknown)}.",
            f"See systemctl status {unknown[0]}: it may be masked or missing.",
        )
    needed = Plan(
        enable=[unit.name for unit in units if not unit.at_boot],
        start=[unit.name for unit in units if not unit.running],
    )
    if not only_predict:
        for command in needed.commands:
            _must(run, command)
    return needed


def prove(
    ports: t.Mapping[str, int], address: str, connects: Connects, clock: t.Callable[[], float],
    sleep: t.Callable[[float], None], patience: float,
) -> None:  # fmt: skip
    """Wait until each port takes connections. Raises BoxliftError for those that do not within `patience` seconds."""
    deadline = clock() + patience
    waiting = dict(ports)
    while True:
        waiting = {name: port for name, port in waiting.items() if not connects(address, port)}
        if not waiting:
            return
        if clock() >= deadline:
            silent = ", ".join(f"{name} on port {port}" for name, port in waiting.items())
            raise BoxliftError(
                f"Nobody answers on {address} for {silent}, {patience:.0f} s after the start.",
                f"See journalctl --unit={next(iter(waiting))}",
            )
        sleep(0.2)


def _must(run: Run, command: t.Sequence[str]) -> None:
    code, said = run(command)
    if code != 0:
        raise BoxliftError(
            f"'{' '.join(command)}' ended with {code}: {said.strip()}",
            f"See journalctl --unit={command[-1]}" if len(command) > 2 else "",
        )
