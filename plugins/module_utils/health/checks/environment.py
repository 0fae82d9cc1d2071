# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PHP on the host: the command line's, which cron uses, and the web server's."""

from __future__ import annotations

import json

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.php import raw_settings, web_php
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

# Functions and classes that the portal needs, and those that only some features need.
NEEDED = (
    *("fsockopen", "xml_parser_create", "imagettftext", "gzcompress", "imagecreatetruecolor", "imagecreatefromjpeg"),
    *("hash", "highlight_file", "openssl_encrypt", "mb_substr", "mysqli_connect", "json_encode"),
)
USEFUL = ("DOMDocument", "ZipArchive")
WEB_NEEDED = ("curl", "dom", "gd", "hash", "json", "mbstring", "mysqli", "openssl", "session", "xml", "zip", "zlib")
#: What the vendor's checker compares with the numbers 1 and 0.
_SWITCHES = {"file_uploads": 1, "session.auto_start": 0, "zend.multibyte": 0}
_MEGABYTE = 1024 * 1024
_MINIMUM = (8, 1)
_ASK = (
    "$found = ['version' => PHP_VERSION];"
    "foreach (array_slice($argv, 1) as $name) $found[$name] = function_exists($name) || class_exists($name);"
    "echo json_encode($found);"
)


@check(
    "environment.php",
    why="Without one of these functions pages, agents or imports stop with an error.",
    expected="PHP 8.1 or later on the command line, with every function that the portal calls",
    remedy="Install the missing extensions for the PHP that the portal uses (role boxlift.portal.web).",
    blocks="some",
    reference="site checker: check_php_modules, check_php_settings",
)
def environment_php(context: Context) -> Verdict:
    output = context.command("php", "-r", _ASK, "--", *NEEDED, *USEFUL)
    try:
        found = json.loads(output)
        version = tuple(int(part) for part in str(found["version"]).split(".")[:2])
    except (ValueError, KeyError, TypeError) as problem:
        raise CannotLook(f"php answered {output[:100]!r}") from problem
    missing = [name for name in NEEDED if not found.get(name)]
    if version < _MINIMUM:
        return failed(f"PHP {found['version']} is too old")
    if missing:
        return failed(f"PHP {found['version']} lacks {', '.join(missing)}")
    bare = [name for name in USEFUL if not found.get(name)]
    return warned(f"PHP {found['version']} lacks {', '.join(bare)}") if bare else passed(f"PHP {found['version']}")


@check(
    "environment.web_modules",
    why="Cron's PHP and that of the pages are set up apart; one may have what the other lacks.",
    expected="PHP-FPM has every extension that the portal uses, and opcache",
    remedy="Install the missing extensions for PHP-FPM and restart it (role boxlift.portal.web).",
    blocks="some",
    reference="site checker: check_php_modules",
    needs=("settings.readable",),
)
def environment_web_modules(context: Context) -> Verdict:
    loaded = web_php(context).modules
    missing = [name for name in WEB_NEEDED if name not in loaded]
    if missing:
        return failed(f"PHP-FPM lacks {', '.join(missing)}")
    return passed(f"{len(loaded)} modules") if "zend opcache" in loaded else warned("PHP-FPM runs without opcache")


@check(
    "environment.web_settings",
    why="With these settings wrong, forms lose fields, updates are not seen, sessions begin on their own.",
    expected="file_uploads on, max_input_vars 10000, default_socket_timeout 60; session.auto_start, zend.multibyte "
    "and display_errors 0 (not Off); opcache looks at every request whether a file has changed; output separator is &",
    remedy="Set them with web_php_settings (role boxlift.portal.web).",
    blocks="some",
    reference="site checker: check_php_settings, check_post",
    needs=("settings.readable",),
)
def environment_web_settings(context: Context) -> Verdict:
    php = web_php(context)
    wrong = [f"{name} is off" for name, value in _SWITCHES.items() if value == 1 and not php.on(name)]
    wrong += [f"{name} is on" for name in ("session.auto_start", "zend.multibyte", "display_errors") if php.on(name)]
    if not wrong:
        raw = raw_settings(context, list(_SWITCHES))
        wrong = [
            f"{name} is {raw[name]!r}, and the vendor's checker takes only {value}"
            for name, value in _SWITCHES.items()
            if name in raw and not _taken(raw[name], value)
        ]
    least = {"max_input_vars": 10000, "default_socket_timeout": 60}
    wrong += [f"{name} is {php.number(name)}" for name, value in least.items() if php.number(name) < value]
    if php.on("opcache.enable") and (
        not php.on("opcache.validate_timestamps") or php.number("opcache.revalidate_freq") != 0
    ):
        wrong.append("opcache does not look at once whether a file has changed")
    if php.settings.get("arg_separator.output") != "&":
        wrong.append(f"arg_separator.output is {php.settings.get('arg_separator.output')!r}")
    return failed("; ".join(wrong)) if wrong else passed("all as expected")


def _taken(raw: str, wanted: int) -> bool:
    """Whether the vendor's checker, which knows the words on and off, takes this value: PHP 8 makes no 0 of a text."""
    value = {"on": "1", "off": "0"}.get(raw.strip().lower(), raw.strip())
    try:
        return float(value) == wanted
    except ValueError:
        return False


@check(
    "environment.web_limits",
    why="Reports, imports and the sending of files stop in the middle where PHP may not take what they need.",
    expected="memory_limit 256M or more, uploads of 100M or more within post_max_size, pcre.backtrack_limit 1000000",
    remedy="Raise them with web_php_settings and web_php_memory_mb (role boxlift.portal.web).",
    blocks="some",
    reference="site checker: check_memory_limit, check_upload, check_pcre_recursion",
    needs=("settings.readable",),
)
def environment_web_limits(context: Context) -> Verdict:
    php = web_php(context)
    memory, upload, post = (php.number(name) for name in ("memory_limit", "upload_max_filesize", "post_max_size"))
    wrong = []
    if 0 <= memory < 256 * _MEGABYTE:
        wrong.append(f"memory_limit is {php.settings['memory_limit']}")
    if upload < 100 * _MEGABYTE:
        wrong.append(f"upload_max_filesize is {php.settings['upload_max_filesize']}")
    if 0 < post < upload:
        wrong.append(f"post_max_size ({php.settings['post_max_size']}) is below upload_max_filesize")
    if php.number("pcre.backtrack_limit") < 1000000:
        wrong.append(f"pcre.backtrack_limit is {php.settings['pcre.backtrack_limit']}")
    shown = f"memory {php.settings['memory_limit']}, uploads {php.settings['upload_max_filesize']}"
    return failed("; ".join(wrong)) if wrong else passed(shown)


@check(
    "environment.encoding",
    why="With another inner encoding Cyrillic letters are cut in the middle.",
    expected="default_charset is UTF-8, and mbstring has no other one of its own",
    remedy="Set default_charset to UTF-8 and leave mbstring.internal_encoding empty (role boxlift.portal.web).",
    blocks="some",
    reference="site checker: check_mbstring",
    needs=("settings.readable",),
)
def environment_encoding(context: Context) -> Verdict:
    settings = web_php(context).settings
    names = ("default_charset", "internal_encoding", "mbstring.internal_encoding")
    wrong = [f"{name} is {settings[name]!r}" for name in names if settings.get(name, "").lower() not in ("", "utf-8")]
    if not settings.get("default_charset"):
        wrong.append("default_charset is empty")
    if settings.get("mbstring.func_overload", "0") not in ("", "0"):
        wrong.append(f"mbstring.func_overload is {settings['mbstring.func_overload']}")
    return failed("; ".join(wrong)) if wrong else passed("UTF-8")
