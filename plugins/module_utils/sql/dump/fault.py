# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors of a dump and of its import. Those about a statement name the file, byte offset and line."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

EXCERPT = 100


def excerpt(text: bytes) -> str:
    """The first 100 characters of a statement, printable and on one line."""
    shown = text[: EXCERPT * 4].decode("utf-8", "backslashreplace")[:EXCERPT]
    return "".join(char if char.isprintable() else " " for char in shown)


class DumpError(BoxliftError):
    """The dump is not whole: cut off, without its closing line, or with a statement above the size limit."""


class StatementRefused(BoxliftError):
    """A statement that this importer never runs; nothing of it reached the server.

    `spoiled` is true where it may be one of the portal's own that is damaged or out of its place.
    """

    def __init__(self, reason: str, *, file: str, offset: int, line: int, text: bytes, spoiled: bool = False) -> None:
        super().__init__(
            f"{file}: the statement at byte {offset} (line {line}) is refused: {reason}. "
            f"It begins with: {excerpt(text)}",
            "Order a new backup: this dump is not as the portal writes it."
            if spoiled
            else "A portal's dump holds no such statement: somebody may have tampered with it. Take the backup again "
            "from its source, and do not use this one before you know who changed it.",
            file=file,
            offset=offset,
            line=line,
            statement=excerpt(text),
        )
        self.reason = reason


class StatementImpossible(BoxliftError):
    """A harmless statement that no server can take; nothing of it reached the server."""

    def __init__(self, reason: str, *, file: str, offset: int, line: int, text: bytes) -> None:
        super().__init__(
            f"{file}: the statement at byte {offset} (line {line}) cannot be run: {reason}. "
            f"It begins with: {excerpt(text)}",
            "Rename the table at the source and order a new backup.",
            file=file,
            offset=offset,
            line=line,
            statement=excerpt(text),
        )
        self.reason = reason


class StatementFailed(BoxliftError):
    """A statement that the server could not run."""

    def __init__(
        self,
        *,
        file: str,
        offset: int,
        line: int,
        text: bytes,
        table: str,
        code: int,
        server: str,
        remedy: str,
        row: int | None = None,
    ) -> None:
        place = f"{file}: the statement at byte {offset} (line {line}) for {table}"
        details: dict[str, t.Any] = {"file": file, "offset": offset, "line": line, "table": table, "code": code}
        if row is not None:
            place += f", row {row} of the table"
            details["row"] = row
        super().__init__(
            f"{place} failed: {server} (error {code}). It begins with: {excerpt(text)}",
            remedy,
            statement=excerpt(text),
            **details,
        )
        self.reason = f"{server} (error {code})"


class RowsMissing(BoxliftError):
    """After the import, tables on the server do not have as many rows as in the dump."""

    def __init__(self, differences: t.Sequence[dict[str, t.Any]]) -> None:
        shown = ", ".join(f"{d['table']} has {d['found']} of {d['expected']}" for d in differences[:10])
        more = f" and {len(differences) - 10} more" if len(differences) > 10 else ""
        super().__init__(
            f"Rows are missing or too many after the import: {shown}{more}.",
            "Drop the staging database and import again; if it happens again, look at the server's error log.",
            differences=list(differences),
        )
