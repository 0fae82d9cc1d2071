# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No role installs a package that the bundle's list lacks."""

from __future__ import annotations

import functools
import re
import typing as t
from pathlib import Path

import jinja2
import jinja2.meta
import jinja2.nodes
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import roles

RELEASES = tuple(roles.RELEASES)
# Texts within the expressions that name no package: keys, tests, parts of patterns.
OTHER_TEXTS = {
    *("attribute", "key", "value", "in", "packages", "^", "disk", "http", "_", "Debian", "distribution"),
    *("distribution_major_version", "php", "files", "services", "regex_replace", "-", "8.2", "8.4"),
    *(
        "cpu",
        "database",
        "web",
        "cache",
        "production",
        "monitoring",
        "balancer",
        "equalto",
        "nfs",
        "boxlift.portal.lead",
        "",
    ),
}
# What installs or removes packages besides the module apt.
BEHIND = re.compile(r"\b(apt-get|apt|dpkg|aptitude|pip3?|gem|npm)\s+(-\S+\s+)*(install|upgrade|full-upgrade|-i)\b")


def texts_of(value: t.Any, variables: dict[str, t.Any], seen: set[str]) -> set[str]:
    """Every literal text that may flow into a value, through all variables that it names; conditions included."""
    if isinstance(value, dict):
        return {text for each in value.values() for text in texts_of(each, variables, seen)}
    if isinstance(value, list):
        return {text for each in value for text in texts_of(each, variables, seen)}
    if not isinstance(value, str):
        return set()
    if "{{" not in value:
        return {value}
    tree = jinja2.Environment().parse(re.sub(r"\| *(flatten|dict2items|intersect|regex_\w+)", "| list", value))
    found = {str(node.value) for node in tree.find_all(jinja2.nodes.Const) if isinstance(node.value, str)}
    for name in jinja2.meta.find_undeclared_variables(tree) - seen:
        seen.add(name)
        inner = variables.get(name, [])
        if isinstance(inner, dict):  # of the parts of a role, its packages alone
            inner = [part.get("packages", part) if isinstance(part, dict) else part for part in inner.values()]
        found |= texts_of(inner, variables, seen)
    return found


def modules_with_packages(role: Path) -> t.Iterator[tuple[dict[str, t.Any], dict[str, t.Any]]]:
    for task in roles.tasks_in(role):
        for module in roles.APT:
            if isinstance(task.get(module), dict):
                yield task, task[module]


ROLES = sorted(path for path in roles.ROLES.iterdir() if path.is_dir())


packages = functools.cache(roles.packages)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_no_role_installs_what_the_list_lacks(role: Path) -> None:
    """Read in another way than the list is made: every text in the expression, whatever its conditions are."""
    known = {name for release in RELEASES for name in packages(release).get(role.name, [])}
    variables = {**(roles.load(role / "defaults/main.yml") or {}), **(roles.load(role / "vars/main.yml") or {})}
    for task, given in modules_with_packages(role):
        if given.get("state") == "absent":
            continue
        texts = texts_of(given.get("name"), variables, set())
        unknown = {
            text
            for text in texts - OTHER_TEXTS
            if not any(name in (text,) or name.endswith(f"-{text}") for name in known)
        }
        assert not unknown, f"{role.name}: {task.get('name')}"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_no_role_installs_behind_the_module(role: Path) -> None:
    files = [path for path in role.rglob("*") if path.is_file() and path.suffix not in (".md", ".pyc")]
    # The card of the copies is for people who stand before an empty host.
    files = [path for path in files if path.name != "card.html.j2"]
    for path in files:
        lines = path.read_text(errors="replace").splitlines()
        # A message says what people shall do on another machine.
        told = [line for line in lines if BEHIND.search(line) and "machine with internet" not in line]
        assert not told, path


def test_known_ones_are_found() -> None:
    """Of each kind of expression one: a literal, a variable, by release or filter, behind a condition, in a mapping."""
    for release, php in (("12", "8.2"), ("13", "8.4")):
        found = packages(release)
        assert found["certificate"] == ["certbot"]
        assert found["balancer"] == ["haproxy", "keepalived"] and "openssh-server" in found["cluster_web"]
        assert "systemd-timesyncd" in found["host"] and "mariadb-server" in found["database"]
        assert ("python3-isal" in found["host"]) == (release == "13")
        assert {f"php{php}-fpm", f"php{php}-redis", "nftables"} <= set(found["web"])
        assert {"fail2ban", "auditd", "apparmor"} <= set(found["hardening"])
        assert found["upkeep"] == ["unattended-upgrades"]
        assert {"fail2ban", "asterisk"} <= set(found["telephony"]) and found["acceptance"] == ["fio", "wrk"]
        assert {"msmtp", "msmtp-mta"} <= set(found["portal"])


def test_only_telephonys_packages_may_be_missing() -> None:
    assert roles.supplied() == {"asterisk", "asterisk-moh-opsound-wav"}


def role_with(tmp_path: Path, name: str, **variables: t.Any) -> Path:
    """A folder of roles with one that installs `name`."""
    import yaml

    role = tmp_path / "roles/one"
    for place, content in (
        ("tasks/main.yml", [{"name": "Install", "block": [{"name": "It", "ansible.builtin.apt": {"name": name}}]}]),
        ("vars/main.yml", variables),
    ):
        (role / place).parent.mkdir(parents=True)
        (role / place).write_text(yaml.safe_dump(content))
    return role.parent


def test_both_branches_of_a_condition_count(tmp_path: Path) -> None:
    folder = role_with(
        tmp_path,
        "{{ ['first'] + (['second'] if wanted else []) + more }}",
        wanted=False,
        more="{{ ['third'] if wanted else ['fourth'] }}",
    )
    assert roles.packages("12", folder) == {"one": ["first", "fourth", "second", "third"]}


@pytest.mark.parametrize("name", ["{{ nobody_set_it }}", "{{ names | unheard_of }}", "{{ 'No name' }}", "{{ 3 }}"])
def test_what_cannot_be_told_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(BoxliftError, match="one: It: "):
        roles.packages("12", role_with(tmp_path, name, names=["a"]))
