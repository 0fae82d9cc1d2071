# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's REST interface for a check: one request, its result, or the portal's own error."""

from __future__ import annotations

import http.client
import json
import ssl
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import Connector

#: A page of employees is far smaller.
BODY_LIMIT = 8 * 1024 * 1024
PAGES = 200


class RestRefused(BoxliftError):
    """The portal answered with an error: `code` is its name for it."""

    def __init__(self, method: str, code: str, description: str) -> None:
        super().__init__(f"{method}: {description} ({code or 'no code'}).")
        self.code, self.description = code, description


class NotAnswered(BoxliftError):
    """No answer came, or one that is no answer of a REST interface."""


class Rest(t.Protocol):
    """What a check asks. `kind` is `webhook` or `application`."""

    kind: str

    def call(self, method: str, **parameters: t.Any) -> t.Any: ...

    def all(self, method: str, **parameters: t.Any) -> list[dict[str, t.Any]]: ...


class RestClient:
    """A webhook's address, or the address of the interface and an application's token. Both are secret."""

    def __init__(self, url: str, connect: Connector, context: ssl.SSLContext, token: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise BoxliftError(
                "The REST address is no https address.", "Write it as https://portal.example.com/rest/USER/CODE/."
            )
        self.kind = "application" if token else "webhook"
        self._host, self._port, self._path = parts.hostname, parts.port or 443, parts.path.rstrip("/")
        self._connect, self._context, self._token = connect, context, token

    def call(self, method: str, **parameters: t.Any) -> t.Any:
        """The result. Raises RestRefused or NotAnswered; neither shows the address's secret."""
        return self._answer(method, parameters)["result"]

    def all(self, method: str, **parameters: t.Any) -> list[dict[str, t.Any]]:
        """The rows of every page. Raises as call(), and BoxliftError for a list without end."""
        rows: list[dict[str, t.Any]] = []
        start: int | None = 0
        for _page in range(PAGES):
            answer = self._answer(method, {**parameters, "start": start})
            rows += answer["result"]
            start = answer.get("next")
            if start is None:
                return rows
        raise BoxliftError(f"{method}: more than {PAGES} pages.", "Give a narrower filter.")

    def _answer(self, method: str, parameters: dict[str, t.Any]) -> dict[str, t.Any]:
        body = json.dumps({**parameters, **({"auth": self._token} if self._token else {})}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "boxlift.portal", "Connection": "close"}
        connection = http.client.HTTPConnection(self._host, self._port)
        try:
            plain = self._connect(self._host, self._port)
            try:
                connection.sock = self._context.wrap_socket(plain, server_hostname=self._host)
            except BaseException:
                plain.close()
                raise
            connection.request("POST", f"{self._path}/{method}", body, headers)
            response = connection.getresponse()
            content = response.read(BODY_LIMIT)
        except ssl.SSLCertVerificationError as problem:
            raise NotAnswered(
                f"The certificate of {self._host} is not accepted: {problem.verify_message}.",
                "Install the right certificate on the portal, or give its authority as ca_path.",
            ) from problem
        except (OSError, http.client.HTTPException) as problem:
            # What is wrong with a request or its answer may quote the address, which is secret.
            reason = str(problem) if isinstance(problem, OSError) and str(problem) else type(problem).__name__
            raise NotAnswered(
                f"{method}: {self._host} does not answer ({reason}).", "See whether the portal runs."
            ) from None
        finally:
            connection.close()
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and "error" in answer:
            raise RestRefused(method, str(answer["error"]), str(answer.get("error_description") or "no description"))
        if not isinstance(answer, dict) or "result" not in answer:
            text = f"{method}: {self._host} answers with status {response.status} and no JSON."
            raise NotAnswered(text, "See the web server's log on the portal.")
        return answer
