# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.config import PhpConfig
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import (
    Opaque,
    from_python,
    same,
    to_python,
)

# var_export leaves a blank behind its arrows; here it is a tilde.
VAR_EXPORT = """<?php
return array (
  'utf_mode' =>~
  array (
    'value' => true,
    'readonly' => true,
  ),
  'connections' =>~
  array (
    'value' =>~
    array (
      'default' =>~
      array (
        'className' => '\\\\Bitrix\\\\Main\\\\DB\\\\MysqliConnection',
        'host' => 'localhost',
        'login' => '******',
        'password' => '******',
        'options' => 2.0,
      ),
    ),
    'readonly' => true,
  ),
);
""".replace("~", " ")

BY_HAND = """<?php
// settings of the portal, kept by hand
use Bitrix\\Main\\DB;

if (!defined('B_PROLOG_INCLUDED')) {
\tdefine('B_PROLOG_INCLUDED', true);
}

return [
\t'cache' => ['value' => ['type' => 'redis', 'sid' => $_SERVER["DOCUMENT_ROOT"]."#01"]], # sid is computed
\t'services' => [
\t\t'value' => [
\t\t\t'logger' => ['constructor' => static fn ($x) => new Logger($x, ['a' => 1])],
\t\t\t'other' => function () use ($a) {
\t\t\t\treturn ["it's", "{$a["b"]} )]"]; // ) ]
\t\t\t},
\t\t\tDB\\Connection::class => 5,
\t\t],
\t],
\t/* 'old' => [1, 2], */
\t'crypto' => [
\t\t'value' => ['crypto_key' => "top\\tsecret"], // keep!
\t\t'readonly' => true
\t]
];
"""


def loaded(body: str) -> PhpConfig:
    return PhpConfig(f"<?php return {body};")


@pytest.mark.parametrize(
    ("source", "meaning"),
    [
        ("[]", {}),
        ("array()", {}),
        ("ARRAY ( 1, 2, )", {0: 1, 1: 2}),
        ("['a' => 1, 'b' => ['c' => null]]", {"a": 1, "b": {"c": None}}),
        ("['a' => TRUE, 'b' => False, 'c' => NULL]", {"a": True, "b": False, "c": None}),
        (
            "['5' => 'int', '05' => 'text', '-7' => 'int', 1.9 => 'cut', true => 'one', null => 'empty']",
            {5: "int", "05": "text", -7: "int", 1: "one", "": "empty"},
        ),
        ("[7 => 'a', 'b', 'x' => 1, 'c']", {7: "a", 8: "b", "x": 1, 9: "c"}),
        ("['a' => 1, 'b' => 2, 'a' => 3]", {"a": 3, "b": 2}),
        ("[0x1F, 0b11, 0o17, 017, 1_000, -5, +6, 9223372036854775807]", [31, 3, 15, 15, 1000, -5, 6, 2**63 - 1]),
        ("[9223372036854775808, 1.5, .5, 6., 1e3, -2.5e-3, 2.0]", [2.0**63, 1.5, 0.5, 6.0, 1000.0, -0.0025, 2.0]),
        (
            r"['it\'s', 'back\\slash', 'no \n escape', '\x41 $x {$y}']",
            ["it's", "back\\slash", r"no \n escape", r"\x41 $x {$y}"],
        ),
        (
            r'["\n\t\\\"\$x \x41\101\u{43F}\e \q \' \xd0\xb4", "{ $ }"]',
            ["\n\t\\\"$x AA\u043f\x1b \\q \\' \u0434", "{ $ }"],
        ),
        ("[/* a */ 1 // b ]\n , # c ]\n 2]", [1, 2]),
        (
            "['a' => E_ALL & ~E_NOTICE, 'b' => -X, 'c' => 'x' . 'y', 'd' => \"$x\", 'e' => (1), 'f' => [1][0]]",
            {
                "a": Opaque("E_ALL & ~E_NOTICE"),
                "b": Opaque("-X"),
                "c": Opaque("'x' . 'y'"),
                "d": Opaque('"$x"'),
                "e": Opaque("(1)"),
                "f": Opaque("[1][0]"),
            },
        ),
        (
            "['a' => fn ($x) => ['k' => 1], 'b' => match(1) { 1 => 2, default => 3 }, X => 1, ...$more, 'last']",
            {
                "a": Opaque("fn ($x) => ['k' => 1]"),
                "b": Opaque("match(1) { 1 => 2, default => 3 }"),
                Opaque("X"): 1,
                Opaque("...$more"): Opaque("...$more"),
                Opaque("element 5"): "last",
            },
        ),
        (
            "['a' => <<<TEXT\n  ' ) ] {$x['y']}\n  TEXT, 'b' => <<<'X'\nX, 'c' => #[Pure] fn() => 1]",
            {
                "a": Opaque("<<<TEXT\n  ' ) ] {$x['y']}\n  TEXT"),
                "b": Opaque("<<<'X'\nX"),
                "c": Opaque("#[Pure] fn() => 1"),
            },
        ),
    ],
)
def test_meaning(source: str, meaning: t.Any) -> None:
    assert same(loaded(source).data, from_python(meaning)), loaded(source).data


def test_whole_files() -> None:
    exported, by_hand = PhpConfig(VAR_EXPORT), PhpConfig(BY_HAND)
    assert exported.get(["connections", "value", "default", "className"]) == "\\Bitrix\\Main\\DB\\MysqliConnection"
    assert exported.get(["connections", "value", "default", "options"]) == 2.0
    assert by_hand.get(["crypto", "value", "crypto_key"]) == "top\tsecret"
    assert by_hand.get(["cache", "value", "sid"]) == Opaque('$_SERVER["DOCUMENT_ROOT"]."#01"')
    assert by_hand.get(["nothing", "here"], "default") == "default"
    assert not by_hand.has(["services", "value", "missing"])


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 1, 1, "does not return an array"),
        ("<?php\n$a = 1;\n", 3, 1, "does not return an array"),
        ("<?php\nreturn $config;", 2, 8, "an expression, not an array"),
        ("<?php\nreturn array_merge([1], [2]);", 2, 8, "an expression, not an array"),
        ("<?php\nreturn [1] + [2];", 2, 8, "an expression, not an array"),
        ("<?php\nif (X) return [1];\nreturn [2];", 2, 8, "depends on a condition"),
        ("<?php\nif (X) { return [1]; }\nreturn [2];", 2, 10, "depends on a condition"),
        ("<?php\ntry { return [1]; } catch (E $e) {}\nreturn [2];", 2, 7, "depends on a condition"),
        ("<?php\nif (X):\n $a = 1;\n return [1];\nendif;", 4, 9, "depends on a condition"),
        ("<?php\nreturn [\n 'a' => 'open\n];", 3, 9, "a string that begins here never ends"),
        ("<?php\nreturn [\n 'a' => 1, /* open\n];", 3, 12, "a comment that begins here never ends"),
        ("<?php\nreturn [\n 'a' => 1\n 'b' => 2];", 4, 2, "expected ',' or an operator, found 'b'"),
        ("<?php\nreturn [\n 'a' => ,];", 3, 9, "expected a value, found ','"),
        ("<?php\nreturn [1,,2];", 2, 11, "an element of an array is missing"),
        ("<?php\nreturn [foo(1];", 2, 12, "'(' is not closed by ')'"),
        ("<?php\nreturn [1, 2", 2, 13, "expected ',' or ']', found ''"),
        ("<?php\nreturn [08];", 2, 9, "08 is no value of PHP"),
        ("<?php\nreturn [-5 => 1, 2];", 2, 18, "depends on the version of PHP"),
        ("<?php\nreturn [1] foo;", 2, 8, "an expression, not an array"),
        ('<?php\nreturn ["\\u{FFFFFFF}"];', 2, 9, "is no value of PHP"),
        ("<?php\nreturn [<<<X\nno end];", 2, 9, "the text up to X"),
    ],
)
def test_what_is_refused_names_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(BoxliftError) as caught:
        PhpConfig(text, "/srv/x/.settings.php")
    assert words in caught.value.message
    assert caught.value.message.startswith("/srv/x/.settings.php, line ")
    if "does not return" not in words:
        assert (caught.value.details["line"], caught.value.details["column"]) == (line, column)


def test_a_return_inside_a_function_is_no_return_of_the_file() -> None:
    text = "<?php function a() { if (1) { return 5; } return 6; } $f = function () { return 7; };\nreturn ['a' => 1];"
    assert PhpConfig(text).data == {"a": 1}


EDITS = {
    "replaces only the value": (
        BY_HAND, ["crypto", "value", "crypto_key"], "new's",
        "'crypto_key' => \"top\\tsecret\"], // keep!", "'crypto_key' => 'new\\'s'], // keep!",
    ),
    "replaces an expression": (
        BY_HAND, ["cache", "value", "sid"], "fixed",
        "'sid' => $_SERVER[\"DOCUMENT_ROOT\"].\"#01\"]]", "'sid' => 'fixed']]",
    ),
    "adds on the same line": (
        BY_HAND, ["cache", "value", "ttl"], 60, "\"#01\"]], #", "\"#01\", 'ttl' => 60]], #",
    ),
    "adds behind the last value that has no comma": (
        BY_HAND, ["crypto", "extra"], None,
        "\t\t'readonly' => true\n", "\t\t'readonly' => true,\n\t\t'extra' => null\n",
    ),
    "adds a section": (
        BY_HAND, ["pull", "value", "nginx"], "Y",
        "\t]\n];\n", "\t],\n\t'pull' => [\n\t\t'value' => [\n\t\t\t'nginx' => 'Y',\n\t\t],\n\t]\n];\n",
    ),
    "writes as var_export does": (
        VAR_EXPORT, ["pull", "value", "hosts"], ["a", "b"],
        "    'readonly' => true,\n  ),\n);",
        "    'readonly' => true,\n  ),\n  'pull' => \n  array (\n    'value' => \n    array (\n      'hosts' => \n"
        "      array (\n        0 => 'a',\n        1 => 'b',\n      ),\n    ),\n  ),\n);",
    ),
    "keeps Windows line ends": (
        "<?php\r\nreturn [\r\n  'a' => 1, // one\r\n];\r\n", ["b", "c"], 2,
        "// one\r\n]", "// one\r\n  'b' => [\r\n    'c' => 2,\r\n  ],\r\n]",
    ),
    "fills an empty array": ("<?php return array(\n\t'a' => array(),\n);", ["a", "b"], 1,
                             "array(),", "array(\n\t\t'b' => 1,\n\t),"),
    "fills an empty array inside a line": ("<?php return ['a' => ['value' => []]];", ["a", "value", "b"], 1,
                                           "[]", "['b' => 1]"),
    "fills an empty file": ("<?php return [];", ["a"], 1, "[]", "[\n    'a' => 1,\n]"),
    "keeps a comment in an empty array": ("<?php\nreturn [\n  'a' => [\n    // none yet\n  ],\n];", ["a", "b"], 1,
                                          "// none yet\n  ]", "// none yet\n    'b' => 1,\n  ]"),
    "writes keys in the file's quotes": ('<?php\nreturn array(\n\t"a" => 1,\n);', ["b"], 2,
                                         "1,\n", '1,\n\t"b" => 2,\n'),
    "sets the last of two equal keys": ("<?php return ['a' => 1, 'b' => 0, 'a' => 2];", ["a"], 3,
                                        "'a' => 2", "'a' => 3"),
    "replaces a list on one line": ("<?php return [\n 'a' => ['x', 'y'],\n];", ["a"], ["z"], "['x', 'y']", "['z']"),
    "keeps a byte order mark": ("\ufeff<?php\nreturn ['a' => 1];", ["a"], 2, "1]", "2]"),
    "replaces an element without key": ("<?php return ['a', 'b', 'c'];", [1], "B", "'b'", "'B'"),
}  # fmt: skip


@pytest.mark.parametrize("case", EDITS)
def test_set_changes_only_its_place(case: str) -> None:
    text, path, value, old, new = EDITS[case]
    assert text.count(old) == 1
    config = PhpConfig(text)
    assert config.set(path, value) is True
    assert config.text == text.replace(old, new)
    assert config.set(path, value) is False
    assert same(config.get(path), from_python(value))


@pytest.mark.parametrize(
    ("text", "path", "after"),
    [
        ("<?php return ['a' => 1, 'b' => 2];", ["a"], "<?php return ['b' => 2];"),
        ("<?php return ['a' => 1, 'b' => 2];", ["b"], "<?php return ['a' => 1];"),
        ("<?php return ['a' => 1,];", ["a"], "<?php return [];"),
        ("<?php return ['a' => 1, 'b' => 2, 'a' => 3];", ["a"], "<?php return ['b' => 2];"),
        ("<?php return ['a' => 1, 'a' => 2];", ["a"], "<?php return [];"),
        ("<?php return [\n  'a' => 1,\n  'b' => 2,\n];", ["a"], "<?php return [\n  'b' => 2,\n];"),
        ("<?php return [\r\n  'a' => 1,\r\n  'b' => 2\r\n];", ["b"], "<?php return [\r\n  'a' => 1\r\n];"),
        ("<?php return [\n  'a' => 1, // why\n  'b' => [\n    1,\n  ], // that\n];", ["b"],
         "<?php return [\n  'a' => 1, // why\n   // that\n];"),
        ("<?php return [\n  'a' => 1, 'b' => 2,\n  'c' => 3,\n];", ["a"],
         "<?php return [\n  'b' => 2,\n  'c' => 3,\n];"),
    ],
)  # fmt: skip
def test_delete_takes_the_element_and_leaves_comments(text: str, path: list[str], after: str) -> None:
    config = PhpConfig(text)
    assert config.delete(path) is True
    assert config.text == after
    assert config.delete(path) is False


@pytest.mark.parametrize(
    ("text", "edit", "words"),
    [
        (
            "<?php return ['a' => foo()];",
            lambda c: c.set(["a", "b"], 1),
            "a is an expression, so 'b' cannot be set in it",
        ),
        ("<?php return ['a' => 'x'];", lambda c: c.set(["a", "b"], 1), "a is no array"),
        ("<?php return ['a' => 1, X => 2];", lambda c: c.set(["a"], 2), "computed key here (X)"),
        ("<?php return ['a' => 1, ...$x];", lambda c: c.delete(["a"]), "computed key here (...$x)"),
        ("<?php return ['a' => 1, ...$x];", lambda c: c.set(["a", "b"], 1), "computed key here (...$x)"),
        ("<?php return ['x', 'y', 'z'];", lambda c: c.delete([1]), "would change other values as well"),
        ("<?php return ['a' => 1];", lambda c: c.set(["a"], float("inf")), "has no literal in PHP"),
        ("<?php return ['a' => 1];", lambda c: c.set(["a"], 2**63), "out of PHP's range"),
        ("<?php return ['a' => 1];", lambda c: c.set(["a"], {"b": b"x"}), "cannot hold a bytes"),
        ("<?php return ['a' => foo()];", lambda c: c.merge(["a"], {"b": 1}), "a is an expression"),
    ],
)
def test_refused_edits_leave_the_text_alone(text: str, edit: t.Callable[[PhpConfig], t.Any], words: str) -> None:
    config = PhpConfig(text)
    with pytest.raises(BoxliftError) as caught:
        edit(config)
    assert words in caught.value.message
    assert caught.value.remedy
    assert config.text == text


def test_a_key_may_be_added_beside_computed_ones() -> None:
    config = PhpConfig(BY_HAND)
    config.set(["services", "value", "mine"], 1)
    assert "\t\t\tDB\\Connection::class => 5,\n\t\t\t'mine' => 1,\n" in config.text


def test_merge_goes_deep_deletes_nulls_and_replaces_lists() -> None:
    config = loaded("['a' => ['b' => ['c' => 1, 'd' => 2], 'list' => [1, 2, 3]], 'e' => null]")
    config.merge(["a"], {"b": {"c": None, "x": {"y": 1}}, "list": [9], "none": None, "empty": {}})
    config.merge(["e"], {"f": {"g": 1, "h": None}})
    assert to_python(config.data) == {
        "a": {"b": {"d": 2, "x": {"y": 1}}, "list": [9], "empty": []},
        "e": {"f": {"g": 1}},
    }
    config.merge(["a"], None)
    assert to_python(config.data) == {"e": {"f": {"g": 1}}}


def test_any_bytes_survive() -> None:
    content = b"\xef\xbb\xbf<?php // \xcf\xf0\xe8\xe2\xe5\xf2\r\nreturn ['a' => '\xff', 'b' => 1];\r\n?>\r\ntail \xfe"
    config = PhpConfig.from_bytes(content, "x")
    assert config.set(["b"], 2)
    assert config.to_bytes() == content.replace(b"'b' => 1", b"'b' => 2")
