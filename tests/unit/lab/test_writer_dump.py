# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dump writer against the genuine dump: the same rows give the same bytes and the manifest's digests."""

from __future__ import annotations

import gzip
import io
import json
import pathlib
import re
import tarfile
import typing as t

import pytest
from lab.dump_writer import DumpWriter, RowDigest, Table, Value, read_schema
from lab.reference import GENUINE

SCHEMA = """\
CREATE TABLE `b_a` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `NAME` varchar(50) NOT NULL DEFAULT 'it''s',
  `DATA` longblob DEFAULT NULL,
  `FLAGS` bit(8) DEFAULT NULL,
  `SUM` decimal(18,2) NOT NULL DEFAULT 0.00,
  `SORT` int(11) NOT NULL DEFAULT 100,
  PRIMARY KEY (`ID`)
);
"""
TABLE = read_schema(SCHEMA)["b_a"]
LITERAL = re.compile(rb"""NULL|0x[0-9a-f]+|'(?:[^'\\]|\\.)*'|[^,()\s]+""", re.DOTALL)
UNESCAPE = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"Z": b"\x1a"}


def genuine_dump() -> tuple[dict[str, t.Any], bytes]:
    folder = GENUINE / "plain_multi"
    if not folder.is_dir():
        pytest.skip("the genuine archives (../shared/data/backups) are not on this machine")
    manifest = json.loads((folder / "manifest.json").read_text())
    stream = b"".join(gzip.decompress((folder / part["name"]).read_bytes()) for part in manifest["parts"])
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        files = [t.cast(t.IO[bytes], tar.extractfile(name)).read() for name in manifest["db"]["dump_parts"]]
    return manifest, b"".join(files)


def python_value(literal: bytes, kind: str) -> Value:
    if literal == b"NULL":
        return None
    if literal.startswith(b"0x"):
        return bytes.fromhex(literal[2:].decode())
    if not literal.startswith(b"'"):
        return literal.decode() if kind in ("float", "double", "decimal") else int(literal)
    text = re.sub(rb"\\(.)", lambda m: UNESCAPE.get(m[1], m[1]), literal[1:-1], flags=re.DOTALL)
    if kind == "bit":
        return int(text)
    return text if re.search("binary|blob", kind) else text.decode()


def genuine_rows(statements: list[bytes], table: Table) -> list[list[Value]]:
    width = len(table.columns)
    literals = [literal for statement in statements for literal in LITERAL.findall(statement)]
    values = [python_value(literal, table.columns[n % width].type) for n, literal in enumerate(literals)]
    return [values[start : start + width] for start in range(0, len(values), width)]


def test_the_genuine_rows_come_out_as_the_same_bytes_and_digests(tmp_path: pathlib.Path) -> None:
    manifest, dump = genuine_dump()
    tables = read_schema(re.sub(r"^\) ENGINE.*;$", ");", dump.decode(), flags=re.MULTILINE))
    compared = 0
    for name, facts in manifest["db"]["tables"].items():
        if facts["structure_only"]:
            continue
        inserts = re.findall(rb"INSERT INTO `%s` VALUES\n(.*?);\n" % name.encode(), dump, re.DOTALL)
        table = tables[name]
        rows = genuine_rows(inserts, table)
        writer = DumpWriter(tmp_path, name, moment="2026-01-01 00:00:00")
        names = [column.name for column in table.columns]
        total = writer.table(table, (dict(zip(names, row)) for row in rows))
        ours = writer.finish()[0].read_bytes()

        assert b"".join(b"INSERT INTO `%s` VALUES\n%s;\n" % (name.encode(), text) for text in inserts) in ours
        assert total.rows == facts["rows"]
        if name != "b_cp1251_table":  # its bytes in the database are cp1251, in the dump UTF-8
            assert total.sha256 == facts["rows_sha256"], name
            compared += 1
    assert compared == 20


def test_the_frame_is_the_genuine_one(tmp_path: pathlib.Path) -> None:
    _manifest, dump = genuine_dump()
    moment = dump[12:31].decode()
    table = read_schema(
        "CREATE TABLE `b_zero_id` (\n  `ID` int(11) NOT NULL AUTO_INCREMENT,\n  `N` varchar(10) DEFAULT NULL,\n"
        "  PRIMARY KEY (`ID`)\n);\n"
        "CREATE TABLE `b_event_log` (\n  `ID` int(11) NOT NULL AUTO_INCREMENT,\n  `DESCRIPTION` text DEFAULT NULL,\n"
        "  PRIMARY KEY (`ID`)\n);\n"
    )
    writer = DumpWriter(tmp_path, "d", moment=moment)
    writer.structure(table["b_event_log"], next_id=301)
    writer.table(table["b_zero_id"], [{"ID": n, "N": text} for n, text in enumerate(("zero", "one", "two"))], next_id=3)
    writer.view(
        "v_active_users",
        "select `b_user`.`ID` AS `ID`,`b_user`.`LOGIN` AS `LOGIN`,'a;b' AS `X` from `b_user` "
        "where `b_user`.`ACTIVE` = 'Y'",
    )
    (path,) = writer.finish()
    head, _mark, rest = path.read_bytes().partition(b"-- -----")
    body, _mark, tail = rest.partition(b"-- Finished")
    assert dump.startswith(head)
    assert dump.endswith(tail)
    for chunk in (b"-- -----" + body).split(b"-- -----------------------------------\n-- Dumping table b_zero_id"):
        assert chunk in dump
    assert writer.after_connect.read_text() == (
        "SET NAMES 'utf8mb4';\nALTER DATABASE `<DATABASE>` COLLATE utf8mb4_unicode_ci;\n"
    )


def test_a_file_ends_only_between_statements(tmp_path: pathlib.Path) -> None:
    writer = DumpWriter(tmp_path, "d", moment="2026-01-01 00:00:00", split_limit=1_500_000)
    writer.table(TABLE, ({"ID": n, "NAME": "x" * 1000} for n in range(1, 3500)))
    paths = writer.finish()
    assert [path.name for path in paths] == ["d.sql", "d.sql.1", "d.sql.2", "d.sql.3"]
    for path in paths:
        assert path.stat().st_size < 1_500_000
    assert all(path.read_text().endswith(";\n") for path in paths[:-1])
    inserts = re.findall(r"INSERT INTO `b_a` VALUES\n(.*?);\n", "".join(p.read_text() for p in paths), re.DOTALL)
    assert all(1_000_000 < len(text) < 1_002_000 for text in inserts[:-1]), "flushed at one million characters"


def test_literals_and_defaults(tmp_path: pathlib.Path) -> None:
    writer = DumpWriter(tmp_path, "d", moment="2026-01-01 00:00:00")
    writer.table(
        TABLE, [{"ID": 1, "DATA": b"\0\xff", "FLAGS": 5, "SUM": "12.50"}, {"ID": 0, "NAME": "a\n'\\", "DATA": b""}]
    )
    text = writer.finish()[0].read_text()
    assert "(1, 'it\\'s', 0x00ff, '5', 12.50, 100),\n(0, 'a\\n\\'\\\\', '', NULL, 0.00, 100);\n" in text
    with pytest.raises(KeyError, match="b_a has no column OOPS"):
        TABLE.values({"OOPS": 1})


def test_digests_agree_with_the_server(mariadb: t.Any) -> None:
    rows: list[list[Value]] = [
        [1, "Ёж 😀", b"\0\xff", 255, "12.50", -1],
        [2, "", b"", 0, "-7.45", 100],
        [3, "z", None, None, "0.00", 2**31 - 1],
    ]
    digest = RowDigest(TABLE)
    connection = mariadb.connect(mariadb.fresh_database())
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE " + TABLE.create("utf8mb4", "utf8mb4_unicode_ci"))
        for row in rows:
            digest.add(row)
            cursor.execute("INSERT INTO b_a VALUES (%s, %s, %s, %s, %s, %s)", row)
        assert digest.hexdigest() == server_digest(cursor, TABLE)


def server_digest(cursor: t.Any, table: Table) -> str:
    """The recipe of the manifest, computed by the database server itself."""
    import hashlib

    columns = ", ".join(f"IFNULL(HEX(`{column.name}`), '~')" for column in table.columns)
    cursor.execute(f"SELECT CONCAT_WS(',', {columns}) FROM `{table.name}`")
    return hashlib.sha256(b"\n".join(sorted(row[0].encode() for row in cursor.fetchall()))).hexdigest()
