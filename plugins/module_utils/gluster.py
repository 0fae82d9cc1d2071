# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume of GlusterFS that three hosts keep: asked for and brought into its state by GlusterFS's own command.

What such a volume promises, and what it costs, is in docs/scale-web.md.
"""

from __future__ import annotations

import time
import typing as t
from xml.etree import ElementTree

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.program import run as run_program

Run = t.Callable[[t.Sequence[str]], "tuple[int, str, str]"]
#: Of fewer hosts than these, a majority does not outlive one.
HOSTS = 3
#: Two hosts know each other when glusterd has them in this state.
_FRIENDS = "3"
_JOIN_SECONDS, _PAUSE = 60.0, 1.0
#: How long another host may take to answer.
_ANSWER_SECONDS = 20
#: How often whoever waits has the hosts look for what is to be healed.
_NUDGE_SECONDS = 10.0


class Brick(t.NamedTuple):
    """A host's part of a volume. Sizes are in bytes, and None where the host does not say them."""

    host: str
    path: str
    online: bool
    size: int | None = None
    free: int | None = None


class Unhealed(t.NamedTuple):
    """Of a brick, how many files wait until others have them, and of how many each host has another content.

    None where it cannot be asked.
    """

    brick: str
    pending: int | None
    split: int | None


class Volume(t.NamedTuple):
    """A volume as glusterd knows it. `bricks` are `host:path`, in their order; each file is in `copies` of them."""

    bricks: tuple[str, ...]
    copies: int
    arbiters: int
    started: bool
    options: t.Mapping[str, str]


class Wanted(t.NamedTuple):
    """A volume as it shall be. The last host keeps names alone where `arbiter` is set."""

    name: str
    hosts: tuple[str, ...]
    path: str
    arbiter: bool
    options: t.Mapping[str, str]

    @property
    def bricks(self) -> tuple[str, ...]:
        return tuple(f"{host}:{self.path}" for host in self.hosts)


class Gluster:
    """GlusterFS's command on this host. With `host` it asks that one, which needs no server here."""

    def __init__(
        self,
        run: Run = run_program,
        host: str = "",
        now: t.Callable[[], float] = time.monotonic,
        pause: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._run, self._now, self._pause = run, now, pause
        # To a host that is switched off the kernel tries to connect for two minutes.
        bounded = ["timeout", str(_ANSWER_SECONDS)] if host else []
        elsewhere = [f"--remote-host={host}"] if host else []
        self._command = [*bounded, "gluster", "--mode=script", "--xml", *elsewhere]

    def ask(self, *words: str) -> ElementTree.Element:
        """What it answers. Raises BoxliftError with its reason where it refuses, or does not answer."""
        status, output, problem = self._run([*self._command, *words])
        # Some answers have a line of text before or behind the XML.
        begin, end = output.find("<?xml"), output.rfind("</cliOutput>")
        if begin < 0 or end < 0:
            said = (problem or output).strip() or f"status {status} and no answer"
            raise BoxliftError(
                f"gluster {' '.join(words[:3])}: {said.rstrip('.')}.",
                "See whether glusterd.service runs there, and what /var/log/glusterfs/glusterd.log says.",
            )
        answer = ElementTree.fromstring(output[begin : end + len("</cliOutput>")])
        if answer.findtext("opRet") != "0":
            raise BoxliftError(
                f"gluster {' '.join(words[:3])}: {(answer.findtext('opErrstr') or 'no reason given').rstrip('.')}.",
                "See what /var/log/glusterfs/glusterd.log says.",
            )
        return answer

    def peers(self) -> dict[str, bool]:
        """The other hosts by the names under which they were joined, and whether each is connected."""
        return {
            name.text or "": peer.findtext("connected") == "1" and peer.findtext("state") == _FRIENDS
            for peer in self.ask("peer", "status").iter("peer")
            for name in peer.iter("hostname")
        }

    def volume(self, name: str) -> Volume | None:
        """The volume; None where there is none of this name."""
        for volume in self.ask("volume", "info").iter("volume"):
            if volume.findtext("name") == name:
                return Volume(
                    bricks=tuple(brick.findtext("name") or "" for brick in volume.iter("brick")),
                    copies=int(volume.findtext("replicaCount") or 1),
                    arbiters=int(volume.findtext("arbiterCount") or 0),
                    started=volume.findtext("statusStr") == "Started",
                    options={
                        option.findtext("name") or "": option.findtext("value") or ""
                        for option in volume.iter("option")
                    },
                )
        return None

    def bricks(self, name: str) -> list[Brick]:
        """The bricks of a volume that has been started, of the hosts that can be asked."""
        return [
            Brick(
                host=node.findtext("hostname") or "",
                path=node.findtext("path") or "",
                online=node.findtext("status") == "1",
                size=_number(node.findtext("sizeTotal")),
                free=_number(node.findtext("sizeFree")),
            )
            for node in self.ask("volume", "status", name, "detail").iter("node")
        ]

    def unhealed(self, name: str) -> list[Unhealed]:
        """For each brick what it knows that others have not got. Only a host that keeps a brick can ask this.

        A file that is being written at this moment is not among it.
        """
        return [
            Unhealed(
                brick=brick.findtext("name") or "",
                pending=_number(brick.findtext("numberOfEntriesInHealPending")),
                split=_number(brick.findtext("numberOfEntriesInSplitBrain")),
            )
            for brick in self.ask("volume", "heal", name, "info", "summary").iter("brick")
        ]

    def heal(self, name: str) -> None:
        """Have the hosts look now for what is to be healed; by themselves they look now and then."""
        # It has no answer in XML.
        status, output, problem = self._run(["gluster", "--mode=script", "volume", "heal", name])
        if status != 0:
            raise BoxliftError(
                f"gluster volume heal {name}: {(problem or output).strip().rstrip('.')}.",
                "See what /var/log/glusterfs/glustershd.log says.",
            )

    def join(self, own: str, hosts: t.Sequence[str], dry: bool = False) -> list[str]:
        """Have this host, whose address is `own`, know the others; the addresses of those it did not know."""
        known = self.peers()
        missing = [host for host in hosts if host != own and host not in known]
        if dry:
            return missing
        for host in missing:
            self.ask("peer", "probe", host)
        end = self._now() + _JOIN_SECONDS
        while away := [host for host, connected in self.peers().items() if host in hosts and not connected]:
            if self._now() > end:
                raise BoxliftError(
                    f"{', '.join(away)} of the storage does not answer {own} after {_JOIN_SECONDS:.0f} s.",
                    "See whether glusterd.service runs there, and whether port 24007 is open between them.",
                )
            self._pause(_PAUSE)
        return missing

    def bring(self, wanted: Wanted, lost: str = "", dry: bool = False) -> list[str]:
        """Create the volume, set its options, start it; a sentence about each change.

        Where the volume lies on the host `lost`, which is gone for good, its brick goes to the host in its place.
        Raises BoxliftError where the volume has other bricks without that, or has not each file on each of them:
        nothing is moved by itself.
        """
        done = []
        there = self.volume(wanted.name)
        moved = self._moved(there, wanted, lost) if there else None
        if there is None:
            done.append(f"created the volume {wanted.name} of {len(wanted.hosts)} hosts")
            if not dry:
                kind = [str(len(wanted.hosts)), *(["arbiter", "1"] if wanted.arbiter else [])]
                # `force`: the folder may lie on the host's root file system.
                self.ask("volume", "create", wanted.name, "replica", *kind, *wanted.bricks, "force")
        old = there.options if there else {}
        differing = {key: value for key, value in sorted(wanted.options.items()) if old.get(key) != value}
        if differing:
            done.append(f"set {', '.join(differing)}")
            if not dry:
                self.ask("volume", "set", wanted.name, *(word for pair in differing.items() for word in pair))
        if there is None or not there.started:
            done.append(f"started {wanted.name}")
            if not dry:
                self.ask("volume", "start", wanted.name)
        # After the options: a host without a right in the volume cannot take a brick of it.
        if moved:
            done.append(f"gave the part of {moved[0]} to {moved[1]}")
            if not dry:
                self.ask("volume", "replace-brick", wanted.name, *moved, "commit", "force")
        if lost and lost in self.peers():
            done.append(f"forgot {lost}")
            if not dry:
                self.ask("peer", "detach", lost, "force")
        return done

    def _moved(self, there: Volume, wanted: Wanted, lost: str) -> tuple[str, str] | None:
        """The brick of the host that is lost and the one in its place; None where the bricks are as wanted."""
        if there.copies != len(wanted.hosts):
            raise BoxliftError(
                f"The volume {wanted.name} keeps each file {there.copies} times on its {len(there.bricks)} bricks, so"
                " the site would lose files with a host.",
                "Give gluster_volume and gluster_path other values; or, where nothing is in it, `gluster volume stop"
                f" {wanted.name}`, `gluster volume delete {wanted.name}`, empty the folders, and run this again.",
            )
        moved = [pair for pair in zip(there.bricks, wanted.bricks) if pair[0] != pair[1]]
        same_kind = (len(there.bricks), there.arbiters) == (len(wanted.bricks), int(wanted.arbiter))
        if not moved and same_kind:
            return None
        if same_kind and [old for old, _new in moved] == [f"{lost}:{wanted.path}"]:
            if self.peers().get(lost, True):
                raise BoxliftError(
                    f"`gluster peer status` does not say that {lost} is away, so it is not taken for lost.",
                    "Switch it off for good, or name it in the group storage again and leave gluster_lost away.",
                )
            return moved[0]
        raise BoxliftError(
            f"The volume {wanted.name} has the bricks {', '.join(there.bricks)}"
            f"{' (the last one an arbiter)' if there.arbiters else ''} and not {', '.join(wanted.bricks)}"
            f"{' (the last one an arbiter)' if wanted.arbiter else ''}.",
            "Name these hosts in the group storage, in this order. Where one of them is gone for good and another one"
            " stands in its place, name the lost one's address with -e gluster_lost=ADDRESS (README of role gluster).",
        )

    def wait_until_whole(self, wanted: Wanted, seconds: float) -> None:
        """Wait until every brick is there and has all files. Raises BoxliftError after so many seconds."""
        end, nudged = self._now() + seconds, float("-inf")
        while True:
            try:
                away = self._away(wanted)
                if not (missing := away or self._behind(wanted)):
                    return
                # What a web host was writing when it died is as if another host had missed it.
                if not away and self._now() - nudged >= _NUDGE_SECONDS:
                    self.heal(wanted.name)
                    nudged = self._now()
            except BoxliftError as refusal:
                # A host that comes or goes meanwhile, or a command of somebody else's, makes it refuse for a moment.
                missing = refusal.message.rstrip(".")
            if self._now() > end:
                raise BoxliftError(
                    f"The volume {wanted.name} is not whole after {seconds:.0f} s: {missing}.",
                    "Take no other storage host away. `gluster volume heal"
                    f" {wanted.name} info` on a storage host says which files wait; start the host that is away.",
                )
            self._pause(_PAUSE)

    def _away(self, wanted: Wanted) -> str:
        online = {f"{brick.host}:{brick.path}" for brick in self.bricks(wanted.name) if brick.online}
        away = [brick for brick in wanted.bricks if brick not in online]
        return f"{', '.join(away)} is away" if away else ""

    def _behind(self, wanted: Wanted) -> str:
        problems = []
        for brick, pending, split in self.unhealed(wanted.name):
            if pending is None or split is None:
                problems.append(f"{brick} cannot be asked")
            elif split:
                problems.append(f"{brick} has {split} files of which the hosts have different contents")
            elif pending:
                problems.append(f"{brick} knows {pending} files that others have not got yet")
        return "; ".join(problems)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
