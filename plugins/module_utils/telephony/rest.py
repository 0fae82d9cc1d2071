# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the portal over connections that stay open, within the portal's limits."""

from __future__ import annotations

import asyncio
import json
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import tls_context
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.portal import Reply, Unanswered
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.settings import PortalAccess

AIOHTTP_IMPORT_ERROR: ImportError | None
try:
    import aiohttp
except ImportError as missing:
    AIOHTTP_IMPORT_ERROR = missing
else:
    AIOHTTP_IMPORT_ERROR = None

_LARGEST_ANSWER = 16 * 1024 * 1024
_CHUNK = 256 * 1024


class Journal(t.Protocol):
    """Where everything is kept that requests tell of, and an application's tokens, which change with each use."""

    def meta(self, name: str) -> str: ...

    def set_meta(self, name: str, value: str) -> None: ...

    async def settled(self) -> None:
        """Return when all of it is on the disk."""


class Pace:
    """At most `burst` requests at once, and `rate` a second in the long run; a rate of 0 is no limit."""

    def __init__(self, rate: float, burst: int, clock: t.Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._level, self._at = 0.0, clock()

    def wait(self) -> float:
        """Take a place, and give how many seconds it is away."""
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        self._level = max(0.0, self._level - (now - self._at) * self._rate) + 1
        self._at = now
        return max(0.0, (self._level - self._burst) / self._rate)


class RestTransport:
    """The portal's REST, by webhook or as an application."""

    def __init__(self, access: PortalAccess, journal: Journal, clock: t.Callable[[], float]) -> None:
        if AIOHTTP_IMPORT_ERROR is not None:
            raise BoxliftError("Python has no aiohttp.", "apt-get install python3-aiohttp") from AIOHTTP_IMPORT_ERROR
        self._access, self._journal = access, journal
        self._pace = Pace(access.rate, access.burst, clock)
        self._tls = tls_context(access.ca_path or None, True)
        self._renewing = asyncio.Lock()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=access.parallel + 4),
            timeout=aiohttp.ClientTimeout(total=access.timeout),
            headers={"User-Agent": "boxlift.portal call connector"},
            trust_env=True,
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(self, method: str, parameters: t.Mapping[str, t.Any]) -> Reply:
        """Raises Unanswered."""
        token = self._journal.meta("access_token")
        reply = await self._post(method, parameters, token)
        if self._access.application is not None and reply.status == 401:
            await self._renew(token)
            reply = await self._post(method, parameters, self._journal.meta("access_token"))
        return reply

    async def _post(self, method: str, parameters: t.Mapping[str, t.Any], token: str) -> Reply:
        await asyncio.sleep(self._pace.wait())
        given = {**parameters, **({"auth": token} if self._access.application is not None else {})}
        return await self._ask("POST", self._access.url + method + ".json", json=given)

    async def _renew(self, stale: str) -> None:
        """Exchange the refresh token for new ones, once for all requests that met the old token."""
        application = self._access.application
        async with self._renewing:
            if application is None or self._journal.meta("access_token") != stale:
                return
            query = {
                "grant_type": "refresh_token",
                "client_id": application.client_id,
                "client_secret": application.client_secret,
                "refresh_token": self._journal.meta("refresh_token") or application.refresh_token,
            }
            reply = await self._ask("GET", application.oauth_url, params=query)
            try:
                answer = json.loads(reply.body)
                access, refresh = str(answer["access_token"]), str(answer["refresh_token"])
            except (ValueError, KeyError, TypeError):
                raise Unanswered(f"the application's tokens are not renewed: status {reply.status}") from None
            self._journal.set_meta("refresh_token", refresh)
            self._journal.set_meta("access_token", access)

    async def _ask(self, verb: str, url: str, **options: t.Any) -> Reply:
        await self._journal.settled()
        try:
            async with self._session.request(verb, url, allow_redirects=False, **options) as response:
                body = await response.content.read(_LARGEST_ANSWER)
                while not response.content.at_eof() and len(body) < _LARGEST_ANSWER:
                    body += await response.content.read(_LARGEST_ANSWER - len(body))
                return Reply(response.status, body, _seconds(response.headers.get("Retry-After", "")))
        except asyncio.TimeoutError as error:
            raise Unanswered(f"no answer within {self._access.timeout:.0f} s") from error
        except aiohttp.ClientError as error:
            # Its text may hold the address, and the address is a secret.
            host = urllib.parse.urlsplit(url).hostname
            raise Unanswered(f"{host}: {type(error).__name__}{_reason(error)}") from error

    async def upload(self, url: str, field: str, name: str, path: str) -> Reply:
        """Raises Unanswered, OSError of the file, and BoxliftError where the address is another host's."""
        place, own = urllib.parse.urlsplit(url), urllib.parse.urlsplit(self._access.url)
        if (place.scheme, place.hostname) != ("https", own.hostname):
            raise BoxliftError(
                f"The portal names {place.scheme}://{place.hostname} for uploads, not itself ({own.hostname}).",
                "Set the portal's address (module main, server_name; module voximplant, portal_url).",
            )
        await asyncio.sleep(self._pace.wait())
        with open(path, "rb") as stream:
            form = aiohttp.FormData()
            form.add_field(field, stream, filename=name, content_type="application/octet-stream")
            # A long recording over a thin line takes longer than an answer may.
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=self._access.timeout)
            return await self._ask("POST", url, data=form, timeout=timeout)


def _seconds(text: str) -> float:
    return min(float(text), 3600.0) if text.isdigit() else 0.0


def _reason(error: BaseException) -> str:
    cause = getattr(error, "os_error", None) or error.__cause__
    text = getattr(cause, "strerror", None) or getattr(cause, "verify_message", None)
    return f" ({text})" if text else ""
