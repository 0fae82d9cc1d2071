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
from unit.plugins.playbook import REPOSITORY

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
        "LATER": 2,
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
    assert conditional == {"BX_CRONTAB_SUPPORT", "IN_ALT", "inAlt", "IN_ELSE", "inLoop", "local"}
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
        ("<?php\n$a = define('X', 1);", "X", 2, "line 2, column 13: X is set in a way that cannot be edited"),
        ("<?php\nA ? define('X', 1) : define('X', 2);", "X", None, "line 2, column 12: X is set in a way that"),
        ("<?php\nf(function () { define('X', 1); });", "X", True, "X is set in a way that cannot be edited"),
        ("<?php\nforeach (['X' => 1] as $n => $v) define($n, $v);", "X", None, "line 2, column 11: X is set"),
        ("<?php\n$all = ['X' => 1];\narray_map('define', array_keys($all), $all);", "X", None, "X is set in a way"),
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


# How sites and the vendor's documentation set a constant, X here. The condition asks for CHK_EVENT, which a test sets.
CRON = 'if(!(defined("CHK_EVENT") && CHK_EVENT===true))'
FORMS = {
    "documented": f"{CRON}\n\tdefine('X', 1);",
    "one line": f"{CRON} define('X', 1);",
    "braces": f"{CRON} {{ define('X', 1); }}",
    "braces on lines": f"{CRON}\n{{\n    define('X', 1); // cron\n}}",
    "braces with another": f"{CRON} {{\n  define('X', 1);\n  define('Y', 1);\n}}",
    "alternative": f"{CRON}:\n  define('X', 1);\nendif;",
    "else": f"{CRON} define('X', 1); else define('X', 2);",
    "else with braces": f"{CRON} {{\n  define('X', 1);\n}} else {{\n  define('X', 2);\n}}",
    "else of something": f"{CRON} define('X', 1); else f();",
    "elseif": f"{CRON} define('X', 1); elseif (PHP_SAPI == 'cli') define('X', 2); else if (true) define('X', 3);",
    "nested": f"if (PHP_SAPI == 'cli') {{\n  {CRON} define('X', 1);\n}}",
    "nested without braces": f"if (PHP_SAPI == 'cli') {CRON} define('X', 1);",
    "guard": "if (!defined('X')) define('X', 1);",
    "guard with braces": "if (!defined('X')) {\n  define('X', 1);\n}",
    "or": "defined('X') or define('X', 1);",
    "pipes": 'defined("X") || define("X", 1);',
    "and": "!defined('X') && define('X', 1);",
    "and of another": "!defined('CHK_EVENT') && define('X', 1);",
    "or of a call": "f() or define('X', 1);",
    "guard in a condition": f"{CRON} {{ defined('X') or define('X', 1); }}",
    "silenced": f"{CRON} @define('X', 1);",
    "rooted": f"{CRON} \\define('X', 1);",
    "third argument": "if (true) define('X', 1, false);",
    "const": "const X = 1;",
    "list of const": "const A = 1, X = 2, Y = 3;",
    "first of const": "const X = 2, Y = 3;",
    "last of const": "const Y = 3, X = 2;",
    "switch": "switch (PHP_SAPI) {\n  case 'cli':\n    define('X', 1);\n    break;\n  default: define('X', 2);\n}",
    "loop": "foreach ([1] as $n)\n  define('X', $n);",
    "while": "$n = 1; while ($n-- > 0): define('X', 5); endwhile;",
    "do": "do define('X', 5); while (false);",
    "try": "try { define('X', 1); } catch (Exception $e) { define('X', 2); } finally { $y = 1; }",
    "in a function": "function g() { define('X', 1); }\ng();",
    "block": "{ define('X', 1); }",
    "twice": f"{CRON} define('X', 1);\nif (true) {{ define('X', 2); }}",
    "behind a certain one": f"define('X', 3);\n{CRON} @define('X', 1);",
    "request": "if ($_SERVER['HTTP_HOST'] ?? '' == 'x') define('X', 1);",
    "side effect": "if (f($z = 9)) define('X', 1);",
    "closing tag": f"{CRON} define('X', 1) ?>\n<?php",
    "computed value": f"{CRON} define('X', dirname(__FILE__) . '/tmp');",
    "class": "class C { const X = 8; public $x = 1; function X() { return self::X; } }\ndefine('X', 1);",
    "class alone": "class C { const X = 8; }",
    "comment": "/* define('X', 9); */ # define('X', 8);\nif (true) /* X */ define('X' /* name */, 1);",
    "asked for": "if (defined('X')) { $y = 1; }",
}
FORM = "<?php\nfunction f($q = 0) { return true; }\ndefine('BEFORE', 1);\n%s%s\ndefine('AFTER', 7);\n$last = 5;\n"


@pytest.mark.parametrize("event", ["", "define('CHK_EVENT', true);\n"], ids=["visit", "cron"])
@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_every_way_to_set_a_constant(php: t.Any, form: str, event: str) -> None:
    text = FORM % (event, form)
    before = php.judge_alone(text)
    assert "error" not in before, before
    for value in (True, "it's", 1, 3, None):
        file = PhpStatements(text)
        # What the file does not say without a condition, has to be said; what it says so already, stays.
        changed = file.set(CONSTANT, "X", value)
        judged = php.judge_alone(file.text)
        assert "error" not in judged and judged["output"] is False, file.text
        expected = {**before["constants"], "X": value}
        if value is None:
            expected.pop("X")
        assert judged["constants"] == expected, file.text
        assert {**judged["variables"], "n": 0} == {**before["variables"], "n": 0}, file.text
        assert changed == (file.text != text)
        # What is a class's own stays.
        assert ("const X = 8;" in file.text) == ("const X = 8;" in text)
        assert file.set(CONSTANT, "X", value) is False
        assert (file.constants.get("X"), file.conditional(CONSTANT, "X")) == (value, False)


VARIABLES = {
    "condition": "if (PHP_SAPI == 'cli') $DBHost = 'a';",
    "both branches": "if (PHP_SAPI == 'cli')\n  $DBHost = 'a';\nelse\n  $DBHost = 'b';",
    "braces": "if (true) {\n  $DBHost = 'a';\n  $y = 2;\n}",
    "behind": "$DBHost = 'a';\nif (true) $DBHost = 'b';",
    "function": "function g() { $DBHost = 'x'; return $DBHost; }\n$DBHost = 'a';",
    "property": "class C { public $DBHost = 'x'; }\n$DBHost = 'a';",
    "environment": "$DBHost = getenv('DB_HOST') ?: 'a';",
}


@pytest.mark.parametrize("form", VARIABLES.values(), ids=list(VARIABLES))
def test_every_way_to_set_a_variable(php: t.Any, form: str) -> None:
    text = FORM % ("", form)
    before = php.judge_alone(text)
    file = PhpStatements(text)
    assert file.set(VARIABLE, "DBHost", "db.example") is True
    judged = php.judge_alone(file.text)
    assert judged["variables"] == {**before["variables"], "DBHost": "db.example"}, file.text
    assert judged["constants"] == before["constants"]
    assert ("$DBHost = 'x';" in file.text) == ("$DBHost = 'x';" in text)
    assert file.set(VARIABLE, "DBHost", "db.example") is False


@pytest.mark.parametrize(
    "form",
    ["$GLOBALS['DBHost'] = 'x';", "$DBHost .= 'x';", "$DBHost ??= 'x';", "$a = $DBHost = 'x';", "f($DBHost = 1);"],
)
def test_a_variable_that_cannot_be_edited_is_named(form: str) -> None:
    with pytest.raises(BoxliftError, match="line 4, column .*: DBHost is set in a way that cannot be edited") as caught:
        PhpStatements(FORM % ("", form)).set(VARIABLE, "DBHost", "y")
    assert "$DBHost = 'x';" in caught.value.remedy


def test_the_documented_form_becomes_one_line() -> None:
    text = (REPOSITORY / "tests" / "unit" / "faults" / "dbconn_cron.php").read_text()
    file = PhpStatements(text)
    assert file.set(CONSTANT, "BX_CRONTAB_SUPPORT", True) is True
    assert file.text == text.replace(CRON + "\n\t", "")
    assert file.set(CONSTANT, "BX_CRONTAB_SUPPORT", None) is True
    assert file.text == text[: text.index("if(")]
