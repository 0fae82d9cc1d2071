# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the verification: what it returns, and when it fails."""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import backup_verify
from lab.archive_writer import Entry, write_archive

from .conftest import RunModule


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    entries = [Entry(b"index.php", data=b"<?php"), Entry(b"upload", type="dir"), Entry(b"upload/a", data=bytes(9000))]
    return write_archive(entries, tmp_path, "base", kind="enc.gz", password="secret", part_limit=4096)


def test_intact(parts: list[Path], run_module: RunModule) -> None:
    result = run_module(backup_verify, path=str(parts[0]), password="secret")
    assert not result["failed"]
    assert not result["changed"]
    assert result["intact"]
    assert (result["format"], result["encrypted"], result["cipher"]) == ("enc.gz", True, "aes-256-ecb")
    assert (result["entries"], result["files"], result["directories"], result["bytes"]) == (3, 2, 1, 9005)
    assert [volume["name"] for volume in result["volumes"]] == [part.name for part in parts]
    assert [volume["data_size"] for volume in result["volumes"]][:2] == [4096, 4096]


FAULTS = Path(__file__).parents[2] / "faults"
DUMP = b"bitrix/backup/20260413_120000_full_Zx8wQr5tYu1iOp4a.sql"


def verified(tmp_path: Path, run_module: RunModule, *dumps: bytes) -> dict[str, t.Any]:
    """The result for a backup in many small parts with this dump."""
    entries = [Entry(b"index.php", data=b"<?php" + bytes(2000))]
    entries += [Entry(DUMP + (b".%d" % number if number else b""), data=dump) for number, dump in enumerate(dumps)]
    entries += [Entry(b"upload/a", data=bytes(9000))]
    parts = write_archive(entries, tmp_path, "base", kind="enc.gz", password="secret", part_limit=1024)
    return run_module(backup_verify, path=str(parts[0]), password="secret")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("partition57", []),
        ("mysql_encryption", ["ENCRYPTION='Y'"]),
        ("mysql_tablespace", ["TABLESPACE `innodb_system`"]),
        ("archive_engine", ["ARCHIVE -> InnoDB"]),
        (
            "functional_index",
            ["index ix: KEY `ix` ((lower(`E`)))", "utf8mb4_0900_ai_ci -> utf8mb4_uca1400_nopad_ai_ci"],
        ),
        ("gen_json", ["utf8mb4_0900_ai_ci -> utf8mb4_uca1400_nopad_ai_ci", ""]),
        ("view_cte", ["root@%"]),
        ("view_dbname", ["sitemanager", "root@%"]),
    ],
)
def test_it_foretells_what_an_import_changes(tmp_path: Path, run_module: RunModule, name: str, told: list[str]) -> None:
    result = verified(tmp_path, run_module, (FAULTS / f"{name}.sql").read_bytes())
    assert not result["failed"] and result["intact"] and result["views_left_out"] == []
    assert [repair["detail"] for repair in result["repairs"]] == told
    status = {finding["id"]: finding["status"] for finding in result["findings"]}
    odd = {"clause_dropped", "clause_replaced"} & {repair["kind"] for repair in result["repairs"]}
    assert status["backup.definitions"] == ("warn" if odd else "pass") and status["backup.collations"] == "pass"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("view_crossdb", "it reads the database mysql"),
        ("view_missing", "it reads b_gone, which is not in the backup"),
        ("view_badcol", "it reads the column GONE of b_user, which is not in the backup"),
    ],
)
def test_it_foretells_which_views_are_left_out(tmp_path: Path, run_module: RunModule, name: str, reason: str) -> None:
    result = verified(tmp_path, run_module, (FAULTS / f"{name}.sql").read_bytes())
    assert not result["failed"] and [view["reason"] for view in result["views_left_out"]] == [reason]
    found = next(finding for finding in result["findings"] if finding["id"] == "backup.views")
    assert found["status"] == "warn" and reason in found["observed"]


@pytest.mark.parametrize(
    ("dump", "reason"),
    [
        (b"GRANT ALL ON *.* TO x;\n", "is refused: it is not on the list"),
        (b"CREATE TABLE `t` (`a` int) SELECT 1;\n", "SELECT has no place in it"),
        (b"CREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES\n(load_file('x'));\n", "something else than literals"),
        (b"CREATE TABLE `t` (`a` bit(8));\nINSERT INTO `t` VALUES\n('x');\n", "BIT value"),
        (b"CREATE TABLE `t` (`a` bit(8));\nINSERT INTO `t` VALUES\n('1','2');\n", "2 values for 1 columns"),
        (b"CREATE TABLE `boxlift_x` (`a` int);\n", "belong to the importer"),
        (b"CREATE TABLE `t` (`a` int);\nCREATE TABLE `t` (`a` int);\n", "appears twice"),
        (b"", "holds no table"),
    ],
)
def test_it_names_what_an_import_refuses(tmp_path: Path, run_module: RunModule, dump: bytes, reason: str) -> None:
    result = verified(tmp_path, run_module, dump + b"-- Finished: 2026-01-01 00:01:00")
    assert result["failed"] and reason in result["msg"] and result["intact"] is False
    assert all(volume["status"] == "intact" for volume in result["volumes"])


def test_it_reads_a_dump_of_several_files_to_its_end(tmp_path: Path, run_module: RunModule) -> None:
    first = b"CREATE TABLE `t` (`a` varchar(999)) ENGINE=CSV;\n" + b"".join(
        b"INSERT INTO `t` VALUES\n('%s');\n" % (b"%d" % number * 90) for number in range(60)
    )
    second = b"INSERT INTO `t` VALUES\n('x');\nCREATE TABLE `u` (`a` int) ENGINE=CSV;\n-- Finished: 2026"
    result = verified(tmp_path, run_module, first, second)
    assert not result["failed"] and [repair["table"] for repair in result["repairs"]] == ["t", "u"]
    (tmp_path / "other").mkdir()
    refused = verified(tmp_path / "other", run_module, first, second.replace(b"('x')", b"(sleep(9))"))
    assert refused["failed"] and ".sql.1: the statement at byte 0" in refused["msg"]


def test_damage_fails_and_still_returns_everything(parts: list[Path], run_module: RunModule) -> None:
    parts[1].unlink()
    result = run_module(backup_verify, path=str(parts[0]), password="secret")
    assert result["failed"]
    assert f"{parts[1].name} is missing" in result["msg"]
    assert result["volumes"][1]["status"] == "missing"
    tolerated = run_module(backup_verify, path=str(parts[0]), password="secret", fail_on_damage=False)
    assert not tolerated["failed"]
    assert not tolerated["intact"]


def test_errors_are_told_in_one_sentence(tmp_path: Path, parts: list[Path], run_module: RunModule) -> None:
    wrong = run_module(backup_verify, path=str(parts[0]), password="guess")
    assert wrong["failed"]
    assert wrong["msg"].startswith(f"The password does not open {parts[0].name}.")
    assert "guess" not in str(wrong).replace("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "")
    absent = run_module(backup_verify, path=str(tmp_path / "other.tar"))
    assert "No part of other.tar was found" in absent["msg"]


def test_manifest_is_written_once_and_compared_with_then(
    parts: list[Path], tmp_path: Path, run_module: RunModule
) -> None:
    manifest = tmp_path / "base.enc.gz.manifest.json"
    asked = {"path": str(parts[0]), "manifest": str(manifest)}
    assert run_module(backup_verify, check=True, password="secret", **asked)["changed"]
    assert not manifest.exists()
    first = run_module(backup_verify, password="secret", **asked)
    assert (first["failed"], first["changed"]) == (False, True)
    assert manifest.stat().st_mode & 0o777 == 0o600
    again = run_module(backup_verify, **asked)
    assert (again["failed"], again["changed"], again["files"]) == (False, False, 2)
    content = bytearray(parts[1].read_bytes())
    content[50] ^= 1
    parts[1].write_bytes(content)
    damaged = run_module(backup_verify, **asked)
    assert damaged["failed"]
    assert damaged["volumes"][1]["ranges"] == [[0, len(content) - 1]]


def test_no_manifest_of_a_damaged_backup(parts: list[Path], tmp_path: Path, run_module: RunModule) -> None:
    parts[1].unlink()
    manifest = tmp_path / "m.json"
    result = run_module(
        backup_verify, path=str(parts[0]), password="secret", manifest=str(manifest), fail_on_damage=False
    )
    assert (result["changed"], result["intact"], manifest.exists()) == (False, False, False)


def test_expected_sums(parts: list[Path], run_module: RunModule) -> None:
    lines = [f"{hashlib.sha256(part.read_bytes()).hexdigest()}  {part.name}" for part in parts]
    asked = {"path": str(parts[0]), "password": "secret"}
    assert not run_module(backup_verify, expected=lines, **asked)["failed"]
    lines[0] = "0" * 64 + lines[0][64:]
    wrong = run_module(backup_verify, expected=lines, **asked)
    assert f"{parts[0].name} is corrupt (its sha256 is not the one that was taken at the source)" in wrong["msg"]
    nothing = run_module(backup_verify, expected=[], **asked)
    assert nothing["failed"]
    assert "have none for a part of base.enc.gz" in nothing["msg"]


def test_it_says_how_far_it_has_come(tmp_path: Path, parts: list[Path], run_module: RunModule) -> None:
    file = tmp_path / "run" / "verify.json"
    run_module(backup_verify, path=str(parts[0]), password="secret", progress=str(file))
    state = json.loads(file.read_text(encoding="utf-8"))
    size = sum(part.stat().st_size for part in parts)
    assert (state["operation"], state["outcome"], state["phase"]) == ("backup_verify", "done", "verify")
    assert (state["done"], state["total"], state["phases"]["verify"]["bytes"]) == (size, size, size)
    assert state["parts"] == {"total": len(parts), "done": len(parts), "damaged": 0, "repaired": 0}

    parts[1].unlink()
    run_module(backup_verify, path=str(parts[0]), password="secret", progress=str(file))
    state = json.loads(file.read_text(encoding="utf-8"))
    assert state["outcome"] == "failed"
    assert f"{parts[1].name} is missing" in state["message"]
    assert state["parts"]["damaged"] == 1

    file.unlink()
    run_module(
        backup_verify, check=True, path=str(parts[0]), password="secret", fail_on_damage=False, progress=str(file)
    )
    assert not file.exists()


def test_an_end_that_is_not_proven_fails_unless_the_number_is_stated(run_module: RunModule, tmp_path: Path) -> None:
    entries = [Entry(b"f%d" % number, data=bytes([number + 1]) * 3584) for number in range(3)]
    first = write_archive(entries, tmp_path, "base", kind="tar", part_limit=4096)[0]
    result = run_module(backup_verify, path=str(first))
    assert (result["failed"], result["intact"]) == (True, None)
    assert "base.tar.2 is a full one, so that another may follow it" in result["msg"]
    result = run_module(backup_verify, path=str(first), fail_on_damage=False)
    assert (result["failed"], result["intact"]) == (False, None)
    result = run_module(backup_verify, path=str(first), parts=3)
    assert (result["failed"], result["intact"]) == (False, True)
    result = run_module(backup_verify, path=str(first), parts=4)
    assert (result["failed"], result["intact"]) == (True, False)


def test_what_a_restore_will_leave_out_is_not_judged(run_module: RunModule, tmp_path: Path) -> None:
    first = write_archive([Entry(b"a"), Entry(b"bad\\name"), Entry(b"d" * 300)], tmp_path, "base")[0]
    result = run_module(backup_verify, path=str(first))
    assert (result["failed"], "backslash" in result["msg"]) == (True, True)
    result = run_module(backup_verify, path=str(first), exclude=["bad*", "ddd*"])
    assert result["intact"] is True
    assert [row["id"] for row in result["findings"] if row["status"] in ("fail", "warn")] == ["backup.dump"]
