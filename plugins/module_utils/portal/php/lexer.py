# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PHP source as tokens with positions: enough to read configuration files as text, without running them."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

# Names of kinds: what a parser of configuration needs to tell apart.
HTML, OPEN, CLOSE, SPACE, COMMENT = "html", "open", "close", "space", "comment"
VARIABLE, NAME, NUMBER, STRING, TEMPLATE, SYMBOL = "variable", "name", "number", "string", "template", "symbol"

# The short tag `<?` is common in the portal's own files (its environment sets short_open_tag).
_OPEN_TAG = re.compile(r"<\?(?:php(?=\s|$)|=|(?!php|xml))", re.IGNORECASE)
_WORD = r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*"
_NAME = re.compile(rf"\\?{_WORD}(?:\\{_WORD})*")
_VARIABLE = re.compile(rf"\${_WORD}")
_NUMBER = re.compile(
    r"0[xX][0-9A-Fa-f]+(?:_[0-9A-Fa-f]+)*|0[bB][01]+(?:_[01]+)*|0[oO][0-7]+(?:_[0-7]+)*"
    r"|(?:\d+(?:_\d+)*)?\.\d+(?:_\d+)*(?:[eE][+-]?\d+)?|\d+(?:_\d+)*\.?(?:[eE][+-]?\d+)?"
)
_SPACE = re.compile(r"[ \t\r\n]+")
_LINE_COMMENT = re.compile(r"(?:#(?!\[)|//)(?:(?!\?>)[^\r\n])*")
_HEREDOC = re.compile(r"<<<[ \t]*(?:\"(?P<dq>\w+)\"|'(?P<sq>\w+)'|(?P<bare>\w+))(?:\r\n|\r|\n)")
# A symbol of several characters matters where a part of it would be taken for something else.
_SYMBOL = re.compile(
    r"=>|->|::|\.\.\.|\?->|===|!==|==|!=|<=>|<=|>=|&&|\|\||\?\?=|\?\?|<<|>>|\+\+|--|[-+*/%.&|^]=|\*\*|.", re.DOTALL
)


class Token(t.NamedTuple):
    kind: str
    start: int
    end: int


def where(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both counted from 1."""
    line = text.count("\n", 0, offset) + 1
    return line, offset - (text.rfind("\n", 0, offset) + 1) + 1


def syntax_error(path: str, text: str, offset: int, problem: str, remedy: str = "") -> BoxliftError:
    line, column = where(text, offset)
    return BoxliftError(
        f"{path}, line {line}, column {column}: {problem}.",
        remedy or "The file was left as it is; correct this place by hand.",
        path=path,
        line=line,
        column=column,
    )


class Lexer:
    """Splits one file; every character belongs to exactly one token."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path

    def tokens(self) -> list[Token]:
        result: list[Token] = []
        position = self._html(0, result)
        while position < len(self.text):
            token = self._next(position)
            result.append(token)
            position = self._html(token.end, result) if token.kind == CLOSE else token.end
        return result

    def _html(self, start: int, result: list[Token]) -> int:
        """Text outside `<?php … ?>`; answers where the code begins."""
        tag = _OPEN_TAG.search(self.text, start)
        end = tag.start() if tag else len(self.text)
        if end > start:
            result.append(Token(HTML, start, end))
        if tag is None:
            return len(self.text)
        result.append(Token(OPEN, tag.start(), tag.end()))
        return tag.end()

    def _next(self, start: int) -> Token:
        text, character = self.text, self.text[start]
        space = _SPACE.match(text, start)
        if space:
            return Token(SPACE, start, space.end())
        if text.startswith("?>", start):
            # PHP swallows one line break after the closing tag.
            after = re.compile(r"\r\n|\n").match(text, start + 2)
            return Token(CLOSE, start, after.end() if after else start + 2)
        if text.startswith("/*", start):
            end = text.find("*/", start + 2)
            if end < 0:
                raise syntax_error(self.path, text, start, "a comment that begins here never ends")
            return Token(COMMENT, start, end + 2)
        for kind, pattern in ((COMMENT, _LINE_COMMENT), (VARIABLE, _VARIABLE), (NAME, _NAME), (NUMBER, _NUMBER)):
            match = pattern.match(text, start)
            if match:
                return Token(kind, start, match.end())
        if character == "'":
            return Token(STRING, start, self._single_quoted(start))
        if character in '"`':
            end, interpolated = self._double_quoted(start)
            return Token(TEMPLATE if interpolated or character == "`" else STRING, start, end)
        heredoc = _HEREDOC.match(text, start)
        if heredoc:
            return Token(TEMPLATE, start, self._heredoc(heredoc))
        symbol = _SYMBOL.match(text, start)
        return Token(SYMBOL, start, symbol.end() if symbol else start + 1)

    def _single_quoted(self, start: int) -> int:
        position = start + 1
        while position < len(self.text):
            if self.text[position] == "\\":
                position += 2
            elif self.text[position] == "'":
                return position + 1
            else:
                position += 1
        raise syntax_error(self.path, self.text, start, "a string that begins here never ends")

    def _double_quoted(self, start: int) -> tuple[int, bool]:
        """End of a string in double quotes or backticks, and whether PHP would put values into it."""
        quote, position, interpolated = self.text[start], start + 1, False
        while position < len(self.text):
            character = self.text[position]
            if character == "\\":
                position += 2
            elif character == quote:
                return position + 1, interpolated
            elif self.text.startswith(("{$", "${"), position):
                interpolated = True
                position = self._braces(position + (character == "$"))
            else:
                interpolated = interpolated or _VARIABLE.match(self.text, position) is not None
                position += 1
        raise syntax_error(self.path, self.text, start, "a string that begins here never ends")

    def _braces(self, start: int) -> int:
        """End of `{ … }` inside a string: code again, strings included."""
        depth, position = 0, start
        while position < len(self.text):
            token = self._next(position)
            piece = self.text[token.start : token.end]
            depth += (piece == "{") - (piece == "}")
            position = token.end
            if depth == 0:
                return position
        raise syntax_error(self.path, self.text, start, "an expression in a string that begins here never ends")

    def _heredoc(self, opening: re.Match[str]) -> int:
        label = opening.group("dq") or opening.group("sq") or opening.group("bare")
        closing = re.compile(r"^[ \t]*" + label + r"(?!\w)", re.MULTILINE).search(self.text, opening.end())
        if closing is None:
            problem = f"the text up to {label} that begins here never ends"
            raise syntax_error(self.path, self.text, opening.start(), problem)
        return closing.end()
