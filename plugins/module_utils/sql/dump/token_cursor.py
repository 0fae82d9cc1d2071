# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cursor over the tokens of one statement."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import Token
from ansible_collections.boxlift.portal.plugins.module_utils.sql.schema import RESERVED_PREFIX

_LONGEST_NAME = 64


class NotAllowed(Exception):
    """Why a statement is refused; `allowlist.classify` adds which statement it is."""


class NotPossible(Exception):
    """Why no server can take a harmless statement; `allowlist.classify` adds which statement it is."""


class Cursor:
    """The tokens, and how far they are read."""

    def __init__(self, tokens: t.Sequence[Token]) -> None:
        self.tokens = tokens
        self.index = 0

    def peek(self) -> Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    def peek_upper(self) -> str:
        """The next token, if it is a bare word, in capitals; else empty."""
        token = self.peek()
        return token.upper if token is not None else ""

    def next(self) -> Token:
        token = self.peek()
        if token is None:
            raise NotAllowed("it ends too early")
        self.index += 1
        return token

    def accept(self, word: str) -> bool:
        """Step over a bare word if it comes next."""
        token = self.peek()
        if token is None or token.upper != word:
            return False
        self.index += 1
        return True

    def accept_punct(self, char: bytes) -> bool:
        token = self.peek()
        if token is None or not token.is_punct(char):
            return False
        self.index += 1
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise NotAllowed(f"{word} is expected")

    def expect_punct(self, char: bytes) -> None:
        if not self.accept_punct(char):
            raise NotAllowed(f"{char.decode('ascii')} is expected")

    def expect_end(self) -> None:
        if self.peek() is not None:
            raise NotAllowed("more follows than belongs to it")

    def object_name(self) -> str:
        """An unqualified name of a table or view. Raises NotPossible for one that no server takes."""
        token = self.next()
        if token.kind not in ("name", "word"):
            raise NotAllowed("the name of a table or view is expected")
        if self.accept_punct(b"."):
            raise NotAllowed("it names another database")
        _check_name(token.value)
        return token.value


def _check_name(name: str) -> None:
    if len(name) > _LONGEST_NAME:
        raise NotPossible(f"the name has {len(name)} characters, and servers take {_LONGEST_NAME}")
    if name.endswith(" ") or any(char > "\uffff" or char == "\0" for char in name):
        raise NotPossible("servers take no name with a blank at its end or a character beyond U+FFFF")
    if name.lower().startswith(RESERVED_PREFIX):
        raise NotPossible(f"names that begin with {RESERVED_PREFIX} belong to the importer")
