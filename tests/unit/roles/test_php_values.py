# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role web writes PHP's values as the vendor's checker takes them."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from unit.plugins.playbook import REPOSITORY

ROLE = REPOSITORY / "roles" / "web"
#: The checker compares ini_get() with these numbers; on PHP 8 an empty text is not 0.
COMPARED = {"session.auto_start": 0, "zend.multibyte": 0, "file_uploads": 1}
ASK = "foreach (%s as $name => $value) var_dump(ini_get($name) != $value);"


def written(more: dict[str, t.Any]) -> str:
    """The file that the role writes where a site gives these values."""
    values = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    values = {name: value for name, value in values.items() if name.startswith("__web_php")}
    variables = {
        name: trust_as_template(value) if isinstance(value, str) else value
        for name, value in {
            **values,
            "web_php_settings": more,
            "web_php_memory_mb": 512,
            "web_timezone": "UTC",
            "web_php_disabled_functions": ["exec", "system"],
        }.items()
    }
    variables["__web_php_defaults"] = {
        name: trust_as_template(value) if isinstance(value, str) else value
        for name, value in values["__web_php_defaults"].items()
    }
    templar = Templar(loader=DataLoader(), variables=variables)
    return str(templar.template(trust_as_template((ROLE / "templates" / "php.ini.j2").read_text())))


def wrong(path: pathlib.Path, text: str, compared: dict[str, int]) -> list[str]:
    """What PHP finds to differ."""
    path.write_text(text)
    pairs = "[" + ", ".join(f"'{name}' => {value}" for name, value in compared.items()) + "]"
    command = ["php", "-n", "-c", str(path), "-r", ASK % pairs]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert len(said) == len(compared)
    return [name for name, differs in zip(compared, said) if differs == "bool(true)"]


def test_the_words_on_and_off_fail_the_checker(tmp_path: pathlib.Path) -> None:
    """The fault that this guards against is still one."""
    text = "session.auto_start = Off\nzend.multibyte = Off\nfile_uploads = On\n"
    assert wrong(tmp_path / "a.ini", text, COMPARED) == ["session.auto_start", "zend.multibyte"]


def test_what_the_role_writes_passes_the_checker(tmp_path: pathlib.Path) -> None:
    text = written({})
    assert wrong(tmp_path / "a.ini", text, COMPARED) == []
    assert "\nshort_open_tag = 1\n" in text and "\nmemory_limit = 512M\n" in text


@pytest.mark.parametrize("off", ["Off", "off", "No", "false", False, 0, "0"])
@pytest.mark.parametrize("on", ["On", "yes", True, "true", 1])
def test_what_a_site_gives_passes_the_checker(tmp_path: pathlib.Path, off: t.Any, on: t.Any) -> None:
    given = {"session.auto_start": off, "zend.multibyte": off, "file_uploads": on, "session.use_trans_sid": off}
    assert wrong(tmp_path / "a.ini", written(given), {**COMPARED, "session.use_trans_sid": 0}) == []


def test_other_values_stay_as_they_are() -> None:
    text = written({"sendmail_path": "/usr/bin/msmtp -t -i", "memory_limit": "1G", "session.cookie_samesite": "None"})
    assert {"sendmail_path = /usr/bin/msmtp -t -i", "memory_limit = 1G", "session.cookie_samesite = None"} <= set(
        text.splitlines()
    )
