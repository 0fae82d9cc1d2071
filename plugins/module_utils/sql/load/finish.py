# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The views of a dump, made when all tables are there."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import StatementFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import Query, Session

_NO_SUCH_TABLE = 1146


def create_views(session: Session, views: t.Sequence[dict[str, t.Any]]) -> None:
    """In rounds, because a view may be made of views that come later in the dump."""
    waiting = list(views)
    while waiting:
        failed = []
        for view in waiting:
            text = view["sql"].encode("utf-8", "surrogateescape")
            file, offset, line = view["place"]
            try:
                session.run(Query(text, view["charset"], Statement(file, offset, line, text)), view["name"])
            except StatementFailed as error:
                if error.details["code"] != _NO_SUCH_TABLE:
                    raise
                failed.append((view, error))
        if len(failed) == len(waiting):
            raise failed[0][1]
        waiting = [view for view, _error in failed]
