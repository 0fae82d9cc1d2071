# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages on paper, by headless Chromium: as many as there are sections, of A4, and none of them too full."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual import page
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.envelopes import Envelope
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.words import Words
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.text import LANGUAGES
from unit.plugins.plugin_utils.manual import sites

PROGRAMS = ("chromium", "pdfinfo", "pdftotext")
MOST_SECONDS = 120  # for one document on a busy machine
#: It stands below everything else on a page, in the smallest type, so that it is cut off first.
LAST = "last-line"


@pytest.fixture(autouse=True)
def programs() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is missing: apt-get install chromium poppler-utils")


def printed(folder: Path, source: str) -> tuple[list[str], str]:
    """The text of each page, and what pdfinfo says of all."""
    (folder / "page.html").write_text(source, encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={folder}/profile", "--no-pdf-header-footer", f"--print-to-pdf={folder}/page.pdf"]
    subprocess.run([*command, f"file://{folder}/page.html"], capture_output=True, check=True, timeout=MOST_SECONDS)
    said = [
        subprocess.run(each, capture_output=True, check=True, text=True, timeout=MOST_SECONDS).stdout
        for each in (["pdftotext", f"{folder}/page.pdf", "-"], ["pdfinfo", f"{folder}/page.pdf"])
    ]
    return said[0].split("\f")[:-1], said[1]


def test_a_usual_manual_has_a_page_for_each_item(tmp_path: Path) -> None:
    found, source, manual_id = sites.made(sites.plan())
    texts, said = printed(tmp_path, source)
    assert len(texts) == found.count
    assert re.search(r"Page size: +59[45]\.\d+ x 84[12]\.\d+ pts \(A4\)", said)
    assert [number for number, text in enumerate(texts, start=1) if manual_id not in text] == []
    assert all(f"mig {one.number}" in texts[one.page - 1] for one in found.pages)


def test_a_plan_that_says_far_too_much_fits_in_every_language(tmp_path: Path) -> None:
    """The pages before the items, the decision and the work with the most text, of all languages in one document."""
    document, expected = "", 0
    for language in LANGUAGES:
        found, source, _id = sites.made(sites.wordy(language))
        head, *sections = re.split(r"(?=<section )", source.removesuffix("</body>\n</html>"))
        fullest = sorted(found.pages, key=lambda one: one.scale)[:2]
        chosen = [*range(found.pages[0].page - 1), *(one.page - 1 for one in fullest)]
        document = document or head
        document += f'<div lang="{language}" dir="{Words(language).direction}" class="page-group">'
        document += "".join(marked(sections[number]) for number in chosen) + "</div>"
        expected += len(chosen)
    texts, _said = printed(tmp_path, document + "</body></html>")
    assert len(texts) == expected
    assert [number for number, text in enumerate(texts, start=1) if LAST not in text] == []


def marked(section: str) -> str:
    """With one more line at the end of what may be cut off."""
    line = f'<p class="hash">{LAST}</p>'
    for end in ('</div>\n<div class="lost">', "</div>\n<footer>", "<footer>"):
        if end in section:
            return section.replace(end, line + end)
    raise AssertionError(section)


def test_sheet_and_envelopes(tmp_path: Path) -> None:
    found, _source, manual_id = sites.made(sites.wordy("de"))
    words = Words("de")
    texts, said = printed(tmp_path, page.codes(found, words, manual_id))
    assert re.search(r"Page size: +84[12]\.\d+ x 59[45]\.\d+ pts \(A4\)", said)
    sheets = -(-(len(found.pages) + page.SPARE_ROWS) // page.SHEET_ROWS)
    assert len(texts) == sheets == sum(manual_id in text for text in texts)
    sealed = [Envelope("stop", "mig stop", ("40711", "22694", "55086"), number, 2) for number in (1, 2)]
    texts, _said = printed(tmp_path, page.envelopes(sealed, found, words, manual_id))
    assert len(texts) == 2 == sum("55086" in text and manual_id in text for text in texts)
