# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup holds beside the portal itself, and what becomes of it (docs/archive-format.md, section 5).

The vendor's restore unpacks over a tree; this one fills an empty tree and switches it in. So no file needs another name
meanwhile (`.htaccess`, `dbconn.php`, `.settings.php`), and no older kernel must be moved aside. Of the rest that the
vendor's restore does, one thing is done here: installers are left out. `survey` names what people have to do.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import printable
from ansible_collections.boxlift.portal.plugins.module_utils.restore.cloud_files import CloudFiles, compare_with_tree
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

# In the root of a site, further ones included.
_INSTALLER = re.compile(rb"^(?:bitrix/backup/sites/[^/]+/)?(?:restore|bitrixsetup)\.php$", re.IGNORECASE)
# The vendor's restore made them on the source, and left them there.
LEFTOVERS = (
    ".htaccess.restore",
    ".htsecure.restore",
    "bitrix/.settings.restore.php",
    "bitrix/php_interface/dbconn.restore.php",
    "bitrix/restore_cloud_404.php",
)
BUCKETS = "bitrix/backup/clouds"
SITES = "bitrix/backup/sites"
_MOST_NAMED = 20


def left_out(path: bytes) -> bool:
    """Whether the entry is an installer, which is never placed: with it anybody could overwrite the portal."""
    return _INSTALLER.match(path) is not None


@dataclasses.dataclass
class Folder:
    """The folder of a bucket or a site, and how much is in it."""

    name: str
    files: int
    bytes: int


@dataclasses.dataclass
class Survey:
    """What is in a staged tree, and of no use before somebody acts."""

    leftovers: list[str]
    buckets: list[Folder]
    sites: list[Folder]
    cloud_files: CloudFiles | None

    def as_dict(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)

    def warnings(self) -> list[str]:
        """What is to be done, one text for each kind."""
        said = []
        cloud = self.cloud_files
        if cloud is not None:
            if cloud.absent:
                said.append(
                    f"{cloud.absent} of {cloud.files} files that {cloud.name} names ({size(cloud.absent_bytes)}) "
                    "lie in the vendor's storage and not in this backup: fetch them into upload/ before users work."
                )
            if cloud.unread:
                said.append(
                    f"{cloud.unread} lines of {cloud.name} were not followed ({cloud.unread_lines[0]}): look into them."
                )
            said.append(f"{cloud.name} lies in the document root: remove it when its files are there.")
        if self.buckets:
            said.append(
                f"{BUCKETS} holds files of cloud storage ({_folders(self.buckets)}): the portal looks for them in the "
                "vendor's storage until they are moved to upload/ and registered there."
            )
        if self.sites:
            said.append(f"{SITES} holds further sites ({_folders(self.sites)}): give each a document root of its own.")
        if self.leftovers:
            said.append(f"An earlier restore on the source left {', '.join(self.leftovers)}: compare and remove them.")
        return said


def survey(root: str) -> Survey:
    """Look at the fixed places of such files. Reads names and sizes, and the list of cloud files."""
    return Survey(
        [name for name in LEFTOVERS if os.path.lexists(os.path.join(root, name))],
        _folders_in(os.path.join(root, BUCKETS)),
        _folders_in(os.path.join(root, SITES)),
        compare_with_tree(root),
    )


def _folders_in(path: str) -> list[Folder]:
    if not os.path.isdir(path):
        return []
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    return [_folder(path, name) for name in names]


def _folder(path: str, name: str) -> Folder:
    files = total = 0
    for directory, _folders_below, names in os.walk(os.path.join(path, name)):
        for file in names:
            files += 1
            total += os.lstat(os.path.join(directory, file)).st_size
    return Folder(printable(os.fsencode(name)), files, total)


def _folders(folders: list[Folder]) -> str:
    shown = [f"{folder.name}: {folder.files} files, {size(folder.bytes)}" for folder in folders[:_MOST_NAMED]]
    return "; ".join(shown if len(folders) <= _MOST_NAMED else [*shown, f"{len(folders) - _MOST_NAMED} more"])
