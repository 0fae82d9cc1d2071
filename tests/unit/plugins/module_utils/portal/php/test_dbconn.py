# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.dbconn import CONSTANT, VARIABLE, PhpStatements
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import Opaque
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DBCONN = """<?
define("SHORT_INSTALL", true);
$DBDebug = false;
@define('BX_FILE_PERMISSIONS', 0644); // rights
$DBLogin = '******'; $DBPassword = "pa\\$\\"s";
if (!(defined("CHK_EVENT") && CHK_EVENT === true))
\tdefine("BX_CRONTAB_SUPPORT", true);

define("CACHED_b_file", 3600);
define("CACHED_b_file_bucket_size", 10 * 10);
if (defined('ALT')):
  define('IN_ALT', 1);
  $inAlt = 1;
else:
  define('IN_ELSE', 1);
endif;
defined('LATER') or define('LATER', 2);
foreach ([1] as $x) { $inLoop = 1; }
function f() { $local = 1; }
$chained = $other = 5;
const WORD = 'const';
define("TWICE", 1);
define("TWICE", 2);
$twice = 1;
$twice = 2;
umask(022);
$DBHost = 'db.example';
?>
"""


def test_reads_what_is_certain() -> None:
    file = PhpStatements(DBCONN)
    assert file.constants == {
        "SHORT_INSTALL": True,
        "BX_FILE_PERMISSIONS": 0o644,
        "CACHED_b_file": 3600,
        "CACHED_b_file_bucket_size": Opaque("10 * 10"),
        "WORD": "const",
        "TWICE": 1,
    }
    assert file.variables == {
        "DBDebug": False,
        "DBLogin": "******",
        "DBPassword": 'pa$"s',
        "chained": Opaque("$other = 5"),
        "twice": 2,
        "DBHost": "db.example",
    }
    conditional = {item.name for item in file.assignments if item.conditional}
    assert conditional == {"BX_CRONTAB_SUPPORT", "IN_ALT", "inAlt", "IN_ELSE", "LATER", "inLoop", "local"}
    assert file.conditional(CONSTANT, "IN_ELSE") and not file.conditional(CONSTANT, "TWICE")


def test_php_reads_the_same(php: t.Any) -> None:
    judged, ours = php.judge_alone(DBCONN), PhpStatements(DBCONN)
    for kind, theirs in ((ours.constants, judged["constants"]), (ours.variables, judged["variables"])):
        assert {name: theirs[name] for name, value in kind.items() if not isinstance(value, Opaque)} == {
            name: value for name, value in kind.items() if not isinstance(value, Opaque)
        }


@pytest.mark.parametrize(
    ("kind", "name", "value", "old", "new"),
    [
        (VARIABLE, "DBLogin", "portal", "$DBLogin = '******'", "$DBLogin = 'portal'"),
        (VARIABLE, "DBPassword", "it's", '"pa\\$\\"s"', "'it\\'s'"),
        (VARIABLE, "twice", 3, "$twice = 2", "$twice = 3"),
        (CONSTANT, "TWICE", 3, '"TWICE", 1', '"TWICE", 3'),
        (CONSTANT, "WORD", "w", "WORD = 'const'", "WORD = 'w'"),
        (CONSTANT, "CACHED_b_file_bucket_size", 100, "10 * 10", "100"),
        (CONSTANT, "NEW", True, '("TWICE", 2);', '("TWICE", 2);\ndefine("NEW", true);'),
        (VARIABLE, "DBName", "x", "'db.example';", "'db.example';\n$DBName = 'x';"),
        (CONSTANT, "SHORT_INSTALL", None, 'define("SHORT_INSTALL", true);\n', ""),
        (CONSTANT, "BX_FILE_PERMISSIONS", None, "@define('BX_FILE_PERMISSIONS', 0644); //", " //"),
        (CONSTANT, "TWICE", None, 'define("TWICE", 1);\ndefine("TWICE", 2);\n', ""),
        (VARIABLE, "DBLogin", None, "$DBLogin = '******'; ", " "),
    ],
)
def test_set_changes_only_its_place(php: t.Any, kind: str, name: str, value: t.Any, old: str, new: str) -> None:
    assert DBCONN.count(old) == 1
    file = PhpStatements(DBCONN)
    assert file.set(kind, name, value) is True
    assert file.text == DBCONN.replace(old, new)
    assert file.set(kind, name, value) is False
    judged = php.judge_alone(file.text)["constants" if kind == CONSTANT else "variables"]
    assert judged.get(name) == value and (name in judged) == (value is not None)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("<?php\n", "<?php\ndefine('X', 1);\n"),
        ("<?php", "<?php\ndefine('X', 1);\n"),
        ("<?php\r\n$a = 1;\r\n", "<?php\r\ndefine('X', 1);\r\n$a = 1;\r\n"),
        ("<?php declare(strict_types=1);\nfoo();", "<?php declare(strict_types=1);\ndefine('X', 1);\nfoo();"),
        ("<?php\n  define('A', 1); # a\n?>", "<?php\n  define('A', 1);\n  define('X', 1); # a\n?>"),
        ("<?php define('A', 1) ?>", "<?php\ndefine('X', 1);\n define('A', 1) ?>"),
    ],
)
def test_where_a_new_constant_goes(php: t.Any, text: str, after: str) -> None:
    file = PhpStatements(text)
    file.set(CONSTANT, "X", 1)
    assert file.text == after
    assert "error" not in php.judge_alone(text.replace("foo();", ""))


@pytest.mark.parametrize(
    ("text", "name", "value", "words"),
    [
        (DBCONN, "BX_CRONTAB_SUPPORT", True, "line 7, column 2: BX_CRONTAB_SUPPORT is set under a condition"),
        (DBCONN, "LATER", None, "line 17, column 21: LATER is set under a condition"),
        ("<?php exit; define('X', 1);", "X", 2, "X is set under a condition"),
        ("plain text", "X", 1, "does not begin with <?php"),
        (DBCONN, "A-B", 1, "'A-B' cannot name a constant"),
        (DBCONN, "A", [1], "A can be set to a scalar only"),
        ("<?php define('X', 'open", "X", 1, "line 1, column 19: a string that begins here never ends"),
    ],
)
def test_refused(text: str, name: str, value: t.Any, words: str) -> None:
    with pytest.raises(BoxliftError) as caught:
        PhpStatements(text, "/p/dbconn.php").set(CONSTANT, name, value)
    assert words in caught.value.message
    assert caught.value.remedy


NAME = st.sampled_from(["DBLogin", "DBHost", "A", "B"])
SCALAR = st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8", exclude_characters="\0"))
PIECES = ["\n", "// it's\n", "/* $DBLogin = 1; */", "if (0) { $other = 1; }\n", "f();\n", "#[A]\n", "?>\n<?php\n"]


@st.composite
def files(draw: t.Callable[[t.Any], t.Any]) -> str:
    text = "<?php\nfunction_exists('f');\n"
    for _number in range(draw(st.integers(0, 6))):
        name, value = draw(NAME), repr(draw(st.integers(0, 9)))
        statements = [f"${name} = {value};", f"define('{name}', {value});", f'@define( "{name}" , {value} ) ;']
        text += draw(st.sampled_from([*statements, *(each + "\n" for each in statements), *PIECES[:4]]))
    return text


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=files(), kind=st.sampled_from([CONSTANT, VARIABLE]), name=NAME, value=st.none() | SCALAR)
def test_edits_mean_to_php_what_was_meant(php: t.Any, text: str, kind: str, name: str, value: t.Any) -> None:
    file = PhpStatements(text)
    expected = {CONSTANT: dict(file.constants), VARIABLE: dict(file.variables)}
    expected[kind].pop(name, None)
    if value is not None:
        expected[kind][name] = value
    file.set(kind, name, value)
    judged = php.judge_alone(file.text)
    assert judged["constants"] == expected[CONSTANT], file.text
    assert judged["variables"] == expected[VARIABLE], file.text
