# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Debian packages the roles install, read from the roles themselves.

The name of each task of `ansible.builtin.apt` is evaluated with the role's variables and defaults. Conditions do not
count: of `a if condition else b` both lists are taken, and `when` is not asked, since nobody knows what a site switches
on later.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

import jinja2.meta
import jinja2.nativetypes
import jinja2.nodes
import jinja2.visitor
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

ROLES = pathlib.Path(__file__).parents[3] / "roles"
# Every way in which a task may name packages.
APT = ("ansible.builtin.apt", "apt", "ansible.builtin.package", "package")
#: Packages that a release may lack, since the site can supply its own.
SUPPLIED = "telephony_packages"
RELEASES = {"12": "bookworm", "13": "trixie"}
Data = dict[str, t.Any]


# The quick parser is there only where PyYAML was built with libyaml, so its class has no type.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML whose tags say nothing here, such as !unsafe."""


_Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


class _AsAnsible(jinja2.visitor.NodeTransformer):
    """Lists where Ansible has lists and Jinja has generators; and `a if condition else b` becomes `both(a, b)`."""

    def visit_Filter(self, node: jinja2.nodes.Filter) -> jinja2.nodes.Node:
        self.generic_visit(node)
        if node.name not in ("map", "select", "reject", "selectattr", "rejectattr", "unique"):
            return node
        return jinja2.nodes.Filter(node, "list", [], [], None, None, lineno=node.lineno)

    def visit_CondExpr(self, node: jinja2.nodes.CondExpr) -> jinja2.nodes.Node:
        self.generic_visit(node)
        branches = [node.expr1] + ([node.expr2] if node.expr2 else [])
        return jinja2.nodes.Call(jinja2.nodes.Name("both", "load"), branches, [], None, None, lineno=node.lineno)


def _both(*branches: t.Any) -> t.Any:
    if all(isinstance(branch, list) for branch in branches):
        return [item for branch in branches for item in branch]
    return branches[0]


def _flatten(value: t.Any) -> list[t.Any]:
    return [inner for item in value for inner in (_flatten(item) if isinstance(item, list) else [item])]


def _environment() -> jinja2.nativetypes.NativeEnvironment:
    made = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined)
    made.filters |= {
        "flatten": _flatten,
        "dict2items": lambda value: [{"key": key, "value": each} for key, each in value.items()],
        "regex_replace": lambda value, pattern, new: re.sub(pattern, new, str(value)),
    }
    made.globals |= {"both": _both, "lookup": lambda *_given, **_options: ""}
    return made


class Variables:
    """A role's variables, each evaluated when it is asked for."""

    def __init__(self, values: t.Mapping[str, t.Any]) -> None:
        self._values = dict(values)
        self._jinja = _environment()

    def of(self, value: t.Any) -> t.Any:
        """The value with its templates evaluated. What stands deep in a list and needs a host stays a template."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {key: self._leniently(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._leniently(each) for each in value]
        return value

    def _leniently(self, value: t.Any) -> t.Any:
        try:
            return self.of(value)
        except (jinja2.TemplateError, TypeError):
            return value

    def _text(self, text: str) -> t.Any:
        if "{{" not in text and "{%" not in text:
            return text
        # Without conditions: these ask for groups and hosts, which nobody knows here.
        tree = _AsAnsible().visit(self._jinja.parse(text))
        needed = jinja2.meta.find_undeclared_variables(tree) - set(self._jinja.globals)
        known = {name: self.of(self._values[name]) for name in needed if name in self._values}
        return self._jinja.from_string(tree).render(known)


def load(path: pathlib.Path) -> t.Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader) if path.exists() else None


def tasks_in(role: pathlib.Path) -> t.Iterator[Data]:
    """Every task of a role, also those in blocks and in files that only other roles or playbooks include."""
    files = sorted(role.glob("tasks/**/*.yml")) + sorted(role.glob("handlers/*.yml"))
    pending = [task for path in files for task in load(path) or []]
    while pending:
        task = pending.pop(0)
        yield task
        pending += [inner for key in ("block", "rescue", "always") for inner in task.get(key) or []]


def facts(release: str) -> Data:
    """What a host of this release says of itself, as far as it decides on packages."""
    return {
        "distribution": "Debian",
        "distribution_major_version": release,
        "os_family": "Debian",
        "virtualization_role": "host",
        "virtualization_type": "kvm",
        "interfaces": [],
    }


def packages(release: str, roles: pathlib.Path = ROLES) -> dict[str, list[str]]:
    """For each role that installs something, the names of its packages on this release, sorted."""
    found = {}
    for role in sorted(path for path in roles.iterdir() if path.is_dir()):
        variables = Variables(
            {
                **(load(role / "defaults/main.yml") or {}),
                **(load(role / "vars/main.yml") or {}),
                "ansible_facts": facts(release),
            }
        )
        names: set[str] = set()
        for task in tasks_in(role):
            for module in APT:
                given = task.get(module)
                if given and given.get("state", "present") != "absent" and "name" in given:
                    names |= _names(variables, given["name"], f"{role.name}: {task.get('name')}")
        if names:
            found[role.name] = sorted(names)
    return found


def _names(variables: Variables, given: t.Any, place: str) -> set[str]:
    try:
        value = variables.of(given)
        names = set(_flatten([value]))
    except (jinja2.TemplateError, TypeError) as error:
        raise BoxliftError(
            f"{place}: cannot tell which packages it installs: {error}.",
            "Teach plugin_utils/bundle/roles.py the filter, or name the packages in a variable of the role.",
        ) from error
    if wrong := [name for name in names if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", str(name))]:
        raise BoxliftError(f"{place}: {wrong[0]!r} is no name of a package.", "Correct the role.")
    return names


def supplied(roles: pathlib.Path = ROLES) -> set[str]:
    """Names of packages that the site may have to supply, since no release has them."""
    defaults = [load(path) or {} for path in roles.glob("*/defaults/main.yml")]
    return {name for each in defaults for name in each.get(SUPPLIED, [])}
