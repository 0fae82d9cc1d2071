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
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import writer as writer_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore.names import placed_name
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import TreeWriter

UTF, CP = "Прайс".encode(), "Прайс".encode("cp1251")


def place(tmp_path: Path, *paths: bytes, **options: t.Any) -> TreeWriter:
    """Place files with these names, each with its own name as content."""
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    writer = TreeWriter(str(root), str(tmp_path / "log"), **options)
    try:
        for path in paths:
            writer.begin_file(Entry(path, False, len(path), 0o644, 0, 0))
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


def test_a_cp1251_name_before_its_twin_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(BoxliftError) as caught:
        place(tmp_path, CP, UTF)
    assert caught.value.message == "The archive holds two entries named 'Прайс'."
    assert "restore_names: raw" in caught.value.remedy
    place(tmp_path, CP, UTF, raw_names=True)
    assert found(tmp_path) == {CP: CP, UTF: UTF}


def test_the_list_of_unconverted_names_does_not_grow_for_ever(tmp_path: Path) -> None:
    twins = [name for number in range(150) for name in (UTF + b"%d" % number, CP + b"%d" % number)]
    writer = place(tmp_path, *twins)
    assert len(found(tmp_path)) == 300
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

    def standing(name: bytes, directory: int) -> bytes:
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
    with pytest.raises(BoxliftError) as caught:
        place(tmp_path, first.encode(), second.encode())
    assert caught.value.message == (
        f"The archive holds {first!r} and {second!r}, which the file system of the document root takes for one name."
    )
    assert found(tmp_path) == {first.encode(): first.encode()}


@pytest.mark.usefixtures("folding")
def test_folders_that_the_file_system_takes_for_one_become_one(tmp_path: Path) -> None:
    assert set(found_after(tmp_path, b"Upload/a", b"upload/b")) == {b"Upload/a", b"Upload/b"}


def test_the_same_name_again(tmp_path: Path) -> None:
    with pytest.raises(BoxliftError, match=r"two entries named 'a\\\\x0a'"):
        place(tmp_path, b"a\n", b"a\n")


def test_a_file_system_that_refuses_a_name_is_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: t.Any) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(TreeWriter, "_create", refuse)
    with pytest.raises(BoxliftError, match=r"'a:b' could not be written: Invalid argument"):
        place(tmp_path, b"a:b")
