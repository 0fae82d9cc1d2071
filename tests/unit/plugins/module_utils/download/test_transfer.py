# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lines and servers do: ranges or none, lengths or none, refusals, silence, other versions, redirects."""

from __future__ import annotations

import os
import shutil
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import kind_of
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, scan_file
from ansible_collections.boxlift.portal.plugins.module_utils.download import threads
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http import response
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import READ_SIZE
from lab.cloud.faults import Fault
from lab.cloud.server import HTML_PAGE

from .conftest import SEGMENT, Lab, of_part


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> None:
    """One range for each request, however fast the line is."""
    monkeypatch.setattr(threads, "LONGEST_STRETCH", 1)


@pytest.mark.usefixtures("single")
def test_all_connections_are_at_work_on_one_part_and_stay_open(lab: Lab) -> None:
    lab.write("large", noise_size=900_000, part_limit=300_000)
    with lab.cloud(rate=200_000) as cloud:
        result = lab.prepare(f"{cloud.url}{lab.parts[0].name}", connections=4).run()
    lab.assert_here()
    asked = of_part(cloud.served, lab.parts[1].name)
    assert len(asked) == -(-lab.parts[1].stat().st_size // SEGMENT)
    assert len({request.connection for request in asked}) == 4
    # One more asks at the end whether the source still has the same backup.
    assert len({request.connection for request in cloud.served}) <= 5
    assert result["bytes_fetched"] == lab.size


def test_a_fast_line_gets_longer_requests(lab: Lab) -> None:
    lab.write("large", noise_size=1_800_000, part_limit=900_000)
    with lab.cloud() as cloud:
        lab.prepare(f"{cloud.url}{lab.parts[0].name}", connections=2).run()
    lab.assert_here()
    asked = [str(request.range)[6:].split("-") for request in of_part(cloud.served, lab.parts[1].name)]
    sizes = {(int(last) + 1 - int(first)) // SEGMENT for first, last in asked}
    assert max(sizes) == threads.LONGEST_STRETCH
    assert len(asked) < 900_000 // SEGMENT / 3


@pytest.mark.usefixtures("single")
def test_the_lowest_part_and_offset_come_first(lab: Lab) -> None:
    with lab.cloud() as cloud:
        lab.prepare(f"{cloud.url}{lab.parts[0].name}", connections=1).run()
    fetched = [(request.path, request.range) for request in cloud.served[:-1]]
    wanted = []
    for part in lab.parts:
        size = part.stat().st_size
        wanted += [(f"/backup/{part.name}", f"bytes={at}-{at + SEGMENT - 1}") for at in range(0, size, SEGMENT)]
    assert [(path, asked.partition("-")[0]) for path, asked in fetched if asked] == [
        (path, asked.partition("-")[0]) for path, asked in wanted
    ]


def test_a_source_without_ranges_gives_whole_parts(lab: Lab) -> None:
    faults = [(index, Fault("no_range", times=-1)) for index in range(len(lab.parts))]
    result, cloud = lab.fetch(*faults, connections=3)
    lab.assert_here()
    assert result["bytes_fetched"] == lab.size
    # The last request asks whether the backup is still the same.
    assert [len(of_part(cloud.served[:-1], part.name)) for part in lab.parts] == [1] * len(lab.parts)


def test_ranges_that_are_no_longer_understood(lab: Lab) -> None:
    """The first range of a part comes, the second request is answered with the whole."""
    lab.write("one", noise_size=300_000, part_limit=150_000)
    with lab.cloud((1, Fault("no_range", times=-1))) as cloud:
        fetch = lab.prepare(f"{cloud.url}{lab.parts[0].name}", connections=3)
        cloud.plan_later(lab.parts[1].name, 1)
        fetch.run()
    lab.assert_here()


@pytest.mark.parametrize("kind", ("tar", "enc.gz"))
def test_a_source_that_does_not_say_how_long_it_is(tmp_path: Path, tls: t.Any, kind: str) -> None:
    lab = Lab(tmp_path, tls, kind)
    result, _cloud = lab.fetch((1, Fault("unsized", times=-1)), (2, Fault("unsized", times=-1)))
    lab.assert_here()
    assert result["repairs"] == []


def test_an_empty_part_is_damage(lab: Lab) -> None:
    lab.parts[2].write_bytes(b"")
    with pytest.raises(BoxliftError, match=rf"{lab.parts[2].name} is damaged at its source.*truncated \(is empty\)"):
        lab.fetch()


def test_answers_shorter_than_asked_for(lab: Lab) -> None:
    result, _cloud = lab.fetch((1, Fault("short", at=5000, times=-1)))
    lab.assert_here()
    assert result["bytes_fetched"] == lab.size


def test_a_busy_source_is_asked_again_when_it_wants(lab: Lab) -> None:
    lab.fetch((1, Fault("busy", seconds=7)))
    lab.assert_here()
    assert sum(lab.slept) == 7


def test_a_failing_source_is_asked_ever_more_rarely(lab: Lab) -> None:
    lab.fetch((1, Fault("error", times=3)), connections=1)
    lab.assert_here()
    assert sum(lab.slept) == 2 + 4 + 8


def test_a_source_that_keeps_failing(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match=r"base\.enc\.gz\.1 could not be fetched: HTTP 500"):
        lab.fetch((1, Fault("error", times=-1)))


def test_a_silent_connection_is_given_up(lab: Lab) -> None:
    began = time.monotonic()
    result, _cloud = lab.fetch((1, Fault("stall", at=5000)), timeout=0.5, connections=1)
    lab.assert_here()
    assert 0.5 < time.monotonic() - began < 10
    assert result["bytes_fetched"] == lab.size


def test_a_slow_connection_is_not(lab: Lab) -> None:
    """Half a kilobyte per second, and a timeout far shorter than a range takes."""
    lab.write("one", noise_size=100, part_limit=2048)
    size = lab.parts[0].stat().st_size
    began = time.monotonic()
    result, cloud = lab.fetch((0, Fault("slow", rate=500, times=-1)), timeout=size / 500 / 2)
    lab.assert_here()
    assert time.monotonic() - began > size / 500
    assert result["bytes_fetched"] == lab.size
    assert len(cloud.served) == len(lab.parts) + (len(lab.parts) > 1)


def test_pieces_follow_the_speed_of_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small where the line is slow, so that what has come is told, written and can be given up soon."""
    now, takes = 0.0, iter([0.01] * 8 + [1.0] * 3 + [0.2] * 2)

    class Answer:
        def read(self, size: int) -> bytes:
            nonlocal now
            now += next(takes)
            return bytes(size)

        def isclosed(self) -> bool:
            return False

    dropped: list[bool] = []
    monkeypatch.setattr(response.time, "monotonic", lambda: now)
    stream = response.AnswerStream(t.cast(t.Any, Answer()), 10**9, READ_SIZE, lambda: dropped.append(True))
    sizes = [len(next(stream)) for _piece in range(13)]
    assert [size // 1024 for size in sizes] == [4, 8, 16, 32, 64, 128, 256, 256, 256, 128, 64, 32, 32]
    stream.close()
    assert dropped == [True]


@pytest.mark.parametrize("kind", ("tar", "enc.gz"))
def test_a_content_encoding_that_is_only_said(tmp_path: Path, tls: t.Any, kind: str) -> None:
    lab = Lab(tmp_path, tls, kind)
    lab.fetch((1, Fault("encoded", times=-1)))
    lab.assert_here()


def test_a_page_instead_of_every_part(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match=r"could not be fetched: the source answers with an HTML page"):
        lab.fetch((2, Fault("html", times=-1)))


@pytest.mark.usefixtures("single")
def test_a_page_in_the_middle_of_a_part(lab: Lab) -> None:
    """It is no reason to think that the source has no ranges, or another backup."""
    lab.write("one", noise_size=300_000, part_limit=150_000)
    with lab.cloud((1, Fault("html"))) as cloud:
        cloud.plan_later(lab.parts[1].name, 3)
        result = lab.prepare(f"{cloud.url}{lab.parts[0].name}", connections=1).run()
    lab.assert_here()
    assert [repair["status"] for repair in result["repairs"]] == ["foreign"]
    assert result["bytes_fetched"] == lab.size + len(HTML_PAGE)


def test_an_expired_link_and_a_new_one_for_the_same_backup(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match="the link has expired"):
        lab.fetch((2, Fault("expired", times=-1)))
    with lab.cloud() as cloud:
        result = lab.prepare(f"{cloud.url}{lab.parts[0].name}?signature=new").run()
    lab.assert_here()
    assert result["bytes_fetched"] < lab.size
    assert all(request.path.endswith("?signature=new") for request in cloud.served)


def test_an_export_rebuilt_within_a_part(lab: Lab) -> None:
    """The connection breaks, and when it is there again, the source has another file of the same length."""
    path = lab.parts[1]

    def rebuild(_seconds: float) -> None:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(BoxliftError, match=r"another backup under the name base\.enc\.gz\.1 now.*Nothing of the two"):
        lab.fetch((1, Fault("reset", at=9000)), sleep=rebuild, connections=1)


@pytest.mark.parametrize("versioned", (True, False))
def test_an_export_rebuilt_between_two_parts(lab: Lab, versioned: bool) -> None:
    """All parts that are still to come are of the new export; nothing in them says so."""

    def prove(index: int, path: str) -> PartScan:
        scan = scan_file(path, lab.parts[index].name, index, kind_of(lab.parts[0].name))
        if not index:
            lab.write("two")
        return scan

    faults = [] if versioned else [(index, Fault("unversioned", times=-1)) for index in range(len(lab.parts))]
    with pytest.raises(BoxliftError, match=r"another backup under the name base\.enc\.gz(\.\d)? now"):
        lab.fetch(*faults, prove=prove)
    assert not lab.prepare("https://127.0.0.1/base.enc.gz").complete()
    # The next run notices it, too, before it fetches anything.
    with pytest.raises(BoxliftError, match=r"another backup under the name base\.enc\.gz now"):
        lab.fetch(*faults)


def test_an_export_rebuilt_while_nothing_but_its_beginning_is_here(lab: Lab) -> None:
    def rebuild(_seconds: float) -> None:
        lab.write("two")

    lab.write("one", noise_size=300_000, part_limit=150_000)
    result, _cloud = lab.fetch((0, Fault("reset", at=9000)), sleep=rebuild, connections=1)
    lab.assert_here()
    assert "the source changed it while it was fetched" in result["repairs"][0]["reason"]


def test_an_answer_that_was_cut_by_a_proxy(lab: Lab) -> None:
    """The first answer says that the part is shorter than it is; the next ones, of the same version, say the truth."""
    lab.write("one", noise_size=300_000, part_limit=150_000)
    result, _cloud = lab.fetch((1, Fault("truncate", at=3 * SEGMENT)))
    lab.assert_here()
    assert result["repairs"][0]["name"] == lab.parts[1].name


def test_an_answer_that_was_cut_by_a_proxy_and_has_no_version(lab: Lab) -> None:
    lab.write("one", noise_size=300_000, part_limit=150_000)
    result, _cloud = lab.fetch((1, Fault("truncate", at=3 * SEGMENT)), (1, Fault("unversioned", times=-1)))
    lab.assert_here()
    assert "bytes now and had" in result["repairs"][0]["reason"]


def test_a_page_when_the_backup_is_looked_at_again(lab: Lab) -> None:
    with pytest.raises(BoxliftError):
        lab.fetch((2, Fault("error", times=-1)))
    result, cloud = lab.fetch((0, Fault("html")))
    lab.assert_here()
    assert cloud.served[0].faults == ["html"]
    assert [repair["name"] for repair in result["repairs"]] == [lab.parts[0].name]


def test_redirects(lab: Lab, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(lab.folder, elsewhere)
    with lab.cloud(folder=elsewhere) as target:
        moved = [
            (number, Fault("moved", to=f"{target.url}{part.name}", times=-1)) for number, part in enumerate(lab.parts)
        ]
        _result, cloud = lab.fetch(*moved, headers={"X-Token": "canary"})
    lab.assert_here()
    assert {request.token for request in cloud.served} == {"canary"}
    assert {request.token for request in target.served} == {None}


def test_a_redirect_without_tls(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match=r"127\.0\.0\.1 redirects to an address without TLS"):
        lab.fetch((0, Fault("moved", to="http://127.0.0.1/x", times=-1)))


def test_a_circle_of_redirects(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match="redirects more than 10 times"):
        lab.fetch((0, Fault("moved", to="/backup/base.enc.gz", times=-1)))


def test_a_proxy_of_the_environment_is_asked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(BoxliftError, match="Connection refused"):
        lab.fetch()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    lab.fetch()
    lab.assert_here()
    assert os.environ["https_proxy"]
