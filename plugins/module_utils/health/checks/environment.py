# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PHP on the host, as cron uses it."""

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
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

# What must exist for the portal to run, and what only some of its functions need.
NEEDED = (
    *("fsockopen", "xml_parser_create", "imagettftext", "gzcompress", "imagecreatetruecolor", "imagecreatefromjpeg"),
    *("hash", "highlight_file", "openssl_encrypt", "mb_substr", "mysqli_connect", "json_encode"),
)
USEFUL = ("DOMDocument", "ZipArchive")
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
