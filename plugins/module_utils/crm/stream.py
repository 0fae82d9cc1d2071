# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A JSON answer, value by value while its bytes arrive; never all of it as objects, nor as text."""

from __future__ import annotations

import codecs
import json
import re
import typing as t

_SPACE = re.compile(r"[ \t\n\r]*")
_FIRST, _MOST = 64 * 1024, 1024 * 1024  # bytes of one reading; more where a single value is longer


class NotJson(ValueError):
    """What came is no JSON: a page, or something broken."""


class Cut(ValueError):
    """It ended in the middle."""


class JsonStream:
    """`read(size)` gives bytes, and none at the end. Every value must be consumed before the one behind it."""

    def __init__(self, read: t.Callable[[int], bytes]) -> None:
        self._read = read
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan: t.Callable[[str, int], tuple[t.Any, int]] = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._over = False

    def peek(self) -> str:
        """The next character that is no space. Raises Cut where there is none."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            self._more(_FIRST)

    def value(self) -> t.Any:
        """All of the next value."""
        first = self.peek()
        size = _FIRST
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except ValueError:
                pass
            else:
                # A number may go on in what has not arrived, or never will.
                if first in '{["' or end < len(self._text):
                    self._at = end
                    return value
            self._more(size)
            size = min(_MOST, size * 2)

    def members(self) -> t.Iterator[str]:
        """The keys of the map that comes; PHP's list has numbers for keys, and its empty map is one."""
        if self.peek() == "[":
            for number, _element in enumerate(self.elements()):
                yield str(number)
            return
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise NotJson("a key is no text")
            self._take(":")
            yield key
            if self._take(",}") == "}":
                return

    def elements(self) -> t.Iterator[None]:
        """Once for each element of the list that comes, before it."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield None
            if self._take(",]") == "]":
                return

    def values(self) -> t.Iterator[t.Any]:
        """Each element of the list that comes. Long lists spend their time here, so it asks for little."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            try:
                value, end = self._scan(self._text, self._at)
                following = self._text[end]
            except (ValueError, IndexError):  # there is a space before it, or not all of it has come
                value, end = self.value(), self._at
                following = ""
            if following not in (",", "]"):
                self._at = end
                following, end = self._take(",]"), self._at - 1
            self._at = end + 1
            yield value
            if following == "]":
                return

    def skip(self) -> None:
        """Past the next value, of any size, in the memory of one that is no map or list of maps or lists."""
        first = self.peek()
        if first == "{":
            for _key in self.members():
                self.skip()
        elif first == "[":
            for _element in self.elements():
                self.skip()
        else:
            self.value()

    def end(self) -> None:
        """Read to the end. Raises NotJson where there is something else than space."""
        try:
            self.peek()
        except Cut:
            return
        raise NotJson("something follows the answer")

    def _take(self, expected: str) -> str:
        found = self.peek()
        if found not in expected:
            raise NotJson(f"{found!r} instead of {' or '.join(map(repr, expected))}")
        self._at += 1
        return found

    def _more(self, size: int) -> None:
        if self._over:
            raise Cut("the answer ends in the middle")
        piece = self._read(size)
        self._over = not piece
        try:
            text = self._decode(piece, self._over)
        except UnicodeDecodeError:
            raise NotJson("it is not UTF-8") from None
        self._text = self._text[self._at :] + text
        self._at = 0
