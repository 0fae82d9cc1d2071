# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated backup: it is what its manifest says, and in the state that a cloud leaves."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import typing as t

import pytest
from lab import make_backup as maker
from lab.make_backup import Packing, make_backup
from lab.portal import data
from lab.portal.data.people import PASSWORD, PASSWORD_HASH
from lab.portal.data.world import World

from .conftest import SMALL, Backup, scalar

TINY = World(
    users=3, leads=5, deals=2, contacts=3, tasks=4, chats=1, messages=5, files=5, file_bytes=5000, kernel_files=3
)


def bytes_of(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_archive_is_what_the_manifest_says(backup: Backup) -> None:
    manifest = json.loads((backup.folder / "manifest.json").read_text())
    assert len(manifest["parts"]) > 2
    for part in manifest["parts"]:
        content = (backup.folder / part["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (part["size"], part["sha256"])
    listed = {base64.b64decode(entry["path_b64"]).decode(): entry for entry in manifest["entries"]}
    assert len(listed) == manifest["entries_files"] + manifest["entries_dirs"]
    seen = []
    with tarfile.open(fileobj=io.BytesIO(backup.stream())) as tar:
        for member in tar:
            entry = listed[member.name]
            seen.append(member.name)
            assert (f"{member.mode:04o}", member.mtime) == (entry["mode"], entry["mtime"])
            if entry["type"] == "file":
                content = t.cast(t.IO[bytes], tar.extractfile(member)).read()
                assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size"], entry["sha256"])
    assert seen == list(listed), "each once, in this order"
    assert seen[:2] == [manifest["db"]["after_connect"], *manifest["db"]["dump_parts"]][:2]
    folders = {name for name in seen if listed[name]["type"] == "dir"}
    assert all(str(pathlib.PurePosixPath(name).parent) in folders | {"."} for name in seen)


def test_the_same_options_give_the_same_bytes(tmp_path: pathlib.Path) -> None:
    packing = Packing(part_size=20_000, password="пароль")
    worlds = {"one": TINY, "two": TINY, "other": dataclasses.replace(TINY, seed=2)}
    made = {}
    for name, world in worlds.items():
        make_backup(tmp_path / name, world, packing)
        made[name] = bytes_of(tmp_path / name)
    assert made["one"] == made["two"]
    times = [entry["mtime"] for entry in json.loads(made["one"]["manifest.json"])["entries"]]
    assert max(times) == TINY.timestamp, "of the dump; nothing is younger than the backup"
    assert made["one"] != made["other"]


def test_command_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "password").write_text("секрет\n")
    command = [sys.executable, maker.__file__, "--out", str(tmp_path / "out"), "--kind", "enc", "--part-size", "100000"]
    command += ["--password-file", str(tmp_path / "password"), "--sql-split", "30000", "--users", "3", "--leads", "20"]
    command += ["--deals", "1", "--messages", "5", "--files", "3", "--file-bytes", "9000", "--kernel-files", "3"]
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "left by a killed run").touch()
    result = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "Asia/Vladivostok"})
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, "is not empty" in again.stderr) == (2, True)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["password"] == "секрет"
    assert result.stdout.startswith(f"{manifest['parts'][0]['name']}: {len(manifest['parts'])} parts")
    assert manifest["parts"][0]["name"].endswith(".enc")
    assert len(manifest["db"]["dump_parts"]) > 1
    assert manifest["db"]["tables"]["b_crm_lead"]["rows"] == 20
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "manifest.json",
        *(part["name"] for part in manifest["parts"]),
    }


def test_every_row_function_has_its_table() -> None:
    assert set(data.ROWS) <= set(data.schema())


def test_the_imported_rows_have_the_manifests_digests(backup: Backup, cursor: t.Any) -> None:
    spoiled = []
    cursor.execute("SET NAMES binary")
    for name, facts in backup.manifest["db"]["tables"].items():
        columns = ", ".join(f"IFNULL(HEX(`{column.name}`), '~')" for column in data.schema()[name].columns)
        cursor.execute(f"SELECT CONCAT_WS(',', {columns}) FROM `{name}`")
        lines = sorted(bytes(row[0]) if isinstance(row[0], bytes) else row[0].encode() for row in cursor.fetchall())
        assert len(lines) == facts["rows"], name
        if not facts["structure_only"] and hashlib.sha256(b"\n".join(lines)).hexdigest() != facts["rows_sha256"]:
            spoiled.append(name)
    assert spoiled == ["b_hlbd_device"], "the dump writes BIT columns in the way that the vendor's own importer spoils"


def test_the_state_is_a_clouds(cursor: t.Any, root: pathlib.Path) -> None:
    for file in ("bitrix/.settings.php", "bitrix/php_interface/dbconn.php"):
        assert (root / file).read_text().count("******") == 3
    assert scalar(cursor, "SELECT COUNT(DISTINCT SERVER_NAME) FROM b_lang WHERE SERVER_NAME LIKE '%.bitrix24.ru'") == 1
    assert scalar(cursor, "SELECT VALUE FROM b_option WHERE MODULE_ID='main' AND NAME='server_name'").endswith("24.ru")
    assert scalar(cursor, "SELECT VALUE FROM b_option WHERE MODULE_ID='pull' AND NAME='nginx'") == "N"
    outsiders = scalar(cursor, "SELECT COUNT(*) FROM b_user WHERE EXTERNAL_AUTH_ID='socservices'")
    assert SMALL.users // 2 < outsiders < SMALL.users
    for table in ("b_search_content", "b_search_content_text", "b_stat_day", "b_event_log"):
        assert scalar(cursor, f"SELECT COUNT(*) FROM {table}") == 0
    assert scalar(cursor, "SELECT COUNT(*) FROM b_event WHERE SUCCESS_EXEC='N'") == 2
    modules = {path.name for path in (root / "bitrix/modules").iterdir() if path.is_dir()}
    cursor.execute("SELECT ID FROM b_module")
    assert {row[0] for row in cursor.fetchall()} - modules == {"bitrix24"}
    assert scalar(cursor, "SELECT COUNT(*) FROM v_active_staff") > 0
    assert scalar(cursor, "SELECT MIN(ID) FROM b_hlbd_zone") == 0


def test_the_administrator_can_log_in(cursor: t.Any) -> None:
    salt = PASSWORD_HASH.split("$")[2]
    made = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, PASSWORD], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == PASSWORD_HASH
    stored = scalar(
        cursor,
        "SELECT PASSWORD FROM b_user u JOIN b_user_group g ON g.USER_ID = u.ID AND g.GROUP_ID = 1 "
        "WHERE u.LOGIN = 'admin' AND u.EXTERNAL_AUTH_ID IS NULL AND u.ACTIVE = 'Y' AND u.BLOCKED = 'N'",
    )
    assert stored == PASSWORD_HASH


@pytest.mark.parametrize(
    "broken",
    [
        "b_tasks t LEFT JOIN b_forum_topic f ON f.ID = t.FORUM_TOPIC_ID WHERE t.FORUM_TOPIC_ID > 0 AND f.ID IS NULL",
        "b_forum_topic f WHERE f.POSTS <> (SELECT COUNT(*) - 1 FROM b_forum_message m "
        "WHERE m.TOPIC_ID = f.ID AND m.APPROVED = 'Y')",
        "b_forum_topic f LEFT JOIN b_tasks t ON t.FORUM_TOPIC_ID = f.ID WHERE t.ID IS NULL",
        "b_forum_topic f WHERE LAST_MESSAGE_ID <> (SELECT MAX(ID) FROM b_forum_message m WHERE m.TOPIC_ID = f.ID)",
        "b_forum WHERE TOPICS <> (SELECT COUNT(*) FROM b_forum_topic)",
        "b_forum WHERE POSTS <> (SELECT COUNT(*) FROM b_forum_message)",
        "b_tasks_task_chat t LEFT JOIN b_im_chat c ON c.ID = t.CHAT_ID WHERE c.ID IS NULL",
        "b_im_chat c WHERE MESSAGE_COUNT <> (SELECT COUNT(*) FROM b_im_message m WHERE m.CHAT_ID = c.ID)",
        "b_im_message m WHERE (CHAT_ID, AUTHOR_ID) NOT IN (SELECT CHAT_ID, USER_ID FROM b_im_relation)",
        "b_im_message_param p LEFT JOIN b_disk_object o ON o.ID = p.PARAM_VALUE WHERE o.ID IS NULL",
        "b_disk_object o WHERE TYPE = 3 AND (FILE_ID, SIZE) NOT IN (SELECT ID, FILE_SIZE FROM b_file)",
        "b_im_bot b LEFT JOIN b_user u ON u.ID = b.BOT_ID AND u.EXTERNAL_AUTH_ID = 'bot' WHERE u.ID IS NULL",
        "b_user u WHERE EXTERNAL_AUTH_ID = 'socservices' AND ID NOT IN (SELECT VALUE_ID FROM b_utm_user)",
        "b_crm_deal d LEFT JOIN b_crm_lead l ON l.ID = d.LEAD_ID WHERE d.LEAD_ID IS NOT NULL AND l.ID IS NULL",
        "b_crm_act a WHERE CREATED > '2026-04-13 02:00:00'",
    ],
)
def test_the_tables_agree_with_each_other(cursor: t.Any, broken: str) -> None:
    total = scalar(cursor, f"SELECT COUNT(*) FROM {broken.split()[0]}")
    assert total > 0, "an empty table proves nothing"
    assert scalar(cursor, f"SELECT COUNT(*) FROM {broken}") == 0


def test_every_file_row_has_its_file(cursor: t.Any, root: pathlib.Path) -> None:
    cursor.execute("SELECT CONCAT('upload/', SUBDIR, '/', FILE_NAME), FILE_SIZE FROM b_file WHERE HANDLER_ID IS NULL")
    rows = dict(cursor.fetchall())
    assert len(rows) == SMALL.files
    assert {path: (root / path).stat().st_size for path in rows} == rows
    assert any(not path.isascii() for path in rows), "some names are Cyrillic"


def test_files_left_in_the_vendors_storage(tmp_path: pathlib.Path) -> None:
    world = dataclasses.replace(TINY, cloud_files=2)
    manifest = make_backup(tmp_path, world, Packing(kind="tar"))
    uploads = [
        entry for entry in manifest["entries"] if entry["path"].startswith(("upload/disk/", "upload/voximplant/"))
    ]
    assert sum(entry["type"] == "file" for entry in uploads) == TINY.files - 2
    assert manifest["db"]["tables"]["b_clouds_file_bucket"]["rows"] == 1
    left_out = [row for row in data.ROWS["b_file"](world) if row["HANDLER_ID"] == "1"]
    assert [row["ID"] for row in left_out] == [4, 5]


def test_another_collation_is_in_every_place(tmp_path: pathlib.Path) -> None:
    world = dataclasses.replace(TINY, collation="utf8mb4_0900_ai_ci")
    manifest = make_backup(tmp_path, world, Packing(kind="tar"))
    stream = (tmp_path / manifest["parts"][0]["name"]).read_bytes()
    assert b"COLLATE utf8mb4_0900_ai_ci;" in stream
    assert stream.count(b"COLLATE=utf8mb4_0900_ai_ci;") == len(data.schema())
    assert b'collation_connection = "utf8mb4_0900_ai_ci"' in stream
    assert b"utf8mb4_unicode_ci" not in stream
