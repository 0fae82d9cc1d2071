# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that marks a pre-production host, and the checks that what is about to be changed is its copy."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import read as read_file
from ansible_collections.boxlift.portal.plugins.module_utils.portal.options import read as read_options
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

MARK = "/etc/boxlift/preproduction.json"


@dataclasses.dataclass(frozen=True)
class CopyMark:
    """What the mark states. `database_server` is the host name of the copy's database, if that is another host."""

    path: str
    domain: str
    production_domain: str
    database_server: str = ""

    @classmethod
    def read(cls, path: str) -> CopyMark:
        if not pathlib.Path(path).is_file():
            raise BoxliftError(
                f"There is no {path} on this host: nothing says that the portal here is a copy.",
                "Run the role boxlift.portal.preproduction, which marks its hosts. Never mark production.",
            )
        try:
            content = json.loads(read_file(pathlib.Path(path)))
            domain, production = content["domain"], content["production_domain"]
            server = content.get("database_server", "")
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise BoxliftError(
                f"{path} is not what the role boxlift.portal.preproduction writes: {problem!r}.", "Run the role again."
            ) from problem
        if not all(isinstance(value, str) for value in (domain, production, server)) or not (domain and production):
            raise BoxliftError(f"{path} names no domains.", "Run the role boxlift.portal.preproduction again.")
        return cls(path, domain.lower(), production.lower(), server)

    def confirm(self, confirm_domain: str) -> None:
        """Raise BoxliftError unless the operator names the domain of this copy, and it is not production's."""
        if self.domain == self.production_domain:
            raise BoxliftError(
                f"{self.path}: the copy's domain and production's are both {self.domain}.",
                "Give the pre-production host a domain of its own (site_domain) and run the role again.",
            )
        if confirm_domain.lower() != self.domain:
            kind = "production" if confirm_domain.lower() == self.production_domain else "not this host's copy"
            raise BoxliftError(
                f"confirm_domain is {confirm_domain}, which is {kind}: {self.path} says that the copy here is "
                f"{self.domain} and production {self.production_domain}.",
                "Check on which host this runs, then correct confirm_domain.",
            )

    def confirm_database(self, conn: Connection[t.Any], own_host: str) -> None:
        """Raise BoxliftError unless the database is on this host, or the one in the mark, and is this portal's."""
        server = str(rows(conn, "SELECT @@hostname AS name")[0]["name"])
        expected = self.database_server or own_host
        if server != expected:
            raise BoxliftError(
                f"The database is on the host {server}, the copy's belongs on {expected}: this may be production's.",
                f"Correct the option database; where {server} is right, let {self.path} name it as database_server.",
            )
        stored = (read_options(conn, "main").get("server_name") or "").lower().partition(":")[0]
        known = [name.partition(":")[0] for name in (self.domain, self.production_domain)]
        if stored and stored not in known:
            raise BoxliftError(
                f"The database is that of {stored} (main.server_name), neither of the copy {self.domain} nor of "
                f"production {self.production_domain}.",
                "Check which database this is; copy production again.",
            )
