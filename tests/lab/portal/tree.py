# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document root as archive entries: the application, the cloud's configuration, filler for the kernel, uploads."""

from __future__ import annotations

import functools
import pathlib
import typing as t

from lab.archive_writer import Entry

from . import cloud_config
from .data import files
from .data.site import MODULES
from .data.world import World

APP = pathlib.Path(__file__).parent / "app"
KERNEL_VERSION = "26.250.100"
EMPTY_FOLDERS = ("bitrix/backup", "bitrix/js", "bitrix/templates/bitrix24", "extranet", "upload/1c_exchange")
MODES = {"bitrix/.settings.php": 0o640, "bitrix/php_interface/dbconn.php": 0o640}

Content = t.Callable[[], bytes]


def entries(w: World) -> t.Iterator[Entry]:
    """Every folder before what lies in it. Contents are made one by one, when the entry's turn comes."""
    contents = {**_application(), **_configuration(w), **_versions(w), **_kernel(w), **_uploads(w)}
    folders = {str(parent) for path in (*contents, *EMPTY_FOLDERS) for parent in pathlib.PurePosixPath(path).parents}
    folders.update(EMPTY_FOLDERS)
    folders.remove(".")
    for path in sorted((*folders, *contents), key=lambda path: path.split("/")):
        if path in contents:
            yield Entry(path.encode(), "file", contents[path](), MODES.get(path, 0o644), _mtime(w, path))
        else:
            yield Entry(path.encode(), "dir", mode=0o755, mtime=_mtime(w, path))


def _mtime(w: World, path: str) -> int:
    """Some time of the last two years."""
    return w.timestamp - 3600 - w.number(f"mtime:{path}", 0, 2 * 365 * 86400)


def _application() -> dict[str, Content]:
    return {str(path.relative_to(APP)): path.read_bytes for path in APP.rglob("*") if path.is_file()}


def _configuration(w: World) -> dict[str, Content]:
    return {
        "bitrix/.settings.php": functools.partial(cloud_config.settings_php, w),
        "bitrix/php_interface/dbconn.php": functools.partial(cloud_config.dbconn_php, w),
        "bitrix/php_interface/after_connect_d7.php": functools.partial(cloud_config.after_connect_d7_php, w),
    }


def _versions(w: World) -> dict[str, Content]:
    text = f"""\
<?php
$arModuleVersion = [
    'VERSION' => '{KERNEL_VERSION}',
    'VERSION_DATE' => '2026-04-13 10:00:00',
];
"""
    return {f"bitrix/modules/{module}/install/version.php": text.encode for module in MODULES}


def _kernel(w: World) -> dict[str, Content]:
    """Many small files of text, as the vendor's modules are."""
    contents: dict[str, Content] = {}
    for item in range(w.kernel_files):
        module = w.pick("kernel:module", item, MODULES)
        folder = w.pick("kernel:folder", item, ("lib/internals", "lang/ru/lib", "lang/en/lib", "classes/general"))
        path = f"bitrix/modules/{module}/{folder}/{w.token('kernel', item, 10)}.php"
        contents[path] = functools.partial(_kernel_file, w, item)
    return contents


def _kernel_file(w: World, item: int) -> bytes:
    lines = (
        f"$MESS['{w.token('message', item * 100 + n, 12)}'] = '{w.phrase('kernel', n)}';"
        for n in range(_lines(w, item))
    )
    return ("<?php\n" + "\n".join(lines) + "\n").encode()


def _lines(w: World, item: int) -> int:
    return 4 + w.number("kernel:lines", item, 60)


def _uploads(w: World) -> dict[str, Content]:
    kept = (file for file in files.stored_files(w) if not file.in_cloud)
    return {file.path: functools.partial(file.content, w) for file in kept}
