# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Splits a statement into tokens, as a server does without ANSI_QUOTES and NO_BACKSLASH_ESCAPES in its sql_mode.

Looking at bytes is exact because the client character set is one of charsets.py, where the bytes of a quote and of a
backslash are never part of another character.
"""

from __future__ import annotations

import re
import typing as t

# INSERT statements are read by literals.py; everything else in a dump is small.
MAX_LENGTH = 1024 * 1024

_TOKEN = re.compile(
    rb"""
      (?P<blank>   [ \t\n\v\f\r]+ )
    | (?P<comment> --(?=[\x00-\x20\x7f]|\Z)[^\n]* | \#[^\n]* | /\*(?!M?!).*?\*/ )
    | (?P<exec>    /\*M?!(?:[0-9]{5,6})? )
    | (?P<end>     \*/ )
    | (?P<string>  '[^'\\]*(?:(?:\\.|'')[^'\\]*)*' )
    | (?P<double>  "[^"\\]*(?:(?:\\.|"")[^"\\]*)*" )
    | (?P<name>    `(?:[^`]|``)+` )
    | (?P<number>  (?:0x[0-9A-Fa-f]+ | [0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)? )(?![0-9A-Za-z_$])
                   | [bB]'[01]*' | [xX]'[0-9A-Fa-f]*' )
    | (?P<word>    [0-9A-Za-z_$]+ )
    | (?P<punct>   /(?!\*) | \*(?!/) | [-(),.=+%<>!&|^~@] )
    """,
    re.VERBOSE | re.DOTALL,
)
# In executable comments that are meant for nobody.
_NO_VERSION = (b"99999", b"999999")


class LexError(Exception):
    """Text that is not a token; the caller names the statement."""


class Token(t.NamedTuple):
    """One token: its kind (a group of the expression above), its place in the statement, and its bytes."""

    kind: str
    start: int
    end: int
    raw: bytes

    @property
    def upper(self) -> str:
        """The word in capitals; empty for anything that is not a bare word, so that a quoted name is no keyword."""
        return self.raw.decode("ascii").upper() if self.kind == "word" else ""

    @property
    def value(self) -> str:
        """The name or word itself, without backticks."""
        raw = self.raw[1:-1].replace(b"``", b"`") if self.kind == "name" else self.raw
        return raw.decode("utf-8", "surrogateescape")

    def is_punct(self, char: bytes) -> bool:
        return self.kind == "punct" and self.raw == char


def tokenize(text: bytes) -> list[Token]:
    """Every token but blanks and comments. Executable comments stay as `exec` … `end` around their content."""
    if len(text) > MAX_LENGTH:
        raise LexError(f"it is {len(text)} bytes long")
    tokens: list[Token] = []
    position = 0
    inside = False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise LexError(f"byte 0x{text[position]:02x} at its position {position} belongs to no token")
        kind = match.lastgroup or ""
        if kind == "name":
            _check_name(match.group())
        if kind in ("exec", "end"):
            if inside == (kind == "exec"):
                raise LexError("its executable comments are not balanced")
            inside = not inside
        if kind not in ("blank", "comment"):
            tokens.append(Token(kind, position, match.end(), match.group()))
        position = match.end()
    if inside:
        raise LexError("its executable comment is not closed")
    return tokens


def as_code(tokens: t.Sequence[Token]) -> list[Token]:
    """The tokens with the content of executable comments as code, as the server took them that printed them.

    A comment for a version that no server has stays a comment.
    """
    code: list[Token] = []
    skipped = False
    for token in tokens:
        if token.kind == "exec":
            skipped = token.raw.lstrip(b"/*M!") in _NO_VERSION
        elif token.kind == "end":
            skipped = False
        elif not skipped:
            code.append(token)
    return code


def _check_name(raw: bytes) -> None:
    """Refuse names that are not UTF-8: after half a character, some servers would skip the closing backtick."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LexError("a name in it is not UTF-8") from error


def render(text: bytes, tokens: t.Sequence[Token], replaced: t.Mapping[int, bytes]) -> bytes:
    """The statement again from its tokens: comments become a blank, `replaced` gives other bytes by token index."""
    parts: list[bytes] = []
    for index, token in enumerate(tokens):
        if index:
            gap = text[tokens[index - 1].end : token.start]
            parts.append(b" " if gap.strip(b" \t\n\v\f\r") else gap)
        parts.append(replaced.get(index, token.raw))
    return b"".join(parts)
