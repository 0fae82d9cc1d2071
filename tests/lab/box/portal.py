# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The REST interface of the fixture portal on its web host; PHP passes requests on to it (services/rest/index.php).

    python -m lab.box.portal --root /srv/portal/www --port 8091 --offset +03:00

It finds the database where PHP finds it, in the portal's `.settings.php`, and looks again when that file has changed.
Webhooks are the portal's own: active rows of `b_rest_ap`. Where there is no portal yet it ends, to be started again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import subprocess
import time
import typing as t
from pathlib import Path

import pymysql

from lab.box.mariadb import CONVERSIONS, MariaDBStore
from lab.crm.fields import Zone
from lab.crm.portal import Rules
from lab.crm.server import CrmService
from lab.rest.answers import Credential, Refused, Row
from lab.rest.server import PortalServer

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

_FILES = ("local/.settings.php", "bitrix/.settings.php", "bitrix/.settings_extra.php", "local/.settings_extra.php")
_READ = """
error_reporting(0);
$sections = [];
foreach (array_slice($argv, 1) as $file) {
    if (is_file($file)) {
        $sections = array_replace($sections, include $file);
    }
}
echo json_encode($sections["connections"]["value"]["default"] ?? null);
"""


class Site:
    """A portal's folder, and the way to its database."""

    def __init__(self, root: Path) -> None:
        self._files = [root / name for name in _FILES]
        self._known: tuple[object, ...] = ()

    def _state(self) -> tuple[object, ...]:
        found: list[object] = []
        for path in self._files:
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((path, status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def changed(self) -> bool:
        """Whether the settings are others than those of the last connection."""
        return self._state() != self._known

    def connect(self) -> Connection[t.Any]:
        """Raises OSError, ValueError or pymysql's errors where there is no portal, or no database."""
        self._known = self._state()
        files = [str(path) for path in self._files if path.is_file()]
        done = subprocess.run(["php", "-r", _READ, "--", *files], capture_output=True, text=True, check=False)
        section = json.loads(done.stdout or "null")
        if not section:
            raise ValueError("the portal's .settings.php names no database")
        host, _colon, rest = str(section["host"]).partition(":")
        where: Row = {"unix_socket": rest} if rest.startswith("/") else {"host": host, "port": int(rest or 3306)}
        return pymysql.connect(
            **where,
            user=section["login"],
            password=section["password"],
            database=section["database"],
            charset="utf8mb4",
            connect_timeout=5,
            conv=t.cast(t.Any, CONVERSIONS),
        )


class BoxService(CrmService):
    """The CRM of an own-hosted portal, with the portal's own webhooks."""

    def __init__(self, site: Site, offset: str, clock: t.Callable[[], float] = time.time) -> None:
        self.site = site
        self.tables = MariaDBStore(site.connect, Zone(offset))
        super().__init__(self.tables, Rules(box=True, zone=offset), clock)
        self.https_only = False  # PHP has come by TLS

    def credential(self, path: list[str], parameters: Row, header: str) -> Credential:
        if self.site.changed():
            self.tables.close()
            self.crm.forget_fields()
        stopped = self.tables.rows("SELECT VALUE FROM b_option WHERE MODULE_ID='main' AND NAME='site_stopped'", ())
        if ("Y",) in stopped:
            raise Refused("Portal is closed", "PORTAL_DELETED", 500)
        if len(path) != 2:
            return super().credential(path, parameters, header)
        sql = "SELECT w.USER_ID, w.PASSWORD FROM b_rest_ap w JOIN b_user u ON u.ID = w.USER_ID AND u.ACTIVE='Y'"
        for user, code in self.tables.rows(sql + " WHERE w.ACTIVE='Y'", ()):
            if path == [str(user), code]:
                return Credential(int(user))
        raise Refused("Invalid request credentials", "INVALID_CREDENTIALS", 401)


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="REST interface of the fixture portal")
    parser.add_argument("--root", type=Path, required=True, help="the portal's document root")
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--offset", default="+00:00", help="of the portal's time zone from UTC")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # addresses hold the webhook
    try:
        service = BoxService(Site(options.root), options.offset)
    except (OSError, ValueError, pymysql.err.Error) as error:
        raise SystemExit(f"there is no portal to answer for: {error}") from None
    server = PortalServer(service, address=("127.0.0.1", options.port))
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
