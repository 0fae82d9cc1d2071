# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture portal passes requests of its REST interface on, and gives back what was said."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import typing as t

import pytest

from .conftest import Browser, Portal


class Echo(http.server.BaseHTTPRequestHandler):
    """Says what it was asked, with status 429 where the address has `limit`."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = {"method": self.command, "path": self.path, "body": body}
        asked |= {name: self.headers.get(name, "") for name in ("Host", "Content-Type", "Authorization", "X-Real-IP")}
        content = json.dumps(asked).encode()
        self.send_response(429 if "limit" in self.path else 200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 (the name is the base class's)
        pass


@pytest.fixture
def answerer(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[http.server.HTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        monkeypatch.setenv("LAB_CRM", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_request_is_passed_on_and_the_answer_back(answerer: http.server.HTTPServer, portal: Portal) -> None:
    browser = Browser(portal.url)
    path = "/rest/1/abcdef/crm.item.list.json?filter[%3EID]=5&start=-1"
    headers = {"Content-Type": "application/json", "Authorization": "Bearer token"}
    status, answered, text = browser.open(path, '{"entityTypeId": 1, "title": "Заявка"}', **headers)
    assert (status, answered.get_content_type()) == (200, "application/json")
    assert json.loads(text) == {
        "method": "POST",
        "path": path,
        "body": '{"entityTypeId": 1, "title": "Заявка"}',
        "Host": portal.url.removeprefix("http://"),
        "X-Real-IP": "127.0.0.1",
        **headers,
    }
    status, answered, text = browser.open("/rest/1/abcdef/limit")
    assert (status, json.loads(text)["method"]) == (429, "GET")
    assert "Set-Cookie" not in answered


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    """A port that is taken, at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LAB_CRM", f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield


def test_nobody_answers(nobody: None, portal: Portal) -> None:
    status, _headers, text = Browser(portal.url).open("/rest/1/abcdef/profile")
    assert (status, json.loads(text)["error"]) == (500, "INTERNAL_SERVER_ERROR")
