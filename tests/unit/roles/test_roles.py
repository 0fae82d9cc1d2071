# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every role: specification and defaults say the same, and nothing is left over or forgotten."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from unit.roles import readme

ROLES = sorted(path for path in readme.ROLES.iterdir() if path.is_dir())
SECRET = re.compile(r"(password|secret|token|key)s?$")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("role", ROLES, ids=[role.name for role in ROLES])


def defaults_of(role: Path) -> dict[str, t.Any]:
    """The role's defaults; a value that rests on a site-wide variable is given as without it, or left out."""
    raw = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
    templar = Templar(loader=DataLoader(), variables={})
    found = {}
    for name, value in raw.items():
        try:
            found[name] = templar.template(trust_as_template(value) if isinstance(value, str) else value)
        except AnsibleUndefinedVariable:
            continue
    return found


def yaml_files(role: Path, folder: str) -> list[Path]:
    return sorted((role / folder).rglob("*.yml"))


def test_defaults_are_what_the_specification_says(role: Path) -> None:
    specified = {name: option["default"] for name, option in readme.options(role).items() if "default" in option}
    assert specified == defaults_of(role)


def test_an_option_is_required_or_has_a_default(role: Path) -> None:
    unclear = [
        name for name, option in readme.options(role).items() if bool(option.get("required")) == ("default" in option)
    ]
    assert unclear == []


def test_entry_points_agree_on_what_an_option_is(role: Path) -> None:
    for entry in readme.entry_points(role).values():
        for name, option in (entry.get("options") or {}).items():
            assert option == readme.options(role)[name]


def test_variables_carry_the_name_of_the_role(role: Path) -> None:
    raw = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
    internal = [yaml.safe_load(path.read_text()) for path in yaml_files(role, "vars")]
    assert [name for name in raw if not name.startswith(f"{role.name}_")] == []
    assert [name for values in internal for name in values if not name.startswith(f"__{role.name}_")] == []


def test_secrets_are_not_logged(role: Path) -> None:
    undecided = [
        name for name, option in readme.options(role).items() if SECRET.search(name) and "no_log" not in option
    ]
    assert undecided == []


def test_every_variable_is_used(role: Path) -> None:
    folders = ("tasks", "handlers", "templates", "vars")
    files = [path for folder in folders for path in (role / folder).rglob("*") if path.is_file()]
    text = "\n".join(path.read_text() for path in files)
    internal = [name for path in yaml_files(role, "vars") for name in yaml.safe_load(path.read_text())]
    unused = [name for name in readme.options(role) if not re.search(rf"(?<![\w]){name}\b", text)]
    unused += [name for name in internal if len(re.findall(rf"(?<![\w]){name}\b", text)) < 2]
    assert unused == []


def test_main_is_a_table_of_contents(role: Path) -> None:
    assert len((role / "tasks/main.yml").read_text().splitlines()) <= 60
    for path in yaml_files(role, "tasks"):
        assert len(path.read_text().splitlines()) <= 150, path.name


def test_only_the_first_files_of_a_role_import(role: Path) -> None:
    """An import within a file that was itself imported or included finds a tasks/ beside the playbook first."""
    texts = {path.name: path.read_text() for path in yaml_files(role, "tasks")}
    named = [name for text in texts.values() for name in re.findall(r"(?:_tasks|file): \"?(\S.*\.yml)", text)]
    patterns = [re.sub(r"\\{\\{.*?\\}\\}", ".*", re.escape(name)) for name in named]
    inner = {name for name in texts if name != "main.yml" and any(re.fullmatch(each, name) for each in patterns)}
    assert [name for name in sorted(inner) if "import_tasks" in texts[name]] == []


def test_phases_can_be_run_alone(role: Path) -> None:
    phases = {f"{role.name}_{phase}" for phase in ("install", "configure", "run")}
    for task in yaml.safe_load((role / "tasks/main.yml").read_text()):
        assert set(task.get("tags", [])) & phases, task["name"]
        assert set(task["tags"]) <= phases, task["name"]


def test_the_table_in_the_readme_is_up_to_date(role: Path) -> None:
    text = (role / "README.md").read_text()
    assert "argument_specs.yml" in text
    assert readme.TABLE.findall(text) == [readme.table(role)], "run python tests/unit/roles/readme.py"
