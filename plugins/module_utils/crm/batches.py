# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to a batch, result by result while its bytes arrive."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import refusal
from ansible_collections.boxlift.portal.plugins.module_utils.crm.stream import JsonStream, NotJson


class BatchAnswer:
    """What a batch says beside the results of its commands, each by the command's key."""

    def __init__(self) -> None:
        self.errors: dict[str, t.Any] = {}
        self.totals: dict[str, t.Any] = {}
        self.nexts: dict[str, t.Any] = {}
        self.times: dict[str, t.Any] = {}

    def read(self, stream: JsonStream) -> t.Iterator[str]:
        """The key of each result that comes; whoever gets it takes the result from the stream.

        At the end everything else is known. Raises what `refusal` gives, NotJson or Cut.
        """
        if stream.peek() != "{":
            raise NotJson("a page instead of JSON")
        failure: dict[str, t.Any] = {}
        found = False
        for name in stream.members():
            if name == "result" and stream.peek() == "{":
                for part in stream.members():
                    if part == "result" and stream.peek() in "{[":
                        found = True
                        yield from stream.members()
                    else:
                        self._keep(part, stream.value())
            elif name in ("error", "error_description"):
                failure[name] = stream.value()
            else:
                stream.skip()
        if failure:
            raise refusal("batch", 200, failure)
        if not found:
            raise NotJson("the answer has no results")
        stream.end()

    def _keep(self, part: str, value: t.Any) -> None:
        keyed = value if isinstance(value, dict) else {}
        if isinstance(value, list):
            keyed = {str(number): each for number, each in enumerate(value)}
        if part == "result_error":
            self.errors = keyed
        elif part == "result_total":
            self.totals = keyed
        elif part == "result_next":
            self.nexts = keyed
        elif part == "result_time":
            self.times = keyed
