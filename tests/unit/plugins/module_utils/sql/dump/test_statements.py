# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import literals
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import DumpError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Splitter, Statement
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.plugins.module_utils.sql import samples


def split(pieces: t.Iterable[bytes], **options: t.Any) -> list[Statement]:
    splitter = Splitter("d.sql", **options)
    found = [statement for piece in pieces for statement in splitter.feed(piece)]
    return found + list(splitter.close())


def test_statements_of_the_tricky_dump() -> None:
    found = split([samples.FIRST])
    assert len(found) == len(samples.BEGINNINGS)
    for statement, beginning in zip(found, samples.BEGINNINGS):
        assert statement.text.startswith(beginning)
        assert samples.FIRST[statement.offset :].startswith(statement.text + b";")
        assert statement.line == samples.FIRST[: statement.offset].count(b"\n") + 1


def test_every_split_of_the_bytes_gives_the_same_statements() -> None:
    whole = split([samples.FIRST])
    for cut in range(len(samples.FIRST)):
        assert split([samples.FIRST[:cut], samples.FIRST[cut:]]) == whole, cut
    assert split(bytes([byte]) for byte in samples.FIRST) == whole


@pytest.mark.parametrize("file", [samples.FIRST, samples.SECOND])
def test_a_dump_cut_anywhere_never_gives_a_statement_that_the_whole_one_has_not(file: bytes) -> None:
    whole = [(statement.offset, statement.text) for statement in split([file])]
    for cut in range(len(file)):
        splitter = Splitter("d.sql")
        found = [(statement.offset, statement.text) for statement in splitter.feed(file[:cut])]
        try:
            found += [(statement.offset, statement.text) for statement in splitter.close()]
        except DumpError as error:
            assert error.details["file"] == "d.sql" and 0 <= error.details["offset"] <= cut
        assert found == whole[: len(found)], cut
        assert not splitter.closing.startswith(b"-- Finished") or cut > len(file) - 30


def test_the_closing_line_is_the_last_comment() -> None:
    splitter = Splitter("d.sql.1")
    assert len(list(splitter.feed(samples.SECOND))) == 6
    assert list(splitter.close()) == []
    assert splitter.closing == b"-- Finished: 2026-04-13 12:00:01"


def test_a_comment_before_the_last_statement_is_no_closing_line() -> None:
    splitter = Splitter("d.sql")
    assert len([*splitter.feed(b"-- Finished: never\nSET NAMES utf8;\n"), *splitter.close()]) == 1
    assert splitter.closing == b""


def test_offset_and_line_go_on_where_a_resumed_file_is_fed_from() -> None:
    start = samples.FIRST.index(b"DROP TABLE IF EXISTS `b_bits`")
    found = split([samples.FIRST[start:]], offset=start, line=samples.FIRST[:start].count(b"\n") + 1)
    assert found == split([samples.FIRST])[-2:]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        (b"", []),
        (b" \r\n\t", []),
        (b";;;", []),
        (b"A;B;", [b"A", b"B"]),
        (b"A", None),
        (b"A;/* open", None),
        (b"A '", None),
        (b"A 'x\\';", None),
        (b"A 'x\\\\';", [b"A 'x\\\\'"]),
        (b"A 'x'';y';", [b"A 'x'';y'"]),
        (b'A ";\\";" ;', [b'A ";\\";" ']),
        (b"A `;\\`;B;", [b"A `;\\`", b"B"]),
        (b"A `;``;`;", [b"A `;``;`"]),
        (b"A /* ; ' */ B;", [b"A /* ; ' */ B"]),
        (b"A /*/ ; */ B;", [b"A /*/ ; */ B"]),
        (b"A -- ; '\nB;", [b"A -- ; '\nB"]),
        (b"A --;B;", [b"A --", b"B"]),
        (b"A --\x01;\nB;", [b"A --\x01;\nB"]),
        (b"A # ; '\nB;", [b"A # ; '\nB"]),
        (b"A /*!50003 B; ' ; */ ; ' */;", [b"A /*!50003 B; ' ; */ ; ' */"]),
        (b"A /*M! B; */;", [b"A /*M! B; */"]),
        (b"/*!50003 A */;", [b"/*!50003 A */"]),
        (b"A */;", [b"A */"]),
        (b"A - - ;", [b"A - - "]),
        (b"A\0;", [b"A\0"]),
        (b"INSERT INTO `t` VALUES\n('a;\nb');\nB;", [b"INSERT INTO `t` VALUES\n('a;\nb')", b"B"]),
        (b"INSERT INTO `t` VALUES\n(';\n');", [b"INSERT INTO `t` VALUES\n(';\n')"]),
        (b"INSERT INTO `t` VALUES\n(1), -- ;\n(2);\n", [b"INSERT INTO `t` VALUES\n(1), -- ;\n(2)"]),
        (b"INSERT INTO `t;\n` VALUES\n(1);\n", [b"INSERT INTO `t;\n` VALUES\n(1)"]),
        (b"INSERT INTO `t", None),
        (b"INS", None),
    ],
)
def test_where_a_statement_ends(text: bytes, statements: list[bytes] | None) -> None:
    for pieces in ([text], [bytes([byte]) for byte in text]):
        if statements is None:
            with pytest.raises(DumpError, match="cut off"):
                split(pieces)
        else:
            assert [statement.text for statement in split(pieces)] == statements


def test_a_statement_beyond_the_limit_is_an_error_and_not_memory() -> None:
    splitter = Splitter("d.sql", limit=1000)
    with pytest.raises(DumpError, match="longer than 1000 bytes"):
        for _round in range(100):
            list(splitter.feed(b"INSERT INTO `t` VALUES ('" if not _round else b"x" * 100))


def test_the_limit_holds_for_comments_too() -> None:
    splitter = Splitter("d.sql", limit=1000)
    with pytest.raises(DumpError, match=r"the comment at byte 0 \(line 1\) is longer than 1000 bytes"):
        for _round in range(100):
            list(splitter.feed(b"/* long" * 20))


def test_small_pieces_of_a_large_statement_take_linear_time() -> None:
    text = b"INSERT INTO `t` VALUES\n('" + b"x;\\n" * 500_000 + b"');\n"
    found = split(text[start : start + 4096] for start in range(0, len(text), 4096))
    assert len(found) == 1 and found[0].shape == literals.Shape("t", 23, 1)


CODE = st.sampled_from(
    [b"A", b" ", b"(1, 2)", b"- ", b"/ ", b"* ", b"\n", b"SET x = ", b"--x", b"INSERT INTO `t` VALUES\n"]
)
INSIDE = st.lists(st.sampled_from([b";", b"\n", b"--", b" ", b"/*", b"*/", b"#", b"x", b"\\\\", b"\\'"]), max_size=6)
QUOTED = st.one_of(
    INSIDE.map(lambda parts: b"'" + b"".join(parts) + b"'"),
    INSIDE.map(lambda parts: b'"' + b"".join(parts) + b'"'),
    INSIDE.map(lambda parts: b"`" + b"".join(parts) + b"`"),
    INSIDE.map(lambda parts: b"/* " + b"".join(parts).replace(b"/", b"") + b" */"),
    INSIDE.map(lambda parts: b"-- " + b"".join(parts).replace(b"\n", b"") + b"\n"),
)
STATEMENT = st.lists(st.one_of(CODE, QUOTED), max_size=8).map(lambda parts: b"X" + b" ".join(parts))


@settings(max_examples=300, deadline=None)
@given(st.lists(STATEMENT, max_size=5), st.lists(st.integers(0, 200), max_size=5))
def test_any_statements_in_any_pieces(statements: list[bytes], cuts: list[int]) -> None:
    text = b";\n".join([*statements, b""])
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    found = split(text[start:end] for start, end in zip(places, places[1:]))
    assert [statement.text for statement in found] == statements


LITERAL = st.one_of(
    st.sampled_from([b"NULL", b"0", b"-1.5", b"1e-10", b"0xAB", b"''", b"'\\\\'"]),
    st.binary(max_size=12).map(lambda raw: b"'" + raw.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"),
    st.lists(st.sampled_from([b"''", b"\\'", b"\\\\", b"),\n(", b";\n", b"-- ", b"a"])).map(
        lambda parts: b"'" + b"".join(parts) + b"'"
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(LITERAL, min_size=1, max_size=4), min_size=1, max_size=5))
def test_both_ways_of_reading_rows_agree(values: list[list[bytes]]) -> None:
    text = b"INSERT INTO `t` VALUES\n" + b",\n".join(b"(" + b", ".join(row) + b")" for row in values)
    shape = literals.shape(text)
    assert shape is not None and shape.rows == len(values)
    assert [[text[start:end] for start, end in row] for row in literals.rows(text, shape.body)] == values
    assert split([text + b";\n"])[0].text == text


@pytest.mark.parametrize(
    "rows",
    [
        b"(1)'x",
        b"(5x12)",
        b"(10x1)",
        b"(1)\\'",
        b"(\\\\1)",
        b"(1), (2),",
        b"(1)(2)",
        b"(--1)",
        b"('a' 'b')",
        b"(1,)",
        b"(a)",
        b"",
    ]
    + [b"(" * (1 << 18) + b")", b"('" + b"''" * (1 << 18) + b"')"],
)
def test_what_the_quick_way_does_not_vouch_for(rows: bytes) -> None:
    assert literals.shape(b"INSERT INTO `t` VALUES\n" + rows) is None
