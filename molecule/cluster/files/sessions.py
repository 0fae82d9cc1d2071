# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count up in a session until told to stop, as the portal does, and note each number that Redis has confirmed.

python3 sessions.py FOLDER. It asks at the portal's own socket. Each number is one more than what was read before, so
that a session of an older time shows as a number that comes again.
"""

from __future__ import annotations

import os
import socket
import sys
import time

SOCKET = "/run/redis/redis-server.sock"
KEY = "lab_session"
EVERY = 0.05  # seconds
WAITS = 5.0  # as long as the portal waits for an answer


class Redis:
    """One connection. Raises OSError where Redis is not there or refuses."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(WAITS)
        self._socket.connect(SOCKET)
        self._answers = self._socket.makefile("rb")

    def ask(self, *words: str) -> str:
        """The answer; empty where there is no such key."""
        sent = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        self._socket.sendall(f"*{len(words)}\r\n{sent}".encode())
        said = self._answers.readline().decode().rstrip("\r\n")
        if not said or said.startswith("-"):
            raise OSError(said or "the connection was closed")
        if said == "$-1":
            return ""
        return self._answers.readline().decode().rstrip("\r\n") if said.startswith("$") else said[1:]

    def close(self) -> None:
        self._socket.close()


def main() -> None:
    folder = sys.argv[1]
    redis: Redis | None = None
    with open(os.path.join(folder, "counted"), "w", encoding="ascii", buffering=1) as counted:
        while not os.path.exists(os.path.join(folder, "stop")):
            try:
                redis = redis or Redis()
                number = int(redis.ask("GET", KEY) or 0) + 1
                redis.ask("SETEX", KEY, "3600", str(number))
                counted.write(f"{number} {time.time():.3f}\n")
            except OSError:
                if redis is not None:
                    redis.close()
                redis = None
            time.sleep(EVERY)


if __name__ == "__main__":
    main()
