# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's own domain: every place in the database that holds it, and what still names the cloud's."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import DBCONN, PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import read as read_file
from ansible_collections.boxlift.portal.plugins.module_utils.portal.options import read
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# Options that hold the portal's whole URL, and the module each belongs to.
URL_OPTIONS = (
    ("imbot", "portal_url"),
    ("imopenlines", "portal_url"),
    ("voximplant", "portal_url"),
    ("transformer", "portal_url"),
    ("imconnector", "uri_client"),
)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}(?::[0-9]{{1,5}})?\Z")
_CLOUD = re.compile(r"([a-z0-9-]+)\.bitrix24\.(?:ru|com\.br|com|by|kz|eu|de|ua|net|fr|es|it|pl|in|cn)\b", re.IGNORECASE)
# Services of the vendor that a box goes on using; everything else under these domains is somebody's cloud portal.
_VENDOR_HOSTS = frozenset(
    (
        *("www", "cdn", "cdn-ru", "oauth", "auth2", "network", "im", "util", "helpdesk", "training"),
        *("cloud-messaging", "checker", "internal", "turn", "calls", "mail-001", "mail-us"),
    )
)


@dataclasses.dataclass(frozen=True)
class Address:
    """How the portal is reached."""

    domain: str
    aliases: tuple[str, ...] = ()
    https: bool = True

    def __post_init__(self) -> None:
        for host in (self.domain, *self.aliases):
            if not _HOST.match(host):
                raise BoxliftError(
                    f"{host!r} is no bare host name.",
                    "Give the name alone, in lower case, without https:// and without a path.",
                )

    @property
    def host(self) -> str:
        return self.domain.partition(":")[0]

    @property
    def url(self) -> str:
        return f"{'https' if self.https else 'http'}://{self.domain}"


@dataclasses.dataclass(frozen=True)
class Action:
    """One place that has to change, and the statements that change it."""

    where: str
    before: str
    after: str
    statements: tuple[tuple[str, tuple[t.Any, ...]], ...]


@dataclasses.dataclass(frozen=True)
class Leftover:
    """A place that still names a cloud portal and that only people can judge."""

    where: str
    value: str


def plan(conn: Connection[t.Any], address: Address) -> list[Action]:
    """What has to change so that every place has the portal's own domain."""
    return [*_options(conn, address), *_sites(conn, address), *_restriction(conn, address), *_cdn(conn)]


def apply(conn: Connection[t.Any], actions: t.Iterable[Action]) -> None:
    """Runs the planned statements; the caller holds the transaction."""
    for action in actions:
        for sql, args in action.statements:
            execute(conn, sql, args)


def _options(conn: Connection[t.Any], address: Address) -> t.Iterator[Action]:
    main = read(conn, "main")
    yield from _option(main, "main", "server_name", address.domain)
    yield from _option(main, "main", "mail_link_protocol", "https" if address.https else "http")
    installed = {row["ID"] for row in rows(conn, "SELECT ID FROM b_module")}
    for module, name in URL_OPTIONS:
        options = read(conn, module)
        if module in installed or name in options:
            yield from _option(options, module, name, address.url)


def _option(stored: t.Mapping[str, str | None], module: str, name: str, value: str) -> t.Iterator[Action]:
    if stored.get(name) == value:
        return
    if name in stored:
        sql, args = "UPDATE b_option SET VALUE = %s WHERE MODULE_ID = %s AND LOWER(NAME) = %s", (value, module, name)
    else:
        sql, args = "INSERT INTO b_option (VALUE, MODULE_ID, NAME) VALUES (%s, %s, %s)", (value, module, name)
    yield Action(f"b_option {module}.{name}", stored.get(name) or "", value, ((sql, args),))


def _sites(conn: Connection[t.Any], address: Address) -> t.Iterator[Action]:
    sites = rows(conn, "SELECT LID, SERVER_NAME, DOC_ROOT FROM b_lang WHERE ACTIVE = 'Y' ORDER BY SORT, LID")
    if not sites:
        raise BoxliftError("No site in b_lang is active.", "Activate the portal's site; is this the right database?")
    domains = rows(conn, "SELECT LID, DOMAIN FROM b_lang_domain ORDER BY LID, DOMAIN")
    wanted = list(dict.fromkeys(host.partition(":")[0] for host in (address.domain, *address.aliases)))
    for site in sites:
        lid = site["LID"]
        for column, value in (("SERVER_NAME", address.domain), ("DOC_ROOT", "")):
            if (site[column] or "") != value:
                sql = f"UPDATE b_lang SET {column} = %s WHERE LID = %s"
                yield Action(f"b_lang {lid}.{column}", site[column] or "", value, ((sql, (value, lid)),))
        stored = [row["DOMAIN"] for row in domains if row["LID"] == lid]
        if sorted(stored) != sorted(wanted):
            statements: list[tuple[str, tuple[t.Any, ...]]] = [("DELETE FROM b_lang_domain WHERE LID = %s", (lid,))]
            statements += [("INSERT INTO b_lang_domain (LID, DOMAIN) VALUES (%s, %s)", (lid, host)) for host in wanted]
            yield Action(f"b_lang_domain {lid}", " ".join(stored), " ".join(wanted), tuple(statements))


def _restriction(conn: Connection[t.Any], address: Address) -> t.Iterator[Action]:
    """The list of hosts that the module security allows; requests for others get error 403."""
    stored = read(conn, "security").get("restriction_hosts_hosts")
    if not stored:
        return
    hosts = stored.split()
    missing = [host for host in (address.host, *address.aliases) if host not in hosts]
    if missing:
        value = "\n".join([*hosts, *missing])
        sql = "UPDATE b_option SET VALUE = %s WHERE MODULE_ID = 'security' AND LOWER(NAME) = 'restriction_hosts_hosts'"
        yield Action(
            "b_option security.restriction_hosts_hosts", " ".join(hosts), value.replace("\n", " "), ((sql, (value,)),)
        )


def _cdn(conn: Connection[t.Any]) -> t.Iterator[Action]:
    """Switch off the cloud's content network, which would serve the old domain's files."""
    if not has_table(conn, "b_bitrixcloud_option"):
        return
    condition = "NAME = 'cdn_config_active' AND PARAM_VALUE NOT IN ('', '0', 'N')"
    active = rows(conn, f"SELECT PARAM_VALUE FROM b_bitrixcloud_option WHERE {condition}")
    if active:
        sql = f"UPDATE b_bitrixcloud_option SET PARAM_VALUE = '0' WHERE {condition}"
        yield Action("b_bitrixcloud_option cdn_config_active", str(active[0]["PARAM_VALUE"]), "0", ((sql, ()),))


def has_table(conn: Connection[t.Any], table: str) -> bool:
    sql = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s"
    return bool(rows(conn, sql, [table]))


def cloud_names(text: object) -> list[str]:
    """Host names of cloud portals in a text, without the vendor's own services."""
    found = [match for match in _CLOUD.finditer(str(text or "")) if match.group(1).lower() not in _VENDOR_HOSTS]
    return sorted({match.group(0).lower() for match in found})


def leftovers(conn: Connection[t.Any], ours: t.Container[str] = ()) -> list[Leftover]:
    """Where the database still names a cloud portal: options and sites. `ours` are places that plan() sets."""
    result = []
    like = "VALUE LIKE '%.bitrix24.%'"
    options = rows(conn, f"SELECT MODULE_ID, NAME, '' SITE_ID, VALUE FROM b_option WHERE {like}")
    options += rows(conn, f"SELECT MODULE_ID, NAME, SITE_ID, VALUE FROM b_option_site WHERE {like}")
    for row in options:
        table = f"b_option_site {row['SITE_ID']}" if row["SITE_ID"] else "b_option"
        where = f"{table} {row['MODULE_ID']}.{row['NAME']}"
        result += [
            Leftover(where, ", ".join(names)) for names in [cloud_names(row["VALUE"])] if names and where not in ours
        ]
    for row in rows(conn, "SELECT LID, NAME, SITE_NAME, SERVER_NAME, EMAIL FROM b_lang"):
        for column in ("NAME", "SITE_NAME", "SERVER_NAME", "EMAIL"):
            names, where = cloud_names(row[column]), f"b_lang {row['LID']}.{column}"
            if names and where not in ours:
                result.append(Leftover(where, ", ".join(names)))
    for row in rows(conn, "SELECT LID, DOMAIN FROM b_lang_domain"):
        names, where = cloud_names(row["DOMAIN"]), f"b_lang_domain {row['LID']}"
        if names and where not in ours:
            result.append(Leftover(where, ", ".join(names)))
    return sorted(result, key=lambda left: left.where)


def cloud_constants(files: PortalFiles) -> list[Leftover]:
    """Configuration files that name BX24_HOST_NAME, the cloud's constant, which overrides every other place."""
    places = (DBCONN, "php_interface/init.php", "php_interface/after_connect_d7.php")
    found = [path for path in map(files.find, places) if path is not None and b"BX24_HOST_NAME" in read_file(path)]
    return [Leftover(str(path), "BX24_HOST_NAME") for path in found]
