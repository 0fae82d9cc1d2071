# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings file of `boxlift-backup`, which role backup writes."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.command_line import object_of
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

PATH = "/etc/boxlift-backup/settings.json"
FOLDER = "/var/lib/boxlift-backup"
#: Of an address: the password behind the account's name. A path may hold an @ too; then more is hidden than need be.
_PASSWORD = re.compile(r"(://[^:/@\s]*:)(\S+)(?=@)")
HIDDEN = "***"


def shown(text: str) -> str:
    """A text without the passwords of the addresses in it."""
    return _PASSWORD.sub(rf"\g<1>{HIDDEN}", text)


@dataclasses.dataclass(frozen=True)
class Store:
    """One repository, and how it is reached."""

    name: str
    repository: str
    password_file: str
    ca_file: str = ""
    #: Lines of NAME=VALUE, such as the keys of an S3 account.
    environment_file: str = ""
    #: What restic starts as its rclone backend, such as `ssh -i KEY ACCOUNT@HOST`; empty where it needs none.
    program: t.Sequence[str] = ()
    #: This host can add to the repository, and remove nothing of it.
    append_only: bool = False
    #: This host can write nothing there, not even a lock.
    read_only: bool = False
    #: Copies come here from the first store, after the night.
    offsite: bool = False
    #: A folder that must be a mount point; without this check a lost mount fills the system's disk.
    mount: str = ""

    @property
    def place(self) -> str:
        """The repository as people may read it."""
        return shown(self.repository)

    def hide(self, text: str) -> str:
        """A text of others without the password that is in the repository's address."""
        found = _PASSWORD.search(self.repository)
        return shown(text.replace(found[2], HIDDEN) if found else text)

    @property
    def path(self) -> str:
        """The folder of a repository on this host; empty for every other."""
        text = self.repository[len("local:") :] if self.repository.startswith("local:") else self.repository
        return text if text.startswith("/") else ""

    @property
    def same_host(self) -> bool:
        """Whether the copies die with this host."""
        return bool(self.path) and not self.mount


@dataclasses.dataclass(frozen=True)
class Lender:
    """A database host that lends its server to this one, and where the link offers that."""

    name: str
    address: str
    port: int


@dataclasses.dataclass(frozen=True)
class Database:
    """The portal's database, and the account that copies it (in the option file)."""

    name: str
    option_file: str = "/etc/boxlift-backup/my.cnf"
    data_dir: str = "/var/lib/mysql"
    #: Where the binary logs lie; empty where the server writes none.
    binlog_dir: str = ""
    #: So many MiB of it are read in a second, about; 0 for as many as the disk gives.
    read_mb: int = 30
    #: Empty where the server is on this host: its folders are then those that are named above.
    lenders: t.Sequence[Lender] = ()
    #: The folder of this host's certificate, by which lenders know it.
    link: str = "/etc/boxlift/link"


@dataclasses.dataclass(frozen=True)
class Keep:
    """Of so many days, weeks and months the newest copy is kept; binary logs for so many days at least."""

    daily: int = 7
    weekly: int = 5
    monthly: int = 12
    binlog_days: int = 14


@dataclasses.dataclass(frozen=True)
class Settings:
    """All of the file."""

    stores: t.Sequence[Store]
    document_root: str = ""
    #: Patterns of restic that the copy of the files leaves out.
    exclude: t.Sequence[str] = ()
    #: None on a host that only keeps the repository.
    database: Database | None = None
    #: Files and folders without which the box cannot be built again.
    configuration: t.Sequence[str] = ()
    folder: str = FOLDER
    #: Where the node exporter reads text files; empty where there is none.
    textfile_dir: str = ""
    full_every_days: int = 7
    verify_slices: int = 7
    keep: Keep = dataclasses.field(default_factory=Keep)
    age_warn_hours: float = 26
    age_fail_hours: float = 50
    drill_days: int = 90
    #: Where the restores of this host keep their locks.
    restore_state_dir: str = "/var/lib/boxlift"
    domain: str = ""

    @property
    def main(self) -> Store:
        """The store that the night writes to."""
        return next(store for store in self.stores if not store.offsite)

    def store(self, name: str) -> Store:
        """Raises BoxliftError where there is none of this name."""
        for store in self.stores:
            if store.name == name:
                return store
        known = ", ".join(store.name for store in self.stores)
        raise BoxliftError(f"There is no store {name}.", f"Name one of these: {known}.")

    def within(self, *names: str) -> str:
        return os.path.join(self.folder, *names)


def read_settings(path: str = PATH) -> Settings:
    """Raises BoxliftError, which names the file and what is wrong in it."""
    return settings_of(object_of(path, _wrong), path)


def settings_of(given: t.Mapping[str, t.Any], path: str = PATH) -> Settings:
    """The settings that an object of the file stands for. Raises BoxliftError."""
    left = dict(given)
    try:
        stores = tuple(Store(**store) for store in left.pop("stores"))
        database = left.pop("database", None)
        if database:
            lenders = tuple(Lender(**lender) for lender in database.get("lenders", ()))
            database = {**database, "lenders": lenders}
        keep = Keep(**left.pop("keep", {}))
        settings = Settings(stores=stores, database=Database(**database) if database else None, keep=keep, **left)
    except KeyError as error:
        raise _wrong(path, f"{error.args[0]} is missing") from error
    except (TypeError, AttributeError) as error:
        raise _wrong(path, str(error)) from error
    if not any(not store.offsite for store in stores):
        raise _wrong(path, "stores has none that the night can write to")
    if len({store.name for store in stores}) < len(stores):
        raise _wrong(path, "two stores have the same name")
    if settings.full_every_days < 1 or settings.verify_slices < 1:
        raise _wrong(path, "full_every_days and verify_slices must be at least 1")
    return settings


def _wrong(path: str, text: str) -> BoxliftError:
    return BoxliftError(f"{path}: {text}.", "Run the playbook that sets up the copies again.")
