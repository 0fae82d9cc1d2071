# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tokens of an application, in a file that only its owner reads, shared by all processes that use it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json

OAUTH = "https://oauth.bitrix.info/oauth/token/"
_NEEDED = ("client_id", "client_secret", "refresh_token")


class Application:
    """An application of the portal at `url` (https://PORTAL/rest/).

    `path` is a JSON file with client_id, client_secret and refresh_token, and oauth_url where it is not the vendor's.
    The tokens in it are replaced with each renewal, in one step.
    """

    def __init__(self, url: str, path: str) -> None:
        self.url = url
        self._path = path
        self._known = self._read()

    def __repr__(self) -> str:
        return f"Application({self._path!r})"

    @property
    def access_token(self) -> str:
        return str(self._known.get("access_token") or "")

    @property
    def oauth_url(self) -> str:
        return str(self._known.get("oauth_url") or OAUTH)

    def renew(self, stale: str, exchange: t.Callable[[str, t.Mapping[str, str]], t.Mapping[str, t.Any]]) -> None:
        """Have `access_token` be another one than `stale`. `exchange` asks the vendor: address, parameters → answer."""
        with self._alone():
            self._known = self._read()
            if self.access_token != stale:
                return  # another process was first
            given = {name: str(self._known[name]) for name in _NEEDED}
            answer = exchange(self.oauth_url, {"grant_type": "refresh_token", **given})
            tokens = {name: str(answer.get(name) or "") for name in ("access_token", "refresh_token")}
            if not all(tokens.values()):
                raise BoxliftError(f"{self._path}: the answer to its refresh token has no tokens.", self._remedy)
            self._known = {**self._known, **tokens}
            write_json(self._path, self._known)

    @property
    def _remedy(self) -> str:
        return "Install the application anew, and put its refresh_token into the file."

    def _read(self) -> dict[str, t.Any]:
        known = read_json(self._path)
        if known is not None and os.stat(self._path).st_mode & 0o077:
            raise BoxliftError(
                f"{self._path} holds secrets, and others than its owner may read it.", f"chmod 600 {self._path}"
            )
        missing = [name for name in _NEEDED if not (known or {}).get(name)]
        if known is None or missing:
            raise BoxliftError(
                f"{self._path} has no {', '.join(missing)}.",
                "Write client_id, client_secret and refresh_token of the application into it, as JSON, mode 0600.",
            )
        return known

    @contextlib.contextmanager
    def _alone(self) -> t.Iterator[None]:
        descriptor = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
