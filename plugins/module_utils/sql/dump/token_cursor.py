# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cursor over the tokens of one statement."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import Token
from ansible_collections.boxlift.portal.plugins.module_utils.sql.schema import RESERVED_PREFIX

# Names of tables and views, as portals use them; no characters that a file system or another tool could misread.
_OBJECT_NAME = re.compile(r"[0-9A-Za-z_$-]{1,64}\Z")


class NotAllowed(Exception):
    """Why a statement is refused; `allowlist.classify` adds which statement it is."""


class Cursor:
    """The tokens, and how far they are read."""

    def __init__(self, tokens: t.Sequence[Token]) -> None:
        self.tokens = tokens
        self.index = 0

    def peek(self) -> Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

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
        """An unqualified name of a table or view."""
        token = self.next()
        if token.kind not in ("name", "word") or not _OBJECT_NAME.match(token.value):
            raise NotAllowed("the name of a table or view is expected")
        if self.accept_punct(b"."):
            raise NotAllowed("it names another database")
        if token.value.lower().startswith(RESERVED_PREFIX):
            raise NotAllowed(f"names that begin with {RESERVED_PREFIX} belong to the importer")
        return token.value
