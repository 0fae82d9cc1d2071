# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's apt, dpkg and systemd, scripted."""

from __future__ import annotations

import typing as t

SECURITY = "Debian-Security:12/oldstable-security"


class ToyApt:
    """What is installed, what is offered, and what was told. Offers are (version, origin), the newest first."""

    def __init__(self) -> None:
        self.installed = {"nginx": "1.0", "bash": "5.1", "curl": "7"}
        self.offers: dict[str, list[tuple[str, str]]] = {
            "nginx": [("1.1", SECURITY), ("1.0", "Debian:12.9/oldstable")],
            "bash": [("5.2", "Debian:12.11/oldstable")],
            "curl": [("7", "Debian:12.9/oldstable")],
        }
        self.needs: dict[str, str] = {}  # a package that an update brings -> its version
        self.held: list[str] = []
        self.audit = ""
        self.breaks = ""  # what the next installation complains of
        self.files: dict[str, tuple[str, str]] = {}  # path of a .deb -> package and version
        self.told: list[list[str]] = []
        self.units: dict[str, str] = {"nginx.service": "active", "ssh.service": "active"}
        self.nginx = ""
        self.started: list[str] = []
        self.refuses = ""

    def __call__(self, argv: t.Sequence[str]) -> tuple[int, str, str]:
        words = list(argv)
        known = {
            ("dpkg", "--print-architecture"): "amd64\n",
            ("dpkg", "--audit"): self.audit,
            ("apt-mark", "showhold"): "".join(f"{name}\n" for name in self.held),
        }
        if tuple(words[:2]) in known:
            return 0, known[tuple(words[:2])], ""
        if words[0] == "dpkg-query":
            lines = [f"ii \t{name.partition(':')[0]}\t{name.partition(':')[2] or 'amd64'}\t{version}\n"
                     for name, version in self.installed.items()]  # fmt: skip
            return 0, "".join([*lines, "rc \tgone\tamd64\t1\n"]), ""
        if words[0] == "apt-cache":
            return 0, "".join(f" {words[2]} | {each[0]} | mirror\n" for each in self.offers.get(words[2], [])), ""
        if words[0] == "systemctl":
            return self._systemd(words)
        if words[0] == "nginx":
            return (1, "", self.nginx) if self.nginx else (0, "", "")
        if "--simulate" in words:
            return 0, "".join(self._lines(words)), ""
        self.told.append(words)
        if words[:2] == ["apt-mark", "hold"]:
            self.held += words[2:]
        elif words[:2] == ["apt-mark", "unhold"]:
            self.held = [name for name in self.held if name not in words[2:]]
        elif words[:2] == ["dpkg", "--configure"]:
            self.audit = ""
        elif words[0] == "apt-get" and "update" not in words:
            for name, version in self._wanted(words):
                self.installed[name] = version
            if self.breaks:
                return 100, "", self.breaks
        return 0, "", ""

    def _wanted(self, words: list[str]) -> list[tuple[str, str]]:
        if "install" in words:
            named = [word for word in words[words.index("install") + 1 :] if not word.startswith("-")]
            named = [
                word if "=" in word or word in self.files else f"{word}={self.offers[word][0][0]}" for word in named
            ]
            return [self.files[word] if word in self.files else t.cast("tuple[str, str]", tuple(word.split("=")))
                    for word in named]  # fmt: skip
        newer = [(name, offers[0][0]) for name, offers in self.offers.items() if name not in self.held]
        return [pair for pair in newer if self.installed.get(pair[0]) != pair[1]] + list(self.needs.items())

    def _lines(self, words: list[str]) -> t.Iterator[str]:
        for name, version in self._wanted(words):
            origin = next(
                (each[1] for each in self.offers.get(name, []) if each[0] == version), "Debian:12.11/oldstable"
            )
            before = f" [{self.installed[name]}]" if name in self.installed else ""
            yield f"Inst {name}{before} ({version} {origin} [amd64])\n"
            yield f"Conf {name} ({version} {origin} [amd64])\n"

    def _systemd(self, words: list[str]) -> tuple[int, str, str]:
        if words[1] == "list-units":
            return 0, "".join(f"{name} loaded failed\n" for name, state in self.units.items() if state == "failed"), ""
        if words[1] == "list-unit-files":
            return 0, "".join(f"{name} enabled enabled\n" for name in [*self.units, "push-server@.service"]), ""
        if words[1] == "start":
            self.started += words[2:]
            return (1, "", self.refuses) if self.refuses else (0, "", "")
        return 3, "".join(f"{self.units[name]}\n" for name in words[2:]), ""
