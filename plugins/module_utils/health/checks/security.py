# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What strangers must not get: installers, dumps, configuration, kernel files."""

from __future__ import annotations

import pathlib
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    CannotLook,
    Verdict,
    failed,
    passed,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import DBCONN, SETTINGS, SETTINGS_EXTRA

INSTALLERS = (
    *("restore.php", "bitrix_server_test.php", "bitrixsetup.php", "bitrix_install.php", "bitrix_setup.php"),
    *("bitrix6setup.php", "bitrix7setup.php", "bitrix8setup.php", "export_file.csv", "1c_bx_import.php"),
)
_PLACES = ("", "bitrix", "upload")
# What the vendor's restore leaves behind: renamed originals, dumps, lists, parts.
_PATTERNS = (
    *(
        "*.sql",
        "*.sql.[0-9]*",
        "*_after_connect.sql",
        "*.restore",
        "*.tar",
        "*.tar.gz",
        "*.tar.[0-9]*",
        "*.tar.gz.[0-9]*",
    ),
    *("*.enc", "*.enc.gz", "*.enc.[0-9]*", "*.enc.gz.[0-9]*", "dbconn.restore.php", ".settings.restore.php"),
)
_SWEPT = ("", "bitrix", "bitrix/php_interface", "upload")
# In the backup folder archives are at home, dumps are not.
_DUMPS = ("*.sql", "*.sql.[0-9]*")
_SINGLE = ("bitrix/tmp/restore.removed", "bitrix/tmp/restore.file_list.php", "bitrix/restore_cloud.php")
DENIED = (
    *("/bitrix/.settings.php", "/bitrix/.settings_extra.php", "/bitrix/php_interface/dbconn.php"),
    *("/bitrix/modules/main/classes/general/version.php", "/bitrix/modules/main/install/version.php"),
    *("/bitrix/managed_cache/", "/bitrix/stack_cache/", "/bitrix/local_cache/", "/bitrix/html_pages/.config.php"),
    *(
        "/.git/config",
        "/.svn/entries",
        "/.hg/requires",
        "/index.php.bak",
        "/index.php~",
        "/upload/1c_catalog/import.xml",
    ),
    *("/upload/support/not_image/x", "/bitrix/backup/"),
)
_REFUSED = (401, 403, 404, 405, 410)


@check(
    "security.leftovers",
    why="An installer left in the document root lets strangers take the portal over; a dump gives everything away.",
    expected="no installer, dump, archive part or file renamed by a restore lies in the document root",
    remedy="Delete them; what is still needed belongs outside the document root.",
    reference="site checker: check_install_scripts",
)
def security_leftovers(context: Context) -> Verdict:
    root = context.files.root
    found: list[pathlib.Path] = [
        root / place / name for place in _PLACES for name in INSTALLERS if (root / place / name).exists()
    ]
    for folder in _SWEPT:
        found += [path for pattern in _PATTERNS for path in (root / folder).glob(pattern) if path.is_file()]
    found += [path for pattern in _DUMPS for path in (root / "bitrix" / "backup").glob(pattern) if path.is_file()]
    found += [root / name for name in _SINGLE if (root / name).exists()]
    names = sorted({str(path.relative_to(root)) for path in found})
    return failed(f"{len(names)}: {some(names, 10)}") if names else passed("nothing left")


@check(
    "security.leftovers_outside",
    why="What a restore or an installer left behind is found by scanners within hours.",
    expected="no installer answers on the portal's address",
    remedy="Delete the files from the document root.",
    reference="site checker: check_install_scripts",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def security_leftovers_outside(context: Context) -> Verdict:
    paths = [f"/{name}" for name in INSTALLERS] + ["/.htaccess.restore", "/bitrix/php_interface/dbconn.restore.php"]
    return _refused(context, paths)


@check(
    "security.denied_paths",
    why="Configuration, kernel files and caches are not for visitors, and some servers send them as plain text.",
    expected="each of these paths is refused with 403 or 404",
    remedy="Deny the paths in nginx (role boxlift.portal.web).",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def security_denied_paths(context: Context) -> Verdict:
    return _refused(context, DENIED)


@check(
    "security.secret_modes",
    why="Every process of the host could read the database password, or write what the portal runs.",
    expected="files with secrets are not readable, nothing of the configuration is writable for others",
    remedy="chmod 0640 these files and give them to the portal's user and group (role boxlift.portal.portal).",
    needs=("settings.readable",),
)
def security_secret_modes(context: Context) -> Verdict:
    root = context.files.root
    names = [f"{place}/{name}" for place in ("bitrix", "local") for name in (SETTINGS, SETTINGS_EXTRA, DBCONN)]
    secrets = [root / name for name in (*names, "bitrix/license_key.php") if (root / name).is_file()]
    wrong = [_mode(path) for path in secrets if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)]
    folders = [root, root / "bitrix", root / "bitrix/php_interface", root / "upload", root / "local"]
    wrong += [_mode(path) for path in folders if path.is_dir() and path.stat().st_mode & stat.S_IWOTH]
    return failed(some(wrong, 10)) if wrong else passed(f"{len(secrets)} files")


def _mode(path: pathlib.Path) -> str:
    return f"{path} has {stat.S_IMODE(path.stat().st_mode):04o}"


def _refused(context: Context, paths: t.Sequence[str]) -> Verdict:
    answers = {path: context.http.request(context.address(path)).status for path in paths}
    open_paths = [f"{path} ({status})" for path, status in answers.items() if 200 <= status < 400 or status == 400]
    if open_paths:
        return failed(f"answered: {some(open_paths, 10)}")
    broken = [f"{path} ({status})" for path, status in answers.items() if status not in _REFUSED]
    if broken:
        raise CannotLook(f"the server failed on {some(broken)}")
    return passed(f"{len(answers)} paths, all refused")
