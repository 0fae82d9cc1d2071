# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `.settings.php` and `dbconn.php` say, and whether they can be read at all."""

from __future__ import annotations

import pathlib
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import DBCONN, SETTINGS, read
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import Opaque
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import BACKUP_MASK

_NEEDS = ("settings.readable",)
# Keys that installation images ship, hence publicly known.
_KNOWN_KEYS = ("mysupersecretphrase",)
_INSTALLER = ("SHORT_INSTALL", "SHORT_INSTALL_CHECK", "VM_INSTALL")


@check(
    "settings.readable",
    why="Without .settings.php the portal does not start; what cannot be read cannot be checked.",
    expected="bitrix/.settings.php and bitrix/php_interface/dbconn.php (or those in local/) are there and can be read",
    remedy="Restore the portal again, or correct document_root.",
    blocks="everybody",
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
    blocks="everybody",
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
    "settings.crypto_key",
    why="Mail passwords, tokens and telephone numbers are encrypted with this key: without the old one they are lost, "
    "with a known one they are readable.",
    expected="crypto.crypto_key is the old portal's own secret",
    remedy="Take crypto_key over from the old .settings.php; without it, generate one and have mail accounts, "
    "OAuth tokens and telephone confirmations entered again.",
    blocks="some",
    reference=".settings.php crypto",
    needs=_NEEDS,
)
def settings_crypto_key(context: Context) -> Verdict:
    key = context.setting("crypto", "crypto_key")
    if isinstance(key, Opaque):
        raise CannotLook("crypto_key is computed by an expression")
    if not key:
        if context.setting("session", "mode") == "separated":
            return failed("there is no crypto_key, and separated sessions cannot be opened without it")
        return warned(
            "there is no crypto_key; the portal will make one, and what the old one encrypted stays unreadable"
        )
    if str(key).lower() in _KNOWN_KEYS:
        return failed("crypto_key is the phrase of the installation image, which everybody knows")
    if len(str(key)) < 16:
        return warned(f"crypto_key has only {len(str(key))} characters")
    return passed(f"a key of {len(str(key))} characters")


@check(
    "settings.session",
    why="Wrong session or cookie settings log people out at every click, or never let them in.",
    expected="session handlers are complete and the cookies' attributes fit the portal's address",
    remedy="Correct the sections session and cookies with portal_settings.",
    blocks="some",
    reference=".settings.php session, cookies",
    needs=_NEEDS,
)
def settings_session(context: Context) -> Verdict:
    wrong, mode = [], context.setting("session", "mode") or "default"
    if mode not in ("default", "separated"):
        wrong.append(f"session.mode is {mode!r}")
    kernel = context.setting("session", "handlers", "kernel")
    if mode == "separated" and kernel != "encrypted_cookies":
        wrong.append("session.mode separated needs handlers.kernel encrypted_cookies")
    general = context.setting("session", "handlers", "general")
    kind = general.get("type", "file") if isinstance(general, dict) else general or "file"
    if kind not in ("file", "database", "redis", "memcache", "null"):
        wrong.append(f"session.handlers.general is {kind!r}")
    if (
        kind in ("redis", "memcache")
        and isinstance(general, dict)
        and not (general.get("host") or general.get("servers"))
    ):
        wrong.append(f"session.handlers.general {kind} has no host")
    lifetime = context.setting("session", "lifetime")
    if isinstance(lifetime, int) and 0 < lifetime < 900:
        wrong.append(f"session.lifetime is {lifetime} seconds")
    secure = context.setting("cookies", "secure")
    if secure is True and context.base_url.startswith("http:"):
        wrong.append("cookies.secure is true on a portal without https: nobody can log in")
    samesite = context.setting("cookies", "samesite")
    if isinstance(samesite, str) and samesite.lower() == "none" and secure is not True:
        wrong.append("cookies.samesite None without secure: browsers drop the cookie")
    return failed("; ".join(wrong)) if wrong else passed(f"mode {mode}, sessions in {kind}")


@check(
    "settings.debug",
    why="With debugging on, visitors see paths, queries and stack traces.",
    expected="exception_handling.debug is false",
    remedy="Set exception_handling.debug to false with portal_settings.",
    blocks="nobody",
    reference="security scanner: debug",
    needs=_NEEDS,
)
def settings_debug(context: Context) -> Verdict:
    debug = context.setting("exception_handling", "debug")
    variables = context.files.dbconn().variables
    on = ["exception_handling.debug"] if debug not in (None, False) else []
    on += [f"${name}" for name in ("DBDebug", "DBDebugToFile") if variables.get(name) is True]
    return failed(f"on: {', '.join(on)}") if on else passed("off")


@check(
    "settings.installer_constants",
    why="Constants of the installer change how the portal starts; BX_CRONTAB there stops sessions and agents on hits.",
    expected="dbconn.php defines neither the installer's constants nor BX_CRONTAB",
    remedy="Remove them with portal_settings (constants: NAME: null).",
    blocks="some",
    reference="site checker: check_bx_crontab",
    needs=_NEEDS,
)
def settings_installer_constants(context: Context) -> Verdict:
    constants = context.files.dbconn().constants
    if "BX_CRONTAB" in constants:
        return failed("dbconn.php defines BX_CRONTAB")
    found = [name for name in _INSTALLER if name in constants]
    return warned(f"dbconn.php defines {', '.join(found)}") if found else passed("none of them")


def _server_problem(context: Context, name: str, server: dict[t.Any, t.Any], port: int) -> str:
    """Why the server that a section of the settings names cannot be reached; empty if it can."""
    listed = server.get("servers")
    servers = list(listed.values()) if isinstance(listed, dict) and listed else [server]
    for each in servers:
        host, number = (
            (each.get("host") or "127.0.0.1", each.get("port") or port) if isinstance(each, dict) else ("", 0)
        )
        if not isinstance(host, str) or not str(number).isdigit():
            raise CannotLook(f"{name} computes its host or port by an expression")
        if host.startswith(("/", "unix://")):
            path = pathlib.Path(host.replace("unix://", ""))
            if not (path.exists() and stat.S_ISSOCK(path.stat().st_mode)):
                return f"{path} is no socket"
            continue
        problem = context.reaches(host, int(number))
        if problem:
            return f"{host}:{number} cannot be reached ({problem})"
    return ""


@check(
    "settings.session_server",
    why="The cloud's session server is not here; a portal that cannot reach its sessions lets nobody in.",
    expected="the server that session.handlers.general names can be reached",
    remedy="Set section session with portal_settings to a server of this site (role boxlift.portal.cache).",
    blocks="everybody",
    reference=".settings.php session",
    needs=_NEEDS,
)
def settings_session_server(context: Context) -> Verdict:
    general = context.setting("session", "handlers", "general")
    kind = general.get("type", "file") if isinstance(general, dict) else general or "file"
    if kind not in ("redis", "memcache"):
        raise DoesNotApply(f"sessions are kept in {kind}")
    server = general if isinstance(general, dict) else {}
    problem = _server_problem(context, "session", server, 6379 if kind == "redis" else 11211)
    return failed(f"{kind}: {problem}") if problem else passed(f"{kind} answers")


@check(
    "settings.cache_server",
    why="A portal that waits for the cloud's cache server at every request takes minutes for a page.",
    expected="the server that section cache names can be reached",
    remedy="Set section cache with portal_settings to a server of this site (role boxlift.portal.cache), or to files.",
    blocks="some",
    reference="site checker: check_cache",
    needs=_NEEDS,
)
def settings_cache_server(context: Context) -> Verdict:
    kind = context.setting("cache", "type")
    name = str(kind.get("class_name", "") if isinstance(kind, dict) else kind or "").lower()
    section = next((each for each in ("redis", "memcache") if each in name), None)
    if section is None:
        raise DoesNotApply("the cache is kept in files")
    server = context.setting("cache", section)
    if not isinstance(server, dict):
        return failed(f"cache.type is {section}, but there is no cache.{section}")
    problem = _server_problem(context, "cache", server, 6379 if section == "redis" else 11211)
    return failed(f"{section}: {problem}") if problem else passed(f"{section} answers")


@check(
    "settings.no_output",
    why="One character before <?php or behind ?> goes out before the headers: cookies and downloads then break.",
    expected="the files that every page loads begin with <?php and leave nothing behind ?>",
    remedy="Remove the byte order mark or the blank lines from the files named here.",
    blocks="some",
    reference="site checker: check_dbconn",
    needs=_NEEDS,
)
def settings_no_output(context: Context) -> Verdict:
    names = (DBCONN, "php_interface/init.php", "php_interface/after_connect.php", "php_interface/after_connect_d7.php")
    files = [path for path in map(context.files.find, names) if path is not None]
    wrong = []
    for path in files:
        text = read(path)
        if not text.startswith(b"<?"):
            wrong.append(f"{path} does not begin with <?php")
        _code, end, rest = text.rpartition(b"?>")
        if end and rest not in (b"", b"\n", b"\r\n") and b"<?" not in rest and not rest.strip():
            wrong.append(f"{path} has blank lines behind ?>")
    return failed(some(wrong)) if wrong else passed(f"{len(files)} files")


@check(
    "settings.file_permissions",
    why="What the portal writes gets these modes; too wide ones let every account of the host change it.",
    expected="BX_FILE_PERMISSIONS and BX_DIR_PERMISSIONS give nothing to write to others",
    remedy="Set them to 0644 and 0755 with portal_settings.",
    blocks="nobody",
    reference="security scanner: file modes",
    needs=_NEEDS,
)
def settings_file_permissions(context: Context) -> Verdict:
    constants = context.files.dbconn().constants
    modes = {name: constants[name] for name in ("BX_FILE_PERMISSIONS", "BX_DIR_PERMISSIONS") if name in constants}
    odd = [name for name, mode in modes.items() if not isinstance(mode, int)]
    if odd:
        raise CannotLook(f"{odd[0]} is no number")
    wide = [f"{name} is {mode:04o}" for name, mode in modes.items() if mode & stat.S_IWOTH]
    return (
        failed("; ".join(wide))
        if wide
        else passed("; ".join(f"{name} {mode:04o}" for name, mode in modes.items()) or "the portal's own modes")
    )


@check(
    "settings.mail_trap",
    why="A constant from a test copy sends everybody's mail to one address, and the portal believes that it was sent.",
    expected="dbconn.php does not define ONLY_EMAIL on production",
    remedy="Remove ONLY_EMAIL with portal_settings (constants: ONLY_EMAIL: null); only copies have it.",
    blocks="some",
    reference="portal kernel: mail",
    needs=_NEEDS,
)
def settings_mail_trap(context: Context) -> Verdict:
    constants = context.files.dbconn().constants
    return (
        failed("ONLY_EMAIL is defined: everybody else gets no mail")
        if "ONLY_EMAIL" in constants
        else passed("not defined")
    )
