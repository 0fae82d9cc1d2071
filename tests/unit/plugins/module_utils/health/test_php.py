# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook
from ansible_collections.boxlift.portal.plugins.module_utils.health.php import WebPhp, raw_settings, web_php
from unit.plugins.module_utils.health.breaks_host import pool


def test_what_php_itself_prints_is_understood(world: t.Any) -> None:
    """PHP-FPM prints its settings as the command line's PHP does."""
    assert shutil.which("php"), "apt-get install php-cli"

    def real(arguments: t.Sequence[str]) -> tuple[int, str, str]:
        command = ["php", *arguments[1:]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    world.context.run_command = real
    php = web_php(world.context)
    assert {"core", "mysqli", "session"} <= php.modules
    assert php.number("max_input_vars") > 0 and php.settings["default_charset"] == "UTF-8"
    assert php.settings["mbstring.internal_encoding"] == ""


@pytest.mark.parametrize(("word", "value"), [("0", "0"), ("Off", ""), ("no", ""), ("On", "1"), ('"off"', "off")])
def test_what_a_page_gets_is_asked_with_the_web_servers_files(world: t.Any, word: str, value: str) -> None:
    """PHP shows Off for 0 and for nothing; only ini_get() tells them apart."""
    folder = world.portal.root.parent / "ini"
    (folder / "conf.d").mkdir(parents=True)
    (folder / "php.ini").write_text("session.auto_start = 1\n")
    (folder / "conf.d" / "99.ini").write_text(f"session.auto_start = {word}\n")
    world.fpm.update({"Loaded Configuration File": str(folder / "php.ini")})
    world.fpm.update({"Scan this dir for additional .ini files": str(folder / "conf.d")})
    asked = world.context.run_command

    def real(arguments: t.Sequence[str]) -> tuple[int, str, str]:
        if arguments[0] != "env":
            return t.cast("tuple[int, str, str]", asked(arguments))
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    world.context.run_command = real
    assert raw_settings(world.context, ["session.auto_start", "no.such"]) == {"session.auto_start": value}


def test_the_pool_of_the_portals_user_counts(world: t.Any) -> None:
    pool("php_admin_value[memory_limit] = 1G\nphp_value[session.save_path] = /srv/sessions\n;php_value[x] = y")(world)
    php = web_php(world.context)
    assert (php.number("memory_limit"), php.settings["session.save_path"]) == (2**30, "/srv/sessions")
    assert "x" not in php.settings


def test_the_pool_lies_elsewhere_on_enterprise_linux(world: t.Any) -> None:
    pool("php_admin_value[memory_limit] = 1G")(world)
    folder = world.portal.root.parent / "fpm"
    (folder / "pool.d").rename(folder / "php-fpm.d")
    assert web_php(world.context).number("memory_limit") == 2**30


def test_files_of_an_account_that_is_not_here(world: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pool("php_admin_value[memory_limit] = 1G")(world)

    def unknown(uid: int) -> t.NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert web_php(world.context).settings["memory_limit"] == "512M"


def test_the_pool_of_another_user_does_not_count(world: t.Any) -> None:
    pool("php_admin_value[memory_limit] = 1G")(world)
    path = world.portal.root.parent / "fpm" / "pool.d" / "portal.conf"
    path.write_text(path.read_text().replace("user = ", "user = somebody-"))
    assert web_php(world.context).settings["memory_limit"] == "512M"


@pytest.mark.parametrize(("text", "number"), [("128M", 128 * 2**20), ("2k", 2048), ("-1", -1), ("1000000", 1000000)])
def test_numbers(text: str, number: int) -> None:
    assert WebPhp(frozenset(), {"x": text}).number("x") == number


@pytest.mark.parametrize("text", ["", "many", "1.5G"])
def test_what_is_no_number_is_not_guessed(text: str) -> None:
    with pytest.raises(CannotLook, match="PHP-FPM says that x is"):
        WebPhp(frozenset(), {"x": text}).number("x")
