# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometries as the vendor's writer puts them into a dump: bare bytes, which may look like anything."""

from __future__ import annotations

import contextlib
import pathlib
import random
import struct
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import DumpError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.files import Survey
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.geometry import Short, wkb_length
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import Importer, ImportResult

FAULT = pathlib.Path(__file__).parents[4] / "faults" / "geom_point.sql"
FINISHED = b"\n-- Finished: 2026-01-01 00:01:00"
SHAPES = [
    "POINT(1 2)",
    "LINESTRING(0 0,1 1,2 2)",
    "POLYGON((0 0,10 0,10 10,0 10,0 0),(5 5,7 5,7 7,5 7,5 5))",
    "MULTIPOINT(0 0,20 20,60 60)",
    "MULTILINESTRING((0 0,1 1),(2 2,3 3))",
    "MULTIPOLYGON(((0 0,10 0,10 10,0 10,0 0)))",
    "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))",
]
# What a point must hold so that its bytes are a quote, a semicolon and an end of line, or the end of a statement.
NASTY = [b"');\n'\\`", b"\\'\\'\\'\\'", b"-- \n/*;\n", b"(),(),()", b";\n;\n;\n;\n", b"\xff'\x00\"`;\n)"]


def load(mariadb: t.Any, text: bytes, chunk: int = 1 << 20) -> tuple[t.Any, ImportResult]:
    database = mariadb.fresh_database("staging")
    with contextlib.closing(Importer(lambda: mariadb.connect(database))) as importer:
        for begin in range(0, len(text), chunk):
            importer.feed("d.sql", text[begin : begin + chunk])
        importer.end_of_file()
        return mariadb.connect(database), importer.finish()


def dump(*values: bytes, kind: bytes = b"geometry") -> bytes:
    made = b"CREATE TABLE `b_c` (`ID` int NOT NULL, `P` %s DEFAULT NULL, `T` text, PRIMARY KEY (`ID`)) ENGINE=InnoDB;\n"
    listed = b",\n".join(b"(%d,%s,'after;\\'')" % (number, value) for number, value in enumerate(values, 1))
    return made % kind + b"INSERT INTO `b_c` VALUES\n" + listed + b";\n" + FINISHED


def point(first: bytes, second: bytes = b"\x00" * 8, srid: int = 0) -> bytes:
    return struct.pack("<IBI", srid, 1, 1) + first.ljust(8, b"\x01")[:8] + second.ljust(8, b"\x01")[:8]


def bare(mariadb: t.Any, text: str) -> bytes:
    return bytes(rows(mariadb.connect(), "SELECT ST_GeomFromText(%s) AS g", (text,))[0]["g"])


def test_the_dump_that_went_wrong(mariadb: t.Any) -> None:
    conn, result = load(mariadb, FAULT.read_bytes())
    assert rows(conn, "SELECT ID, ST_AsText(P) AS p FROM b_c") == [{"ID": 1, "p": "POINT(1 2)"}]
    assert result.warnings == [] and [(each["kind"], each["count"]) for each in result.repairs] == [
        ("geometry_value", 1)
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_kind_comes_as_it_was(mariadb: t.Any, shape: str) -> None:
    value = bare(mariadb, shape)
    assert wkb_length(value + b",", 0) == len(value)
    conn, result = load(mariadb, dump(value, b"NULL", value))
    found = rows(conn, "SELECT P, T FROM b_c ORDER BY ID")
    assert [row["P"] for row in found] == [value, None, value] and {row["T"] for row in found} == {"after;'"}
    assert result.repairs[-1]["count"] == 2


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_bytes_that_look_like_sql_in_whatever_pieces_they_arrive(mariadb: t.Any, chunk: int) -> None:
    values = [point(one, other) for one in NASTY for other in (NASTY[0], NASTY[4])]
    conn, _result = load(mariadb, dump(*values, kind=b"point"), chunk)
    assert [bytes(row["P"]) for row in rows(conn, "SELECT P FROM b_c ORDER BY ID")] == values


def test_a_point_of_another_reference_system(mariadb: t.Any) -> None:
    """39 is a quote."""
    conn, _result = load(mariadb, dump(point(b"\x01" * 8, srid=39), point(b"\x01" * 8, srid=4326)))
    found = rows(conn, "SELECT ST_SRID(P) AS s FROM b_c ORDER BY ID")
    assert [row["s"] for row in found] == [39, 4326]


def test_quoted_values_stay_as_they_were_read(mariadb: t.Any) -> None:
    value = point(b"\x07" * 8).replace(b"\x00", b"\\0")
    conn, result = load(mariadb, dump(b"'" + value + b"'", point(b"\x07" * 8), kind=b"point"))
    assert len({bytes(row["P"]) for row in rows(conn, "SELECT P FROM b_c")}) == 1
    counts = {(each["kind"], each["detail"]): each["count"] for each in result.repairs}
    assert counts == {("geometry_value", ""): 1, ("geometry_value", "written without quotes"): 1}


def test_rows_in_a_later_file_are_read_the_same_way(mariadb: t.Any) -> None:
    database = mariadb.fresh_database("staging")
    first, _rows, rest = dump(point(NASTY[0])).partition(b"INSERT")
    with contextlib.closing(Importer(lambda: mariadb.connect(database))) as importer:
        for name, data in (("d.sql", first), ("d.sql.1", _rows + rest)):
            importer.feed(name, data)
            importer.end_of_file()
        assert importer.finish().rows == 1


def test_what_is_no_wkb_is_named_with_its_table_and_column(mariadb: t.Any) -> None:
    with pytest.raises(DumpError, match="for b_c has a value in row 2, column P,.*vendor's writer") as caught:
        load(mariadb, dump(point(b"\x01" * 8), b"\x00\x00\x00\x00\x09garbage of some length"))
    assert caught.value.details["column"] == "P" and "UPDATE `b_c` SET `P` = NULL" in caught.value.remedy
    survey = Survey()
    with pytest.raises(DumpError, match="column P"):
        survey.feed("d.sql", dump(b"\x00\x00\x00\x00\x09garbage of some length"))


def test_numbers_of_the_other_byte_order() -> None:
    assert wkb_length(struct.pack("<I", 4326) + struct.pack(">BIdd", 0, 1, 1.0, 2.0) + b",", 0) == 25


@pytest.mark.parametrize("seed", range(20))
def test_a_length_is_never_longer_than_the_bytes(seed: int) -> None:
    luck = random.Random(seed)
    for _case in range(300):
        text = struct.pack("<IBI", 0, luck.randrange(3), luck.randrange(9)) + luck.randbytes(luck.randrange(60))
        try:
            length = wkb_length(text, 0)
        except Short:
            continue
        assert length is None or 13 <= length <= len(text)


def test_a_server_reads_what_the_survey_counts(mariadb: t.Any) -> None:
    text = dump(*(point(value) for value in NASTY), kind=b"point")
    survey = Survey()
    survey.feed("d.sql", text)
    survey.end_of_file()
    survey.finish()
    conn, result = load(mariadb, text)
    assert survey.tables == result.tables and survey.repairs == result.repairs
    execute(conn, "DROP TABLE b_c")
