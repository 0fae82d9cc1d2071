# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategies for well-formed tables of a dump: every kind of column, key, option and literal that servers print."""

from __future__ import annotations

import re
import typing as t

from hypothesis import strategies as st

Draw = t.Callable[[st.SearchStrategy[t.Any]], t.Any]

# What is hard to read in texts and names, beside letters.
_TRICKS = [
    "'",
    '"',
    "`",
    "\\",
    ";",
    "\n",
    "\r\n",
    "\t",
    "-- ",
    "#",
    "/*",
    "*/",
    "/*!50003 ",
    "),\n(",
    ");\n",
    "%s",
    "\x1a",
]
_TRICKS += [
    "\0",
    "é",
    "ё",
    "Ж",
    "\U0001f600",
    "\ufeff",
    " ",
    "  ",
    "NULL",
    "0x",
    "\\'",
    "''",
    "delimiter //\n",
    "$",
    "@@x",
]
TEXTS = st.lists(st.sampled_from(_TRICKS) | st.text("abzаяÀ漢\U0001f9ff019 ", max_size=4), max_size=6).map("".join)
NAMES = st.lists(
    st.sampled_from(
        ["'", '"', "`", "\\", ";", "-- ", "#", "/*", "*/", ".", "/", "%s", "ё", "漢", " ", "select", "@", "("]
    )
    | st.text("abzAZаяÀ019_$-", max_size=4),
    max_size=5,
).map("".join)
COLLATIONS = [
    *("utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "utf8mb4_unicode_520_ci", "utf8mb4_0900_ai_ci"),
    *("utf8mb4_0900_as_cs", "utf8mb4_0900_bin", "utf8mb4_ru_0900_ai_ci", "utf8mb4_uca1400_ai_ci", "utf8mb4_nopad_bin"),
]


class Case(t.NamedTuple):
    """The statements of one table in the vendor's order, and how many rows it has."""

    table: str
    text: str
    rows: int


def quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def escaped(text: str, style: int) -> str:
    """A literal of this text: as the vendor's writer escapes it, or with all raw that may be raw."""
    text = text.replace("\\", "\\\\").replace("\0", "\\0")
    if style == 0:
        for raw, mark in (("\n", "\\n"), ("\r", "\\r"), ("\x1a", "\\Z"), ('"', '\\"')):
            text = text.replace(raw, mark)
    return "'" + text.replace("'", "''" if style == 2 else "\\'") + "'"


@st.composite
def literals(draw: Draw) -> str:
    return escaped(draw(TEXTS), draw(st.integers(0, 2)))


_INTEGERS = st.integers(-200, 300) | st.sampled_from([2**31 - 1, -(2**31), 0])
_HEX = st.binary(min_size=1, max_size=12).map(lambda value: "0x" + value.hex())
_POINTS = st.sampled_from(["0x000000000101000000000000000000F03F0000000000000040", "NULL"])
_DATES = st.dates().map("'{:%Y-%m-%d}'".format) | st.just("'0000-00-00'")
# A day at a time, far from every change of the clock.
_TIMES = st.integers(1, 28).map("'2024-01-{:02d} 12:34:56'".format)
_JSON = st.sampled_from(["'{}'", '\'{\\"name\\": \\"x\\"}\'', "'[1, 2, \\\"\\\\u0451\\\"]'", "NULL"])
_PLAIN: list[tuple[str, st.SearchStrategy[str]]] = [
    ("int(11)", _INTEGERS.map(str)),
    ("int unsigned", st.integers(0, 2**32 - 1).map(str)),
    ("tinyint(3) unsigned zerofill", st.integers(0, 255).map(str)),
    ("bigint(20)", st.integers(-(2**63), 2**63 - 1).map(str)),
    ("decimal(18,4)", st.decimals(-(10**9), 10**9, places=4).map(str)),
    ("double", st.sampled_from(["0", "1.5", "-2.25e10", "1e-3", ".5", "-0"])),
    ("bit(8)", st.integers(0, 255).map(str)),
    ("binary(6)", _HEX.map(lambda value: value[:14])),
    ("varbinary(20)", _HEX),
    ("blob", _HEX | st.just("''")),
    ("date", _DATES),
    ("datetime(3)", _TIMES.map(lambda value: value[:-1] + ".125'")),
    ("timestamp NULL", _TIMES),
    ("time", st.just("'12:34:56'")),
    ("year(4)", st.just("2024")),
    ("json", _JSON),
    ("point", _POINTS),
    ("enum('a;b','c''d','\\\\')", st.sampled_from(["'a;b'", "'c\\'d'", "'\\\\'", "NULL"])),
    ("set('x','y,'' z')".replace(",'' ", "''"), st.sampled_from(["'x'", "''", "NULL"])),
    ("uuid", st.uuids().map("'{}'".format)),
    ("inet6", st.sampled_from(["'::1'", "'2001:db8::5'", "NULL"])),
    ("geomcollection", st.just("NULL")),
]
# Behind the type and before the rest; and behind it.
_MIDDLE = ["", "", "", " /*!50606 STORAGE DISK */", " /*!50606 COLUMN_FORMAT DYNAMIC */", " /*M!100301 COMPRESSED*/"]
_END = ["", "", "", " INVISIBLE", " /*!80021 ENGINE_ATTRIBUTE '{}' */", " COMMENT 'x; -- ''y'' /* z'"]
_DEFAULTS = ["", " DEFAULT NULL", " DEFAULT NULL", " NOT NULL"]
_CHECKS = [
    *("", "", "", "CHECK ({c} is not null or 1 = 1)", "CONSTRAINT `chk;1` CHECK (length({c}) < 9999)"),
    *("CONSTRAINT `no` CHECK ({c} = 5) /*!80016 NOT ENFORCED */", "CHECK (regexp_like({c},_utf8mb4'.*'))"),
]
_INDEXES = [
    *("KEY {k} ({c})", "KEY {k} ({c}) USING BTREE COMMENT 'k;'", "KEY {k} ({c}) /*!80000 INVISIBLE */"),
    *("KEY {k} ({c} DESC) KEY_BLOCK_SIZE=4", "KEY {k} ({c}) IGNORED", "KEY {k} ((lower({c})))"),
    *("KEY {k} ((cast(json_extract({c},_utf8mb4'$.x') as unsigned array)))", "UNIQUE KEY {k} (`id`,{c})"),
]
_OPTIONS = [
    *(
        "ENGINE=InnoDB",
        "ENGINE=MyISAM",
        "ENGINE=Aria PAGE_CHECKSUM=1",
        "ENGINE=ARCHIVE",
        "ENGINE=ROCKSDB",
        "ENGINE=CSV",
    ),
    *("AUTO_INCREMENT=77", "ROW_FORMAT=DYNAMIC", "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8", "STATS_PERSISTENT=0"),
    *("`PAGE_COMPRESSED`=1", "`ENCRYPTED`=YES", "/*!80016 ENCRYPTION='Y' */", "/*!50100 TABLESPACE `x` */"),
    *("COMPRESSION='zlib'", "DATA DIRECTORY='/proc/nowhere'", "AVG_ROW_LENGTH=9 MIN_ROWS=1 MAX_ROWS=99", "CHECKSUM=1"),
    *("COMMENT='a;\\nb''c'", "CONNECTION='x'", "INSERT_METHOD=LAST", "AUTOEXTEND_SIZE=4M", "WITH SYSTEM VERSIONING"),
]
_PARTITIONS = [
    *("", "", "", "/*!50100 PARTITION BY HASH (`id`) PARTITIONS 3 */", "PARTITION BY KEY (`id`) PARTITIONS 2"),
    "/*!50100 PARTITION BY RANGE (`id`)\n(PARTITION p0 VALUES LESS THAN (3) ENGINE = InnoDB,\n"
    " PARTITION `p;1` VALUES LESS THAN MAXVALUE ENGINE = InnoDB) */",
    "PARTITION BY LIST (id % 2) (PARTITION a VALUES IN (0) DATA DIRECTORY = '/x', PARTITION b VALUES IN (1,NULL))",
]


# What MariaDB does not take: three of four tables are without it, so that its own client can load them.
_ODD = re.compile(
    r"0900|ROCKSDB|ENCRYPTED|ENCRYPTION|TABLESPACE|COMPRESSION=|DIRECTORY|regexp_like|ENFORCED|\(\(|bin_to_uuid"
    r"|VIRTUAL NOT NULL|AUTOEXTEND|geomcollection|PAGE_COMPRESSED|ARCHIVE|CSV|CONNECTION|INSERT_METHOD"
)


def _among(draw: Draw, choices: t.Sequence[t.Any], odd: bool) -> t.Any:
    """One of the choices, texts or pairs that begin with one."""
    first = [choice if isinstance(choice, str) else choice[0] for choice in choices]
    return draw(
        st.sampled_from([choice for choice, text in zip(choices, first, strict=True) if odd or not _ODD.search(text)])
    )


@st.composite
def cases(draw: Draw, number: int) -> Case:
    """A table whose name begins with `number`, with up to six rows."""
    table = f"{number} {draw(NAMES)}"[:64].rstrip() + "_"
    quoted = quote(table[-64:] if len(table) > 64 else table)
    odd = draw(st.integers(0, 3)) == 0
    options = " ".join({_among(draw, _OPTIONS, odd): None for _number in range(draw(st.integers(0, 3)))})
    lines, values = ["`id` int(11) NOT NULL"], []
    visible = []
    for place in range(draw(st.integers(1, 4))):
        column = quote(f"{place}{draw(NAMES)}"[:60].rstrip() + "_")
        line, value = _column(draw, column, odd)
        lines.append(line)
        if "INVISIBLE" not in line:
            values.append(value)
        visible.append((column, line))
    lines.append("PRIMARY KEY (`id`)")
    for place, (column, line) in enumerate(visible):
        check = _among(draw, _CHECKS, odd)
        if check:
            lines.append(check.format(c=column).replace("chk;1", f"chk;{place}").replace("`no`", f"`no{place}`"))
        if draw(st.booleans()):
            part = f"{column}(9)" if any(kind in line for kind in (" text", "blob", "json")) else column
            index = _among(draw, _INDEXES, odd)
            lines.append(index.format(k=quote(f"k{place}"), c=column if "((" in index else part))
    charset = _among(draw, ["", "", "DEFAULT CHARSET=utf8", *(f"COLLATE={name}" for name in COLLATIONS)], odd)
    if charset.startswith("COLLATE"):
        charset = f"DEFAULT CHARSET=utf8mb4 {charset}"
    create = (
        f"CREATE TABLE {quoted} (\n  " + ",\n  ".join(lines) + f"\n) {options} {charset or 'DEFAULT CHARSET=utf8mb4'}"
    )
    partitions = _among(draw, _PARTITIONS, odd)
    text = f"DROP TABLE IF EXISTS {quoted};\n{create}\n{partitions};\n\n"
    rows = draw(st.integers(0, 6))
    shown = ["(" + ", ".join([str(row), *(draw(value) for value in values)]) + ")" for row in range(rows)]
    loose = draw(st.booleans())
    step = draw(st.integers(1, 6))
    for first in range(0, rows, step):
        some = shown[first : first + step]
        text += f"INSERT INTO {quoted} VALUES" + (" " + ",".join(some) if loose else "\n" + ",\n".join(some)) + ";\n"
    return Case(quoted[1:-1].replace("``", "`"), text, rows)


def _column(draw: Draw, name: str, odd: bool) -> tuple[str, st.SearchStrategy[str]]:
    """The definition of a column, and its values."""
    kind = draw(st.integers(0, 9))
    if kind <= 3:  # text
        of = draw(st.sampled_from(["varchar(60)", "char(60)", "text", "mediumtext", "longtext"]))
        charset = _among(
            draw, ["", "", "CHARACTER SET utf8 COLLATE utf8_bin", *(f"COLLATE {c}" for c in COLLATIONS)], odd
        )
        value: st.SearchStrategy[str] = literals() | st.just("NULL")
        line = f"{name} {of} {charset}{draw(st.sampled_from(_MIDDLE))}{draw(st.sampled_from(_DEFAULTS[:3]))}"
        return line + _among(draw, _END, odd), value
    if kind == 4:
        expression, of = _among(
            draw,
            [
                *(("`id` + 1", "int(11)"), ("concat(`id`,_utf8mb4';x')", "varchar(40)"), ("md5(`id`)", "char(32)")),
                *(("bin_to_uuid(`id`)", "varchar(36)"), ("`id` > 2 and (`id` between 1 and 9)", "tinyint(1)")),
            ],
            odd,
        )
        stored = _among(draw, ["VIRTUAL", "STORED", "VIRTUAL NOT NULL"], odd)
        return f"{name} {of} GENERATED ALWAYS AS ({expression}) {stored}", st.just("'7'")
    of, value = _among(draw, _PLAIN, odd)
    default = "" if "NULL" in of else draw(st.sampled_from(_DEFAULTS[:3]))
    return f"{name} {of}{default}{_among(draw, _END, odd)}", value
