# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom: the table of docs/architecture.md, read from the page and held against every import."""

from __future__ import annotations

import ast
import graphlib
import re
import typing as t
from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "plugins"
PAGE = PLUGINS.parent / "docs" / "architecture.md"
OURS = "ansible_collections.boxlift.portal.plugins."
# | 4 | `module_utils/portal/` | what it is for | what it imports of its own layer |
ROW = re.compile(r"^\| (\d) \| `([\w/.]+)` \| [^|]+ \|([^|]*)\|$", re.MULTILINE)
TABLE = {
    place: (int(layer), set(re.findall(r"`([^`]+)`", beside))) for layer, place, beside in ROW.findall(PAGE.read_text())
}


class Import(t.NamedTuple):
    name: str  # in full, with what is imported from the module
    at_runtime: bool  # not only for type checkers


def imports(file: Path) -> list[Import]:
    found = []
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(file.read_text()), True)]
    while pending:
        node, at_runtime = pending.pop()
        if isinstance(node, ast.ImportFrom):
            found += [Import(f"{'.' * node.level}{node.module}.{alias.name}", at_runtime) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [Import(alias.name, at_runtime) for alias in node.names]
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        pending += [
            (inner, at_runtime and not guarded)
            for inner in ast.iter_child_nodes(node)
            if not isinstance(inner, ast.expr)
        ]
    return found


IMPORTS = {file: imports(file) for file in sorted(PLUGINS.rglob("*.py")) if file.name != "__init__.py"}


def place_of(file: Path) -> str:
    """The row that a file belongs to: its folder, or itself where it is shared by all packages."""
    folder = f"{file.parent.relative_to(PLUGINS)}/"
    return str(file.relative_to(PLUGINS)) if folder in ("module_utils/", "plugin_utils/") else folder


def file_of(name: str) -> Path:
    """The file of one of our modules, by the full name of the module or of something in it."""
    path = PLUGINS.joinpath(*name[len(OURS) :].split("."))
    return next(file for file in (path.with_suffix(".py"), path.parent.with_suffix(".py")) if file in IMPORTS)


def ours(file: Path) -> t.Iterator[tuple[Path, bool]]:
    return ((file_of(name), at_runtime) for name, at_runtime in IMPORTS[file] if name.startswith(OURS))


def test_every_place_has_a_row_and_every_row_a_place() -> None:
    assert set(map(place_of, IMPORTS)) == set(TABLE)


def test_a_package_only_says_what_it_is_for() -> None:
    """In `__init__.py`. Without imports there, what lies in the files is all that is imported."""
    assert [file for file in PLUGINS.rglob("__init__.py") if imports(file)] == []


def test_imports_go_downwards_only() -> None:
    """Within a layer, only where the table says so; what it says there is used."""
    crossings = {(place_of(file), place_of(other)): file for file in IMPORTS for other, _at_runtime in ours(file)}
    not_down = {
        pair: file for pair, file in crossings.items() if TABLE[pair[1]][0] >= TABLE[pair[0]][0] and pair[0] != pair[1]
    }
    allowed = {(place, other) for place, (_layer, beside) in TABLE.items() for other in beside}
    assert not_down.keys() == allowed, {str(file): pair for pair, file in not_down.items() if pair not in allowed}
    assert all(TABLE[place][0] == TABLE[other][0] for place, other in allowed), "what lies higher is not beside"


def test_no_file_imports_itself_through_others() -> None:
    graph = {file: {other for other, at_runtime in ours(file) if at_runtime} for file in IMPORTS}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the files


def test_libraries_know_nothing_of_ansible() -> None:
    """Without AnsibleModule and Display they run, and are tested, without a host."""
    libraries = [file for file in IMPORTS if file.is_relative_to(PLUGINS / "module_utils")]
    for file in libraries:
        names = [name for name, _at_runtime in IMPORTS[file]]
        assert [name for name in names if re.match(r"ansible(\.|$)|\.", name) or "plugin_utils" in name] == [], file
