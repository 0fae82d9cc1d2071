# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what a PHP file of statements sets: `define()`, `const` and variables, and whether PHP may pass them over."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.portal.php import lexer as lex
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.parser import Node, Parser

CONSTANT, VARIABLE = "constant", "variable"
ASSIGNS = ("=", "+=", "-=", "*=", "/=", ".=", "%=", "&=", "|=", "^=", "??=")
_LOOPS = ("for", "foreach", "while", "switch")
_ENDS = ("endif", "endfor", "endforeach", "endwhile", "endswitch")
_BRANCHES = ("elseif", "else")
_BODIES = ("function", "class", "interface", "trait", "enum")
_STOPS = ("return", "exit", "die")
#: What a condition may call and still be taken away: nothing else depends on it.
_PURE = frozenset(
    (
        *("defined", "constant", "isset", "empty", "in_array", "php_sapi_name", "getenv", "ini_get", "gethostname"),
        *("strpos", "stripos", "substr", "strtolower", "str_contains", "preg_match", "php_uname", "intval", "basename"),
        *("file_exists", "is_file", "is_dir", "function_exists", "class_exists", "extension_loaded", "version_compare"),
    )
)


@dataclasses.dataclass
class Assignment:
    """One `define()` or one assignment. `start` to `end` is its statement, a guard for this very name included.

    `conditional` when PHP may pass it over; a guard for this very name (`defined('X') or define('X', 1)`) is no
    condition. `whole` is the statement with a condition that has nothing else to decide. `body` where it stands behind
    a condition without braces. `owned` within a function or class, which has names of its own.
    """

    kind: str
    name: str
    node: Node
    start: int
    end: int
    conditional: bool
    #: Where `define`, `const` or the variable begins, where the name is written, and behind the semicolon.
    call: int = 0
    label: int = 0
    tail: int = 0
    whole: tuple[int, int] | None = None
    body: bool = False
    owned: bool = False


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a statement stands."""

    conditional: bool = False
    owned: bool = False
    #: The constant that the condition around it asks for.
    guard: str = ""
    #: Behind a condition, without braces.
    body: bool = False


class AssignmentReader:
    """Walks over the statements of one file."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self.found: list[Assignment] = []
        self._stopped = False

    def assignments(self) -> list[Assignment]:
        while self.parser.kind():
            self._statement(_Place())
        return self.found

    def _word(self, ahead: int = 0) -> str:
        kind = self.parser.kind(ahead)
        return self.parser.peek(ahead).lower() if kind in (lex.NAME, lex.SYMBOL) else ""

    def _statement(self, place: _Place) -> None:
        """One statement with everything that belongs to it."""
        parser, word = self.parser, self._word()
        if parser.kind() in (lex.OPEN, lex.CLOSE, lex.HTML) or word in (";", "}", *_ENDS):
            parser.take()
        elif word == "{":
            self._block(dataclasses.replace(place, body=False))
        elif word == "if":
            self._if(place)
        elif word in _LOOPS:
            parser.take()
            if parser.peek() == "(":
                parser.skip_balanced()
            self._body(self._under(place), _ENDS)
        elif word == "do":
            parser.take()
            self._statement(self._under(place, body=True))
        elif word in ("try", "catch", "finally", "else", "elseif"):
            parser.take()
            if parser.peek() == "(":
                parser.skip_balanced()
            self._statement(self._under(place))
        elif word in ("case", "default") and place.conditional:
            while parser.kind() and parser.peek() not in (":", ";", "=>"):
                parser.skip_balanced()
            if parser.kind():
                parser.take()
        elif self._opens_body():
            while parser.kind() and parser.peek() not in ("{", ";"):
                parser.skip_balanced()
            self._statement(_Place(conditional=True, owned=True))
        else:
            self._expression(place)
            self._stopped = self._stopped or (word in _STOPS and not place.conditional)

    def _under(self, place: _Place, guard: str = "", body: bool = False) -> _Place:
        """Behind a condition. One that only asks for a constant decides nothing about that constant."""
        return _Place(True, place.owned, guard if not place.conditional else "", body)

    def _block(self, place: _Place) -> None:
        """Statements up to the brace that closes the one here."""
        opening = self.parser.take()
        while self.parser.peek() != "}":
            if not self.parser.kind():
                raise self.parser.error(opening.start, "'{' is not closed by '}'")
            self._statement(place)
        self.parser.take()

    def _body(self, place: _Place, ends: t.Sequence[str]) -> None:
        """What a condition is for: one statement, a block, or statements up to one of the words `ends`."""
        if self.parser.peek() == ":":
            self.parser.take()
            while self.parser.kind() and self._word() not in ends:
                self._statement(place)
            return
        self._statement(dataclasses.replace(place, body=self.parser.peek() != "{"))

    def _if(self, place: _Place) -> None:
        parser = self.parser
        begin, number = parser.position, len(self.found)
        parser.take()
        test = parser.position
        if parser.peek() == "(":
            parser.skip_balanced()
        behind = parser.position
        alternative = parser.peek() == ":"
        guard = self._asks_for(test, behind)
        self._body(self._under(place, guard), ("endif", *_BRANCHES))
        end = parser.position
        branches = self._word() in _BRANCHES
        while self._word() in _BRANCHES:
            parser.take()
            if self._word() == "if":
                parser.take()
            if parser.peek() == "(":
                parser.skip_balanced()
            self._body(self._under(place), ("endif", *_BRANCHES))
        items = self.found[number:]
        if len(items) != 1 or alternative or branches or place.body or not self._pure(test, behind):
            return
        # Nothing but the one assignment, with or without braces.
        (one,) = items
        inner = parser.tokens[behind:end]
        braces = parser.source(inner[0]) == "{"
        if one.start == inner[braces].start and one.end == inner[-1 - braces].end:
            span = (parser.tokens[begin].start, inner[-1].end)
            if not place.conditional:
                one.whole = span
            if not one.conditional:
                one.start, one.end = span

    def _asks_for(self, start: int, end: int) -> str:
        """The constant, where the tokens ask only whether it is missing: `(!defined('X'))`."""
        words = [self.parser.source(token) for token in self.parser.tokens[start:end]]
        while words[:1] == ["("] and words[-1:] == [")"]:
            words = words[1:-1]
        if len(words) == 5 and words[:3] == ["!", words[1], "("] and words[1].lower() == "defined" and words[4] == ")":
            return words[3][1:-1]
        return ""

    def _pure(self, start: int, end: int) -> bool:
        """Whether the condition can be taken away without a loss."""
        tokens = self.parser.tokens[start:end]
        words = [self.parser.source(token) for token in tokens]
        calls = [
            word.lower()
            for index, word in enumerate(words)
            if tokens[index].kind == lex.NAME and words[index + 1 : index + 2] == ["("]
        ]
        return not {
            *ASSIGNS,
            "->",
            "?->",
            "::",
            "new",
            "include",
            "require",
            "include_once",
            "require_once",
            "++",
        } & set(words) and set(calls) <= {*_PURE, "and", "or", "xor"}

    def _opens_body(self) -> bool:
        """Whether a function or class is declared here."""
        ahead = 0
        while self._word(ahead) in ("abstract", "final", "readonly", "static", "public", "private", "protected"):
            ahead += 1
        return self._word(ahead) in _BODIES and (
            self.parser.kind(ahead + 1) == lex.NAME or self.parser.peek(ahead + 1) == "&"
        )

    def _expression(self, place: _Place) -> None:
        """A statement of another kind, up to its semicolon."""
        parser, first = self.parser, self.parser.position
        if not self._assignment(place, first):
            parser.position = first
            while parser.kind() not in ("", lex.CLOSE) and parser.peek() not in (";", "}"):
                # `… or define('X', 1);`
                if parser.peek() in ("||", "&&") or self._word() in ("or", "and"):
                    parser.take()
                    if self._assignment(place, first):
                        return
                    continue
                parser.skip_balanced()
            if parser.peek() == ";":
                parser.take()

    def _assignment(self, place: _Place, first: int) -> bool:
        """Takes the assignment that begins here, with its semicolon; the statement began at the token `first`."""
        parser, here = self.parser, self.parser.position
        apart = here > first
        if not apart and parser.peek() == "@":
            parser.take()
        call = parser.offset()
        if parser.kind() == lex.VARIABLE and parser.peek(1) == "=" and not apart:
            taken = [(VARIABLE, *self._named())]
        elif self._word() == "const" and parser.peek(2) == "=" and not apart:
            parser.take()
            taken = [(CONSTANT, *self._named())]
            while parser.peek() == "," and parser.peek(2) == "=":
                parser.take()
                taken.append((CONSTANT, *self._named()))
        elif self._word() in ("define", "\\define") and parser.peek(1) == "(" and parser.kind(2) == lex.STRING:
            parser.take()
            parser.take()
            label = parser.value()
            if parser.peek() != "," or not isinstance(label.value, str):
                parser.position = here
                return False
            parser.take()
            taken = [(CONSTANT, label.value, label.start, parser.value())]
            while parser.peek() not in (")", ""):
                parser.skip_balanced()
            parser.take()
        else:
            parser.position = here
            return False
        if parser.peek() == ";":
            parser.take()
        elif parser.kind() != lex.CLOSE:
            parser.position = here
            return False
        tokens, start = parser.tokens, parser.tokens[first].start
        end = tokens[parser.position - 1].end
        guards = self._asks_for(first, here - 1) or self._asks_otherwise(first, here - 1) if apart else ""
        for number, (kind, name, label_start, node) in enumerate(taken):
            own = kind == CONSTANT and name in (place.guard, guards)
            certain = (
                not self._stopped and (not place.conditional or place.guard == name) and (not apart or guards == name)
            )
            one = Assignment(kind, name, node, start, end, not certain, call, label_start, end)
            one.body, one.owned = place.body, place.owned
            if apart and not place.conditional and (own or self._pure(first, here - 1)):
                one.whole = (start, end)
            if len(taken) > 1:
                # One of a list: with the comma before it, or behind it where it is the first.
                one.start = taken[number - 1][3].end if number else label_start
                one.end = node.end if number else taken[1][2]
                one.body = False
            self.found.append(one)
        return True

    def _asks_otherwise(self, start: int, end: int) -> str:
        """The constant of `defined('X') or …`."""
        words = [self.parser.source(token) for token in self.parser.tokens[start:end]]
        return words[2][1:-1] if len(words) == 4 and words[0].lower() == "defined" else ""

    def _named(self) -> tuple[str, int, Node]:
        """The name here, where it stands, and the value behind the sign of equality."""
        token = self.parser.take()
        self.parser.take()
        return self.parser.source(token).lstrip("$"), token.start, self.parser.value()
