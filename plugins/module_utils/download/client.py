# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request for (the rest of) one part. Knows HTTP, knows nothing of backups."""

from __future__ import annotations

import dataclasses
import http.client
import os
import re
import ssl
import typing as t
import urllib.error
import urllib.parse
import urllib.request

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

READ_SIZE = 256 * 1024
_CONTENT_RANGE = re.compile(r"^bytes (\d+)-(\d+)/(\d+)$")


class Refused(Exception):
    """The server answered with a status that says no. `status` is the HTTP code."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status} {reason}")
        self.status = status


class Interrupted(Exception):
    """The connection failed or ended early; asking again may help."""


class Unusable(Exception):
    """The answer came, but it is not the file: a page, another encoding, another size than before."""


@dataclasses.dataclass(frozen=True)
class Body:
    """What a server sends: bytes from `offset` of a file that has `total` bytes in all."""

    offset: int
    total: int
    validator: str
    chunks: t.Iterator[bytes]


class Client:
    """GET with ranges. `open_url` is the seam for tests; it defaults to urllib with TLS as the context says."""

    def __init__(
        self,
        headers: t.Mapping[str, str],
        timeout: float,
        context: ssl.SSLContext | None = None,
        open_url: t.Callable[[urllib.request.Request, float], t.Any] | None = None,
    ) -> None:
        self._headers = dict(headers)
        self._timeout = timeout
        opener = urllib.request.build_opener(_SafeRedirects(), urllib.request.HTTPSHandler(context=context))
        self._open = open_url or (lambda request, seconds: opener.open(request, timeout=seconds))

    def get(self, url: str, offset: int = 0, validator: str = "") -> Body:
        """Ask for `url` from `offset` on; a file that has changed since `validator` comes from its beginning.

        Raises Refused, Interrupted or Unusable.
        """
        request = urllib.request.Request(url, headers={**self._headers, "Accept-Encoding": "identity"})
        if offset:
            request.add_header("Range", f"bytes={offset}-")
            if validator:
                request.add_header("If-Range", validator)
        try:
            answer = self._open(request, self._timeout)
        except urllib.error.HTTPError as error:
            error.close()
            raise Refused(error.code, str(error.reason)) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                host = urllib.parse.urlsplit(url).hostname
                raise BoxliftError(
                    f"The certificate of {host} is not trusted: {error.reason.verify_message}.",
                    "Give the authority that signed it in ca_path.",
                ) from error
            raise Interrupted(str(error.reason)) from error
        except (OSError, http.client.HTTPException) as error:
            raise Interrupted(str(error) or type(error).__name__) from error
        return self._body(answer, offset)

    def _body(self, answer: t.Any, asked: int) -> Body:
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            answer.close()
            raise Unusable(f"the server sends it with Content-Encoding {encoding}")
        etag = answer.headers.get("ETag", "")
        # A weak validator does not prove equal bytes, and servers ignore it in If-Range.
        validator = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
        length = answer.headers.get("Content-Length")
        if answer.status == 206:
            match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
            if not match or int(match[1]) != asked:
                answer.close()
                raise Unusable("the server answers with another range than it was asked for")
            return Body(asked, int(match[3]), validator, _chunks(answer, int(match[2]) + 1 - asked))
        if length is None:
            answer.close()
            raise Unusable("the server does not say how long it is")
        return Body(0, int(length), validator, _chunks(answer, int(length)))


def _chunks(answer: t.Any, length: int) -> t.Iterator[bytes]:
    left = length
    try:
        while left:
            block = answer.read(min(READ_SIZE, left))
            if not block:
                raise Interrupted(f"the connection ended {left} bytes early")
            left -= len(block)
            yield block
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(str(error) or type(error).__name__) from error
    finally:
        answer.close()


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only from TLS to TLS, or from plain to anything."""

    def redirect_request(self, req: t.Any, fp: t.Any, code: t.Any, msg: t.Any, headers: t.Any, newurl: t.Any) -> t.Any:
        if req.full_url.startswith("https://") and not newurl.startswith("https://"):
            raise BoxliftError(
                f"{urllib.parse.urlsplit(req.full_url).hostname} redirects to an address without TLS.",
                "Ask for a direct https address.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def tls_context(ca_path: str | None, validate: bool) -> ssl.SSLContext:
    """A client context that trusts the system's authorities, or those in `ca_path` (a file or a directory)."""
    if not validate:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if ca_path is None:
        return ssl.create_default_context()
    try:
        if os.path.isdir(ca_path):
            return ssl.create_default_context(capath=ca_path)
        return ssl.create_default_context(cafile=ca_path)
    except (OSError, ssl.SSLError) as error:
        raise BoxliftError(
            f"ca_path {ca_path} cannot be read: {error}.", "Give a file of certificates in PEM form."
        ) from error
