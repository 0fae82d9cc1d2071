# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against the simulated cloud over real TLS: what arrives damaged, what breaks, and what is wrong at the source."""

from __future__ import annotations

import hashlib
import ssl
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.download.client import Client, tls_context
from ansible_collections.boxlift.portal.plugins.module_utils.download.fetch import Fetch, Request
from ansible_collections.boxlift.portal.plugins.module_utils.download.pace import Pace
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.archive_writer import Entry, write_archive
from lab.cloud.faults import Fault
from lab.cloud.server import CloudServer

PASSWORD = "Ключ"
SEGMENT = 16384


class Lab:
    """A backup at a cloud, and somewhere to fetch it to."""

    def __init__(self, tmp_path: Path, tls: t.Any, kind: str) -> None:
        self.tls = tls
        self.folder = tmp_path / "cloud"
        self.folder.mkdir()
        self.dest = tmp_path / "dest"
        self.kind = kind
        self.password = PASSWORD if kind.startswith("enc") else None
        self.parts = self.write("one")

    def write(self, seed: str) -> list[Path]:
        noise = b"".join(hashlib.sha256(b"%s%d" % (seed.encode(), number)).digest() for number in range(8000))
        entries = [
            Entry(b"index.php", data=b"<?php " + seed.encode()),
            Entry(b"noise.bin", data=noise),
            Entry(b"end.txt", data=b"end"),
        ]
        for old in self.folder.glob("base*"):
            old.unlink()
        return write_archive(entries, self.folder, "base", kind=self.kind, part_limit=65536, password=self.password)

    def fetch(self, *faults: tuple[int, Fault], **options: t.Any) -> tuple[dict[str, t.Any], CloudServer]:
        plan: dict[str, list[Fault]] = {}
        for index, fault in faults:
            plan.setdefault(self.parts[index].name, []).append(fault)
        with CloudServer(self.folder, certificate=self.tls.certificate, key=self.tls.key, faults=plan) as cloud:
            client = Client({}, 10, options.pop("context", tls_context(str(self.tls.authority), True)))
            url = options.pop("url", f"{cloud.url}{self.parts[0].name}")
            request = Request(
                url,
                str(self.dest),
                options.pop("password", self.password),
                options.pop("connections", 2),
                segment=options.pop("segment", SEGMENT),
                **options,
            )
            self.slept: list[float] = []
            return Fetch(request, client, Pace(None), sleep=self.slept.append).run(), cloud

    def assert_here(self) -> None:
        for part in self.parts:
            assert (self.dest / part.name).read_bytes() == part.read_bytes()
        assert sorted(path.name for path in self.dest.iterdir() if not path.name.startswith(".")) == sorted(
            part.name for part in self.parts
        )
        assert list(self.dest.glob(".*.partial*")) == []


@pytest.fixture
def lab(tmp_path: Path, tls: t.Any) -> Lab:
    return Lab(tmp_path, tls, "enc.gz")


@pytest.mark.parametrize("kind", ("tar", "tar.gz", "enc", "enc.gz"))
def test_every_kind(tmp_path: Path, tls: t.Any, kind: str) -> None:
    lab = Lab(tmp_path, tls, kind)
    result, _cloud = lab.fetch()
    assert result["changed"]
    assert result["intact"]
    assert result["bytes_fetched"] == sum(part.stat().st_size for part in lab.parts)
    assert result["repairs"] == []
    lab.assert_here()
    again, cloud = lab.fetch()
    assert not again["changed"]
    assert again["volumes"] == result["volumes"]
    assert cloud.served == []


@pytest.mark.parametrize(
    ("fault", "status"),
    (
        (Fault("bit_flip", at=2000), "corrupt"),
        (Fault("truncate", at=3000), "truncated"),
        (Fault("html"), "foreign"),
    ),
    ids=("bit_flip", "truncate", "html"),
)
def test_a_damaged_part_is_fetched_again_alone(lab: Lab, fault: Fault, status: str) -> None:
    size = lab.parts[2].stat().st_size
    result, _cloud = lab.fetch((2, fault))
    lab.assert_here()
    assert [(repair["name"], repair["status"]) for repair in result["repairs"]] == [(lab.parts[2].name, status)]
    assert result["bytes_refetched"] == result["repairs"][0]["bytes"] <= size
    assert result["bytes_fetched"] <= sum(part.stat().st_size for part in lab.parts) + size


@pytest.mark.parametrize("kind", ("tar", "enc"))
def test_a_damaged_header_in_a_kind_without_checksums(tmp_path: Path, tls: t.Any, kind: str) -> None:
    """Only the whole shows it: the header of end.txt lies in the last part."""
    lab = Lab(tmp_path, tls, kind)
    last = len(lab.parts) - 1
    at = lab.parts[last].stat().st_size - 1024 + 50
    result, _cloud = lab.fetch((last, Fault("bit_flip", at=at)))
    lab.assert_here()
    assert [repair["name"] for repair in result["repairs"]] == [lab.parts[last].name]


def test_resets_are_gone_on_from(lab: Lab) -> None:
    result, cloud = lab.fetch((1, Fault("reset", at=9000, times=2)))
    lab.assert_here()
    assert result["repairs"] == []
    assert result["bytes_fetched"] == sum(part.stat().st_size for part in lab.parts)
    resets = [served for served in cloud.served if "reset" in served.faults]
    assert len(resets) == 2
    first = int(str(resets[0].range).partition("=")[2].partition("-")[0])
    assert f"bytes={first + 9000}-" in str([served.range for served in cloud.served])


def test_a_server_without_ranges(lab: Lab) -> None:
    """The answer 200 to a range is the file from its beginning; nothing is appended to what is there."""
    result, _cloud = lab.fetch((1, Fault("reset", at=20000)), (1, Fault("no_range", times=-1)))
    lab.assert_here()
    assert result["repairs"] == []


def test_an_interrupted_download_goes_on(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match=r"base\.enc\.gz\.2 could not be fetched"):
        lab.fetch((2, Fault("reset", at=0, times=-1)))
    kept = sum(path.stat().st_size for path in lab.dest.iterdir() if not path.name.startswith("."))
    assert kept > 0
    result, _cloud = lab.fetch()
    lab.assert_here()
    assert result["bytes_fetched"] <= sum(part.stat().st_size for part in lab.parts) - kept


def test_an_expired_link(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match=r"no longer gives out base\.enc\.gz\.1 .*403.*the link has expired"):
        lab.fetch((1, Fault("expired", times=-1)))
    lab.fetch()
    lab.assert_here()


def test_damage_at_the_source(lab: Lab) -> None:
    content = bytearray(lab.parts[2].read_bytes())
    content[3000] ^= 1
    lab.parts[2].write_bytes(content)
    with pytest.raises(BoxliftError, match=r"base\.enc\.gz\.2 is damaged at its source: two downloads agree"):
        lab.fetch()


def test_a_part_the_source_does_not_have(lab: Lab) -> None:
    lab.parts[3].unlink()
    with pytest.raises(BoxliftError, match=r"has no base\.enc\.gz\.3 .*the backup has \d+ parts"):
        lab.fetch()


def test_a_backup_made_anew_in_mid_download(lab: Lab) -> None:
    """Parts of two exports never make one backup, and what is here is not thrown away unasked."""
    with pytest.raises(BoxliftError):
        lab.fetch((2, Fault("reset", at=0, times=-1)), connections=1)
    lab.parts = lab.write("two")
    with pytest.raises(BoxliftError, match="another backup under the name base.enc.gz now"):
        lab.fetch()
    assert (lab.dest / lab.parts[0].name).exists()


def test_without_a_password_the_contents_stay_unproven(lab: Lab) -> None:
    result, _cloud = lab.fetch(password=None)
    assert result["intact"] is None
    proven, _cloud = lab.fetch()
    assert proven["intact"] is True
    assert proven["bytes_fetched"] == 0


def test_an_unknown_authority(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match=r"certificate of 127\.0\.0\.1 is not trusted: unable to get local issuer"):
        lab.fetch(context=ssl.create_default_context())


def test_addresses_that_cannot_be_meant(lab: Lab) -> None:
    for url, message in (
        ("https://127.0.0.1/base.tar.gz.3", "names part 3"),
        ("ftp://127.0.0.1/base.tar.gz", "not an https address"),
        ("https://127.0.0.1/base.zip", "is not named like a backup"),
    ):
        with pytest.raises(BoxliftError, match=message):
            lab.fetch(url=url)


def test_the_pace_is_shared() -> None:
    now, slept = 0.0, []
    pace = Pace(1000, clock=lambda: now, sleep=slept.append)
    for _block in range(4):
        pace.take(500)
    assert slept == [0.5, 1.0, 1.5]
