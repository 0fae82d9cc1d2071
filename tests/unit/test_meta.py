# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every module and every file, so that none is forgotten."""

from __future__ import annotations

import ast
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = sorted(p.stem for p in (REPOSITORY / "plugins/modules").glob("*.py") if p.stem != "__init__")
FRAGMENTS = {"boxlift.portal.attributes", "boxlift.portal.attributes.actiongroup_portal"}
# Keywords of a task that are neither its module nor its name.
TASK_KEYWORDS = set(
    re.findall(
        r"\w+",
        """
        become become_user block changed_when check_mode delegate_to diff failed_when loop loop_control name no_log
        notify register rescue run_once tags timeout until retries delay vars when
        """,
    )
)


def tracked(*patterns: str) -> list[Path]:
    """Files that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return sorted(p for p in (REPOSITORY / name for name in set(names.split("\0")) if name) if p.is_file())


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def strings_of(module: str) -> dict[str, str]:
    """DOCUMENTATION, EXAMPLES and RETURN of a module, without importing it."""
    tree = ast.parse(text_of(REPOSITORY / f"plugins/modules/{module}.py"))
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def tasks_of(document: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """Every task of an EXAMPLES block, whether it stands alone, in a play or in a block."""
    for item in document if isinstance(document, list) else [document]:
        inner = [item[key] for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always") if key in item]
        for tasks in inner:
            yield from tasks_of(tasks)
        if not inner and "hosts" not in item:
            yield item


@pytest.mark.parametrize("module", MODULES)
class TestModule:
    def test_documents_its_attributes(self, module: str) -> None:
        documentation = yaml.safe_load(strings_of(module)["DOCUMENTATION"])
        assert set(documentation.get("extends_documentation_fragment", [])) >= FRAGMENTS
        described = set(documentation.get("attributes", {}))
        if "boxlift.portal.attributes.info_module" not in documentation["extends_documentation_fragment"]:
            assert {"check_mode", "diff_mode", "idempotent"} <= described

    def test_is_in_the_action_group(self, module: str) -> None:
        runtime = yaml.safe_load(text_of(REPOSITORY / "meta/runtime.yml"))
        assert module in runtime["action_groups"]["portal"]

    def test_has_unit_tests(self, module: str) -> None:
        # A module without main() is the documentation of its action.
        kind = "modules" if "\ndef main()" in text_of(REPOSITORY / f"plugins/modules/{module}.py") else "action"
        assert (REPOSITORY / f"tests/unit/plugins/{kind}/test_{module}.py").exists()

    def test_examples_are_named_tasks_with_full_names(self, module: str) -> None:
        tasks = list(tasks_of(yaml.safe_load(strings_of(module)["EXAMPLES"])))
        used = {key for task in tasks for key in task if key not in TASK_KEYWORDS}
        assert f"boxlift.portal.{module}" in used
        assert [name for name in used if name.count(".") != 2] == []
        assert all(task.get("name") for task in tasks)

    def test_returned_values_have_samples(self, module: str) -> None:
        returned = yaml.safe_load(strings_of(module)["RETURN"])
        assert [key for key, value in returned.items() if "sample" not in value and "contains" not in value] == []


def test_the_action_group_names_existing_modules() -> None:
    runtime = yaml.safe_load(text_of(REPOSITORY / "meta/runtime.yml"))
    assert set(runtime["action_groups"]["portal"]) <= set(MODULES)


def test_license_lines() -> None:
    lines = ["SPDX-FileCopyrightText: boxlift.portal contributors", "SPDX-License-Identifier: GPL-3.0-or-later"]
    # What went wrong somewhere is kept as it was.
    inputs = REPOSITORY / "tests" / "unit" / "faults"
    files = [p for p in tracked("*.py", "*.sh", "*.php") if p.stat().st_size > 0 and p.parent != inputs]
    assert len(files) > 5
    assert [str(p.relative_to(REPOSITORY)) for p in files if any(line not in text_of(p)[:600] for line in lines)] == []


def test_no_path_of_one_machine() -> None:
    """A path that exists on the author's machine alone makes a file wrong everywhere else."""
    forbidden = re.compile(rf"(?<![\w.-]){re.escape(str(REPOSITORY))}(/|\b)")
    wrong = [
        f"{p.relative_to(REPOSITORY)}: {match.group()}"
        for p in tracked()
        if p != Path(__file__).resolve() and (match := forbidden.search(text_of(p)))
    ]
    assert wrong == []


def test_no_ignore_files() -> None:
    names = [p.name for p in tracked("tests/sanity/*", "*.ansible-lint-ignore", ".ansible-lint-ignore")]
    assert [name for name in names if "ignore" in name] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_result_has_a_key_by_which_ansible_judges_the_task(module: str) -> None:
    """A list `skipped` with anything in it would make a task of it that did not run."""
    returned = yaml.safe_load(strings_of(module).get("RETURN", "")) or {}
    assert not {"skipped", "failed", "unreachable", "skip_reason", "exception"} & set(returned)
