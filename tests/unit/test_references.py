# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the code names a page or a file of this repository, it is there: in comments, docstrings and findings."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import typing as t
from pathlib import Path

import pytest
from unit.test_meta import REPOSITORY, text_of, tracked

FOLDERS = ("plugins", "roles", "playbooks", "molecule", "tests", "inventories")
# A page or a program of ours. `dbconn.php`, `.settings.php` and the like belong to the portal, not to the repository.
NAMED = re.compile(r"(?<![\w./~{*-])(?:docs/[\w./-]*\w|[\w./-]*\w\.(?:md|py))(?![\w(*])")
SECTIONS = re.compile(r"(docs/[\w-]+\.md), sections? (\d+(?:(?:, | and |, and )\d+)*)")
# What leads nowhere for whoever has only the repository.
ELSEWHERE = re.compile(r"\bDESIGN\b|\bfacts/")


def prose_of_python(text: str) -> t.Iterator[str]:
    """Comments, docstrings, a module's documentation, and the values of `reference=`."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ast.get_docstring(node) or ""
        elif isinstance(node, ast.keyword) and node.arg == "reference" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = {name.id for name in node.targets if isinstance(name, ast.Name)}
            yield str(node.value.value) if names & {"DOCUMENTATION", "RETURN"} else ""


def prose_of(path: Path) -> t.Iterator[str]:
    if path.suffix == ".py":
        yield from prose_of_python(text_of(path))
    else:
        yield from re.findall(r"(?:^|\s)#(.*)$", text_of(path), re.MULTILINE)


SOURCES = [path for path in tracked(*FOLDERS) if path.suffix in (".py", ".yml", ".sh", ".j2", ".toml")]
PROSE = [(path, prose) for path in SOURCES if path != Path(__file__) for prose in prose_of(path)]
FILES = [path.relative_to(REPOSITORY).as_posix() for path in tracked()]


def is_there(name: str) -> bool:
    """A path may leave out the folders that lead to it; a folder may be named too."""
    return any(f"/{file}".endswith(f"/{name}") or f"/{file}".startswith(f"/{name}/") for file in FILES)


def test_files() -> None:
    named = {(path, name) for path, prose in PROSE for name in NAMED.findall(prose)}
    assert len(named) > 20
    assert sorted(f"{path.relative_to(REPOSITORY)}: {name}" for path, name in named if not is_there(name)) == []


def test_sections() -> None:
    named = {found for _path, prose in PROSE for found in SECTIONS.findall(" ".join(prose.split()))}
    assert len(named) > 5
    for page, numbers in named:
        headings = re.findall(r"^## (\d+)\.", text_of(REPOSITORY / page), re.MULTILINE)
        assert set(re.findall(r"\d+", numbers)) <= set(headings), f"{page}, section {numbers}"


def test_nothing_leads_out_of_the_repository() -> None:
    found = [f"{path.relative_to(REPOSITORY)}: {prose[:80]}" for path, prose in PROSE if ELSEWHERE.search(prose)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        '"""Read docs/no-such-page.md, section 3."""',
        "# as lost.py does",
        "def f():\n    '''See archive/lost.py.'''",
        "check(reference='backup_archive.md, section 1.4')",
        "RETURN = 'reference: backup_archive.md'",
    ],
)
def test_each_place_is_looked_at(text: str) -> None:
    names = [name for prose in prose_of_python(text) for name in NAMED.findall(prose)]
    assert len(names) == 1 and not is_there(names[0])
