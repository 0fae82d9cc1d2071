# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `.settings.php` and `dbconn.php` say beside the credentials."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.phpvalues import Opaque

_NEEDS = ("settings.readable",)
# Keys that installation images ship; everybody knows them.
_KNOWN_KEYS = ("mysupersecretphrase",)
_INSTALLER = ("SHORT_INSTALL", "SHORT_INSTALL_CHECK", "VM_INSTALL")


@check(
    "settings.crypto_key",
    why="Mail passwords, tokens and telephone numbers are encrypted with this key: without the old one they are lost, "
    "with a known one they are readable.",
    expected="crypto.crypto_key is the old portal's own secret",
    remedy="Take crypto_key over from the old .settings.php; without it, generate one and have mail accounts, "
    "OAuth tokens and telephone confirmations entered again.",
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
    reference="site checker: check_bx_crontab",
    needs=_NEEDS,
)
def settings_installer_constants(context: Context) -> Verdict:
    constants = context.files.dbconn().constants
    if "BX_CRONTAB" in constants:
        return failed("dbconn.php defines BX_CRONTAB")
    found = [name for name in _INSTALLER if name in constants]
    return warned(f"dbconn.php defines {', '.join(found)}") if found else passed("none of them")
