# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal import files as files_module
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles, module_version, replace
from ansible_collections.boxlift.portal.plugins.module_utils.portal.settings import (
    CONFIGURED_CONSTANTS,
    CONFIGURED_SETTINGS,
    CONFIGURED_VARIABLES,
    Change,
    plan,
    refuse_uneditable,
    unused_files,
)
from unit.plugins.playbook import REPOSITORY

SETTINGS = "<?php\nreturn [\n\t'cache' => ['value' => ['type' => 'files'], 'readonly' => false],\n];\n"


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    write(tmp_path, "bitrix/.settings.php", SETTINGS)
    write(tmp_path, "bitrix/php_interface/dbconn.php", "<?php\n$DBLogin = '******';\ndefine('SHORT_INSTALL', true);\n")
    return tmp_path


def write(root: pathlib.Path, name: str, text: str) -> pathlib.Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def planned(
    root: pathlib.Path, settings: t.Any = None, constants: t.Any = None, variables: t.Any = None
) -> list[Change]:
    return plan(PortalFiles(root), settings or {}, constants or {}, variables or {})


def test_only_what_is_declared_changes_and_planning_writes_nothing(root: pathlib.Path) -> None:
    (change,) = planned(root, {"cache": {"type": "redis", "redis": {"host": "127.0.0.1"}}, "new": {"a": 1}})
    assert (root / "bitrix/.settings.php").read_text() == SETTINGS
    assert change.path == root / "bitrix/.settings.php"
    change.write()
    assert (root / "bitrix/.settings.php").read_text() == (
        "<?php\nreturn [\n"
        "\t'cache' => ['value' => ['type' => 'redis', 'redis' => ['host' => '127.0.0.1']], 'readonly' => false],"
        "\n\t'new' => [\n\t\t'value' => [\n\t\t\t'a' => 1,\n\t\t],\n\t\t'readonly' => false,\n\t],\n];\n"
    )
    assert planned(root, {"cache": {"type": "redis"}, "new": {"a": 1}}) == []


def test_nulls_delete_keys_and_sections(root: pathlib.Path) -> None:
    (change,) = planned(root, {"cache": {"type": None}, "missing": None})
    assert b"'value' => [], 'readonly'" in change.content
    (change,) = planned(root, {"cache": None})
    assert change.content == b"<?php\nreturn [\n];\n"


def test_both_files_are_one_plan(root: pathlib.Path) -> None:
    changes = planned(root, {"cache": {"type": "none"}}, {"SHORT_INSTALL": None, "X": 5}, {"DBLogin": "portal"})
    assert [change.path.name for change in changes] == [".settings.php", "dbconn.php"]
    assert changes[1].content == b"<?php\ndefine('X', 5);\n$DBLogin = 'portal';\n"
    assert changes[1].diff()["before"] == {"SHORT_INSTALL": True, "$DBLogin": "******"}
    assert changes[1].diff()["after"] == {"X": 5, "$DBLogin": "portal"}


def test_a_mistake_in_one_file_leaves_both_alone(root: pathlib.Path) -> None:
    write(root, "bitrix/php_interface/dbconn.php", "<?php\n$ok = define('X', 1);\n")
    with pytest.raises(BoxliftError, match="line 2, column 14: X is set in a way that cannot be edited"):
        planned(root, {"cache": {"type": "none"}}, {"X": 2})
    assert (root / "bitrix/.settings.php").read_text() == SETTINGS


def test_local_outranks_bitrix(root: pathlib.Path) -> None:
    write(root, "local/.settings.php", "<?php return ['cache' => ['value' => ['type' => 'files']]];")
    (change,) = planned(root, {"cache": {"type": "none"}})
    assert change.path == root / "local/.settings.php"
    assert unused_files(PortalFiles(root)) == [str(root / "bitrix/.settings.php")]


def test_a_section_of_the_extra_file_is_changed_there(root: pathlib.Path) -> None:
    write(root, "bitrix/.settings_extra.php", "<?php return ['cache' => ['value' => ['type' => 'apcu']]];")
    assert PortalFiles(root).sections() == {"cache": {"type": "apcu"}}
    (change,) = planned(root, {"cache": {"type": "none"}})
    assert change.path.name == ".settings_extra.php"
    assert [change.path.name for change in planned(root, {"cache": None})] == [".settings.php", ".settings_extra.php"]
    assert [change.path.name for change in planned(root, {"other": {"a": 1}})] == [".settings.php"]


def test_the_diff_shows_that_a_secret_changed_and_not_which(root: pathlib.Path) -> None:
    write(root, "bitrix/.settings.php", "<?php return ['c' => ['value' => ['password' => 'old-one', 'login' => 'x']]];")
    (change,) = planned(root, {"c": {"password": "new-one", "login": "y"}})
    diff = change.diff()
    assert diff["before"] == {"c": {"value": {"password": "(secret)", "login": "x"}}}
    assert diff["after"] == {"c": {"value": {"password": "(secret, changed)", "login": "y"}}}
    assert diff["before_header"] == str(change.path)


def test_a_change_of_type_is_a_change(root: pathlib.Path) -> None:
    write(root, "bitrix/.settings.php", "<?php return ['pull' => ['value' => ['a' => '1', 'b' => [true]]]];")
    (change,) = planned(root, {"pull": {"a": 1}})
    assert change.diff()["after"] == {"pull": {"value": {"a": 1, "b": [True]}}}
    assert planned(root, {"pull": {"b": [1]}})[0].before != {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("<?php return ['cache' => 5];", "section cache is no array"),
        ("<?php return ['cache' => make()];", "section cache is no array"),
        ("<?php return ['cache' => ['value' => make()]];", "cache.value is an expression"),
    ],
)
def test_what_cannot_be_merged_is_refused(root: pathlib.Path, settings: str, words: str) -> None:
    write(root, "bitrix/.settings.php", settings)
    with pytest.raises(BoxliftError, match=words):
        planned(root, {"cache": {"type": "none"}})


def test_a_place_without_a_portal_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BoxliftError, match="neither bitrix/.settings.php nor local/.settings.php"):
        planned(tmp_path, {"a": {"b": 1}})
    with pytest.raises(BoxliftError, match="is no directory"):
        PortalFiles(tmp_path / "none")


def test_replace_keeps_owner_and_mode_and_follows_links(tmp_path: pathlib.Path) -> None:
    target = write(tmp_path, "real.php", "old")
    target.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(target, 12345, 54321)
    (tmp_path / "link.php").symlink_to(target)
    before = target.stat()
    replace(tmp_path / "link.php", b"new")
    after = target.stat()
    assert target.read_bytes() == b"new" and (tmp_path / "link.php").is_symlink()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_a_failed_replacement_leaves_the_file_and_no_rubbish(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = write(tmp_path, "x.php", "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files_module.os, "fsync", full)
    with pytest.raises(BoxliftError, match="No space left on device. It was left as it is"):
        replace(target, b"new")
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["x.php"]


@pytest.mark.parametrize(
    ("source", "version"),
    [
        (b'<?\n$arModuleVersion = array("VERSION" => "26.1.0", "VERSION_DATE" => "2026-01-01");\n?>', "26.1.0"),
        (b'<?php define("SM_VERSION", "26.250.100"); define("SM_VERSION_DATE", "x");', "26.250.100"),
        (b"<?php $other = 1;", None),
        (b'<?php $arModuleVersion = ["VERSION" => get()];', None),
    ],
)
def test_module_version(source: bytes, version: str | None) -> None:
    assert module_version(source, "version.php") == version


INIT, AFTER, AFTER_D7 = (f"local/php_interface/{name}.php" for name in ("init", "after_connect", "after_connect_d7"))
CODE = (
    "<?php\nclass A { function f(array $a = [1], ?int $b = null): ?string { return match(1) { default => 'x' }; } }\n"
)


@pytest.mark.parametrize("name", [INIT, AFTER, AFTER_D7])
@pytest.mark.parametrize(
    "line", ["define('BX24_HOST_NAME', 'acme.bitrix24.ru');\n", "if (1) define('BX24_HOST_NAME', 1);\n"]
)
def test_what_must_go_goes_from_the_files_behind_dbconn_too(root: pathlib.Path, name: str, line: str) -> None:
    write(root, name, f"{CODE}{line}$DB->Query(\"SET sql_mode=''\");\n")
    (change,) = planned(root, constants={"BX24_HOST_NAME": None, "BX_CRONTAB": None})
    assert change.path == root / name
    assert change.content.decode() == f"{CODE}$DB->Query(\"SET sql_mode=''\");\n"


def test_files_behind_dbconn_are_read_only_where_they_define_it(root: pathlib.Path) -> None:
    text = "<?php\nif (defined('BX24_HOST_NAME')) { f('BX24_HOST_NAME' }} // no PHP at all\n"
    write(root, INIT, text)
    assert planned(root, constants={"BX24_HOST_NAME": None}) == []
    write(root, INIT, "<?php\n$x = define('BX24_HOST_NAME', 1);\n")
    with pytest.raises(BoxliftError, match=r"init.php, line 2, column 13: BX24_HOST_NAME is set in a way"):
        planned(root, constants={"BX24_HOST_NAME": None})


@pytest.mark.parametrize(
    "include",
    [
        "require __DIR__ . '/own.php';",
        "include_once($_SERVER['DOCUMENT_ROOT'] . '/bitrix/php_interface/own.php');",
        "if (is_file('own.php')) { include 'own.php'; }",
    ],
)
def test_a_file_that_dbconn_includes_is_named(root: pathlib.Path, include: str) -> None:
    write(root, "bitrix/php_interface/dbconn.php", f"<?php\n{include}\ndefine('A', 1);\n")
    write(
        root, "bitrix/php_interface/own.php", "<?php\ndefine('X', 1);\n$DBHost = 'x';\nfunction f() { $DBName = 1; }\n"
    )
    with pytest.raises(
        BoxliftError, match=r"own.php, line 2, column 1: X is set here, and .*dbconn.php includes"
    ) as caught:
        planned(root, constants={"X": 2})
    assert "own.php" in caught.value.remedy
    for constants in ({"X": None}, {"X": True}):
        with pytest.raises(BoxliftError, match="X is set here"):
            planned(root, constants=constants)
    with pytest.raises(BoxliftError, match="line 3, column 1: DBHost is set here"):
        planned(root, variables={"DBHost": "y"})
    # What it says as it should be is in nobody's way.
    assert len(planned(root, constants={"Y": 2}, variables={"DBHost": "x", "DBName": "y"})) == 1


UNEDITABLE = {
    "dbconn": (
        "bitrix/php_interface/dbconn.php",
        "<?php\n$ok = define('BX_CRONTAB_SUPPORT', true);\n",
        "line 2, column 14",
    ),
    "variable": ("bitrix/php_interface/dbconn.php", "<?php\n$GLOBALS['DBHost'] = 'x';\n", "DBHost is set in a way"),
    "settings": ("bitrix/.settings.php", "<?php\nreturn array_merge($a, []);\n", "returns an expression"),
    "computed": ("bitrix/.settings.php", "<?php\nreturn ['session' => f()];\n", "session"),
    "broken": ("bitrix/.settings.php", "<?php\nreturn ['session' => \n", "line 3"),
    "extra": ("bitrix/.settings_extra.php", "<?php\nreturn ['cache' => ['value' => f()]];\n", "cache"),
    "init": (INIT, "<?php\nf(function () { define('BX_CRONTAB', true); });\n", "BX_CRONTAB is set in a way"),
}


@pytest.mark.parametrize("name, text, words", UNEDITABLE.values(), ids=list(UNEDITABLE))
def test_a_restored_tree_is_judged(root: pathlib.Path, name: str, text: str, words: str) -> None:
    refuse_uneditable(str(root))
    write(root, name, text)
    before = {path: path.read_bytes() for path in root.rglob("*.php")}
    with pytest.raises(BoxliftError) as caught:
        refuse_uneditable(str(root))
    assert words in caught.value.message and str(root / name) in caught.value.message
    assert caught.value.message.startswith("The restored portal's settings cannot be edited")
    assert "Nothing was switched." in caught.value.remedy
    assert {path: path.read_bytes() for path in root.rglob("*.php")} == before


def test_every_documented_dbconn_is_editable(root: pathlib.Path) -> None:
    fault = (REPOSITORY / "tests" / "unit" / "faults" / "dbconn_cron.php").read_text()
    write(root, "bitrix/php_interface/dbconn.php", fault)
    refuse_uneditable(str(root))


def test_a_tree_that_is_no_portal_is_not_judged(tmp_path: pathlib.Path) -> None:
    refuse_uneditable(str(tmp_path))
    write(tmp_path, "local/php_interface/dbconn.php", "<?php\n$ok = define('BX_CRONTAB_SUPPORT', true);\n")
    refuse_uneditable(str(tmp_path))


def keys(value: t.Any) -> t.Any:
    return {name: keys(item) for name, item in value.items()} if isinstance(value, dict) else None


def test_what_is_judged_is_what_the_role_sets() -> None:
    role = yaml.safe_load((REPOSITORY / "roles" / "portal" / "vars" / "main.yml").read_text())
    redis = {"host": None, "port": None, "password": None}
    settings = keys({**role["__portal_base_settings"], **role["__portal_cache_settings"]})
    settings["cache"]["redis"] = redis
    settings["session"]["handlers"]["general"] = {"type": None, "servers": None, **redis}
    settings["pull"] = keys(role["__portal_pull_settings"])
    assert keys(CONFIGURED_SETTINGS) == settings
    nothing = {name for name, value in role["__portal_pull_settings"].items() if value is None}
    assert {name for name, value in CONFIGURED_SETTINGS["pull"].items() if value is None} == nothing
    assert keys(CONFIGURED_CONSTANTS) == keys(role["__portal_constants"])
    assert keys(CONFIGURED_VARIABLES) == keys(role["__portal_variables"])
    gone = {name for name, value in role["__portal_constants"].items() if value is None}
    assert {name for name, value in CONFIGURED_CONSTANTS.items() if value is None} == gone
