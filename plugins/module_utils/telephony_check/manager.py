# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange's manager interface (AMI), as far as a check needs it: log in, ask, read the answer."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Connect = t.Callable[[], socket.socket]


class LoginRefused(BoxliftError):
    """The exchange answered, and does not let this user in."""


@dataclasses.dataclass(frozen=True)
class ManagerUser:
    """A user of AMI, and the rights that its work needs: no fewer, and no more."""

    name: str
    password: str = dataclasses.field(repr=False)
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


class Manager:
    """One session. Answers are found by ActionID, events between them are passed over."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rwb")
        self._number = 0
        banner = self._stream.readline(200)
        if not banner.startswith(b"Asterisk Call Manager/"):
            raise BoxliftError(f"AMI does not greet: {banner[:60]!r}.", "See that manager.conf's port is this one.")

    def ask(self, action: str, **fields: str) -> dict[str, str]:
        """The answer to an action. Raises BoxliftError where the connection ends, or a field holds a line's end."""
        self._number += 1
        number = f"boxlift-check-{self._number}"
        lines = {"Action": action, "ActionID": number, **fields}
        if any("\r" in value or "\n" in value for value in lines.values()):
            raise BoxliftError(f"AMI action {action}: a value has more than one line.", "Correct the value.")
        self._stream.write("".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n")
        self._stream.flush()
        while True:
            answer = self._message()
            if "Response" in answer and answer.get("ActionID") == number:
                return answer

    def login(self, user: ManagerUser) -> None:
        """Raises LoginRefused."""
        answer = self.ask("Login", Username=user.name, Secret=user.password, Events="off")
        if answer["Response"] != "Success":
            raise LoginRefused(f"AMI refuses {user.name}: {answer.get('Message', 'no reason given')}.")

    def _message(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while True:
            line = self._stream.readline(65536)
            if not line:
                raise BoxliftError("AMI has ended the connection.", "See the exchange's log, and run again.")
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if not text:
                return found
            name, _colon, value = text.partition(":")
            found[name.strip()] = value.strip()


@contextlib.contextmanager
def session(connect: Connect, user: ManagerUser) -> t.Iterator[Manager]:
    """A session of this user. Raises LoginRefused, BoxliftError or OSError."""
    with connect() as connection:
        manager = Manager(connection)
        manager.login(user)
        yield manager
