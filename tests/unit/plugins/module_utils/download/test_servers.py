# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers of other people do: encodings, users, versions, IPv6, names in other letters, answers that last."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.server
import itertools
import re
import socket
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.download.state import known_count
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.address import address_of, secrets_of
from ansible_collections.boxlift.portal.plugins.module_utils.http.client import Client
from ansible_collections.boxlift.portal.plugins.module_utils.http.proxy import connection_to
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import HttpRefused
from lab.archive_writer import Entry, write_archive

from .conftest import Lab

Answer = t.Callable[["Handler", bytes], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the files of `folder`, by the rules of its server."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        path = self.server.folder / self.path.rpartition("/")[2].partition("?")[0]
        refused = self.server.refuse(self)
        if refused or not path.is_file():
            self.answer(refused or 404, b"no", {})
            return
        content = path.read_bytes()
        headers = {"ETag": '"one"', **self.server.headers(self)}
        wanted = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
        if self.headers.get("If-Range") not in (None, headers["ETag"]) or self.server.compress or not wanted:
            self.answer(200, gzip.compress(content, 1) if self.server.compress else content, headers)
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        headers.setdefault("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.answer(206, content[first : last + 1], headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: t.Any) -> None:
        """Nothing on the terminal."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, host: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Handler)
        self.folder = folder
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: t.Callable[[Handler], dict[str, str]] = lambda _request: {}
        self.refuse: t.Callable[[Handler], int] = lambda _request: 0
        self.compress = False

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Clients go away."""


@contextlib.contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> t.Iterator[Server]:
    server = Server(folder, host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def url_of(lab: Lab, server: Server, host: str = "127.0.0.1", user: str = "") -> str:
    return f"http://{user}{host}:{server.port}/backup/{lab.parts[0].name}"


# Encodings


@pytest.mark.parametrize("coding", ("x-gzip", "gzip", "X-GZip", "GZIP", "identity", "Identity", "", "gzip, identity"))
def test_an_encoding_that_is_the_files_own(lab: Lab, coding: str) -> None:
    with serving(lab.folder) as server:
        server.headers = lambda _request: {"Content-Encoding": coding}
        lab.prepare(url_of(lab, server)).run()
    lab.assert_here()
    assert lab.slept == []


@pytest.mark.parametrize("kind", ("tar.gz", "tar", "enc"))
@pytest.mark.parametrize("coding", ("gzip", "X-GZIP"))
def test_a_server_that_really_compresses(tmp_path: Path, tls: t.Any, kind: str, coding: str) -> None:
    lab = Lab(tmp_path, tls, kind)
    with serving(lab.folder) as server:
        server.compress = True
        server.headers = lambda _request: {"Content-Encoding": coding}
        lab.prepare(url_of(lab, server)).run()
    lab.assert_here()


@pytest.mark.parametrize("coding", ("br", "zstd", "gzip, br"))
def test_an_encoding_that_nobody_asked_for(lab: Lab, coding: str) -> None:
    with serving(lab.folder) as server:
        server.headers = lambda _request: {"Content-Encoding": coding}
        with pytest.raises(BoxliftError, match=f"with Content-Encoding {coding}, though none was asked for"):
            lab.prepare(url_of(lab, server)).run()
    assert lab.slept == []


def test_ranges_of_what_a_server_has_compressed(lab: Lab) -> None:
    packed = {part.name: gzip.compress(part.read_bytes(), 1) for part in lab.parts}
    for name, content in packed.items():
        (lab.folder / name).write_bytes(content)
    with serving(lab.folder) as server:
        server.headers = lambda _request: {"Content-Encoding": "gzip"}
        with pytest.raises(BoxliftError, match="gives out ranges of what it has compressed"):
            lab.prepare(url_of(lab, server)).run()
    assert lab.slept == []


# Answers that last


@pytest.mark.parametrize(
    "status", (400, 401, 402, 403, 404, 405, 406, 407, 410, 411, 414, 418, 421, 422, 428, 451, 501)
)
@pytest.mark.parametrize("index", (0, 2))
def test_a_lasting_answer_ends_at_once(lab: Lab, status: int, index: int) -> None:
    name = lab.parts[index].name
    with serving(lab.folder) as server:
        server.refuse = lambda request: status if request.path.endswith(f"/{name}") else 0
        with pytest.raises(BoxliftError) as caught:
            lab.prepare(url_of(lab, server)).run()
        assert len([path for path, _headers in server.asked if path.endswith(f"/{name}")]) <= 2
    assert name in caught.value.message
    assert str(status) in caught.value.message
    assert caught.value.remedy
    assert lab.slept == []


@pytest.mark.parametrize("status", (408, 425, 429, 500, 502, 503, 504, 520))
def test_a_passing_answer_is_asked_again(lab: Lab, status: int) -> None:
    with serving(lab.folder) as server:
        turns = itertools.count()
        server.refuse = lambda _request: status if next(turns) in (0, 3) else 0
        lab.prepare(url_of(lab, server)).run()
    lab.assert_here()
    assert lab.slept


def test_a_lasting_answer_leaves_a_mirror(lab: Lab) -> None:
    with serving(lab.folder) as server, serving(lab.folder) as other:
        server.refuse = lambda _request: 451
        result = lab.prepare(url_of(lab, server), mirrors=[url_of(lab, other)]).run()
    lab.assert_here()
    assert result["warnings"] == ["127.0.0.1 was left for the other sources: HTTP 451 Unavailable For Legal Reasons."]


def test_a_server_without_tls_ends_at_once(lab: Lab) -> None:
    with serving(lab.folder) as server, pytest.raises(BoxliftError, match="does not speak TLS as this host does"):
        lab.prepare(url_of(lab, server).replace("http:", "https:")).run()
    assert lab.slept == []


# Users


@pytest.mark.parametrize(
    ("user", "pair"), (("u:pa%3Ass@", "u:pa:ss"), ("%D1%8E:%C3%A9@", "ю:é"), ("only@", "only:"), ("a%40b:c@", "a@b:c"))
)
def test_a_user_in_the_address(lab: Lab, user: str, pair: str) -> None:
    value = f"Basic {base64.b64encode(pair.encode()).decode()}"
    with serving(lab.folder) as server:
        server.refuse = lambda request: 0 if request.headers.get("Authorization") == value else 401
        lab.prepare(url_of(lab, server, user=user)).run()
        assert all("@" not in headers["Host"] for _path, headers in server.asked)
    lab.assert_here()
    for path in lab.dest.iterdir():
        assert pair.encode() not in path.read_bytes()
        assert value.encode() not in path.read_bytes()


def test_a_wrong_user_is_not_shown(lab: Lab) -> None:
    with serving(lab.folder) as server:
        server.refuse = lambda _request: 401
        with pytest.raises(BoxliftError, match="asks for a user and a password") as caught:
            lab.prepare(url_of(lab, server, user="someone:hidden@")).run()
    assert "hidden" not in str(caught.value.as_result())


def test_a_user_is_not_sent_to_another_host(lab: Lab) -> None:
    with serving(lab.folder) as server, serving(lab.folder) as other:

        class Moved(Handler):
            def do_GET(self) -> None:
                server.asked.append((self.path, dict(self.headers)))
                self.answer(302, b"", {"Location": f"http://127.0.0.1:{other.port}{self.path}"})

        server.RequestHandlerClass = Moved
        client = Client({}, 5)
        client.get(url_of(lab, server, user="u:p@")).close()
        client.close()
        assert "Authorization" in server.asked[0][1]
        assert ["Authorization" in headers for _path, headers in other.asked] == [False]


def test_headers_go_before_the_user_of_the_address(lab: Lab) -> None:
    with serving(lab.folder) as server:
        client = Client({"authorization": "Bearer t"}, 5)
        client.get(url_of(lab, server, user="u:p@")).close()
        client.close()
        assert [value for name, value in server.asked[0][1].items() if name.lower() == "authorization"] == ["Bearer t"]


def test_a_proxy_is_not_told_the_user_as_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    split = address_of("http://u:p@host.example:8080/x").split
    _connection, prefix, headers = connection_to(split, 5, None)
    assert (prefix, headers["Host"]) == ("http://host.example:8080", "host.example:8080")


def test_secrets_of_an_address() -> None:
    found = secrets_of("https://u:pa%3Ass@host/b.tar.gz?sign=abc%2Fdef")
    assert {"pa%3Ass", "pa:ss", "sign=abc%2Fdef", "sign=abc/def", base64.b64encode(b"u:pa:ss").decode()} <= set(found)


@pytest.mark.parametrize("header", ({"X": "a\r\nb"}, {"X": "пароль"}, {"Ключ": "a"}))
def test_headers_that_http_does_not_carry(header: dict[str, str]) -> None:
    with pytest.raises(BoxliftError, match="holds characters that HTTP does not carry"):
        Client(header, 5)


# Versions


@pytest.mark.parametrize("connections", (1, 4))
@pytest.mark.parametrize("field", ("ETag", "Last-Modified"))
def test_a_version_that_changes_with_each_request(lab: Lab, connections: int, field: str) -> None:
    turns = itertools.count()
    with serving(lab.folder) as server:
        server.headers = lambda _request: {"ETag": 'W/"weak"', field: f'"{next(turns)}"'}
        result = lab.prepare(url_of(lab, server), connections=connections).run()
    lab.assert_here()
    assert result["intact"]


def test_one_change_that_many_connections_notice_counts_once(lab: Lab) -> None:
    """A part that is made anew while it is fetched begins again, however many connections see it."""
    lab.write("one", noise_size=600_000, part_limit=600_000)
    with serving(lab.folder) as server:
        turns = itertools.count()
        server.headers = lambda _request: {"ETag": '"old"' if next(turns) < 8 else '"new"'}
        result = lab.prepare(url_of(lab, server), connections=8).run()
    lab.assert_here()
    assert len([repair for repair in result["repairs"] if repair["status"] == "foreign"]) == 1


# Hosts


def test_an_ipv6_host(lab: Lab) -> None:
    with serving(lab.folder, "::1") as server:
        lab.prepare(url_of(lab, server, "[::1]")).run()
        assert {headers["Host"] for _path, headers in server.asked} == {f"[::1]:{server.port}"}
    lab.assert_here()


def test_a_host_in_other_letters(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def lookup(host: t.Any, *rest: t.Any, **options: t.Any) -> t.Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if name == "xn--80awhdgm.xn--p1ai" else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with serving(lab.folder) as server:
        lab.prepare(url_of(lab, server, "портал.рф")).run()
        assert {headers["Host"] for _path, headers in server.asked} == {f"xn--80awhdgm.xn--p1ai:{server.port}"}
    lab.assert_here()


@pytest.mark.parametrize(
    "url",
    (
        "https://host:port/b.tar.gz",
        "https://[::1/b.tar.gz",
        "https://[zz::1]/b.tar.gz",
        "https://host:99999/b.tar.gz",
        "https://" + "a" * 70 + ".ru/b.tar.gz",
        "https://я" + "я" * 70 + ".рф/b.tar.gz",
        "https://п..рф/b.tar.gz",
    ),
)
def test_addresses_that_cannot_be_used(lab: Lab, url: str) -> None:
    with pytest.raises(BoxliftError, match="url is not an address|could not be fetched"):
        lab.prepare(url).run()


def test_a_redirect_in_other_letters(lab: Lab) -> None:
    folder = lab.folder
    (folder / "копия.tar.gz").write_bytes(b"x")
    seen = []

    class Moved(Handler):
        def do_GET(self) -> None:
            seen.append(self.path)
            if self.path != "/first":
                self.answer(200, b"x", {})
                return
            self.send_response(302)
            self.wfile.flush()
            # send_header() takes Latin-1 only; the buffer behind it is in no stub of the standard library.
            self._headers_buffer.append("Location: /копия\r\n".encode())  # type: ignore[attr-defined]
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(folder) as server:
        server.RequestHandlerClass = Moved
        client = Client({}, 5)
        assert b"".join(client.get(f"http://127.0.0.1:{server.port}/first").chunks) == b"x"
        client.close()
    assert seen == ["/first", "/%D0%BA%D0%BE%D0%BF%D0%B8%D1%8F"]


def test_a_closed_client_makes_no_new_connection(lab: Lab) -> None:
    with serving(lab.folder) as server:
        client = Client({}, 5)
        client.get(url_of(lab, server), 0, 0).close()
        client.close()
        with pytest.raises(Exception, match="connections were closed"):
            client.get(url_of(lab, server), 0, 0)


def test_a_range_that_ends_before_it_begins(lab: Lab) -> None:
    with serving(lab.folder) as server:
        server.headers = lambda _request: {"Content-Range": "bytes 10-5/100"}
        with pytest.raises(Exception, match="another range|HTTP"):
            Client({}, 5).get(url_of(lab, server), 10, 20)


# The end of a backup that states no number of parts


def even_lab(tmp_path: Path, tls: t.Any) -> Lab:
    lab = Lab(tmp_path, tls, "tar")
    for part in lab.parts:
        part.unlink()
    entries = [Entry(b"f%d" % number, data=bytes([number + 1]) * 3584) for number in range(4)]
    lab.parts = write_archive(entries, lab.folder, "base", kind="tar", part_limit=4096)
    return lab


def test_the_answer_that_no_part_follows_is_noted(tmp_path: Path, tls: t.Any) -> None:
    lab = even_lab(tmp_path, tls)
    with serving(lab.folder) as server:
        result = lab.prepare(url_of(lab, server)).run()
    assert result["intact"] is True
    known = known_count(None, find_parts(str(lab.dest)))
    assert known is not None
    assert known.count == 4
    assert verify(str(lab.dest), known=known).intact
    assert not verify(str(lab.dest)).intact
    (lab.dest / lab.parts[3].name).write_bytes(lab.parts[2].read_bytes() + b"")
    assert known_count(None, find_parts(str(lab.dest))) is None  # it is not what was fetched


def test_a_disk_that_holds_no_further_part_shows_nothing(tmp_path: Path, tls: t.Any) -> None:
    lab = even_lab(tmp_path, tls)
    result = lab.prepare(str(lab.parts[0])).run()
    assert result["intact"] is None
    assert any("their end is not proven" in warning for warning in result["warnings"])
    again = lab.prepare(str(lab.parts[0]), part_count=4).run()
    assert again["intact"] is True


def test_a_stated_number_that_the_server_does_not_have(tmp_path: Path, tls: t.Any) -> None:
    lab = even_lab(tmp_path, tls)
    with serving(lab.folder) as server, pytest.raises(BoxliftError, match=r"no base\.tar\.4 .*has 5 parts"):
        lab.prepare(url_of(lab, server), part_count=5).run()


def test_statuses() -> None:
    assert [status for status in range(400, 512) if not HttpRefused(status, "").lasting][:6] == [
        408,
        409,
        423,
        425,
        429,
        500,
    ]
