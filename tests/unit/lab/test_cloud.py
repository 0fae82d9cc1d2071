# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated cloud as a client sees it: ranges, caching headers, connections, the bandwidth cap, faults."""

from __future__ import annotations

import json
import os
import socket
import time
import typing as t
from pathlib import Path

import pytest
import requests
from lab.authority import Authority
from lab.cloud.faults import Fault, FaultPlan
from lab.cloud.server import CloudServer

PART = "backup.tar.gz.1"
OTHER = "backup.tar.gz.2"
CONTENT = bytes(range(256)) * 1000
SIZE = len(CONTENT)


class Client:
    """One keep-alive connection to a cloud that serves two parts."""

    def __init__(self, cloud: CloudServer, authority: Authority) -> None:
        self.cloud = cloud
        self._session = requests.Session()
        self._session.trust_env = False  # else the machine's own certificates would win
        self._session.verify = str(authority.certificate)

    def get(self, part: str = PART, method: str = "GET", **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Accept-Encoding"] = "identity"
        return self._session.request(method, self.cloud.url + part, headers=named, timeout=10)

    def lab(self, method: str, path: str) -> t.Any:
        answer = self._session.request(method, self.cloud.url.replace("/backup/", path), timeout=10)
        answer.raise_for_status()
        return answer.json()


Serve = t.Callable[..., Client]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def serve(tmp_path: Path, authority: Authority) -> t.Iterator[Serve]:
    """Start a cloud with the given options."""
    for part in (PART, OTHER):
        (tmp_path / part).write_bytes(CONTENT)
    issued = authority.issue("127.0.0.1")
    clouds: list[CloudServer] = []

    def start(*faults: Fault, **options: t.Any) -> Client:
        options.setdefault("faults", {PART: faults})
        cloud = CloudServer(tmp_path, certificate=issued.certificate, key=issued.key, **options)
        clouds.append(cloud)
        return Client(cloud.__enter__(), authority)

    yield start
    for cloud in clouds:
        cloud.__exit__()


def test_whole_part_with_the_headers_a_resuming_client_needs(serve: Serve) -> None:
    answer = serve().get()
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"].startswith('"')
    assert answer.headers["Last-Modified"].endswith("GMT")


def test_head_has_the_same_headers_and_no_body(serve: Serve) -> None:
    client = serve()
    answer = client.get(method="HEAD")
    whole = client.get()
    for name in ("Content-Length", "ETag", "Last-Modified", "Accept-Ranges"):
        assert answer.headers[name] == whole.headers[name]
    assert [entry.sent for entry in client.cloud.served] == [0, SIZE]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=255999-", 255999, 255999),
        ("bytes=1000-", 1000, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1),
        ("bytes=-999999999", 0, SIZE - 1),
        ("bytes=200000-999999999", 200000, SIZE - 1),
    ],
)
def test_range(serve: Serve, asked: str, first: int, last: int) -> None:
    answer = serve().get(Range=asked)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.content == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=999999999-", "bytes=-0"])
def test_range_outside_the_part(serve: Serve, asked: str) -> None:
    answer = serve().get(Range=asked)
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=-", "bytes=0-1,5-9", "lines=1-2", "bytes=a-b"])
def test_range_that_is_not_understood_gets_the_whole_part(serve: Serve, asked: str) -> None:
    answer = serve().get(Range=asked)
    assert (answer.status_code, len(answer.content)) == (200, SIZE)


def test_if_range_resumes_the_same_part_and_restarts_a_changed_one(serve: Serve, tmp_path: Path) -> None:
    client = serve()
    before = client.get(method="HEAD").headers
    for mark in (before["ETag"], before["Last-Modified"]):
        assert client.get(Range="bytes=10-", If_Range=mark).status_code == 206
    os.utime(tmp_path / PART, (1, 1))
    for mark in (before["ETag"], before["Last-Modified"]):
        assert client.get(Range="bytes=10-", If_Range=mark).status_code == 200


@pytest.mark.parametrize("part", ["missing", ".hidden", "../secret", "sub/part", "%2e%2e/secret", ""])
def test_only_files_of_the_folder_are_served(serve: Serve, tmp_path: Path, part: str) -> None:
    (tmp_path / ".hidden").touch()
    (tmp_path.parent / "secret").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "part").touch()
    assert serve().get(part).status_code == 404


def test_connections_are_kept_and_served_side_by_side(serve: Serve) -> None:
    client = serve()
    # A client that connects and says nothing holds up nobody.
    with socket.create_connection(client.cloud.address):
        client.get(Range="bytes=0-9")
        client.get("missing")
        client.get(Range="bytes=10-19")
    assert len({entry.connection for entry in client.cloud.served}) == 1


def test_rate_caps_a_connection(serve: Serve) -> None:
    client = serve(rate=SIZE * 2)
    begun = time.monotonic()
    assert client.get().content == CONTENT
    assert 0.45 < time.monotonic() - begun < 1.5


def test_log_and_reset(serve: Serve) -> None:
    client = serve(Fault("expired"))
    assert [client.get().status_code for _request in range(2)] == [403, 200]
    client.get(Range="bytes=0-99")
    log = client.lab("GET", "/_lab/log")
    assert [(entry["status"], entry["range"], entry["faults"]) for entry in log] == [
        (403, None, ["expired"]),
        (200, None, []),
        (206, "bytes=0-99", []),
    ]
    assert [entry["sent"] for entry in log][1:] == [SIZE, 100]
    assert log[0]["path"] == "/backup/" + PART
    client.lab("POST", "/_lab/reset")
    assert client.lab("GET", "/_lab/log") == []
    assert client.get().status_code == 403


def test_bit_flip_spoils_one_bit_of_the_requests_that_cover_it(serve: Serve) -> None:
    client = serve(Fault("bit_flip", at=70000))
    assert client.get(Range="bytes=0-69999").content == CONTENT[:70000]
    spoiled = client.get(Range="bytes=65000-80000").content
    assert spoiled[5000] == CONTENT[70000] ^ 1
    assert spoiled[:5000] + spoiled[5001:] == CONTENT[65000:70000] + CONTENT[70001:80001]
    assert client.get().content == CONTENT
    assert client.get(OTHER).content == CONTENT


def test_truncate_makes_the_part_shorter_in_every_respect(serve: Serve) -> None:
    client = serve(Fault("truncate", at=1000, times=3))
    answer = client.get()
    assert (answer.status_code, answer.content) == (200, CONTENT[:1000])
    assert client.get(Range="bytes=900-").headers["Content-Range"] == "bytes 900-999/1000"
    assert client.get(Range="bytes=1000-").status_code == 416
    assert client.get().content == CONTENT


def test_html_page_with_status_200(serve: Serve) -> None:
    client = serve(Fault("html"))
    answer = client.get(Range="bytes=5-9")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert answer.content.startswith(b"<html>")
    assert client.get().content == CONTENT


@pytest.mark.parametrize("at", [0, 1, 100000])
def test_reset_after_some_bytes(serve: Serve, at: int) -> None:
    client = serve(Fault("reset", at=at))
    with pytest.raises(requests.exceptions.RequestException, match="Connection (aborted|broken)"):
        client.get(Range="bytes=50-")
    assert [entry.sent for entry in client.cloud.served] == [at]
    assert client.get(Range="bytes=50-").content == CONTENT[50:]


def test_no_range_ignores_the_range(serve: Serve) -> None:
    client = serve(Fault("no_range", times=-1))
    for _request in range(3):
        answer = client.get(Range="bytes=10-19")
        assert (answer.status_code, answer.content) == (200, CONTENT)
        assert "Accept-Ranges" not in answer.headers


def test_slow_delays_one_part_only(serve: Serve) -> None:
    client = serve(Fault("slow", rate=SIZE * 2))
    begun = time.monotonic()
    client.get(OTHER)
    assert time.monotonic() - begun < 0.4
    client.get()
    assert time.monotonic() - begun > 0.45


def test_faults_add_up(serve: Serve) -> None:
    client = serve(Fault("no_range", times=-1), Fault("truncate", at=5000, times=-1), Fault("bit_flip", at=10))
    answer = client.get(Range="bytes=100-")
    assert (len(answer.content), answer.content[10]) == (5000, CONTENT[10] ^ 1)


def test_faults_json_is_read_again_at_reset(serve: Serve, tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps({PART: [{"kind": "expired", "times": -1}]}))
    client = serve(faults=faults)
    assert client.get().status_code == 403
    faults.write_text("{}")
    assert client.get().status_code == 403
    client.lab("POST", "/_lab/reset")
    assert client.get().status_code == 200


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "bitflip", "at": 1}, "unknown; there are bit_flip"),
        ({"kind": "bit_flip"}, "'bit_flip' needs 'at'"),
        ({"kind": "slow", "rate": 0}, "'rate' cannot be 0"),
        ({"kind": "truncate", "at": -1}, "'at' cannot be -1"),
        ({"kind": "html", "at": 5}, "'html' takes no 'at'"),
    ],
)
def test_a_wrong_fault_is_refused(tmp_path: Path, fault: dict[str, t.Any], message: str) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps({PART: [fault]}))
    with pytest.raises(ValueError, match=message):
        FaultPlan.load(path)


def test_a_client_that_does_not_know_the_authority_refuses(serve: Serve, tmp_path: Path) -> None:
    client = serve()
    stranger = Client(client.cloud, Authority(tmp_path / "other-ca"))
    with pytest.raises(requests.exceptions.SSLError):
        stranger.get()
    assert client.get().status_code == 200


def test_authority_issues_once_and_anew_for_other_names(tmp_path: Path) -> None:
    names = [("a.test", "b.test"), ("a.test", "b.test"), ("a.test", "c.test")]
    issued = [Authority(tmp_path).issue(*of_one) for of_one in names]
    assert [one.new for one in issued] == [True, False, True]
    assert issued[0].key.stat().st_mode & 0o777 == 0o600
