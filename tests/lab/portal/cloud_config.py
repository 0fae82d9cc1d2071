# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files of the cloud, as the vendor's backup writer leaves them.

Credentials are replaced by stars; caches and sessions lie on hosts that only the cloud has.
"""

from __future__ import annotations

import typing as t

from .data.world import World

MASK = "******"
MASKED = ("bitrix/.settings.php", "bitrix/php_interface/dbconn.php")
DATABASE_HOST = "10.12.0.17"


def settings_php(w: World) -> bytes:
    sections: dict[str, t.Any] = {
        "utf_mode": _section(True),
        "cache_flags": _section({"config_options": 3600, "site_domain": 3600}, readonly=False),
        "cookies": _section({"secure": False, "http_only": True}, readonly=False),
        "exception_handling": _section(
            {
                "debug": False,
                "handled_errors_types": 4437,
                "exception_errors_types": 4437,
                "ignore_silence": False,
                "log": {"settings": {"file": "/var/log/cloud/exceptions.log", "log_size": 1000000}},
            },
            readonly=False,
        ),
        "connections": _section(
            {
                "default": {
                    "className": "\\Bitrix\\Main\\DB\\MysqliConnection",
                    "host": DATABASE_HOST,
                    "database": MASK,
                    "login": MASK,
                    "password": MASK,
                    "options": 2,
                }
            }
        ),
        "crypto": _section({"crypto_key": w.token("crypto", 1)}),
        "cache": _section(
            {
                "type": {"class_name": "\\Bitrix\\Main\\Data\\CacheEngineMemcache", "extension": "memcache"},
                "memcache": {"host": "10.12.0.21", "port": "11211"},
                "sid": w.token("sid", 1, 8),
            },
            readonly=False,
        ),
        "session": _section(
            {
                "mode": "default",
                "handlers": {"general": {"type": "memcache", "host": "10.12.0.22", "port": "11211"}},
            },
            readonly=False,
        ),
        "pull": _section(
            {
                "path_to_publish": "http://10.12.0.31:8895/bitrix/pub/",
                "signature_key": w.token("pull:settings", 1, 64),
                "signature_algo": "sha1",
                "nginx_version": "4",
                "nginx": "Y",
            },
            readonly=False,
        ),
    }
    return f"<?php\nreturn {_var_export(sections)};\n".encode()


def _section(value: t.Any, readonly: bool = True) -> dict[str, t.Any]:
    return {"value": value, "readonly": readonly}


def _var_export(value: t.Any, indent: str = "") -> str:
    """The value in PHP's own notation, as the backup writer serialises the file anew."""
    if isinstance(value, dict):
        inner = indent + "  "
        items = ""
        for key, item in value.items():
            gap = f"\n{inner}" if isinstance(item, dict) else ""
            items += f"{inner}'{key}' => {gap}{_var_export(item, inner)},\n"
        return f"array (\n{items}{indent})"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def dbconn_php(w: World) -> bytes:
    return f"""\
<?php
$DBType = "mysql";
$DBHost = "{DATABASE_HOST}";
$DBLogin = "{MASK}";
$DBPassword = "{MASK}";
$DBName = "{MASK}";
$DBDebug = false;
$DBDebugToFile = false;

define("BX_USE_MYSQLI", true);
define("BX_UTF", true);
define("MYSQL_TABLE_TYPE", "INNODB");
define("CACHED_b_lang", 3600);
define("CACHED_b_lang_domain", 3600);
define("CACHED_b_agent", 3660);
define("BX_FILE_PERMISSIONS", 0644);
define("BX_DIR_PERMISSIONS", 0755);
@umask(~BX_DIR_PERMISSIONS);
define("BX_DISABLE_INDEX_PAGE", true);
define("BX_COMPRESSION_DISABLED", true);
define("BX_TEMPORARY_FILES_DIRECTORY", "/var/cloud/{w.cloud_domain}/tmp");
""".encode()


def after_connect_d7_php(w: World) -> bytes:
    charset = w.collation.partition("_")[0]
    return (
        f"<?php\n$this->queryExecute(\"SET NAMES '{charset}'\");\n"
        f"$this->queryExecute('SET collation_connection = \"{w.collation}\"');\n"
    ).encode()
