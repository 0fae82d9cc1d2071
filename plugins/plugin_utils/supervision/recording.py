# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal of a supervised run, kept as text, masked as the journal is.

Ansible's own log cannot be it: a result is shown, and logged, before anybody has learned from the task's options what
is secret in it. Here the text waits in memory until the journal has learned that too, and only then goes to the disk.
"""

from __future__ import annotations

import hashlib
import logging
import os
import typing as t

Mask = t.Callable[[str], str]


class Recording(logging.Handler):
    """What is shown is held; `keep` masks it and writes it down. Without a path nothing is written yet."""

    def __init__(self, mask: Mask) -> None:
        super().__init__(logging.DEBUG)
        self.path = ""
        self._mask = mask
        self._held: list[str] = []
        self._wanted = True

    def emit(self, record: logging.LogRecord) -> None:
        if self._wanted:
            self._held.append(record.getMessage())

    def open(self, path: str) -> None:
        """From here on it is written to this file, with what is held. Raises OSError."""
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        self.path = path

    def drop(self) -> None:
        """Nothing of this run is to be kept."""
        self._wanted = False
        self._held.clear()

    def keep(self) -> None:
        """Write what is held, masked. Raises OSError."""
        if not self.path:
            return
        self.acquire()  # another thread may show something
        try:
            held, self._held = self._held, []
        finally:
            self.release()
        if held:
            # As one text: a secret may have several lines, and each may have been shown apart.
            text = self._mask("\n".join(held)) + "\n"
            with open(self.path, "a", encoding="utf-8") as stream:
                stream.write(text)

    def proof(self) -> dict[str, t.Any]:
        """Path, SHA-256 and bytes of all that is written so far. Raises OSError."""
        with open(self.path, "rb") as stream:
            content = stream.read()
            os.fsync(stream.fileno())
        return {"path": self.path, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def listen(recording: Recording, display: t.Any) -> None:
    """Have everything that Ansible shows from here on come to the recording; `display` is Ansible's module."""
    if display.logger is None:
        display.logger = logging.Logger("boxlift.portal.recording", logging.DEBUG)
    display.logger.addHandler(recording)
