# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole backups from the simulated cloud: what arrives damaged, what breaks, and what is wrong at the source."""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import WrongPassword
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import kind_of, part_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, scan_file
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from lab.cloud.faults import Fault

from .conftest import SEGMENT, Lab, of_part


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


def test_every_part_is_proven_once_and_the_first_before_all_others(lab: Lab) -> None:
    lock, proven = threading.Lock(), []

    def here(part: Path) -> bool:
        partial = lab.dest / f".{part.name}.partial"
        return partial.exists() and partial.read_bytes() == part.read_bytes()

    def prove(index: int, path: str) -> PartScan:
        if index:
            assert (lab.dest / lab.parts[0].name).exists()
        else:
            deadline = time.monotonic() + 60
            while not all(here(part) for part in lab.parts):
                assert time.monotonic() < deadline, "the others do not come meanwhile"
                time.sleep(0.01)
        assert Path(path).name == f".{lab.parts[index].name}.partial"
        assert Path(path).read_bytes() == lab.parts[index].read_bytes()
        with lock:
            proven.append(index)
        time.sleep(0.002)  # times are told in milliseconds
        return scan_file(path, lab.parts[index].name, index, kind_of(lab.parts[0].name))

    slow = Fault("slow", rate=200_000, times=-1)
    result, _cloud = lab.fetch(*((index, slow) for index in range(len(lab.parts))), prove=prove)
    assert proven[0] == 0
    assert sorted(proven) == list(range(len(lab.parts)))
    assert result["bytes_fetched"] == lab.size
    assert [row["index"] for row in result["timeline"]] == sorted(proven)
    for row in result["timeline"]:
        assert 0 <= row["fetched"][0] < row["fetched"][1] <= row["proven"][0] < row["proven"][1]


def test_parts_of_an_earlier_run_are_proven_too(lab: Lab) -> None:
    with pytest.raises(BoxliftError):
        lab.fetch((3, Fault("error", times=-1)), connections=1)
    proven = {}

    def prove(index: int, path: str) -> PartScan:
        proven[index] = Path(path).name
        return scan_file(path, lab.parts[index].name, index, kind_of(lab.parts[0].name))

    result, _cloud = lab.fetch(prove=prove)
    assert proven[0] == lab.parts[0].name  # in its place already
    assert sorted(proven) == list(range(len(lab.parts)))
    assert result["timeline"][0]["fetched"] is None
    proven.clear()
    assert not lab.fetch(prove=prove)[0]["changed"]
    assert proven == {}


def leave_after(lab: Lab, number: int) -> None:
    """A fetch that failed when this part was proven and here: the last one's error may come before that proof ends."""
    for _attempt in range(20):
        with pytest.raises(BoxliftError):
            lab.fetch((3, Fault("error", times=-1)), connections=1)
        if (lab.dest / lab.parts[number].name).exists():
            return
    pytest.fail(f"part {number} never came")


def test_a_part_that_changed_since_it_was_fetched(tmp_path: Path, tls: t.Any) -> None:
    """With the same size and time; a kind without checksums would not show it."""
    lab = Lab(tmp_path, tls, "tar")
    leave_after(lab, 1)
    here = lab.dest / lab.parts[1].name
    status, content = here.stat(), bytearray(here.read_bytes())
    content[5000] ^= 1
    here.write_bytes(content)

    os.utime(here, ns=(status.st_atime_ns, status.st_mtime_ns))
    result, _cloud = lab.fetch()
    assert result["repairs"][0]["reason"] == "its sha256 is another than when it was fetched"
    lab.assert_here()


def test_killed_between_the_renaming_of_a_part_and_the_note_of_it(lab: Lab) -> None:
    """The journal still calls it partial; it is proven again, and not fetched."""
    leave_after(lab, 1)
    name, state = lab.parts[1].name, lab.dest / f".{lab.parts[0].name}.fetched.json"
    content = json.loads(state.read_text())
    size = content["parts"].pop(name)["size"]
    state.write_text(json.dumps(content))
    note = {"total": size, "validators": {}, "segment": SEGMENT, "done": list(range(-(-size // SEGMENT)))}
    (lab.dest / f".{name}.partial.json").write_text(json.dumps(note))
    with lab.cloud() as cloud:
        lab.prepare(f"{cloud.url}{lab.parts[0].name}").run()
    lab.assert_here()
    assert of_part(cloud.served, name) == []


def test_progress_is_told(lab: Lab, tmp_path: Path) -> None:
    progress = Progress("backup_fetch", str(tmp_path / "progress.json"))
    lab.fetch((1, Fault("bit_flip", at=3000)), progress=progress)
    progress.close("done")
    told = json.loads((tmp_path / "progress.json").read_text())
    assert told["phase"] == "fetch"
    assert told["done"] == told["total"] == lab.size
    count = len(lab.parts)
    assert told["parts"] == {"total": count, "done": count, "damaged": 0, "repaired": 1}


def test_a_wrong_password_is_known_after_the_first_part(lab: Lab) -> None:
    with pytest.raises(WrongPassword, match="does not open"), lab.cloud() as cloud:
        lab.prepare(f"{cloud.url}{lab.parts[0].name}", password="wrong", connections=1).run()
    assert of_part(cloud.served, lab.parts[-1].name) == []


@pytest.mark.parametrize("kind", ("tar", "enc"))
def test_a_damaged_beginning_of_an_encrypted_backup(tmp_path: Path, tls: t.Any, kind: str) -> None:
    lab = Lab(tmp_path, tls, kind)
    result, _cloud = lab.fetch((0, Fault("bit_flip", at=110)))
    assert [repair["name"] for repair in result["repairs"]] == [lab.parts[0].name]
    lab.assert_here()


def test_a_stray_part_is_named(lab: Lab) -> None:
    lab.dest.mkdir()
    stray = lab.dest / part_name(lab.parts[0].name, len(lab.parts))
    stray.write_bytes(b"x")
    with pytest.raises(BoxliftError, match=rf"{stray.name} is no part of this backup"):
        lab.fetch()


def test_a_full_disk_is_said_before_it_is_full(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:

    real = os.statvfs

    def small(path: str) -> t.Any:
        found = real(path)
        return os.statvfs_result((found.f_bsize, 512, *found[2:4], 100, *found[5:]))

    monkeypatch.setattr(os, "statvfs", small)
    with pytest.raises(BoxliftError, match=r"has 50\.0 KiB free and about \d+ KiB are still"):
        lab.fetch()
