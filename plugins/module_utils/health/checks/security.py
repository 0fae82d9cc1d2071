# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security: what strangers must not get, such as installers, dumps and configuration."""

from __future__ import annotations

import os
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
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import DBCONN, SETTINGS, SETTINGS_EXTRA

INSTALLERS = (
    *("restore.php", "bitrix_server_test.php", "bitrixsetup.php", "bitrix_install.php", "bitrix_setup.php"),
    *("bitrix6setup.php", "bitrix7setup.php", "bitrix8setup.php", "export_file.csv", "1c_bx_import.php"),
)
_PLACES = ("", "bitrix", "upload")
# Leftovers of the vendor's restore: renamed originals, dumps, lists, parts.
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
# Archives belong into the backup folder, dumps do not.
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
#: A host name that no portal has.
FOREIGN = "foreign-host.invalid"
#: Files and folders that are looked at, without the caches, which change all the time.
_CACHES = ("cache", "managed_cache", "stack_cache", "html_pages", "tmp")
WALKED = 200000
_REFUSED = (401, 403, 404, 405, 410)


@check(
    "security.leftovers",
    why="An installer left in the document root lets strangers take the portal over; a dump gives everything away.",
    expected="no installer, dump, archive part or file renamed by a restore lies in the document root",
    remedy="Delete them; what is still needed belongs outside the document root.",
    blocks="nobody",
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
    blocks="nobody",
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
    blocks="nobody",
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
    blocks="nobody",
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


@check(
    "security.world_writable",
    why="What every account of the host may write, it may make the portal run.",
    expected="no file or folder of the portal's code is writable for others",
    remedy="Take the right away: chmod -R o-w on the folders named here (role boxlift.portal.portal).",
    blocks="nobody",
    reference="security scanner: world-writable files",
    needs=("settings.readable",),
)
def security_world_writable(context: Context) -> Verdict:
    root, looked, wide = context.files.root, 0, []
    for top in ("bitrix", "local"):
        for folder, folders, names in os.walk(root / top):
            folders[:] = sorted(name for name in folders if name not in _CACHES)
            for name in (*folders, *sorted(names)):
                path = os.path.join(folder, name)
                mode = os.lstat(path).st_mode
                looked += 1
                if mode & stat.S_IWOTH and not stat.S_ISLNK(mode):
                    wide.append(os.path.relpath(path, root))
            if looked >= WALKED:
                break
    return failed(f"{len(wide)} of {looked}: {some(wide)}") if wide else passed(f"{looked} files and folders")


@check(
    "security.temporary_directory",
    why="Files on their way in lie here; within the document root strangers can fetch them.",
    expected="BX_TEMPORARY_FILES_DIRECTORY is a folder outside the document root, closed to others",
    remedy="Set BX_TEMPORARY_FILES_DIRECTORY with portal_settings to a folder of the portal's own with mode 0700.",
    blocks="nobody",
    reference="security scanner: temporary files",
    needs=("settings.readable",),
)
def security_temporary_directory(context: Context) -> Verdict:
    value = context.files.dbconn().constants.get("BX_TEMPORARY_FILES_DIRECTORY")
    if value is None:
        return warned("not set: temporary files lie in the document root")
    if not isinstance(value, str):
        raise CannotLook("BX_TEMPORARY_FILES_DIRECTORY is computed by an expression")
    folder, root = pathlib.Path(value), pathlib.Path(os.path.realpath(context.files.root))
    if not folder.is_dir():
        return failed(f"{folder} is no directory")
    if root in (pathlib.Path(os.path.realpath(folder)), *pathlib.Path(os.path.realpath(folder)).parents):
        return failed(f"{folder} is in the document root")
    return failed(_mode(folder)) if folder.stat().st_mode & stat.S_IWOTH else passed(str(folder))


@check(
    "security.database_password",
    why="A password that is short or equals the login is guessed by the first who reaches the server's port.",
    expected="the database password has 12 characters or more and is not the login or the database's name",
    remedy="Set another password on the server and in .settings.php (role boxlift.portal.database, portal_settings).",
    blocks="nobody",
    reference="security scanner: weak database password",
    needs=("settings.credentials",),
)
def security_database_password(context: Context) -> Verdict:
    default = context.setting("connections", "default")
    values = default if isinstance(default, dict) else {}
    password = values.get("password")
    if not isinstance(password, str):
        raise CannotLook("the password is not written out")
    if not password or password in (values.get("login"), values.get("database")):
        return failed("empty, or the same as the login or the database's name")
    return warned(f"only {len(password)} characters") if len(password) < 12 else passed(f"{len(password)} characters")


@check(
    "security.directory_listing",
    why="A list of files shows strangers what there is to fetch.",
    expected="no folder answers with a list of its files",
    remedy="Switch autoindex off in nginx (role boxlift.portal.web).",
    blocks="nobody",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def security_directory_listing(context: Context) -> Verdict:
    paths = ("/upload/", "/bitrix/images/", "/bitrix/js/", "/local/")
    listed = [path for path in paths if b"<title>Index of " in context.http.request(context.address(path)).body]
    return failed(f"listed: {', '.join(listed)}") if listed else passed(f"{len(paths)} folders")


@check(
    "security.headers",
    why="Without it browsers guess what a file is, and run what a user has uploaded as a picture.",
    expected="answers carry X-Content-Type-Options: nosniff, and do not name the version of PHP",
    remedy="Let nginx add the header, and set expose_php to Off (role boxlift.portal.web).",
    blocks="nobody",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def security_headers(context: Context) -> Verdict:
    answer = context.http.request(context.address("/"))
    wrong = (
        [] if answer.header("X-Content-Type-Options").lower() == "nosniff" else ["X-Content-Type-Options is missing"]
    )
    if "PHP/" in answer.header("X-Powered-By"):
        wrong.append(f"X-Powered-By: {answer.header('X-Powered-By')}")
    return warned("; ".join(wrong)) if wrong else passed("as they should be")


@check(
    "security.foreign_host",
    why="A portal that answers to any name puts that name into links of letters, for instance to set a password.",
    expected="a request for another host's name is refused, or sent to the portal's own name",
    remedy="Let nginx send unknown names to the portal's (role boxlift.portal.web).",
    blocks="nobody",
    reference="site checker: check_server_vars",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def security_foreign_host(context: Context) -> Verdict:
    answer = context.http.request(context.address("/"), headers={"Host": FOREIGN})
    target = answer.header("Location")
    if FOREIGN in target:
        return failed(f"it redirects to {target}")
    return warned(f"it answered {answer.status}") if answer.status == 200 else passed(f"it answered {answer.status}")


@check(
    "security.application_passwords",
    why="A program's password goes on working when its owner has left.",
    expected="passwords for applications belong to active users",
    remedy="Delete the rows of b_app_password whose users are named here.",
    blocks="nobody",
    owner="customer",
    reference="b_app_password",
    needs=("database.reachable",),
)
def security_application_passwords(context: Context) -> Verdict:
    context.need_table("b_app_password")
    left = context.query(
        "SELECT p.USER_ID AS user, COUNT(*) AS n FROM b_app_password p LEFT JOIN b_user u ON u.ID = p.USER_ID"
        " AND u.ACTIVE = 'Y' WHERE u.ID IS NULL GROUP BY p.USER_ID ORDER BY p.USER_ID"
    )
    if left:
        return warned(f"of users who are not active: {some([row['user'] for row in left])}")
    return passed(f"{context.value('SELECT COUNT(*) FROM b_app_password')} passwords")
