# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a backup of the fixture portal, as the vendor's cloud would hand it out, and a manifest of its content.

The same options give the same bytes. `manifest.json` has the form of the manifests beside the genuine archives.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import datetime
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile
import typing as t

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab.archive_writer import KINDS, Entry, write_archive
from lab.dump_writer import DIGEST_RECIPE, SPLIT_LIMIT, DumpWriter
from lab.portal import data, tree
from lab.portal.cloud_config import MASKED
from lab.portal.data.people import ADMIN_LOGIN, PASSWORD
from lab.portal.data.world import MIB, SIZES, World

NOT_ARCHIVED = (
    "bitrix/cache",
    "bitrix/managed_cache",
    "bitrix/stack_cache",
    "bitrix/html_pages",
    "bitrix/tmp",
    "upload/tmp",
    "upload/resize_cache",
)


@dataclasses.dataclass(frozen=True)
class Packing:
    """How the archive is packed."""

    kind: str = "enc.gz"
    part_size: int = 100 * MIB
    password: str | None = None
    cipher: str = "aes"
    hits: int = 3
    sql_split: int = SPLIT_LIMIT


def make_backup(out: pathlib.Path, w: World, packing: Packing) -> dict[str, t.Any]:
    """Write the parts and `manifest.json` into the new or empty folder `out`; gives back the manifest.

    The folder appears when it is complete; what a killed run left is removed.
    """
    staging = out.with_name(f".{out.name}.partial")
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    manifest = _write_backup(staging, w, packing)
    staging.replace(out)
    return manifest


def _write_backup(out: pathlib.Path, w: World, packing: Packing) -> dict[str, t.Any]:
    base = f"{w.moment:%Y%m%d_%H%M%S}_{w.number('base', 0, 10**8):08}"
    with tempfile.TemporaryDirectory(dir=out, prefix=".dump-") as folder:
        dump = DumpWriter(
            pathlib.Path(folder), base, moment=str(w.moment), collation=w.collation, split_limit=packing.sql_split
        )
        tables = _write_tables(dump, w)
        dump_files = [dump.after_connect, *dump.finish()]
        listed: list[dict[str, t.Any]] = []
        parts = write_archive(
            _listing(_all_entries(w, dump_files), listed),
            out,
            base,
            kind=packing.kind,
            part_limit=packing.part_size,
            password=packing.password,
            cipher=packing.cipher,
            hits=packing.hits,
        )
    backup_folder = "bitrix/backup"
    manifest = {
        "case": "generated",
        "kind": packing.kind,
        "password": packing.password,
        "cipher": {"aes": "aes-256-ecb", "blowfish": "bf-ecb"}[packing.cipher] if packing.password else None,
        "part_limit_uncompressed": packing.part_size,
        "parts": [{"name": part.name, "size": part.stat().st_size, "sha256": _sha256(part)} for part in parts],
        "writer_hits": packing.hits,
        "writer": "boxlift lab",
        "world": {**dataclasses.asdict(w), "moment": str(w.moment)},
        "account": {"login": ADMIN_LOGIN, "password": PASSWORD},
        "entries_files": sum(entry["type"] == "file" for entry in listed),
        "entries_dirs": sum(entry["type"] == "dir" for entry in listed),
        "not_in_archive": list(NOT_ARCHIVED),
        "db": {
            "dump_name": f"{backup_folder}/{dump_files[1].name}",
            "dump_parts": [f"{backup_folder}/{path.name}" for path in dump_files[1:]],
            "after_connect": f"{backup_folder}/{dump_files[0].name}",
            "tables": tables,
            "views": list(data.VIEWS),
            "rows_sha256_recipe": DIGEST_RECIPE,
        },
        "entries": listed,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
    return manifest


def _write_tables(dump: DumpWriter, w: World) -> dict[str, dict[str, t.Any]]:
    tables: dict[str, dict[str, t.Any]] = {}
    for name, table in data.schema().items():
        if data.structure_only(name):
            dump.structure(table)
            tables[name] = {"rows": 0, "structure_only": True}
            continue
        total = dump.table(table, data.ROWS[name](w) if name in data.ROWS else ())
        tables[name] = {"rows": total.rows, "structure_only": False, "rows_sha256": total.sha256}
    for name, select in data.VIEWS.items():
        dump.view(name, select)
    return tables


def _all_entries(w: World, dump_files: list[pathlib.Path]) -> t.Iterator[Entry]:
    """First the dump, then the document root, as the vendor's writer does."""
    for path in dump_files:
        yield Entry(f"bitrix/backup/{path.name}".encode(), "file", path, mtime=w.timestamp)
    yield from tree.entries(w)


def _listing(entries: t.Iterable[Entry], listed: list[dict[str, t.Any]]) -> t.Iterator[Entry]:
    """Pass the entries on and note what the manifest says about each."""
    for entry in entries:
        path = entry.path.decode()
        row: dict[str, t.Any] = {"path_b64": base64.b64encode(entry.path).decode(), "path": path, "type": entry.type}
        row.update(mode=f"{entry.mode:04o}", mtime=entry.mtime)
        if entry.type == "file":
            row.update(size=entry.size, sha256=_sha256(entry.data))
        if path.startswith("bitrix/backup/"):
            row["role"] = "after_connect_sql" if path.endswith("_after_connect.sql") else "sql_dump_part"
        if path in MASKED:
            row["masked"] = True
        listed.append(row)
        yield entry


def _sha256(content: bytes | pathlib.Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    options = _parse()
    sizes = {name: getattr(options, name) for name in SIZES["medium"] if getattr(options, name) is not None}
    w = World(
        seed=options.seed,
        moment=options.moment,
        collation=options.collation,
        cloud_domain=options.cloud_domain,
        cloud_files=options.cloud_files,
        **{**SIZES[options.size], **sizes},
    )
    password = None
    if options.kind.startswith("enc"):
        password = options.password_file.read_text(encoding="utf-8").rstrip("\n")
    packing = Packing(options.kind, options.part_size, password, options.cipher, options.hits, options.sql_split)
    manifest = make_backup(options.out, w, packing)
    size = sum(part["size"] for part in manifest["parts"])
    rows = sum(table["rows"] for table in manifest["db"]["tables"].values())
    print(
        f"{manifest['parts'][0]['name']}: {len(manifest['parts'])} parts, {size} bytes, {rows} rows, "
        f"{manifest['entries_files']} files, {manifest['entries_dirs']} folders"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the parts and manifest.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", choices=SIZES, default="small", help="preset; the numbers below override it")
    for name in SIZES["medium"]:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    parser.add_argument("--cloud-files", type=int, default=0, help="files left out, in the vendor's storage")
    parser.add_argument("--moment", type=datetime.datetime.fromisoformat, default=World.moment, help="of the backup")
    parser.add_argument("--collation", default=World.collation)
    parser.add_argument("--cloud-domain", default=World.cloud_domain)
    parser.add_argument("--kind", choices=KINDS, default="enc.gz")
    parser.add_argument("--part-size", type=int, default=Packing.part_size, help="uncompressed bytes of a part")
    parser.add_argument("--password-file", type=pathlib.Path, help="its only line is the password")
    parser.add_argument("--cipher", choices=("aes", "blowfish"), default="aes")
    parser.add_argument("--hits", type=int, default=Packing.hits, help="gzip members in a full part")
    parser.add_argument("--sql-split", type=int, default=SPLIT_LIMIT, help="size at which a dump file ends")
    options = parser.parse_args()
    if options.kind.startswith("enc") and options.password_file is None:
        parser.error("an encrypted backup needs --password-file")
    if options.out.is_dir() and any(options.out.iterdir()):
        parser.error(f"{options.out} is not empty: empty it or name another folder")
    return options


if __name__ == "__main__":
    main()
