# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The writer against the genuine archives, the vendor's manual recipe and readers written by others."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import subprocess
import tarfile
import typing as t
import zlib

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from lab.archive_writer import BLOCK, MARKER_SIZE, Entry, write_archive

GENUINE = pathlib.Path(__file__).parents[4] / "shared" / "data" / "backups"
PASSWORD = "Пароль №1 & test"
ENTRIES = [
    Entry(b"bitrix", "dir", mode=0o755, mtime=1_700_000_000),
    Entry(b"bitrix/a.txt", data=b"alpha\n", mode=0o600, mtime=1_700_000_001),
    Entry("upload/файл.bin".encode(), data=bytes(range(256)) * 20, mtime=1_700_000_002, uid=1000, gid=1000),
    Entry(b"upload/" + b"n" * 100, data=b"long name", mtime=1_700_000_003),
    Entry(b"upload/" + b"d" * 200, "dir", mode=0o755, mtime=1_700_000_004),
    Entry(b"upload/empty", mtime=1_700_000_005),
    Entry(b"upload/zeros", data=bytes(40_000), mtime=1_700_000_006),
]


def members(part: bytes) -> list[tuple[bytes, bytes]]:
    """Raw and inflated bytes of every gzip member."""
    found = []
    while part:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        content = inflater.decompress(part)
        assert inflater.eof, "a part must consist of complete members"
        found.append((part[: len(part) - len(inflater.unused_data)], content))
        part = inflater.unused_data
    return found


def inflated(paths: list[pathlib.Path]) -> list[bytes]:
    return [b"".join(content for _header, content in members(path.read_bytes())) for path in paths]


def names(stream: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        return tar.getnames()


@pytest.fixture(scope="module", params=["plain_multi", "enc_multi"])
def genuine(request: pytest.FixtureRequest) -> dict[str, t.Any]:
    folder = GENUINE / request.param
    if not folder.is_dir():
        pytest.skip("the genuine archives (../shared/data/backups) are not on this machine")
    manifest: dict[str, t.Any] = json.loads((folder / "manifest.json").read_text())
    manifest["paths"] = [folder / part["name"] for part in manifest["parts"]]
    return manifest


def test_repacking_a_genuine_archive_gives_the_same_stream_and_markers(
    genuine: dict[str, t.Any], tmp_path: pathlib.Path
) -> None:
    expected = inflated(genuine["paths"])
    stream, options = b"".join(expected), {}
    if genuine["password"]:
        key = hashlib.md5(genuine["password"].encode()).hexdigest().encode()
        options = {"password": genuine["password"], "stream_id": stream[:32].decode()}
        stream = Cipher(algorithms.AES(key), modes.ECB()).decryptor().update(stream[BLOCK:])
    with tarfile.open(fileobj=io.BytesIO(stream), errors="surrogateescape", encoding="utf-8") as tar:
        entries = [
            Entry(
                member.name.encode("utf-8", "surrogateescape"),
                "dir" if member.isdir() else "file",
                t.cast(t.IO[bytes], tar.extractfile(member)).read() if member.isfile() else b"",
                member.mode,
                int(member.mtime),
                member.uid,
                member.gid,
            )
            for member in tar
        ]
    assert len(entries) == genuine["entries_files"] + genuine["entries_dirs"]

    ours = write_archive(
        entries, tmp_path, "again", kind=genuine["kind"], part_limit=genuine["part_limit_uncompressed"], **options
    )

    assert inflated(ours) == expected, "every part must hold the same bytes"
    assert [path.read_bytes()[:MARKER_SIZE] for path in ours] == [
        path.read_bytes()[:MARKER_SIZE] for path in genuine["paths"]
    ]


@pytest.mark.parametrize("limit", [1, 512, 4000, 10_240])
def test_parts_are_cut_at_the_limit_rounded_up_to_blocks(tmp_path: pathlib.Path, limit: int) -> None:
    paths = write_archive(ENTRIES, tmp_path, "b", kind="tar", part_limit=limit)
    size = -(-limit // BLOCK) * BLOCK
    assert {path.stat().st_size for path in paths[:-1]} == {size}
    assert 0 < paths[-1].stat().st_size <= size
    assert [path.name for path in paths] == ["b.tar"] + [f"b.tar.{n}" for n in range(1, len(paths))]
    assert names(b"".join(path.read_bytes() for path in paths)) == [e.path.decode() for e in ENTRIES]


def test_marker_member_carries_sizes_and_the_last_number(tmp_path: pathlib.Path) -> None:
    paths = write_archive(ENTRIES, tmp_path, "b", part_limit=20_000, hits=3)
    assert len(paths) == 3
    for number, path in enumerate(paths):
        raw, content = members(path.read_bytes())[0]
        assert (len(raw), content) == (37, b"")
        assert raw[12:16] == (b"LN\x02\x00" if number == 0 else bytes(4))
        assert int.from_bytes(raw[18:22], "little") == len(inflated([path])[0])
    assert [len(members(path.read_bytes())) for path in paths[:2]] == [4, 4], "marker and three hits"


def test_a_single_part_has_no_last_number(tmp_path: pathlib.Path) -> None:
    (path,) = write_archive(ENTRIES, tmp_path, "b")
    assert path.read_bytes()[12:18] == bytes(4) + b"BX"


def test_legacy_gzip_has_no_marker(tmp_path: pathlib.Path) -> None:
    paths = write_archive(ENTRIES, tmp_path, "b", part_limit=20_000, legacy_gzip=True)
    assert all(path.read_bytes()[:4] == b"\x1f\x8b\x08\x00" for path in paths)
    assert names(b"".join(inflated(paths))) == [e.path.decode() for e in ENTRIES]


def test_gnu_tar_reads_the_output(tmp_path: pathlib.Path) -> None:
    paths = write_archive(ENTRIES, tmp_path, "b", part_limit=8192)
    target = tmp_path / "out"
    target.mkdir()
    stream = b"".join(path.read_bytes() for path in paths)
    result = subprocess.run(["tar", "-xzpf", "-", "-C", target], input=stream, capture_output=True, check=True)
    assert result.stderr == b""
    for entry in ENTRIES:
        path = target / entry.path.decode()
        assert path.is_dir() if entry.type == "dir" else path.read_bytes() == entry.data
        assert (path.stat().st_mode & 0o777, int(path.stat().st_mtime)) == (entry.mode, entry.mtime)


@pytest.mark.parametrize("kind", ["enc", "enc.gz"])
def test_the_vendors_manual_recipe_opens_it(tmp_path: pathlib.Path, kind: str) -> None:
    paths = write_archive(ENTRIES, tmp_path, "b", kind=kind, part_limit=8192, password=PASSWORD)
    stream = b"".join(inflated(paths) if kind == "enc.gz" else [path.read_bytes() for path in paths])
    assert stream[100:121] == b"Bitrix Encrypted File"
    assert stream[190:193] == b"1.2"
    key = hashlib.md5(PASSWORD.encode()).hexdigest().encode().hex()
    command = ["openssl", "enc", "-d", "-aes-256-ecb", "-K", key, "-nosalt", "-nopad"]
    decrypted = subprocess.run(command, input=stream[256:], capture_output=True, check=True).stdout
    assert decrypted[:256] == stream[:256], "the header proves the password"
    assert names(decrypted[256:]) == [e.path.decode() for e in ENTRIES]


def test_blowfish_takes_the_whole_key(tmp_path: pathlib.Path) -> None:
    (path,) = write_archive(ENTRIES, tmp_path, "b", kind="enc", password="p", cipher="blowfish", version="1.1")
    stream = path.read_bytes()
    key = hashlib.md5(b"p").hexdigest().encode()
    decrypted = Cipher(Blowfish(key), modes.ECB()).decryptor().update(stream[256:])
    assert decrypted[:256] == stream[:256]
    assert stream[190:194] == b"1.1\0"
    assert names(decrypted[256:]) == [e.path.decode() for e in ENTRIES]


def test_big_files_come_from_disk_and_the_same_input_gives_the_same_bytes(tmp_path: pathlib.Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"0123456789abcdef" * 200_001)
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths = write_archive([Entry(b"big", data=big)], tmp_path / name, "b", part_limit=1_000_000)
        made.append([path.read_bytes() for path in paths])
    assert made[0] == made[1]
    stream = b"".join(content for part in made[0] for _header, content in members(part))
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        assert t.cast(t.IO[bytes], tar.extractfile("big")).read() == big.read_bytes()


def test_refusals(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="too long"):
        write_archive([Entry(b"p" * 513)], tmp_path, "long")
    with pytest.raises(ValueError, match="needs a password"):
        write_archive([], tmp_path, "b", kind="enc")
    with pytest.raises(ValueError, match="takes no password"):
        write_archive([], tmp_path, "b", password="p")
