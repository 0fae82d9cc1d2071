# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A boolean or a number that a user gives with `-e name=no` is a text. Every use of it takes it as what it says.

ansible-core refuses a condition that is a text, and a text `no` in a template counts as true.
"""

from __future__ import annotations

import typing as t

import jinja2
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from jinja2 import nodes
from unit.roles import readme

ROOT = readme.ROLES.parent
EXPRESSIONS = {"when", "that", "until", "failed_when", "changed_when"}
CONVERT = {"bool": ("bool",), "int": ("int", "float"), "float": ("float",)}
JINJA = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])


def options() -> dict[str, str]:
    """Every boolean and number of every role, with its type."""
    roles = [path for path in readme.ROLES.iterdir() if path.is_dir()]
    return {
        name: option["type"]
        for role in roles
        for name, option in readme.options(role).items()
        if option.get("type") in CONVERT
    }


class Use(t.NamedTuple):
    place: str
    name: str
    source: str


def careless(source: str, types: t.Mapping[str, str], place: str) -> list[Use]:
    """Where a template reads an option as if it were of its type already."""
    found: list[Use] = []

    def walk(node: nodes.Node, above: tuple[nodes.Node, ...]) -> None:
        if isinstance(node, nodes.Name) and node.name in types and not _safe(node, above, CONVERT[types[node.name]]):
            found.append(Use(place, node.name, source.strip()[:120]))
        for child in node.iter_child_nodes():
            walk(child, (*above, node))

    walk(JINJA.parse(source), ())
    return found


def _safe(name: nodes.Node, above: tuple[nodes.Node, ...], filters: tuple[str, ...]) -> bool:
    """Converted, or handed on as it is: to a module, which converts it, or as a number into a text."""
    child = name
    for parent in reversed(above):
        if isinstance(parent, nodes.Filter) and parent.node is child and parent.name in filters:
            return True
        handed_on = isinstance(parent, nodes.CondExpr) and child is not parent.test
        defaulted = isinstance(parent, nodes.Filter) and parent.name in ("default", "d") and parent.node is child
        if not (handed_on or defaulted):
            # A text `no` that is written among other text stays a `no`; a number is the same either way.
            whole = isinstance(parent, nodes.Output) and parent.nodes == [child]
            return isinstance(parent, nodes.Output) and ("int" in filters or "float" in filters or whole)
        child = parent
    return False


def sources() -> t.Iterator[tuple[str, str]]:
    """Every template and condition of roles and playbooks, with its file."""
    for path in sorted([*ROOT.glob("roles/*/*/**/*.yml"), *ROOT.glob("playbooks/*.yml")]):
        # What lies there is brought as it is.
        if "files" in path.relative_to(ROOT).parts:
            continue
        if path.parent.name != "meta":
            for source in _strings(yaml.safe_load(path.read_text()), False):
                yield str(path.relative_to(ROOT)), source
    for path in sorted(ROOT.glob("roles/*/templates/*.j2")):
        yield str(path.relative_to(ROOT)), path.read_text()


def _strings(value: t.Any, expression: bool) -> t.Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, key in EXPRESSIONS)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, expression)
    elif isinstance(value, str) and (expression or "{{" in value or "{%" in value):
        yield "{{ " + value + " }}" if expression and "{{" not in value else value


def test_every_use_takes_a_text_as_what_it_says() -> None:
    types = options()
    assert len(types) > 20
    read = list(sources())
    assert len(read) > 300
    assert [use for place, source in read for use in careless(source, types, place)] == []


@pytest.mark.parametrize(
    "source",
    (
        "{{ flag or other }}",
        "{{ 'file' if flag else 'absent' }}",
        "{% if flag %}on{% endif %}",
        "{{ not flag }}",
        "flag = {{ flag }}",
        "{{ number > 0 }}",
        "{{ number * 2 }}",
        "{{ range(number) }}",
    ),
)
def test_a_careless_use_is_seen(source: str) -> None:
    assert careless(source, {"flag": "bool", "number": "int"}, "here")


@pytest.mark.parametrize(("given", "meant"), (("true", True), ("no", False), ("False", False), ("1", True)))
def test_ansible_takes_a_converted_text_for_what_it_says(given: str, meant: bool) -> None:
    templar = Templar(loader=DataLoader(), variables={"flag": given})
    assert templar.evaluate_conditional(trust_as_template("flag | bool")) is meant
