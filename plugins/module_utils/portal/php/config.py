# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`.settings.php`: a PHP file that returns an array, read and edited as text.

The file is never executed. An edit replaces the text of one value, or adds or removes one element; comments,
closures, formatting, line endings and a byte order mark stay byte for byte. After each edit the new text is read
again, and has to mean exactly what was intended, else the edit is refused.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php import lexer as lex
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.parser import Item, Node, Parser
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.style import Style, remove
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import (
    Key,
    Opaque,
    Value,
    array_key,
    from_python,
    same,
)


class PhpConfig:
    """One file of settings: its text, and what it means."""

    def __init__(self, text: str, path: str = ".settings.php") -> None:
        self.path = path
        self._load(text)

    @classmethod
    def from_bytes(cls, content: bytes, path: str) -> PhpConfig:
        """Any bytes survive: what is not UTF-8 travels as surrogates."""
        return cls(content.decode("utf-8", "surrogateescape"), path)

    def to_bytes(self) -> bytes:
        return self.text.encode("utf-8", "surrogateescape")

    def _load(self, text: str) -> None:
        root = _returned_array(Parser(text, self.path))
        self.text, self.root = text, root
        self.data: dict[Key, Value] = root.data()

    def get(self, path: t.Sequence[t.Any], default: Value = None) -> Value:
        """The value at a path of keys, or `default` where it does not exist."""
        value: Value = self.data
        for key in map(array_key, path):
            if not isinstance(value, dict) or key not in value:
                return default
            value = value[key]
        return value

    def has(self, path: t.Sequence[t.Any]) -> bool:
        missing = Opaque("")
        return self.get(path, missing) is not missing

    def set(self, path: t.Sequence[t.Any], value: t.Any) -> bool:
        """Makes the value at the path exactly this one; missing arrays on the way are added. True if it was not."""
        keys, wanted = [array_key(key) for key in path], from_python(value, ".".join(map(str, path)))
        if self.has(keys) and same(self.get(keys), wanted):
            return False
        parent, depth = self._deepest_array(keys)
        item = self._visible(parent, keys[depth])
        intended = copy.deepcopy(self.data)
        _set(intended, keys, wanted)
        # Arrays that do not exist yet are added together with the value.
        for key in reversed(keys[depth + 1 :]):
            wanted = {key: wanted}
        style = Style.of(self.text, self.root)
        if item is not None:
            new = style.replace(self.text, parent, item, wanted)
        else:
            new = style.add(self.text, parent, keys[depth], wanted)
        self._adopt(new, intended, keys)
        return True

    def delete(self, path: t.Sequence[t.Any]) -> bool:
        """Removes the element at the path; True if there was one."""
        keys = [array_key(key) for key in path]
        if not self.has(keys):
            return False
        intended = copy.deepcopy(self.data)
        _delete(intended, keys)
        step, found = self, True
        while found:
            # A key may be given twice, and every removal moves what follows.
            parent, _depth = step._deepest_array(keys)
            step._refuse_computed(keys[-1], parent.items or [])
            item = step._visible(parent, keys[-1])
            found = item is not None
            if item is not None:
                step = PhpConfig(remove(step.text, parent, item), self.path)
        self._adopt(step.text, intended, keys)
        return True

    def merge(self, path: t.Sequence[t.Any], value: t.Any) -> None:
        """Brings a declared value in: dicts are merged key by key, None deletes, anything else replaces."""
        if value is None:
            self.delete(path)
        elif not isinstance(value, dict) or not value:
            self.set(path, value)
        elif isinstance(self.get(path), Opaque):
            self._deepest_array([array_key(key) for key in [*path, next(iter(value))]])
        elif not isinstance(self.get(path), dict):
            self.set(path, _without_nulls(value))
        else:
            for key, item in value.items():
                self.merge([*path, key], item)

    def _deepest_array(self, keys: list[Key]) -> tuple[Node, int]:
        """The array that holds, or is to hold, the next key of the path."""
        node = self.root
        for depth, key in enumerate(keys[:-1]):
            item = self._visible(node, key)
            if item is None:
                return node, depth
            if item.node.items is None:
                shown = "an expression" if isinstance(item.node.value, Opaque) else "no array"
                problem = f"is {shown}, so {keys[depth + 1]!r} cannot be set in it"
                self._refuse(item.node.start, keys[: depth + 1], problem)
            node = item.node
        return node, len(keys) - 1

    def _visible(self, parent: Node, key: Key) -> Item | None:
        """The element that PHP sees under this key: the last one, unless a computed key behind it may be the same."""
        items = parent.items or []
        found = [index for index, item in enumerate(items) if item.key == key]
        if not found:
            return None
        self._refuse_computed(key, items[found[-1] + 1 :])
        return items[found[-1]]

    def _refuse_computed(self, key: Key, items: list[Item]) -> None:
        for item in items:
            if isinstance(item.key, Opaque):
                self._refuse(item.start, [key], f"may be given again by the computed key here ({item.key})")

    def _refuse(self, offset: int, keys: t.Sequence[Key], problem: str) -> t.NoReturn:
        name = ".".join(map(str, keys))
        raise lex.syntax_error(self.path, self.text, offset, f"{name} {problem}", "Change this place by hand.")

    def _adopt(self, text: str, intended: Value, keys: list[Key]) -> None:
        """Takes the new text over, if it means what it should."""
        if not same(PhpConfig(text, self.path).data, intended):
            raise BoxliftError(
                f"{self.path}: changing {'.'.join(map(str, keys))} would change other values as well.",
                "Give the whole list or array that holds it, or change it by hand.",
                path=self.path,
            )
        self._load(text)


def _returned_array(parser: Parser) -> Node:
    """The array that the file returns; everything before and after it only has to be readable."""
    blocks: list[bool] = []  # open braces; True for the body of a function
    function, previous = False, ""
    while parser.kind():
        word = parser.peek().lower() if parser.kind() in (lex.NAME, lex.SYMBOL) else parser.kind()
        if word == "return" and not any(blocks):
            if blocks or previous not in (";", "}", lex.OPEN):
                raise parser.error(parser.offset(), "what the file returns depends on a condition")
            return _array_after_return(parser)
        if word == "{":
            blocks.append(function)
        elif word == "}" and blocks:
            blocks.pop()
        function = word == "function" or (function and word not in ("{", ";"))
        previous = word
        parser.take()
    raise parser.error(len(parser.text), "the file does not return an array")


def _array_after_return(parser: Parser) -> Node:
    parser.take()
    node = parser.value()
    if node.items is None:
        raise parser.error(node.start, "the file returns an expression, not an array written out")
    if parser.peek() != ";" and parser.kind() != lex.CLOSE:
        raise parser.error(parser.offset(), f"expected ';' after the array, found '{parser.peek()[:20]}'")
    while parser.kind():
        if parser.kind() == lex.NAME and parser.peek().lower() in (
            "endif",
            "endwhile",
            "endfor",
            "endforeach",
            "endswitch",
        ):
            raise parser.error(node.start, "what the file returns depends on a condition")
        parser.skip_balanced()
    return node


def _without_nulls(value: t.Any) -> t.Any:
    """What a declared dict leaves where nothing was before."""
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(item) for key, item in value.items() if item is not None}


def _set(data: dict[Key, Value], keys: list[Key], value: Value) -> None:
    for key in keys[:-1]:
        data = data.setdefault(key, {})
    data[keys[-1]] = value


def _delete(data: dict[Key, Value], keys: list[Key]) -> None:
    for key in keys[:-1]:
        data = data[key]
    del data[keys[-1]]
