# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses CREATE TABLE as any server of the last years prints it, and names each clause that another server may lack.

A clause that is not understood is one that no server is to have: `repairs.table_sql` leaves it out. The statement is
refused only where it would be more than a table: rows from elsewhere, files, variables, another database.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import SAFE_CHARSETS
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.grammar import (
    COLUMN_CLAUSES,
    DANGEROUS,
    ENGINE_ALIASES,
    ENGINES,
    EXPRESSION_WORDS,
    FOREIGN_KEY_WORDS,
    FUNCTIONS,
    KEY_DEFINITIONS,
    MARIADB_OPTIONS,
    MARIADB_TYPES,
    NEVER,
    OTHER_TYPES,
    PARTITION_WORDS,
    ROW_FORMATS,
    TABLE_OPTIONS,
    TYPES,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import Token
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.token_cursor import Cursor, NotAllowed

# What a clause needs of the server; beside these "engine NAME", "type NAME" and "function NAME".
MARIADB = "mariadb"
MYSQL = "mysql"
PARTITIONS = "partitions"
NEVER_THERE = "never"
# The place of a `Spot` that belongs to a conversion, not to a column.
EXPRESSION = "expression"

_STRINGS = ("string", "double")
_VALUES = ("word", "number", "name", *_STRINGS)


@dataclass(frozen=True)
class Column:
    """What `repairs.RowRepair` needs to know of a column. Rows of a dump hold no value for an invisible one."""

    name: str
    type: str
    generated: bool
    invisible: bool = False


@dataclass(frozen=True)
class Clause:
    """Tokens `first` up to `end`, for which the server must have all of `needs`; else `instead` stands there.

    `place` is the column or index, empty for the table. `definition` is true for a whole index or constraint, with
    whose comma it goes; `plain` is the column that holds the dump's values where its expression is left out.
    """

    first: int
    end: int
    needs: frozenset[str]
    place: str
    instead: bytes = b""
    definition: bool = False
    plain: str | None = None
    # Whether a table can do without it, where the server refuses the table although it should take it: 1 storage and
    # partitions, 2 checks, defaults by expression and special indexes, 3 plain and 4 unique indexes. 0: it cannot.
    spare: int = 0


class Spot(t.NamedTuple):
    """The number of the token that names a character set or a collation, and the column that it belongs to."""

    token: int
    place: str


@dataclass(frozen=True)
class TableDefinition:
    """A table's definition, ready to be rendered. `definitions` are the ranges of tokens between the commas."""

    text: bytes
    tokens: tuple[Token, ...]
    columns: tuple[Column, ...]
    structure_only: bool
    charsets: tuple[Spot, ...]
    collations: tuple[Spot, ...]
    clauses: tuple[Clause, ...]
    definitions: tuple[tuple[int, int], ...]


class _Reader:
    """Walks the definition once."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.columns: list[Column] = []
        self.charsets: list[Spot] = []
        self.collations: list[Spot] = []
        self.clauses: list[Clause] = []
        self.definitions: list[tuple[int, int]] = []

    def body(self) -> None:
        """The definitions between the outer parentheses."""
        cursor = self.cursor
        cursor.expect_punct(b"(")
        while True:
            first = cursor.index
            token = cursor.next()
            if token.kind == "name" or (token.kind == "word" and token.upper not in KEY_DEFINITIONS | {"LIKE"}):
                self._column(token.value)
            elif token.upper in KEY_DEFINITIONS:
                cursor.index = first
                self._key()
            else:
                raise NotAllowed(f"a definition begins with {token.value[:64]}")
            self.definitions.append((first, cursor.index))
            if cursor.accept_punct(b")"):
                return
            cursor.expect_punct(b",")

    def _clause(self, first: int, needs: t.Iterable[str], place: str, **more: t.Any) -> None:
        """The tokens from `first` up to here are a clause."""
        self.clauses.append(Clause(first, self.cursor.index, frozenset(needs), place, **more))

    def _ends(self) -> bool:
        """Whether a definition ends here."""
        token = self.cursor.peek()
        if token is None:
            raise NotAllowed("it ends too early")
        return token.is_punct(b",") or token.is_punct(b")")

    def _balanced(self) -> tuple[int, int]:
        """Step over parentheses and what is in them; the range of what is in them."""
        self.cursor.expect_punct(b"(")
        begin, depth = self.cursor.index, 1
        while depth:
            token = self.cursor.next()
            depth += token.is_punct(b"(") - token.is_punct(b")")
        return begin, self.cursor.index - 1

    def _value(self) -> Token:
        """An option's value, behind its = where there is one."""
        self.cursor.accept_punct(b"=")
        self.cursor.accept_punct(b"-")
        return self.cursor.next()

    # --- columns

    def _column(self, name: str) -> None:
        place = f"column {name}"
        kind = self._type(place)
        generated = invisible = False
        clauses: dict[str, tuple[int, int]] = {}
        while not self._ends():
            first = self.cursor.index
            word = self.cursor.peek_upper()
            if word in ("GENERATED", "AS"):
                self._generated(name, place)
                generated = True
            elif word == "INVISIBLE":
                self.cursor.next()
                invisible = True
            elif word == "NOT" or word == "NULL":
                self._null(first, place)
                clauses["null"] = (first, self.cursor.index)
            else:
                self._column_clause(first, word, place)
        if generated and "null" in clauses:
            # MariaDB takes neither NULL nor NOT NULL for a generated column.
            self.clauses.append(Clause(*clauses["null"], frozenset({MYSQL}), place))
        self.columns.append(Column(name, kind, generated, invisible))

    def _type(self, place: str) -> str:
        first = self.cursor.index
        token = self.cursor.next()
        if token.kind != "word":
            raise NotAllowed(f"{place} has no type")
        kind = token.upper
        if kind == "DOUBLE":
            self.cursor.accept("PRECISION")
        following = self.cursor.peek()
        if following is not None and following.is_punct(b"("):
            self._balanced()
        if kind not in TYPES or kind in OTHER_TYPES:
            needs = {MARIADB} if kind in MARIADB_TYPES else {f"type {kind}"}
            instead = OTHER_TYPES.get(kind, "longblob").encode("ascii")
            self._clause(first, needs, place, instead=instead)
        return kind

    def _null(self, first: int, place: str) -> None:
        if self.cursor.accept("NULL"):
            return
        self.cursor.next()
        if self.cursor.accept("SECONDARY"):
            self._clause(first, {NEVER_THERE}, place)
        elif not self.cursor.accept("NULL"):
            self._unknown(first, place)

    def _generated(self, name: str, place: str) -> None:
        """AS (expression), or one of the two times of a row of a versioned table."""
        first = self.cursor.index
        self.cursor.accept("GENERATED")
        self.cursor.accept("ALWAYS")
        self.cursor.expect("AS")
        if self.cursor.accept("ROW"):
            self.cursor.next()
            self._clause(first, {MARIADB}, place, plain=name)
            return
        needs = self._expression(*self._balanced())
        for word in ("VIRTUAL", "STORED", "PERSISTENT"):
            if self.cursor.accept(word):
                break
        self._clause(first, needs, place, plain=name, spare=2)

    def _column_clause(self, first: int, word: str, place: str) -> None:
        cursor = self.cursor
        if word in ("UNSIGNED", "SIGNED", "ZEROFILL", "AUTO_INCREMENT", "ASCII", "UNICODE", "BINARY"):
            cursor.next()
        elif word in ("UNIQUE", "PRIMARY", "KEY"):
            cursor.next()
            cursor.accept("KEY")
        elif word in ("CHARACTER", "CHARSET", "COLLATE"):
            self._charset_or_collation(place)
        elif word == "DEFAULT":
            self._default(place)
        elif word == "ON":
            cursor.next()
            cursor.expect("UPDATE")
            begin = cursor.index
            self._to_next_clause()
            self._clause(first, self._expression(begin, cursor.index), place)
        elif word == "COMMENT":
            cursor.next()
            if self._value().kind not in _STRINGS:
                raise NotAllowed(f"{place} has a comment that is no text")
        elif word in ("CONSTRAINT", "CHECK"):
            self._check(first, place, definition=False)
        elif word == "COMPRESSED":
            cursor.next()
            if cursor.accept_punct(b"="):
                cursor.next()
            self._clause(first, {MARIADB}, place, spare=1)
        elif word in ("WITH", "WITHOUT"):
            cursor.next()
            cursor.accept("SYSTEM")
            cursor.accept("VERSIONING")
            self._clause(first, {MARIADB}, place)
        elif word in ("REF_SYSTEM_ID", "SRID", "STORAGE", "COLUMN_FORMAT", "VISIBLE"):
            cursor.next()
            if word != "VISIBLE":
                self._value()
            self._clause(first, {MARIADB if word == "REF_SYSTEM_ID" else MYSQL}, place)
        elif word == "REFERENCES":
            while not self._ends():
                self._step()
            self._clause(first, {NEVER_THERE}, place)
        else:
            self._unknown(first, place)

    def _step(self) -> None:
        """Over one token, or over parentheses with their content."""
        token = self.cursor.peek()
        if token is not None and token.is_punct(b"("):
            self._balanced()
        else:
            self.cursor.next()

    def _unknown(self, first: int, place: str) -> None:
        """A clause that is not known: up to the next word, with what may be its value."""
        self.cursor.index = first
        self._step()
        self._option_value()
        self._clause(first, {NEVER_THERE}, place)

    def _option_value(self) -> None:
        following = self.cursor.peek()
        is_value = following is not None and (following.kind in (*_STRINGS, "number") or following.is_punct(b"("))
        if self.cursor.accept_punct(b"=") or is_value:
            self._step()

    def _to_next_clause(self) -> None:
        """Over an expression, up to the word outside of parentheses with which another clause begins."""
        self._step()
        while not self._ends():
            token = self.cursor.peek()
            if token is not None and token.upper in COLUMN_CLAUSES:
                return
            self._step()

    def _default(self, place: str) -> None:
        first = self.cursor.index
        self.cursor.next()
        begin = self.cursor.index
        self._to_next_clause()
        needs = self._expression(begin, self.cursor.index)
        if needs:
            self._clause(first, needs, place, spare=2)

    def _charset_or_collation(self, place: str) -> None:
        word = self.cursor.next().upper
        if word == "CHARACTER":
            self.cursor.expect("SET")
        value = self._value()
        if value.kind not in ("word", "name", *_STRINGS):
            raise NotAllowed("a character set or collation without its name")
        spots = self.collations if word == "COLLATE" else self.charsets
        spots.append(Spot(self.cursor.index - 1, place))

    def _check(self, first: int, place: str, *, definition: bool) -> None:
        """[CONSTRAINT [name]] CHECK (…) [[NOT] ENFORCED]"""
        if self.cursor.accept("CONSTRAINT") and self.cursor.peek_upper() != "CHECK":
            self.cursor.next()
        self.cursor.expect("CHECK")
        needs = self._expression(*self._balanced())
        before = self.cursor.index
        if self.cursor.accept("NOT"):
            if self.cursor.accept("ENFORCED"):
                # Rows may break it, and MariaDB enforces every check.
                needs |= {MYSQL}
            else:
                self.cursor.index = before
        elif self.cursor.accept("ENFORCED"):
            self._clause(before, {MYSQL}, place)
        self._clause(first, needs, place, definition=definition, spare=2)

    # --- expressions

    def _names(self) -> set[str]:
        """Columns so far, in small letters: older servers print a partition's expression as it was typed."""
        return {column.name.lower() for column in self.columns}

    def _expression(self, begin: int, end: int) -> set[str]:
        """What the server must have to compute the tokens in this range."""
        needs: set[str] = set()
        tokens = self.cursor.tokens
        for index in range(begin, end):
            token = tokens[index]
            following = tokens[index + 1] if index + 1 < len(tokens) else None
            called = following is not None and following.is_punct(b"(")
            if token.kind == "word":
                before = tokens[index - 1].upper
                if before == "COLLATE":
                    self.collations.append(Spot(index, EXPRESSION))
                elif before in ("CHARSET", "USING") or (before == "SET" and tokens[index - 2].upper == "CHARACTER"):
                    self.charsets.append(Spot(index, EXPRESSION))
                elif is_introducer(token, following) or (not called and token.value.lower() in self._names()):
                    continue
                elif called and token.upper in FUNCTIONS:
                    needs.add(f"function {token.upper}")
                elif token.upper == "JSON" or token.upper == "ARRAY":
                    needs.add(MYSQL)  # the type of a CAST
                elif not (token.upper in EXPRESSION_WORDS or token.upper in TYPES):
                    needs.add(NEVER_THERE)
            elif (token.kind == "name" and called) or token.is_punct(b".") or token.kind not in (*_VALUES, "punct"):
                needs.add(NEVER_THERE)
        return needs

    # --- indexes and constraints

    def _key(self) -> None:
        first = self.cursor.index
        word = self.cursor.peek_upper()
        constraint = ""
        if word == "CONSTRAINT":
            self.cursor.next()
            word = self.cursor.peek_upper()
            if word not in KEY_DEFINITIONS:
                constraint = self.cursor.next().value
                word = self.cursor.peek_upper()
        if word == "CHECK":
            self.cursor.index = first
            self._check(first, "constraint", definition=True)
            self._rest(first)
            return
        if word not in KEY_DEFINITIONS - {"CONSTRAINT"}:
            raise NotAllowed("a constraint of an unknown kind")
        self.cursor.next()
        needs: set[str] = set()
        if word == "PERIOD":
            needs.add(MARIADB)
            self.cursor.accept("FOR")
        elif word == "VECTOR":
            needs.add("type VECTOR")
        if not self.cursor.accept("KEY"):
            self.cursor.accept("INDEX")
        name = self._key_name() or constraint
        place = "primary key" if word == "PRIMARY" else f"constraint {name}" if word == "FOREIGN" else f"index {name}"
        self._using(place)
        needs |= self._key_parts()
        if word == "FOREIGN":
            needs |= self._references()
        else:
            self._key_options(place)
        self._rest(first)
        spare = {"PRIMARY": 0, "PERIOD": 0, "UNIQUE": 4, "KEY": 3, "INDEX": 3}.get(word, 2)
        self._clause(first, needs, place, definition=True, spare=spare)

    def _key_name(self) -> str:
        token = self.cursor.peek()
        if token is None or token.kind not in ("name", "word") or token.upper == "USING":
            return ""
        return self.cursor.next().value

    def _using(self, place: str) -> None:
        first = self.cursor.index
        if self.cursor.accept("USING"):
            kind = self.cursor.next().upper
            if kind not in ("BTREE", "HASH", "RTREE"):
                self._clause(first, {NEVER_THERE}, place)

    def _key_parts(self) -> set[str]:
        """What the server must have for what is between the parentheses of an index."""
        begin, end = self._balanced()
        tokens = self.cursor.tokens
        needs: set[str] = set()
        depth = 0
        for index in range(begin, end):
            token = tokens[index]
            if token.is_punct(b"("):
                before = tokens[index - 1]
                if depth == 0 and before.kind != "name" and before.upper == "":
                    needs.add(MYSQL)  # an index over an expression
                depth += 1
            elif token.is_punct(b")"):
                depth -= 1
        if MYSQL in needs:
            needs |= self._expression(begin, end)
        elif any(token.upper == "WITHOUT" for token in tokens[begin:end]):
            needs.add(MARIADB)  # WITHOUT OVERLAPS
        return needs

    def _references(self) -> set[str]:
        self.cursor.expect("REFERENCES")
        self._value()
        needs: set[str] = set()
        if self.cursor.accept_punct(b"."):
            self.cursor.next()
            needs.add(NEVER_THERE)  # a table of another database
        self._balanced()
        while not self._ends():
            if self.cursor.peek_upper() not in FOREIGN_KEY_WORDS:
                needs.add(NEVER_THERE)
            self._step()
        return needs

    def _key_options(self, place: str) -> None:
        while not self._ends():
            first = self.cursor.index
            word = self.cursor.peek_upper()
            if word == "USING":
                self._using(place)
            elif word in ("KEY_BLOCK_SIZE", "COMMENT"):
                self.cursor.next()
                if self._value().kind not in ("number", *_STRINGS):
                    raise NotAllowed(f"{place} has an option that is no literal")
            elif word == "WITH":
                self.cursor.next()
                self.cursor.expect("PARSER")
                self.cursor.next()
                self._clause(first, {MYSQL}, place)
            elif word in ("INVISIBLE", "VISIBLE", "IGNORED", "NOT"):
                self._visibility(first, place)
            else:
                self._unknown(first, place)

    def _visibility(self, first: int, place: str) -> None:
        """Whether the server uses the index: the two servers have different words for it."""
        negated = self.cursor.accept("NOT")
        word = self.cursor.next().upper
        if word == "INVISIBLE" and not negated:
            self._clause(first, {MYSQL}, place, instead=b"IGNORED")
        elif word == "IGNORED" and not negated:
            self._clause(first, {MARIADB}, place, instead=b"INVISIBLE")
        elif word in ("VISIBLE", "IGNORED"):
            self._clause(first, {MYSQL if word == "VISIBLE" else MARIADB}, place)
        else:
            self._unknown(first, place)

    def _rest(self, begin: int) -> None:
        """Whatever else belongs to this definition is not known."""
        first = self.cursor.index
        while not self._ends():
            self._step()
        if self.cursor.index > first:
            self._clause(first, {NEVER_THERE}, f"definition {self.cursor.tokens[begin].value[:64]}")

    # --- table options

    def options(self) -> None:
        """The table options after the closing parenthesis."""
        cursor = self.cursor
        while cursor.peek() is not None:
            first = cursor.index
            token = cursor.peek()
            word = cursor.peek_upper()
            if cursor.accept_punct(b","):
                continue
            if word == "DEFAULT":
                cursor.next()
                word = cursor.peek_upper()
            if word in ("CHARACTER", "CHARSET", "COLLATE"):
                self._charset_or_collation("")
            elif word in ("ENGINE", "TYPE"):
                cursor.next()
                self._engine("")
            elif word == "PARTITION":
                self._partitions()
            elif word in TABLE_OPTIONS:
                self._table_option(first, word)
            elif word in ("AS", "IGNORE", "REPLACE", "LIKE", "TABLE", "VALUES"):
                raise NotAllowed("it takes rows from elsewhere")
            elif token is not None and token.kind in ("word", "name"):
                self._other_option(first, word or token.value.upper())
            else:
                raise NotAllowed("something that is no option follows the definitions")

    def _table_option(self, first: int, word: str) -> None:
        self.cursor.next()
        value = self._value()
        if value.kind not in TABLE_OPTIONS[word]:
            self.cursor.index -= 1
            self._step()
            self._clause(first, {NEVER_THERE}, "")
        elif word == "ROW_FORMAT" and value.upper == "PAGE":
            self._clause(first, {"engine ARIA"}, "", spare=1)
        elif word in MARIADB_OPTIONS:
            self._clause(first, {MARIADB}, "")
        elif word == "ROW_FORMAT" and value.upper not in ROW_FORMATS:
            self._clause(first, {NEVER_THERE}, "")
        elif word in ("ROW_FORMAT", "KEY_BLOCK_SIZE"):
            self._clause(first, (), "", spare=1)

    def _engine(self, place: str) -> None:
        value = self._value()
        name = value.raw.strip(b"'\"`").decode("ascii", "replace").upper()
        name = ENGINE_ALIASES.get(name, name)
        needs = f"engine {name}" if name in ENGINES else NEVER_THERE
        first = self.cursor.index - 1
        self._clause(first, {needs}, place, instead=b"InnoDB")

    def _other_option(self, first: int, word: str) -> None:
        cursor = self.cursor
        cursor.next()
        needs = {NEVER_THERE}
        spare = 0
        if word == "WITH":
            cursor.accept("SYSTEM")
            needs = {MARIADB} if cursor.accept("VERSIONING") else needs
        elif word in ("DATA", "INDEX"):
            cursor.accept("DIRECTORY")
            self._value()
        elif word == "TABLESPACE":
            self._value()
            if cursor.accept("STORAGE"):
                cursor.next()
        elif word == "START":
            cursor.accept("TRANSACTION")
        else:
            self._option_value()
            if word in ("PAGE_COMPRESSED", "PAGE_COMPRESSION_LEVEL"):
                needs, spare = {MARIADB}, 1
            elif word == "SEQUENCE":
                needs = {MARIADB}
        self._clause(first, needs, "", spare=spare)

    def _partitions(self) -> None:
        """PARTITION BY … up to the end of the statement."""
        cursor = self.cursor
        first = cursor.index
        needs = {PARTITIONS}
        while cursor.peek() is not None:
            begin = cursor.index
            word = cursor.peek_upper()
            token = cursor.next()
            before = cursor.tokens[begin - 1].upper
            following = cursor.peek()
            called = following is not None and following.is_punct(b"(")
            if word == "ENGINE" or (word == "STORAGE" and cursor.accept("ENGINE")):
                self._engine("partitions")
            elif word in ("DATA", "INDEX", "TABLESPACE", "NODEGROUP") and before not in ("PARTITION", "SUBPARTITION"):
                cursor.accept("DIRECTORY")
                self._value()
                self._clause(begin, {NEVER_THERE}, "partitions")
            elif word in ("SYSTEM_TIME", "CURRENT", "HISTORY"):
                needs.add(MARIADB)
            elif before in ("PARTITION", "SUBPARTITION") and word != "BY":
                continue  # its name
            elif token.kind == "word" and word not in PARTITION_WORDS:
                needs |= self._expression(begin, begin + 1)
            elif (token.kind == "name" and called) or token.kind not in (*_VALUES, "punct") or token.is_punct(b"."):
                needs.add(NEVER_THERE)
        self._clause(first, needs, "", spare=1)


def is_introducer(token: Token, following: Token | None) -> bool:
    """True for a character set introducer: `_utf8mb4` right before a string."""
    charset = token.upper.lower()
    return (
        charset.startswith("_")
        and following is not None
        and (following.kind == "string" or (following.kind == "number" and following.raw[:2].lower() in (b"0x", b"x'")))
        and (charset[1:] in SAFE_CHARSETS or charset == "_binary")
    )


def refuse_never(tokens: t.Sequence[Token]) -> None:
    """Raise NotAllowed for what no table and no view of a dump holds, wherever in it that stands."""
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        called = following is not None and following.is_punct(b"(")
        if token.upper in NEVER:
            raise NotAllowed(f"{token.value} has no place in it")
        if called and token.kind in ("word", "name") and token.value.upper() in DANGEROUS:
            raise NotAllowed(f"{token.value} is a function that does more than compute")
        if token.is_punct(b"@"):
            raise NotAllowed("it reads a variable")


def parse_table(text: bytes, cursor: Cursor) -> tuple[str, TableDefinition]:
    """Name and definition, from what follows CREATE TABLE."""
    refuse_never(cursor.tokens)
    structure_only = cursor.accept("IF")
    if structure_only:
        cursor.expect("NOT")
        cursor.expect("EXISTS")
    name = cursor.object_name()
    reader = _Reader(cursor)
    reader.body()
    reader.options()
    return name, TableDefinition(
        text=text,
        tokens=tuple(cursor.tokens),
        columns=tuple(reader.columns),
        structure_only=structure_only,
        charsets=tuple(reader.charsets),
        collations=tuple(reader.collations),
        clauses=tuple(clause for clause in reader.clauses if clause.needs or clause.spare),
        definitions=tuple(reader.definitions),
    )
