# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every other check stands on: the portal answers, its settings can be read, its database can be asked."""

from __future__ import annotations

from urllib.parse import urlsplit

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.client import Unreachable
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import DBCONN, SETTINGS
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import portal_login
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import BACKUP_MASK
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import has_table

_GOOD = (200, 301, 302, 303, 307, 308, 401)


@check(
    "web.answers",
    why="Users, the mobile application and every integration come in through this address.",
    expected="base_url answers with 200, a redirect within the portal, or 401",
    remedy="Look at the logs of nginx and PHP-FPM; see that the services run and that the name leads to this host.",
    reference="site checker: check_server_vars",
    vantage=ANYWHERE,
)
def web_answers(context: Context) -> Verdict:
    url = context.address("/")
    try:
        answer = context.http.request(url)
    except Unreachable as problem:
        return failed(problem.message)
    target = answer.header("Location")
    if answer.status in (301, 302, 303, 307, 308) and urlsplit(target).hostname not in (None, context.host):
        return failed(
            f"{url} redirects to another host: {target}", "Run boxlift.portal.portal_site with the new domain."
        )
    return (passed if answer.status in _GOOD else failed)(f"{url} answered {answer.status}")


@check(
    "settings.readable",
    why="Without .settings.php the portal does not start; what cannot be read cannot be checked.",
    expected="bitrix/.settings.php and bitrix/php_interface/dbconn.php (or those in local/) are there and can be read",
    remedy="Restore the portal again, or correct document_root.",
)
def settings_readable(context: Context) -> Verdict:
    files = context.files
    missing = [name for name in (SETTINGS, DBCONN) if files.find(name) is None]
    if missing:
        return failed(f"missing in {files.root}: {', '.join(missing)}")
    files.dbconn()
    unread = [str(path) for path in (files.shadowed(SETTINGS), files.shadowed(DBCONN)) if path]
    if unread:
        return warned(
            f"{', '.join(unread)} is not read, because local/ has its own", "Delete the file that is not used."
        )
    return passed(f"{len(context.sections())} sections")


@check(
    "settings.credentials",
    why="The vendor's backup masks the credentials; a portal that still has the mask cannot reach its database.",
    expected="no login, password or database name is the backup's mask, and both files say the same",
    remedy="Set connections.default (and DBLogin, DBPassword, DBName where dbconn.php has them) with portal_settings.",
    reference="vendor's backup: masked keys of connections and dbconn.php",
    needs=("settings.readable",),
)
def settings_credentials(context: Context) -> Verdict:
    connections = context.setting("connections")
    masked = [
        f"connections.{name}.{key}"
        for name, values in (connections if isinstance(connections, dict) else {}).items()
        if isinstance(values, dict)
        for key in ("host", "login", "password", "database")
        if values.get(key) == BACKUP_MASK
    ]
    variables = context.files.dbconn().variables
    pairs = {"DBHost": "host", "DBLogin": "login", "DBPassword": "password", "DBName": "database"}
    masked += [f"${name}" for name in pairs if variables.get(name) == BACKUP_MASK]
    if masked:
        return failed(f"still masked: {', '.join(masked)}")
    if not isinstance(context.setting("connections", "default"), dict):
        return failed("there is no connections.default")
    differing = [
        f"${name}"
        for name, key in pairs.items()
        if name in variables and variables[name] != context.setting("connections", "default", key)
    ]
    if differing:
        return failed(f"dbconn.php and .settings.php differ in {', '.join(differing)}")
    return passed("credentials are written out" + (", the same in both files" if set(pairs) & set(variables) else ""))


@check(
    "database.reachable",
    why="Nearly everything that a portal knows is in its database.",
    expected="the database answers and is a portal's",
    remedy="Start the server; check the option database, or the credentials in .settings.php.",
)
def database_reachable(context: Context) -> Verdict:
    try:
        found = has_table(context.connection, "b_option")
    except BoxliftError as error:
        if "code" not in error.details:
            raise  # nothing was asked of the server
        return failed(error.message, error.remedy)
    if not found:
        return failed("there is no table b_option", "Restore the dump; is this the right database?")
    return passed(f"server {context.value('SELECT VERSION()')}")


@check(
    "database.login",
    why="The portal logs in with what its own files say, whatever the administrator's account may do.",
    expected="the portal's own credentials open its database",
    remedy="Make the account and the password in .settings.php agree (role boxlift.portal.database, portal_settings).",
    reference="site checker: check_mysql_connection",
    needs=("settings.credentials",),
)
def database_login(context: Context) -> Verdict:
    login, name = portal_login(context.files)
    try:
        conn = context.connect(login, name)
    except BoxliftError as error:
        if "code" not in error.details:
            raise  # nothing was asked of the server
        return failed(error.message, error.remedy)
    try:
        if not has_table(conn, "b_option"):
            return failed(f"{login} opens {name}, where there is no table b_option")
    finally:
        conn.close()
    return passed(f"{login} opens {name}")
