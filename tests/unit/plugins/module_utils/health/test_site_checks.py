# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner, site_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import REGISTRY

GOOD = """
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import failed, passed
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check


@check("branch.printers", why="Waybills are printed here.", expected="on", remedy="Switch it on.")
def printers(context):
    return failed(context.no_files)
"""


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collection's checks, and a place for those of one test."""
    monkeypatch.setattr(REGISTRY, "checks", dict(REGISTRY.checks))


def write(folder: pathlib.Path, name: str, text: str) -> pathlib.Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o644)
    return path


def refuse(*_arguments: t.Any) -> t.Any:
    raise AssertionError("no connection is made here")


def test_a_sites_check_is_asked_like_any_other(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "printers.py", GOOD)
    assert site_checks.load(str(tmp_path), REGISTRY) == ["branch.printers"]
    checks = runner.select(REGISTRY, "host", ["branch"])
    (finding,) = runner.run(Context(now=time.time, connect=refuse, no_files="seen"), checks)
    assert (finding.id, finding.status, finding.observed, finding.remedy) == (
        *("branch.printers", "fail", "seen", "Switch it on."),
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x = 1\nif x\n", 2, "SyntaxError"),
        ("\n\nimport a_module_that_is_nowhere\n", 3, "ModuleNotFoundError"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", 2, "ZeroDivisionError"),
        (GOOD + GOOD.replace("def printers", "def again"), 14, "the id is taken"),
        (GOOD.replace("branch.printers", "web.answers"), 6, "the id is taken"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: pathlib.Path, text: str, line: int, words: str) -> None:
    path = write(tmp_path, "broken.py", text)
    with pytest.raises(BoxliftError) as error:
        site_checks.load(str(tmp_path), REGISTRY)
    assert error.value.message.startswith(f"checks_dir: {path}, line {line}: ")
    assert words in error.value.message


def test_a_file_that_others_may_write_is_not_run(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "open.py", "raise AssertionError('was run')").chmod(0o666)
    with pytest.raises(BoxliftError, match=r"open\.py may be written by others"):
        site_checks.load(str(tmp_path), REGISTRY)


def test_an_empty_or_missing_folder_is_no_success(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BoxliftError, match="no file registers a check"):
        site_checks.load(str(tmp_path), REGISTRY)
    with pytest.raises(BoxliftError, match="is no directory"):
        site_checks.load(str(tmp_path / "none"), REGISTRY)
