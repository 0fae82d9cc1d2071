# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application's tokens: renewed once for all who use them, and never lost."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
import typing as t
import urllib.parse
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Application, Denied, Rest, RestError
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.module_utils.crm.fake_portal import FakePortal, Reply, Request
from unit.plugins.module_utils.crm.own_process import ENVIRONMENT

EXPIRED = Reply({"error": "expired_token", "error_description": "The access token provided has expired"}, 401)


class Vendor:
    """The portal, whose access tokens expire, and the vendor's server beside it, whose refresh tokens serve once."""

    def __init__(self, portal: FakePortal) -> None:
        self.portal, self.number, self.renewals = portal, 0, 0
        self.good, self.refresh = "", "refresh-0"
        self.lock = threading.Lock()
        self.broken: list[Reply] = []
        portal.answer = self.answer

    def answer(self, request: Request) -> Reply:
        path, _mark, query = request.path.partition("?")
        if path != "/oauth/token/":
            if request.params.get("auth") != self.good:
                return EXPIRED
            return Reply(self.portal.envelope("done"))
        if self.broken:
            return self.broken.pop(0)
        given = dict(urllib.parse.parse_qsl(query))
        with self.lock:
            if given != {
                "grant_type": "refresh_token",
                "client_id": "local.app",
                "client_secret": "client-s3cr3t",
                "refresh_token": self.refresh,
            }:
                return Reply({"error": "invalid_grant"}, 400)
            self.number, self.renewals = self.number + 1, self.renewals + 1
            self.good, self.refresh = f"access-s3cr3t-{self.number}", f"refresh-s3cr3t-{self.number}"
            return Reply({"access_token": self.good, "refresh_token": self.refresh, "expires_in": 3600})


@pytest.fixture
def vendor(portal: FakePortal) -> Vendor:
    return Vendor(portal)


@pytest.fixture
def path(tmp_path: Path, portal: FakePortal) -> Path:
    file = tmp_path / "tokens.json"
    file.touch(0o600)
    known = {"client_id": "local.app", "client_secret": "client-s3cr3t", "refresh_token": "refresh-0"}
    file.write_text(json.dumps({**known, "oauth_url": f"https://127.0.0.1:{portal.port}/oauth/token/"}))
    return file


@pytest.fixture
def application(path: Path, portal: FakePortal) -> Application:
    return Application(f"https://127.0.0.1:{portal.port}/rest/", str(path))


def client(application: Application, tls: t.Any) -> Rest:
    return Rest(application, ca_file=str(tls.authority), sleep=lambda seconds: None, timeout=10)


def test_the_first_call_gets_a_token_and_later_ones_use_it(
    vendor: Vendor, application: Application, tls: t.Any, path: Path
) -> None:
    rest = client(application, tls)
    assert [rest.call("m").result for _call in range(3)] == ["done"] * 3
    assert vendor.renewals == 1
    kept = json.loads(path.read_text())
    assert (kept["access_token"], kept["refresh_token"]) == (vendor.good, vendor.refresh)
    assert kept["client_secret"] == "client-s3cr3t"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert vendor.portal.requests[-1].path == "/rest/m.json"


def test_a_token_that_has_expired_is_renewed_also_for_writes(
    vendor: Vendor, application: Application, tls: t.Any
) -> None:
    rest = client(application, tls)
    rest.call("m")
    vendor.good = "another"
    assert rest.call("m", repeat=False).result == "done"
    assert vendor.renewals == 2


def test_a_new_process_goes_on_with_what_is_kept(
    vendor: Vendor, application: Application, tls: t.Any, path: Path
) -> None:
    client(application, tls).call("m")
    again = Application(application.url, str(path))
    client(again, tls).call("m")
    assert vendor.renewals == 1


def test_who_comes_second_takes_the_token_of_the_first(
    vendor: Vendor, application: Application, tls: t.Any, path: Path
) -> None:
    """Two processes share the file, and a refresh token serves once."""
    second = Application(application.url, str(path))
    client(application, tls).call("m")
    client(second, tls).call("m")
    vendor.good = "expired"
    client(second, tls).call("m")
    client(application, tls).call("m")
    assert vendor.renewals == 2


def test_lanes_renew_once(vendor: Vendor, application: Application, tls: t.Any) -> None:
    rest, failures = client(application, tls), []
    start = threading.Barrier(8)

    def lane() -> None:
        try:
            start.wait()
            for _call in range(5):
                rest.call("m")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=lane) for _lane in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert vendor.renewals == 1


def test_a_refresh_token_that_is_refused(vendor: Vendor, application: Application, tls: t.Any, path: Path) -> None:
    vendor.refresh = "another"
    before = path.read_text()
    with pytest.raises(Denied, match=r"refuses the application's refresh token \(invalid_grant\)") as caught:
        client(application, tls).call("m")
    assert caught.value.code == "invalid_grant"
    assert "Install the application anew" in caught.value.remedy
    assert path.read_text() == before
    assert "s3cr3t" not in str(caught.value.as_result())
    assert "s3cr3t" not in repr(application) + repr(caught.value)


def test_an_answer_without_tokens_changes_nothing(
    vendor: Vendor, application: Application, tls: t.Any, path: Path
) -> None:
    before = path.read_text()
    vendor.broken = [Reply({"access_token": "a"})]
    with pytest.raises(BoxliftError, match="has no tokens"):
        client(application, tls).call("m")
    assert path.read_text() == before


def test_a_vendor_who_is_away_for_a_moment(vendor: Vendor, application: Application, tls: t.Any) -> None:
    vendor.broken = [Reply(b"<html>", 502), Reply(b"<html>")]
    assert client(application, tls).call("m").result == "done"
    vendor.good, vendor.broken = "x", [Reply(b"<html>", 502)] * 20
    with pytest.raises(RestError, match="there is no new access token") as caught:
        client(application, tls).call("m", repeat=False)
    assert caught.value.code == "NO_TOKEN"
    assert "s3cr3t" not in str(caught.value.as_result())


def test_a_portal_that_takes_no_token(vendor: Vendor, application: Application, tls: t.Any) -> None:
    rest = client(application, tls)
    rest.call("m")
    usual = vendor.portal.answer
    vendor.portal.answer = lambda request: EXPIRED if request.method == "m" else usual(request)
    with pytest.raises(Denied, match="takes no new access token either"):
        rest.call("m")


def test_a_webhook_whose_token_is_said_to_have_expired(portal: FakePortal, rest: Rest) -> None:
    portal.answer = lambda request: EXPIRED
    with pytest.raises(Denied, match="access token has expired"):
        rest.call("m")
    assert len(portal.requests) == 1


@pytest.mark.parametrize("content", ["{}", '{"client_id": "a", "client_secret": "b"}'])
def test_a_file_that_lacks_something(tmp_path: Path, content: str) -> None:
    file = tmp_path / "tokens.json"
    file.touch(0o600)
    file.write_text(content)
    with pytest.raises(BoxliftError, match="has no .*refresh_token"):
        Application("https://portal.example.test/rest/", str(file))


def test_a_file_that_others_may_read(path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(BoxliftError, match="others than its owner may read it") as caught:
        Application("https://portal.example.test/rest/", str(path))
    assert caught.value.remedy == f"chmod 600 {path}"


KILLED = """
import os, sys
from ansible_collections.boxlift.portal.plugins.module_utils.crm.tokens import Application

def exchange(url, given):
    return {"access_token": "access-1", "refresh_token": "refresh-1"}

application = Application("https://portal.example.test/rest/", sys.argv[1])
real, count = getattr(os, sys.argv[2]), int(sys.argv[3])

def dies(*arguments, **named):
    global count
    count -= 1
    if count < 0:
        os.kill(os.getpid(), 9)
    return real(*arguments, **named)

setattr(os, sys.argv[2], dies)
application.renew("", exchange)
"""


@pytest.mark.parametrize(
    ("call", "count", "kept"),
    [("open", 1, "refresh-0"), ("fsync", 0, "refresh-0"), ("replace", 0, "refresh-0"), ("fsync", 1, "refresh-1")],
)
def test_a_kill_at_any_moment_leaves_a_whole_file(path: Path, call: str, count: int, kept: str) -> None:
    command = [sys.executable, "-c", KILLED, str(path), call, str(count)]
    ended = subprocess.run(command, env=ENVIRONMENT, check=False, capture_output=True, text=True)
    assert ended.returncode == -9, ended.stderr
    assert json.loads(path.read_text())["refresh_token"] == kept
    again = Application("https://portal.example.test/rest/", str(path))  # neither lock nor spare file is in the way
    again.renew(again.access_token, lambda url, given: {"access_token": "a", "refresh_token": "b"})
    assert json.loads(path.read_text())["refresh_token"] == "b"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
