# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of users: what lies in `upload/`, and the rows that name it."""

from __future__ import annotations

import dataclasses
import functools
import random
import typing as t

from lab.dump_writer import Row

from .world import World, rows_of

ROOT_FOLDER = 1
BUCKET = "1"
RECORDINGS_EVERY = 5

# Extension, content type, first bytes.
KINDS = (
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04\x14\0\6\0"),
    ("pdf", "application/pdf", b"%PDF-1.4\n"),
    ("jpg", "image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    ("txt", "text/plain", b""),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK\x03\x04\x14\0\6\0"),
    ("csv", "text/csv", b"id;name\r\n"),
)
RECORDING = ("mp3", "audio/mpeg", b"ID3\4\0\0")


@dataclasses.dataclass(frozen=True)
class StoredFile:
    id: int
    module: str
    subdir: str
    name: str
    original: str
    content_type: str
    magic: bytes
    size: int
    in_cloud: bool

    @property
    def path(self) -> str:
        """Below the document root."""
        return f"upload/{self.subdir}/{self.name}"

    def content(self, w: World) -> bytes:
        head = self.magic[: self.size]
        rest = self.size - len(head)
        if self.content_type.startswith("text/"):
            line = f"{self.id};{w.text('file', self.id)}\r\n".encode()
            return head + (line * (rest // len(line) + 1))[:rest]
        return head + random.Random(f"{w.seed}:file:{self.id}").randbytes(rest)


def _weight(w: World, item: int) -> int:
    """Many small files, some big ones, a few huge ones."""
    size_class = w.number("file:class", item, 100)
    low, high = (1, 40) if size_class < 80 else (40, 400) if size_class < 98 else (400, 6000)
    return low + w.number("file:weight", item, high - low)


@functools.lru_cache(maxsize=1)
def _total_weight(w: World) -> int:
    return sum(_weight(w, item) for item in range(1, w.files + 1))


def stored_file(w: World, item: int) -> StoredFile:
    recording = item % RECORDINGS_EVERY == 0
    extension, content_type, magic = RECORDING if recording else w.pick("file:kind", item, KINDS)
    module = "voximplant" if recording else "disk"
    original = f"{w.phrase('file', item)}.{extension}"
    # The portal renames uploads to random names unless an option keeps the original ones: both kinds exist.
    keeps_name = w.number("file:keeps", item, 6) == 0
    return StoredFile(
        id=item,
        module=module,
        subdir=f"{module}/{w.token('file:folder', item, 3)}",
        name=original if keeps_name else f"{w.token('file:name', item)}.{extension}",
        original=original,
        content_type=content_type,
        magic=magic,
        size=max(_weight(w, item) * w.file_bytes // _total_weight(w), 16),
        in_cloud=item > w.files - w.cloud_files,
    )


def stored_files(w: World) -> t.Iterator[StoredFile]:
    return (stored_file(w, item) for item in range(1, w.files + 1))


def object_id(item: int) -> int:
    """The disk's object of a file; object 1 is the folder they all lie in."""
    return item + ROOT_FOLDER


def b_file(w: World) -> t.Iterator[Row]:
    for file in stored_files(w):
        yield {
            "ID": file.id,
            "TIMESTAMP_X": w.ago(w.created("file", file.id, w.files)),
            "MODULE_ID": file.module,
            "HEIGHT": 0,
            "WIDTH": 0,
            "FILE_SIZE": file.size,
            "CONTENT_TYPE": file.content_type,
            "SUBDIR": file.subdir,
            "FILE_NAME": file.name,
            "ORIGINAL_NAME": file.original,
            "HANDLER_ID": BUCKET if file.in_cloud else None,
            "EXTERNAL_ID": w.token("file:external", file.id),
        }


def b_clouds_file_bucket(w: World) -> t.Iterator[Row]:
    """The vendor's storage, where files were left out of the backup."""
    if w.cloud_files:
        yield {
            "ID": int(BUCKET),
            "SERVICE_ID": "amazon_s3",
            "BUCKET": "b24-lab-bucket",
            "LOCATION": "ru-central1",
            "FILE_COUNT": w.cloud_files,
            "SETTINGS": "a:0:{}",
        }


def b_disk_storage(w: World) -> t.Iterator[Row]:
    shared: Row = {
        "MODULE_ID": "disk",
        "ENTITY_TYPE": "Bitrix\\Disk\\ProxyType\\Common",
        "ENTITY_ID": "shared_files_s1",
    }
    yield {"ID": 1, "NAME": "Общий диск", "ROOT_OBJECT_ID": ROOT_FOLDER, **shared}


def b_disk_object(w: World) -> t.Iterator[Row]:
    yield {
        "ID": ROOT_FOLDER,
        "NAME": "Общий диск",
        "TYPE": 2,
        "STORAGE_ID": 1,
        "CREATE_TIME": w.ago(2 * 365 * 86400),
        "CREATED_BY": 1,
    }
    for file in stored_files(w):
        when = w.ago(w.created("file", file.id, w.files))
        yield {
            "ID": object_id(file.id),
            "NAME": file.original,
            "TYPE": 3,
            "STORAGE_ID": 1,
            "REAL_OBJECT_ID": object_id(file.id),
            "PARENT_ID": ROOT_FOLDER,
            "FILE_ID": file.id,
            "SIZE": file.size,
            "CREATE_TIME": when,
            "UPDATE_TIME": when,
            "CREATED_BY": w.employee("file", file.id),
        }


ROWS = rows_of(globals())
