# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of docs/checks: as the registry says, and without a gap in the table beside the vendor's tests."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import typing as t

import check_pages
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks

CHECKS = all_checks().checks
PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "checks"


def changed(name: str, **values: t.Any) -> dict[str, t.Any]:
    return {**CHECKS, name: dataclasses.replace(CHECKS[name], **values)}


def test_the_committed_pages_are_current(tmp_path: pathlib.Path) -> None:
    check_pages.main(str(tmp_path))
    made = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text("utf-8") for path in PAGES.iterdir()}, "tests/docs.sh checks"


def test_every_link_leads_to_a_heading(tmp_path: pathlib.Path) -> None:
    check_pages.main(str(tmp_path))
    for page in tmp_path.iterdir():
        for target, anchor in re.findall(r"\]\((\w+\.md)#(\w+)\)", page.read_text("utf-8")):
            headings = re.findall(r"^## (\S+)$", (tmp_path / target).read_text("utf-8"), re.MULTILINE)
            assert anchor in [heading.replace(".", "") for heading in headings], (page.name, target, anchor)


def test_a_reference_to_a_test_that_the_vendor_does_not_have_is_refused() -> None:
    with pytest.raises(SystemExit, match="web.answers refers to check_nothing"):
        check_pages.beside(changed("web.answers", reference="site checker: check_nothing"))


def test_a_vendors_test_that_nobody_makes_needs_a_reason() -> None:
    with pytest.raises(SystemExit, match="no check refers to check_compression"):
        check_pages.beside(changed("web.compression", reference=""))
