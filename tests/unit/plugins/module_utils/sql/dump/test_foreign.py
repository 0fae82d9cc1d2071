# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import DumpError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.files import check_whole
from unit.plugins.module_utils.sql.faulty import fault

TABLE = b"CREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES (1);\n"


@pytest.mark.parametrize(
    ("head", "program"),
    [
        (fault("mysqldump"), "mysqldump"),
        (fault("phpmyadmin"), "phpMyAdmin"),
        (b"-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n--\n", "mysqldump"),
        (b"/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n", "mysqldump"),
        (b"-- Adminer 4.8.1 MySQL 8.0.36 dump\n\nSET NAMES utf8;\n", "Adminer"),
        (b"-- ------\n-- Host:  127.0.0.1\n-- HeidiSQL Version:  12.6.0.6765\n", "HeidiSQL"),
        (b"/*\n Navicat Premium Data Transfer\n*/\n", "Navicat"),
        (b"/*\nSQLyog Ultimate v13.1.1 (64 bit)\n*/\n", "SQLyog"),
        (b"#SKD101|portal|41|2026.01.01\n", "Sypex Dumper"),
        (b"--\n-- PostgreSQL database dump\n--\n", "pg_dump"),
        ("-- x".encode("utf-16"), "UTF-16"),
        (b"<!DOCTYPE html><html>", "a page"),
        (b"DROP TABLE IF EXISTS `t`;\n", "neither its first line"),
    ],
)
def test_a_dump_of_another_program_is_named(tmp_path: pathlib.Path, head: bytes, program: str) -> None:
    file = tmp_path / "d.sql"
    file.write_bytes(head + TABLE)
    with pytest.raises(DumpError, match=program) as caught:
        check_whole([str(file)])
    assert "no dump of a portal's backup" in caught.value.message and f"mariadb NAME < {file}" in caught.value.remedy


@pytest.mark.parametrize(
    ("head", "remedy"),
    [(b"\x1f\x8b\x08", "gunzip"), (b"BZh9", "bunzip2"), (b"\xfd7zXZ\0", "unxz"), (b"PK\x03\x04", "unzip")],
)
def test_a_packed_dump_is_named(tmp_path: pathlib.Path, head: bytes, remedy: str) -> None:
    file = tmp_path / "d.sql"
    file.write_bytes(head + TABLE)
    with pytest.raises(DumpError, match="is packed with") as caught:
        check_whole([str(file)])
    assert f"{remedy} {file}" in caught.value.remedy


def test_a_dump_that_is_cut_off_is_the_vendor_s(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "d.sql"
    file.write_bytes(b"-- Started: 2026-01-01 00:00:00\n" + TABLE)
    with pytest.raises(DumpError, match="cut off"):
        check_whole([str(file)])
    # Whatever stands in a row says nothing about the program.
    file.write_bytes(
        b"-- Started: 2026\n" + TABLE + b"INSERT INTO `t` VALUES ('\n-- MySQL dump 10');\n-- Finished: 2026"
    )
    check_whole([str(file)])
