# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays and literals of a PHP file as nodes that know their place in the text; the rest stays opaque."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.portal.php import lexer as lex
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import (
    Key,
    Opaque,
    Value,
    array_key,
    constant,
    number,
    string,
)

_PAIRS = {"(": ")", "[": "]", "{": "}"}
# Two of these never follow each other: a comma has been forgotten.
_OPERANDS = (lex.STRING, lex.NUMBER, lex.TEMPLATE, lex.VARIABLE)


@dataclasses.dataclass
class Node:
    """One value. `items` is set for an array whose elements can be told apart, `opening` is `array (` or `[`."""

    start: int
    end: int
    value: Value
    items: list[Item] | None = None
    opening: str = ""

    def data(self) -> Value:
        if self.items is None:
            return self.value
        # As in PHP the last of several equal keys wins and the first keeps its place.
        return {item.key: item.node.data() for item in self.items}


@dataclasses.dataclass
class Item:
    """One element of an array: `start` is where its key (or its value, without one) begins."""

    start: int
    key: Key
    node: Node
    comma: int | None = None

    @property
    def end(self) -> int:
        """Behind the value, or behind the comma that belongs to it."""
        return self.node.end if self.comma is None else self.comma + 1


class Parser:
    """Walks over the meaningful tokens of one file."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.all_tokens = lex.Lexer(text, path).tokens()
        self.tokens = [token for token in self.all_tokens if token.kind not in (lex.SPACE, lex.COMMENT)]
        self.position = 0

    def peek(self, ahead: int = 0) -> str:
        """Source of a coming token; '' at the end of the file."""
        index = self.position + ahead
        return self.source(self.tokens[index]) if index < len(self.tokens) else ""

    def kind(self, ahead: int = 0) -> str:
        index = self.position + ahead
        return self.tokens[index].kind if index < len(self.tokens) else ""

    def source(self, token: lex.Token) -> str:
        return self.text[token.start : token.end]

    def offset(self) -> int:
        return self.tokens[self.position].start if self.position < len(self.tokens) else len(self.text)

    def take(self) -> lex.Token:
        if self.position >= len(self.tokens):
            raise self.error(len(self.text), "the file ends too early")
        self.position += 1
        return self.tokens[self.position - 1]

    def error(self, offset: int, problem: str, remedy: str = "") -> Exception:
        return lex.syntax_error(self.path, self.text, offset, problem, remedy)

    def at_end_of_value(self) -> bool:
        return self.peek() in (",", ")", "]", ";", "}", "=>", "") or self.kind() == lex.CLOSE

    def value(self) -> Node:
        """One expression: a literal, an array, or opaque source text up to where the expression ends."""
        first = self.position
        node = self._literal() or self._array()
        if node is not None and self.at_end_of_value():
            return node
        self.position = first
        return self._opaque()

    def skip_balanced(self) -> lex.Token:
        """Takes one token, or everything from an opening bracket to its partner; answers the last token."""
        token = self.take()
        closing = _PAIRS.get(self.source(token)) if token.kind == lex.SYMBOL else None
        if closing is None:
            return token
        while self.peek() != closing or self.kind() != lex.SYMBOL:
            if self.kind() == "" or (self.kind() == lex.SYMBOL and self.peek() in _PAIRS.values()):
                raise self.error(token.start, f"'{self.source(token)}' is not closed by '{closing}'")
            self.skip_balanced()
        return self.take()

    def _literal(self) -> Node | None:
        start = self.offset()
        signed = self.peek() in ("-", "+") and self.kind(1) == lex.NUMBER
        kind, source = self.kind(signed), self.peek(signed)
        known, meaning = constant(source)
        if kind not in (lex.NUMBER, lex.STRING) and not (known and kind == lex.NAME):
            return None
        negative = signed and self.peek() == "-"
        if signed:
            self.take()
        end = self.take().end
        if known:
            return Node(start, end, meaning)
        if kind == lex.STRING:
            return Node(start, end, self._decoded(string, start, source))
        magnitude = self._decoded(number, start, source)
        return Node(start, end, -magnitude if negative else magnitude)

    def _decoded(self, decode: t.Callable[[str], t.Any], start: int, source: str) -> t.Any:
        try:
            return decode(source)
        except ValueError as problem:
            raise self.error(start, f"{source[:40]} is no value of PHP ({problem})") from problem

    def _array(self) -> Node | None:
        start = self.offset()
        if self.peek().lower() == "array" and self.peek(1) == "(":
            self.take()
        elif self.peek() != "[":
            return None
        bracket = self.take()
        closing = ")" if self.source(bracket) == "(" else "]"
        items: list[Item] = []
        while self.peek() != closing:
            items.append(self._item(items))
            if self.peek() == ",":
                items[-1].comma = self.take().start
            elif self.peek() != closing:
                raise self.error(self.offset(), f"expected ',' or '{closing}', found '{self.peek()[:20]}'")
        return Node(start, self.take().end, None, items, self.text[start : bracket.end])

    def _item(self, before: list[Item]) -> Item:
        start = self.offset()
        if self.peek() in (",", ""):
            raise self.error(start, "an element of an array is missing")
        node = self.value()
        if self.peek() == "=>":
            self.take()
            return Item(start, array_key(node.data()) if node.items is None else Opaque("?"), self.value())
        if self.text.startswith("...", start):
            return Item(start, Opaque(t.cast("Opaque", node.value).source), node)
        return Item(start, self._next_index(before, start), node)

    def _next_index(self, before: list[Item], start: int) -> Key:
        if any(isinstance(item.key, Opaque) for item in before):
            return Opaque(f"element {len(before) + 1}")
        used = [item.key for item in before if isinstance(item.key, int)]
        if used and max(used) < -1:
            raise self.error(start, "the key of this element depends on the version of PHP", "Write the key out.")
        return max(used, default=-1) + 1

    def _opaque(self) -> Node:
        first = self.offset()
        end, arrows, previous = first, 0, ""
        while True:
            # The arrow of `fn (…) => …` belongs to the expression.
            if self.at_end_of_value() and not (self.peek() == "=>" and arrows > 0):
                break
            if self.kind() in _OPERANDS and previous in _OPERANDS:
                raise self.error(self.offset(), f"expected ',' or an operator, found {self.peek()[:20]}")
            previous = self.kind()
            arrows += (self.kind() == lex.NAME and self.peek().lower() == "fn") - (self.peek() == "=>")
            end = self.skip_balanced().end
        if end == first:
            raise self.error(first, f"expected a value, found '{self.peek()[:20]}'")
        return Node(first, end, Opaque(self.text[first:end]))
