# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names on the disk: conversion, the bytes kept where asked for, and file systems that take two names for one."""

from __future__ import annotations

import errno
import os
import typing as t
import unicodedata
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.names import placed_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import writer as writer_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import TreeWriter

UTF, CP = "Прайс".encode(), "Прайс".encode("cp1251")


def place(tmp_path: Path, *paths: bytes, alone: bool = True, **options: t.Any) -> TreeWriter:
    """Place files with these names, each with its own name as content."""
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    writer = TreeWriter(str(root), str(tmp_path / "log"), **options)
    try:
        for path in paths:
            writer.begin_file(Entry(path, False, len(path), 0o644, 0, 0), alone)
            writer.write(memoryview(path))
            writer.end_file()
        return writer
    finally:
        writer.close()


def found(tmp_path: Path) -> dict[bytes, bytes]:
    root = os.fsencode(tmp_path / "root")
    return {
        os.path.relpath(os.path.join(folder, name), root): Path(os.fsdecode(os.path.join(folder, name))).read_bytes()
        for folder, _folders, files in os.walk(root)
        for name in files
    }


def test_names_are_converted_component_by_component() -> None:
    assert placed_name(UTF + b"/" + CP) == UTF + b"/" + UTF
    assert placed_name(b"plain/name") == b"plain/name"


def test_a_name_that_conversion_makes_too_long_keeps_its_bytes(tmp_path: Path) -> None:
    long = "я".encode("cp1251") * 200
    writer = place(tmp_path, CP + b"/" + long)
    assert found(tmp_path) == {UTF + b"/" + long: CP + b"/" + long}
    assert writer.renamed == ["Прайс/" + "я" * 200]


def test_raw_names(tmp_path: Path) -> None:
    writer = place(tmp_path, UTF, CP, CP + b".d/" + CP, raw_names=True)
    assert found(tmp_path) == {name: name for name in (UTF, CP, CP + b".d/" + CP)}
    assert writer.renamed == []


def test_twins_in_two_encodings_are_two_names_where_names_stay_raw(tmp_path: Path) -> None:
    place(tmp_path, CP, UTF, raw_names=True)
    assert found(tmp_path) == {CP: CP, UTF: UTF}


def test_the_list_of_unconverted_names_does_not_grow_for_ever(tmp_path: Path) -> None:
    writer = place(tmp_path, *("я".encode("cp1251") * 200 + b"%d" % number for number in range(150)))
    assert len(found(tmp_path)) == 150
    assert len(writer.renamed) == 101
    assert writer.renamed[-1] == "and others"


def test_names_that_differ_in_case_are_two_names(tmp_path: Path) -> None:
    assert set(found_after(tmp_path, b"a/Readme", b"a/README", b"A/readme")) == {b"a/Readme", b"a/README", b"A/readme"}


def found_after(tmp_path: Path, *paths: bytes) -> dict[bytes, bytes]:
    place(tmp_path, *paths)
    return found(tmp_path)


@pytest.fixture
def folding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer's file system ignores case and normalisation, as ext4 with `casefold`, exFAT, or APFS do.

    It names tmp_path, so that the real functions are back before pytest removes the directory.
    """

    def standing(name: t.Any, directory: int) -> t.Any:
        if not isinstance(name, bytes):
            return name  # not the writer's: pytest removes its folders meanwhile
        names = [os.fsencode(other) for other in os.listdir(directory)]
        return next((other for other in names if fold(other) == fold(name)), name)

    def fold(name: bytes) -> str:
        return unicodedata.normalize("NFD", name.decode("utf-8", "surrogateescape").casefold())

    real_open, real_mkdir = os.open, os.mkdir

    def folding_open(path: t.Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        return real_open(path if dir_fd is None else standing(path, dir_fd), flags, mode, dir_fd=dir_fd)

    def folding_mkdir(path: t.Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        real_mkdir(path if dir_fd is None else standing(path, dir_fd), mode, dir_fd=dir_fd)

    monkeypatch.setattr(writer_module.os, "open", folding_open)
    monkeypatch.setattr(writer_module.os, "mkdir", folding_mkdir)


@pytest.mark.usefixtures("folding")
@pytest.mark.parametrize(
    ("first", "second"),
    (
        ("a/Readme.TXT", "a/readme.txt"),
        ("A/readme.txt", "a/readme.txt"),
        ("Прайс", "прайс"),
        ("e\u0301.txt", "\u00e9.txt"),
    ),
)
def test_two_names_that_the_file_system_takes_for_one(tmp_path: Path, first: str, second: str) -> None:
    """The second one gets a derived name and is listed; but not before all other parts are placed."""
    with pytest.raises(BoxliftError, match="two entries named"):
        place(tmp_path, first.encode(), second.encode(), alone=False)
    writer = place(tmp_path, first.encode(), second.encode())
    stem = os.path.splitext(os.path.basename(second))[0].encode()
    [[aside, content]] = [item for item in found(tmp_path).items() if item[0] != first.encode()]
    assert content == second.encode()
    assert found(tmp_path)[first.encode()] == first.encode()
    assert os.path.basename(aside).startswith(stem + b"~")
    [line] = writer.derived
    assert line.startswith(f"{second!r} is placed as ")
    assert line.endswith(f"{aside.decode()[2:]!r}: the file system takes it for {first!r}."[1:])


@pytest.mark.usefixtures("folding")
def test_folders_that_the_file_system_takes_for_one_become_one(tmp_path: Path) -> None:
    assert set(found_after(tmp_path, b"Upload/a", b"upload/b")) == {b"Upload/a", b"Upload/b"}


@pytest.mark.parametrize("alone", (False, True))
def test_the_same_name_again(tmp_path: Path, alone: bool) -> None:
    with pytest.raises(BoxliftError, match=r"two entries named 'a\\\\x0a'"):
        place(tmp_path, b"a\n", b"a\n", alone=alone)


def refusing(monkeypatch: pytest.MonkeyPatch, error: int, refused: t.Callable[[bytes], bool]) -> None:
    """The writer's file system does not take some names, for files and for folders."""
    real_open, real_mkdir = os.open, os.mkdir

    def checked(path: t.Any, real: t.Callable[[], t.Any]) -> t.Any:
        if isinstance(path, bytes) and refused(path):
            raise OSError(error, os.strerror(error))
        return real()

    monkeypatch.setattr(writer_module.os, "open", lambda path, *a, **o: checked(path, lambda: real_open(path, *a, **o)))
    monkeypatch.setattr(
        writer_module.os, "mkdir", lambda path, *a, **o: checked(path, lambda: real_mkdir(path, *a, **o))
    )


@pytest.mark.parametrize(
    ("path", "error", "refused"),
    (
        (b"Report: May?.txt", errno.EINVAL, lambda name: b":" in name),
        (b"a|b/c.txt", errno.EINVAL, lambda name: b"|" in name),
        (b"dots...", errno.EINVAL, lambda name: name.endswith(b".")),
        (b"\xff\xfe\x98.doc", errno.EILSEQ, lambda name: b"\xff" in name),
        (b"line\nfeed", errno.EINVAL, lambda name: b"\n" in name),
    ),
)
def test_a_name_that_the_file_system_does_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: bytes, error: int, refused: t.Callable[[bytes], bool]
) -> None:
    refusing(monkeypatch, error, refused)
    writer = place(tmp_path, path, path[:-1] + b"x", raw_names=True)
    assert sorted(found(tmp_path).values()) == sorted((path, path[:-1] + b"x"))
    assert len(writer.derived) == 2 - (not refused(path[:-1] + b"x") and path == b"dots...")
    assert all("the file system holds no such name" in line for line in writer.derived)


@pytest.mark.parametrize(
    "path",
    (b"x" * 256, b"d/" + "ж".encode() * 150 + b".docx", b"y" * 300 + b"/inner.txt", b"z" * 250 + b"." + b"e" * 40),
)
def test_a_name_that_no_disk_holds(tmp_path: Path, path: bytes) -> None:
    """Two long names that begin alike stay two; an ending is kept; a folder's files stay together."""
    other = path.replace(b"/inner.txt", b"/other.txt") if b"/inner" in path else path[:-6] + b"?" + path[-5:]
    writer = place(tmp_path, path, other)
    assert sorted(found(tmp_path).values()) == sorted((path, other))
    assert len(writer.derived) == 2
    assert len({os.path.dirname(name) for name in found(tmp_path)}) == 1
    assert all(len(part) <= 255 for name in found(tmp_path) for part in name.split(b"/"))
    if path.endswith(b".docx"):
        assert all(name.endswith(b".docx") for name in found(tmp_path))


def test_a_file_system_that_refuses_a_name_is_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: t.Any) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(TreeWriter, "_create", refuse)
    with pytest.raises(BoxliftError, match=r"'a:b' could not be written: Invalid argument"):
        place(tmp_path, b"a:b")
