# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of archive, at part sizes that make everything straddle."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive import inflate as inflate_module
from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import read_marker
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts, split_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import KnownCount, Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.archive_writer import Entry, tar_blocks, write_archive

DUMP = b"bitrix/backup/base_20260413.sql"
ENDING = b"\n-- Finished: 2026-04-13 12:00:00"


def tricky_entries() -> list[Entry]:
    """Contents that look like headers, runs of zeros, names at every limit, a dump in two volumes."""
    fake = b"".join(tar_blocks([Entry(b"inner/file.txt", data=b"x" * 700), Entry(b"inner", type="dir")]))
    long_folder = b"upload/" + b"d" * 120
    return [
        Entry(b"bitrix/backup", type="dir", mode=0o755),
        Entry(DUMP, data=b"-- Started: 2026-04-13 11:59:00\n" + b"INSERT INTO `a` VALUES\n(1);\n" * 300),
        Entry(DUMP + b".1", data=b"INSERT INTO `a` VALUES\n(2);\n" * 90 + ENDING),
        Entry(b"bitrix/backup/base_20260413_after_connect.sql", data=b"SET NAMES 'utf8mb4';"),
        Entry(b"empty.txt"),
        Entry(b"fake.tar", data=fake),
        Entry(b"fake_twice.tar", data=fake + fake[:512]),
        Entry(b"zeros.bin", data=bytes(9000)),
        Entry(long_folder, type="dir"),
        Entry(long_folder + b"/" + b"f" * 200, data=b"long"),
        Entry(b"n" * 100, data=b"a hundred"),
        Entry(b"k/" + b"m" * 99, data=b"a hundred and one"),
        Entry("upload/Прайс.xls".encode("cp1251"), data=b"cp1251"),
        Entry("upload/Прайс.xls".encode(), data=b"utf-8"),
        Entry(b"one_block.bin", data=b"b" * 512),
        Entry(b"end.bin", data=b"e" * 513),
    ]


def made(directory: Path, kind: str, part_limit: int, **options: object) -> Report:
    entries = tricky_entries()
    password = "Ключ 1" if kind.startswith("enc") else None
    paths = write_archive(entries, directory, "base", kind=kind, part_limit=part_limit, password=password, **options)
    stated = kind.endswith("gz") and not options.get("legacy_gzip")
    report = verify(str(paths[0]), password, known=None if stated else KnownCount(len(paths), "this test"))
    assert report.intact, report.summary()
    files = [entry for entry in entries if entry.type == "file"]
    assert report.tally.files == len(files)
    assert report.tally.directories == len(entries) - len(files)
    assert report.tally.content == sum(len(entry.data) for entry in files)
    assert [dump.tail[-len(ENDING) :] == ENDING for dump in report.tally.dumps] == [False, True]
    assert len(report.volumes) == len(paths)
    return report


@pytest.mark.parametrize("part_limit", (700, 1024, 1536, 4096, 5000, 1 << 20))
@pytest.mark.parametrize("kind", ("tar", "tar.gz", "enc", "enc.gz"))
def test_part_sizes(tmp_path: Path, kind: str, part_limit: int) -> None:
    made(tmp_path, kind, part_limit)


@pytest.mark.parametrize("version", ("1.0", "1.1", "1.2"))
@pytest.mark.parametrize("cipher", ("aes", "blowfish"))
def test_ciphers(tmp_path: Path, cipher: str, version: str) -> None:
    report = made(tmp_path, "enc.gz", 4096, cipher=cipher, version=version)
    assert report.cipher is not None
    assert report.cipher.name == {"aes": "aes-256-ecb", "blowfish": "bf-ecb"}[cipher]


@pytest.mark.parametrize("cipher", ("aes", "blowfish"))
def test_without_the_fast_library(tmp_path: Path, cipher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library inflates to the same result."""
    import zlib

    monkeypatch.setattr(inflate_module, "_fast", zlib)
    made(tmp_path, "enc.gz", 2048, cipher=cipher)


def test_a_host_without_the_library_is_told_which_package_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "enc", 4096)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(BoxliftError, match="This host has no library that can decrypt aes-256-ecb") as caught:
        verify(str(tmp_path / "base.enc"), "Ключ 1")
    assert "python3-cryptography" in caught.value.remedy


@pytest.mark.parametrize("name", ("aes-256-ecb", "bf-ecb"))
@pytest.mark.parametrize("release", (12, 13))
def test_decrypting_warns_of_nothing_and_goes_piece_by_piece(
    release: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning would stand in a module's output. Debian 13 has Blowfish in another place than Debian 12."""
    if release == 12:
        monkeypatch.setitem(sys.modules, "cryptography.hazmat.decrepit.ciphers.algorithms", None)
    cipher, data = Cipher(name, bytes(range(32))), bytes(range(256)) * 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decryptor = cipher.decryptor()
    whole = bytes(cipher.decryptor().update(data))
    pieces = [bytes(decryptor.update(memoryview(data)[at:end])) for at, end in ((0, 16), (16, 528), (528, 1024))]
    assert b"".join(pieces) == whole != data


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    write_archive(tricky_entries(), tmp_path, "base", kind="enc", password="x", version="1.3")
    with pytest.raises(BoxliftError, match=r"base\.enc is encrypted in version 1\.3"):
        verify(str(tmp_path / "base.enc"), "x")


def test_old_gzip_without_marks(tmp_path: Path) -> None:
    """Archives of old portals do not say how many parts there are; that is not passed over in silence."""
    made(tmp_path, "tar.gz", 4096, legacy_gzip=True)
    report = verify(str(tmp_path))
    assert (report.sound, report.intact) == (True, False)  # its last part is a full one
    assert [finding.status for finding in report.findings if finding.id == "backup.part_count"] == ["unknown"]


def test_numbers_are_compared_as_numbers(tmp_path: Path) -> None:
    report = made(tmp_path, "tar.gz", 2048)
    assert len(report.volumes) > 11
    assert [volume.index for volume in report.volumes] == list(range(len(report.volumes)))
    assert report.volumes[10].name == "base.tar.gz.10"


@pytest.mark.parametrize(
    ("held", "stated", "status"),
    (
        (5 * 2**30, 2**30, None),  # the field is 32 bits wide
        (0x30303030, 0x30303030, None),  # a part that really has the size that an unfinished one states
        (2**20, 0x30303030, "unclosed"),
        (2**20, 2**20 + 512, "truncated"),
        (2**20, 2**20 - 512, "corrupt"),
    ),
)
def test_the_size_that_a_part_states(held: int, stated: int, status: str | None) -> None:
    marker = read_marker(
        bytes.fromhex("1f8b08040000000000030a0000000000") + b"BX" + stated.to_bytes(4, "little")
        + bytes.fromhex("000000ffff0300") + bytes(8)
    )  # fmt: skip
    fault = PartScan(0, "base.tar.gz", data_size=held, marker=marker).size_fault()
    assert (fault.status if fault else None) == status


def test_gnu_tar_archive(tmp_path: Path) -> None:
    """`tar --format=gnu` is accepted, with its blank blocks at the end."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file.txt").write_text("content")
    subprocess.run(["tar", "--format=gnu", "-cf", tmp_path / "base.tar", "-C", tmp_path, "tree"], check=True)
    report = verify(str(tmp_path / "base.tar"))
    assert report.intact, report.summary()
    assert (report.tally.files, report.tally.directories) == (1, 1)


@pytest.mark.parametrize(
    ("path", "reason"),
    (
        (b"../outside", "leaves the target"),
        (b"upload/../../outside", "leaves the target"),
        (b"/etc/cron.d/evil", "absolute"),
        (b"upload//evil", "empty component"),
        (b"upload\\evil", "backslash"),
        (b"a/" * 200 + b"deep", "directories deep"),
    ),
)
def test_unsafe_names(tmp_path: Path, path: bytes, reason: str) -> None:
    paths = write_archive([Entry(b"good", data=b"1"), Entry(path, data=b"2")], tmp_path, "base")
    report = verify(str(paths[0]))
    assert not report.intact
    assert reason in report.summary()


def test_links_are_refused(tmp_path: Path) -> None:
    entries = [Entry(b"good", data=b"1"), Entry(b"link", type="symlink", data=b"/etc"), Entry(b"after", data=b"2")]
    report = verify(str(write_archive(entries, tmp_path, "base")[0]))
    assert not report.intact
    assert "'link' is refused: its type '2' is neither" in report.summary()
    assert report.tally.files == 3


def test_cut_dump(tmp_path: Path) -> None:
    entries = [Entry(DUMP, data=b"-- Started: x\nINSERT INTO `a` VALUES\n(1);\n"), Entry(b"index.php", data=b"<?php")]
    report = verify(str(write_archive(entries, tmp_path, "base")[0]))
    assert not report.intact
    assert "base_20260413.sql does not end with its '-- Finished' line" in report.summary()


def test_dump_volume_missing(tmp_path: Path) -> None:
    entries = [Entry(DUMP, data=b"x"), Entry(DUMP + b".2", data=ENDING)]
    report = verify(str(write_archive(entries, tmp_path, "base")[0]))
    assert "numbered 0, 2" in report.summary()


def test_no_dump_is_said(tmp_path: Path) -> None:
    report = verify(str(write_archive([Entry(b"index.php", data=b"1")], tmp_path, "base")[0]))
    assert report.intact
    assert [finding.status for finding in report.findings if finding.id == "backup.dump"] == ["warn"]


def test_an_empty_archive_is_no_success(tmp_path: Path) -> None:
    report = verify(str(write_archive([Entry(b"folder", type="dir")], tmp_path, "base")[0]))
    assert not report.intact


def test_finding_the_parts(tmp_path: Path) -> None:
    assert split_name("a.tar.gz.12") == ("a.tar.gz", 12)
    assert split_name("a.2026.tar.gz") == ("a.2026.tar.gz", 0)
    with pytest.raises(BoxliftError, match="is not named like a backup"):
        find_parts(str(tmp_path / "portal.zip"))
    with pytest.raises(BoxliftError, match=r"No part of a\.tar\.gz was found"):
        find_parts(str(tmp_path / "a.tar.gz"))
    with pytest.raises(BoxliftError, match="holds no backup"):
        find_parts(str(tmp_path))
    for name in ("a.tar.gz", "a.tar.gz.1", "a.tar.gz.01", "a.tar.gz.bak", "b.tar"):
        (tmp_path / name).write_bytes(b"")
    assert sorted(find_parts(str(tmp_path / "a.tar.gz.1")).present) == [0, 1]
    with pytest.raises(BoxliftError, match=r"holds 2 backups: a\.tar\.gz, b\.tar"):
        find_parts(str(tmp_path))
