# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages as self-contained HTML that prints to A4, and the short id by which a printout is known again.

A file cannot hold its own hash. The id in the footers is the beginning of the SHA-256 of the same page with `UNKNOWN`
in its place, so `sed s/ID/UNKNOWN/g FILE | sha256sum` proves it.
"""

from __future__ import annotations

import functools
import hashlib
import pathlib
import typing as t

import jinja2
import markupsafe
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.content import Manual, Page
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.envelopes import Envelope
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual.words import Words, seen

HERE = pathlib.Path(__file__).parent
UNKNOWN = "0" * 12
_MARK = "\0"  # where the id comes; nothing that a plan says has it
SHEET_ROWS = 12  # of the supervisor's sheet on a page
SPARE_ROWS = 5  # at least so many of them are for second attempts


def manual(of: Manual, words: Words) -> tuple[str, str]:
    """The operator's manual, and its id."""
    marked = _rendered("manual.html.j2", words, manual=of, manual_id=markupsafe.Markup(_MARK))
    name = hashlib.sha256(marked.replace(_MARK, UNKNOWN).encode()).hexdigest()[: len(UNKNOWN)]
    return marked.replace(_MARK, name), name


def codes(of: Manual, words: Words, manual_id: str) -> str:
    """The supervisor's sheet."""
    rows: list[Page | None] = [*of.pages, *[None] * SPARE_ROWS]
    rows += [None] * (-len(rows) % SHEET_ROWS)
    pages = [rows[at : at + SHEET_ROWS] for at in range(0, len(rows), SHEET_ROWS)]
    return _rendered("codes.html.j2", words, manual=of, manual_id=manual_id, sheets=pages)


def envelopes(found: t.Sequence[Envelope], of: Manual, words: Words, manual_id: str) -> str:
    """A page for each sealed envelope, with its code."""
    return _rendered("envelopes.html.j2", words, manual=of, manual_id=manual_id, envelopes=found)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever a page shows of plan and input; it is escaped after this.
        finalize=seen,
    )


def _rendered(template: str, words: Words, **data: t.Any) -> str:
    style = markupsafe.Markup((HERE / "print.css").read_text("utf-8"))
    return _environment().get_template(template).render(say=words, language=words.language, style=style, **data)
