# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognises files that other programs have written, by how they begin."""

from __future__ import annotations

import re

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import DumpError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.reader import OPENING_LINE

# How much of a file is looked at.
HEAD = 4096

REMEDY = (
    "Order a backup at the source and restore that. To use this file all the same, load it into an empty database with "
    "the client, which runs whatever stands in it: mariadb NAME < {file}"
)

_PACKED = (
    (re.compile(rb"\x1f\x8b"), "gzip", "gunzip"),
    (re.compile(rb"BZh[1-9]"), "bzip2", "bunzip2"),
    (re.compile(rb"\xfd7zXZ"), "xz", "unxz"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd", "unzstd"),
    (re.compile(rb"PK\x03\x04"), "zip", "unzip"),
)
_PROGRAMS = (
    (re.compile(rb"^-- phpMyAdmin SQL Dump", re.MULTILINE), "phpMyAdmin"),
    (re.compile(rb"^-- (?:MariaDB|MySQL) dump ", re.MULTILINE), "mysqldump"),
    (re.compile(rb"/\*M?!999999\\?- enable the sandbox mode"), "mysqldump"),
    (re.compile(rb"^/\*!40101 SET @OLD_CHARACTER_SET_CLIENT=", re.MULTILINE), "mysqldump"),
    (re.compile(rb"^-- Adminer [0-9]", re.MULTILINE), "Adminer"),
    (re.compile(rb"^-- HeidiSQL Version:", re.MULTILINE), "HeidiSQL"),
    (re.compile(rb"^ *Navicat (?:Premium|MySQL|MariaDB)", re.MULTILINE), "Navicat"),
    (re.compile(rb"^SQLyog ", re.MULTILINE), "SQLyog"),
    (re.compile(rb"^-- Dump created by MySQL (?:pump|Shell)", re.MULTILINE), "MySQL Shell"),
    (re.compile(rb"^#SKD101\|", re.MULTILINE), "Sypex Dumper"),
    (re.compile(rb"^-- PostgreSQL database dump", re.MULTILINE), "pg_dump, for PostgreSQL"),
    (re.compile(rb"\A(?:\xff\xfe|\xfe\xff)"), "a Windows program, in UTF-16"),
    (re.compile(rb"\A\s*<(?:!doctype|html|\?xml)", re.IGNORECASE), "a web server: it is a page, not a dump"),
)


def check_origin(file: str, head: bytes) -> None:
    """Raise DumpError where the first `HEAD` bytes show that another program has written the file."""
    if head.startswith(OPENING_LINE):
        return
    for pattern, kind, unpack in _PACKED:
        if pattern.match(head):
            raise DumpError(
                f"{file} is packed with {kind}; it is not the dump itself.",
                f"Unpack it ({unpack} {file}), and name the unpacked file.",
                file=file,
            )
    for pattern, program in _PROGRAMS:
        if pattern.search(head):
            raise DumpError(
                f"{file} is no dump of a portal's backup: it was written by {program}.",
                REMEDY.format(file=file),
                file=file,
            )
