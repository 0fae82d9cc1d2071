# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large the backup is, from its parts here or from the beginning of the first one at the source."""

from __future__ import annotations

import gzip
import random
import ssl
import typing as t
import urllib.parse
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.client import Body, HttpRefused, Interrupted, Unusable
from ansible_collections.boxlift.portal.plugins.module_utils.preflight import backup
from lab.archive_writer import Entry, write_archive

LIMIT = 8192
URL = "https://cloud.example.com/b/base.{}?signature=canary"


class Cloud:
    """Hands out the files of a folder, and remembers what it was asked for."""

    def __init__(self, folder: Path, error: Exception | None = None, cut: int | None = None) -> None:
        self.folder = folder
        self.error = error
        self.cut = cut
        self.asked: list[str] = []

    def get(self, url: str) -> Body:
        name = urllib.parse.urlsplit(url).path.rpartition("/")[2]
        self.asked.append(name)
        if self.error:
            raise self.error
        content = (self.folder / name).read_bytes()[: self.cut]
        return Body(0, len(content), "", iter([content[:20], content[20:]]))

    def __call__(self) -> Cloud:
        return self


def make(folder: Path, kind: str, size: int = 60000) -> list[Path]:
    folder.mkdir()
    noise = random.Random(1).randbytes(size)
    password = "x" if kind.startswith("enc") else None
    return write_archive([Entry(b"a", data=noise)], folder, "base", kind=kind, password=password, part_limit=LIMIT)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "enc", "enc.gz"])
def test_all_parts_are_here(tmp_path: Path, kind: str) -> None:
    parts = make(tmp_path / "b", kind)
    total = sum(part.stat().st_size for part in parts)
    for path in (tmp_path / "b", parts[0]):
        found = backup.look("", str(path), Cloud(tmp_path))
        assert (found.archive, found.here) == (total, total)
        assert found.stream is not None
        assert found.stream >= 60000
    assert found.parts == (len(parts) if kind.endswith("gz") else None)


@pytest.mark.parametrize("kind", ["tar.gz", "enc.gz"])
def test_from_the_first_part_alone(tmp_path: Path, kind: str) -> None:
    parts = make(tmp_path / "cloud", kind)
    cloud = Cloud(tmp_path / "cloud")
    found = backup.look(URL.format(kind), str(tmp_path / "here"), cloud)
    assert cloud.asked == [f"base.{kind}"]
    assert (found.parts, found.here) == (len(parts), 0)
    # Never too little, and at most one part too much.
    real = sum(part.stat().st_size for part in parts)
    assert found.archive is not None
    assert real <= found.archive <= real + 2 * LIMIT
    assert found.stream is not None
    assert 60000 <= found.stream <= 60000 + 2 * LIMIT


def test_what_a_download_has_brought_already(tmp_path: Path) -> None:
    parts = make(tmp_path / "cloud", "enc.gz")
    here = tmp_path / "here"
    here.mkdir()
    (here / parts[0].name).write_bytes(parts[0].read_bytes())
    (here / f".{parts[1].name}.partial").write_bytes(bytes(100))
    (here / "other.enc.gz").write_bytes(bytes(999))
    cloud = Cloud(tmp_path / "cloud")
    assert backup.look(URL.format("enc.gz"), str(here), cloud).here == parts[0].stat().st_size + 100
    assert cloud.asked


def test_a_complete_download_asks_nobody(tmp_path: Path) -> None:
    parts = make(tmp_path / "here", "enc.gz")
    cloud = Cloud(tmp_path, HttpRefused(403, "Forbidden"))
    found = backup.look(URL.format("enc.gz"), str(tmp_path / "here"), cloud)
    assert cloud.asked == []
    assert found.archive == found.here == sum(part.stat().st_size for part in parts)


@pytest.mark.parametrize("kind", ["tar", "enc"])
def test_a_raw_backup_at_a_source_has_no_known_size(tmp_path: Path, kind: str) -> None:
    make(tmp_path / "cloud", kind)
    found = backup.look(URL.format(kind), str(tmp_path), Cloud(tmp_path / "cloud"))
    assert (found.archive, found.stream, found.parts) == (None, None, None)
    assert "does not tell its number of parts" in found.how


def test_a_first_part_without_a_size_field(tmp_path: Path) -> None:
    (tmp_path / "base.tar.gz").write_bytes(gzip.compress(bytes(5000)))
    found = backup.look("", str(tmp_path), Cloud(tmp_path))
    assert (found.stream, found.parts) == (None, None)
    found = backup.look(URL.format("tar.gz"), "", Cloud(tmp_path))
    assert (found.archive, found.stream) == (None, None)


@pytest.mark.parametrize(
    ("error", "said", "remedy"),
    [
        (HttpRefused(403, "Forbidden"), "the link has expired", "Get a new link"),
        (HttpRefused(404, "Not Found"), "HTTP 404", "Check source_url"),
        (Interrupted("Connection refused"), "cannot be reached from this host: Connection refused", "firewall"),
        (Unusable("the server does not say how long it is"), "does not say how long", "direct link"),
    ],
)
def test_a_source_that_does_not_answer(tmp_path: Path, error: Exception, said: str, remedy: str) -> None:
    with pytest.raises(BoxliftError) as caught:
        backup.look(URL.format("enc.gz"), str(tmp_path), Cloud(tmp_path, error))
    assert said in caught.value.message
    assert remedy in caught.value.remedy
    assert "canary" not in str(caught.value.as_result())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html><body>Sign in</body></html>" * 3, "an HTML page"),
        (b"\x1f\x8b\x08\x04", "ends after 4 bytes"),
        (b"", "does not begin like a gzip file"),
    ],
)
def test_a_first_part_that_is_none(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "base.enc.gz").write_bytes(content)
    for url in ("", URL.format("enc.gz")):
        with pytest.raises(BoxliftError, match=said):
            backup.look(url, "" if url else str(tmp_path), Cloud(tmp_path))


def test_a_part_that_its_writer_did_not_finish(tmp_path: Path) -> None:
    parts = make(tmp_path / "b", "tar.gz")
    content = bytearray(parts[0].read_bytes())
    content[18:22] = b"0000"
    parts[0].write_bytes(content)
    with pytest.raises(BoxliftError, match="was not finished by its writer"):
        backup.look("", str(tmp_path / "b"), Cloud(tmp_path))


@pytest.mark.parametrize(("kind", "gone"), [("enc.gz", 2), ("enc.gz", -1), ("enc.gz", 0), ("tar", 2), ("tar", 0)])
def test_a_missing_part(tmp_path: Path, kind: str, gone: int) -> None:
    parts = make(tmp_path / "b", kind)
    parts[gone].unlink()
    with pytest.raises(BoxliftError, match="is missing") as caught:
        backup.look("", str(tmp_path / "b"), Cloud(tmp_path))
    assert f"and {parts[gone].name} is missing" in caught.value.message


@pytest.mark.parametrize(("path", "said"), [("absent", "source_url is not set"), (".", "holds no backup")])
def test_no_backup_at_all(tmp_path: Path, path: str, said: str) -> None:
    with pytest.raises(BoxliftError, match=said):
        backup.look("", str(tmp_path / path), Cloud(tmp_path))


def test_a_name_that_is_no_backups(tmp_path: Path) -> None:
    with pytest.raises(BoxliftError, match="not named like a backup"):
        backup.look("https://cloud.example.com/download", "", Cloud(tmp_path))


def test_authorities_that_cannot_be_read() -> None:
    with pytest.raises(BoxliftError, match="source_ca_path holds no certificate"):
        backup.trust("nonsense", "")
    with pytest.raises(BoxliftError, match="certificate_ca_file holds no certificate"):
        backup.trust("", "nonsense")


def test_a_host_that_trusts_nobody_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    empty: t.Callable[..., ssl.SSLContext] = lambda cadata=None: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # noqa: E731
    monkeypatch.setattr(backup.ssl, "create_default_context", empty)
    monkeypatch.setattr(backup.os, "listdir", lambda path: [])
    with pytest.raises(backup.CannotTell):
        backup.trust("", "")
