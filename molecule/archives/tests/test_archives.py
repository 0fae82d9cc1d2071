# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of backup, with and without the fast library: all that its manifest says of files and tables."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest

# What the host itself sees of the restored tree, one line a file: sha256, mode, mtime, owner, name in base64.
LOOK = """
import base64, hashlib, os, pwd, sys
root = os.fsencode(sys.argv[1])
for folder, folders, files in os.walk(root):
    for name in folders + files:
        path = os.path.join(folder, name)
        status = os.lstat(path)
        content = "-" if name in folders else hashlib.sha256(open(path, "rb").read()).hexdigest()
        shown = base64.b64encode(os.path.relpath(path, root)).decode()
        owner = pwd.getpwuid(status.st_uid).pw_name
        print(content, "%o" % (status.st_mode & 0o7777), int(status.st_mtime), owner, shown)
"""

# The same of the database, one line a table: name, rows, sha256 of the sorted rows with every value in hexadecimal.
LOOK_INTO_TABLES = """
import hashlib, subprocess, sys
def ask(query):
    # The rows were loaded in UTC, as the manifest has read them; this server is in another zone.
    query = "SET time_zone = '+00:00'; " + query
    return subprocess.run(["mariadb", "--raw", "-N", "-e", query], check=True, stdout=subprocess.PIPE).stdout
name = sys.argv[1]
columns = ask(
    "SET group_concat_max_len = 1000000; SELECT TABLE_NAME, GROUP_CONCAT(CONCAT('IFNULL(HEX(`', COLUMN_NAME, "
    "'`), ''~'')') ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS "
    f"WHERE TABLE_SCHEMA = '{name}' GROUP BY TABLE_NAME"
).decode()
for line in columns.splitlines():
    table, selected = line.split("\\t")
    rows = ask(f"SELECT CONCAT_WS(',', {selected}) FROM `{name}`.`{table}`").splitlines()
    print(table, len(rows), hashlib.sha256(b"\\n".join(sorted(rows))).hexdigest())
"""


BACKUPS = ("plain_multi", "enc_multi", "own_tar", "own_enc", "own_enc_gz_blowfish")


@pytest.fixture(params=[f"{backup}_{way}" for backup in BACKUPS for way in ("fast", "plain")])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manifest(host: t.Any, name: str) -> dict[str, t.Any]:
    backup = name.rpartition("_")[0]
    content: dict[str, t.Any] = json.loads(host.file(f"/srv/reference/{backup}/manifest.json").content)
    return content


def test_the_ways_differ(host: t.Any) -> None:
    look = "import isal.isal_zlib"
    host.check_output("python3 -c %s", look)
    hidden = host.run("PYTHONPATH=/srv/without-fast-library python3 -c %s", look)
    assert hidden.rc == 1 and "hidden by the test" in hidden.stderr


def test_every_file(host: t.Any, name: str, manifest: dict[str, t.Any]) -> None:
    output = host.check_output("python3 -c %s /srv/%s/www", LOOK, name)
    found = {}
    for line in output.splitlines():
        content, mode, mtime, owner, shown = line.split(" ")
        found[base64.b64decode(shown)] = (content, int(mode, 8), int(mtime))
        assert owner == "portal"
    # The dump went into the database; it must not lie where a web server could give it out.
    expected = {
        entry["path_cp1251"].encode() if "path_cp1251" in entry else base64.b64decode(entry["path_b64"]): entry
        for entry in manifest["entries"]
        if "role" not in entry
    }
    assert set(found) == set(expected)
    for path, entry in expected.items():
        assert found[path][0] == entry.get("sha256", "-"), path
        assert found[path][1] == int(entry["mode"], 8), path
        # The writer changed this one folder between its look at it and the manifest's.
        assert path == b"bitrix/backup" or found[path][2] == entry["mtime"], path


def test_every_table(host: t.Any, name: str, manifest: dict[str, t.Any]) -> None:
    output = host.check_output("python3 -c %s %s", LOOK_INTO_TABLES, name)
    found = {table: (int(rows), digest) for table, rows, digest in map(str.split, output.splitlines())}
    for table, facts in manifest["db"]["tables"].items():
        rows, digest = found[table]
        assert rows == facts["rows"], table
        if not facts["structure_only"] and facts["rows"]:
            assert digest == facts["rows_sha256"], table


def test_nothing_is_left_over(host: t.Any, name: str) -> None:
    assert host.check_output("ls -A /srv/%s", name) == "www"
    assert host.check_output("mariadb -N -e %s", f"SHOW DATABASES LIKE '{name}\\_staging'") == ""
