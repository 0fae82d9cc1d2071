# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about a host, read from the kernel's text files; nothing is started or changed."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import socket
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes

_LISTENING = "0A"
_SOCKET = re.compile(r"^socket:\[(\d+)\]$")
_USER = re.compile(r"^Uid:\s+\d+\s+(\d+)", re.MULTILINE)
_LOCAL_ADDRESS = re.compile(r"\|-- (\S+)\n\s*/32 host LOCAL")


@dataclasses.dataclass(frozen=True)
class FileSystem:
    """The file system of a path; `free` is what a process without root's rights may fill, in bytes."""

    device: int
    mount: str
    free: int


def file_system(path: str) -> FileSystem:
    """The file system of the path, or of its nearest parent that exists."""
    path = os.path.abspath(path)
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    path = os.path.realpath(path)
    free = free_bytes(path)
    device = os.stat(path).st_dev
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return FileSystem(device, path, free)


def resolve(name: str) -> list[str]:
    """The addresses that this host's resolver gives for a name. Raises socket.gaierror."""
    return sorted({str(answer[4][0]) for answer in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)})


@dataclasses.dataclass(frozen=True)
class Host:
    """A host as the checks see it. Tests pass another root folder, clock, resolver and file systems."""

    root: str = "/"
    clock: t.Callable[[], float] = time.time
    resolve: t.Callable[[str], t.Sequence[str]] = resolve
    file_system: t.Callable[[str], FileSystem] = file_system
    python: tuple[int, ...] = tuple(sys.version_info[:3])
    user_id: int = dataclasses.field(default_factory=os.geteuid)

    def path(self, name: str) -> str:
        return os.path.join(self.root, name)

    def read(self, name: str) -> str:
        with open(self.path(name), encoding="utf-8", errors="replace") as source:
            return source.read()

    def release(self) -> dict[str, str]:
        """The fields of os-release, without their quotes."""
        fields = (line.partition("=") for line in self.read("etc/os-release").splitlines() if "=" in line)
        return {name.strip(): value.strip().strip("\"'") for name, _equals, value in fields}

    def memory(self) -> int:
        """Bytes of memory that the kernel manages; 0 if it does not say."""
        match = re.search(r"^MemTotal:\s+(\d+) kB$", self.read("proc/meminfo"), re.MULTILINE)
        return int(match[1]) * 1024 if match else 0

    def addresses(self) -> set[str]:
        """The host's own addresses, loopback included."""
        found = set(_LOCAL_ADDRESS.findall(self.read("proc/net/fib_trie")))
        if os.path.exists(self.path("proc/net/if_inet6")):  # absent where IPv6 is switched off
            for line in self.read("proc/net/if_inet6").splitlines():
                found.add(str(ipaddress.IPv6Address(int(line.split()[0], 16))))
        return found

    def listeners(self) -> dict[int, set[str]]:
        """Names of the programs that listen on each TCP port; an empty set if they are hidden from this user."""
        sockets: dict[str, tuple[int, str]] = {}  # inode: port and user
        for table in ("proc/net/tcp", "proc/net/tcp6"):
            if os.path.exists(self.path(table)):
                for line in self.read(table).splitlines()[1:]:
                    columns = line.split()
                    if columns[3] == _LISTENING:
                        sockets[columns[9]] = int(columns[1].rpartition(":")[2], 16), columns[7]
        seen: dict[str, set[str]] = {inode: set() for inode in sockets}
        hidden: dict[str, set[str]] = {}
        for name, process in self._processes() if sockets else ():
            held = self._sockets(process)
            if held is None:
                hidden.setdefault(self._user(process), set()).add(name)
            else:
                for inode in held & set(seen):
                    seen[inode].add(name)
        ports: dict[int, set[str]] = {}
        for inode, (port, user) in sockets.items():
            # Root in a container may not look into other users' processes: then the socket's user tells.
            ports.setdefault(port, set()).update(seen[inode] or hidden.get(user, set()))
        return ports

    def programs(self) -> set[str]:
        """Names of the running programs, cut to 15 characters by the kernel."""
        return {name for name, _process in self._processes()}

    def _processes(self) -> t.Iterator[tuple[str, str]]:
        for process in os.listdir(self.path("proc")):
            if process.isdigit():
                try:
                    yield self.read(f"proc/{process}/comm").strip(), process
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it has just ended

    def _sockets(self, process: str) -> set[str] | None:
        """Inodes of the sockets that a process holds; None if this user may not look."""
        folder = self.path(f"proc/{process}/fd")
        held = set()
        try:
            for descriptor in os.listdir(folder):
                match = _SOCKET.match(os.readlink(os.path.join(folder, descriptor)))
                if match:
                    held.add(match[1])
        except (FileNotFoundError, ProcessLookupError):
            return held  # it, or one of its files, has just been closed
        except PermissionError:
            return None
        return held

    def _user(self, process: str) -> str:
        """The effective user's number; empty for a process that has just ended."""
        try:
            match = _USER.search(self.read(f"proc/{process}/status"))
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return match[1] if match else ""
