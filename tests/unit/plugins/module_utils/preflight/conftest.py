# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host made of text files, as good as new."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.host import FileSystem, Host

ADDRESS = "198.18.0.11"
FIB_TRIE = f"""Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 198.18.0.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 127.0.0.1
        /32 host LOCAL
     |-- {ADDRESS}
        /32 host LOCAL
     |-- 198.18.0.255
        /32 link BROADCAST
"""
TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


class FakeHost:
    """`host()` sees what the methods have put into `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("etc/os-release", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n')
        self.write("proc/meminfo", "MemTotal:        4194304 kB\nMemFree:          1000 kB\n")
        self.write("proc/net/fib_trie", FIB_TRIE)
        self.write("proc/net/if_inet6", f"{'0' * 31}1 01 80 10 80 lo\n20010db8{'0' * 23}b 02 40 00 80 eth0\n")
        self.write("proc/net/tcp", TCP)
        (root / "run/systemd/system").mkdir(parents=True)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def process(self, number: int, name: str, user: int = 0, inode: int | None = None) -> Path:
        """A running process; its folder of open files."""
        self.write(f"proc/{number}/comm", f"{name}\n")
        self.write(f"proc/{number}/status", f"Name:\t{name}\nUid:\t0\t{user}\t0\t0\n")
        folder = self.root / f"proc/{number}/fd"
        folder.mkdir()
        (folder / "0").symlink_to("/dev/null")
        if inode is not None:
            (folder / "3").symlink_to(f"socket:[{inode}]")
        return folder

    def socket(self, port: int, inode: int, user: int = 0, state: str = "0A", table: str = "proc/net/tcp") -> None:
        path = self.root / table
        queues = "00000000:00000000 00:00000000 00000000"
        line = f"   0: 00000000:{port:04X} 00000000:0000 {state} {queues} {user} 0 {inode} 1\n"
        path.write_text((path.read_text() if path.exists() else TCP) + line, encoding="utf-8")

    def host(self, **seams: t.Any) -> Host:
        room = FileSystem(1, "/", 10**12)
        usual = {
            "clock": lambda: 1000.0,
            "resolve": lambda name: [ADDRESS],
            "file_system": lambda path: room,
            "python": (3, 11, 2),
            "user_id": 0,
        }
        return Host(str(self.root), **{**usual, **seams})


@pytest.fixture
def fake(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "host")
