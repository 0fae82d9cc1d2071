# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import (
    Certificate,
    HttpClient,
    Unreachable,
    direct,
)
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import DOMAIN
from unit.plugins.module_utils.health.toy_site import DAY, NOW, ToySite

authority = toy_fixtures.authority
good_context = toy_fixtures.good_context


@pytest.fixture
def site(good_context: t.Any) -> t.Iterator[ToySite]:
    toy = ToySite(good_context)
    yield toy
    toy.close()


def test_shows_status_headers_and_body_and_follows_nothing(site: ToySite) -> None:
    site.answers["/a?b=c"] = (302, {"Location": "https://elsewhere.test/"}, b"moved")
    answer = HttpClient(site.connect).request(f"https://{DOMAIN}/a?b=c")
    assert (answer.status, answer.header("location"), answer.body) == (302, "https://elsewhere.test/", b"moved")
    assert answer.header("X-Missing") == ""
    assert site.requests == [("GET", "/a?b=c")]


def test_cookies_and_headers_of_a_request(site: ToySite) -> None:
    site.cookie = "PHPSESSID={}; Path=/; Secure; SameSite=Lax"
    client = HttpClient(site.connect)
    cookie = client.request(f"https://{DOMAIN}/").cookies["PHPSESSID"]
    assert cookie.value == "1"
    assert cookie.attributes == {"path": "/", "secure": "", "samesite": "Lax"}
    assert client.request(f"https://{DOMAIN}/", headers={"Cookie": "PHPSESSID=1"}).cookies == {}


@pytest.mark.parametrize(("limit", "status"), [(2**40, 100), (1000, 413)])
def test_announces_a_body_and_sends_none_of_it(site: ToySite, limit: int, status: int) -> None:
    site.body_limit = limit
    assert HttpClient(site.connect).announce(f"https://{DOMAIN}/", 10**9) == status


def test_plain_http(site: ToySite) -> None:
    assert HttpClient(site.connect).request(f"http://{DOMAIN}").status == 301


def test_an_unknown_authority_does_not_hide_the_answer(site: ToySite) -> None:
    assert HttpClient(site.connect).request(f"https://{DOMAIN}/").status == 200
    assert "unable to get local issuer" in HttpClient(site.connect).certificate(DOMAIN).problem


def test_no_answer_names_the_request(site: ToySite) -> None:
    with pytest.raises(Unreachable, match="GET https://other.test/: no answer .*Connection refused"):
        HttpClient(site.connect).request("https://other.test/")
    with pytest.raises(Unreachable, match="TLS with other.test:443 failed"):
        HttpClient(site.connect).certificate("other.test")


def test_an_answer_that_is_not_http_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk(_host: str, _port: int) -> socket.socket:
            client = socket.create_connection(server.getsockname())
            peer, _address = server.accept()
            peer.sendall(b"SSH-2.0-OpenSSH\r\n")
            peer.close()
            return client

        with pytest.raises(Unreachable):
            HttpClient(talk).request("http://x.test/")
        with pytest.raises(Unreachable):
            HttpClient(talk).request("https://x.test/")
        with pytest.raises(Unreachable, match="POST http://x.test/: the answer is not HTTP"):
            HttpClient(talk).announce("http://x.test/", 1)


def test_certificate_of_the_given_authority(site: ToySite, authority: t.Any) -> None:
    shown = HttpClient(site.connect, str(authority.path)).certificate(DOMAIN)
    assert (shown.problem, shown.names, shown.issuer) == ("", (DOMAIN,), "Lab CA")
    assert abs(shown.not_after - (NOW + 90 * DAY).timestamp()) < 2


def test_a_missing_authority_is_an_error_and_no_verdict(site: ToySite) -> None:
    with pytest.raises(BoxliftError, match="ca_path /does/not/exist does not exist"):
        HttpClient(site.connect, "/does/not/exist").certificate(DOMAIN)


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (("a.test",), "a.test", True),
        (("A.test",), "a.TEST.", True),
        (("*.a.test",), "x.a.test", True),
        (("*.a.test",), "a.test", False),
        (("*.a.test",), "x.y.a.test", False),
        (("b.test", "a.test"), "a.test", True),
        ((), "a.test", False),
    ],
)
def test_names(names: tuple[str, ...], host: str, covered: bool) -> None:
    assert Certificate(names=names).covers(host) is covered


def test_the_given_address_is_for_the_portals_name_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with direct("127.0.0.1", "portal.invalid", 5)("portal.invalid", port) as made:
            assert made.getpeername() == ("127.0.0.1", port)
        with pytest.raises(OSError):
            direct("127.0.0.1", "portal.invalid", 5)("other.invalid", port)
