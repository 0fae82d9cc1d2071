# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the fixture portal's tables and the files they name, as a cloud backup brings them.

Every module has functions `table(world) -> rows`, registered by name in `ROWS`.
"""

from __future__ import annotations

import pathlib
import re

from lab.dump_writer import Table, read_schema

from . import crm, files, people, services, site, work

SCHEMA = pathlib.Path(__file__).parents[1] / "schema"
ROWS = {**site.ROWS, **people.ROWS, **crm.ROWS, **work.ROWS, **files.ROWS, **services.ROWS}
VIEWS = {
    "v_active_staff": (
        "select `b_user`.`ID` AS `ID`,`b_user`.`LOGIN` AS `LOGIN`,concat(`b_user`.`NAME`,' ',`b_user`.`LAST_NAME`) "
        "AS `FULL_NAME` from `b_user` where `b_user`.`ACTIVE` = 'Y' and `b_user`.`BLOCKED` = 'N'"
    )
}


def schema() -> dict[str, Table]:
    """All tables, in the order of their names, as a dump has them."""
    tables: dict[str, Table] = {}
    for path in SCHEMA.glob("*.sql"):
        tables.update(read_schema(path.read_text(encoding="utf-8")))
    return dict(sorted(tables.items()))


def structure_only(table: str) -> bool:
    """Whether a backup leaves out the rows: statistics, search index, event log."""
    kept = ("b_search_custom_rank", "b_search_phrase")
    return table not in kept and re.match(r"b_stat|b_search_|b_event_log$", table) is not None
