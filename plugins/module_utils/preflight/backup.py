# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup's size, from the parts on this host, or from the beginning of the first part at the source.

The marker of the first part holds the number of parts and the bytes in each (docs/archive-format.md, section 1).
"""

from __future__ import annotations

import dataclasses
import os
import ssl
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import MARKER_SIZE, Marker, read_marker
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import (
    Kind,
    PartFiles,
    find_parts,
    kind_of,
    part_name,
    split_name,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.client import Body, HttpRefused, Interrupted, Unusable

_EXPIRED = (401, 403, 410)
_PARTIAL = ".partial"


class CannotTell(BoxliftError):
    """This host cannot look yet; that is no fault of the backup."""


class Source(t.Protocol):
    """The part of `http.client.Client` that is used here."""

    def get(self, url: str) -> Body: ...


@dataclasses.dataclass(frozen=True)
class Backup:
    """What is known of a backup before it is read. A size is None if it cannot be known yet; `how` says why.

    `archive` is the size of all parts' files, `stream` what they hold uncompressed, `here` the bytes that are on this
    host already, partial downloads included.
    """

    base: str
    kind: Kind
    parts: int | None
    archive: int | None
    stream: int | None
    here: int
    how: str


def look(url: str, path: str, client: t.Callable[[], Source]) -> Backup:
    """The backup at `path` on this host, or at the source `url`. Raises BoxliftError with a remedy."""
    if not url and not os.path.exists(path):
        raise BoxliftError(
            f"source_url is not set, and {path} (source_path) does not exist on this host.",
            "Set source_url to the address of the first part, or copy the parts into source_path.",
        )
    if not url:
        return _all_here(find_parts(path))
    base, _index = split_name(os.path.basename(urllib.parse.unquote(urllib.parse.urlsplit(url).path)))
    kind = kind_of(base)
    directory = path if split_name(os.path.basename(path))[0] != base else os.path.dirname(path)
    here = bytes_here(directory, base)
    if os.path.isfile(os.path.join(directory, base)):
        backup = _measure(find_parts(os.path.join(directory, base)), here)
        if not missing(backup, directory):
            return backup
    return _ask(url, base, kind, here, client())


def trust(only: str, further: str) -> ssl.SSLContext:
    """A context that trusts the authorities in `only` (PEM), else the system's and those in `further`."""
    try:
        context = ssl.create_default_context(cadata=only or None)
        if further and not only:
            context.load_verify_locations(cadata=further)
    except (ssl.SSLError, ValueError) as error:
        raise BoxliftError(
            f"{'source_ca_path' if only else 'certificate_ca_file'} holds no certificate that can be read: {error}.",
            "Give a file of certificates in PEM form.",
        ) from error
    # Authorities in a directory are loaded on demand and not counted.
    directory = ssl.get_default_verify_paths().capath
    if not context.cert_store_stats()["x509_ca"] and not (directory and os.listdir(directory)):
        raise CannotTell(
            "this host trusts no authority yet, so the certificate of the backup's source cannot be judged",
            "Install the package ca-certificates, as provision does, or set source_ca_path.",
        )
    return context


def missing(backup: Backup, directory: str) -> list[str]:
    """Names of the parts that are not in `directory`; the first part's if their number is unknown."""
    if backup.parts is None:
        return [backup.base]
    names = (part_name(backup.base, index) for index in range(backup.parts))
    return [name for name in names if not os.path.isfile(os.path.join(directory, name))]


def bytes_here(directory: str, base: str) -> int:
    """Bytes of the backup's parts in `directory`, unfinished downloads included."""
    total = 0
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        begun = name.startswith(".") and name.endswith(_PARTIAL)
        if split_name(name[1 : -len(_PARTIAL)] if begun else name)[0] == base:
            total += os.path.getsize(os.path.join(directory, name))
    return total


def _all_here(files: PartFiles) -> Backup:
    backup = _measure(files, bytes_here(files.directory, files.base))
    if 0 not in files.present:
        absent = [files.base]
    elif backup.parts is None:
        absent = [files.name(index) for index in range(max(files.present)) if index not in files.present]
    else:
        absent = missing(backup, files.directory)
    if absent:
        shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        raise BoxliftError(
            f"{files.directory} holds {len(files.present)} parts of {files.base}, and {shown} is missing.",
            "Copy the missing parts there, or set source_url to have them fetched.",
        )
    return backup


def _measure(files: PartFiles, here: int) -> Backup:
    """Sizes from the parts on this host. The number of parts is None if the format does not hold it."""
    sizes = {index: os.path.getsize(path) for index, path in files.present.items()}
    total = sum(sizes.values())
    if not files.kind.compressed:
        return Backup(files.base, files.kind, None, total, total, here, f"the sizes of its {len(sizes)} files")
    markers = {index: _local_marker(path) for index, path in files.present.items()}
    first = markers.get(0)
    if first is None:
        how = f"{files.base} has no size field, so that only its compressed size is known"
        return Backup(files.base, files.kind, None, total, None, here, how)
    count = (first.last_index or 0) + 1
    if count != len(sizes):
        return _from_marker(files.base, files.kind, first, sizes[0], here)
    stream = sum(max(marker.data_size, sizes[index]) for index, marker in markers.items() if marker)
    return Backup(files.base, files.kind, count, total, stream, here, f"the size fields of its {count} parts")


def _local_marker(path: str) -> Marker | None:
    with open(path, "rb") as part:
        return _marker(part.read(MARKER_SIZE), os.path.basename(path))


def _marker(head: bytes, name: str) -> Marker | None:
    try:
        marker = read_marker(head)
    except PartFault as fault:
        raise BoxliftError(
            f"{name} is no good part of a backup: {fault.reason} ({fault.status}).",
            "Get this part again from where the backup came from; if it is no better there, order a new backup.",
        ) from fault
    if marker and not marker.closed:
        raise BoxliftError(
            f"{name} was not finished by its writer: its size field is still empty.",
            "The backup was interrupted while it was made. Order a new one.",
        )
    return marker


def _ask(url: str, base: str, kind: Kind, here: int, client: Source) -> Backup:
    host = urllib.parse.urlsplit(url).hostname
    head = b""
    try:
        body = client.get(url)
        for chunk in body.chunks:
            head += chunk
            if len(head) >= MARKER_SIZE:
                break
        close = getattr(body.chunks, "close", None)
        if close:
            close()  # the rest of the part is not wanted
    except BoxliftError as error:  # it names the option of backup_fetch; here it is the site's variable
        raise BoxliftError(error.message, error.remedy.replace("ca_path", "source_ca_path")) from error
    except HttpRefused as error:
        if error.status in _EXPIRED:
            raise BoxliftError(
                f"{host} does not give out {base} ({error}): the link has expired.",
                "Get a new link to the backup and set source_url to it.",
            ) from error
        raise BoxliftError(
            f"{host} does not give out {base} ({error}).", "Check source_url: the address of the first part."
        ) from error
    except Interrupted as error:
        raise BoxliftError(
            f"{host} cannot be reached from this host: {error}.",
            "Check source_url, the name service and the firewall; or copy the parts into source_path by other means.",
        ) from error
    except Unusable as error:
        raise BoxliftError(
            f"{host} does not answer with {base}: {error}.",
            "Ask for a direct link to the file, without a page before it.",
        ) from error
    if not kind.compressed:
        how = f"a {kind.format} backup does not tell its number of parts; the first has {body.total} bytes"
        return Backup(base, kind, None, None, None, here, how)
    marker = _marker(head[:MARKER_SIZE], base)
    if marker is None:
        return Backup(base, kind, None, None, None, here, f"{base} has no size field")
    return _from_marker(base, kind, marker, body.total, here)


def _from_marker(base: str, kind: Kind, first: Marker, file_size: int, here: int) -> Backup:
    """Sizes from the first part alone: no other part holds more, and compression adds less than a thousandth."""
    count = (first.last_index or 0) + 1
    held = max(first.data_size, file_size)  # the field has 32 bits and wraps at 4 GiB
    archive = file_size if count == 1 else count * (held + held // 1000)
    how = f"its first part: {count} parts of at most {held} bytes"
    return Backup(base, kind, count, archive, count * held, here, how)
