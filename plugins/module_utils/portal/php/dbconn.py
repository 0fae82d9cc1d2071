# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`dbconn.php` and its like: `define('NAME', value);` and `$Name = value;`, read and edited as text."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php import lexer as lex
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.parser import Node, Parser
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import (
    Value,
    from_python,
    same,
    scalar_source,
)

CONSTANT, VARIABLE = "constant", "variable"
_CONDITIONS = ("if", "elseif", "else", "for", "foreach", "while", "switch", "do", "try", "catch", "finally")
_ENDS = ("endif", "endfor", "endforeach", "endwhile", "endswitch")
_STOPS = ("return", "exit", "die")


@dataclasses.dataclass
class Assignment:
    """One `define()` or one assignment; `conditional` when PHP may pass it over."""

    kind: str
    name: str
    node: Node
    start: int
    end: int
    conditional: bool


class PhpStatements:
    """A PHP file of statements: its text, its constants and its variables."""

    def __init__(self, text: str, path: str = "dbconn.php") -> None:
        self.path = path
        self._load(text)

    @classmethod
    def from_bytes(cls, content: bytes, path: str) -> PhpStatements:
        return cls(content.decode("utf-8", "surrogateescape"), path)

    def to_bytes(self) -> bytes:
        return self.text.encode("utf-8", "surrogateescape")

    def _load(self, text: str) -> None:
        assignments = _Reader(Parser(text, self.path)).assignments()
        self.text, self.assignments = text, assignments

    def conditional(self, kind: str, name: str) -> bool:
        """Whether the file sets this name only under a condition."""
        found = [item for item in self.assignments if (item.kind, item.name) == (kind, name)]
        return any(item.conditional for item in found)

    def values(self, kind: str) -> dict[str, Value]:
        """What is set without a condition: of equal constants the first counts, of equal variables the last."""
        found = [item for item in self.assignments if item.kind == kind and not item.conditional]
        ordered = reversed(found) if kind == CONSTANT else found
        return {item.name: item.node.data() for item in ordered}

    @property
    def constants(self) -> dict[str, Value]:
        return self.values(CONSTANT)

    @property
    def variables(self) -> dict[str, Value]:
        return self.values(VARIABLE)

    def set(self, kind: str, name: str, value: t.Any) -> bool:
        """Gives the constant or variable this value; None removes it. True if the file had to change."""
        if not re.match(r"[A-Za-z_][A-Za-z0-9_]*\Z", name):
            raise BoxliftError(f"{self.path}: {name!r} cannot name a {kind}.", "Use letters, digits and underscores.")
        wanted = from_python(value, name)
        if isinstance(wanted, dict):
            raise BoxliftError(f"{self.path}: {name} can be set to a scalar only.", "Give a string, number or boolean.")
        found = [item for item in self.assignments if (item.kind, item.name) == (kind, name)]
        for item in found:
            if item.conditional:
                problem = f"{name} is set under a condition"
                raise lex.syntax_error(self.path, self.text, item.start, problem, "Make it unconditional by hand.")
        current = self.values(kind)
        if (name not in current) if wanted is None else (name in current and same(current[name], wanted)):
            return False
        if wanted is None:
            text = self._without(found)
        elif found:
            place = found[0] if kind == CONSTANT else found[-1]
            text = self.text[: place.node.start] + scalar_source(wanted) + self.text[place.node.end :]
        else:
            text = self._with(kind, name, wanted)
        self._adopt(text, kind, name, wanted)
        return True

    def _without(self, found: list[Assignment]) -> str:
        text = self.text
        for item in reversed(found):
            line_start = text.rfind("\n", 0, item.start) + 1
            rest = re.compile(r"[ \t]*(?:\r?\n|\Z)").match(text, item.end)
            alone = line_start > 0 and not text[line_start : item.start].strip() and rest is not None
            start, end = (line_start, rest.end()) if alone and rest else (item.start, item.end)
            text = text[:start] + text[end:]
        return text

    def _with(self, kind: str, name: str, value: Value) -> str:
        """Behind the last of its kind, else directly behind the opening tag."""
        newline = "\r\n" if self.text.count("\r\n") * 2 > self.text.count("\n") else "\n"
        alike = [
            item
            for item in self.assignments
            if item.kind == kind and not item.conditional and self.text[item.end - 1] == ";"
        ]
        source = scalar_source(value)
        if kind == VARIABLE:
            statement = f"${name} = {source};"
        else:
            double = bool(alike) and '("' in self.text[alike[-1].start : alike[-1].node.start].replace(" ", "")
            statement = f'define("{name}", {source});' if double else f"define('{name}', {source});"
        if alike:
            start = alike[-1].start
            indent = self.text[self.text.rfind("\n", 0, start) + 1 : start]
            prefix = newline + (indent if not indent.strip() else "")
            return self.text[: alike[-1].end] + prefix + statement + self.text[alike[-1].end :]
        place = self._behind_preamble()
        lead = "" if self.text[:place].endswith("\n") else newline
        return self.text[:place] + lead + statement + newline + self.text[place:]

    def _behind_preamble(self) -> int:
        """Behind `<?php` and the statements that PHP wants before all others."""
        parser = Parser(self.text, self.path)
        while parser.kind() == lex.HTML:
            parser.take()
        if parser.kind() != lex.OPEN:
            raise parser.error(parser.offset(), "the file does not begin with <?php")
        end = parser.take().end
        while parser.peek().lower() in ("declare", "namespace", "use"):
            while parser.peek() not in (";", ""):
                parser.skip_balanced()
            end = parser.take().end
        after = re.compile(r"[ \t]*\r?\n").match(self.text, end)
        return after.end() if after else end

    def _adopt(self, text: str, kind: str, name: str, wanted: Value) -> None:
        """Takes the new text over, if exactly this name means something else now."""
        after = PhpStatements(text, self.path)
        for each in (CONSTANT, VARIABLE):
            intended = self.values(each)
            if each == kind:
                intended.pop(name, None)
                if wanted is not None:
                    intended[name] = wanted
            result = after.values(each)
            if set(result) != set(intended) or not all(same(result[key], intended[key]) for key in result):
                raise BoxliftError(
                    f"{self.path}: setting {name} would change other statements as well.", "Change it by hand."
                )
        self._load(text)


class _Reader:
    """Finds the assignments of a file, and which of them are certain."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self.found: list[Assignment] = []

    def assignments(self) -> list[Assignment]:
        parser = self.parser
        depth = 0  # of if (…): … endif; and of braces
        begins, condition, stopped = True, False, False
        while parser.kind():
            word = parser.peek().lower() if parser.kind() in (lex.NAME, lex.SYMBOL) else ""
            if begins and not condition and word in _STOPS and depth == 0:
                stopped = True
            assignment = self._assignment(not begins or condition or stopped or depth > 0)
            if assignment is not None:
                self.found.append(assignment)
                begins, condition = True, False
                continue
            if word in _CONDITIONS:
                condition = True
                parser.take()
                if parser.peek() == "(":
                    parser.skip_balanced()
                if parser.peek() == ":":
                    depth += word not in ("else", "elseif")
                    parser.take()
                    begins, condition = True, False
                continue
            depth += (word == "{") - (word == "}" or word in _ENDS)
            ends_statement = word in (";", "{", "}") or parser.kind() in (lex.OPEN, lex.CLOSE)
            begins = ends_statement or (begins and word == "@")
            condition = condition and not ends_statement
            parser.take()
        return self.found

    def _assignment(self, conditional: bool) -> Assignment | None:
        """The assignment that begins here, with its semicolon."""
        parser, first = self.parser, self.parser.position
        # An error silencer in front belongs to the statement.
        begin = first - 1 if first and parser.peek(-1) == "@" else first
        if parser.kind() == lex.VARIABLE and parser.peek(1) == "=":
            kind, name = VARIABLE, parser.source(parser.take())[1:]
            parser.take()
            node = parser.value()
        elif parser.peek().lower() == "const" and parser.peek(2) == "=":
            parser.take()
            kind, name = CONSTANT, parser.source(parser.take())
            parser.take()
            node = parser.value()
        elif parser.peek().lower() in ("define", "\\define") and parser.peek(1) == "(":
            parser.take()
            parser.take()
            label = parser.value()
            if parser.peek() != "," or not isinstance(label.value, str):
                parser.position = first
                return None
            parser.take()
            kind, name, node = CONSTANT, label.value, parser.value()
            while parser.peek() not in (")", ""):
                parser.skip_balanced()
            parser.take()
        else:
            return None
        if parser.peek() == ";":
            parser.take()
        elif parser.kind() != lex.CLOSE:
            parser.position = first
            return None
        tokens = parser.tokens
        return Assignment(kind, name, node, tokens[begin].start, tokens[parser.position - 1].end, conditional)
