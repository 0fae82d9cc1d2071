# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits that look as if the file's author had made them: its brackets, indentation, line ends and trailing commas."""

from __future__ import annotations

import dataclasses
import re

from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.parser import Item, Node
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import Key, Value, scalar_source

_BLANK = " \t"
_WORD = re.compile(r"[\w.-]+\Z", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Style:
    """How one file writes its arrays."""

    opening: str  # `array(`, `array (` or `[`
    unit: str  # one step of indentation
    newline: str
    own_line: bool  # a nested array begins on the line behind its arrow, as var_export writes it
    quote: str  # around keys

    @classmethod
    def of(cls, text: str, root: Node) -> Style:
        items = root.items or []
        nested = next((item for item in items if item.node.items is not None), None)
        first = next((item for item in items if _begins_line(text, item.start)), None)
        sample = (nested.node if nested else root).opening
        unit = _indent(text, first.start)[len(_indent(text, root.start)) :] if first else ""
        return cls(
            opening="[" if sample == "[" else sample[:5] + (" (" if sample[5:6].isspace() else "("),
            unit=unit or "    ",
            newline="\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n",
            own_line=nested is not None and "\n" in text[nested.start : nested.node.start].rpartition("=>")[2],
            quote='"' if items and text.startswith('"', items[0].start) else "'",
        )

    def replace(self, text: str, parent: Node, item: Item, value: Value) -> str:
        """Only the text of the value changes."""
        was_inline_array = item.node.items is not None and "\n" not in text[item.node.start : item.node.end]
        inline = was_inline_array or "\n" not in text[parent.start : parent.end]
        new = self.render(value, _indent(text, item.start), inline)
        return text[: item.node.start] + new + text[item.node.end :]

    def add(self, text: str, parent: Node, key: Key, value: Value) -> str:
        """The element becomes the last one of the array."""
        items = parent.items or []
        if not items:
            return self._add_first(text, parent, key, value)
        last = items[-1]
        if not _begins_line(text, last.start):
            new = self.element(key, value, "", inline=True)
            if last.comma is None:
                return _insert(text, last.node.end, ", " + new)
            return _insert(text, last.end, f" {new},")
        indent = _indent(text, last.start)
        line = self.newline + indent + self.element(key, value, indent, inline=False)
        if last.comma is not None:
            return _insert(text, _behind_comment(text, last.end), line + ",")
        # The comma goes to the value, the element behind a comment that may follow it.
        return _insert(_insert(text, _behind_comment(text, last.node.end), line), last.node.end, ",")

    def _add_first(self, text: str, parent: Node, key: Key, value: Value) -> str:
        start, end = parent.start + len(parent.opening), parent.end - 1
        inside = text[start:end]
        if not inside.strip() and not re.match(r"[ \t]*[,;]?[ \t]*(?:\r?\n|\Z)", text[parent.end :]):
            # More code follows on the line, so the line stays one.
            return text[:start] + self.element(key, value, "", inline=True) + text[end:]
        base = _indent(text, parent.start)
        indent = base + self.unit
        element = self.element(key, value, indent, inline=False)
        return text[:start] + inside.rstrip() + self.newline + indent + element + "," + self.newline + base + text[end:]

    def element(self, key: Key, value: Value, indent: str, inline: bool) -> str:
        name = f"{self.quote}{key}{self.quote}" if isinstance(key, str) and _WORD.match(key) else scalar_source(key)
        apart = isinstance(value, dict) and self.own_line and not inline
        return f"{name} => " + (self.newline + indent if apart else "") + self.render(value, indent, inline)

    def render(self, value: Value, indent: str, inline: bool) -> str:
        """A value as source; `indent` is that of the line it begins on."""
        if not isinstance(value, dict):
            return scalar_source(value)
        closing = "]" if self.opening == "[" else ")"
        if not value:
            return self.opening + closing
        # var_export numbers the elements of a list; people do not.
        positional = not self.own_line and list(value) == list(range(len(value)))
        inner = indent + self.unit
        elements = [
            self.render(item, inner, inline) if positional else self.element(key, item, inner, inline)
            for key, item in value.items()
        ]
        if inline:
            return self.opening + ", ".join(elements) + closing
        lines = "".join(f"{self.newline}{inner}{element}," for element in elements)
        return f"{self.opening}{lines}{self.newline}{indent}{closing}"


def remove(text: str, parent: Node, item: Item) -> str:
    """Takes the element and its comma; a line that becomes blank goes too, a comment stays."""
    items = parent.items or []
    index = items.index(item)
    start, end = item.start, item.end
    before = items[index - 1].comma if index else None
    if item.comma is None and before is not None and not text[before + 1 : start].strip():
        # The last element of a line: the comma before it has nothing left to separate.
        start = before
    line_start, line_end = text.rfind("\n", 0, start) + 1, end
    while line_end < len(text) and text[line_end] in _BLANK:
        line_end += 1
    if not text[line_start:start].strip(_BLANK) and text[line_end : line_end + 2].startswith(("\n", "\r\n")):
        return text[:line_start] + text[text.index("\n", line_end) + 1 :]
    if index + 1 < len(items) and text[line_end] not in "\r\n":
        end = line_end
    return text[:start] + text[end:]


def _insert(text: str, offset: int, piece: str) -> str:
    return text[:offset] + piece + text[offset:]


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _begins_line(text: str, offset: int) -> bool:
    start = _line_start(text, offset)
    return start > 0 and not text[start:offset].strip(_BLANK)


def _indent(text: str, offset: int) -> str:
    """White space at the beginning of the line that holds this offset."""
    start = _line_start(text, offset)
    line = text[start:offset]
    return line[: len(line) - len(line.lstrip(_BLANK))]


def _behind_comment(text: str, offset: int) -> int:
    """Behind a comment that follows on the same line, so that it stays with what it explains."""
    match = re.compile(r"[ \t]*(?:(?://|#)(?:(?!\?>)[^\r\n])*|/\*(?:(?!\*/)[^\r\n])*\*/)").match(text, offset)
    return match.end() if match else offset
