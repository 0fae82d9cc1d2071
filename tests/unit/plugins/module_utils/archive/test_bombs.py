# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Few bytes that stand for many: found before they cost time, memory or disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive import scan as scan_module
from ansible_collections.boxlift.portal.plugins.module_utils.archive import stream as stream_module
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import content_findings
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import DumpFile, Tally
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import restore as restore_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from lab.archive_writer import UNCLOSED, Entry, write_archive
from lab.hostile import gzip_member, write_bomb, write_names

MIB = 2**20


def test_a_part_that_holds_more_than_it_states_is_not_inflated_to_its_end(tmp_path: Path) -> None:
    first = write_bomb(tmp_path, 256 * MIB, stated=MIB)
    assert first.stat().st_size < MIB
    [volume] = verify(str(first)).volumes
    assert (volume.status, volume.offset) == ("corrupt", 18)
    assert volume.reason == "holds more than the 1048576 bytes that it states"
    assert MIB < volume.data_size <= 2 * MIB
    # The rest is read, not inflated: size and sum are those of the whole file.
    assert volume.size == first.stat().st_size


def test_a_large_bomb_is_not_taken_for_a_part_beyond_the_width_of_its_field(tmp_path: Path) -> None:
    first = write_bomb(tmp_path, 32 * 1024 * MIB, stated=MIB)
    assert first.stat().st_size > 30 * MIB
    [volume] = verify(str(first)).volumes
    assert volume.status == "corrupt"
    assert volume.data_size <= 2 * MIB


def test_nor_is_a_part_that_its_writer_left_unclosed(tmp_path: Path) -> None:
    template = int.from_bytes(UNCLOSED, "little")  # read as a number: 771 MiB
    first = write_bomb(tmp_path, 2048 * MIB, stated=template)
    [volume] = verify(str(first)).volumes
    assert volume.status == "unclosed"
    assert template < volume.data_size <= template + MIB


def test_a_part_beyond_the_width_of_its_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above 4 GiB the field wraps (here: above 64 MiB): a part large enough to hold that much is believed."""
    monkeypatch.setattr(stream_module, "_WRAP", 64 * MIB)
    monkeypatch.setattr(stream_module, "_MOST_INFLATED", 1032)  # zeros
    whole = 3 * 64 * MIB + MIB + 512
    first = write_bomb(tmp_path, whole - 512, stated=MIB + 512)
    [volume] = verify(str(first)).volumes
    assert volume.data_size == whole
    first.unlink()
    first = write_bomb(tmp_path, whole - 512, stated=2 * MIB)
    [volume] = verify(str(first)).volumes
    assert volume.status == "corrupt"
    # After the last place where the stated number could be meant, nothing more is inflated.
    assert volume.data_size <= whole


def test_a_truthful_bomb_has_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_bomb(tmp_path / "backup", 64 * MIB)
    assert verify(str(first)).intact

    class Small:
        f_bavail, f_frsize = 63 * 256, 4096

    monkeypatch.setattr(restore_module.os, "statvfs", lambda _path: Small)
    with pytest.raises(BoxliftError, match=r"has 63\.0 MiB free, and the backup needs 64\.0 MiB"):
        Restore(RestoreRequest(str(first), str(tmp_path / "site" / "www"), str(tmp_path / "state")), None).run()
    assert list((tmp_path / "site").iterdir()) == []


def test_many_empty_members_are_only_many(tmp_path: Path) -> None:
    first = write_archive([Entry(b"a")], tmp_path, "base")[0]
    with first.open("ab") as part:
        part.write(gzip_member(b"") * 20_000)
    assert verify(str(first)).intact


def test_a_number_of_parts_that_nobody_has(tmp_path: Path) -> None:
    """65535 missing parts are counted, and some of them named."""
    parts = write_archive([Entry(b"a", data=bytes(5000))], tmp_path, "base", part_limit=4096)
    parts[1].unlink()
    with parts[0].open("r+b") as first:
        first.seek(14)
        first.write(b"\xff\xff")
    report = verify(str(parts[0]))
    assert len(report.volumes) == 65536
    assert report.summary().startswith("65535 of 65536 parts are damaged: base.tar.gz.1 is missing (")
    assert report.summary().endswith("; and 65515 more.")
    assert len(report.findings) < 30
    assert "65515 more parts are damaged." in [finding.observed for finding in report.findings]


def test_dump_volumes_without_end_are_not_listed(tmp_path: Path) -> None:
    tally = Tally(files=1, dumps=[DumpFile(b"bitrix/backup/b.sql.%d" % number, 0, b"") for number in range(1, 5000)])
    [finding] = [finding for finding in content_findings(tally, True) if finding.id == "backup.dump"]
    assert finding.status == "fail"
    assert finding.observed.startswith("The dump's volumes are numbered 1, 2, 3,")
    assert finding.observed.endswith(", 20 and so on (4999 volumes).")


def test_refused_names_are_counted_and_not_kept(tmp_path: Path) -> None:
    report = verify(str(write_names(tmp_path, (b"../%d" % number for number in range(3000)))))
    assert (report.tally.refused, len(report.tally.unsafe_entries)) == (3000, 20)
    assert "2980 more entries are refused." in [finding.observed for finding in report.findings]


def test_dump_volumes_are_kept_up_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "MOST_DUMPS", 10)
    names = (b"bitrix/backup/base.sql.%d" % number for number in range(30))
    report = verify(str(write_names(tmp_path, names)))
    assert (report.tally.refused, len(report.tally.dumps)) == (20, 10)
    assert "is refused: it is the dump's volume number 11 or a later one" in report.summary()
