# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random files, judged by real PHP: what we read is what PHP reads, and an edit changes what it should and no more."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.config import PhpConfig
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import Opaque, from_python, same
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

ROOT = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["it's", "a\\", "\\'", '"', "$x", "{$y}", "?>", "//", "/*", "\r\n", "=>", "])", "<?php", "#", "\t\x1b"]
)
SCALAR = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | TEXT | st.floats(allow_nan=False).filter(
    lambda number: abs(number) != float("inf")
)  # fmt: skip
DATA = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
)
KEY = st.sampled_from(["a", "b", "value", "readonly", "5", "05", "-3", "it's", "", "x y", "д", 7, 0])
EXPRESSIONS = [
    "PHP_INT_SIZE", "1 + 2", "'a' . 'b'", "fn ($x) => [$x => ')']", "function () { return '}'; /* ] */ }", "(int) '5'",
    'strtolower("X" . \'Y\')', "\\PHP_VERSION", '"{$_SERVER["argc"]} $argc"', "[1, [2]][0]", "<<<T\n ] ' $argc\nT",
    "true ? 1 : [2]", "new class { public $x = ['a' => 1]; }", "match (1) { 1 => ['x' => 1], default => 2 }",
    "E_ALL & ~E_NOTICE",
]  # fmt: skip
FILLERS = ["", "", "", " ", "\n", "\r\n", "\t", " # mark ]\n", "// mark ' ,\n", "/* mark => */", "/** \n * mark\n */"]


class Writer:
    """Writes PHP as many people would: every choice of notation is drawn."""

    def __init__(self, draw: t.Callable[[t.Any], t.Any], opaque: bool) -> None:
        self.draw, self.opaque = draw, opaque

    def filler(self) -> str:
        return str(self.draw(st.sampled_from(FILLERS)))

    def scalar(self) -> str:
        value = self.draw(SCALAR)
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, bool) or value is None:
            word = {True: "true", False: "false", None: "null"}[value]
            return str(self.draw(st.sampled_from([word, word.upper(), word.title()])))
        if isinstance(value, int) and value >= 0:
            return str(
                self.draw(st.sampled_from([str(value), hex(value), f"0b{value:b}", f"0{value:o}", f"{value:_}"]))
            )
        return repr(value)

    def string(self, value: str) -> str:
        if self.draw(st.booleans()):
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        escapes = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\t": "\\x9", "\r": "\\15", "д": "\\u{434}"}
        return '"' + "".join(escapes.get(character, character) for character in value) + '"'

    def array(self, depth: int) -> str:
        elements = []
        for _number in range(self.draw(st.integers(0, 4 if depth else 2))):
            element = self.filler()
            if self.draw(st.integers(0, 3)):
                key = self.draw(KEY)
                name = str(key) if isinstance(key, int) else self.string(key)
                element += name + self.filler() + "=>" + self.filler()
            elements.append(element + self.value(depth - 1) + self.filler())
        body = ",".join(elements)
        if elements and self.draw(st.booleans()):
            body += "," + self.filler()
        if not elements:
            body = self.filler()
        opening, closing = self.draw(st.sampled_from([("[", "]"), ("array(", ")"), ("array (", ")"), ("ARRAY(", ")")]))
        return f"{opening}{body}{closing}"

    def value(self, depth: int) -> str:
        choice = self.draw(st.integers(0, 7))
        if choice == 0 and self.opaque:
            return str(self.draw(st.sampled_from(EXPRESSIONS)))
        return self.array(depth) if choice > 3 and depth > 0 else self.scalar()


@st.composite
def files(draw: t.Callable[[t.Any], t.Any], opaque: bool = True) -> str:
    writer = Writer(draw, opaque)
    start = draw(st.sampled_from(["<?php ", "<?php\n", "<?\n", "\ufeff<?php\r\n", "<?php // mark ?>\n<?php\n"]))
    before = draw(
        st.sampled_from(["", "$a = ['x' => 1];\n", "$f = function () { return [1]; };\n", "if (0) { die('x'); }\n"])
    )
    end = draw(st.sampled_from([";", ";\n", " ?>", ";?>\nrest ' of file", "; // mark"]))
    return f"{start}{before}{writer.filler()}return {writer.filler()}{writer.array(3)}{writer.filler()}{end}"


def agrees(ours: t.Any, theirs: t.Any) -> bool:
    """As `same`, with any value where we see an expression."""
    if isinstance(ours, Opaque):
        return True
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(agrees(ours[key], theirs[key]) for key in ours)
    return same(ours, theirs)


def read(text: str) -> PhpConfig:
    try:
        return PhpConfig(text)
    except BoxliftError as error:
        # The one thing in these files on which versions of PHP differ.
        assume("depends on the version of PHP" not in error.message)
        raise


@ROOT
@given(text=files())
def test_reads_what_php_reads(php: t.Any, text: str) -> None:
    ours, theirs = read(text).data, php.returned(text)
    assert agrees(ours, theirs), (text, ours, theirs)


def paths(data: dict[t.Any, t.Any]) -> list[list[t.Any]]:
    """Every path through arrays, and one new key in each of them."""
    found: list[list[t.Any]] = [["new key"]]
    for key, value in data.items():
        found.append([key])
        if isinstance(value, dict):
            found += [[key, *path] for path in paths(value)]
    return found


@ROOT
@given(text=files(opaque=False), value=DATA, choice=st.data())
def test_set_means_to_php_what_was_meant(php: t.Any, text: str, value: t.Any, choice: st.DataObject) -> None:
    config = read(text)
    path = choice.draw(st.sampled_from(paths(config.data)))
    expected = copy.deepcopy(config.data)
    place = expected
    for key in path[:-1]:
        place = place[key]
    added = path[-1] not in place
    place[path[-1]] = from_python(value)
    config.set(path, value)
    assert same(config.data, expected)
    assert same(php.returned(config.text), expected), config.text
    if added:
        # Blanks between the brackets of an empty array are the one thing that may go.
        letters = iter(config.text)
        assert all(letter in letters for letter in text if not letter.isspace()), "something of the old text is gone"


@ROOT
@given(text=files(opaque=False), choice=st.data())
def test_delete_means_to_php_what_was_meant(php: t.Any, text: str, choice: st.DataObject) -> None:
    config = read(text)
    candidates = [path for path in paths(config.data) if path[-1] != "new key"]
    assume(candidates)
    path = choice.draw(st.sampled_from(candidates))
    expected = copy.deepcopy(config.data)
    place = expected
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    try:
        config.delete(path)
    except BoxliftError as error:
        # The elements behind a positional one would be renumbered.
        assert "would change other values as well" in error.message or "version of PHP" in error.message
        assert config.text == text
        return
    assert same(php.returned(config.text), expected), config.text


@ROOT
@given(text=files(opaque=True), value=DATA, choice=st.data())
def test_edits_beside_expressions_keep_them(text: str, value: t.Any, choice: st.DataObject) -> None:
    config = read(text)
    path = choice.draw(st.sampled_from(paths(config.data)))
    before = config.root
    config.set(path, value)
    spans = [(before.start, before.end)]
    node = before
    for key in path:
        items = [item for item in node.items or [] if item.key == key]
        if not items:
            break
        node = items[-1].node
        spans.append((node.start, node.end))
    else:
        start, end = spans[-1]
        assert config.text.startswith(text[:start]) and config.text.endswith(text[end:])


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_is_read_whole(expression: str) -> None:
    config = PhpConfig(f"<?php return ['a' => {expression}, 'b' => {expression}];")
    assert config.data == {"a": Opaque(expression), "b": Opaque(expression)}
