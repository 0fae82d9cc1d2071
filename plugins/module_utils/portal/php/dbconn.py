# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`dbconn.php` and its like: `define('NAME', value);` and `$Name = value;`, read and edited as text."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php import lexer as lex
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.assignments import (
    ASSIGNS,
    CONSTANT,
    VARIABLE,
    Assignment,
    AssignmentReader,
)
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.parser import Parser
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import (
    Value,
    from_python,
    same,
    scalar_source,
)

_DECLARE = ("public", "private", "protected", "var", "readonly", "static", "string", "?string", "mixed")
_INCLUDES = ("include", "include_once", "require", "require_once")
_BY_HAND = "Replace this place by one line of its own, such as define('{name}', true); or ${name} = 'x'; and run again."


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
        reader = AssignmentReader(Parser(text, self.path))
        assignments = reader.assignments()
        self.text, self.assignments, self._tokens = text, assignments, reader.parser.tokens

    def conditional(self, kind: str, name: str) -> bool:
        """Whether the file sets this name only under a condition."""
        return any(item.conditional for item in self._settings_of(kind, name))

    def values(self, kind: str) -> dict[str, Value]:
        """What is set without a condition: of equal constants the first counts, of equal variables the last."""
        found = [item for item in self.assignments if item.kind == kind and not (item.conditional or item.owned)]
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
        found = self._settings_of(kind, name)
        self._refuse_unreadable(kind, name)
        if any(item.conditional for item in found):
            self._set_certainly(kind, name, wanted, found)
            return True
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

    def included(self) -> list[str]:
        """The last literal of each file name that the file includes: `/local.php` of `__DIR__ . '/local.php'`."""
        names: list[str] = []
        literal, within = "", False
        for token in self._tokens:
            word = self.text[token.start : token.end]
            if token.kind == lex.NAME and word.lower() in _INCLUDES:
                literal, within = "", True
            elif within and token.kind == lex.STRING:
                literal = word[1:-1]
            elif within and (word == ";" or token.kind == lex.CLOSE):
                names, within = [*names, *([literal] if literal else [])], False
        return names

    def _settings_of(self, kind: str, name: str) -> list[Assignment]:
        """All that set this name; a variable or class constant of a function's or class's own is another one."""
        return [
            item
            for item in self.assignments
            if (item.kind, item.name) == (kind, name)
            and not (item.owned and (kind == VARIABLE or not self._is_define(item)))
        ]

    def _is_define(self, item: Assignment) -> bool:
        return self.text[item.call : item.label].lstrip("\\").lower().startswith("define")

    def _set_certainly(self, kind: str, name: str, wanted: Value, found: list[Assignment]) -> None:
        """Sets a name that is set under conditions: these settings go, and one without a condition stays, or none."""
        text = self.text
        conditional = [item for item in found if item.conditional]
        stays = wanted is not None and len(conditional) == len(found)
        for item in reversed(conditional):
            if stays and item is conditional[0] and item.whole is not None:
                # In the place of the condition, in the words of the file.
                start, end = item.whole
                put = text[item.call : item.node.start] + scalar_source(wanted) + text[item.node.end : item.tail]
                text = text[:start] + put + text[end:]
            elif item.whole is not None:
                text = _cut(text, *item.whole)
            elif item.body:
                # Else the condition would take the next statement for its own.
                text = text[: item.start] + "{}" + text[item.end :]
            else:
                text = _cut(text, item.start, item.end)
        after = PhpStatements(text, self.path)
        after.set(kind, name, wanted)
        if self._others(kind, name) != after._others(kind, name):
            problem = f"{name} is set under a condition, together with others"
            raise lex.syntax_error(self.path, self.text, conditional[0].start, problem, _BY_HAND.format(name=name))
        self._adopt(after.text, kind, name, wanted)

    def _others(self, kind: str, name: str) -> list[tuple[str, str, bool, str]]:
        """Everything else that the file sets."""
        return [
            (item.kind, item.name, item.conditional, self.text[item.node.start : item.node.end])
            for item in self.assignments
            if (item.kind, item.name) != (kind, name)
        ]

    def _refuse_unreadable(self, kind: str, name: str) -> None:
        """Raises BoxliftError where the file may set the name in a way that is not read, and so cannot be edited."""
        known = {item.label for item in self.assignments}
        tokens, words = self._tokens, [self.text[token.start : token.end] for token in self._tokens]
        # define($name, …), array_map('define', …): whatever is named anywhere may be meant.
        computed = any(
            word.lower().lstrip("\\") == "define"
            and words[index + 1] == "("
            and tokens[index + 2].kind not in (lex.STRING, lex.NAME)
            or word.lower() in ("'define'", '"define"')
            for index, word in enumerate(words[:-2])
        )
        for index, token in enumerate(tokens):
            if token.start in known:
                continue
            caller = words[index - 2].lower().lstrip("\\") if index > 1 and words[index - 1] == "(" else ""
            quoted = token.kind == lex.STRING and words[index][1:-1] == name
            following = words[index + 1] if index + 1 < len(words) else ""
            if kind == CONSTANT:
                hit = quoted and (caller == "define" or (computed and caller not in ("defined", "constant")))
            elif quoted:
                into = words[max(index - 2, 0) : index] == ["$GLOBALS", "["] and following == "]"
                hit = into and words[index + 2] in ASSIGNS
            else:
                # A property of a class is another variable.
                declared = index > 0 and words[index - 1].lower() in _DECLARE
                hit = (
                    token.kind == lex.VARIABLE and words[index] == f"${name}" and following in ASSIGNS and not declared
                )
            if hit:
                problem = f"{name} is set in a way that cannot be edited"
                raise lex.syntax_error(self.path, self.text, token.start, problem, _BY_HAND.format(name=name))

    def _without(self, found: list[Assignment]) -> str:
        text = self.text
        for item in reversed(found):
            text = _cut(text, item.start, item.end)
        return text

    def _with(self, kind: str, name: str, value: Value) -> str:
        """Behind the last of its kind, else directly behind the opening tag."""
        newline = "\r\n" if self.text.count("\r\n") * 2 > self.text.count("\n") else "\n"
        alike = [
            item
            for item in self.assignments
            if item.kind == kind and not (item.conditional or item.owned) and self.text[item.end - 1] in ";}"
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


def _cut(text: str, start: int, end: int) -> str:
    """Without this piece, and without the line where nothing else is on it."""
    line_start = text.rfind("\n", 0, start) + 1
    rest = re.compile(r"[ \t]*(?:\r?\n|\Z)").match(text, end)
    if line_start > 0 and not text[line_start:start].strip() and rest is not None:
        start, end = line_start, rest.end()
    return text[:start] + text[end:]
