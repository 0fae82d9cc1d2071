# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a page as a browser would, and demands that its tags are in balance."""

from __future__ import annotations

import html.parser

VOID = {"meta", "br", "line", "rect", "path"}


class Balance(html.parser.HTMLParser):
    """Every tag that opens is closed, in the right order; `text` is what people read."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def parts(self, tag: str) -> bool:
        """Whether what follows the tag is another word."""
        return True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.text += " " if self.parts(tag) else ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
