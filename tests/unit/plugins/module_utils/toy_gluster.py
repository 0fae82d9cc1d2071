# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command of GlusterFS with three hosts, as 10.3 and 11.1 answer."""

from __future__ import annotations

import typing as t

HOSTS = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
PATH = "/srv/g/portal"
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<cliOutput>'


class ToyGluster:
    """Notes what it was told. `away` hosts do not answer; what waits is healed at `healed_at`."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.peers: list[str] = []
        self.away: set[str] = set()
        self.bricks: list[str] = []
        self.arbiters = 0
        self.copies = 3
        self.started = False
        self.options: dict[str, str] = {}
        self.room = dict.fromkeys(HOSTS, (1000, 400))
        self.unhealed = self.split = 0
        self.healed_at = float("inf")
        self.clock = 0.0
        self.silent = False
        self.refuses_until = 0.0

    def pause(self, seconds: float) -> None:
        self.clock += seconds

    def run(self, command: t.Sequence[str]) -> tuple[int, str, str]:
        if self.silent:
            return 1, "Connection failed. Please check if gluster daemon is operational.\n", ""
        command = command[command.index("gluster") :]
        words = [word for word in command[1:] if not word.startswith("--")]
        answers = {
            ("peer", "status"): self.peer_status,
            ("peer", "probe"): self.probe,
            ("volume", "info"): self.info,
            ("peer", "detach"): self.detach,
            ("volume", "create"): self.create,
            ("volume", "replace-brick"): self.replace,
            ("volume", "set"): self.set,
            ("volume", "start"): self.start,
            ("volume", "status"): self.status,
            ("volume", "heal"): self.heal,
        }
        if words[:2] == ["volume", "heal"] and len(words) == 3:
            self.told.append(" ".join(words))
            if self.away:
                return 1, "", "Launching heal operation has been unsuccessful. Bricks are down.\n"
            return 0, "Launching heal operation has been successful\n", ""
        answer = answers[words[0], words[1]]
        if answer in (self.probe, self.detach, self.create, self.replace, self.set, self.start):
            self.told.append(" ".join(words))
        body = answer(words[2:])
        if self.clock < self.refuses_until:
            body = "!Another transaction is in progress for portal. Please try again after some time."
        failed, body = (1, body[1:]) if body.startswith("!") else (0, body)
        text = f"<opRet>{-failed}</opRet><opErrno/><opErrstr>{body if failed else ''}</opErrstr>"
        return failed, f"{HEAD}{text}{'' if failed else body}</cliOutput>", ""

    def peer_status(self, _words: list[str]) -> str:
        return "<peerStatus>{}</peerStatus>".format(
            "".join(
                f"<peer><hostname>{host}</hostname><hostnames><hostname>{host}</hostname></hostnames>"
                f"<connected>{int(host not in self.away)}</connected><state>3</state></peer>"
                for host in self.peers
            )
        )

    def probe(self, words: list[str]) -> str:
        self.peers.append(words[0])
        return "<output/>"

    def detach(self, words: list[str]) -> str:
        self.peers.remove(words[0])
        return "<output/>"

    def replace(self, words: list[str]) -> str:
        self.bricks[self.bricks.index(words[1])] = words[2]
        return "<volReplaceBrick/>"

    def info(self, _words: list[str]) -> str:
        bricks = "".join(f"<brick uuid='1'>{each}<name>{each}</name></brick>" for each in self.bricks)
        options = "".join(
            f"<option><name>{key}</name><value>{value}</value></option>" for key, value in self.options.items()
        )
        volume = (
            f"<volume><name>portal</name><statusStr>{'Started' if self.started else 'Created'}</statusStr>"
            f"<replicaCount>{self.copies}</replicaCount><arbiterCount>{self.arbiters}</arbiterCount>"
            f"<bricks>{bricks}</bricks><options>{options}</options></volume>"
        )
        return f"<volInfo><volumes>{volume if self.bricks else ''}</volumes></volInfo>"

    def create(self, words: list[str]) -> str:
        self.arbiters = int("arbiter" in words)
        self.bricks = [word for word in words if ":" in word]
        return "<volCreate/>"

    def set(self, words: list[str]) -> str:
        self.options.update(zip(words[1::2], words[2::2]))
        return "<output/>"

    def start(self, _words: list[str]) -> str:
        self.started = True
        return "<volStart/>"

    def status(self, _words: list[str]) -> str:
        if not self.started:
            return "!Volume portal does not exist"
        return "<volStatus><volumes><volume><volName>portal</volName>{}</volume></volumes></volStatus>".format(
            "".join(
                f"<node><hostname>{host}</hostname><path>{PATH}</path><status>1</status>"
                f"<sizeTotal>{self.room[host][0]}</sizeTotal><sizeFree>{self.room[host][1]}</sizeFree></node>"
                for host in HOSTS
                if host not in self.away
            )
        )

    def heal(self, _words: list[str]) -> str:
        waiting = 0 if self.clock >= self.healed_at else self.unhealed
        return "<healInfo><bricks>{}</bricks></healInfo>".format(
            "".join(
                f"<brick><name>{host}:{PATH}</name>"
                # One more is being written at this moment.
                f"<totalNumberOfEntries>{'-' if host in self.away else waiting + self.split + 1}</totalNumberOfEntries>"
                f"<numberOfEntriesInHealPending>{'-' if host in self.away else waiting}</numberOfEntriesInHealPending>"
                f"<numberOfEntriesInSplitBrain>{'-' if host in self.away else self.split}</numberOfEntriesInSplitBrain>"
                "</brick>"
                for host in HOSTS
            )
        )
