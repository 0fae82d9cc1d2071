# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PHP that serves the portal's pages: PHP-FPM's modules and settings, with those of the portal's pool."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import pwd
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import SETTINGS, read

BRANCH = "echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;"
#: Prints what ini_get() gives for each argument.
RAW = "echo json_encode(array_combine($n = array_slice($argv, 1), array_map('ini_get', $n)));"
_LINE = re.compile(r"^([A-Za-z_][\w. ()-]*?) => (.*?)(?: => .*)?$")
_POOL_LINE = re.compile(r"^\s*(?:php_(?:admin_)?(?:value|flag)\[([^\]]+)\]|(user))\s*=\s*(.*?)\s*$")
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


@dataclasses.dataclass(frozen=True)
class WebPhp:
    """Names of the loaded modules in lower case, and settings by name."""

    modules: frozenset[str]
    settings: dict[str, str]

    def on(self, name: str) -> bool:
        return self.settings.get(name, "").lower() in ("on", "1", "yes", "true")

    def number(self, name: str) -> int:
        """A setting as a number; the suffixes K, M and G are resolved. Raises CannotLook if it is none."""
        text = self.settings.get(name, "")
        found = re.fullmatch(r"(-?\d+)([KMG]?)", text.strip().upper())
        if found is None:
            raise CannotLook(f"PHP-FPM says that {name} is {text!r}")
        return int(found.group(1)) * _UNITS.get(found.group(2), 1)


def raw_settings(context: Context, names: t.Sequence[str]) -> dict[str, str]:
    """What `ini_get()` gives on the portal's pages, where that can be known; names that PHP does not have are left out.

    PHP-FPM shows Off for `0` and for an empty text, so the command line's PHP is asked with PHP-FPM's files. Raises
    CannotLook if it does not answer.
    """
    known = web_php(context).settings
    loaded = known.get("Loaded Configuration File", "")
    scanned = known.get("Scan this dir for additional .ini files", "")
    if not loaded.startswith("/"):
        return {}
    folders = f"PHP_INI_SCAN_DIR={scanned if scanned.startswith('/') else ''}"
    output = context.command("env", folders, "php", "-c", loaded, "-r", RAW, "--", *names)
    try:
        # Warnings of PHP's start come before it.
        answer = json.loads(output.strip().rpartition("\n")[2])
        found = {name: value for name, value in answer.items() if isinstance(value, str)}
    except (ValueError, AttributeError) as problem:
        raise CannotLook(f"php answered {output[:100]!r}") from problem
    pool = _pool(context, known.get("Configuration File (php.ini) Path", ""))
    return {**found, **{name: pool[name] for name in names if name in pool}}


def web_php(context: Context) -> WebPhp:
    """What PHP-FPM reports of itself, asked for once. Raises CannotLook if it does not answer."""
    return context.once("web php", lambda: _ask(context))


def _ask(context: Context) -> WebPhp:
    branch = context.command("php", "-r", BRANCH).strip()
    problem = ""
    for program in (f"php-fpm{branch}", "php-fpm"):
        try:
            modules, information = context.command(program, "-m"), context.command(program, "-i")
        except (OSError, BoxliftError) as error:
            problem = problem or str(error)
            continue
        found = [match for match in map(_LINE.match, information.splitlines()) if match]
        # phpinfo() prints the environment after the settings: the first of two equal names is the setting.
        settings = {match.group(1): match.group(2).strip() for match in reversed(found)}
        settings = {name: "" if value == "no value" else value for name, value in settings.items()}
        settings.update(_pool(context, settings.get("Configuration File (php.ini) Path", "")))
        return WebPhp(frozenset(line.strip().lower() for line in modules.splitlines()), settings)
    raise CannotLook(f"PHP-FPM does not answer ({problem})")


def _pool(context: Context, folder: str) -> dict[str, str]:
    """Settings of the pool that runs as the portal's user; they override php.ini."""
    owner = context.files.find(SETTINGS)
    if not folder or owner is None:
        return {}
    uid = owner.stat().st_uid
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:  # files of an account that is not here
        user = str(uid)
    # Debian's place, and that of Enterprise Linux.
    for path in sorted(
        each for place in ("pool.d", "php-fpm.d") for each in pathlib.Path(folder).glob(f"{place}/*.conf")
    ):
        lines = [match for match in map(_POOL_LINE.match, read(path).decode("utf-8", "replace").splitlines()) if match]
        if any(match.group(2) and match.group(3) == user for match in lines):
            return {match.group(1): match.group(3) for match in lines if match.group(1)}
    return {}
